//! Previews in the store (I1): what is known of each, its parts, and the people as it shows them.
//!
//! A preview has partitions of its own, so that nothing of it stands in the way of runs, and ages out as
//! a whole. People stand under their ids; two lists point to them in the order in which they are shown.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plan::decide::Decision;
use plan::document::{Document, Entity, Mistake};
use plan::effect::Unread;
use plan::guard;
use plan::ids::{ConnectionId, MappingId, ObjectId, PerKind, PreviewId, RunId, Segment};
use plan::preview::{self, Planned, Totals};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::log::{HaloIds, PersonNames};
use super::{
    Commit, Expect, Key, Range, Store, StoreError, Versioned, Write, decode, keys, put_until,
};

/// How long a preview is shown and can be carried out, from the moment when everybody is looked at.
pub const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// How much longer it is remembered that there was one, so that who comes too late is told so.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);

/// A preview.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreviewRecord {
    /// Its id.
    pub preview: PreviewId,
    /// Whose.
    pub connection: ConnectionId,
    /// How far it is.
    pub stage: Stage,
    /// When it was asked for.
    pub created: Timestamp,
    /// From then on it is not shown and cannot be carried out.
    pub expires: Timestamp,
    /// When it was complete, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// By which rules.
    pub rules: RulesOf,
    /// What it covers.
    pub entities: Vec<Entity>,
    /// The mappings in the order in which people are grouped.
    pub order: Vec<MappingId>,
    /// What the guard says to the deactivations of everybody (L4); `None` before all were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<PerKind<guard::Verdict>>,
    /// Halo records that were read for it.
    #[serde(default)]
    pub reads: u32,
    /// Properties that the rules name and that were never read of Entra.
    #[serde(default)]
    pub new_properties: BTreeSet<String>,
    /// Groups that nobody can judge yet.
    #[serde(default)]
    pub unknown_groups: BTreeSet<String>,
    /// What is worth a look, or could not be known.
    #[serde(default)]
    pub warnings: Vec<Mistake>,
    /// Why it failed, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it last went on, or until when it waits on purpose.
    pub touched: Timestamp,
}

/// How far a preview is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Stage {
    /// A run reads Entra first.
    Reading {
        /// Which.
        run: RunId,
    },
    /// Everybody is looked at: who claims which Halo record, and how many would be deactivated.
    Looking,
    /// Those are decided on whom the others, the guard or Halo have a say.
    Deciding,
    /// Done.
    Complete,
    /// Ended by a failure.
    Failed,
}

/// By which rules people are decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum RulesOf {
    /// Those of the saved document.
    Saved {
        /// Its revision.
        revision: u64,
    },
    /// Those of a draft (I4).
    Draft,
}

/// A segment's part of a preview: its lease, its place and its counts in one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreviewPart {
    /// Who works on it.
    pub owner: Option<Uuid>,
    /// Until when nobody else does.
    pub until: Timestamp,
    /// How far it is.
    pub phase: PartPhase,
    /// Behind whom it goes on; `None` = from the start.
    pub after: Option<String>,
    /// People who were looked at.
    pub looked: u64,
    /// People who are left open until all were looked at.
    pub open: u64,
    /// People who are listed, by mapping and decision.
    pub totals: Totals,
    /// Deactivations, without released ones (L4).
    pub planned: PerKind<u64>,
    /// Failures of Halo in a row.
    pub attempts: u32,
}

/// How far a part of a preview is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartPhase {
    /// Looking at everybody.
    Looking,
    /// All looked at; waiting for the other parts.
    Looked,
    /// Deciding on those who were left open.
    Deciding,
    /// Done.
    Done,
}

/// Holding a part: the record with the version that proves it.
#[derive(Clone, Debug)]
pub struct HeldPart {
    /// Of which preview.
    pub preview: PreviewRecord,
    /// Which people.
    pub segment: Segment,
    /// The record; a change is stored by [`Store::save_part`].
    pub part: PreviewPart,
    version: u64,
}

