//! Explanations (B3): what would be decided about a person today, from what the store knows, and what
//! was decided before a time, from the log. Nothing is written, and nobody outside is asked; what
//! cannot be known that way is said.

use jiff::{SignedDuration, Timestamp};
use plan::decide::{Action, Decision, Made, Need, Standing, Verdict};
use plan::effect::as_last_seen;
use plan::explain::Reason;
use plan::guard;
use plan::ids::{ConnectionId, ObjectId, PerKind, SiteId};
use plan::link::{HaloValue, Target};
use plan::placement;
use plan::rules::{Rules, scope_of};

use serde::Serialize;
use utoipa::ToSchema;

use super::query::lowest_id;
use super::{Known, ShownEntry, Sight};
use crate::Engine;
use crate::halo::index::Freshness;
use crate::steps::StepError;
use crate::steps::lookup::{Batch, Directory, index_fields, other_claims};
use crate::store::StoreError;
use crate::store::log::{Entry, Facet, PersonNames};

/// Entries of the log that go with an explanation.
const LATEST: usize = 5;

/// Why a person is treated as they are.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whom it is about.
    pub known: Known,
    /// What would be decided now; `None` = it cannot be told yet, see the notes.
    pub decision: Option<Decision>,
    /// What could not be known without asking Halo, in sentences.
    pub notes: Vec<String>,
    /// The newest entries of the log about the person.
    pub log: Vec<Entry>,
    /// Names of the person's groups, as far as the rules know them.
    pub groups: Vec<(ObjectId, String)>,
}

/// The last decision about somebody before a time, as the API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PastDecision)]
pub struct ShownPast {
    /// Who, with the names of that time; those of today where nothing was logged.
    person: PersonNames,
    /// The time.
    at: Timestamp,
    /// The entry of the log; `null` = there is none, and the note says why.
    #[schema(required)]
    entry: Option<ShownEntry>,
    /// Why there is no entry.
    #[schema(required)]
    note: Option<String>,
}

/// The last decision about somebody before a time (B3).
#[derive(Clone, Debug)]
pub struct Past {
    /// Whom it is about, with the names of that time; those of today where nothing was logged.
    pub person: PersonNames,
    /// The time.
    pub at: Timestamp,
    /// The entry of the log; `None` = there is none, see the note.
    pub entry: Option<Entry>,
    /// Why there is no entry, in sentences.
    pub note: Option<String>,
}

impl Past {
    /// The decision for people who may see so much.
    pub fn shown(&self, sight: Sight) -> ShownPast {
        ShownPast {
            person: self.person.clone(),
            at: self.at,
            entry: self.entry.as_ref().map(|entry| entry.shown(sight)),
            note: self.note.clone(),
        }
    }
}

/// Entries of one millisecond that may be too new and have to be passed over.
const SAME_MOMENT: usize = 10;

/// A site whose id nobody knows yet; not 0, which is how Halo writes that there is none.
pub(crate) const UNKNOWN_SITE: SiteId = SiteId(-1);

impl Engine {
    /// Explains a person; `None` = Entra has not told of such a person.
    pub async fn explain(
        &self,
        connection: &ConnectionId,
        who: &str,
    ) -> Result<Option<Explanation>, StepError> {
        let Some(known) = self.find_person(connection, who).await? else { return Ok(None) };
        let Some(directory) = Directory::load(self, connection).await? else { return Ok(None) };
        let mut batch = Batch::load(self, connection, vec![known.id]).await?;
        let mut notes = Vec::new();
        let rules = directory.rules(scope_of(&directory.document.sync.entities));
        let decision =
            self.decide_from_store(connection, &rules, &mut batch, known.id, &mut notes).await?;
        let facet = Facet::Person(known.id);
        let (log, _) = self.store.log(connection, Some(&facet), None, LATEST).await?;
        let names = self.store.groups(connection).await?.0;
        let name =
            |id: &ObjectId| names.get(id).map(|group| group.name.clone()).unwrap_or_default();
        let groups = known.person.facts.groups.iter().map(|id| (*id, name(id))).collect();
        Ok(Some(Explanation { known, decision, notes, log, groups }))
    }

