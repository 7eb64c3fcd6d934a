//! The two passes over a segment's people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plan::decide::{Made, Need, Part, Standing, Verdict};
use plan::effect::as_last_seen;
use plan::facts::Presence;
use plan::guard;
use plan::ids::{ClientId, ObjectId, PerKind, RecordId, RecordKind, SiteId};
use plan::link::{Linked, Target};
use plan::matching::Hits;
use plan::placement;
use plan::preview::Planned;
use plan::rules::Rules;

use super::super::apply::forget;
use super::super::lookup::{Batch, claimants, index_fields};
use super::super::lost::Search;
use super::super::{StepError, Trouble};
use super::change;
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::index::Freshness;
use crate::halo::sites::{Resolved, WhenMissing};
use crate::halo::{Error, Halo, Priority};
use crate::inbound::{UNKNOWN_SITE, name_site};
use crate::meter::Meter;
use crate::store::log::{HaloIds, PersonNames};
use crate::store::people::Person;
use crate::store::previews::{HeldPart, Manager, PartPhase, Previewed};
use crate::store::{Commit, Expect, Key, Range, Write, keys, put_until};

/// People looked at between two savings of the place, and in the first portion, for which somebody
/// waits.
const BATCH: usize = 250;
const FIRST_BATCH: usize = 50;
/// Halo records that are read for one preview at the most: a run of their own budget would be spent
/// on a large one. Beyond, what stands in them is said to be unknown.
const READS: u32 = 50;
/// Sites whose numbers are kept at a time.
const SITES: usize = 5_000;

/// What a pass came to.
pub(super) enum Seen {
    /// Everybody was looked at.
    All,
    /// The time was up first.
    SomeLeft,
    /// Somebody has to be looked for in an index that is not there.
    IndexMissing,
}

/// Whether Halo may be asked about a single record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// As long as the preview has not read its share.
    Within,
    /// Not any more.
    Spent,
}

/// A worker on a part of a preview.
pub(super) struct Viewer<'a> {
    engine: &'a Engine,
    halo: Halo,
    rules: &'a Rules<'a>,
    held: &'a mut HeldPart,
    sites: BTreeMap<(ClientId, String), SiteId>,
    reads: Reads,
}

/// What is not known of a person without asking Halo.
#[derive(Default)]
struct Unknown {
    unread: PerKind<bool>,
    notes: Vec<String>,
    site: Option<String>,
}

impl<'a> Viewer<'a> {
    pub(super) fn new(engine: &'a Engine, rules: &'a Rules<'a>, held: &'a mut HeldPart) -> Self {
        let halo = engine.halo.with_meter(Arc::new(Meter::default()));
        let halo = halo.with_priority(Priority::Manual);
        Self { engine, halo, rules, held, sites: BTreeMap::new(), reads: Reads::Within }
    }

    /// The first pass.
    pub(super) async fn look(&mut self, deadline: Deadline) -> Result<Seen, Trouble> {
        while self.held.part.phase == PartPhase::Looking {
            let after = self.held.part.after.clone();
            let limit = if after.is_none() { FIRST_BATCH } else { BATCH };
            let connection = &self.held.preview.connection;
            let (people, next) =
                self.engine.store.people_of(connection, self.held.segment, after, limit).await?;
            let read = people.into_iter();
            let read = read.filter(|(_, person)| person.value.facts.presence != Presence::Unread);
            let mut batch = Batch::of(self.engine, connection, read.collect()).await?;
            if !batch.look_up_matches(self.engine, self.rules, Freshness::Fresh).await? {
                return Ok(Seen::IndexMissing);
            }
            let ids: Vec<ObjectId> = batch.people.keys().copied().collect();
            let mut writes = Vec::new();
            for id in ids {
                self.look_at(&mut batch, id, &mut writes).await?;
                self.held.part.looked += 1;
            }
            // Before the place moves on: killed in between, the same is written again.
            self.engine.store.write_all(&writes).await?;
            let left_open = self.held.part.open > 0;
            let last = if left_open { PartPhase::Looked } else { PartPhase::Done };
            if let Some(left) = self.go_on(next, last, deadline).await? {
                return Ok(left);
            }
        }
        self.give_back().await
    }

