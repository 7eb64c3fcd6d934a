//! Filling a generation of the index: page by page to the end of a list that may move meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plan::ids::RecordId;
use plan::matching::MatchKey;
use serde::{Deserialize, Serialize};

use super::entries::{Details, Entry, hash, properties};
use super::{Index, Live, MARGIN, Progress, State, hit_of, keys_of};
use crate::clock::Deadline;
use crate::halo::rivals::merge;
use crate::halo::{Error, RecordsPage, Row, failed, wire};
use crate::store::{Key, decode};

/// Passes over the list at the most. Another one follows when the list became shorter during a pass,
/// because then rows moved forward over a boundary between pages and may have been missed.
const PASSES: u32 = 3;
/// Pages of a pass at the most: two million records by the hundred.
const PAGES: u32 = 20_000;

/// A generation being filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Building {
    pub(super) generation: u64,
    /// A generation whose details are still good, so that nobody is read one by one again.
    previous: Option<u64>,
    pub(super) fields: BTreeSet<String>,
    /// When the last page was entered; one that nobody worked at for long is begun anew.
    touched: Timestamp,
    pass: Pass,
    pub(super) details: u64,
}

/// Where a pass over the list stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pass {
    number: u32,
    next_page: u32,
    /// Records read in it, repeated ones once if the list is in order.
    users: u64,
    /// How many records there were when the last page was read, as far as Halo says.
    total: Option<u64>,
    /// Whether that became fewer from one page to another.
    shrunk: bool,
    /// The largest id so far.
    highest: i64,
    /// Whether every page was in order of id, which is asked for but not promised.
    in_order: bool,
    /// Hash of the ids on the last page.
    last_page: u64,
}

impl Pass {
    fn new(number: u32) -> Self {
        Self {
            number,
            next_page: 1,
            users: 0,
            total: None,
            shrunk: false,
            highest: 0,
            in_order: true,
            last_page: 0,
        }
    }

    /// The pass after a page; `None` when that page is behind the last: it is empty, it is the one before
    /// again, or it has nobody new although the list is in order.
    fn after(&self, page: &RecordsPage) -> Option<Self> {
        let ids: Vec<i64> = page.rows.iter().map(|row| row.id.id).collect();
        let last_page = hash(format!("{ids:?}").as_bytes());
        let highest = ids.iter().copied().max()?.max(self.highest);
        let in_order = self.in_order && ids.is_sorted();
        if last_page == self.last_page || (in_order && highest == self.highest) {
            return None;
        }
        let new = ids.iter().filter(|id| !in_order || **id > self.highest).count() as u64;
        Some(Self {
            number: self.number,
            next_page: self.next_page + 1,
            users: self.users + new,
            shrunk: self.shrinks(page),
            total: page.total.or(self.total),
            highest,
            in_order,
            last_page,
        })
    }

    fn shrinks(&self, page: &RecordsPage) -> bool {
        self.shrunk || self.total.zip(page.total).is_some_and(|(before, now)| now < before)
    }
}

/// What follows a page.
pub(super) enum Next {
    /// Another page.
    Page(Building),
    /// The generation is complete.
    Complete(Live),
}

impl Building {
    /// Whether it will answer for these fields, and somebody works at it.
    pub(super) fn serves(
        &self,
        fields: &BTreeSet<String>,
        now: Timestamp,
        max_age: SignedDuration,
    ) -> bool {
        fields.is_subset(&self.fields) && now.duration_since(self.touched) < max_age
    }

    /// The page to read next.
    pub(super) fn next_page(&self) -> u32 {
        self.pass.next_page
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let of = self.pass.total.map(|total| total.max(self.pass.users));
        Progress { users: self.pass.users, of, details: self.details }
    }

    fn after(&self, page: &RecordsPage, details: u64, now: Timestamp) -> Next {
        let details = self.details + details;
        let next = |pass| Self { pass, details, touched: now, ..self.clone() };
        let after = self.pass.after(page);
        let users = after.as_ref().map_or(self.pass.users, |pass| pass.users);
        match after {
            Some(pass) if !page.is_last => Next::Page(next(pass)),
            Some(_) | None if self.pass.shrinks(page) && self.pass.number < PASSES => {
                Next::Page(next(Pass::new(self.pass.number + 1)))
            }
            Some(_) | None => Next::Complete(Live {
                generation: self.generation,
                finished: now,
                fields: self.fields.clone(),
                users,
                detailed: details > 0,
            }),
        }
    }
}

