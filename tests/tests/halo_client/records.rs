//! Users and agents: read, create, update (H3, H5, F4).

use std::collections::BTreeSet;

use engine::halo::{Created, Special, Updated};
use plan::failure::Kind;
use plan::ids::{CustomFieldId, RecordId, RecordKind};
use plan::link::{FieldChange, Fields, HaloValue, Target};
use sandbox::halo::{CustomFields, Fault, RefusalShape, UpdateStatus, UserAgent};
use serde_json::{Value, json};

use super::{ADA, World, kind};

fn text(value: &str) -> HaloValue {
    HaloValue::Text(value.to_owned())
}

fn change(field: Target, after: HaloValue) -> FieldChange {
    FieldChange { field, before: None, after }
}

fn new_user() -> Fields {
    Fields::from([
        (Target::field("name"), text("Ada Byron")),
        (Target::field("emailaddress"), text("ada@x.example")),
        (Target::field("site_id"), HaloValue::Int(18)),
        (Target::field("azureoid"), text(ADA)),
        (Target::field("inactive"), HaloValue::Bool(false)),
    ])
}

#[tokio::test]
async fn a_page_has_everybody_but_general_users() {
    // M4, H4: inactive people are there, page sizes are Halo's business.
    let world = World::new().await;
    let gone = world.add(json!({ "name": "Gone", "inactive": true }));
    let robot = world.add(json!({ "name": "Robot", "isserviceaccount": true }));
    for number in 0..60 {
        world.add(json!({ "name": format!("Person {number}") }));
    }
    world.halo.turn(|knobs| knobs.page_cap = 50);
    let halo = world.client();
    let first = halo.page(RecordKind::User, 1).await.unwrap();
    let second = halo.page(RecordKind::User, 2).await.unwrap();
    assert_eq!((first.rows.len(), second.rows.len(), second.total), (50, 12, Some(62)));
    assert!(halo.page(RecordKind::User, 3).await.unwrap().rows.is_empty());
    let of = |id| first.rows.iter().find(|row| row.id == RecordId::user(id)).unwrap();
    assert!(of(gone).record.flag("inactive"));
    assert_eq!(of(robot).special(), Some(Special::ServiceAccount));
    assert_eq!(of(gone).special(), None);
}

#[tokio::test]
async fn a_record_is_read_with_what_was_asked_for() {
    let world = World::new().await;
    world.halo.add_custom_field(&json!({ "id": 123, "name": "CFCostCentre" }));
    world.halo.add_user_role(&json!({ "id": 4, "name": "Manager" }));
    let id = world.add(json!({
        "name": "Ada", "azureoid": ADA, "title": "Engineer", "inactive": true, "roles": [{ "id": 4 }],
        "customfields": [{ "id": 123, "value": "K-7" }],
    }));
    let asked: BTreeSet<Target> = ["title", "department", "roles", "azure_last_login_date"]
        .map(Target::field)
        .into_iter()
        .chain([Target::Custom(CustomFieldId(123))])
        .collect();
    let halo = world.client();
    let user = halo.record(RecordId::user(id), &asked).await.unwrap().unwrap();
    let expected = Fields::from([
        (Target::field("title"), text("Engineer")),
        (Target::field("department"), text("")),
        (Target::field("azure_last_login_date"), text("")),
        (Target::field("roles"), HaloValue::Ids(BTreeSet::from([4]))),
        (Target::field("inactive"), HaloValue::Bool(true)),
        (Target::field("site_id"), HaloValue::Int(18)),
        (Target::field("azureoid"), text(ADA)),
        (Target::Custom(CustomFieldId(123)), text("K-7")),
    ]);
    assert_eq!(user.fields, expected);
    assert_eq!(user.special, None);
    assert_eq!(halo.record(RecordId::user(9999), &asked).await.unwrap(), None);
}

#[tokio::test]
async fn a_create_sends_one_record_and_reads_its_id() {
    // H3: an array of one, no id, whole numbers.
    let world = World::new().await;
    world.halo.turn(|knobs| knobs.user_agent = UserAgent::Required);
    let Created { id, warning } =
        world.client().create(RecordKind::User, &new_user()).await.unwrap();
    assert_eq!(warning, None);
    let writes = world.halo.writes();
    assert_eq!(writes.len(), 1);
    assert!(writes[0].created && writes[0].id == id.id);
    assert_eq!(
        writes[0].body,
        json!({
            "name": "Ada Byron", "emailaddress": "ada@x.example", "site_id": 18, "azureoid": ADA,
            "inactive": false,
        })
    );
}

