//! The calls that read groups: rounds of changes, members, names and ids (D1, P3).

use plan::cursor::{Link, Next};
use plan::failure::{Failure, Kind};
use plan::ids::ObjectId;

use super::batch::Inner;
use super::group::{GroupChange, Item, Member, ReadItem};
use super::people::PAGE;
use super::person::ReadReference;
use super::refusal::Carried;
use super::wire::{self, End};
use super::{Graph, Page, failed, quoted};

const READ: &str = "read groups";
const READ_MEMBERS: &str = "read the members of a group";
const FIND: &str = "find groups";
const COUNT: &str = "count the members of groups";

/// The longest text that a filter takes (Microsoft Graph documentation, advanced queries).
const LONGEST: usize = 120;
/// Groups that a picker shows at once.
const SUGGESTIONS: u32 = 50;
/// What a picker shows of a group.
const CHOICE: &str = "id,displayName,groupTypes,securityEnabled";

/// A group with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGroup {
    /// Object id.
    pub id: ObjectId,
    /// Display name.
    pub name: String,
}

/// A group to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChoice {
    /// Object id.
    pub id: ObjectId,
    /// Display name.
    pub name: String,
    /// What sort of group it is.
    pub kind: GroupKind,
    /// Whether a rule in Entra says who is a member.
    pub dynamic: bool,
    /// People in it, those of groups inside it as well; `None` = Graph did not say.
    pub people: Option<u64>,
}

/// Sorts of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// With a mailbox and a team.
    Microsoft365,
    /// For permissions.
    Security,
    /// For mail only.
    Distribution,
}

/// Groups that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChoices {
    /// They, in Graph's order.
    pub groups: Vec<GroupChoice>,
    /// Whether there are more than a picker shows.
    pub more: bool,
}

impl Graph {
    /// A page of a round of changes of the groups `ids`, 50 at the most; without a link the first
    /// page of a full round.
    pub async fn groups_delta(
        &self,
        link: Option<&Link>,
        ids: &[ObjectId],
    ) -> Result<Page<GroupChange>, Failure> {
        let ask = self.following(READ, link, || delta_of(ids))?;
        let page = self.page(&ask, ReadItem, End::DeltaLink).await?;
        Ok(kept(page, Item::news))
    }

    /// The link of a round that starts from now: what is waiting is skipped (D4).
    pub async fn groups_latest(&self, ids: &[ObjectId]) -> Result<Link, Failure> {
        self.latest(&format!("{}&$deltatoken=latest", delta_of(ids))).await
    }

