//! Looking somebody up in Halo itself, above all after a create whose answer was lost (M6).

use plan::failure::Kind;
use plan::ids::RecordKind;
use plan::link::{Fields, HaloValue, Target};
use sandbox::halo::{AzureSearch, Fault, Halo, UserRows};
use serde_json::json;

use super::{ADA, BOB, World, keys, kind, shown};

/// What instances differ in here.
const VERSIONS: [(AzureSearch, UserRows); 4] = [
    (AzureSearch::Works, UserRows::Since2026),
    (AzureSearch::Works, UserRows::Since2024),
    (AzureSearch::Refused, UserRows::Since2026),
    (AzureSearch::Refused, UserRows::Since2024),
];

fn turn(halo: &Halo, (search, rows): (AzureSearch, UserRows)) {
    halo.turn(|knobs| (knobs.azure_search, knobs.user_rows) = (search, rows));
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found() {
    // M6, T2: whatever the version, and only if Halo had acted.
    let faults = [
        (Fault::ReplyLost, true),
        (Fault::TruncatedBody, true),
        (Fault::ResetConnection, false),
        (Fault::Empty, false),
        (Fault::HtmlPage, false),
    ];
    for version in VERSIONS {
        for (fault, acted) in &faults {
            let world = World::new().await;
            turn(&world.halo, version);
            world.halo.fail_next("/api/users", "POST", 1, fault.clone());
            let text = |value: &str| HaloValue::Text(value.to_owned());
            let fields = Fields::from([
                (Target::field("name"), text("Ada")),
                (Target::field("emailaddress"), text("Ada@x.example")),
                (Target::field("site_id"), HaloValue::Int(18)),
                (Target::field("azureoid"), text(ADA)),
            ]);
            let halo = world.client();
            let error = halo.create(RecordKind::User, &fields).await.unwrap_err();
            assert!(error.may_have_acted(), "{fault:?}: {error}");
            let wanted = keys(&[("azureoid", ADA), ("emailaddress", "ada@x.example")]);
            let hits = halo.find(RecordKind::User, &wanted).await.unwrap();
            let writes = world.halo.writes();
            let expected = writes.iter().map(|made| {
                let id = made.id;
                format!("azureoid={ADA}: {id}*; emailaddress=ada@x.example: {id}*")
            });
            assert_eq!(shown(&hits), expected.collect::<String>(), "{version:?} {fault:?}");
            assert_eq!(writes.len(), usize::from(*acted), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn searches_find_more_than_was_asked_for_and_only_equality_counts() {
    // M2, M4, M5.
    for version in VERSIONS {
        let world = World::new().await;
        turn(&world.halo, version);
        let free = world.add(json!({ "name": "A", "email2": "ADA@x.example", "inactive": true }));
        let taken = world.add(json!({ "name": "B", "login": "ada@x.example", "azureoid": BOB }));
        world.add(json!({ "name": "C", "emailaddress": "not-ada@x.example" }));
        world.add(json!({ "name": "ada@x.example and more" }));
        world.add(json!({ "name": "D", "login": "ada@x.example", "isserviceaccount": true }));
        let wanted = keys(&[
            ("azureoid", ADA),
            ("emailaddress", "ada@x.example"),
            ("login", "Ada@x.example"),
        ]);
        let hits = world.client().find(RecordKind::User, &wanted).await.unwrap();
        let expected =
            format!("emailaddress=ada@x.example: {free}-; login=ada@x.example: {taken}*");
        assert_eq!(shown(&hits), expected, "{version:?}");
    }
}

#[tokio::test]
async fn fields_that_the_search_passes_over_are_asked_for_exactly() {
    let world = World::new().await;
    let id = world.add(json!({ "name": "A", "other1": "E-77" }));
    world.add(json!({ "name": "B", "other1": "E-778" }));
    let hits = world.client().find(RecordKind::User, &keys(&[("other1", "e-77")])).await.unwrap();
    assert_eq!(shown(&hits), format!("other1=e-77: {id}"));
}

#[tokio::test]
async fn an_answer_that_ignored_the_filter_finds_nobody() {
    // Unknown filters are ignored without a word: the whole list comes back.
    let rows: Vec<_> = (100..150).map(|id| json!({ "id": id, "name": "X" })).collect();
    let world = World::new().await;
    let fault = Fault::Status { code: 200, body: json!({ "users": rows }).to_string() };
    world.halo.fail_next("/api/users", "GET", 1, fault);
    let hits = world.client().find(RecordKind::User, &keys(&[("azureoid", ADA)])).await.unwrap();
    assert!(hits.is_empty());
    assert_eq!(world.served.log.count(), 2, "nobody is read one by one");
}

#[tokio::test]
async fn a_search_without_end_is_an_error_and_not_a_no() {
    let world = World::new().await;
    world.halo.turn(|knobs| knobs.page_cap = 1000);
    for number in 0..2001 {
        world.add(json!({ "name": format!("Ann {number}") }));
    }
    let halo = world.client_with(|settings| settings.page_size = 1000);
    let error = halo.find(RecordKind::User, &keys(&[("name", "ann")])).await.unwrap_err();
    assert!(matches!(kind(error), Kind::Malformed { .. }));
}

#[tokio::test]
async fn a_failed_search_is_an_error_and_not_a_no() {
    // M6: an outage must not look like "nobody there".
    let world = World::new().await;
    world.add(json!({ "name": "Ada", "azureoid": ADA }));
    let halo = world.client();
    for fault in [
        Fault::HtmlPage,
        Fault::ResetConnection,
        Fault::TruncatedBody,
        Fault::Empty,
        Fault::Throttle { retry_after: None },
        Fault::Status { code: 403, body: String::new() },
    ] {
        world.halo.fail_next("/api/users", "GET", 1, fault.clone());
        assert!(
            halo.find(RecordKind::User, &keys(&[("azureoid", ADA)])).await.is_err(),
            "{fault:?}"
        );
    }
}
