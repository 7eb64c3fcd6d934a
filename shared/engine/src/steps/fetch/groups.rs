//! Reading groups: who is a member, which groups are inside which, and what became of them (P3).

use std::collections::{BTreeMap, BTreeSet};

use plan::cursor::{Cursor, Progress, Scope};
use plan::document::{Document, Nesting, Reading as Way};
use plan::groups::{Group, GroupState};
use plan::ids::{ObjectId, Segment};
use plan::reading::{GroupStream, Stage};

use super::{Reader, Trouble};
use crate::graph::{GroupChange, GroupNews, Member, Page};
use crate::store::connections::unchanged;
use crate::store::{Expect, Range, Versioned, decode, keys, put};

impl Reader<'_> {
    pub(super) async fn groups_page(&mut self, index: usize) -> Result<(), Trouble> {
        let Some(stream) = self.state.value.reading.groups.get(index).cloned() else {
            self.replace_stage(None);
            return Ok(());
        };
        if self.document.sync.reading == Way::Full {
            return self.members_page(index, stream).await;
        }
        let mut cursor = stream.cursor.clone();
        let Page { items, next, .. } =
            self.graph()?.groups_delta(cursor.link(), &stream.ids).await?;
        let mut fresh = 0;
        for item in &items {
            fresh += 1 + item.added.len() as u64;
            self.group_change(item, stream.round).await?;
        }
        let progress = cursor.advance(next, fresh, self.engine.clock.now());
        if matches!(progress, Progress::Complete(_)) {
            self.groups_are_read(&stream.ids).await?;
        }
        self.state.value.reading.groups[index].cursor = cursor;
        self.after_page(progress)
    }

    /// Without delta, members are listed group by group, everybody each time.
    async fn members_page(&mut self, index: usize, mut stream: GroupStream) -> Result<(), Trouble> {
        let Some(group) = stream.ids.get(stream.listing).copied() else {
            self.state.value.reading.groups[index].listing = 0;
            self.groups_are_read(&stream.ids).await?;
            self.replace_stage(None);
            return Ok(());
        };
        let page = self.graph()?.members_list(group, stream.cursor.link()).await?;
        let (added, news) = match page {
            Some(page) => (page.items, Some(page.next)),
            None => (Vec::new(), None),
        };
        let fresh = added.len() as u64;
        let state = if news.is_some() { GroupNews::Unsaid } else { GroupNews::Gone };
        let change = GroupChange { id: group, name: None, news: state, added, removed: Vec::new() };
        self.group_change(&change, stream.round).await?;
        let progress = match news {
            Some(next) => stream.cursor.advance(next, fresh, self.engine.clock.now()),
            None => Progress::Complete(Scope::Full),
        };
        if matches!(progress, Progress::Complete(_)) {
            stream.listing += 1;
            stream.cursor = Cursor::Start;
        }
        self.state.value.reading.groups[index] = stream;
        match progress {
            Progress::Endless => self.after_page(progress),
            Progress::More | Progress::Complete(_) => Ok(()),
        }
    }

    async fn group_change(&mut self, change: &GroupChange, round: u64) -> Result<(), Trouble> {
        let people = |members: &[Member]| -> Vec<ObjectId> {
            members
                .iter()
                .filter_map(|member| match member {
                    Member::User(id) => Some(*id),
                    Member::Group(_) => None,
                })
                .collect()
        };
        self.group_facts(change).await?;
        let store = &self.engine.store;
        let added = people(&change.added);
        if !added.is_empty() || !change.removed.is_empty() {
            let merged = store
                .merge_members(
                    self.connection,
                    &self.fence.check(),
                    change.id,
                    round,
                    &added,
                    &change.removed,
                )
                .await?;
            self.note(merged)?;
        }
        let inner: Vec<ObjectId> = change
            .added
            .iter()
            .filter_map(|member| match member {
                Member::Group(id) => Some(*id),
                Member::User(_) => None,
            })
            .collect();
        self.place_groups(change.id, &inner, &change.removed).await
    }

    /// Name and existence of a group; when it goes, its members are looked at again.
    async fn group_facts(&mut self, change: &GroupChange) -> Result<(), Trouble> {
        let store = &self.engine.store;
        let key = keys::group(self.connection, change.id);
        let stored = store.read::<Group>(&key).await?;
        let expect = unchanged(stored.as_ref());
        let mut group = stored.map_or_else(Group::default, |stored| stored.value);
        let before = group.clone();
        if let Some(name) = &change.name {
            group.name.clone_from(name);
        }
        match change.news {
            GroupNews::Gone => group.state = GroupState::Gone,
            GroupNews::Unsaid if group.state == GroupState::Gone => {
                group.state = GroupState::Unread;
            }
            GroupNews::Unsaid => {}
        }
        if group == before {
            return Ok(());
        }
        if group.state != before.state && before.state != GroupState::Unread {
            let members = store.all_of(&keys::members_of(self.connection, change.id)).await?;
            self.mark(members, "groups").await?;
        }
        self.commit(vec![put(key, &group, expect)?]).await
    }

    /// Groups inside a group: they are read too where a rule counts nested members (P3).
    async fn place_groups(
        &mut self,
        parent: ObjectId,
        inner: &[ObjectId],
        removed: &[ObjectId],
    ) -> Result<(), Trouble> {
        if !self.follows_nesting() {
            return Ok(());
        }
        let candidates: Vec<ObjectId> = inner.iter().chain(removed).copied().collect();
        let wanted: Vec<_> =
            candidates.iter().map(|id| keys::group(self.connection, *id)).collect();
        let found = self.engine.store.get(&wanted).await?;
        for (id, record) in candidates.into_iter().zip(found) {
            let stored = record.as_ref().map(decode::<Group>).transpose()?;
            let is_in = inner.contains(&id);
            if stored.is_none() && !is_in {
                continue;
            }
            let expect = unchanged(stored.as_ref());
            let mut group = stored.map_or_else(Group::default, |stored| stored.value);
            let changed =
                if is_in { group.parents.insert(parent) } else { group.parents.remove(&parent) };
            if changed {
                let members =
                    self.engine.store.all_of(&keys::members_of(self.connection, id)).await?;
                self.mark(members, "groups").await?;
                self.commit(vec![put(keys::group(self.connection, id), &group, expect)?]).await?;
            }
            if is_in {
                self.state.value.reading.track(id);
            }
        }
        Ok(())
    }

    fn follows_nesting(&self) -> bool {
        self.document.groups().iter().any(|(_, group)| group.nesting == Nesting::Nested)
    }

    /// A round of groups is complete: those that were not delivered do not exist.
    async fn groups_are_read(&mut self, ids: &[ObjectId]) -> Result<(), Trouble> {
        let wanted: Vec<_> = ids.iter().map(|id| keys::group(self.connection, *id)).collect();
        let found = self.engine.store.get(&wanted).await?;
        for (id, record) in ids.iter().zip(found) {
            let stored = record.as_ref().map(decode::<Group>).transpose()?;
            let expect = unchanged(stored.as_ref());
            let mut group = stored.map_or_else(Group::default, |stored| stored.value);
            if group.state != GroupState::Unread {
                continue;
            }
            let delivered = record.is_some() && !group.name.is_empty()
                || self.document.sync.reading == Way::Full;
            group.state = if delivered { GroupState::Read } else { GroupState::Gone };
            self.commit(vec![put(keys::group(self.connection, *id), &group, expect)?]).await?;
        }
        Ok(())
    }

    /// Members whom the full round of their group did not deliver have left it.
    pub(super) async fn leavers(&mut self, index: usize, group: usize) -> Result<(), Trouble> {
        let reading = &self.state.value.reading;
        let place = reading.groups.get(index).map(|stream| (stream.round, stream.ids.get(group)));
        let Some((round, Some(id))) = place else {
            self.replace_stage(None);
            return Ok(());
        };
        let id = *id;
        let mut after = None;
        loop {
            let partition = keys::members_of(self.connection, id);
            let page =
                self.engine.store.query(&Range { after, ..Range::of(partition, 500) }).await?;
            let left: Vec<ObjectId> = page
                .records
                .iter()
                .filter(|record| record.body.parse::<u64>().is_ok_and(|seen| seen < round))
                .filter_map(|record| record.key.sk.parse().ok())
                .collect();
            if !left.is_empty() {
                let merged = self
                    .engine
                    .store
                    .merge_members(self.connection, &self.fence.check(), id, round, &[], &left)
                    .await?;
                self.note(merged)?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        self.replace_stage(Some(Stage::Leavers { index, group: group + 1 }));
        Ok(())
    }

    /// Names that nobody could resolve on saving are tried again; what cannot be relied on is said.
    pub(super) async fn resolve_groups(&mut self) -> Result<(), Trouble> {
        if self.run.value.run.requests.graph > 0 || self.document.groups().is_empty() {
            return Ok(());
        }
        let graph = self.graph.as_ref().map_err(Clone::clone)?;
        let pinned = self.engine.pin_groups(graph, &mut self.document).await?;
        self.run.value.run.warnings.extend(pinned.problems.iter().map(|m| m.message.clone()));
        if pinned.changed {
            let mut saved = self.saved.value.clone();
            saved.document = self.document.clone();
            let key = keys::document(self.connection);
            let write = put(key, &saved, Expect::Version(self.saved.version))?;
            self.commit(vec![write]).await?;
            self.saved = Versioned { version: self.saved.version + 1, value: saved };
            self.look_at_everybody();
        }
        for (_, group) in self.document.groups() {
            if let Some(id) = group.id {
                self.state.value.reading.track(id);
            }
        }
        Ok(())
    }

    /// A rule works again that could not be judged: whoever it may be about is looked at, and since
    /// nobody knows who that is, everybody (P3, T1).
    fn look_at_everybody(&mut self) {
        let reading = &mut self.state.value.reading;
        let is_planned = matches!(reading.todo.first(), Some(Stage::Everybody { .. }));
        if reading.last_full.is_some() && !is_planned {
            reading.todo.insert(0, Stage::Everybody { segment: Segment::FIRST, after: None });
        }
    }

    /// Tells of groups that a rule names and that were renamed or are gone (P3).
    pub(super) async fn warn_of_groups(&mut self) -> Result<(), Trouble> {
        let named = self.document.groups();
        if named.is_empty() {
            return Ok(());
        }
        let groups = self.engine.store.groups(self.connection).await?;
        for (path, reference) in named {
            let Some(group) = reference.id.and_then(|id| groups.0.get(&id)) else { continue };
            let called = reference.name.as_deref().unwrap_or(&group.name);
            if group.state == GroupState::Gone {
                self.run.value.run.warnings.push(format!(
                    "{path}: the group \"{called}\" was deleted in Entra. Nothing is taken from anybody because of it; name another group or remove the mapping."
                ));
            } else if !group.name.is_empty() && !called.eq_ignore_ascii_case(&group.name) {
                self.run.value.run.warnings.push(format!(
                    "{path}: the group \"{called}\" is now called \"{}\". The mapping still follows it by its object id.",
                    group.name
                ));
            }
        }
        Ok(())
    }
}

/// Groups that the rules name, and, where nested members count, those found inside them.
pub(super) fn wanted_groups(
    document: &Document,
    known: &BTreeMap<ObjectId, Group>,
) -> BTreeSet<ObjectId> {
    let mut wanted: BTreeSet<ObjectId> =
        document.groups().iter().filter_map(|(_, group)| group.id).collect();
    if document.groups().iter().any(|(_, group)| group.nesting == Nesting::Nested) {
        loop {
            let inner: Vec<ObjectId> = known
                .iter()
                .filter(|(id, group)| !wanted.contains(id) && !group.parents.is_disjoint(&wanted))
                .map(|(id, _)| *id)
                .collect();
            if inner.is_empty() {
                break;
            }
            wanted.extend(inner);
        }
    }
    wanted
}
