//! What a draft of a connection's document would change (I4, I5): everybody is decided by the saved
//! rules and by the draft's, from the store alone. Nothing is written, and nobody outside is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use plan::decide::{Decision, Need};
use plan::document::{Document, Mistake, Parsed};
use plan::effect::{Outlook, carry_custom_fields, is_affected, unread};
use plan::facts::Presence;
use plan::guard::{self, Planned};
use plan::ids::{ClientId, ConnectionId, ObjectId, PerKind, RecordKind, Segment, SiteId};
use plan::matching::Hits;
use plan::placement;
use plan::rules::{Rules, scope_of};
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use super::check::{Findings, check_licences};
use super::directory::carry_pins;
use super::save::check_id;
use crate::Engine;
use crate::clock::Deadline;
use crate::halo::index::Freshness;
use crate::steps::StepError;
use crate::steps::lookup::{Batch, Directory, other_claims};
use crate::store::StoreError;
use crate::store::connections::State;
use crate::store::log::PersonNames;

/// People looked at together.
const BATCH: usize = 250;
/// How long one call looks at people: API Gateway waits for 30 seconds.
const PORTION: SignedDuration = SignedDuration::from_secs(25);
/// Time that must be left to begin with more people.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);
/// People who are shown, and how many of them for one change of decision.
const EXAMPLES: (usize, usize) = (10, 4);
/// Sites whose numbers are kept at a time.
const SITES: usize = 5_000;

/// What a draft would change.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Effect {
    /// People who were looked at.
    pub people: u64,
    /// Whether these are all; else the time was up first.
    pub complete: bool,
    /// Those of whom something else would come.
    pub affected: u64,
    /// What would come of them, by the decision's name.
    pub becomes: BTreeMap<&'static str, u64>,
    /// Whether saving starts a full read, because the draft names properties that were never read.
    pub needs_full_read: bool,
    /// Those properties: what depends on them cannot be judged yet.
    pub new_properties: Vec<String>,
    /// Groups that nobody can judge yet: not looked for, not read, or gone.
    pub unknown_groups: Vec<Arc<str>>,
    /// Whether the guard would hold the deactivations (L4).
    pub held_by_guard: PerKind<bool>,
    /// Some of those of whom something else would come.
    pub examples: Vec<Example>,
    /// What is worth a look, or could not be known.
    pub warnings: Vec<Mistake>,
}

/// Somebody of whom something else would come.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Example {
    /// Who.
    pub person: PersonNames,
    /// By the saved rules.
    pub before: Told,
    /// By the draft's.
    pub after: Told,
}

/// A decision in words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Told {
    /// Its name.
    pub decision: &'static str,
    /// Why, in sentences.
    pub sentences: Vec<String>,
}

impl Engine {
    /// Tells what saving a draft would change. Changes nothing, so it is safe to repeat.
    pub async fn effect(
        &self,
        id: &ConnectionId,
        draft: &serde_json::Value,
    ) -> Result<Effect, Refusal> {
        let (saved, state) = self.load(id).await?;
        let saved = saved.value.document;
        let (draft, mut warnings) = self.parse_draft(id, draft, &saved)?;
        let groups = self.store.groups(id).await?;
        let unread = unread(&draft, &state.value.reading, &groups);
        let book = self.store.book(id).await?.map(|book| book.value);
        let today = Directory::new(saved, groups.clone(), book.clone());
        let draft = Directory::new(draft, groups, book);
        let mut walk = Walk::new(self, id, &draft.document, &state.value);
        walk.everybody(&rules(&today), &rules(&draft)).await?;
        let mut effect = walk.end();
        warnings.append(&mut effect.warnings);
        effect.warnings = warnings;
        effect.needs_full_read = !unread.properties.is_empty();
        effect.new_properties = unread.properties.into_iter().collect();
        effect.unknown_groups = unread.groups.into_iter().collect();
        Ok(effect)
    }