/// A person as a preview shows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previewed {
    /// Who.
    pub person: PersonNames,
    /// The manager (F6); `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
    /// What would happen.
    #[serde(flatten)]
    pub planned: Planned,
    /// The records in Halo.
    pub halo: HaloIds,
    /// What could not be known without asking Halo, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Where the person stands in the list.
    pub place: String,
}

/// Somebody's manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// Entra object id.
    pub id: ObjectId,
    /// Display name; `None` before the manager was read.
    pub display_name: Option<String>,
}

/// A stretch of a list of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    partition: String,
    prefix: String,
    /// Whether somebody stands there; others keep their number in cursors.
    is_empty: bool,
}

/// Where a page ended: the number of the stretch, and a place in it.
pub type Position = (usize, Option<String>);

impl PreviewRecord {
    /// From now on everybody is looked at; `unread` = what nobody can be judged by yet.
    pub fn look_from(&mut self, now: Timestamp, unread: Unread) {
        self.stage = Stage::Looking;
        self.expires = now.saturating_add(LIFE).unwrap_or(Timestamp::MAX);
        self.touched = now;
        self.new_properties = unread.properties;
        self.unknown_groups = unread.groups.iter().map(ToString::to_string).collect();
    }

    /// Whether it can still be shown and carried out.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires
    }

    /// The write that stores it, for as long as it is remembered.
    pub fn put(&self, expect: Expect) -> Result<Write, StoreError> {
        let forgotten = self.expires.saturating_add(MEMORY).ok();
        put_until(keys::preview(&self.connection, self.preview), self, expect, forgotten)
    }

    /// The writes that make it known: the record, whose it is, and the document with its rules.
    pub fn creates(&self, document: &Document) -> Result<Vec<Write>, StoreError> {
        let pointer = keys::preview_pointer(self.preview);
        let place = keys::preview_document(&self.connection, self.preview);
        let forgotten = forgotten(self.created);
        Ok(vec![
            self.put(Expect::Absent)?,
            put_until(pointer, &self.connection, Expect::Anything, forgotten)?,
            put_until(place, document, Expect::Anything, forgotten)?,
        ])
    }

    /// Where a person is listed: by mapping in its order, those of none last, then by decision.
    pub fn place(&self, decision: &Decision, id: ObjectId) -> String {
        let mapping = preview::listed_under(decision);
        format!("{}{}#{id}", self.group(mapping), decision.name())
    }

    /// What all places of a mapping begin with.
    fn group(&self, mapping: Option<&MappingId>) -> String {
        let rank = mapping.and_then(|id| self.order.iter().position(|other| other == id));
        rank.map_or_else(|| "none#".to_owned(), |rank| format!("{rank:04}#"))
    }

    /// The stretches of the lists in which people of a mapping or with a decision stand, among those
    /// counted in `totals`.
    pub fn stretches(
        &self,
        mapping: Option<&MappingId>,
        decision: Option<&str>,
        totals: &Totals,
    ) -> Vec<Stretch> {
        let list = keys::preview_list(&self.connection, self.preview);
        let decided = decision.map(|decision| format!("{decision}#")).unwrap_or_default();
        let stretch = |partition: &str, prefix: String, is_empty| Stretch {
            partition: partition.to_owned(),
            prefix,
            is_empty,
        };
        match (mapping, decision) {
            (None, None) => vec![stretch(&list, String::new(), false)],
            (Some(mapping), _) => {
                let also = keys::preview_also(&self.connection, self.preview, mapping);
                let own = format!("{}{decided}", self.group(Some(mapping)));
                vec![stretch(&list, own, false), stretch(&also, decided, false)]
            }
            (None, Some(decision)) => {
                let groups = self.order.iter().map(Some).chain([None]);
                let of = |mapping| {
                    let none = totals.of(mapping).get(decision).is_none_or(|people| *people == 0);
                    stretch(&list, format!("{}{decided}", self.group(mapping)), none)
                };
                groups.map(of).collect()
            }
        }
    }

    /// The writes that show a person. Safe to repeat: the same again is the same records, and somebody
    /// who is decided otherwise now is listed where the newer record says.
    pub fn shows(&self, id: ObjectId, person: &Previewed) -> Result<Vec<Write>, StoreError> {
        let (connection, preview, until) = (&self.connection, self.preview, Some(self.expires));
        let own = keys::preview_person(connection, preview, id);
        let list = Key::new(keys::preview_list(connection, preview), &person.place);
        let mut writes = vec![
            put_until(own, person, Expect::Anything, until)?,
            put_until(list, &id, Expect::Anything, until)?,
        ];
        let decision = &person.planned.decision;
        let listed = preview::listed_under(decision);
        for mapping in decision.mappings().into_iter().filter(|it| Some(*it) != listed) {
            let place = format!("{}#{id}", decision.name());
            let key = Key::new(keys::preview_also(connection, preview, mapping), place);
            writes.push(put_until(key, &id, Expect::Anything, until)?);
        }
        Ok(writes)
    }
}

