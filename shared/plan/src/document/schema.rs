//! The JSON Schema of connection documents (2020-12), from the words and sizes that the parser reads by.
//!
//! It refuses what is wrong in itself: keys, words, ranges, shapes. What depends on other places (an id
//! that is used twice, a regular expression that does not compile) only the parser tells.

mod rows;
mod shapes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::rows::{field_row, field_source, joins, match_row, property, transforms};
use self::shapes::{
    about, any_of, count, flag, halo_id, line, list, object, pattern, range, text, usual, word,
};
use super::words::{
    ASSERTIONS, CLOUDS, CREDENTIALS, ENTITIES, EVERY_MINUTES, EXTERNAL_USERS, FULL_EVERY_HOURS,
    GUARD_COUNT, GUARD_PERCENT, LICENCE_TYPES, MANAGER, MAX_ADDRESS, MAX_CONDITIONS,
    MAX_GROUP_NAME, MAX_MAPPINGS, MAX_MATCH_ROWS, MAX_NAME, MAX_OPERAND, MAX_ROLES, MAX_ROWS,
    MAX_VALUES, METHODS, OF_NONE, OF_ONE, OF_SEVERAL, OTHER_SOURCES, OUT_OF_SCOPE, QUANTIFIERS,
    SEQUENCE, USUAL_SEQUENCE,
};
use super::{Guard, Sync};
use crate::catalogue::{
    AGENT_MATCH_FIELDS, AGENT_TARGETS, Kind, PROPERTIES, USER_MATCH_FIELDS, USER_TARGETS,
};

/// The name of the whole document among the [`definitions`].
pub const DEFINITION: &str = "ConnectionDocument";

const ID: &str = "^[a-z0-9][a-z0-9-]{0,39}$";
const GUID: &str = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
const DIRECTORY_EXTENSION: &str = "^extension_[0-9a-fA-F]{32}_[a-zA-Z0-9_]{1,200}$";
/// Scheme, host and port; plain HTTP only on this machine.
const ADDRESS: &str = r"^(https://[^\s/?#@]+|http://(localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?)/?$";

/// The schema for editors, complete in itself.
pub fn schema() -> Value {
    let mut parts = definitions("#/$defs/");
    let mut schema = parts.remove(DEFINITION).unwrap_or_default();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["$id"] = json!("urn:halo-entra:schema:connection");
    schema["$defs"] = json!(parts);
    schema
}

/// The schema in parts that refer to each other by name; `at` stands before the names.
pub fn definitions(at: &str) -> BTreeMap<&'static str, Value> {
    let refer = |name: &str| json!({ "$ref": format!("{at}{name}") });
    BTreeMap::from([
        (DEFINITION, document(&refer)),
        ("GroupReference", group()),
        ("UserFieldRow", field_row(USER_TARGETS, true, &refer)),
        ("AgentFieldRow", field_row(AGENT_TARGETS, false, &refer)),
        ("FieldSource", field_source()),
        ("FieldTransform", any_of(transforms())),
        ("SourceJoin", any_of(joins())),
        ("UserMatchRow", match_row(USER_MATCH_FIELDS)),
        ("AgentMatchRow", match_row(AGENT_MATCH_FIELDS)),
        ("PlacementMapping", mapping(&refer)),
        ("PlacementTarget", placement()),
        ("PlacementCondition", condition()),
    ])
}

/// Makes a reference to another part.
type Refer<'a> = &'a dyn Fn(&str) -> Value;

fn document(refer: Refer<'_>) -> Value {
    let lists = |users: &str, agents: &str, most: usize| {
        object(
            &[],
            &[("users", list(0, most, refer(users))), ("agents", list(0, most, refer(agents)))],
        )
    };
    let rows = lists("UserFieldRow", "AgentFieldRow", MAX_ROWS);
    let matching = lists("UserMatchRow", "AgentMatchRow", MAX_MATCH_ROWS);
    let mut schema = object(
        &["id", "name", "tenant_id", "auth", "mappings"],
        &[
            ("$schema", about("Where an editor finds this schema; ignored.", text(0, MAX_ADDRESS))),
            ("id", about("Name in addresses and keys; unique, and never changed.", pattern(ID))),
            ("name", about("Name for people; unique.", line(MAX_NAME))),
            ("enabled", about("Off: no schedule and no imports.", flag(true))),
            ("tenant_id", about("The Entra tenant.", pattern(GUID))),
            ("cloud", about("Where its login and Graph are (C2).", cloud())),
            ("auth", about("How to sign in to it (C3).", auth())),
            ("sync", about("What is imported, when, and what follows from a departure.", sync())),
            ("create", about("Whether people without a Halo record get one (M3).", flag(true))),
            (
                "field_mappings",
                about(
                    "Which Halo fields are written, and from what; a list left out is the usual one (F1, F7).",
                    rows,
                ),
            ),
            (
                "matching",
                about("How unlinked people are found in Halo, in this order (M2).", matching),
            ),
            (
                "mappings",
                about(
                    "Where people go, tried in order of their sequence (P1).",
                    list(0, MAX_MAPPINGS, refer("PlacementMapping")),
                ),
            ),
            ("roles", about("Roles and boards by group (R1 to R5).", roles(refer))),
            ("licences", about("Import of licences (S1, S2).", licences())),
            ("guard", about("How many deactivations pass without an administrator (L4).", guard())),
        ],
    );
    let imports_licences = json!({
        "properties": { "sync": {
            "type": "object",
            "properties": { "entities": { "type": "array", "contains": { "const": "licences" } } },
            "required": ["entities"]
        } },
        "required": ["sync"]
    });
    schema["title"] = json!("A connection of halo-entra");
    schema["description"] = json!("One Entra tenant with its settings.");
    schema["if"] = imports_licences;
    schema["then"] =
        json!({ "properties": { "licences": { "type": "object" } }, "required": ["licences"] });
    schema
}

