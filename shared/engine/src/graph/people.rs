//! The calls that read users: rounds of changes, plain lists, managers, the count.

use std::collections::BTreeSet;

use plan::cursor::{Link, Next, Scope};
use plan::facts::{ManagerNews, PersonChange};
use plan::failure::{Failure, Kind};

use super::person::{Item, Promise, ReadItem};
use super::refusal::{Carried, Refusal};
use super::wire::{self, End};
use super::{Ask, Graph, Page, encoded, failed};

/// The largest page of a plain list (Microsoft Graph documentation, list users).
pub(super) const PAGE: u32 = 999;
const READ: &str = "read people";
const READ_MANAGERS: &str = "read managers";
const START_FROM_NOW: &str = "get a position that starts from now";
const COUNT: &str = "count people";
const CHECK_SELECT: &str = "check properties";

/// The property that is a relation: delta takes it for a property, a list has to expand it.
const MANAGER: &str = "manager";
const EXPAND_MANAGER: &str = "$expand=manager($levels=1;$select=id)";

impl Graph {
    /// A page of a round of changes; without a link the first page of a full round. `select` counts
    /// for a first page only: links carry the properties they were made with.
    pub async fn users_delta(
        &self,
        link: Option<&Link>,
        select: &BTreeSet<String>,
        scope: Scope,
    ) -> Result<Page<PersonChange>, Failure> {
        let start = || format!("/users/delta?$select={}", names(select));
        let ask = self.following(READ, link, start)?;
        // Delta only tells of managers that are set or changed, and has been seen to leave out those
        // too, so its silence means nothing.
        let promise = Promise { scope, without_manager: ManagerNews::Unsaid };
        self.people(&ask, End::DeltaLink, promise).await
    }

    /// The link of a round that starts from now: what is waiting is skipped (D4).
    pub async fn users_latest(&self, select: &BTreeSet<String>) -> Result<Link, Failure> {
        let path = format!("/users/delta?$select={}&$deltatoken=latest", names(select));
        self.latest(&path).await
    }

    /// The delta link in the only page of a `$deltatoken=latest` request.
    pub(super) async fn latest(&self, path: &str) -> Result<Link, Failure> {
        let ask = self.asking(START_FROM_NOW, path)?;
        match self.page(&ask, wire::Text, End::DeltaLink).await?.next {
            Next::End(Some(link)) => Ok(link),
            Next::End(None) | Next::Page(_) => {
                Err(failed(ask.operation, wire::malformed("a delta link")))
            }
        }
    }

    /// A page of everybody, with managers if `select` names `manager`; for tenants without delta.
    pub async fn users_list(
        &self,
        link: Option<&Link>,
        select: &BTreeSet<String>,
    ) -> Result<Page<PersonChange>, Failure> {
        let with_manager = select.contains(MANAGER);
        let start = || format!("/users?{}&$top={PAGE}", listed(select));
        let ask = self.following(READ, link, start)?;
        let without_manager = if with_manager { ManagerNews::None } else { ManagerNews::Unsaid };
        self.people(&ask, End::NoLink, Promise { scope: Scope::Full, without_manager }).await
    }

    /// A page of everybody's managers and nothing else: repairs what delta left out.
    pub async fn managers_list(&self, link: Option<&Link>) -> Result<Page<PersonChange>, Failure> {
        let start = || format!("/users?$select=id&{EXPAND_MANAGER}&$top={PAGE}");
        let ask = self.following(READ_MANAGERS, link, start)?;
        let promise = Promise { scope: Scope::Changes, without_manager: ManagerNews::None };
        self.people(&ask, End::NoLink, promise).await
    }

    /// How many users the directory counts, soft-deleted ones not included (D6).
    pub async fn users_count(&self) -> Result<u64, Failure> {
        let ask = Ask { eventual: true, ..self.asking(COUNT, "/users/$count")? };
        let answer = self.get(&ask).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let digits = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '"');
        digits.parse().map_err(|_| failed(COUNT, wire::malformed("a number of people")))
    }

    /// Whether Graph takes these properties, and if not what it says; nothing is read. It asks the
    /// way that the import reads: delta, or the list in tenants without delta (F3).
    pub async fn select_works(
        &self,
        select: &BTreeSet<String>,
    ) -> Result<Result<(), String>, Failure> {
        let delta = format!("/users/delta?$select={}&$deltatoken=latest", names(select));
        let answer = self.ask(&self.asking(CHECK_SELECT, &delta)?).await?;
        let without_delta = !answer.status.is_success() && Refusal::of(&answer).is_without_delta();
        let answer = if without_delta {
            let list = format!("/users?{}&$top=1", listed(select));
            self.ask(&self.asking(CHECK_SELECT, &list)?).await?
        } else {
            answer
        };
        if answer.status.is_success() {
            return Ok(Ok(()));
        }
        let kind = Refusal::of(&answer).kind(Carried::Nothing);
        if let Kind::Refused { message, .. } = kind {
            return Ok(Err(message));
        }
        Err(failed(CHECK_SELECT, kind))
    }

    async fn people(
        &self,
        ask: &Ask,
        end: End,
        promise: Promise,
    ) -> Result<Page<PersonChange>, Failure> {
        let page = self.page(ask, ReadItem, end).await?;
        Ok(changes(page, promise))
    }
}

fn changes(page: wire::Body<Item>, promise: Promise) -> Page<PersonChange> {
    let all = page.items.len();
    let items: Vec<PersonChange> =
        page.items.into_iter().filter_map(|item| item.news(promise)).collect();
    let skipped = (all - items.len()) as u64;
    if skipped > 0 {
        tracing::warn!(skipped, "items of people say nothing that can be used");
    }
    Page { items, next: page.next, skipped }
}

/// Names for `$select`; lists give the id only where it is named.
fn names<'a>(select: impl IntoIterator<Item = &'a String>) -> String {
    let others = select.into_iter().filter(|name| *name != "id").map(|name| encoded(name));
    let names: Vec<String> = std::iter::once("id".to_owned()).chain(others).collect();
    names.join(",")
}

/// `$select` and `$expand` of a plain list.
fn listed(select: &BTreeSet<String>) -> String {
    let plain = names(select.iter().filter(|name| *name != MANAGER));
    let expand =
        if select.contains(MANAGER) { format!("&{EXPAND_MANAGER}") } else { String::new() };
    format!("$select={plain}{expand}")
}

#[cfg(test)]
mod tests;