    /// A page of a group's direct members, for tenants without delta; `None` = there is no such group.
    pub async fn members_list(
        &self,
        group: ObjectId,
        link: Option<&Link>,
    ) -> Result<Option<Page<Member>>, Failure> {
        let start = || format!("/groups/{group}/members?$select=id&$top={PAGE}");
        let ask = self.following(READ_MEMBERS, link, start)?;
        match self.page(&ask, ReadReference, End::NoLink).await {
            Ok(page) => Ok(Some(kept(page, |reference| Member::of(&reference)))),
            Err(Failure { kind: Kind::Refused { status: 404, code, .. }, .. })
                if code.eq_ignore_ascii_case("Request_ResourceNotFound") =>
            {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The groups of each name, in the order of the names: none, one or several (P3). Case and white
    /// space around a name make no difference.
    pub async fn find_groups(&self, names: &[String]) -> Result<Vec<Vec<FoundGroup>>, Failure> {
        let paths: Vec<String> = names.iter().map(|name| find_by_name(name.trim())).collect();
        let answers = self.batch(FIND, &paths).await?;
        let pairs = names.iter().zip(answers);
        pairs.map(|(name, answer)| groups_called(name, &answer)).collect()
    }

    /// The group of each id, in the order of the ids; `None` = there is no such group.
    pub async fn groups_by_id(&self, ids: &[ObjectId]) -> Result<Vec<Option<FoundGroup>>, Failure> {
        let path = |id: &ObjectId| format!("/groups/{id}?$select=id,displayName");
        let paths: Vec<String> = ids.iter().map(path).collect();
        let answers = self.batch(FIND, &paths).await?;
        answers.iter().map(group_in).collect()
    }

    /// Groups whose name starts with a text, any groups without one, in Graph's order, with their
    /// people counted as far as Graph does that at once: for a picker. At most 50.
    pub async fn search_groups(&self, text: &str) -> Result<GroupChoices, Failure> {
        let start = match text.trim() {
            "" => String::new(),
            start => format!("$filter={}&", starts_with(start)),
        };
        let path = format!("/groups?{start}$select={CHOICE}&$top={SUGGESTIONS}");
        let page = self.page(&self.asking(FIND, &path)?, ReadItem, End::NoLink).await?;
        let more = matches!(page.next, Next::Page(_));
        readable(&page.items)?;
        let mut groups: Vec<GroupChoice> = page.items.into_iter().filter_map(choice).collect();
        let paths: Vec<String> = groups.iter().map(|group| people_of(group.id)).collect();
        let counts = self.batch_once(COUNT, &paths).await;
        for (group, count) in groups.iter_mut().zip(counts) {
            group.people = count.and_then(|answer| answer.count());
        }
        Ok(GroupChoices { groups, more })
    }
}

/// The list that says how many people are in a group.
fn people_of(group: ObjectId) -> String {
    format!("/groups/{group}/transitiveMembers/microsoft.graph.user?$count=true&$top=1&$select=id")
}

fn delta_of(ids: &[ObjectId]) -> String {
    let each: Vec<String> =
        ids.iter().map(|id| format!("id%20eq%20{}", quoted(&id.to_string()))).collect();
    format!("/groups/delta?$select=id,displayName,members&$filter={}", each.join("%20or%20"))
}

fn find_by_name(name: &str) -> String {
    if name.chars().count() > LONGEST {
        let filter = starts_with(name);
        return format!("/groups?$filter={filter}&$select=id,displayName&$top={PAGE}");
    }
    format!(
        "/groups?$filter=displayName%20eq%20{}&$select=id,displayName&$top={PAGE}",
        quoted(name)
    )
}

/// The filter for names that begin with a text.
fn starts_with(text: &str) -> String {
    let start: String = text.chars().take(LONGEST).collect();
    format!("startswith(displayName,{})", quoted(&start))
}

/// What is usable of a page.
fn kept<T, U>(page: wire::Body<T>, usable: impl Fn(T) -> Option<U>) -> Page<U> {
    let all = page.items.len();
    let items: Vec<U> = page.items.into_iter().filter_map(usable).collect();
    let skipped = (all - items.len()) as u64;
    Page { items, next: page.next, skipped }
}

/// The groups in the answer to a search for a name that are called exactly so.
fn groups_called(name: &str, answer: &Inner) -> Result<Vec<FoundGroup>, Failure> {
    if !answer.is_success() {
        return Err(failed(FIND, answer.refusal().kind(Carried::Nothing)));
    }
    let page =
        wire::page(&answer.bytes(), ReadItem, End::NoLink).map_err(|kind| failed(FIND, kind))?;
    let wanted = name.trim().to_lowercase();
    let mut groups = found(page.items)?;
    groups.retain(|group| group.name.trim().to_lowercase() == wanted);
    Ok(groups)
}

fn group_in(answer: &Inner) -> Result<Option<FoundGroup>, Failure> {
    if answer.status == 404 {
        return Ok(None);
    }
    if !answer.is_success() {
        return Err(failed(FIND, answer.refusal().kind(Carried::Nothing)));
    }
    let item = wire::read(&answer.bytes(), ReadItem).map_err(|kind| failed(FIND, kind))?;
    Ok(found(vec![item])?.pop())
}

/// Groups with id and name. A name that is hidden is no name that differs: it is an error.
fn found(items: Vec<Item>) -> Result<Vec<FoundGroup>, Failure> {
    readable(&items)?;
    let groups = items.into_iter().filter_map(|item| {
        let (id, name) = (item.id?, item.name?);
        Some(FoundGroup { id, name })
    });
    Ok(groups.collect())
}

fn readable(items: &[Item]) -> Result<(), Failure> {
    if items.iter().any(Item::is_hidden) {
        let code = "the names of groups are hidden".to_owned();
        return Err(failed(FIND, Kind::Forbidden { code }));
    }
    Ok(())
}

fn choice(item: Item) -> Option<GroupChoice> {
    let is_of = |word: &str| item.types.iter().any(|it| it.eq_ignore_ascii_case(word));
    let kind = match (is_of("Unified"), item.security) {
        (true, _) => GroupKind::Microsoft365,
        (false, true) => GroupKind::Security,
        (false, false) => GroupKind::Distribution,
    };
    let dynamic = is_of("DynamicMembership");
    Some(GroupChoice { id: item.id?, name: item.name?, kind, dynamic, people: None })
}

#[cfg(test)]
mod tests;
