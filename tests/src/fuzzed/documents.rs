//! Connection documents: whatever is accepted comes back the same from both of its written forms.

use engine::store::connections::Saved;
use jiff::Timestamp;
use plan::document::{CustomClouds, Document, parse};
use plan::groups::Groups;
use plan::rules::Rules;
use serde_json::{Value, json};

use super::{choices, seed};
use crate::helpdesk;

/// An input: whether addresses of its own are allowed, then a document.
pub fn run(data: &[u8]) -> bool {
    let ([clouds], text) = choices(data);
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return false };
    let clouds = [CustomClouds::Allowed, CustomClouds::Refused][clouds % 2];
    match parse(&value, clouds) {
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a reason");
            for mistake in mistakes {
                assert!(
                    mistake.path.starts_with('$') && !mistake.message.is_empty(),
                    "{mistake:?}"
                );
            }
            false
        }
        Ok(parsed) => {
            accepted(&value, &parsed.document, clouds);
            true
        }
    }
}

fn accepted(value: &Value, document: &Document, clouds: CustomClouds) {
    let written = serde_json::to_value(document).unwrap();
    let again = parse(&written, clouds).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!(&again.document, document, "{value}");
    let text = serde_json::to_string(document).unwrap();
    assert_eq!(serde_json::to_string(&again.document).unwrap(), text, "the same bytes");
    let saved = Saved {
        document: document.clone(),
        revision: 1,
        saved: Timestamp::UNIX_EPOCH,
        credentials: None,
    };
    super::comes_back(&saved);
    // Made ready as a run makes them ready.
    let rules = Rules::new(document, &Groups::default());
    for mapping in document.by_rank() {
        for condition in &mapping.conditions {
            let (field, said) = condition.describe();
            assert!(!field.is_empty() && !said.is_empty());
        }
    }
    drop(rules);
}

/// The sample's document, the helpdesk's, one with every transform and operator, and a short one.
pub fn seeds() -> Vec<Vec<u8>> {
    let short = json!({ "id": "contoso", "name": "C", "tenant_id": sandbox::sample::TENANT_ID,
        "auth": { "client_id": sandbox::sample::CLIENT_ID }, "mappings": [] });
    let all = [
        sandbox::sample::connection("http://127.0.0.1:4000"),
        helpdesk::document(),
        everything(),
        short,
    ];
    all.iter().map(|document| seed(&[0], document.to_string())).collect()
}

/// A document that uses all that rows and conditions offer.
pub(super) fn everything() -> Value {
    let condition = |op: &str| json!({ "field": "department", "op": op, "value": "Sales" });
    let listed = |op: &str| json!({ "field": "proxyAddresses", "op": op, "values": ["a", "b"] });
    let bare = |op: &str| json!({ "field": "accountEnabled", "op": op });
    let conditions = [
        condition("equals"),
        condition("not_equals"),
        condition("starts_with"),
        condition("ends_with"),
        condition("contains"),
        condition("not_contains"),
        condition("matches"),
        listed("in"),
        listed("not_in"),
        bare("is_empty"),
        bare("is_not_empty"),
        bare("is_true"),
        bare("is_false"),
        json!({ "field": "displayName", "op": "equals", "value": "X", "case_sensitive": true }),
    ];
    let transforms = json!([{ "join": ", " }, "trim", "lower", "upper", "title_case",
        { "replace": ["a", "b"] }, { "regex": ["(a)(b?)", "$2$1"] }, { "prefix": "x" },
        { "suffix": "y" }, { "max_length": 50 }, { "map": { "from": "to" }, "default": "x" }]);
    let mut document = helpdesk::document();
    document["field_mappings"]["users"] = json!([
        { "from": ["city", "country"], "to": "other1", "transforms": transforms, "clear": true },
        { "from": ["mail", "otherMails"], "to": "customfield:12", "transforms": ["first_non_empty"] },
        { "from": "proxyAddresses:primary", "to": "emailaddress", "write": "if_empty" },
        { "from": "manager.mail", "to": "admanager", "write": "on_create" },
        { "from": "const:yes", "to": "isimportantcontact" },
        { "from": "extensionAttribute15", "to": "other2" }]);
    document["mappings"] = json!([
        { "id": "offices", "sequence": 1, "match": "any", "external_users": "include",
            "group": { "name": "Sales", "id": "11111111-2222-3333-4444-555555555555", "nested": true },
            "target": { "type": "organisation", "client_id": 3, "site_from": "officeLocation", "default_site_id": 12 },
            "conditions": conditions },
        { "id": "rest", "sequence": 2, "external_users": "only", "target": { "type": "site", "site_id": 18 } }]);
    document["guard"] =
        json!({ "max_deactivations": { "count": 20, "percent": 10, "absolute": 200 } });
    document["licences"] = json!({ "client_id": 3, "manage_from_halo": false });
    document["create"] = json!(false);
    document
}