    /// Decides on a person, or leaves it open.
    async fn look_at(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        writes: &mut Vec<Write>,
    ) -> Result<(), Trouble> {
        let Some(foreseen) = batch.foresee(self.rules, id) else { return Ok(()) };
        let mut is_open = false;
        for kind in RecordKind::ALL {
            let deactivates = *foreseen.deactivates.of(kind);
            *self.held.part.planned.of_mut(kind) += u64::from(deactivates);
            is_open |= deactivates || foreseen.claims.of(kind).is_some();
        }
        if !is_open {
            match self.decide_alone(batch, id).await? {
                Some(person) => return self.show(id, &person, writes),
                None => is_open = true,
            }
        }
        let preview = &self.held.preview;
        let (connection, until) = (&preview.connection, Some(preview.expires));
        for record in RecordKind::ALL.into_iter().filter_map(|kind| *foreseen.claims.of(kind)) {
            let partition = keys::preview_claims(connection, preview.preview);
            let key = Key::new(partition, format!("{}{id}", keys::claims_on(record)));
            writes.push(put_until(key, &(), Expect::Anything, until)?);
        }
        if is_open {
            self.held.part.open += 1;
            let preview = &self.held.preview;
            let partition = keys::preview_open(connection, preview.preview, id.segment());
            let key = Key::new(partition, id.to_string());
            writes.push(put_until(key, &(), Expect::Anything, until)?);
        }
        Ok(())
    }

    /// Decides on a person about whom nobody else has a say; `None` = Halo would have to be asked.
    async fn decide_alone(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
    ) -> Result<Option<Previewed>, Trouble> {
        let mut unknown = Unknown::default();
        loop {
            match batch.ask(self.rules, PerKind::both(guard::Verdict::Pass), id) {
                Some(Verdict::Decided(decision)) => {
                    let planned = Planned { decision, unread: PerKind::default() };
                    return Ok(self.previewed(batch, id, planned, unknown));
                }
                Some(Verdict::Needs(Need::Site(client, name))) => {
                    self.answer_site(batch, id, client, name, &mut unknown).await?;
                }
                Some(Verdict::Needs(
                    Need::Matches(..)
                    | Need::Claims(_)
                    | Need::Made(_)
                    | Need::Record(..)
                    | Need::Standing(_),
                ))
                | None => return Ok(None),
            }
        }
    }

    /// The second pass.
    pub(super) async fn decide(&mut self, deadline: Deadline) -> Result<Seen, Trouble> {
        while self.held.part.phase == PartPhase::Deciding {
            let preview = &self.held.preview;
            let (connection, segment) = (preview.connection.clone(), self.held.segment);
            let open = keys::preview_open(&connection, preview.preview, segment);
            let after = self.held.part.after.clone();
            let page = self.engine.store.query(&Range { after, ..Range::of(open, BATCH) }).await?;
            let ids = page.records.iter().filter_map(|record| record.key.sk.parse().ok());
            let ids: Vec<ObjectId> = ids.collect();
            let mut batch = Batch::load(self.engine, &connection, ids.clone()).await?;
            if !batch.look_up_matches(self.engine, self.rules, Freshness::Any).await? {
                return Ok(Seen::IndexMissing);
            }
            let mut writes = Vec::new();
            for id in ids {
                if let Some(person) = self.decide_together(&mut batch, id).await? {
                    self.show(id, &person, &mut writes)?;
                }
            }
            self.engine.store.write_all(&writes).await?;
            if let Some(left) = self.go_on(page.next, PartPhase::Done, deadline).await? {
                return Ok(left);
            }
        }
        self.give_back().await
    }

