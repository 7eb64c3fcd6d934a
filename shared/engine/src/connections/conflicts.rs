//! People for whom an administrator has to choose (M3), with the records that there are to choose from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plan::ids::{ConnectionId, ObjectId, RecordId, RecordKind, RunId};
use plan::link::{Fields, HaloValue, Target};
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use crate::Engine;
use crate::halo::{Error, Halo};
use crate::inbound::Sight;
use crate::store::log::PersonNames;
use crate::store::{Range, keys};

/// Candidates that are read from Halo for one page; more are listed by their numbers.
const READ: usize = 60;

/// A page of people in conflict.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ConflictList {
    /// They, in order of their object ids.
    pub conflicts: Vec<InConflict>,
    /// Why candidates are listed by their numbers alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Where the next page goes on.
    #[serde(skip)]
    pub next: Option<String>,
}

/// Somebody in conflict.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InConflict {
    /// Who.
    pub person: PersonNames,
    /// The run that met it first.
    pub run: RunId,
    /// When that was.
    pub since: Timestamp,
    /// Why it is a conflict.
    pub sentence: String,
    /// The records that fit.
    pub candidates: Vec<Candidate>,
}

/// A record to choose; the names are those in Halo now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Candidate {
    /// User or agent.
    pub kind: RecordKind,
    /// Its number.
    pub id: i64,
    /// What Halo says of it; nothing where Halo was not asked.
    #[serde(flatten)]
    pub about: About,
}

/// What Halo says of a record.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = CandidateRecord)]
pub struct About {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The site of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<String>,
    /// Whether it is out of use.
    #[serde(skip_serializing_if = "Option::is_none")]
    inactive: Option<bool>,
}

impl Engine {
    /// People in conflict, behind `after`. Whoever may not see personal values gets the numbers of the
    /// candidates, and Halo is not asked. Changes nothing.
    pub async fn conflicts(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
        sight: Sight,
    ) -> Result<ConflictList, Refusal> {
        let range = Range { after, ..Range::of(keys::conflicts_of(connection), limit) };
        let page = self.store.query(&range).await?;
        let ids = page.records.iter().filter_map(|record| record.key.sk.parse().ok());
        let people = self.store.people(connection, ids.collect::<Vec<ObjectId>>()).await?;
        let mut list = ConflictList { next: page.next, ..ConflictList::default() };
        for (id, person) in &people {
            let Some(conflict) = &person.value.conflict else { continue };
            let candidates = conflict.candidates.iter();
            let candidates = candidates.map(|record| Candidate {
                kind: record.kind,
                id: record.id,
                about: About::default(),
            });
            list.conflicts.push(InConflict {
                person: PersonNames::of(*id, &person.value),
                run: conflict.run,
                since: conflict.since,
                sentence: conflict.sentence.clone(),
                candidates: candidates.collect(),
            });
        }
        if sight == Sight::Full {
            self.describe(&mut list).await?;
        }
        Ok(list)
    }

    /// Asks Halo about the candidates, each once.
    async fn describe(&self, list: &mut ConflictList) -> Result<(), Refusal> {
        let candidates = list.conflicts.iter().flat_map(|it| &it.candidates);
        let wanted = candidates.map(|it| RecordId { kind: it.kind, id: it.id });
        let wanted: BTreeSet<RecordId> = wanted.collect();
        if wanted.len() > READ {
            list.note = Some(format!(
                "Only the first {READ} candidates were looked up in Halo; ask for fewer people."
            ));
        }
        let halo = self.halo_for_people();
        let mut known: BTreeMap<RecordId, About> = BTreeMap::new();
        for record in wanted.into_iter().take(READ) {
            match about(&halo, record).await {
                Ok(found) => known.extend(found.map(|found| (record, found))),
                Err(Error::Halo(failure)) => {
                    list.note = Some(failure.sentence());
                    break;
                }
                Err(Error::Ours(error)) => return Err(error.into()),
            }
        }
        for candidate in list.conflicts.iter_mut().flat_map(|it| &mut it.candidates) {
            let record = RecordId { kind: candidate.kind, id: candidate.id };
            candidate.about = known.get(&record).cloned().unwrap_or_default();
        }
        Ok(())
    }
}

async fn about(halo: &Halo, record: RecordId) -> Result<Option<About>, Error> {
    let (address, switch) = match record.kind {
        RecordKind::User => ("emailaddress", "inactive"),
        RecordKind::Agent => ("email", "isdisabled"),
    };
    let asked = ["name", address, "site_name"].map(Target::field);
    let Some(found) = halo.record(record, &BTreeSet::from(asked)).await? else { return Ok(None) };
    let text = |name: &str| text(&found.fields, name);
    let site = || match text("site_name") {
        name if name.is_empty() => text("site_id"),
        name => name,
    };
    let inactive = found.fields.get(&Target::field(switch)) == Some(&HaloValue::Bool(true));
    Ok(Some(About {
        name: Some(text("name")),
        email: Some(text(address)),
        site: (record.kind == RecordKind::User).then(site),
        inactive: Some(inactive),
    }))
}

fn text(fields: &Fields, name: &str) -> String {
    fields.get(&Target::field(name)).map(ToString::to_string).unwrap_or_default()
}