/// When nobody remembers a preview any more whose people are looked at from `start` on.
fn forgotten(start: Timestamp) -> Option<Timestamp> {
    start.saturating_add(LIFE).and_then(|it| it.saturating_add(MEMORY)).ok()
}

impl PreviewPart {
    fn new() -> Self {
        Self {
            owner: None,
            until: Timestamp::UNIX_EPOCH,
            phase: PartPhase::Looking,
            after: None,
            looked: 0,
            open: 0,
            totals: Totals::default(),
            planned: PerKind::default(),
            attempts: 0,
        }
    }
}

impl Store {
    /// A preview.
    pub async fn preview(
        &self,
        connection: &ConnectionId,
        preview: PreviewId,
    ) -> Result<Option<Versioned<PreviewRecord>>, StoreError> {
        self.read(&keys::preview(connection, preview)).await
    }

    /// The connection that a preview belongs to.
    pub async fn preview_owner(
        &self,
        preview: PreviewId,
    ) -> Result<Option<ConnectionId>, StoreError> {
        Ok(self.read(&keys::preview_pointer(preview)).await?.map(|owner| owner.value))
    }

    /// The document whose rules a preview shows.
    pub async fn preview_document(
        &self,
        connection: &ConnectionId,
        preview: PreviewId,
    ) -> Result<Option<Document>, StoreError> {
        let found = self.read(&keys::preview_document(connection, preview)).await?;
        Ok(found.map(|document| document.value))
    }

    /// Stores the document whose rules a preview shows, and whose it is, for a preview that begins to
    /// look at people `now`.
    pub async fn put_preview_document(
        &self,
        connection: &ConnectionId,
        preview: PreviewId,
        document: &Document,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (pointer, until) = (keys::preview_pointer(preview), forgotten(now));
        let place = keys::preview_document(connection, preview);
        let writes = [
            put_until(pointer, connection, Expect::Anything, until)?,
            put_until(place, document, Expect::Anything, until)?,
        ];
        self.write_all(&writes).await
    }

    /// The parts of a preview that were begun.
    pub async fn preview_parts(
        &self,
        connection: &ConnectionId,
        preview: PreviewId,
    ) -> Result<Vec<(Segment, PreviewPart)>, StoreError> {
        let wanted: Vec<Key> = Segment::all()
            .map(|segment| keys::preview_part(connection, preview, segment))
            .collect();
        let found = self.get(&wanted).await?;
        let begun =
            Segment::all().zip(&found).filter_map(|(id, record)| Some((id, record.as_ref()?)));
        begun.map(|(segment, record)| Ok((segment, decode(record)?.value))).collect()
    }

    /// Takes a part of a preview for `duration`; `None` while another worker holds it.
    pub async fn hold_part(
        &self,
        preview: PreviewRecord,
        segment: Segment,
        owner: Uuid,
        duration: SignedDuration,
    ) -> Result<Option<HeldPart>, StoreError> {
        let now = self.clock.now();
        let key = keys::preview_part(&preview.connection, preview.preview, segment);
        let found = self.read::<PreviewPart>(&key).await?;
        let taken = found.as_ref().map(|found| &found.value);
        if taken.is_some_and(|part| part.owner.is_some() && part.until > now) {
            return Ok(None);
        }
        let (version, part) =
            found.map_or_else(|| (0, PreviewPart::new()), |found| (found.version, found.value));
        let until = now.saturating_add(duration).unwrap_or(now);
        let part = PreviewPart { owner: Some(owner), until, ..part };
        let mut held = HeldPart { preview, segment, part, version };
        Ok((self.save_part(&mut held).await? == Commit::Done).then_some(held))
    }