    /// The last decision about somebody that was logged before `at`, from the log alone. `None` = nobody
    /// ever heard of such a person. Whom Entra no longer tells of is found by the object id.
    pub async fn explain_at(
        &self,
        connection: &ConnectionId,
        who: &str,
        at: Timestamp,
    ) -> Result<Option<Past>, StoreError> {
        let known = self.find_person(connection, who).await?;
        let id = known.as_ref().map(|known| known.id).or_else(|| who.trim().parse().ok());
        let Some(id) = id else { return Ok(None) };
        let bound = at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(at);
        let after = Some(lowest_id(bound).to_string());
        let facet = Facet::Person(id);
        let (entries, _) = self.store.log(connection, Some(&facet), after, SAME_MOMENT).await?;
        let entry = entries.into_iter().find(|entry| entry.time < at);
        let person = match (&entry, &known) {
            (Some(entry), _) => entry.person.clone(),
            (None, Some(known)) => PersonNames {
                id,
                user_principal_name: known.person.facts.user_principal_name().to_owned(),
                display_name: known.person.facts.display_name().to_owned(),
            },
            (None, None) => return Ok(None),
        };
        let note = entry.is_none().then(|| self.nothing_logged(at));
        Ok(Some(Past { person, at, entry, note }))
    }

    fn nothing_logged(&self, at: Timestamp) -> String {
        let retention = self.policy.log_retention;
        let oldest = self.clock.now().saturating_sub(retention).unwrap_or(Timestamp::MIN);
        if at <= oldest {
            let days = retention.as_hours() / 24;
            return format!(
                "The log is kept for {days} days, so it does not reach back to this time."
            );
        }
        "No decision about this person was logged before this time: the person was not known, or was as they should be.".to_owned()
    }

    /// Asks `plan` until it decides, answering only from the store.
    pub(crate) async fn decide_from_store(
        &self,
        connection: &ConnectionId,
        rules: &Rules<'_>,
        batch: &mut Batch,
        id: ObjectId,
        notes: &mut Vec<String>,
    ) -> Result<Option<Decision>, StepError> {
        let mut unknown_site = None;
        let guard = PerKind::both(guard::Verdict::Pass);
        loop {
            let need = match batch.ask(rules, guard, id) {
                None => return Ok(None),
                Some(Verdict::Decided(decision)) => {
                    return Ok(Some(name_site(decision, unknown_site)));
                }
                Some(Verdict::Needs(need)) => need,
            };
            let link = batch.people.get(&id).map(|person| person.value.link.clone());
            let known = batch.known.entry(id).or_default();
            match need {
                Need::Matches(kind, keys) => {
                    let index = self.halo.index(kind);
                    let fields = index_fields(rules.document(), kind);
                    let Some(live) = index.live(&fields, Freshness::Any).await? else {
                        notes.push(format!("Whether Halo has this person as {kind} is not known yet: Halo's {kind}s are read with the first import."));
                        return Ok(None);
                    };
                    known.records.of_mut(kind).hits = Some(index.lookup(&live, &keys).await?);
                }
                Need::Claims(record) => {
                    let others = other_claims(self, connection, record, id).await?;
                    known.records.of_mut(record.kind).claims = Some(others);
                }
                Need::Made(kind) => {
                    notes.push(format!("An import was interrupted when it was about to make the Halo {kind}; the next one looks for it in Halo first."));
                    known.records.of_mut(kind).made = Made::Nothing;
                }
                Need::Record(record, _) => {
                    notes.push(format!("Halo {record} was not read for this; fields are compared with what is stored, and all of them are listed where nothing is."));
                    let link = link.unwrap_or_default();
                    let known = known.records.of_mut(record.kind);
                    known.record = Some(as_last_seen(&link, known, record));
                }
                Need::Standing(record) => {
                    notes.push(format!("Whether Halo {record} is protected (our own agent, the last administrator) is looked up in Halo before it is deactivated."));
                    known.records.of_mut(record.kind).standing = Some(Standing::Other);
                }
                Need::Site(client, name) => {
                    let sites = self.halo.sites_by_name(placement::site_key);
                    let site = sites.in_book(client, &name).await?;
                    if site.is_none() {
                        notes.push(format!("Which site \"{name}\" is has not been looked up yet; it is made if Halo has none."));
                        unknown_site = Some(name);
                    }
                    known.site = Some(site.unwrap_or(UNKNOWN_SITE));
                }
            }
        }
    }
}

/// Puts the name of a site in the place of an id that is not known.
pub(crate) fn name_site(mut decision: Decision, name: Option<String>) -> Decision {
    let (Some(name), Some(user)) = (name, &mut decision.user) else { return decision };
    let site = Target::field("site_id");
    let named = HaloValue::Text(name.clone());
    let unknown = HaloValue::Int(UNKNOWN_SITE.0);
    match &mut user.action {
        Action::Create(create) => {
            if create.fields.get(&site) == Some(&unknown) {
                create.fields.insert(site, named);
            }
        }
        Action::Write(write) => {
            for change in write.changes.iter_mut().filter(|it| it.field == site) {
                change.after = named.clone();
            }
        }
        Action::Unchanged
        | Action::NotInScope
        | Action::Conflict { .. }
        | Action::Held
        | Action::Invalid => return decision,
    }
    user.reasons.push(Reason::SiteIsMade { name });
    decision
}
