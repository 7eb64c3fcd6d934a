//! The site of a name under a client, made when it is missing, exactly once (P6).
//!
//! A *book* in the store says which site a name is. Halo itself makes a second site of the same name
//! without a word, so a name is made like this:
//!
//! 1. A record "being made" is written on condition that there is none: one worker wins.
//! 2. The winner reads the client's sites from Halo, in case somebody else made it.
//! 3. It posts the site, and replaces the record by the site's id.
//!
//! A worker killed in between leaves its record. Others wait until it is older than any request can take,
//! then one of them takes it over and begins at 2, where it finds what the dead one may have made.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use plan::ids::{ClientId, SiteId};
use serde::{Deserialize, Serialize};

use super::index::short;
use super::rivals::merge;
use super::{Error, Halo, Site};
use crate::store::{
    Commit, Expect, Key, Record, StoreError, Versioned, Write, decode, put, put_until,
};

/// How long the book is good: afterwards renamed and removed sites are noticed.
const GOOD_FOR: SignedDuration = SignedDuration::from_hours(24);
/// A name that is not in the book is looked for in Halo, but not more often than this for one client.
const READ_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// After so long whoever makes a site is dead: a request takes a minute at the most.
const DEAD: SignedDuration = SignedDuration::from_mins(5);
/// A maker that has not posted by then leaves it: somebody may be about to take it for dead.
const TOO_LATE: SignedDuration = SignedDuration::from_mins(2);

/// Turns a name into the key by which names compare: two spellings of one name have one key.
pub type KeyOf = fn(&str) -> String;

/// The sites of all clients by name.
#[derive(Clone, Debug)]
pub struct Sites {
    halo: Halo,
    key_of: KeyOf,
}

/// What to do about a name that no site has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenMissing {
    /// Nothing: a preview.
    Leave,
    /// Make the site.
    Make,
}

/// Which site a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// This one.
    Known(SiteId),
    /// None, and none was to be made.
    Missing,
    /// Somebody is making it, or died doing so; ask again in a while, for five minutes at the most.
    BeingMade,
}

/// What the book says of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    Site { id: SiteId, name: String },
    Making { since: Timestamp },
}

/// When a client's sites were read into the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Read {
    at: Timestamp,
}

impl Halo {
    /// The sites of this Halo by name, compared by `key_of`.
    pub fn sites_by_name(&self, key_of: KeyOf) -> Sites {
        Sites { halo: self.clone(), key_of }
    }
}

impl Sites {
    /// The site under `client` that `name` names, however it is spelled. Among several of one name it
    /// is the oldest that is in use. Safe to repeat, and to call at once from anywhere.
    pub async fn resolve(
        &self,
        client: ClientId,
        name: &str,
        when_missing: WhenMissing,
    ) -> Result<Resolved, Error> {
        if (self.key_of)(name).is_empty() {
            return Ok(Resolved::Missing);
        }
        let place = self.place(client, name);
        let (entry, read) = self.look(client, &place).await?;
        let now = self.now();
        if let Some(resolved) = entry.as_ref().and_then(|entry| settled(&entry.value, now)) {
            return Ok(resolved);
        }
        let is_old = read.is_none_or(|read| now.duration_since(read.at) >= READ_AGAIN);
        if entry.is_none() && is_old {
            self.read_into_book(client).await?;
            let (entry, _) = self.look(client, &place).await?;
            if let Some(resolved) = entry.and_then(|entry| settled(&entry.value, now)) {
                return Ok(resolved);
            }
        }
        match when_missing {
            WhenMissing::Leave => Ok(Resolved::Missing),
            WhenMissing::Make => self.claim(client, name, &place).await,
        }
    }

    /// The site of a name as the book has it, without asking Halo; `None` = the book does not say.
    pub async fn in_book(
        &self,
        client: ClientId,
        name: &str,
    ) -> Result<Option<SiteId>, StoreError> {
        let place = self.place(client, name);
        let found = self.halo.shared.store.read::<Entry>(&place).await?;
        Ok(match found.map(|found| found.value) {
            Some(Entry::Site { id, .. }) => Some(id),
            Some(Entry::Making { .. }) | None => None,
        })
    }

    /// Forgets which site a name is, because Halo refused the site: the next [`Sites::resolve`] looks
    /// in Halo again. A name that is being made is left alone.
    pub async fn forget(&self, client: ClientId, name: &str) -> Result<(), Error> {
        let place = self.place(client, name);
        let found = self.halo.shared.store.read::<Entry>(&place).await?;
        if let Some(Versioned { version, value: Entry::Site { .. } }) = found {
            let expect = Expect::Version(version);
            let age = Write::Delete { key: read_place(client), expect: Expect::Anything };
            // A conflict means that somebody read it anew.
            let _newer = self.commit(&[Write::Delete { key: place, expect }, age]).await?;
        }
        Ok(())
    }

    /// Makes the site if this worker is the one to do it.
    async fn claim(&self, client: ClientId, name: &str, place: &Key) -> Result<Resolved, Error> {
        let (entry, _) = self.look(client, place).await?;
        let since = self.now();
        if let Some(resolved) = entry.as_ref().and_then(|entry| settled(&entry.value, since)) {
            return Ok(resolved);
        }
        // What is left is nothing, or the record of a dead maker.
        let (expect, version) = match &entry {
            None => (Expect::Absent, 1),
            Some(entry) => (Expect::Version(entry.version), entry.version + 1),
        };
        let claim = put(place.clone(), &Entry::Making { since }, expect)?;
        if self.commit(&[claim]).await? != Commit::Done {
            return Ok(Resolved::BeingMade);
        }
        self.make(client, name, &Claim { place, version, since }).await
    }

