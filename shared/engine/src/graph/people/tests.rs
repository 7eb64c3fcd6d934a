//! User objects in every form that Graph has been seen to send, each told in a line.

use plan::facts::{Absent, News, Value};

use super::*;
use crate::graph::tests::example;

const ROUND: Promise = Promise { scope: Scope::Full, without_manager: ManagerNews::Unsaid };
const LATER: Promise = Promise { scope: Scope::Changes, without_manager: ManagerNews::Unsaid };
const LIST: Promise = Promise { scope: Scope::Full, without_manager: ManagerNews::None };

/// The first digits of an id, what became of the person, and what is known of them now.
fn told(change: &PersonChange) -> String {
    let id = change.id.to_string()[..8].to_owned();
    let seen = match &change.news {
        News::Seen(seen) => seen,
        News::SoftDeleted => return format!("{id} soft-deleted"),
        News::Purged => return format!("{id} purged"),
        News::Missing => return format!("{id} missing"),
    };
    let mut line = match seen.absent {
        Absent::NeverSet => format!("{id} complete"),
        Absent::Unsaid => format!("{id} seen"),
    };
    for (name, value) in seen.properties.iter().filter(|(name, _)| *name != "id") {
        let value = match value {
            None => "null".to_owned(),
            Some(Value::Bool(value)) => value.to_string(),
            Some(Value::Text(text)) => text.clone(),
            Some(Value::List(list)) => format!("[{}]", list.join(",")),
        };
        line = format!("{line} {name}={value}");
    }
    match seen.manager {
        ManagerNews::Unsaid => line,
        ManagerNews::None => format!("{line} manager=none"),
        ManagerNews::Is(id) => format!("{line} manager={}", &id.to_string()[..8]),
    }
}

fn read(body: &[u8], end: End, promise: Promise) -> (Vec<String>, Page<PersonChange>) {
    let page = changes(wire::page(body, ReadItem, end).unwrap(), promise);
    (page.items.iter().map(told).collect(), page)
}

#[test]
fn documented_pages_are_read() {
    // D2
    let cases: [(&str, Promise, &[&str], bool); 9] = [
        (
            "users-delta-1-first-page",
            ROUND,
            &[
                "ffff7b1a seen displayName=Testuser1 givenName=John surname=Doe",
                "605d1257 seen displayName=Testuser2 givenName=Jane surname=Doe",
            ],
            true,
        ),
        (
            "users-delta-2-next-page",
            ROUND,
            &[
                "d8c37826 seen displayName=Testuser3 givenName=Pat surname=Doe",
                "8b1ee412 seen displayName=Testuser4 givenName=Meghan surname=Doe",
            ],
            true,
        ),
        ("users-delta-3-empty-page-with-nextlink", ROUND, &[], true),
        (
            "users-delta-4-last-page",
            ROUND,
            &[
                "25dcffff seen displayName=Testuser5 givenName=Al surname=Doe",
                "f6ede700 seen displayName=Testuser6 givenName=Sam surname=Doe",
            ],
            false,
        ),
        ("users-delta-5-no-changes", LATER, &[], false),
        (
            "users-delta-6-changes-removed",
            LATER,
            &[
                "25dcffff seen displayName=Testuser7 givenName=Joe surname=Doe",
                "8ffff70c soft-deleted",
                "86462606 purged",
            ],
            false,
        ),
        (
            "users-delta-7-minimal",
            LATER,
            &["25dcffff seen displayName=Testuser7", "605d1257 seen department=null"],
            false,
        ),
        (
            "users-delta-8-manager",
            ROUND,
            &[
                "25dcffff seen displayName=Testuser5 manager=605d1257",
                "f6ede700 seen displayName=Testuser6",
                "d8c37826 seen displayName=Testuser3 manager=8b1ee412",
            ],
            true,
        ),
        ("users-delta-9-latest", LATER, &[], false),
    ];
    for (name, promise, expected, more) in cases {
        let (lines, page) = read(&example(name).body, End::DeltaLink, promise);
        assert_eq!(lines, expected, "{name}");
        assert_eq!(matches!(page.next, Next::Page(_)), more, "{name}");
        assert_eq!(page.skipped, 0, "{name}");
    }
}

