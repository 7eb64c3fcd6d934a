//! The fields that imports write, read from a record of Halo's and made into what is posted.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use plan::link::{FieldChange, Fields, HaloValue, Target};
use serde_json::{Map, Value, json};

use super::records::Kept;
use super::wire::{Record, element_id, int, member, text};

impl Record {
    /// What Halo has in a field that imports write. `None` where the record does not say, or where a
    /// field that names another record names none.
    pub fn value(&self, target: &Target) -> Option<HaloValue> {
        let name = match target {
            Target::Custom(id) => {
                let mut fields = self.array("customfields").iter();
                let field = fields.find(|field| element_id(field) == Some(id.0));
                let value = field.and_then(|field| member(field, "value"));
                return Some(HaloValue::Text(value.map_or(Cow::Borrowed(""), text).into_owned()));
            }
            Target::Field(name) => name.as_str(),
        };
        match name {
            "site_id" => {
                let site = self.int("site_id").or(self.int("site_id_int"));
                Some(HaloValue::Int(site.unwrap_or(0)))
            }
            "linked_agent_id" | "linemanager" => {
                self.int(name).filter(|id| *id > 0).map(HaloValue::Int)
            }
            "licence_type" => self.int(name).map(HaloValue::Int),
            "roles" | "role_ids" => self.role_numbers().map(HaloValue::Ids),
            SOFTWARE => self.licence_numbers().map(HaloValue::Ids),
            "inactive" | "isdisabled" => Some(HaloValue::Bool(self.flag(name))),
            "azure_last_login_date" => Some(HaloValue::Text(moment(&self.text(name)))),
            _ => Some(match self.get(name) {
                Some(Value::Bool(flag)) => HaloValue::Bool(*flag),
                other => HaloValue::Text(other.map_or(Cow::Borrowed(""), text).into_owned()),
            }),
        }
    }

    /// Numbers of the licences that the user is linked to; `None` where the record does not tell, and
    /// none where it says null, as it does of lists that are empty.
    fn licence_numbers(&self) -> Option<BTreeSet<i64>> {
        match self.get(SOFTWARE)? {
            Value::Array(list) => Some(list.iter().filter_map(licence_of).collect()),
            Value::Null => Some(BTreeSet::new()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
        }
    }

    /// Numbers of the roles that the record holds; `None` unless all of them are told, because a set
    /// that lacks one would take that role away when it is posted.
    fn role_numbers(&self) -> Option<BTreeSet<i64>> {
        let told = |name| {
            let roles = self.get(name)?.as_array()?;
            roles.iter().map(element_id).collect::<Option<BTreeSet<i64>>>()
        };
        told("roles").or_else(|| told("role_ids"))
    }
}

/// The list of a user that holds links to licences (Halo's API documentation, `Users.software`).
pub(super) const SOFTWARE: &str = "software";

/// The licence that an element of that list links to; `None` = it is about other software.
fn licence_of(element: &Value) -> Option<i64> {
    member(element, "licence_id").and_then(int).filter(|id| *id > 0)
}

/// A moment as `2026-01-02T03:04:05` in UTC, the way Halo keeps it; a text that is none as it is.
fn moment(text: &str) -> String {
    let zoned = text.parse::<Timestamp>().map(|moment| Offset::UTC.to_datetime(moment));
    match zoned.or_else(|_| text.parse::<DateTime>()) {
        Ok(moment) if moment.year() <= 1900 => String::new(),
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => text.to_owned(),
    }
}

/// The asked fields of a record, as far as it has them.
pub(super) fn fields<'a>(record: &Record, asked: impl IntoIterator<Item = &'a Target>) -> Fields {
    let asked = asked.into_iter();
    asked.filter_map(|target| Some((target.clone(), record.value(target)?))).collect()
}

/// The properties that write `changes`. `kept` is what the record holds in lists: Halo replaces a list
/// whole, so what is not ours goes back as it was (F4, S1).
pub(super) fn payload<'a>(
    changes: impl IntoIterator<Item = &'a FieldChange>,
    kept: &Kept,
) -> Map<String, Value> {
    let mut payload = Map::new();
    let mut custom = Vec::new();
    for change in changes {
        match &change.field {
            Target::Field(name) if name == SOFTWARE => {
                payload.insert(name.clone(), software(change, &kept.software));
            }
            Target::Field(name) => {
                payload.insert(name.clone(), written(name, &change.after));
            }
            Target::Custom(id) => custom.push((id.0, written("value", &change.after))),
        }
    }
    if !custom.is_empty() {
        let ours = |field: &Value| custom.iter().any(|(id, _)| element_id(field) == Some(*id));
        let stored = kept.custom.iter().filter(|field| !ours(field)).map(plain_custom_field);
        let new = custom.iter().map(|(id, value)| json!({ "id": id, "value": value }));
        payload.insert("customfields".to_owned(), stored.chain(new).collect());
    }
    payload
}