fn cloud() -> Value {
    let address = || {
        let mut schema = text(1, MAX_ADDRESS);
        schema["pattern"] = json!(ADDRESS);
        schema
    };
    let own = object(
        &["login", "graph"],
        &[
            ("login", about("Base address of the login service, without a path.", address())),
            ("graph", about("Base address of Graph, without a path.", address())),
        ],
    );
    let own = about("Addresses of its own, where the deployment allows them.", own);
    usual("global", any_of(vec![word(CLOUDS), own]))
}

fn auth() -> Value {
    let proof =
        about("What proves the application's identity.", usual("secret", word(CREDENTIALS)));
    let mut auth = object(
        &["client_id"],
        &[
            (
                "method",
                about(
                    "Client credentials, or a person's consent.",
                    usual("application", word(METHODS)),
                ),
            ),
            ("credential", proof),
            ("assertion", about("How a certificate signs.", usual("ps256", word(ASSERTIONS)))),
            ("client_id", about("Application (client) id of the app registration.", pattern(GUID))),
        ],
    );
    auth["if"] = json!({
        "properties": { "credential": { "const": "certificate" } }, "required": ["credential"]
    });
    auth["else"] = json!({ "properties": { "assertion": { "enum": ["ps256", null] } } });
    auth
}

fn sync() -> Value {
    let usually = Sync::default();
    let mut entities = list(1, ENTITIES.len(), word(ENTITIES));
    entities["uniqueItems"] = json!(true);
    let minutes = count(&EVERY_MINUTES, usually.every_minutes);
    let hours = count(&FULL_EVERY_HOURS, usually.full_every_hours);
    object(
        &[],
        &[
            (
                "entities",
                about("What the schedule imports (I3).", usual(json!(usually.entities), entities)),
            ),
            ("every_minutes", about("Minutes between two runs of the schedule.", minutes)),
            ("delta", about("Read changes only, or everybody each time (D1).", flag(true))),
            ("full_every_hours", about("Hours between full reads under delta (D1).", hours)),
            (
                "deactivate_missing",
                about(
                    "Whether people who left Entra become inactive (D5).",
                    flag(usually.deactivate_missing),
                ),
            ),
            (
                "deactivate_disabled_users",
                about(
                    "Whether users with a disabled account become inactive; agents always do (L2, R6).",
                    flag(usually.deactivate_disabled_users),
                ),
            ),
            (
                "out_of_scope",
                about(
                    "What becomes of linked people whom no mapping matches any more (P8).",
                    usual(json!(usually.out_of_scope), word(OUT_OF_SCOPE)),
                ),
            ),
            (
                "reactivate",
                about(
                    "Whether people who return become active again (L3).",
                    flag(usually.reactivate),
                ),
            ),
            (
                "create_disabled",
                about(
                    "Whether disabled accounts are imported (L2).",
                    flag(usually.create_disabled),
                ),
            ),
            (
                "last_sign_in",
                about(
                    "Whether the last sign-in is read and written (D8).",
                    flag(usually.last_sign_in),
                ),
            ),
        ],
    )
}

fn mapping(refer: Refer<'_>) -> Value {
    let sequence = usual(USUAL_SEQUENCE, range(*SEQUENCE.start(), *SEQUENCE.end()));
    object(
        &["id", "target"],
        &[
            ("id", about("Name in links and logs; unique in the document.", pattern(ID))),
            ("sequence", about("Smaller ones are tried first.", sequence)),
            ("target", about("Where people go (P6).", refer("PlacementTarget"))),
            ("user_role_id", about("Role of the user record (P7).", halo_id())),
            ("agent_role_id", about("Role of the agent record (P7).", halo_id())),
            (
                "licence_type",
                about("Licence of the agent record (P7).", usual("no_change", word(LICENCE_TYPES))),
            ),
            ("group", about("Whom it is for (P3).", refer("GroupReference"))),
            (
                "external_users",
                about(
                    "Whether it takes external people (P4).",
                    usual("exclude", word(EXTERNAL_USERS)),
                ),
            ),
            (
                "match",
                about(
                    "Whether all conditions must hold, or any (P2).",
                    usual("all", word(QUANTIFIERS)),
                ),
            ),
            (
                "conditions",
                about("What must hold (P5).", list(0, MAX_CONDITIONS, refer("PlacementCondition"))),
            ),
        ],
    )
}