    /// Decides on a person with all that is known of the others.
    async fn decide_together(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
    ) -> Result<Option<Previewed>, Trouble> {
        let verdict = self.held.preview.verdict;
        let guard = verdict.unwrap_or_else(|| PerKind::both(guard::Verdict::Pass));
        let mut unknown = Unknown::default();
        loop {
            let need = match batch.ask(self.rules, guard, id) {
                None => return Ok(None),
                Some(Verdict::Decided(decision)) => {
                    let planned = Planned { decision, unread: unknown.unread };
                    return Ok(self.previewed(batch, id, planned, unknown));
                }
                Some(Verdict::Needs(need)) => need,
            };
            match need {
                Need::Matches(kind, keys) => {
                    let index = self.engine.halo.index(kind);
                    let fields = index_fields(self.rules.document(), kind);
                    let hits = match index.live(&fields, Freshness::Any).await? {
                        Some(live) => index.lookup(&live, &keys).await?,
                        None => Hits::new(),
                    };
                    batch.known.entry(id).or_default().records.of_mut(kind).hits = Some(hits);
                }
                Need::Claims(record) => {
                    let preview = &self.held.preview;
                    let claims = keys::preview_claims(&preview.connection, preview.preview);
                    let others = claimants(self.engine, claims, record, id).await?;
                    let known = batch.known.entry(id).or_default();
                    known.records.of_mut(record.kind).claims = Some(others);
                }
                Need::Made(kind) => self.answer_made(batch, id, kind, &mut unknown).await?,
                Need::Site(client, name) => {
                    self.answer_site(batch, id, client, name, &mut unknown).await?;
                }
                Need::Record(record, targets) => {
                    self.answer_record(batch, id, record, &targets, &mut unknown).await?;
                }
                Need::Standing(agent) => {
                    self.answer_standing(batch, id, agent, &mut unknown).await?;
                }
            }
        }
    }

    async fn answer_record(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        record: RecordId,
        targets: &BTreeSet<Target>,
        unknown: &mut Unknown,
    ) -> Result<(), Trouble> {
        if self.may_read().await? {
            match self.halo.record(record, targets).await {
                Ok(Some(found)) => {
                    let known = batch.known.entry(id).or_default();
                    known.records.of_mut(record.kind).record = Some(found.fields);
                    return Ok(());
                }
                Ok(None) => {
                    forget(batch, id, record);
                    return Ok(());
                }
                Err(Error::Halo(_)) => self.reads = Reads::Spent,
                Err(Error::Ours(error)) => return Err(error.into()),
            }
        }
        let link = batch.people.get(&id).map(|it| it.value.link.clone()).unwrap_or_default();
        let known = batch.known.entry(id).or_default().records.of_mut(record.kind);
        known.record = Some(as_last_seen(&link, known, record));
        *unknown.unread.of_mut(record.kind) = true;
        unknown.notes.push(format!(
            "Halo {record} is read when it is imported: what stands in it is not known before, and fields that hold the right value already are not written then."
        ));
        Ok(())
    }

    async fn answer_made(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        kind: RecordKind,
        unknown: &mut Unknown,
    ) -> Result<(), Trouble> {
        let known = batch.known.entry(id).or_default().records.of_mut(kind);
        known.made = Made::Nothing;
        if self.may_read().await?
            && let Some(person) = batch.people.get(&id)
        {
            let (store, connection) = (&self.engine.store, &self.held.preview.connection);
            let search = Search { store, halo: &self.halo, connection, rules: self.rules };
            match search.look(id, &person.value, kind, known).await {
                Ok(()) => return Ok(()),
                Err(Trouble::Outside(_)) => self.reads = Reads::Spent,
                Err(trouble) => return Err(trouble),
            }
        }
        unknown.notes.push(format!(
            "Whether an interrupted import made the Halo {kind} is looked up when it is imported."
        ));
        Ok(())
    }

    async fn answer_standing(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        agent: RecordId,
        unknown: &mut Unknown,
    ) -> Result<(), Trouble> {
        let mut standing = None;
        if self.may_read().await? {
            match self.halo.standing(agent).await {
                Ok(found) => standing = Some(found),
                Err(Error::Halo(_)) => self.reads = Reads::Spent,
                Err(Error::Ours(error)) => return Err(error.into()),
            }
        }
        if standing.is_none() {
            unknown.notes.push(format!("Whether Halo {agent} is protected (our own agent, the last administrator) is looked up when it is imported."));
        }
        let known = batch.known.entry(id).or_default().records.of_mut(agent.kind);
        known.standing = Some(standing.unwrap_or(Standing::Other));
        Ok(())
    }

