//! groups/delta, memberships at any depth, and finding groups.

use std::collections::BTreeSet;

use sandbox::graph::{Deletion, Reason};
use serde_json::{Value, json};

use super::client::Setup;

const EVENTUAL: &[(&str, &str)] = &[("ConsistencyLevel", "eventual")];

fn member_ids(items: &[Value], removed: bool) -> Vec<String> {
    let members = items.iter().filter_map(|item| item["members@delta"].as_array()).flatten();
    let wanted = members.filter(|member| member.get("@removed").is_some() == removed);
    wanted.map(|member| member["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_large_group_is_repeated_over_entries_and_pages() {
    let setup = Setup::new().await;
    let ids = setup.add_users(1700);
    let group = setup.graph.add_group(json!({ "displayName": "All Staff" }));
    let empty = setup.graph.add_group(json!({ "displayName": "Empty" }));
    for id in &ids {
        setup.graph.add_member(&group, id);
    }
    let first = setup.round("/groups/delta?$select=displayName,members").await;
    assert_eq!(first.pages, [2, 3], "two entries of 500; two more and the empty group");
    assert_eq!(member_ids(&first.items, false), ids);
    let last = first.items.last().unwrap();
    assert_eq!(*last, json!({ "id": empty, "displayName": "Empty" }));

    setup.graph.remove_member(&group, &ids[3]);
    let new = setup.graph.add_user(json!({ "displayName": "New" }));
    setup.graph.add_member(&group, &new);
    let second = setup.round(&first.delta).await;
    assert_eq!(member_ids(&second.items, true), [ids[3].clone()]);
    assert_eq!(member_ids(&second.items, false), [new]);
    let removed = &second.items[0]["members@delta"][0];
    assert_eq!(removed["@removed"]["reason"], "deleted");

    setup.graph.faults(|faults| {
        faults.members_per_entry = 1;
        faults.member_removed_reason = Reason::Changed;
    });
    let split = setup.round(&first.delta).await;
    assert_eq!(split.items.len(), 2);
    assert_eq!(split.items[0]["members@delta"][0]["@removed"]["reason"], "changed");
}

#[tokio::test]
async fn without_a_select_members_come_and_with_one_they_must_be_named() {
    let setup = Setup::new().await;
    let ids = setup.add_users(1);
    let group = setup.graph.add_group(json!({ "displayName": "A", "description": "B" }));
    setup.graph.add_member(&group, &ids[0]);
    let all = setup.round("/groups/delta").await;
    assert_eq!(member_ids(&all.items, false), ids);
    let some = setup.round("/groups/delta?$select=displayName").await;
    assert!(some.items[0].get("members@delta").is_none());
    setup.graph.remove_member(&group, &ids[0]);
    assert!(setup.round(&some.delta).await.items.is_empty());
}

#[tokio::test]
async fn groups_are_renamed_removed_and_filtered() {
    let setup = Setup::new().await;
    let name = |name: &str| setup.graph.add_group(json!({ "displayName": name }));
    let (kept, soft, hard, other) = (name("Kept"), name("Soft"), name("Hard"), name("Other"));
    let link = format!("id eq '{kept}' or id eq '{soft}' or id eq '{hard}'");
    let first = setup.round(&format!("/groups/delta?$select=displayName&$filter={link}")).await;
    assert_eq!(first.ids(), [kept.clone(), soft.clone(), hard.clone()]);
    setup.graph.rename_group(&kept, "Renamed");
    setup.graph.rename_group(&other, "Not asked for");
    setup.graph.delete_group(&soft, Deletion::Soft);
    setup.graph.delete_group(&hard, Deletion::Hard);
    let second = setup.round(&first.delta).await;
    let expected = [
        json!({ "id": kept, "displayName": "Renamed" }),
        json!({ "id": soft, "@removed": { "reason": "changed" } }),
        json!({ "id": hard, "@removed": { "reason": "deleted" } }),
    ];
    assert_eq!(second.items, expected);
    setup.graph.restore_group(&soft);
    assert_eq!(setup.round(&second.delta).await.items[0]["displayName"], "Soft");
}

#[tokio::test]
async fn a_deleted_user_stays_a_member_until_purged() {
    let setup = Setup::new().await;
    let ids = setup.add_users(2);
    let group = setup.graph.add_group(json!({ "displayName": "A" }));
    for id in &ids {
        setup.graph.add_member(&group, id);
    }
    let first = setup.round("/groups/delta").await;
    setup.graph.soft_delete(&ids[0]);
    let second = setup.round(&first.delta).await;
    assert!(second.items.is_empty());
    assert_eq!(setup.list(&format!("/groups/{group}/members"), &[]).await.len(), 1);
    assert_eq!(member_ids(&setup.round("/groups/delta").await.items, false), ids);
    setup.graph.faults(|faults| faults.hide_deleted_members = true);
    assert_eq!(member_ids(&setup.round("/groups/delta").await.items, false), [ids[1].clone()]);
    setup.graph.purge(&ids[0]);
    let third = setup.round(&second.delta).await;
    assert_eq!(member_ids(&third.items, true), [ids[0].clone()]);
}

#[tokio::test]
async fn a_stranger_can_be_removed() {
    let setup = Setup::new().await;
    setup.graph.add_group(json!({ "displayName": "A" }));
    setup.graph.faults(|faults| faults.unknown_member_removed = true);
    let first = setup.round("/groups/delta").await;
    assert_eq!(member_ids(&first.items, true).len(), 1);
}

#[tokio::test]
async fn memberships_reach_through_nested_groups() {
    let setup = Setup::new().await;
    let ids = setup.add_users(3);
    let name = |name: &str| setup.graph.add_group(json!({ "displayName": name }));
    let (all, emea, apart) = (name("All Sales"), name("Sales EMEA"), name("Apart"));
    let device = setup.graph.add_device("Kiosk");
    for (group, member) in
        [(&all, &emea), (&all, &ids[0]), (&emea, &ids[1]), (&emea, &all), (&all, &device)]
    {
        setup.graph.add_member(group, member);
    }
    let direct = setup.list(&format!("/groups/{all}/members?$select=id"), &[]).await;
    let types: BTreeSet<&str> =
        direct.iter().map(|member| member["@odata.type"].as_str().unwrap()).collect();
    assert_eq!(types.len(), 3, "{direct:?}");
    let link = format!("/groups/{all}/transitiveMembers/microsoft.graph.user?$count=true&$top=1");
    let people = setup.list(&link, EVENTUAL).await;
    assert_eq!(people.len(), 2);
    assert_eq!(setup.get(&link).await.code(), "Request_UnsupportedQuery", "an advanced query");
    let next = setup.get_with(&link, EVENTUAL).await.next().unwrap();
    assert_eq!(setup.get(&next).await.status, 400, "the header goes with every page");
    let path = format!("/users/{}/transitiveMemberOf", ids[1]);
    assert_eq!(setup.list(&path, &[]).await.len(), 2);
    let asked = json!({ "groupIds": [all, apart] });
    let got = setup.post(&format!("/users/{}/checkMemberGroups", ids[1]), &asked).await;
    assert_eq!(got.value(), [json!(all)]);
    let many = json!({ "groupIds": vec![all; 21] });
    assert_eq!(
        setup.post(&format!("/users/{}/checkMemberGroups", ids[1]), &many).await.status,
        400
    );
}

#[tokio::test]
async fn groups_are_found_by_name() {
    let setup = Setup::new().await;
    for name in ["People's Council", "Project Phoenix", "Project Phoenix", "App-Sales"] {
        setup.graph.add_group(json!({ "displayName": name }));
    }
    for (filter, found) in [
        ("displayName eq 'People''s Council'", 1),
        ("displayName eq 'project phoenix'", 2),
        ("displayName eq 'Nobody'", 0),
        ("startswith(displayName,'App-')", 1),
    ] {
        assert_eq!(setup.get(&format!("/groups?$filter={filter}")).await.value().len(), found);
    }
    assert_eq!(setup.get("/groups?$filter=displayName eq 'People's'").await.status, 400);
    assert_eq!(setup.get("/groups?$filter=displayName ne 'x'").await.status, 400);
    let got = setup.get_with("/groups?$filter=displayName ne 'x'&$count=true", EVENTUAL).await;
    assert_eq!(got.json()["@odata.count"], 4);
    assert_eq!(setup.get("/groups?$top=1000").await.code(), "Request_UnsupportedQuery");
}

#[tokio::test]
async fn who_leaves_and_joins_again_between_two_pages_is_reported_later() {
    let setup = Setup::new().await;
    let ids = setup.add_users(4);
    let group = setup.graph.add_group(json!({ "displayName": "A" }));
    for id in &ids {
        setup.graph.add_member(&group, id);
    }
    setup.graph.faults(|faults| faults.members_per_entry = 1);
    let page = setup.get("/groups/delta").await;
    setup.graph.remove_member(&group, &ids[3]);
    setup.graph.add_member(&group, &ids[3]);
    let rest = setup.round(&page.next().unwrap()).await;
    let later = setup.round(&rest.delta).await;
    assert_eq!(member_ids(&later.items, false), [ids[3].clone()]);
}