    /// Stores a part; a conflict means that another worker holds it now, or that the preview is gone.
    pub async fn save_part(&self, held: &mut HeldPart) -> Result<Commit, StoreError> {
        let PreviewRecord { connection, preview, expires, .. } = &held.preview;
        let key = keys::preview_part(connection, *preview, held.segment);
        let expect = if held.version == 0 { Expect::Absent } else { Expect::Version(held.version) };
        let until = expires.saturating_add(MEMORY).ok();
        let commit = self.commit(&[put_until(key, &held.part, expect, until)?]).await?;
        held.version += u64::from(commit == Commit::Done);
        Ok(commit)
    }

    /// People as a preview shows them, by id; others are left out.
    pub async fn previewed(
        &self,
        connection: &ConnectionId,
        preview: PreviewId,
        ids: &[ObjectId],
    ) -> Result<BTreeMap<ObjectId, Previewed>, StoreError> {
        let wanted: Vec<Key> =
            ids.iter().map(|id| keys::preview_person(connection, preview, *id)).collect();
        let found = ids.iter().zip(self.get(&wanted).await?);
        found
            .filter_map(|(id, record)| Some((*id, record?)))
            .map(|(id, record)| Ok((id, decode(&record)?.value)))
            .collect()
    }

    /// A stretch of a segment's people as a preview shows them, in order of their ids.
    pub async fn previewed_of(
        &self,
        connection: &ConnectionId,
        preview: PreviewId,
        segment: Segment,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(ObjectId, Previewed)>, Option<String>), StoreError> {
        let pk = keys::preview_people(connection, preview, segment);
        let page = self.query(&Range { after, ..Range::of(pk, limit) }).await?;
        let people = page
            .records
            .iter()
            .filter_map(|record| Some((record.key.sk.parse().ok()?, record)))
            .map(|(id, record)| Ok((id, decode(record)?.value)))
            .collect::<Result<_, StoreError>>()?;
        Ok((people, page.next))
    }

    /// A page of people as a preview lists them, from a place on, and where to go on. It costs two
    /// operations for each stretch that it touches, however many people there are.
    pub async fn preview_page(
        &self,
        preview: &PreviewRecord,
        stretches: &[Stretch],
        from: Position,
        limit: usize,
    ) -> Result<(Vec<Previewed>, Option<Position>), StoreError> {
        let (first, mut after) = from;
        let mut people = Vec::new();
        for (number, stretch) in stretches.iter().enumerate().skip(first) {
            let range = Range {
                prefix: stretch.prefix.clone(),
                after: after.take(),
                ..Range::of(&stretch.partition, limit - people.len())
            };
            if stretch.is_empty {
                continue;
            }
            let page = self.query(&range).await?;
            let listed: Vec<(ObjectId, &str)> = page
                .records
                .iter()
                .map(|record| Ok((decode(record)?.value, record.key.sk.as_str())))
                .collect::<Result<_, StoreError>>()?;
            let ids: Vec<ObjectId> = listed.iter().map(|(id, _)| *id).collect();
            let mut found = self.previewed(&preview.connection, preview.preview, &ids).await?;
            // Somebody who was decided again meanwhile is listed elsewhere.
            let stands = |(id, place): &(ObjectId, &str)| {
                found.remove(id).filter(|person| person.place.ends_with(place))
            };
            people.extend(listed.iter().filter_map(stands));
            let next = match page.next {
                Some(next) => Some((number, Some(next))),
                None => (number + 1 < stretches.len()).then_some((number + 1, None)),
            };
            if people.len() >= limit || next.as_ref().is_none_or(|(_, place)| place.is_some()) {
                return Ok((people, next));
            }
        }
        Ok((people, None))
    }
}
