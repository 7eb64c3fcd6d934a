//! What only Halo can tell of a document: whether its sites, clients, roles, boards and custom fields
//! exist (F4, P6, P7, R1–R3).

use std::collections::{BTreeMap, BTreeSet};

use plan::document::{Document, Entity, FieldRow, Mistake, Placement, RowTarget};
use plan::ids::{ClientId, ConnectionId, CustomFieldId, SiteId};

use crate::halo::{CustomField, Error, Halo, Picker, Site};

/// Sites up to which each is asked for on its own; more are found in the list of all.
const ONE_BY_ONE: usize = 10;

/// What was found wrong, and what is worth a warning.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
}

impl Findings {
    pub(super) fn mistake(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(path, message));
    }

    pub(super) fn warn(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Mistake::new(path, message));
    }
}

/// What is allowed and comes to nothing.
pub(super) fn check_licences(document: &Document, findings: &mut Findings) {
    let manages = document.licences.is_some_and(|licences| licences.manage_from_halo);
    if manages && !document.sync.entities.contains(&Entity::Licences) {
        let message = "Halo can assign only licences that were imported. Name licences in sync.entities, or import them by hand from time to time.";
        findings.warn("$.licences.manage_from_halo", message);
    }
}

/// Two connections must not import the licences of one tenant (S3).
pub(super) fn second_source(owner: Option<&ConnectionId>) -> Mistake {
    let owner = owner
        .map_or_else(|| "Another connection".to_owned(), |id| format!("The connection \"{id}\""));
    Mistake::new(
        "$.licences",
        format!(
            "{owner} imports the licences of this tenant already; only one may. Take the licences out of one of them."
        ),
    )
}

/// Ids in a document, each with its path.
type Places<T> = Vec<(String, T)>;

/// Checks what a document names in Halo, and pins the ids of custom fields.
pub(super) async fn check_halo(
    halo: &Halo,
    document: &mut Document,
    findings: &mut Findings,
) -> Result<(), Error> {
    check_sites(halo, &sites(document), findings).await?;
    check_clients(halo, &clients(document), findings).await?;
    let (users, agents) = roles(document);
    check_names(halo, Picker::UserRoles, "user role", &users, findings).await?;
    check_names(halo, Picker::AgentRoles, "agent role", &agents, findings).await?;
    let cabs = document.roles.cabs.iter().enumerate();
    let cabs = cabs.map(|(i, cab)| (format!("$.roles.cabs[{i}].cab_id"), cab.cab_id.0)).collect();
    check_names(halo, Picker::Cabs, "CAB", &cabs, findings).await?;
    pin_custom_fields(halo, document, findings).await
}

fn sites(document: &Document) -> Places<SiteId> {
    let mut places = Vec::new();
    for (index, mapping) in document.mappings.iter().enumerate() {
        let (key, site) = match &mapping.target {
            Placement::Site { site_id } => ("site_id", Some(*site_id)),
            Placement::Organisation { default_site_id, .. } => {
                ("default_site_id", *default_site_id)
            }
            Placement::Agents { user_site_id } => ("user_site_id", *user_site_id),
        };
        places.extend(site.map(|site| (format!("$.mappings[{index}].target.{key}"), site)));
    }
    places
}

fn clients(document: &Document) -> Places<ClientId> {
    let mut places = Vec::new();
    for (index, mapping) in document.mappings.iter().enumerate() {
        if let Placement::Organisation { client_id, .. } = &mapping.target {
            places.push((format!("$.mappings[{index}].target.client_id"), *client_id));
        }
    }
    let licences = document.licences.map(|it| ("$.licences.client_id".to_owned(), it.client_id));
    places.extend(licences);
    places
}

/// Roles of users, and roles of agents.
fn roles(document: &Document) -> (Places<i64>, Places<i64>) {
    let (mut users, mut agents) = (Vec::new(), Vec::new());
    for (index, mapping) in document.mappings.iter().enumerate() {
        let user = mapping.user_role_id;
        users.extend(user.map(|id| (format!("$.mappings[{index}].user_role_id"), id.0)));
        let agent = mapping.agent_role_id;
        agents.extend(agent.map(|id| (format!("$.mappings[{index}].agent_role_id"), id.0)));
    }
    for (index, (_, role)) in document.roles.user_roles.iter().enumerate() {
        users.push((format!("$.roles.user_roles[{index}].role_id"), role.0));
    }
    for (index, (_, role)) in document.roles.agent_roles.iter().enumerate() {
        agents.push((format!("$.roles.agent_roles[{index}].role_id"), role.0));
    }
    let without = document.roles.no_manager_user_role_id;
    users.extend(without.map(|id| ("$.roles.no_manager_user_role_id".to_owned(), id.0)));
    for (index, role) in document.roles.inactive_agent_role_ids.iter().enumerate() {
        agents.push((format!("$.roles.inactive_agent_role_ids[{index}]"), role.0));
    }
    (users, agents)
}