impl State {
    /// Begins a new generation in place of the one being filled.
    pub(super) fn begin(&mut self, fields: &BTreeSet<String>, now: Timestamp) {
        let live = self.live.as_ref();
        let known = live
            .map(|it| &it.fields)
            .into_iter()
            .chain(self.building.as_ref().map(|it| &it.fields));
        let fields = known.flatten().chain(fields).cloned().collect();
        let filled = self.building.as_ref().filter(|it| it.details > 0).map(|it| it.generation);
        let previous = live.map(|it| it.generation).or(filled);
        self.last += 1;
        self.building = Some(Building {
            generation: self.last,
            previous,
            fields,
            touched: now,
            pass: Pass::new(1),
            details: 0,
        });
    }

    /// Takes over what follows a page.
    pub(super) fn advance(&mut self, next: Next) {
        match next {
            Next::Page(building) => self.building = Some(building),
            Next::Complete(live) => (self.live, self.building) = (Some(live), None),
        }
    }
}

impl Index {
    /// Enters the records of a page; `None` when the time was up before all were read.
    pub(super) async fn enter_page(
        &self,
        building: &Building,
        page: &RecordsPage,
        deadline: Deadline,
    ) -> Result<Option<Next>, Error> {
        if building.pass.next_page > PAGES {
            return Err(failed("index Halo's records", wire::malformed("a list without end")));
        }
        let people = page.rows.iter().filter(|row| row.special().is_none());
        let mut rows: Vec<Row> = people.cloned().collect();
        self.halo.add_owners(self.kind, &mut rows).await?;
        let Some(completed) = self.complete(building, &mut rows, deadline).await? else {
            return Ok(None);
        };
        let next = building.after(page, completed, self.halo.clock().now());
        let mut found: BTreeMap<MatchKey, Vec<Entry>> = BTreeMap::new();
        for row in &rows {
            let hit = hit_of(row);
            let fields = building.fields.iter().map(String::as_str);
            let keys = match &hit.object_id {
                Some(_) => keys_of(row, std::iter::once("azureoid")),
                None => keys_of(row, fields),
            };
            for key in keys {
                found.entry(key).or_default().push(Entry { hit: hit.clone(), ours: false });
            }
        }
        let places: Vec<Key> =
            found.keys().map(|key| self.entry_key(building.generation, key)).collect();
        let found: Vec<Vec<Entry>> = found.into_values().collect();
        self.enter(&places, |index| &found[index]).await?;
        Ok(Some(next))
    }

    /// Completes rows in which this version of Halo leaves out what is matched by: from what was read
    /// before, else by reading each record with details, which is kept at once so that a killed or stopped
    /// step loses nothing. Says how many had to be completed; `None` when the time was up.
    async fn complete(
        &self,
        building: &Building,
        rows: &mut Vec<Row>,
        deadline: Deadline,
    ) -> Result<Option<u64>, Error> {
        let wanted = building.fields.iter().map(String::as_str).flat_map(properties);
        let wanted: BTreeSet<&str> = wanted.chain(["azureoid"]).collect();
        let mut known = self.known_details(building, rows, &wanted).await?;
        let (mut carried, mut gone) = (Vec::new(), BTreeSet::new());
        let mut completed = 0;
        for row in rows.iter_mut() {
            let missing = missing(row, &wanted);
            if missing.is_empty() {
                continue;
            }
            completed += 1;
            let stored = known.remove(&row.id).filter(|it| it.details.cover(&missing));
            let details = match stored {
                Some(known) => known,
                None if deadline.is_near(self.halo.clock(), MARGIN) => return Ok(None),
                None => {
                    let Some(read) = self.halo.record(row.id, &BTreeSet::new()).await? else {
                        gone.insert(row.id);
                        continue;
                    };
                    let details = Details::of(&read.record, missing.into_iter());
                    self.keep(building, &[(row.id, details.clone())]).await?;
                    Known { details, here: true }
                }
            };
            details.details.complete(&mut row.record);
            if !details.here {
                carried.push((row.id, details.details));
            }
        }
        self.keep(building, &carried).await?;
        rows.retain(|row| !gone.contains(&row.id));
        Ok(Some(completed))
    }

