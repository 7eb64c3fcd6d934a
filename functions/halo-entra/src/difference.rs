//! How a document differs from the saved one, line by line, as both would be written.

use plan::document::Document;
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use crate::screen::{Screen, Tone};

/// Lines shown around each change.
const CONTEXT: usize = 2;

/// The difference between a saved document, as the API shows it, and one that is to replace it.
#[derive(Debug)]
pub(crate) struct Difference {
    saved: String,
    new: String,
}

impl Difference {
    /// Compares what the documents mean: defaults that one of them leaves out are no difference, nor
    /// is what the API adds when it saves, the `status` and the ids of groups.
    pub(crate) fn between(saved: &Value, new: &Document) -> Self {
        let new = json!(new);
        let mut saved = saved.clone();
        if let Value::Object(keys) = &mut saved {
            keys.remove("status");
        }
        forget_pins(&mut saved, &new);
        Self { saved: format!("{saved:#}"), new: format!("{new:#}") }
    }

    /// Whether saving would change nothing.
    pub(crate) fn is_none(&self) -> bool {
        self.saved == self.new
    }

    /// The changed lines with some around them, `-` before and `+` after.
    pub(crate) fn drawn(&self, screen: Screen) -> String {
        let diff = TextDiff::from_lines(&self.saved, &self.new);
        let mut lines = Vec::new();
        for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
            if at > 0 {
                lines.push(screen.tinted(Tone::Faint, "  …"));
            }
            for change in group.iter().flat_map(|part| diff.iter_changes(part)) {
                let (sign, tone) = match change.tag() {
                    ChangeTag::Delete => ('-', Tone::Bad),
                    ChangeTag::Insert => ('+', Tone::Good),
                    ChangeTag::Equal => (' ', Tone::Plain),
                };
                let text = change.value().trim_end();
                lines.push(screen.tinted(tone, &format!("{sign} {text}")));
            }
        }
        lines.join("\n")
    }
}

/// Takes the ids that were pinned to the names of groups (P3) out of the saved document where the new
/// one names the same group without an id: saving pins them again.
fn forget_pins(saved: &mut Value, new: &Value) {
    match (saved, new) {
        (Value::Object(saved), Value::Object(new)) => {
            if let (Some(Value::Object(group)), Some(Value::Object(named))) =
                (saved.get_mut("group"), new.get("group"))
                && !named.contains_key("id")
                && named.contains_key("name")
                && named.get("name") == group.get("name")
            {
                group.remove("id");
            }
            for (key, value) in saved {
                if let Some(new) = new.get(key) {
                    forget_pins(value, new);
                }
            }
        }
        (Value::Array(saved), Value::Array(new)) => {
            for value in saved {
                // Rows move: a row is compared with the one that names the same group.
                let same = new.iter().find(|new| group_name(new) == group_name(value));
                if let Some(new) = same {
                    forget_pins(value, new);
                }
            }
        }
        _ => {}
    }
}

fn group_name(row: &Value) -> Option<&str> {
    row["group"]["name"].as_str()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use plan::document::{CustomClouds, parse};

    use super::*;

    fn document(change: impl FnOnce(&mut Value)) -> Document {
        let mut document = json!({
            "id": "contoso", "name": "Contoso",
            "tenant_id": "11111111-2222-3333-4444-555555555555",
            "auth": { "client_id": "66666666-7777-8888-9999-000000000000" },
            "mappings": [
                { "id": "all", "sequence": 10, "target": { "type": "site", "site_id": 12 },
                  "group": { "name": "Staff" } }]
        });
        change(&mut document);
        parse(&document, CustomClouds::Refused).unwrap().document
    }

    fn saved() -> Value {
        let mut saved = json!(document(|_| {}));
        saved["status"] = json!({ "revision": 3 });
        saved["mappings"][0]["group"]["id"] = json!("99999999-2222-3333-4444-555555555555");
        saved
    }

    #[test]
    fn what_saving_adds_is_no_difference() {
        // C10, P3
        assert!(Difference::between(&saved(), &document(|_| {})).is_none());
        let with_default = document(|it| it["enabled"] = true.into());
        assert!(Difference::between(&saved(), &with_default).is_none());
    }

    #[test]
    fn a_changed_value_is_shown_before_and_after() {
        // C10
        let changed = document(|it| it["mappings"][0]["target"]["site_id"] = 18.into());
        let difference = Difference::between(&saved(), &changed);
        assert!(!difference.is_none());
        let drawn = difference.drawn(Screen::plain());
        let signed: Vec<&str> =
            drawn.lines().filter(|line| !line.starts_with("  ")).map(str::trim_end).collect();
        assert_eq!(signed.len(), 2, "{drawn}");
        assert!(signed[0].starts_with('-') && signed[0].contains("\"site_id\": 12"), "{drawn}");
        assert!(signed[1].starts_with('+') && signed[1].contains("\"site_id\": 18"), "{drawn}");
    }

    #[test]
    fn another_group_of_the_same_row_is_a_difference() {
        // P3
        let other = document(|it| it["mappings"][0]["group"]["name"] = "Managers".into());
        let drawn = Difference::between(&saved(), &other).drawn(Screen::plain());
        assert!(drawn.contains("Managers") && drawn.contains("Staff"), "{drawn}");
        assert!(drawn.contains("-         \"id\": \"99999999"), "its pin goes too: {drawn}");
    }
}