    /// The number of a site, as far as Halo has one of that name; none is made here.
    async fn answer_site(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        client: ClientId,
        name: String,
        unknown: &mut Unknown,
    ) -> Result<(), Trouble> {
        let place = (client, name);
        let site = match self.sites.get(&place) {
            Some(site) => *site,
            None => self.look_up_site(&place).await?,
        };
        if site == UNKNOWN_SITE {
            unknown.site = Some(place.1.clone());
        }
        if self.sites.len() >= SITES {
            self.sites.clear();
        }
        self.sites.insert(place, site);
        batch.known.entry(id).or_default().site = Some(site);
        Ok(())
    }

    async fn look_up_site(&self, place: &(ClientId, String)) -> Result<SiteId, Trouble> {
        let book = self.halo.sites_by_name(placement::site_key);
        match book.resolve(place.0, &place.1, WhenMissing::Leave).await {
            Ok(Resolved::Known(site)) => Ok(site),
            // Without Halo's answer the site goes by its name, which is right in any case.
            Ok(Resolved::Missing | Resolved::BeingMade) | Err(Error::Halo(_)) => Ok(UNKNOWN_SITE),
            Err(Error::Ours(error)) => Err(error.into()),
        }
    }

    /// Takes one of the reads that the preview has.
    async fn may_read(&mut self) -> Result<bool, StepError> {
        if self.reads == Reads::Spent {
            return Ok(false);
        }
        let preview = &self.held.preview;
        let take = |record: &mut crate::store::previews::PreviewRecord| record.reads += 1;
        let taken = change(self.engine, &preview.connection, preview.preview, take).await?;
        let may = taken.is_some_and(|record| record.reads <= READS);
        if !may {
            self.reads = Reads::Spent;
        }
        Ok(may)
    }

    fn previewed(
        &self,
        batch: &Batch,
        id: ObjectId,
        mut planned: Planned,
        unknown: Unknown,
    ) -> Option<Previewed> {
        let person = &batch.people.get(&id)?.value;
        planned.decision = name_site(planned.decision, unknown.site);
        let place = self.held.preview.place(&planned.decision, id);
        let number = |linked: Option<&Linked>, kind: RecordKind| {
            let after = planned.decision.of(kind).and_then(Part::record_after);
            linked.map(|linked| linked.record).or(after).map(|record| record.id)
        };
        let halo = HaloIds {
            user: number(person.link.user.as_ref(), RecordKind::User),
            agent: number(person.link.agent.as_ref(), RecordKind::Agent),
        };
        let manager = manager(batch, person);
        let names = PersonNames::of(id, person);
        Some(Previewed { person: names, manager, planned, halo, notes: unknown.notes, place })
    }

    fn show(
        &mut self,
        id: ObjectId,
        person: &Previewed,
        writes: &mut Vec<Write>,
    ) -> Result<(), Trouble> {
        self.held.part.totals.count(&person.planned.decision);
        writes.extend(self.held.preview.shows(id, person)?);
        Ok(())
    }

    /// Moves the place on. Something = the pass ends here for now.
    async fn go_on(
        &mut self,
        next: Option<String>,
        last: PartPhase,
        deadline: Deadline,
    ) -> Result<Option<Seen>, Trouble> {
        let part = &mut self.held.part;
        let near = next.is_some() && self.engine.is_near(deadline);
        (part.after, part.attempts) = (next.clone(), 0);
        if next.is_none() {
            part.phase = last;
        }
        if next.is_none() || near {
            part.owner = None;
        }
        if self.engine.store.save_part(self.held).await? != Commit::Done {
            return Err(Trouble::Lost);
        }
        Ok(near.then_some(Seen::SomeLeft))
    }

    /// Ends a pass; a part that was through it before is given back.
    async fn give_back(&mut self) -> Result<Seen, Trouble> {
        if self.held.part.owner.take().is_some() {
            // Lost, another worker holds it, and will come to the same end.
            let _: Commit = self.engine.store.save_part(self.held).await?;
        }
        Ok(Seen::All)
    }
}

fn manager(batch: &Batch, person: &Person) -> Option<Manager> {
    let id = person.facts.manager?;
    let display_name = batch.manager_name(id).filter(|name| !name.is_empty());
    Some(Manager { id, display_name })
}