    /// Details of the rows that need some, from this generation or the one before.
    async fn known_details(
        &self,
        building: &Building,
        rows: &[Row],
        wanted: &BTreeSet<&str>,
    ) -> Result<BTreeMap<RecordId, Known>, Error> {
        let needing = rows.iter().filter(|row| !missing(row, wanted).is_empty());
        let records: Vec<RecordId> = needing.map(|row| row.id).collect();
        let mut known = BTreeMap::new();
        let generations = building.previous.into_iter().chain([building.generation]);
        for generation in generations {
            let places: Vec<Key> =
                records.iter().map(|id| self.details_key(generation, *id)).collect();
            for (id, stored) in records.iter().zip(self.halo.shared.store.get(&places).await?) {
                let Some(stored) = stored else { continue };
                let details = decode::<Details>(&stored)?.value;
                known.insert(*id, Known { details, here: generation == building.generation });
            }
        }
        Ok(known)
    }

    /// Keeps details in the generation being filled, except of records that we linked meanwhile.
    async fn keep(&self, building: &Building, all: &[(RecordId, Details)]) -> Result<(), Error> {
        let places = all.iter().map(|(id, _)| self.details_key(building.generation, *id));
        let places: Vec<Key> = places.collect();
        let fresh = |index: usize, stored: Option<Details>| {
            let (_, details) = &all[index];
            stored.is_none().then(|| details.clone())
        };
        Ok(merge(&self.halo.shared.store, &places, self.expiry(), fresh).await?)
    }
}

/// Details as they are stored.
struct Known {
    details: Details,
    /// Whether in the generation being filled.
    here: bool,
}

fn missing<'a>(row: &Row, wanted: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    if !row.record.text("azureoid").trim().is_empty() {
        return BTreeSet::new();
    }
    wanted.iter().copied().filter(|name| !row.record.has(name)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed read is the failure of the test")]

    use plan::ids::RecordKind;
    use serde_json::json;

    use super::*;
    use crate::halo::Record;

    /// Reads pages as they would come, until the pass is over; the count of pages and users.
    fn pass(pages: &[(&[i64], Option<u64>)]) -> (usize, u64, bool) {
        let row = |id: &i64| {
            Row::new(RecordKind::User, Record::new(json!({ "id": id })).unwrap()).unwrap()
        };
        let mut pass = Pass::new(1);
        for (read, (ids, total)) in pages.iter().enumerate() {
            let rows = ids.iter().map(row).collect();
            let page = RecordsPage { rows, total: *total, is_last: false };
            match pass.after(&page) {
                Some(next) => pass = next,
                None => return (read + 1, pass.users, pass.shrinks(&page)),
            }
        }
        (0, pass.users, pass.shrunk)
    }

    #[test]
    fn a_list_ends_where_nobody_new_comes() {
        // H4: pages, and what they come to: pages read, users, whether the list became shorter.
        type Pages<'a> = &'a [(&'a [i64], Option<u64>)];
        let cases: &[(&str, Pages<'_>, (usize, u64, bool))] = &[
            ("nobody", &[(&[], None)], (1, 0, false)),
            ("one page", &[(&[1, 2], None), (&[], None)], (2, 2, false)),
            (
                "short page before the last",
                &[(&[1], None), (&[2, 3], None), (&[], None)],
                (3, 3, false),
            ),
            ("repeated row", &[(&[1, 2], None), (&[2, 3], None), (&[3], None)], (3, 3, false)),
            ("paging ignored", &[(&[1, 2], None), (&[1, 2], None)], (2, 2, false)),
            ("order ignored", &[(&[9, 2], None), (&[4, 1], None), (&[4, 1], None)], (3, 4, false)),
            (
                "somebody removed",
                &[(&[1, 2], Some(4)), (&[4], Some(3)), (&[], Some(3))],
                (3, 3, true),
            ),
            ("removed at the very end", &[(&[1, 2], Some(3)), (&[], Some(2))], (2, 2, true)),
            (
                "somebody added",
                &[(&[1, 2], Some(3)), (&[3, 4], Some(4)), (&[], Some(4))],
                (3, 4, false),
            ),
        ];
        for (name, pages, expected) in cases {
            assert_eq!(pass(pages), *expected, "{name}");
        }
    }

    #[test]
    fn a_new_build_keeps_the_fields_that_anybody_asked_for() {
        let now = Timestamp::UNIX_EPOCH;
        let mut state = State::default();
        state.begin(&BTreeSet::from(["login".to_owned()]), now);
        state.begin(&BTreeSet::from(["name".to_owned()]), now);
        let building = state.building.unwrap();
        let both = BTreeSet::from(["login".to_owned(), "name".to_owned()]);
        assert_eq!((building.generation, building.fields.clone()), (2, both.clone()));
        let day = SignedDuration::from_hours(24);
        assert!(building.serves(&both, now, day));
        assert!(!building.serves(&both, now + day, day), "nobody works at it any more");
    }
}