#[tokio::test]
async fn answers_to_a_create_are_read_in_every_shape() {
    // H5: one object or an array of one, 200 or 201, with a warning, without an id.
    let cases = [
        (201, r#"{"id": 7.0}"#, Some((7, None))),
        (200, r#"[{"ID": 7}]"#, Some((7, None))),
        (201, r#"{"id": 7, "_warning": "<b>Mind</b> the\n gap"}"#, Some((7, Some("Mind the gap")))),
        (201, r#"{"name": "Ada"}"#, None),
        (201, r#"{"id": 0}"#, None),
        (201, "[]", None),
        (201, "saved", None),
    ];
    let world = World::new().await;
    let halo = world.client();
    for (code, body, expected) in cases {
        let fault = Fault::Status { code, body: body.to_owned() };
        world.halo.fail_next("/api/users", "POST", 1, fault);
        match (halo.create(RecordKind::User, &new_user()).await, expected) {
            (Ok(created), Some((id, warning))) => {
                assert_eq!(created.id, RecordId::user(id), "{body}");
                assert_eq!(created.warning.as_deref(), warning, "{body}");
            }
            (Err(error), None) => assert!(error.may_have_acted(), "{body}: {error}"),
            (got, _) => panic!("{body}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn a_create_with_an_id_and_an_update_without_are_never_sent() {
    // H3: the presence of an id is all that tells Halo the two apart.
    let world = World::new().await;
    let halo = world.client();
    let mut fields = new_user();
    fields.insert(Target::field("ID"), HaloValue::Int(5));
    assert!(matches!(
        kind(halo.create(RecordKind::User, &fields).await.unwrap_err()),
        Kind::Refused { .. }
    ));
    let changes = [change(Target::field("title"), text("x"))];
    for id in [0, -1] {
        let error = halo.update(RecordId::user(id), &changes, None).await.unwrap_err();
        assert!(matches!(kind(error), Kind::Refused { .. }), "{id}");
    }
    assert_eq!(world.served.log.count(), 0);
}

#[tokio::test]
async fn an_update_sends_the_changes_and_the_id_only() {
    // H3.
    for status in [UpdateStatus::Ok, UpdateStatus::Created] {
        let world = World::new().await;
        world.halo.turn(|knobs| knobs.update_status = status);
        world.halo.add_user_role(&json!({ "id": 4, "name": "Manager" }));
        let id = world.add(json!({ "name": "Ada", "title": "Engineer", "fax": "1" }));
        let changes = [
            change(Target::field("title"), text("")),
            change(Target::field("inactive"), HaloValue::Bool(true)),
            change(Target::field("site_id"), HaloValue::Int(19)),
            change(Target::field("roles"), HaloValue::Ids(BTreeSet::from([4]))),
        ];
        let updated = world.client().update(RecordId::user(id), &changes, None).await.unwrap();
        assert_eq!(updated, Updated::Done { warning: None });
        assert_eq!(
            world.halo.writes()[0].body,
            json!({ "id": id, "title": "", "inactive": true, "site_id": 19, "roles": [{ "id": 4 }] })
        );
        let user = world.halo.user(id).unwrap();
        assert_eq!(
            (&user["fax"], &user["title"], &user["site_id"]),
            (&json!("1"), &json!(""), &json!(19.0))
        );
    }
}

#[tokio::test]
async fn nothing_changed_sends_nothing() {
    // T4.
    let world = World::new().await;
    let updated = world.client().update(RecordId::user(5), &[], None).await.unwrap();
    assert_eq!((updated, world.served.log.count()), (Updated::Done { warning: None }, 0));
}

#[tokio::test]
async fn a_user_who_is_gone_is_no_failure() {
    let world = World::new().await;
    let halo = world.client();
    let title = [change(Target::field("title"), text("x"))];
    assert_eq!(halo.update(RecordId::user(9999), &title, None).await.unwrap(), Updated::Gone);
    let custom = [change(Target::Custom(CustomFieldId(1)), text("x"))];
    assert_eq!(halo.update(RecordId::user(9999), &custom, None).await.unwrap(), Updated::Gone);
}

#[tokio::test]
async fn custom_fields_of_others_survive() {
    // F4: whether Halo replaces or merges the posted array, given or read by the client itself.
    let cases = [
        (CustomFields::Replace, true),
        (CustomFields::Replace, false),
        (CustomFields::Merge, true),
        (CustomFields::Merge, false),
    ];
    for (knob, given) in cases {
        let world = World::new().await;
        world.halo.turn(|knobs| knobs.custom_fields = knob);
        for id in [1, 2, 3] {
            world.halo.add_custom_field(&json!({ "id": id, "name": format!("CF{id}") }));
        }
        let stored = json!([{ "id": 1, "value": "keep" }, { "id": 2, "value": "old" }]);
        let id = RecordId::user(world.add(json!({ "name": "Ada", "customfields": stored })));
        let halo = world.client();
        let user = halo.record(id, &BTreeSet::new()).await.unwrap().unwrap();
        let kept = given.then_some(&user.kept);
        let changes = [
            change(Target::Custom(CustomFieldId(2)), text("new")),
            change(Target::Custom(CustomFieldId(3)), text("3")),
        ];
        halo.update(id, &changes, kept).await.unwrap();
        let fields = world.halo.user(id.id).unwrap()["customfields"].clone();
        let values: Vec<(Value, Value)> = fields
            .as_array()
            .unwrap()
            .iter()
            .map(|field| (field["id"].clone(), field["value"].clone()))
            .collect();
        let expected =
            [(1, "keep"), (2, "new"), (3, "3")].map(|(id, value)| (json!(id), json!(value)));
        assert_eq!(values, expected, "{knob:?} {given}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_a_sentence_whatever_its_shape() {
    // H5.
    let world = World::new().await;
    let halo = world.client();
    for shape in RefusalShape::ALL {
        world.halo.fail_next("/api/users", "POST", 1, Fault::Refusal(shape));
        let Kind::Refused { status, code, message } =
            kind(halo.create(RecordKind::User, &new_user()).await.unwrap_err())
        else {
            panic!("{shape:?}")
        };
        assert_eq!(status, 400);
        assert!(message.contains("The record could not be saved"), "{shape:?}: {message}");
        assert!(message.chars().count() <= 500 && !message.contains('<'), "{shape:?}: {message}");
        let coded = matches!(shape, RefusalShape::Text | RefusalShape::JsonString);
        assert_eq!(code, if coded { "APP01/1" } else { "" }, "{shape:?}");
    }
    let mut homeless = new_user();
    homeless.remove(&Target::field("site_id"));
    let told = halo.create(RecordKind::User, &homeless).await.unwrap_err().to_string();
    assert!(told.contains("[0].site_id: The site_id field is required."), "{told}");
    assert!(world.halo.writes().is_empty());
}