    /// Finds or makes the site, and says so in the book. A claim that is given up without having posted,
    /// or whose post Halo refused, is released; one whose post may have been acted upon stays.
    async fn make(
        &self,
        client: ClientId,
        name: &str,
        claim: &Claim<'_>,
    ) -> Result<Resolved, Error> {
        let id = match self.in_halo(client, name).await {
            Ok(Some(id)) => id,
            Ok(None) if self.now().duration_since(claim.since) < TOO_LATE => {
                match self.halo.create_site(client, name).await {
                    Ok(id) => id,
                    Err(error) if error.may_have_acted() => return Err(error),
                    Err(error) => {
                        self.release(claim).await?;
                        return Err(error);
                    }
                }
            }
            Ok(None) => {
                self.release(claim).await?;
                return Ok(Resolved::BeingMade);
            }
            Err(error) => {
                self.release(claim).await?;
                return Err(error);
            }
        };
        let entry = Entry::Site { id, name: name.to_owned() };
        let expect = Expect::Version(claim.version);
        let write = put_until(claim.place.clone(), &entry, expect, self.expiry())?;
        // A conflict means that somebody found the site and wrote the same.
        let _found = self.commit(&[write]).await?;
        Ok(Resolved::Known(id))
    }

    async fn release(&self, claim: &Claim<'_>) -> Result<(), Error> {
        let expect = Expect::Version(claim.version);
        // A conflict means that somebody found the site, or took the claim over.
        let _others = self.commit(&[Write::Delete { key: claim.place.clone(), expect }]).await?;
        Ok(())
    }

    async fn in_halo(&self, client: ClientId, name: &str) -> Result<Option<SiteId>, Error> {
        let mut sites = self.by_key(self.halo.sites(Some(client)).await?);
        Ok(sites.remove(&(self.key_of)(name)).map(|site| site.id))
    }

    /// Reads the client's sites into the book.
    async fn read_into_book(&self, client: ClientId) -> Result<(), Error> {
        let at = self.now();
        let sites: Vec<(String, Site)> =
            self.by_key(self.halo.sites(Some(client)).await?).into_iter().collect();
        let places: Vec<Key> = sites.iter().map(|(key, _)| entry_place(client, key)).collect();
        merge(&self.halo.shared.store, &places, self.expiry(), |index, stored: Option<Entry>| {
            let (_, site) = &sites[index];
            let entry = Entry::Site { id: site.id, name: site.name.clone() };
            (stored.as_ref() != Some(&entry)).then_some(entry)
        })
        .await?;
        self.halo
            .shared
            .store
            .write_all(&[put(read_place(client), &Read { at }, Expect::Anything)?])
            .await?;
        Ok(())
    }

    /// The sites by key; of several with one key the oldest in use, else the oldest.
    fn by_key(&self, mut sites: Vec<Site>) -> BTreeMap<String, Site> {
        sites.sort_by_key(|site| (site.inactive, site.id));
        let mut by_key = BTreeMap::new();
        for site in sites {
            let key = (self.key_of)(&site.name);
            if !key.is_empty() {
                by_key.entry(key).or_insert(site);
            }
        }
        by_key
    }

    async fn look(
        &self,
        client: ClientId,
        place: &Key,
    ) -> Result<(Option<Versioned<Entry>>, Option<Read>), Error> {
        let found = self.halo.shared.store.get(&[place.clone(), read_place(client)]).await?;
        let [entry, read]: [Option<Record>; 2] = found.try_into().map_err(|_| StoreError {
            operation: "read the book of sites",
            detail: "two records were asked for".to_owned(),
        })?;
        let entry = entry.as_ref().map(decode::<Entry>).transpose()?;
        let read = read.as_ref().map(decode::<Read>).transpose()?;
        Ok((entry, read.map(|read| read.value)))
    }

    async fn commit(&self, writes: &[Write]) -> Result<Commit, Error> {
        Ok(self.halo.shared.store.commit(writes).await?)
    }

    fn place(&self, client: ClientId, name: &str) -> Key {
        entry_place(client, &(self.key_of)(name))
    }

    fn now(&self) -> Timestamp {
        self.halo.clock().now()
    }

    fn expiry(&self) -> Option<Timestamp> {
        self.now().saturating_add(GOOD_FOR).ok()
    }
}

/// A worker's right to make a site.
struct Claim<'a> {
    place: &'a Key,
    version: u64,
    since: Timestamp,
}

/// What an entry says, unless its maker is dead.
fn settled(entry: &Entry, now: Timestamp) -> Option<Resolved> {
    match entry {
        Entry::Site { id, .. } => Some(Resolved::Known(*id)),
        Entry::Making { since } if now.duration_since(*since) < DEAD => Some(Resolved::BeingMade),
        Entry::Making { .. } => None,
    }
}

fn entry_place(client: ClientId, key: &str) -> Key {
    Key::new(format!("halo#sites#{client}"), short(&format!("={key}")))
}

fn read_place(client: ClientId) -> Key {
    Key::new(format!("halo#sites#{client}"), "#read")
}
