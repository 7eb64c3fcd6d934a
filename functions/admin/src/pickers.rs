//! Routes of lists to choose from while a document is written: what Halo has, and groups of a tenant.

use axum::extract::State;
use axum::{Extension, Json};
use engine::Engine;
use engine::connections::Refusal;
use engine::graph::{GroupChoice, GroupKind};
use engine::halo::{Choice, Picker, Priority};
use engine::web::api::{AsksEntra, OfConnection, OfOne};
use engine::web::{Caller, PageAsked, Path, Problem, ProblemType, Query};
use serde::Serialize;
use utoipa::ToSchema;

/// Characters of a search at the most.
const SEARCH: usize = 120;
/// Things on a page when the query does not say, and at the most: Halo cuts longer pages.
const PAGE: (usize, usize) = (50, 100);

/// A page of what Halo has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PickerPage)]
pub(crate) struct ChoicePage {
    items: Vec<ChoiceShown>,
    /// Where the next page goes on; `null` at the end. A page may be short before the end.
    #[schema(required)]
    cursor: Option<String>,
}

/// Something that a document may name by its id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PickerItem)]
struct ChoiceShown {
    id: i64,
    /// May be empty.
    name: String,
    /// The name for people, of custom fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// The client that it belongs to, of sites and licences.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientShown>,
    /// Whether it is out of use.
    inactive: bool,
}

/// A client, called organisation in some products.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PickerClient)]
struct ClientShown {
    id: i64,
    /// May be empty.
    name: String,
}

impl From<Choice> for ChoiceShown {
    fn from(choice: Choice) -> Self {
        let Choice { id, name, label, client, inactive } = choice;
        let client = client.map(|it| ClientShown { id: it.id, name: it.name });
        Self { id, name, label, client, inactive }
    }
}

/// What Halo has of a kind, to choose from
///
/// One request of Halo's budget, ahead of background work. `search` is a part of the name.
#[utoipa::path(get, path = "/v1/halo/{list}", tag = "halo", extensions(("x-role" = json!("administrator"))),
    params(("list" = String, Path, description = "sites, clients, agent-roles, user-roles, cabs, custom-fields or licences"),
        ("search" = Option<String>, Query, description = "A part of the name"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100,
            description = "Things at the most, 1 to 100; 50 without"),
        ("cursor" = Option<String>, Query, description = "Where an earlier answer ended")),
    responses((status = 200, description = "A page of them", body = ChoicePage), OfOne))]
pub(crate) async fn halo(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<ChoicePage>, Problem> {
    caller.administrates()?;
    let list = path.text("list").to_owned();
    let picker = picker(&list)?;
    let query = query.only(&["search", "limit", "cursor"])?;
    let search = search(&query)?;
    // Pages of another length begin elsewhere.
    let length = query.limit(PAGE.0, PAGE.1)?;
    let mark = format!("{list} {length} {search}");
    let paging = PageAsked::of(&query, mark, PAGE.0, PAGE.1)?;
    let page = paging.after.as_deref().map_or(Some(1), |page| page.parse().ok());
    let page = page.ok_or_else(|| Problem::of(ProblemType::InvalidCursor, "Begin anew."))?;
    let halo = engine.halo.with_priority(Priority::Manual);
    let limit = u32::try_from(length).unwrap_or(1);
    let found = halo.choices(picker, search, page, limit).await.map_err(Refusal::from)?;
    let items = found.choices.into_iter().map(ChoiceShown::from).collect();
    Ok(Json(ChoicePage { items, cursor: paging.cursor(found.next.map(|next| next.to_string())) }))
}

fn picker(list: &str) -> Result<Picker, Problem> {
    Ok(match list {
        "sites" => Picker::Sites,
        "clients" => Picker::Clients,
        "agent-roles" => Picker::AgentRoles,
        "user-roles" => Picker::UserRoles,
        "cabs" => Picker::Cabs,
        "custom-fields" => Picker::CustomFields,
        "licences" => Picker::Licences,
        _ => {
            let detail = "There is no such list. Known: sites, clients, agent-roles, user-roles, cabs, custom-fields, licences.";
            return Err(Problem::of(ProblemType::NotFound, detail));
        }
    })
}

fn search(query: &Query) -> Result<&str, Problem> {
    let text = query.text("search").unwrap_or_default();
    if text.chars().count() <= SEARCH {
        return Ok(text);
    }
    Err(Problem::invalid("?search", format!("Expected at most {SEARCH} characters.")))
}

/// Groups of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupPage {
    groups: Vec<GroupShown>,
    /// Whether there are more than are shown: search for more of the name.
    more: bool,
}

/// A group that a document may name.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TenantGroup)]
struct GroupShown {
    /// Object id.
    id: String,
    name: String,
    kind: KindWord,
    /// Whether a rule in Entra says who is a member.
    dynamic: bool,
    /// People in it, those of groups inside it as well; left out where Graph does not say at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    people: Option<u64>,
}

/// Sorts of groups.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = GroupKind)]
enum KindWord {
    /// With a mailbox and a team.
    #[serde(rename = "microsoft_365")]
    Microsoft365,
    /// For permissions.
    #[serde(rename = "security")]
    Security,
    /// For mail only.
    #[serde(rename = "distribution")]
    Distribution,
}

impl From<GroupChoice> for GroupShown {
    fn from(group: GroupChoice) -> Self {
        let kind = match group.kind {
            GroupKind::Microsoft365 => KindWord::Microsoft365,
            GroupKind::Security => KindWord::Security,
            GroupKind::Distribution => KindWord::Distribution,
        };
        let GroupChoice { id, name, dynamic, people, .. } = group;
        Self { id: id.to_string(), name, kind, dynamic, people }
    }
}

/// Groups of a connection's tenant whose name starts with a text
///
/// At most 50. Up to four requests to Microsoft Graph, with the connection's credentials: one finds them,
/// the others count their people.
#[utoipa::path(get, path = "/v1/connections/{id}/groups", tag = "connections", extensions(("x-role" = json!("administrator"))),
    params(OfConnection,
        ("search" = Option<String>, Query, description = "The beginning of the name")),
    responses((status = 200, description = "Groups", body = GroupPage), OfOne, AsksEntra))]
pub(crate) async fn groups(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    path: Path,
    query: Query,
) -> Result<Json<GroupPage>, Problem> {
    caller.administrates()?;
    let query = query.only(&["search"])?;
    let found = engine.find_groups(&path.connection()?, search(&query)?).await?;
    let groups = found.groups.into_iter().map(GroupShown::from).collect();
    Ok(Json(GroupPage { groups, more: found.more }))
}