    /// A draft with what the saved document knows of its groups and custom fields, and what is worth a
    /// warning. Refused with every mistake that saving it would be refused with.
    pub(super) fn parse_draft(
        &self,
        id: &ConnectionId,
        draft: &serde_json::Value,
        saved: &Document,
    ) -> Result<(Document, Vec<Mistake>), Refusal> {
        let Parsed { document: mut draft, warnings } = self.parse_document(draft)?;
        check_id(id, &draft)?;
        let mut findings = Findings { mistakes: Vec::new(), warnings };
        check_licences(&draft, &mut findings);
        carry_pins(&mut draft, Some(saved));
        for (index, asked) in carry_custom_fields(&mut draft, saved) {
            findings.warn(
                format!("$.field_mappings.users[{index}].to"),
                format!("Whether Halo has a custom field \"{asked}\" is looked up on saving; what it would write is not counted here."),
            );
        }
        Ok((draft, findings.into_warnings()?))
    }
}

fn rules(directory: &Directory) -> Rules<'_> {
    directory.rules(scope_of(&directory.document.sync.entities))
}

/// The way through all people.
struct Walk<'a> {
    engine: &'a Engine,
    id: &'a ConnectionId,
    draft: &'a Document,
    state: &'a State,
    deadline: Deadline,
    effect: Effect,
    planned: PerKind<u64>,
    /// Numbers of sites by name, as the book has them.
    sites: BTreeMap<(ClientId, String), SiteId>,
    /// Kinds of records of which no index stands.
    no_index: PerKind<bool>,
    shown: BTreeMap<(&'static str, &'static str), usize>,
}

/// A site whose number nobody knows yet.
const UNKNOWN_SITE: SiteId = SiteId(0);

impl<'a> Walk<'a> {
    fn new(
        engine: &'a Engine,
        id: &'a ConnectionId,
        draft: &'a Document,
        state: &'a State,
    ) -> Self {
        let deadline = Deadline(engine.clock.now().saturating_add(PORTION).unwrap_or_default());
        Self {
            engine,
            id,
            draft,
            state,
            deadline,
            effect: Effect { complete: true, ..Effect::default() },
            planned: PerKind::default(),
            sites: BTreeMap::new(),
            no_index: PerKind::default(),
            shown: BTreeMap::new(),
        }
    }