async fn check_sites(
    halo: &Halo,
    places: &Places<SiteId>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let wanted: BTreeSet<SiteId> = places.iter().map(|(_, site)| *site).collect();
    let mut found: BTreeMap<SiteId, Site> = BTreeMap::new();
    if wanted.len() > ONE_BY_ONE {
        found.extend(halo.sites(None).await?.into_iter().map(|site| (site.id, site)));
    } else {
        for id in wanted {
            found.extend(halo.site(id).await?.map(|site| (id, site)));
        }
    }
    for (path, id) in places {
        match found.get(id) {
            None => findings.mistake(path, format!("Halo has no site {id}.")),
            Some(site) if site.inactive => {
                findings
                    .warn(path, format!("The site {id} (\"{}\") is inactive in Halo.", site.name));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

async fn check_clients(
    halo: &Halo,
    places: &Places<ClientId>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let wanted: BTreeSet<ClientId> = places.iter().map(|(_, client)| *client).collect();
    let mut found = BTreeSet::new();
    for id in wanted {
        found.extend(halo.client(id).await?.map(|_| id));
    }
    for (path, id) in places.iter().filter(|(_, id)| !found.contains(id)) {
        findings.mistake(path, format!("Halo has no client (organisation) {id}."));
    }
    Ok(())
}

async fn check_names(
    halo: &Halo,
    picker: Picker,
    what: &str,
    places: &Places<i64>,
    findings: &mut Findings,
) -> Result<(), Error> {
    if places.is_empty() {
        return Ok(());
    }
    let found: BTreeSet<i64> = halo.names(picker).await?.into_iter().map(|it| it.id).collect();
    for (path, id) in places.iter().filter(|(_, id)| !found.contains(id)) {
        findings.mistake(path, format!("Halo has no {what} {id}."));
    }
    Ok(())
}

/// Custom fields have to be there already; they are never made (F4).
async fn pin_custom_fields(
    halo: &Halo,
    document: &mut Document,
    findings: &mut Findings,
) -> Result<(), Error> {
    let is_custom = |row: &FieldRow| matches!(row.to, RowTarget::Custom { .. });
    if !document.user_fields.iter().any(is_custom) {
        return Ok(());
    }
    let fields = halo.custom_fields().await?;
    for (index, row) in document.user_fields.iter_mut().enumerate() {
        let RowTarget::Custom { asked, id } = &mut row.to else { continue };
        let path = format!("$.field_mappings.users[{index}].to");
        match custom_field(&fields, asked).as_slice() {
            [one] => *id = Some(one.id),
            [] => findings.mistake(
                path,
                format!("Halo has no custom field \"{asked}\". Make it in Halo first, or check its name."),
            ),
            several => {
                let ids: Vec<String> = several.iter().map(|it| it.id.to_string()).collect();
                findings.mistake(
                    path,
                    format!(
                        "Halo has several custom fields \"{asked}\" ({}). Name the right one by its id.",
                        ids.join(", ")
                    ),
                );
            }
        }
    }
    check_twice(document, findings);
    Ok(())
}

/// Two rows may call one custom field by different names; only now it can be told (F2).
fn check_twice(document: &Document, findings: &mut Findings) {
    let mut first: BTreeMap<CustomFieldId, usize> = BTreeMap::new();
    for (index, row) in document.user_fields.iter().enumerate() {
        let RowTarget::Custom { id: Some(id), .. } = &row.to else { continue };
        if let Some(other) = first.insert(*id, index) {
            findings.mistake(
                format!("$.field_mappings.users[{index}].to"),
                format!("The same custom field {id} is the target of $.field_mappings.users[{other}] already."),
            );
        }
    }
}

/// By id, else by the name in the API, else by the name for people.
fn custom_field<'a>(fields: &'a [CustomField], asked: &str) -> Vec<&'a CustomField> {
    let same = |text: &str| text.trim().eq_ignore_ascii_case(asked.trim());
    let by = |fits: &dyn Fn(&CustomField) -> bool| -> Vec<&'a CustomField> {
        fields.iter().filter(|field| fits(field)).collect()
    };
    if let Ok(id) = asked.trim().parse::<i64>() {
        return by(&|field| field.id.0 == id);
    }
    let named = by(&|field| same(&field.name));
    if named.is_empty() { by(&|field| same(&field.label)) } else { named }
}
