//! Group objects, members and batch answers in every form that Graph has been seen to send.

use plan::cursor::Next;
use serde_json::{Value, json};

use super::*;
use crate::graph::GroupNews;
use crate::graph::tests::example;

fn short(id: &ObjectId) -> String {
    id.to_string()[..8].to_owned()
}

fn told(change: &GroupChange) -> String {
    let member = |member: &Member| match member {
        Member::User(id) => format!(" +user {}", short(id)),
        Member::Group(id) => format!(" +group {}", short(id)),
    };
    let news = if change.news == GroupNews::Gone { " gone" } else { "" };
    let name = change.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let added: String = change.added.iter().map(member).collect();
    let minus = |id: &ObjectId| format!(" -{}", short(id));
    let removed: String = change.removed.iter().map(minus).collect();
    format!("{}{name}{news}{added}{removed}", short(&change.id))
}

fn read(body: &[u8]) -> (Vec<String>, Page<GroupChange>) {
    let page = kept(wire::page(body, ReadItem, End::DeltaLink).unwrap(), Item::news);
    (page.items.iter().map(told).collect(), page)
}

#[test]
fn documented_pages_are_read() {
    // D2: a large group comes in several items, and a reason inside members means nothing.
    let cases: [(&str, &[&str], bool); 4] = [
        (
            "groups-delta-1-first-page",
            &["c2f798fd (All Company) +user 49320844 +user 693acd06", "ec22655c (sg-HR)"],
            true,
        ),
        (
            "groups-delta-2-member-changes",
            &["2e5807ce (TestGroup3) +user 37de1ae3 -632f6bb2", "421e797f gone"],
            false,
        ),
        ("groups-delta-3-large-group-page-1", &["2e5807ce (All Staff) +user 693acd06"], true),
        ("groups-delta-3-large-group-page-2", &["2e5807ce (All Staff) +user 49320844"], false),
    ];
    for (name, expected, more) in cases {
        let (lines, page) = read(&example(name).body);
        assert_eq!(lines, expected, "{name}");
        assert_eq!(matches!(page.next, Next::Page(_)), more, "{name}");
    }
}

const ID: &str = "2e5807ce-58f3-4a94-9b37-ffff2e085957";
const A: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn members_of_other_kinds_and_rubbish_are_left_out() {
    // D2, P3
    let member = |kind: &str, more: &str| format!(r#"{{"@odata.type":"{kind}","id":"{A}"{more}}}"#);
    let user = member("#microsoft.graph.user", "");
    let left = member("#microsoft.graph.user", r#","@removed":{"reason":"changed"}"#);
    let cases = [
        (user.clone(), "2e5807ce +user 11111111"),
        (member("#microsoft.graph.group", ""), "2e5807ce +group 11111111"),
        (member("microsoft.graph.Group", ""), "2e5807ce +group 11111111"),
        (member("#microsoft.graph.device", ""), "2e5807ce"),
        (member("#microsoft.graph.orgContact", ""), "2e5807ce"),
        (format!(r#"{{"id":"{A}"}}"#), "2e5807ce"),
        (left.clone(), "2e5807ce -11111111"),
        (format!(r#"{{"id":"{A}","@removed":{{}}}}"#), "2e5807ce -11111111"),
        (format!("{left},{user}"), "2e5807ce +user 11111111"),
        (format!("{user},{left}"), "2e5807ce -11111111"),
        (format!(r#"null,"x",{{"id":7}},{user}"#), "2e5807ce +user 11111111"),
    ];
    for (members, expected) in cases {
        let body = format!(
            r#"{{"value":[{{"id":"{ID}","members@delta":[{members}]}}],"@odata.deltaLink":"d"}}"#
        );
        assert_eq!(read(body.as_bytes()).0, [expected], "{members}");
    }
}

#[test]
fn hidden_groups_and_rubbish_are_skipped() {
    let body = format!(
        r#"{{"value":[null,{{"id":"x"}},{{"id":"{A}","displayName":null}},{{"id":"{ID}","displayName":null,"@removed":{{"reason":"deleted"}}}}],"@odata.deltaLink":"d"}}"#
    );
    let (lines, page) = read(body.as_bytes());
    assert_eq!(lines, ["2e5807ce gone"]);
    assert_eq!(page.skipped, 3);
}

fn inner(status: u16, body: Value) -> Inner {
    Inner::of(status, body)
}

#[test]
fn only_exact_names_are_found() {
    // P3
    let group = |id: &str, name: &str| json!({ "id": id, "displayName": name });
    let found = json!({ "value": [group(A, "sales"), group(ID, "Sales "), group(A, "Sales EMEA"), { "id": 7 }] });
    let names = |name: &str| {
        let groups = groups_called(name, &inner(200, found.clone())).unwrap();
        groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    assert_eq!(names(" SALES"), ["sales", "Sales "]);
    assert_eq!(names("Sales EMEA"), ["Sales EMEA"]);
    assert!(names("Sale").is_empty());
    let hidden = json!({ "value": [{ "id": A, "displayName": null }] });
    let failure = groups_called("x", &inner(200, hidden)).unwrap_err();
    assert!(matches!(failure.kind, Kind::Forbidden { .. }), "a hidden name is not a missing group");
    let refused = json!({ "error": { "code": "Authorization_RequestDenied" } });
    let failure = groups_called("x", &inner(403, refused)).unwrap_err();
    assert_eq!(failure.kind, Kind::Forbidden { code: "Authorization_RequestDenied".into() });
}

#[test]
fn a_group_by_id_is_there_or_not() {
    // P3
    let there = group_in(&inner(200, json!({ "id": A, "displayName": "Sales" }))).unwrap();
    assert_eq!(there, Some(FoundGroup { id: A.parse().unwrap(), name: "Sales".into() }));
    assert_eq!(group_in(&inner(404, Value::Null)).unwrap(), None);
    assert!(group_in(&inner(400, Value::Null)).is_err());
}

#[test]
fn addresses_are_encoded_and_within_the_limits_of_filters() {
    assert_eq!(
        find_by_name("R&D 'core'"),
        "/groups?$filter=displayName%20eq%20%27R%26D%20%27%27core%27%27%27&$select=id,displayName&$top=999"
    );
    let long = find_by_name(&"ä".repeat(256));
    assert!(long.contains("startswith(displayName,") && long.matches("%C3%A4").count() == 120);
    let ids: Vec<ObjectId> = [ID, A].iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(
        delta_of(&ids),
        format!(
            "/groups/delta?$select=id,displayName,members&$filter=id%20eq%20%27{ID}%27%20or%20id%20eq%20%27{A}%27"
        )
    );
}