fn placement() -> Value {
    let kind = |name: &str| ("type", json!({ "const": name }));
    any_of(vec![
        about("One site.", object(&["type", "site_id"], &[kind("site"), ("site_id", halo_id())])),
        about(
            "A site under a client, named by a property; made when missing.",
            object(
                &["type", "client_id", "site_from"],
                &[
                    kind("organisation"),
                    ("client_id", halo_id()),
                    ("site_from", property(&[Kind::Text], &[])),
                    ("default_site_id", about("Where people without a value go.", halo_id())),
                ],
            ),
        ),
        about(
            "An agent, and a user where a user mapping or `user_site_id` says so (P1).",
            object(
                &["type"],
                &[
                    kind("agents"),
                    (
                        "user_site_id",
                        about(
                            "Site of the user record of agents whom no user mapping matches.",
                            halo_id(),
                        ),
                    ),
                ],
            ),
        ),
    ])
}

fn group() -> Value {
    let given =
        |key: &str| json!({ "properties": { key: { "type": "string" } }, "required": [key] });
    let mut schema = object(
        &[],
        &[
            ("name", about("Exact name; compared without case.", line(MAX_GROUP_NAME))),
            ("id", about("Object id; noted when the document is saved.", pattern(GUID))),
            ("nested", about("Whether members of groups inside it count.", flag(false))),
        ],
    );
    schema["description"] = json!("A group by its name or its object id (P3).");
    schema["anyOf"] = json!([given("name"), given("id")]);
    schema
}

fn condition() -> Value {
    let named = PROPERTIES.iter().map(|property| property.name);
    let named: Vec<&str> = named.chain(MANAGER).chain(OTHER_SOURCES).collect();
    let field = any_of(vec![json!({ "enum": named }), pattern(DIRECTORY_EXTENSION)]);
    let of = |operators: &[&str], operands: &[&'static str], values: &[(&'static str, Value)]| {
        let mut keys = vec![
            ("field", field.clone()),
            ("op", json!({ "enum": operators })),
            ("case_sensitive", flag(false)),
        ];
        keys.extend(values.iter().cloned());
        object(&[&["field", "op"], operands].concat(), &keys)
    };
    let one = line(MAX_OPERAND);
    let several = || list(1, MAX_VALUES, one.clone());
    any_of(vec![
        of(&OF_ONE, &["value"], &[("value", one.clone())]),
        of(
            &OF_SEVERAL,
            &["values"],
            &[("values", several()), ("value", json!({ "type": "null" }))],
        ),
        of(&OF_SEVERAL, &["value"], &[("value", several()), ("values", json!({ "type": "null" }))]),
        of(&OF_NONE, &[], &[]),
    ])
}

fn roles(refer: Refer<'_>) -> Value {
    let group = || ("group", refer("GroupReference"));
    let rows =
        || list(0, MAX_ROLES, object(&["group", "role_id"], &[group(), ("role_id", halo_id())]));
    let board = object(
        &["group", "cab_id"],
        &[
            group(),
            ("cab_id", about("The change advisory board.", halo_id())),
            ("cab_role_id", about("Their role in it.", halo_id())),
            ("keep", about("Whether it is kept in step after creation.", flag(false))),
        ],
    );
    object(
        &[],
        &[
            ("agent_roles", about("Agent roles by group (R1).", rows())),
            ("user_roles", about("User roles by group (R1).", rows())),
            ("no_manager_user_role_id", about("Role of users without a manager (R2).", halo_id())),
            ("cabs", about("Change advisory boards by group (R3).", list(0, MAX_ROLES, board))),
            (
                "licence_management",
                about("Whether a role makes agents inactive (R5).", flag(false)),
            ),
            (
                "inactive_agent_role_ids",
                about("Which roles do (R5).", list(0, MAX_ROLES, halo_id())),
            ),
        ],
    )
}

fn licences() -> Value {
    object(
        &["client_id"],
        &[
            ("client_id", about("The client that licences are imported to.", halo_id())),
            (
                "manage_from_halo",
                about("Whether Halo may assign and remove licences (S2).", flag(false)),
            ),
        ],
    )
}

fn guard() -> Value {
    let Guard { count: people, percent, absolute } = Guard::default();
    let limits = object(
        &[],
        &[
            (
                "count",
                about(
                    "More than so many, and more than `percent`, are held.",
                    count(&GUARD_COUNT, people),
                ),
            ),
            ("percent", about("Share of the linked people.", count(&GUARD_PERCENT, percent))),
            (
                "absolute",
                about(
                    "More than so many are held, whatever the size.",
                    count(&GUARD_COUNT, absolute),
                ),
            ),
        ],
    );
    object(&[], &[("max_deactivations", limits)])
}
