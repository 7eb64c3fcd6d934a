//! All users or agents of Halo by what people are matched by, so that matching asks Halo nothing (H4).
//!
//! There is one for each kind of record. An index is built in *generations*: page by page a new one is filled beside the one in use, and
//! when the list is at its end a pointer is moved. Steps of a build are bounded, may be killed anywhere
//! and may run twice at once: entering a page again changes nothing, and the pointer moves on condition.
//! What we write to Halo ourselves is noted in both generations ([`Index::remember`]). Generations are
//! never cleared away; their records expire.
//!
//! Records that carry an object id are found by that alone, because matching by fields passes them over
//! (M2). Agents have none in Halo; theirs is that of the person whose agent they are, as far as our own
//! records say, asked anew for every answer. General Users, service accounts and agents of applications are in no index (M4).

mod build;
mod entries;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plan::ids::RecordKind;
use plan::matching::{Hit, Hits, MatchKey};
use serde::{Deserialize, Serialize};

pub use build::Building;
pub(super) use entries::{hit_of, keys_of, properties, short};

use super::rivals::merge;
use super::{Error, Halo};
use crate::clock::Deadline;
use crate::store::{Commit, Key, StoreError, Versioned, put};
use entries::{Details, Entry, enter};

/// A page may take this long with what is done with it; less time than that is not begun with.
const MARGIN: SignedDuration = SignedDuration::from_secs(15);

/// The index; see the front of this module.
#[derive(Clone, Debug)]
pub struct Index {
    halo: Halo,
    kind: RecordKind,
}

/// Where the index stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The generation in use.
    pub live: Option<Live>,
    /// The generation being filled.
    pub building: Option<Building>,
    /// Number of the newest generation.
    last: u64,
}

/// A complete generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    generation: u64,
    /// When it became complete.
    pub finished: Timestamp,
    /// Matching fields of Halo that it knows, besides the object id.
    pub fields: BTreeSet<String>,
    /// Records that were read for it.
    pub users: u64,
    /// Whether rows had to be completed by reading details.
    detailed: bool,
}

impl Live {
    /// Whether it can answer for these fields and is not older than `max_age`. An older one still
    /// answers, until three times that age; it only misses what others changed in Halo.
    pub fn serves(
        &self,
        fields: &BTreeSet<String>,
        now: Timestamp,
        max_age: SignedDuration,
    ) -> bool {
        fields.is_subset(&self.fields) && now.duration_since(self.finished) < max_age
    }
}

/// How old a generation may be that one asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Not older than the settings allow.
    Fresh,
    /// As old as it can be while it still answers, twice that: it only misses what others changed in
    /// Halo. For finishing what was begun with it.
    Any,
}

/// How far a build has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Records read so far.
    pub users: u64,
    /// How many there are, as far as Halo says.
    pub of: Option<u64>,
    /// Records that had to be read one by one so far, because this version of Halo leaves out of its
    /// lists what matching needs.
    pub details: u64,
}

/// What a step of a build came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Built {
    /// There is an index that serves.
    Ready(Live),
    /// The time is up; another step goes on.
    Reading(Progress),
}

impl Halo {
    /// The index of this Halo's records of one kind.
    pub fn index(&self, kind: RecordKind) -> Index {
        Index { halo: self.clone(), kind }
    }
}

impl Index {
    /// Where the index stands.
    pub async fn state(&self) -> Result<State, StoreError> {
        Ok(self.versioned().await?.value)
    }

    /// The generation in use, if it knows these matching fields and is fresh enough.
    pub async fn live(
        &self,
        fields: &BTreeSet<String>,
        freshness: Freshness,
    ) -> Result<Option<Live>, StoreError> {
        let max_age = self.halo.shared.settings.index_max_age;
        let max_age = match freshness {
            Freshness::Fresh => max_age,
            Freshness::Any => max_age.saturating_mul(2),
        };
        let (fields, now) = (folded(fields), self.halo.clock().now());
        Ok(self.state().await?.live.filter(|live| live.serves(&fields, now, max_age)))
    }

    /// Works towards an index that knows these matching fields of Halo and is not older than the
    /// settings allow: reads pages until there is one or the deadline is near. When the budget is
    /// spent, or Halo fails, that is the error and the next step goes on where this one stopped. A build
    /// that lacks a field is begun again with all fields that anybody asked for.
    pub async fn build_step(
        &self,
        fields: &BTreeSet<String>,
        deadline: Deadline,
    ) -> Result<Built, Error> {
        let fields = folded(fields);
        let max_age = self.halo.shared.settings.index_max_age;
        loop {
            let mut state = self.versioned().await?;
            let now = self.halo.clock().now();
            if let Some(live) =
                state.value.live.as_ref().filter(|it| it.serves(&fields, now, max_age))
            {
                return Ok(Built::Ready(live.clone()));
            }
            let building = state.value.building.as_ref();
            let Some(building) = building.filter(|it| it.serves(&fields, now, max_age)) else {
                state.value.begin(&fields, now);
                self.save(&state).await?;
                continue;
            };
            if deadline.is_near(self.halo.clock(), MARGIN) {
                return Ok(Built::Reading(building.progress()));
            }
            let page = self.halo.page(self.kind, building.next_page()).await?;
            let Some(next) = self.enter_page(building, &page, deadline).await? else {
                return Ok(Built::Reading(building.progress()));
            };
            state.value.advance(next);
            self.save(&state).await?;
        }
    }