/// The list with the links that a change makes, and without those that it takes.
fn software(change: &FieldChange, stored: &[Value]) -> Value {
    let set = |value: Option<&HaloValue>| match value {
        Some(HaloValue::Ids(ids)) => ids.clone(),
        Some(HaloValue::Bool(_) | HaloValue::Int(_) | HaloValue::Text(_)) | None => BTreeSet::new(),
    };
    let (before, after) = (set(change.before.as_ref()), set(Some(&change.after)));
    let is_taken = |element: &&Value| {
        licence_of(element).is_some_and(|id| before.contains(&id) && !after.contains(&id))
    };
    let there: BTreeSet<i64> = stored.iter().filter_map(licence_of).collect();
    let new = after.difference(&before).filter(|id| !there.contains(id));
    let new = new.map(|id| json!({ "licence_id": id }));
    stored.iter().filter(|it| !is_taken(it)).cloned().chain(new).collect()
}

/// A custom field as it is posted: its id and value, without what Halo adds for display.
fn plain_custom_field(field: &Value) -> Value {
    match element_id(field) {
        Some(id) => json!({ "id": id, "value": member(field, "value").unwrap_or(&Value::Null) }),
        None => field.clone(),
    }
}

fn written(name: &str, value: &HaloValue) -> Value {
    match value {
        HaloValue::Bool(flag) => json!(flag),
        HaloValue::Int(number) => json!(number),
        HaloValue::Text(text) => json!(text),
        // Roles are posted as the objects that they are read as; other sets of ids as plain numbers.
        HaloValue::Ids(ids) if name == "roles" => {
            ids.iter().map(|id| json!({ "id": id })).collect()
        }
        HaloValue::Ids(ids) => json!(ids),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed read is the failure of the test")]

    use plan::ids::CustomFieldId;

    use super::*;

    #[test]
    fn values_are_read_as_halo_means_them() {
        let record = Record::new(json!({
            "ID": 5.0, "site_id": 18.0, "inactive": false, "Title": null, "fax": "", "n": 3.5,
            "azure_last_login_date": "1900-01-01T00:00:00", "d2": "0001-01-01T00:00:00Z",
            "d3": "2026-01-02T00:00:00", "licence_type": 1.0, "linemanager": 5.0, "role_ids": null, "roles": [{"id": 4}, {"id": "9"}],
            "customfields": [{"id": 123, "value": "x"}, {"id": 7.0, "value": 2, "display": "Two"}],
        }))
        .unwrap();
        let text = |value: &str| HaloValue::Text(value.to_owned());
        assert_eq!(record.int("id"), Some(5));
        let cases = [
            ("site_id", HaloValue::Int(18)),
            ("inactive", HaloValue::Bool(false)),
            ("title", text("")),
            ("fax", text("")),
            ("missing", text("")),
            ("n", text("3.5")),
            ("azure_last_login_date", text("")),
            ("d2", text("")),
            ("d3", text("2026-01-02T00:00:00")),
            ("isdisabled", HaloValue::Bool(false)),
            ("licence_type", HaloValue::Int(1)),
            ("linemanager", HaloValue::Int(5)),
            ("roles", HaloValue::Ids(BTreeSet::from([4, 9]))),
        ];
        for (name, expected) in cases {
            assert_eq!(record.value(&Target::field(name)), Some(expected), "{name}");
        }
        for (id, expected) in [(123, "x"), (7, "2"), (8, "")] {
            assert_eq!(
                record.value(&Target::Custom(CustomFieldId(id))),
                Some(text(expected)),
                "{id}"
            );
        }
    }

    #[test]
    fn roles_are_told_whole_or_not_at_all() {
        // R4: by number, wherever it stands; one without makes the set unknown.
        type Told = Option<&'static [i64]>;
        let cases: [(Value, Told); 9] = [
            (json!({"roles": [{"id": 4, "name": "Manager"}], "role_ids": [9]}), Some(&[4])),
            (
                json!({"roles": [{"id": "a-b", "id_int": 7.0}, {"id": "8", "id_int": null}]}),
                Some(&[7, 8]),
            ),
            (json!({"roles": null, "role_ids": [3.0, 5]}), Some(&[3, 5])),
            (json!({"role_ids": [3]}), Some(&[3])),
            (json!({"roles": []}), Some(&[])),
            (json!({"roles": [{"id": "a-b"}, {"id": 7}]}), None),
            (json!({"roles": [{"id": "a-b"}], "role_ids": [7]}), Some(&[7])),
            (json!({"roles": null}), None),
            (json!({}), None),
        ];
        for (shape, expected) in cases {
            let told = Record::new(shape.clone()).unwrap().value(&Target::field("roles"));
            let expected = expected.map(|ids| HaloValue::Ids(ids.iter().copied().collect()));
            assert_eq!(told, expected, "{shape}");
        }
    }

    #[test]
    fn who_is_not_named_is_left_out() {
        for name in ["linked_agent_id", "linemanager"] {
            for value in [json!(null), json!(0), json!(0.0), json!("")] {
                let record = Record::new(json!({ name: value })).unwrap();
                assert_eq!(fields(&record, [&Target::field(name)]), Fields::new(), "{record:?}");
            }
            assert_eq!(fields(&Record::default(), [&Target::field(name)]), Fields::new());
        }
    }

    #[test]
    fn moments_compare_whatever_their_zone_and_fraction() {
        // D8.
        let cases = [
            ("2026-01-02T03:04:05", "2026-01-02T03:04:05"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05"),
            ("2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05"),
            ("2026-01-02T03:04:05.123", "2026-01-02T03:04:05"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05"),
            ("1900-01-01T00:00:00", ""),
            ("1899-12-30T00:00:00.000Z", ""),
            ("0001-01-01T00:00:00Z", ""),
            ("1900-01-01", ""),
            ("", ""),
            ("never", "never"),
        ];
        for (shown, expected) in cases {
            let record = Record::new(json!({ "azure_last_login_date": shown })).unwrap();
            let value = record.value(&Target::field("azure_last_login_date"));
            assert_eq!(value, Some(HaloValue::Text(expected.to_owned())), "{shown}");
        }
    }

    fn change(field: Target, before: Option<HaloValue>, after: HaloValue) -> FieldChange {
        FieldChange { field, before, after }
    }

    #[test]
    fn custom_fields_go_back_whole() {
        // F4: ours replaced, the others with the values that they had.
        let custom = vec![
            json!({"id": 1, "name": "CFa", "value": "keep", "display": "keep"}),
            json!({"id": 2, "value": "old"}),
        ];
        let kept = Kept { custom, ..Kept::default() };
        let changes = [
            change(Target::Custom(CustomFieldId(2)), None, HaloValue::Text("new".into())),
            change(Target::field("site_id"), None, HaloValue::Int(18)),
            change(Target::field("roles"), None, HaloValue::Ids(BTreeSet::from([3]))),
        ];
        assert_eq!(
            Value::Object(payload(&changes, &kept)),
            json!({
                "site_id": 18, "roles": [{"id": 3}],
                "customfields": [{"id": 1, "value": "keep"}, {"id": 2, "value": "new"}],
            })
        );
    }

    #[test]
    fn links_to_licences_are_made_and_taken_one_by_one() {
        // S1: elements of others go back as they came, those without a licence as well.
        let ids = |ids: &[i64]| HaloValue::Ids(ids.iter().copied().collect());
        let other = json!({"id": 71, "licence_id": 90, "version": "2"});
        let plain = json!({"id": 72, "licence_id": 0, "name": "Editor"});
        let ours = json!({"id": 73, "licence_id": 31.0});
        let linked = |id: i64| json!({ "licence_id": id });
        let cases = [
            (vec![], None, ids(&[31]), json!([linked(31)])),
            (
                vec![other.clone(), plain.clone()],
                Some(ids(&[90])),
                ids(&[31, 90]),
                json!([other, plain, linked(31)]),
            ),
            (
                vec![other.clone(), ours.clone(), ours.clone()],
                Some(ids(&[31, 90])),
                ids(&[90]),
                json!([other]),
            ),
            // Somebody linked one, and another, after the decision was taken.
            (vec![ours.clone()], Some(ids(&[])), ids(&[31]), json!([ours])),
            (vec![other.clone()], Some(ids(&[])), ids(&[31]), json!([other, linked(31)])),
        ];
        for (software, before, after, expected) in cases {
            let kept = Kept { software, ..Kept::default() };
            let change = change(Target::field("software"), before, after);
            let posted = payload([&change], &kept);
            assert_eq!(posted["software"], expected, "{change:?}");
        }
    }

    #[test]
    fn licences_are_told_or_not() {
        // S1
        type Told = Option<&'static [i64]>;
        let cases: [(Value, Told); 6] = [
            (json!({"software": [{"licence_id": 31}, {"licence_id": "32"}]}), Some(&[31, 32])),
            (json!({"software": [{"licence_id": 0}, {"licence_id": null}, {}, 7]}), Some(&[])),
            (json!({"software": []}), Some(&[])),
            (json!({"software": null}), Some(&[])),
            (json!({"software": "none"}), None),
            (json!({}), None),
        ];
        for (shape, expected) in cases {
            let told = Record::new(shape.clone()).unwrap().value(&Target::field("software"));
            let expected = expected.map(|ids| HaloValue::Ids(ids.iter().copied().collect()));
            assert_eq!(told, expected, "{shape}");
        }
    }
}
