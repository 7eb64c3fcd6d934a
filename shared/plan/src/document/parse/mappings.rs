//! Placement mappings with their groups and conditions, and roles (P1–P9, R1–R5).

use std::collections::BTreeMap;

use regex_lite::Regex;

use super::fields::regex;
use super::reader::{Node, Object};
use super::sources::{Purpose, Scope, site_name, source};
use crate::document::words::{
    EXTERNAL_USERS, LICENCE_TYPES, MAX_CONDITIONS, MAX_GROUP_NAME, MAX_OPERAND, MAX_ROLES,
    MAX_VALUES, OF_NONE, OF_ONE, OF_SEVERAL, QUANTIFIERS, SEQUENCE, USUAL_SEQUENCE,
};
use crate::document::{
    CabRow, Case, Condition, ExternalUsers, GroupRef, LicenceType, Mapping, Nesting, Placement,
    Quantifier, Roles, Test,
};
use crate::ids::{AgentRoleId, CabId, CabRoleId, ClientId, MappingId, SiteId, UserRoleId};

/// Reads the list of mappings.
pub(super) fn mappings(node: &Node<'_>, most: usize, scope: Scope) -> Option<Vec<Mapping>> {
    let mut seen: BTreeMap<MappingId, String> = BTreeMap::new();
    node.each(0..=most, |node| {
        node.object(|o| {
            let id =
                o.required("id", "a name for this mapping, which links and logs keep", |node| {
                    let id: MappingId = node.id()?;
                    if let Some(first) = seen.get(&id) {
                        return node.mistake(format!("{id} is already the id of {first}."));
                    }
                    seen.insert(id.clone(), row_of(node.path()));
                    Some(id)
                });
            mapping(o, id, scope)
        })
    })
}

/// The mapping that the place of its id belongs to.
fn row_of(path: &str) -> String {
    path.strip_suffix(".id").unwrap_or(path).to_owned()
}

fn mapping(o: &Object<'_, '_>, id: Option<MappingId>, scope: Scope) -> Option<Mapping> {
    let sequence = o.or("sequence", USUAL_SEQUENCE, |node| node.integer(SEQUENCE));
    let target =
        o.required("target", "where people go, such as {\"type\": \"site\", ...}", placement);
    let user_role_id = o.maybe("user_role_id", |node| node.halo_id().map(UserRoleId));
    let agent_role_id = o.maybe("agent_role_id", |node| node.halo_id().map(AgentRoleId));
    let licence_type = o.or("licence_type", LicenceType::NoChange, licence_type);
    let group = o.maybe("group", group);
    let external_users =
        o.or("external_users", ExternalUsers::Exclude, |node| node.word(EXTERNAL_USERS));
    let quantifier = o.or("match", Quantifier::All, |node| node.word(QUANTIFIERS));
    let conditions = o.or("conditions", Vec::new(), |node| {
        node.each(0..=MAX_CONDITIONS, |node| node.object(|o| condition(o, scope)))
    });
    let mapping = Mapping {
        id: id?,
        sequence: sequence?,
        target: target?,
        user_role_id: user_role_id?,
        agent_role_id: agent_role_id?,
        licence_type: licence_type?,
        group: group?,
        external_users: external_users?,
        quantifier: quantifier?,
        conditions: conditions?,
    };
    warn_of_idle_settings(o, &mapping);
    Some(mapping)
}

/// Settings of agents on a mapping that makes none.
fn warn_of_idle_settings(o: &Object<'_, '_>, mapping: &Mapping) {
    if matches!(mapping.target, Placement::Agents { .. }) {
        return;
    }
    let licence = mapping.licence_type != LicenceType::NoChange;
    for (key, set) in
        [("agent_role_id", mapping.agent_role_id.is_some()), ("licence_type", licence)]
    {
        if let Some(node) = o.get(key).filter(|_| set) {
            node.warning(format!(
                "{key} has no effect, as only mappings of type agents make agents."
            ));
        }
    }
}

fn licence_type(node: &Node<'_>) -> Option<LicenceType> {
    node.word(LICENCE_TYPES)
}

fn site_id(node: &Node<'_>) -> Option<SiteId> {
    node.halo_id().map(SiteId)
}

fn placement(node: &Node<'_>) -> Option<Placement> {
    const TYPES: [&str; 3] = ["site", "organisation", "agents"];
    node.object(|o| {
        let kind = o.required("type", "site, organisation or agents", |node| {
            node.word(&TYPES.map(|kind| (kind, kind)))
        });
        match kind {
            Some("site") => {
                let site_id = o.required("site_id", "the site that people go to", site_id);
                Some(Placement::Site { site_id: site_id? })
            }
            Some("organisation") => {
                let client_id =
                    o.required("client_id", "the client whose sites are meant", |node| {
                        node.halo_id().map(ClientId)
                    });
                let what = "the property that holds the site's name, such as officeLocation";
                let site_from = o.required("site_from", what, site_name);
                let default_site_id = o.maybe("default_site_id", site_id);
                Some(Placement::Organisation {
                    client_id: client_id?,
                    site_from: site_from?,
                    default_site_id: default_site_id?,
                })
            }
            Some(_) => {
                let user_site_id = o.maybe("user_site_id", site_id);
                Some(Placement::Agents { user_site_id: user_site_id? })
            }
            None => {
                let all = ["site_id", "client_id", "site_from", "default_site_id", "user_site_id"];
                o.let_others_be(&all);
                None
            }
        }
    })
}