    /// Who is found by the keys in a generation: one read for any number of people.
    pub async fn lookup(&self, live: &Live, keys: &BTreeSet<MatchKey>) -> Result<Hits, StoreError> {
        let places: Vec<Key> =
            keys.iter().map(|key| self.entry_key(live.generation, key)).collect();
        let mut hits = Hits::new();
        for (key, record) in keys.iter().zip(self.halo.shared.store.get(&places).await?) {
            let Some(record) = record else { continue };
            let entries = crate::store::decode::<Vec<Entry>>(&record)?.value;
            hits.insert(key.clone(), entries.into_iter().map(|entry| entry.hit).collect());
        }
        self.halo.correct_owners(self.kind, &mut hits).await?;
        Ok(hits)
    }

    /// Notes what we wrote to records ourselves: from now on each is found by its keys, with what its
    /// hit says. Keys of fields that nobody matches by are passed over. Call it after the writes and
    /// before the links are stored; safe to repeat.
    pub async fn remember(&self, ours: &[(Hit, BTreeSet<MatchKey>)]) -> Result<(), StoreError> {
        if ours.is_empty() {
            return Ok(());
        }
        let State { live, building, .. } = self.state().await?;
        let live = live.as_ref().map(|it| (it.generation, &it.fields, it.detailed));
        let building = building.as_ref().map(|it| (it.generation, &it.fields, it.details > 0));
        for (generation, fields, detailed) in live.into_iter().chain(building) {
            let counts = |key: &&MatchKey| key.field == "azureoid" || fields.contains(&key.field);
            let (mut entered, mut details) = (BTreeMap::new(), BTreeMap::new());
            for (hit, keys) in ours {
                for key in keys.iter().filter(counts) {
                    let entries: &mut Vec<Entry> =
                        entered.entry(self.entry_key(generation, key)).or_default();
                    entries.push(Entry { hit: hit.clone(), ours: true });
                }
                if let Some(object_id) = hit.object_id.as_deref().filter(|_| detailed) {
                    let place = self.details_key(generation, hit.record);
                    details.insert(place, Details::linked(object_id));
                }
            }
            let (places, entries): (Vec<Key>, Vec<Vec<Entry>>) = entered.into_iter().unzip();
            self.enter(&places, |index| &entries[index]).await?;
            let (places, details): (Vec<Key>, Vec<Details>) = details.into_iter().unzip();
            merge(&self.halo.shared.store, &places, self.expiry(), |index, stored| {
                let new = &details[index];
                (stored.as_ref() != Some(new)).then(|| new.clone())
            })
            .await?;
        }
        Ok(())
    }

    /// Enters records under values; `entries` by index of the place.
    async fn enter<'a>(
        &self,
        places: &[Key],
        entries: impl Fn(usize) -> &'a [Entry],
    ) -> Result<(), StoreError> {
        merge(
            &self.halo.shared.store,
            places,
            self.expiry(),
            |index, stored: Option<Vec<Entry>>| {
                let mut all = stored.unwrap_or_default();
                let mut changed = false;
                for entry in entries(index) {
                    if let Some(entered) = enter(all.clone(), entry) {
                        all = entered;
                        changed = true;
                    }
                }
                changed.then_some(all)
            },
        )
        .await
    }

    /// When what is written now may be forgotten.
    fn expiry(&self) -> Option<Timestamp> {
        let max_age = self.halo.shared.settings.index_max_age;
        self.halo.clock().now().saturating_add(max_age.saturating_mul(3)).ok()
    }

    async fn versioned(&self) -> Result<Versioned<State>, StoreError> {
        let found = self.halo.shared.store.read(&self.pointer()).await?;
        Ok(found.unwrap_or(Versioned { version: 0, value: State::default() }))
    }

    /// Moves the pointer. If somebody else moved it meanwhile it stays as they left it; the caller
    /// reads it again in any case.
    async fn save(&self, state: &Versioned<State>) -> Result<(), StoreError> {
        let write = put(self.pointer(), &state.value, state.unchanged())?;
        match self.halo.shared.store.commit(&[write]).await? {
            Commit::Done | Commit::Conflict(_) => Ok(()),
        }
    }
}

/// The fields under which keys stand: further addresses stand under the first (M5).
fn folded(fields: &BTreeSet<String>) -> BTreeSet<String> {
    fields.iter().filter_map(|field| MatchKey::new(field, "-")).map(|key| key.field).collect()
}
