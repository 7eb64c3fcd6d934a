//! A table of bad documents: what is changed in a good one, and the mistake that must be named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed case is the failure of the test")]

mod rows;

use self::rows::{FIELDS, MATCHING, TRANSFORMS};
use super::tests::patched;
use super::*;

/// JSON pointer, what is put there (empty: removed), path of the mistake, part of its sentence.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CONNECTION: &[Case] = &[
    ("/id", "", "$.id", "Missing: the connection's name"),
    ("/id", "null", "$.id", "Missing"),
    ("/id", "\"Con toso\"", "$.id", "1 to 40 of a-z"),
    ("/id", "7", "$.id", "Expected a text, found 7."),
    ("/name", "", "$.name", "Missing"),
    ("/name", "\"  \"", "$.name", "not blank"),
    ("/name", "\"a\\nb\"", "$.name", "one line"),
    ("/enabled", "\"yes\"", "$.enabled", "Expected true or false, found \"yes\"."),
    ("/tenant_id", "\"contoso.com\"", "$.tenant_id", "a tenant id (a GUID"),
    ("/tennant_id", "\"x\"", "$.tennant_id", "did you mean \"tenant_id\"?"),
    ("/tenantId", "\"x\"", "$.tenantId", "did you mean \"tenant_id\"?"),
    ("/odd key", "1", "$['odd key']", "Unknown key \"odd key\"; known here:"),
    ("/it's", "1", "$['it\\'s']", "Unknown key"),
    ("/cloud", "\"germany\"", "$.cloud", "one of global, us_gov, us_gov_dod, china"),
    ("/cloud", "7", "$.cloud", "one of global"),
    ("/cloud", "{}", "$.cloud.login", "Missing"),
    ("/cloud", r#"{"login":"http://x.example","graph":"https://g"}"#, "$.cloud.login", "https"),
    (
        "/cloud",
        r#"{"login":"https://l","graph":"https://g/v1.0"}"#,
        "$.cloud.graph",
        "without path",
    ),
    ("/cloud", r#"{"login":"https://l","graph":"https://g?a=b"}"#, "$.cloud.graph", "without path"),
    ("/cloud", r#"{"login":"https://u:p@l","graph":"https://g"}"#, "$.cloud.login", "password"),
    ("/cloud", r#"{"login":"l","graph":"https://g"}"#, "$.cloud.login", "an address such as"),
    ("/cloud", r#"{"login":"ftp://localhost","graph":"https://g"}"#, "$.cloud.login", "https"),
    ("/auth", "", "$.auth", "Missing"),
    ("/auth", "[]", "$.auth", "Expected an object, found a list."),
    ("/auth/client_id", "", "$.auth.client_id", "Missing"),
    ("/auth/client_id", "\"x\"", "$.auth.client_id", "an application id"),
    ("/auth/method", "\"aplication\"", "$.auth.method", "did you mean \"application\"?"),
    ("/auth/credential", "\"password\"", "$.auth.credential", "one of secret, certificate"),
    ("/auth/assertion", "\"es256\"", "$.auth.assertion", "did you mean \"ps256\"?"),
    ("/auth/assertion", "\"rs256\"", "$.auth.assertion", "Only a certificate signs"),
    ("/auth/client_secret", "\"s\"", "$.auth.client_secret", "Unknown key"),
    ("/sync/entities", "[]", "$.sync.entities", "1 to 3 entries, found 0"),
    ("/sync/entities", r#"["users","users"]"#, "$.sync.entities[1]", "already"),
    ("/sync/entities", r#"["user"]"#, "$.sync.entities[0]", "did you mean \"users\"?"),
    ("/sync/entities", "\"users\"", "$.sync.entities", "Expected a list"),
    ("/sync/every_minutes", "4", "$.sync.every_minutes", "from 5 to 1440, found 4"),
    ("/sync/every_minutes", "1441", "$.sync.every_minutes", "from 5 to 1440"),
    ("/sync/every_minutes", "15.5", "$.sync.every_minutes", "a whole number"),
    ("/sync/full_every_hours", "0", "$.sync.full_every_hours", "from 1 to 8760"),
    ("/sync/delta", "1", "$.sync.delta", "true or false"),
    ("/sync/out_of_scope", "\"delete\"", "$.sync.out_of_scope", "one of leave, deactivate"),
    ("/create", "0", "$.create", "true or false"),
    ("/licences/client_id", "", "$.licences.client_id", "Missing"),
    ("/licences/client_id", "-3", "$.licences.client_id", "positive whole number"),
    ("/guard/max_deactivations/percent", "101", "$.guard.max_deactivations.percent", "0 to 100"),
    ("/guard/max_deactivations/count", "-1", "$.guard.max_deactivations.count", "from 0"),
    ("/guard/count", "5", "$.guard.count", "known here: max_deactivations"),
];

const MAPPINGS: &[Case] = &[
    ("/mappings", "", "$.mappings", "Missing"),
    ("/mappings", "{}", "$.mappings", "Expected a list"),
    ("/mappings/0/id", "", "$.mappings[0].id", "Missing"),
    ("/mappings/1/id", "\"sales\"", "$.mappings[1].id", "already the id of $.mappings[0]"),
    ("/mappings/0/sequence", "1.5", "$.mappings[0].sequence", "a whole number"),
    ("/mappings/0/target", "", "$.mappings[0].target", "Missing"),
    ("/mappings/0/target/type", "\"sites\"", "$.mappings[0].target.type", "did you mean \"site\"?"),
    (
        "/mappings/0/target/type",
        "\"organization\"",
        "$.mappings[0].target.type",
        "did you mean \"organisation\"?",
    ),
    ("/mappings/0/target/site_id", "18.0", "$.mappings[0].target.site_id", "found 18.0"),
    ("/mappings/0/target/site_id", "0", "$.mappings[0].target.site_id", "positive"),
    ("/mappings/0/target/site_id", "\"18\"", "$.mappings[0].target.site_id", "found \"18\""),
    (
        "/mappings/0/target/site_id",
        "2147483648",
        "$.mappings[0].target.site_id",
        "id of a Halo record",
    ),
    (
        "/mappings/0/target/client_id",
        "3",
        "$.mappings[0].target.client_id",
        "known here: site_id, type",
    ),
    ("/mappings/1/target/site_from", "", "$.mappings[1].target.site_from", "Missing"),
    (
        "/mappings/1/target/site_from",
        "\"accountEnabled\"",
        "$.mappings[1].target.site_from",
        "one text",
    ),
    (
        "/mappings/1/target/site_from",
        "\"businessPhones\"",
        "$.mappings[1].target.site_from",
        "one text",
    ),
    (
        "/mappings/2/target/site_id",
        "3",
        "$.mappings[2].target.site_id",
        "known here: type, user_site_id",
    ),
    (
        "/mappings/2/licence_type",
        "\"name\"",
        "$.mappings[2].licence_type",
        "did you mean \"named\"?",
    ),
    (
        "/mappings/0/external_users",
        "true",
        "$.mappings[0].external_users",
        "exclude, include, only",
    ),
    ("/mappings/0/match", "\"some\"", "$.mappings[0].match", "one of all, any"),
    ("/mappings/0/group", "\"Sales\"", "$.mappings[0].group", "Expected an object"),
    ("/mappings/0/group/name", "", "$.mappings[0].group", "the group's name or its object id"),
    ("/mappings/0/group/name", "\" \"", "$.mappings[0].group.name", "not blank"),
    ("/mappings/0/group/id", "\"Sales\"", "$.mappings[0].group.id", "an Entra object id"),
    ("/mappings/0/conditions/0/field", "", "$.mappings[0].conditions[0].field", "Missing"),
    (
        "/mappings/0/conditions/0/field",
        "\"const:x\"",
        "$.mappings[0].conditions[0].field",
        "constant",
    ),
    ("/mappings/0/conditions/0/op", "", "$.mappings[0].conditions[0].op", "Missing"),
    ("/mappings/0/conditions/0/op", "\"eq\"", "$.mappings[0].conditions[0].op", "one of equals"),
    (
        "/mappings/0/conditions/0/op",
        "\"startsWith\"",
        "$.mappings[0].conditions[0].op",
        "did you mean \"starts_with\"?",
    ),
    ("/mappings/0/conditions/0/value", "", "$.mappings[0].conditions[0].value", "Missing"),
    ("/mappings/0/conditions/0/value", "\"\"", "$.mappings[0].conditions[0].value", "is_empty"),
    ("/mappings/0/conditions/0/value", "true", "$.mappings[0].conditions[0].value", "is_true"),
    (
        "/mappings/0/conditions/0/value",
        "[\"a\"]",
        "$.mappings[0].conditions[0].value",
        "found a list",
    ),
    (
        "/mappings/0/conditions/0/values",
        "[\"a\"]",
        "$.mappings[0].conditions[0].values",
        "did you mean \"value\"?",
    ),
    (
        "/mappings/0/conditions/0",
        r#"{"field":"city","op":"in","values":[]}"#,
        "$.mappings[0].conditions[0].values",
        "1 to 1000 entries",
    ),
    (
        "/mappings/0/conditions/0",
        r#"{"field":"city","op":"in"}"#,
        "$.mappings[0].conditions[0].values",
        "Missing",
    ),
    (
        "/mappings/0/conditions/0",
        r#"{"field":"city","op":"in","value":["a"],"values":["b"]}"#,
        "$.mappings[0].conditions[0].value",
        "already",
    ),
    (
        "/mappings/0/conditions/0",
        r#"{"field":"city","op":"is_empty","value":"a"}"#,
        "$.mappings[0].conditions[0].value",
        "Unknown key",
    ),
    (
        "/mappings/0/conditions/0",
        r#"{"field":"city","op":"matches","value":"a("}"#,
        "$.mappings[0].conditions[0].value",
        "no regular expression",
    ),
    (
        "/mappings/0/conditions/0/case_sensitive",
        "\"no\"",
        "$.mappings[0].conditions[0].case_sensitive",
        "true or false",
    ),
    ("/roles/agent_roles/0/role_id", "", "$.roles.agent_roles[0].role_id", "Missing"),
    ("/roles/user_roles/0/group", "", "$.roles.user_roles[0].group", "Missing"),
    ("/roles/no_manager_user_role_id", "\"9\"", "$.roles.no_manager_user_role_id", "positive"),
    ("/roles/cabs/0/cab_id", "1.0", "$.roles.cabs[0].cab_id", "positive whole number"),
    ("/roles/cabs/0/keep", "\"\"", "$.roles.cabs[0].keep", "true or false"),
    (
        "/roles/inactive_agent_role_ids",
        "[1, \"x\"]",
        "$.roles.inactive_agent_role_ids[1]",
        "positive",
    ),
    ("/roles/admins", "[]", "$.roles.admins", "known here: agent_roles"),
];

/// What is changed in all cases: JSON pointer, and what is put there.
pub(in crate::document) fn all_mistakes() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = [CONNECTION, FIELDS, TRANSFORMS, MATCHING, MAPPINGS].into_iter().flatten();
    all.map(|(pointer, json, _, _)| (*pointer, *json))
}

/// Each case gives exactly the one mistake: nothing follows from it.
#[test]
fn each_mistake_is_named_at_its_place() {
    for (pointer, json, path, fragment) in
        [CONNECTION, FIELDS, TRANSFORMS, MATCHING, MAPPINGS].into_iter().flatten()
    {
        let Err(mistakes) = parse(&patched(pointer, json), CustomClouds::Allowed) else {
            panic!("{pointer} {json} was taken");
        };
        let first = &mistakes[0];
        assert_eq!(&first.path, path, "{pointer} {json}: {}", first.message);
        assert!(first.message.contains(fragment), "{pointer} {json}: {}", first.message);
        let alone = mistakes.len() == 1 || json.contains("{}");
        assert!(alone, "{pointer} {json}: {mistakes:#?}");
    }
}

#[test]
fn documents_have_a_size() {
    let many = |entry: &str, count: usize| format!("[{}]", vec![entry; count].join(","));
    let condition = r#"{"field":"city","op":"is_empty"}"#;
    let text = |length: usize| format!("\"{}\"", "é".repeat(length));
    let cases = [
        ("/name", text(101), "$.name"),
        ("/mappings", many("{}", 201), "$.mappings"),
        ("/mappings/0/conditions", many(condition, 101), "$.mappings[0].conditions"),
        ("/field_mappings/users", many("{}", 201), "$.field_mappings.users"),
        (
            "/field_mappings/users/0/transforms",
            many("\"trim\"", 21),
            "$.field_mappings.users[0].transforms",
        ),
        ("/matching/users", many("{}", 21), "$.matching.users"),
        ("/mappings/0/group/name", text(257), "$.mappings[0].group.name"),
        ("/mappings/0/conditions/0/value", text(1001), "$.mappings[0].conditions[0].value"),
    ];
    for (pointer, json, path) in cases {
        let mistakes = parse(&patched(pointer, &json), CustomClouds::Allowed).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].path.as_str()), (1, path), "{mistakes:?}");
        assert!(mistakes[0].message.len() < 300, "{}", mistakes[0].message);
    }
    assert!(
        parse(&patched("/mappings/0/conditions", &many(condition, 100)), CustomClouds::Allowed)
            .is_ok()
    );
    assert!(parse(&patched("/name", &text(100)), CustomClouds::Allowed).is_ok());
}

#[test]
fn licences_to_import_need_a_client() {
    // S1.
    let mut document = patched("/sync/entities", r#"["licences"]"#);
    assert!(parse(&document, CustomClouds::Allowed).is_ok());
    document.as_object_mut().unwrap().remove("licences");
    let mistakes = parse(&document, CustomClouds::Allowed).unwrap_err();
    assert_eq!((mistakes.len(), mistakes[0].path.as_str()), (1, "$.licences"));
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    // C4.
    let cloud = r#"{"login": "https://u:hunter2@l", "graph": "https://g"}"#;
    let mistakes = parse(&patched("/cloud", cloud), CustomClouds::Allowed).unwrap_err();
    assert!(mistakes.iter().all(|mistake| !mistake.message.contains("hunter2")));
}

#[test]
fn no_top_level_value_but_an_object_is_a_document() {
    for json in ["null", "7", "\"x\"", "[]"] {
        let value = serde_json::from_str(json).unwrap();
        let mistakes = parse(&value, CustomClouds::Allowed).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].path.as_str()), (1, "$"));
    }
}
