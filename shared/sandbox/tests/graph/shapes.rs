//! The simulator's answers have the shape of the recorded and documented ones in `graph-examples/`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sandbox::graph::{Expiry, Fault};
use serde_json::{Value, json};

use super::client::{Got, Setup, TENANT};

/// Examples of calls that the simulator does not answer yet.
const LATER: &[&str] = &[
    "change-notification",
    "directoryobjects-delta",
    "lifecycle-notification",
    "oidc-discovery-organizations",
    "oidc-id-token-claims",
    "subscription-create",
    "subscription-validation-handshake",
];

/// Keys whose values have to be the same and not only of the same type.
const EXACT: &[&str] = &[
    "@odata.type",
    "appRoleId",
    "code",
    "error_codes",
    "principalType",
    "reason",
    "status",
    "suberror",
    "token_type",
];

/// Examples whose items were shortened by whoever wrote them down.
const SHORTENED: &[&str] = &["get-by-ids"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/graph-examples")
}

fn file(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn example(name: &str) -> Value {
    file(name)["response"].clone()
}

/// The body with which an example was asked for.
pub(super) fn request(name: &str) -> Value {
    file(name)["request"]["body"].clone()
}

#[tokio::test]
async fn every_example_is_answered_in_its_shape_or_comes_later() {
    let files = std::fs::read_dir(folder()).unwrap();
    let names: BTreeSet<String> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let later: BTreeSet<String> = LATER.iter().map(|name| (*name).to_owned()).collect();
    assert!(later.is_subset(&names), "an example that is no longer there");
    let mut wrong = Vec::new();
    for name in names.difference(&later) {
        match answer(name).await {
            Some(got) => wrong.extend(differences(name, &example(name), &got)),
            None => wrong.push(format!("{name}: neither answered nor on the list for later")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Asks the simulator for what the example shows.
async fn answer(name: &str) -> Option<Got> {
    let mut setup = Setup::new().await;
    let kind = name.split('-').next().unwrap();
    Some(match (kind, name) {
        ("token", _) => token(&setup, name).await?,
        ("delta", _) => refused_delta(setup, name).await?,
        ("error", _) => error(setup, name).await?,
        (_, name) if name.starts_with("users-delta") => users_delta(&setup, name).await?,
        ("groups", _) => groups(&setup, name).await?,
        ("assign" | "license" | "user", _) => super::licences::answer(&mut setup, name).await?,
        ("users", _) => users(&setup, name).await?,
        _ => other(&setup, name).await?,
    })
}

async fn token(setup: &Setup, name: &str) -> Option<Got> {
    let code = |code: u32| setup.graph.faults(|faults| faults.login_error = Some(code));
    let change = match name {
        "token-client-secret-ok" => vec![],
        "token-client-certificate-ok" => {
            return Some(super::delegated::signed_in_by_certificate(setup).await);
        }
        "token-error-7000215-invalid-secret" => vec![("client_secret", "wrong")],
        "token-error-700016-app-not-found" => vec![("client_id", "unknown")],
        "token-error-70011-invalid-scope" => vec![("scope", "https://foo.example/.default")],
        "token-error-90002-tenant-not-found" => {
            return Some(setup.login("unknown.example", &[]).await);
        }
        "token-error-7000222-expired-secret" => {
            setup.graph.set_secret(super::client::SECRET, Some(setup.graph.now()));
            vec![]
        }
        "token-error-65001-consent-required" => {
            code(65001);
            vec![]
        }
        "token-error-700082-refresh-expired" => {
            code(700_082);
            vec![]
        }
        _ => return None,
    };
    Some(setup.login(TENANT, &change).await)
}

async fn refused_delta(mut setup: Setup, name: &str) -> Option<Got> {
    let link = match name {
        "delta-400-b2c-tenant" => {
            setup.graph.faults(|faults| faults.delta_unsupported = true);
            "/users/delta".to_owned()
        }
        "delta-400-unsupported-select" => {
            "/users/delta?$select=displayName,signInActivity".to_owned()
        }
        "delta-400-expired-deltalink" | "delta-410-gone" => {
            let delta = setup.round("/users/delta").await.delta;
            setup.graph.expire_delta_links();
            let form = if name.contains("410") { Expiry::Gone } else { Expiry::ThirtyDays };
            setup.graph.faults(|faults| faults.delta_expiry = form);
            delta
        }
        _ => return None,
    };
    setup.renew().await;
    Some(setup.get(&link).await)
}

async fn error(mut setup: Setup, name: &str) -> Option<Got> {
    let id = setup.add_users(2).remove(0);
    Some(match name {
        "error-400-expired-page-token" => {
            let next = setup.get("/users?$top=1").await.next().unwrap();
            setup.graph.expire_page_links();
            setup.get(&next).await
        }
        "error-400-page-size" => setup.get("/groups?$top=1000").await,
        "error-400-signinactivity-by-upn" => {
            setup.get("/users/user1@contoso.example?$select=id,signInActivity").await
        }
        "error-400-skip" => setup.get("/users?$skip=10").await,
        "error-401-empty-token" => setup.get_bare("/users", None).await,
        "error-401-expired-token" => {
            setup.graph.advance(6000);
            setup.get("/users").await
        }
        "error-403-insufficient" => {
            setup.graph.revoke("User.Read.All");
            setup.graph.revoke("Directory.Read.All");
            setup.renew().await;
            setup.get("/users/delta").await
        }
        "error-403-non-premium" => {
            setup.graph.set_premium(false);
            setup.get("/users?$select=displayName,userPrincipalName,signInActivity").await
        }
        "error-404-no-manager" => setup.get(&format!("/users/{id}/manager?$select=id")).await,
        "error-404-no-user" => {
            setup.get("/users/6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0/manager?$select=id").await
        }
        "error-429-throttled" => {
            setup.graph.faults(|faults| faults.resource_units = Some(0));
            setup.get("/users/delta").await
        }
        "error-503-unavailable" => {
            let fault = Fault::Unavailable { retry_after: Some("5".to_owned()) };
            setup.graph.fail_next("/v1.0/users/delta", 1, fault);
            setup.get("/users/delta").await
        }
        _ => return None,
    })
}

async fn users_delta(setup: &Setup, name: &str) -> Option<Got> {
    let named = |i: usize| {
        setup.graph.add_user(json!({ "displayName": format!("Testuser{i}"), "givenName": "Pat",
            "surname": "Doe", "department": "Sales" }))
    };
    let ids: Vec<String> = (1..=5).map(named).collect();
    let select = "/users/delta?$select=displayName,givenName,surname";
    let page_size = |size| setup.graph.faults(|faults| faults.page_size = size);
    page_size(2);
    let first = setup.get(select).await;
    Some(match name {
        "users-delta-1-first-page" => first,
        "users-delta-2-next-page" => setup.get(&first.next().unwrap()).await,
        "users-delta-3-empty-page-with-nextlink" => {
            page_size(5);
            setup.graph.faults(|faults| faults.empty_pages = 2);
            let first = setup.get(select).await;
            setup.get(&first.next().unwrap()).await
        }
        "users-delta-4-last-page" => {
            page_size(3);
            let first = setup.get(select).await;
            setup.get(&first.next().unwrap()).await
        }
        "users-delta-5-no-changes" => setup.get(&setup.round(select).await.delta).await,
        "users-delta-6-changes-removed" => {
            page_size(5);
            let delta = setup.round(select).await.delta;
            setup.graph.touch_user(&ids[0]);
            setup.graph.soft_delete(&ids[1]);
            setup.graph.purge(&ids[2]);
            setup.get(&delta).await
        }
        "users-delta-7-minimal" => {
            page_size(5);
            let delta = setup.round("/users/delta?$select=displayName,department").await.delta;
            setup.graph.update_user(&ids[0], json!({ "displayName": "Testuser7" }));
            setup.graph.update_user(&ids[1], json!({ "department": null }));
            setup.get_with(&delta, &[("Prefer", "return=minimal")]).await
        }
        "users-delta-8-manager" => {
            // The example is one page of a first round in which a manager was replaced: here the
            // window of a later round that replays the first one.
            page_size(3);
            setup.graph.set_manager(&ids[2], Some(&ids[0]));
            let delta = setup.round("/users/delta?$select=id,displayName,manager").await.delta;
            setup.graph.set_manager(&ids[2], Some(&ids[1]));
            setup.graph.set_manager(&ids[0], Some(&ids[1]));
            setup.graph.touch_user(&ids[3]);
            setup.graph.touch_user(&ids[4]);
            setup.get(&delta).await
        }
        "users-delta-9-latest" => {
            setup.get("/users/delta?$select=displayName,accountEnabled&$deltatoken=latest").await
        }
        _ => return None,
    })
}

async fn groups(setup: &Setup, name: &str) -> Option<Got> {
    let ids = setup.add_users(4);
    let group = |name: &str| {
        setup.graph.add_group(json!({ "displayName": name, "description": "For a test" }))
    };
    let large = group("All Company");
    let (soft, _) = (group("Unified"), group("Without members"));
    for id in &ids {
        setup.graph.add_member(&large, id);
    }
    let faults = |size, members| {
        setup.graph.faults(|faults| {
            faults.page_size = size;
            faults.members_per_entry = members;
        });
    };
    Some(match name {
        "groups-delta-1-first-page" => {
            faults(2, 500);
            setup.get("/groups/delta?$select=displayName,description,members").await
        }
        "groups-delta-2-member-changes" => {
            let link = "/groups/delta?$select=displayName,description,members";
            let delta = setup.round(link).await.delta;
            setup.graph.remove_member(&large, &ids[0]);
            setup.graph.add_member(&large, &setup.add_users(1)[0]);
            setup.graph.delete_group(&soft, sandbox::graph::Deletion::Soft);
            setup.get(&delta).await
        }
        "groups-delta-3-large-group-page-1" => {
            faults(200, 1);
            setup.get("/groups/delta?$select=displayName,members").await
        }
        "groups-delta-3-large-group-page-2" => {
            faults(200, 1);
            let first = setup.get("/groups/delta?$select=displayName,members").await;
            let second = setup.get(&first.next().unwrap()).await;
            setup.get(&second.next().unwrap()).await;
            faults(200, 500);
            setup.get(&first.next().unwrap()).await
        }
        "groups-filter-displayname" => {
            let link = "/groups?$filter=startswith(displayName,'A')&$count=true&$top=999\
                        &$select=id,displayName";
            setup.get_with(link, &[("ConsistencyLevel", "eventual")]).await
        }
        _ => return None,
    })
}

async fn users(setup: &Setup, name: &str) -> Option<Got> {
    Some(match name {
        "users-list" => {
            for phones in [json!(null), json!(["425-555-0100"]), json!(null)] {
                setup
                    .graph
                    .add_user(json!({ "displayName": "Conf Room Adams", "mail": "a@b.example",
                    "userPrincipalName": "a@b.example", "businessPhones": phones }));
            }
            setup.get("/users?$top=2").await
        }
        "users-list-signinactivity" => {
            let activity = example(name)["body"]["value"][0]["signInActivity"].clone();
            setup.graph.add_user(json!({ "signInActivity": activity }));
            setup.add_users(1);
            setup.get("/users?$select=id,signInActivity&$top=500").await
        }
        _ => return None,
    })
}

async fn other(setup: &Setup, name: &str) -> Option<Got> {
    let ids = setup.add_users(3);
    setup.graph.set_manager(&ids[1], Some(&ids[2]));
    let group = setup.graph.add_group(json!({ "displayName": "A" }));
    setup.graph.add_member(&group, &ids[0]);
    setup.graph.add_member(&group, &ids[1]);
    Some(match name {
        "approle-assignments" => {
            let id = setup.graph.service_principal();
            setup.get(&format!("/servicePrincipals/{id}/appRoleAssignments")).await
        }
        "batch-managers" => {
            setup.graph.faults(|faults| faults.batch_throttled = 1);
            let request = |(i, id): (usize, &String)| {
                json!({ "id": i.to_string(), "method": "GET",
                    "url": format!("/users/{id}/manager?$select=id") })
            };
            let requests: Vec<Value> = ids.iter().enumerate().map(request).collect();
            setup.post("/$batch", &json!({ "requests": requests })).await
        }
        "check-member-groups" => {
            let path = format!("/users/{}/checkMemberGroups", ids[0]);
            setup.post(&path, &json!({ "groupIds": [group] })).await
        }
        "get-by-ids" => {
            let body = json!({ "ids": [ids[0], ids[1]], "types": ["user"] });
            setup.post("/directoryObjects/getByIds", &body).await
        }
        "group-transitive-members" => {
            let link = format!(
                "/groups/{group}/transitiveMembers/microsoft.graph.user\
                 ?$count=true&$select=id&$top=999"
            );
            setup.get_with(&link, &[("ConsistencyLevel", "eventual")]).await
        }
        "subscribed-skus" => {
            let setup = Setup::of(sandbox::sample::tenant()).await;
            setup.get("/subscribedSkus").await
        }
        _ => return None,
    })
}

/// What the answer lacks of the example, and what it says that the example does not.
fn differences(name: &str, example: &Value, got: &Got) -> Vec<String> {
    let mut wrong = Vec::new();
    if example["status"] != got.status {
        wrong.push(format!("{name}: status {} and not {}", got.status, example["status"]));
    }
    for (header, value) in example["headers"].as_object().unwrap() {
        match got.headers.get(&header.to_lowercase()) {
            None => wrong.push(format!("{name}: no header {header}")),
            Some(got) if header == "Content-Type" && value != got => {
                wrong.push(format!("{name}: content type {got}"));
            }
            Some(_) => {}
        }
    }
    let body = got.json();
    wrong.extend(lacks(&example["body"], &body, "$").map(|what| format!("{name}: {what}")));
    if !SHORTENED.contains(&name) {
        wrong.extend(extra_keys(&example["body"], &body).map(|what| format!("{name}: {what}")));
    }
    let message = |body: &Value| body["error"]["message"].as_str().map(without_quotes);
    if message(&example["body"]) != message(&body) {
        wrong.push(format!("{name}: message {}", body["error"]["message"]));
    }
    wrong
}

/// The first place at which the example has something that the answer has not.
fn lacks(example: &Value, got: &Value, path: &str) -> Option<String> {
    match (example, got) {
        (Value::Object(example), Value::Object(got)) => example.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            let Some(got) = got.get(key) else { return Some(format!("{path} is missing")) };
            if EXACT.contains(&key.as_str()) && value != got {
                return Some(format!("{path} is {got} and not {value}"));
            }
            lacks(value, got, &path)
        }),
        (Value::Array(example), Value::Array(got)) => example.iter().find_map(|item| {
            let found = got.iter().any(|got| lacks(item, got, path).is_none());
            (!found).then(|| format!("{path} has nothing like {item} in {got:?}"))
        }),
        (Value::Null, _)
        | (_, Value::Null)
        | (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => None,
        _ => Some(format!("{path} is {got}")),
    }
}

/// A key of an item, or of the body beside `value`, that the example never has.
fn extra_keys(example: &Value, got: &Value) -> Option<String> {
    let keys = |body: &Value| -> BTreeSet<String> {
        let items = body["value"].as_array().into_iter().flatten();
        items.filter_map(Value::as_object).flat_map(|item| item.keys().cloned()).collect()
    };
    let extra: Vec<String> = keys(got).difference(&keys(example)).cloned().collect();
    let links = ["@odata.nextLink", "@odata.deltaLink", "@odata.count"];
    let link = links.iter().find(|link| example.get(**link).is_some() != got.get(**link).is_some());
    match (extra.is_empty(), link) {
        (false, _) => Some(format!("items have more keys: {extra:?}")),
        (true, Some(link)) => Some(format!("{link} is on one side only")),
        (true, None) => None,
    }
}

/// A message without what it quotes.
fn without_quotes(message: &str) -> String {
    let parts = message.split('\'').enumerate();
    parts.map(|(i, part)| if i % 2 == 1 { "…" } else { part }).collect()
}