fn group(node: &Node<'_>) -> Option<GroupRef> {
    node.object(|o| {
        let name = o.maybe("name", |node| node.words(MAX_GROUP_NAME).map(str::to_owned));
        let id = o.maybe("id", Node::id);
        let nesting = o.or("nested", Nesting::Direct, |node| {
            node.bool().map(|nested| if nested { Nesting::Nested } else { Nesting::Direct })
        });
        let (name, id) = (name?, id?);
        if name.is_none() && id.is_none() {
            return o.at().mistake("Missing: the group's name or its object id.");
        }
        Some(GroupRef { name, id, nesting: nesting? })
    })
}

fn condition(o: &Object<'_, '_>, scope: Scope) -> Option<Condition> {
    let field = o.required("field", "the property to look at", |node| {
        source(node, Purpose::Condition, scope)
    });
    let operator = o.required("op", "an operator such as equals", |node| {
        let all = OF_ONE.into_iter().chain(OF_SEVERAL).chain(OF_NONE);
        let all: Vec<_> = all.map(|operator| (operator, operator)).collect();
        node.word(&all)
    });
    let case = o.or("case_sensitive", Case::Insensitive, |node| {
        node.bool().map(|sensitive| if sensitive { Case::Sensitive } else { Case::Insensitive })
    });
    let Some(operator) = operator else {
        o.let_others_be(&["value", "values"]);
        return None;
    };
    let test = test(o, operator, case);
    Some(Condition { field: field?, test: test?, case: case? })
}

/// The operator with its operands; `case` is unknown if it could not be read.
fn test(o: &Object<'_, '_>, operator: &'static str, case: Option<Case>) -> Option<Test> {
    let what = "the text to compare with";
    let value = || o.required("value", what, operand);
    match operator {
        "in" => values(o).map(Test::In),
        "not_in" => values(o).map(Test::NotIn),
        "equals" => value().map(|value| Test::In(vec![value])),
        "not_equals" => value().map(|value| Test::NotIn(vec![value])),
        "starts_with" => value().map(Test::StartsWith),
        "ends_with" => value().map(Test::EndsWith),
        "contains" => value().map(Test::Contains),
        "not_contains" => value().map(Test::NotContains),
        "matches" => o.required("value", "the regular expression", |node| pattern(node, case)),
        "is_empty" => Some(Test::IsEmpty),
        "is_not_empty" => Some(Test::IsNotEmpty),
        "is_true" => Some(Test::IsTrue),
        _ => Some(Test::IsFalse),
    }
}

fn operand(node: &Node<'_>) -> Option<String> {
    if node.value().is_boolean() {
        return node.expected("a text (is_true and is_false test for true and false)");
    }
    let text = node.text(0..=MAX_OPERAND)?;
    if text.trim().is_empty() {
        return node.expected("a text that is not blank (is_empty tests for none)");
    }
    Some(text.to_owned())
}

/// `values`, or a list under `value`, which is as plain.
fn values(o: &Object<'_, '_>) -> Option<Vec<String>> {
    let read = |node: &Node<'_>| node.each(1..=MAX_VALUES, |node| operand(&node));
    let listed = o.get("values");
    match o.get("value") {
        Some(node) if listed.is_some() => node.mistake("The list stands under values already."),
        Some(node) => read(&node),
        None => o.required("values", "the list of texts to compare with", read),
    }
}

fn pattern(node: &Node<'_>, case: Option<Case>) -> Option<Test> {
    let written = operand(node)?;
    // Compiled as written first, so that a message shows the author's own text.
    let plain: Regex = regex(node, &written)?;
    match case? {
        Case::Sensitive => Some(Test::Matches(plain)),
        Case::Insensitive => regex(node, &format!("(?i){written}")).map(Test::Matches),
    }
}

/// Reads `roles`.
pub(super) fn roles(node: &Node<'_>) -> Option<Roles> {
    node.object(|o| {
        let agent_roles = o.or("agent_roles", Vec::new(), |node| role_rows(node, AgentRoleId));
        let user_roles = o.or("user_roles", Vec::new(), |node| role_rows(node, UserRoleId));
        let no_manager = o.maybe("no_manager_user_role_id", |node| node.halo_id().map(UserRoleId));
        let cabs = o.or("cabs", Vec::new(), |node| node.each(0..=MAX_ROLES, |node| cab(&node)));
        let licence_management = o.or("licence_management", false, Node::bool);
        let inactive = o.or("inactive_agent_role_ids", Vec::new(), |node| {
            node.each(0..=MAX_ROLES, |node| node.halo_id().map(AgentRoleId))
        });
        Some(Roles {
            agent_roles: agent_roles?,
            user_roles: user_roles?,
            no_manager_user_role_id: no_manager?,
            cabs: cabs?,
            licence_management: licence_management?,
            inactive_agent_role_ids: inactive?,
        })
    })
}

const WHOSE: &str = "the group whose members are meant";

fn role_rows<T>(node: &Node<'_>, role: impl Fn(i64) -> T) -> Option<Vec<(GroupRef, T)>> {
    node.each(0..=MAX_ROLES, |node| {
        node.object(|o| {
            let group = o.required("group", WHOSE, group);
            let id = o.required("role_id", "the role that they get", Node::halo_id);
            Some((group?, role(id?)))
        })
    })
}

fn cab(node: &Node<'_>) -> Option<CabRow> {
    node.object(|o| {
        let group = o.required("group", WHOSE, group);
        let cab_id =
            o.required("cab_id", "the change advisory board", |node| node.halo_id().map(CabId));
        let cab_role_id = o.maybe("cab_role_id", |node| node.halo_id().map(CabRoleId));
        let keep = o.or("keep", false, Node::bool);
        Some(CabRow { group: group?, cab_id: cab_id?, cab_role_id: cab_role_id?, keep: keep? })
    })
}
