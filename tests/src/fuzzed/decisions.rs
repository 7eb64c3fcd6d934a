//! Decisions about anybody: any document, facts and link that can be read lead to a decision with
//! reasons, after a bounded number of questions, the same one each time.

use plan::document::{CustomClouds, parse};
use plan::facts::Facts;
use plan::groups::{Group, GroupState, Groups};
use plan::ids::RecordKind;
use plan::link::Link;
use plan::rules::Rules;
use serde_json::{Value, json};

use super::rows::settled;
use super::seed;
use crate::helpdesk;

/// An input: an object with `document`, `facts` and `link`, of which each may be left out.
pub fn run(data: &[u8]) -> bool {
    let Ok(input) = serde_json::from_slice::<Value>(data) else { return false };
    let document = input.get("document").cloned().unwrap_or_else(helpdesk::document);
    let Ok(parsed) = parse(&document, CustomClouds::Allowed) else { return false };
    let Some(facts) = read::<Facts>(&input, "facts") else { return false };
    let Some(link) = read::<Link>(&input, "link") else { return false };
    let groups = facts.groups.iter().map(|id| {
        let group = Group { name: id.to_string(), state: GroupState::Read, ..Group::default() };
        (*id, group)
    });
    let groups = Groups(groups.collect());
    let rules = Rules::new(&parsed.document, &groups);
    let decision = settled(&rules, &facts, &link);
    assert_eq!(decision, settled(&rules, &facts, &link), "the same input, the same answer");
    for (_, part) in decision.parts() {
        assert!(!part.reasons.is_empty(), "without a reason: {part:?}");
        for reason in part.reasons.iter().chain(&decision.reasons) {
            for kind in RecordKind::ALL {
                assert!(reason.sentence(kind).ends_with('.'), "{reason:?}");
            }
        }
    }
    super::comes_back(&decision);
    super::comes_back(&facts);
    super::comes_back(&link);
    true
}

fn read<T: serde::de::DeserializeOwned + Default>(input: &Value, name: &str) -> Option<T> {
    match input.get(name) {
        None => Some(T::default()),
        Some(value) => serde_json::from_value(value.clone()).ok(),
    }
}

/// People of the helpdesk, linked and not, by its document and by the one that has everything.
pub fn seeds() -> Vec<Vec<u8>> {
    let person = |presence: &str, enabled: bool| {
        json!({ "presence": presence, "manager": helpdesk::id(0x22).to_string(),
            "groups": ["11111111-2222-3333-4444-555555555555"],
            "properties": { "displayName": "Ada", "mail": "ada@contoso.example", "department": "Sales",
                "userPrincipalName": "ada@contoso.example", "accountEnabled": enabled,
                "officeLocation": " Leeds ", "proxyAddresses": ["SMTP:ada@contoso.example"] } })
    };
    let image = json!({ "name": "Ada", "inactive": false, "site_id": 18, "roles": [3] });
    let linked = |kind: &str| {
        json!({ "record": { "kind": kind, "id": 7 }, "how": { "by": "created" }, "activity": "active",
            "image": image, "mapping": "sales", "granted": [3] })
    };
    let links = [
        json!({}),
        json!({ "user": linked("user") }),
        json!({ "user": linked("user"), "agent": linked("agent"),
            "ruling": { "says": "release", "run": "019a4c2e-59c0-7a3e-8d10-3c2f6a1b7e55",
                "until": "2026-11-30T00:00:00Z", "by": "tests" } }),
    ];
    let mut seeds = Vec::new();
    for document in [helpdesk::document(), super::documents::everything()] {
        for link in &links {
            for (presence, enabled) in [("present", true), ("present", false), ("missing", true)] {
                let facts = person(presence, enabled);
                let input = json!({ "document": document, "facts": facts, "link": link });
                seeds.push(seed(&[], input.to_string()));
            }
        }
    }
    seeds
}