#[test]
fn a_list_shows_what_was_never_set_as_null() {
    let (lines, _) = read(&example("users-list").body, End::NoLink, LIST);
    let expected = [
        "6ea91a8d complete businessPhones=null displayName=Conf Room Adams givenName=null \
         jobTitle=null mail=Adams@contoso.com mobilePhone=null officeLocation=null \
         preferredLanguage=null surname=null userPrincipalName=Adams@contoso.com manager=none",
        "4562bcc8 complete businessPhones=[425-555-0100] displayName=MOD Administrator \
         givenName=MOD jobTitle=null mail=null mobilePhone=425-555-0101 officeLocation=null \
         preferredLanguage=en-US surname=Administrator userPrincipalName=admin@contoso.com \
         manager=none",
    ];
    assert_eq!(lines, expected);
}

const ID: &str = "25dcffff-959e-4ece-9973-e5d9b800e8cc";
const OTHER: &str = "605d1257-ffff-40b6-8e6f-528a53f5dc55";
const THIRD: &str = "8b1ee412-cd8f-4d59-ffff-24010edb9f1f";

/// What an item says; `None` if it is skipped.
fn item(members: &str, promise: Promise) -> Option<String> {
    let body = format!(r#"{{"value":[{{"id":"{ID}"{members}}}],"@odata.deltaLink":"d"}}"#);
    let members = body.replace("OTHER", OTHER).replace("THIRD", THIRD);
    let (mut lines, page) = read(members.as_bytes(), End::DeltaLink, promise);
    assert_eq!(page.items.len() as u64 + page.skipped, 1);
    Some(lines.pop()?.trim_start_matches("25dcffff ").to_owned())
}

#[test]
fn values_of_every_kind_are_read() {
    // F3
    let cases = [
        (
            r#","accountEnabled":true,"onPremisesSyncEnabled":null"#,
            "seen accountEnabled=true onPremisesSyncEnabled=null",
        ),
        (r#","employeeId":7,"x":-1,"y":2.5"#, "seen employeeId=7 x=-1 y=2.5"),
        (r#","displayName":"  kept  ","mail":"""#, "seen displayName=  kept   mail="),
        (r#","displayName":"Zo\u00eb \ud83d\ude00""#, "seen displayName=Zoë 😀"),
        (r#","otherMails":[],"imAddresses":[null]"#, "seen imAddresses=null otherMails=null"),
        (
            r#","proxyAddresses":["SMTP:a","smtp:b",7,null]"#,
            "seen proxyAddresses=[SMTP:a,smtp:b,7]",
        ),
        (
            r#","identities":[{"signInType":"x","issuerAssignedId":"me"},{"issuerAssignedId":null}]"#,
            "seen identities=[me]",
        ),
        (
            r#","assignedLicenses":[{"disabledPlans":["p"],"skuId":"s"}]"#,
            "seen assignedLicenses=[s]",
        ),
        (r#","unknownThings":[{"a":1},[2]]"#, "seen unknownThings=null"),
        (r#","unknownThing":{"a":{"b":[1]}},"displayName":"x""#, "seen displayName=x"),
        (
            r#","onPremisesExtensionAttributes":{"extensionAttribute1":null,"extensionAttribute3":"c","extensionAttribute99":"x"}"#,
            "seen extensionAttribute1=null extensionAttribute3=c",
        ),
        (
            r#","employeeOrgData":{"division":"West","costCenter":41}"#,
            "seen employeeOrgData.costCenter=41 employeeOrgData.division=West",
        ),
        (
            r#","employeeOrgData":null"#,
            "seen employeeOrgData.costCenter=null employeeOrgData.division=null",
        ),
        (
            r##","@odata.type":"#microsoft.graph.user","@odata.id":"x","mail@odata.type":"y","z@delta":[1]"##,
            "seen",
        ),
        (
            r#","extension_0123456789abcdef0123456789abcdef_badge":"B7""#,
            "seen extension_0123456789abcdef0123456789abcdef_badge=B7",
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(item(members, LATER).as_deref(), Some(expected), "{members}");
    }
    let all_null = item(r#","onPremisesExtensionAttributes":null"#, LATER).unwrap();
    assert_eq!(all_null.matches("=null").count(), 15);
}

#[test]
fn only_a_complete_item_of_a_full_round_may_be_trusted_on_what_it_leaves_out() {
    // D2: absent versus null.
    let whole = r#","userPrincipalName":"a@b""#;
    let cases = [
        (whole, ROUND, "complete userPrincipalName=a@b"),
        (whole, LATER, "seen userPrincipalName=a@b"),
        (r#","displayName":"x""#, ROUND, "seen displayName=x"),
        ("", ROUND, "seen"),
        (whole, LIST, "complete userPrincipalName=a@b manager=none"),
    ];
    for (members, promise, expected) in cases {
        assert_eq!(item(members, promise).as_deref(), Some(expected), "{members}");
    }
}

#[test]
fn the_object_id_is_a_property_of_complete_items() {
    // F3: rules may name it.
    let body =
        format!(r#"{{"value":[{{"id":"{}","userPrincipalName":"a@b"}}]}}"#, ID.to_uppercase());
    let (_, page) = read(body.as_bytes(), End::NoLink, LIST);
    let News::Seen(seen) = &page.items[0].news else { panic!("{:?}", page.items) };
    assert_eq!(seen.properties.get("id"), Some(&Some(Value::Text(ID.to_owned()))));
}

#[test]
fn managers_come_expanded_or_as_changes() {
    // F6
    let removed =
        r##"{"@odata.type":"#microsoft.graph.user","id":"OTHER","@removed":{"reason":"deleted"}}"##;
    let added = r##"{"@odata.type":"#microsoft.graph.user","id":"THIRD"}"##;
    let delta = |entries: &str| format!(r#","manager@delta":[{entries}]"#);
    let cases = [
        (delta(added), LATER, "seen manager=8b1ee412"),
        (delta(removed), LATER, "seen manager=none"),
        (delta(&format!("{removed},{added}")), LATER, "seen manager=8b1ee412"),
        (delta(&format!("{added},{removed}")), LATER, "seen manager=8b1ee412"),
        (delta(""), LATER, "seen"),
        (delta(r#"null,7,"x",{"id":"?"}"#), LATER, "seen"),
        (r#","manager@delta":null"#.to_owned(), LATER, "seen"),
        (
            r#","manager":{"@odata.type":"x","id":"OTHER","mail":null}"#.to_owned(),
            LIST,
            "seen manager=605d1257",
        ),
        (r#","manager":null"#.to_owned(), LIST, "seen manager=none"),
        (String::new(), LIST, "seen manager=none"),
    ];
    for (members, promise, expected) in cases {
        let promise = Promise { scope: Scope::Changes, ..promise };
        assert_eq!(item(&members, promise).as_deref(), Some(expected), "{members}");
    }
}

#[test]
fn removal_counts_whatever_comes_with_it() {
    // D2, D5
    let cases = [
        (r#","@removed":{"reason":"changed"},"displayName":"x""#, "soft-deleted"),
        (r#","userPrincipalName":null,"@removed":{"reason":"deleted","x":1}"#, "purged"),
        (r#","@removed":{"reason":"Deleted"}"#, "purged"),
        (r#","@removed":{"reason":"new"}"#, "soft-deleted"),
        (r#","@removed":{}"#, "soft-deleted"),
        (r#","@removed":true"#, "soft-deleted"),
        (r#","@removed":null"#, "seen"),
    ];
    for (members, expected) in cases {
        for promise in [ROUND, LATER] {
            assert_eq!(item(members, promise).as_deref(), Some(expected), "{members}");
        }
    }
}

#[test]
fn hidden_objects_do_not_overwrite_what_is_known() {
    // D2: what an application sees of an object that it may not read.
    let hidden = r##","@odata.type":"#microsoft.graph.user","userPrincipalName":null,"mail":null,"businessPhones":[]"##;
    assert_eq!(item(hidden, ROUND), None);
    assert_eq!(item(hidden, LIST), None);
    let cleared = r#","mail":null,"department":null"#;
    assert_eq!(item(cleared, LATER).as_deref(), Some("seen department=null mail=null"));
}

#[test]
fn no_item_spoils_its_page() {
    let body = format!(
        r#"{{"value":[null,7,"x",[{{}}],{{}},{{"id":7}},{{"id":"no guid"}},{{"id":null}},{{"id":"{ID}"}}],"@odata.deltaLink":"d"}}"#
    );
    let (lines, page) = read(body.as_bytes(), End::DeltaLink, LATER);
    assert_eq!(lines, ["25dcffff seen"]);
    assert_eq!(page.skipped, 8);
}

#[test]
fn addresses_name_the_properties() {
    let select = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let with: BTreeSet<String> = select(&["mail", "id", "manager", "extension_ab_x y"]);
    assert_eq!(names(&with), "id,extension_ab_x%20y,mail,manager");
    let expand = "$expand=manager($levels=1;$select=id)";
    assert_eq!(listed(&with), format!("$select=id,extension_ab_x%20y,mail&{expand}"));
    assert_eq!(listed(&select(&["mail"])), "$select=id,mail");
}