    async fn everybody(&mut self, today: &Rules<'_>, draft: &Rules<'_>) -> Result<(), StepError> {
        for segment in Segment::all() {
            let mut after = None;
            loop {
                let store = &self.engine.store;
                let (people, next) = store.people_of(self.id, segment, after, BATCH).await?;
                let people = people.into_iter();
                let read = people.filter(|(_, it)| it.value.facts.presence != Presence::Unread);
                let batch = Batch::of(self.engine, self.id, read.collect()).await?;
                self.compare(batch, today, draft).await?;
                after = next;
                if after.is_none() {
                    break;
                }
                if self.deadline.is_near(self.engine.clock.as_ref(), MARGIN) {
                    self.effect.complete = false;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Decides some people by both rules.
    async fn compare(
        &mut self,
        mut batch: Batch,
        today: &Rules<'_>,
        draft: &Rules<'_>,
    ) -> Result<(), StepError> {
        let before = self.outlooks(&mut batch, today).await?;
        let after = self.outlooks(&mut batch, draft).await?;
        for (id, after) in after {
            let Some(before) = before.get(&id) else { continue };
            self.effect.people += 1;
            for kind in RecordKind::ALL {
                *self.planned.of_mut(kind) += u64::from(*after.deactivates.of(kind));
            }
            if is_affected(&before.decision, &after.decision) {
                self.count(&batch, id, &before.decision, &after.decision);
            }
        }
        Ok(())
    }

    async fn outlooks(
        &mut self,
        batch: &mut Batch,
        rules: &Rules<'_>,
    ) -> Result<BTreeMap<ObjectId, Outlook>, StepError> {
        batch.known.clear();
        let ids: Vec<ObjectId> = batch.people.keys().copied().collect();
        let (mut outlooks, mut open, mut unmatched) = (BTreeMap::new(), Vec::new(), false);
        for id in ids {
            batch.known.entry(id).or_default();
            self.look_up_claims(batch, id).await?;
            match batch.outlook(rules, id) {
                Some(Ok(outlook)) => drop(outlooks.insert(id, outlook)),
                Some(Err(need)) => {
                    unmatched |= matches!(need, Need::Matches(..));
                    open.push(id);
                }
                None => {}
            }
        }
        if unmatched {
            // Where no index stands, nobody is found: that is said once.
            batch.look_up_matches(self.engine, rules, Freshness::Any).await?;
        }
        for id in open {
            while let Some(told) = batch.outlook(rules, id) {
                match told {
                    Ok(outlook) => {
                        outlooks.insert(id, outlook);
                        break;
                    }
                    Err(need) => self.answer(batch, id, need).await?,
                }
            }
        }
        Ok(outlooks)
    }

    /// Whoever is in conflict with others stays so; of the rest nobody claims anything.
    async fn look_up_claims(&self, batch: &mut Batch, id: ObjectId) -> Result<(), StepError> {
        let Some(claims) = batch.people.get(&id).map(|person| person.value.claims) else {
            return Ok(());
        };
        for kind in RecordKind::ALL {
            if let Some(record) = *claims.of(kind) {
                let others = other_claims(self.engine, self.id, record, id).await?;
                batch.known.entry(id).or_default().records.of_mut(kind).claims = Some(others);
            }
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        batch: &mut Batch,
        id: ObjectId,
        need: Need,
    ) -> Result<(), StoreError> {
        let known = batch.known.entry(id).or_default();
        match need {
            Need::Matches(kind, _) => {
                *self.no_index.of_mut(kind) = true;
                known.records.of_mut(kind).hits = Some(Hits::new());
            }
            Need::Site(client, name) => known.site = Some(self.site(client, name).await?),
            // Taken for granted by the outlook itself.
            Need::Claims(_) | Need::Made(_) | Need::Record(..) | Need::Standing(_) => {}
        }
        Ok(())
    }

    async fn site(&mut self, client: ClientId, name: String) -> Result<SiteId, StoreError> {
        let place = (client, name);
        if let Some(site) = self.sites.get(&place) {
            return Ok(*site);
        }
        let book = self.engine.halo.sites_by_name(placement::site_key);
        let site = book.in_book(client, &place.1).await?.unwrap_or(UNKNOWN_SITE);
        if self.sites.len() >= SITES {
            self.sites.clear();
        }
        self.sites.insert(place, site);
        Ok(site)
    }

    fn count(&mut self, batch: &Batch, id: ObjectId, before: &Decision, after: &Decision) {
        self.effect.affected += 1;
        *self.effect.becomes.entry(after.name()).or_default() += 1;
        let shown = self.shown.entry((before.name(), after.name())).or_default();
        let (most, most_alike) = EXAMPLES;
        if self.effect.examples.len() >= most || *shown >= most_alike {
            return;
        }
        let Some(person) = batch.people.get(&id) else { return };
        *shown += 1;
        let told = |decision: &Decision| Told {
            decision: decision.name(),
            sentences: decision.sentences().collect(),
        };
        let (before, after) = (told(before), told(after));
        self.effect.examples.push(Example {
            person: PersonNames::of(id, &person.value),
            before,
            after,
        });
    }

    /// The guard's word, and what could not be known.
    fn end(mut self) -> Effect {
        let recent = self.state.recent.within_a_day(self.engine.clock.now());
        for kind in RecordKind::ALL {
            let planned = Planned {
                deactivations: *self.planned.of(kind),
                recent: *recent.of(kind),
                linked: *self.state.linked.of(kind),
            };
            let verdict = guard::judge(self.draft.guard, planned, true);
            *self.effect.held_by_guard.of_mut(kind) = verdict == guard::Verdict::Held;
            if *self.no_index.of(kind) {
                self.effect.warnings.push(Mistake::new("$.matching", format!(
                    "Who is in Halo already as {kind} is not known for these rows before Halo's {kind}s are read; such people are counted as created."
                )));
            }
        }
        self.effect
    }
}
