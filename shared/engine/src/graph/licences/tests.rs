//! Reading subscriptions and holders, against documented answers and odd ones.

use super::*;
use crate::graph::refusal::{Carried, Refusal};
use crate::graph::tests::example;

const ADA: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const SUITE: &str = "c7df2760-2c81-4ef7-b578-5b5392b571df";
const CRM: &str = "d17b27af-3f49-4822-99f9-56a661538792";
const GROUP: &str = "e9cfb2a4-3f4d-4f5e-8b77-2d3c4f5a6b7c";

fn id(text: &str) -> SkuId {
    text.parse().unwrap()
}

fn skus(body: &[u8]) -> Page<SubscribedSku> {
    kept(wire::page(body, ReadSku, End::NoLink).unwrap())
}

/// A subscription in a few words.
fn told(sku: &SubscribedSku) -> String {
    let Seats { enabled, warning, suspended, locked_out } = sku.seats;
    let id = &sku.id.to_string()[..4];
    format!(
        "{id} {} {:?} {:?} {enabled}+{warning} {suspended} {locked_out} used {}",
        sku.part_number, sku.applies_to, sku.standing, sku.used
    )
}

fn holder(body: &str) -> Option<Holder> {
    wire::read(body.as_bytes(), ReadHolder).unwrap()
}

#[test]
fn the_documented_subscriptions_are_read() {
    // S1
    let page = skus(&example("subscribed-skus").body);
    let rows: Vec<String> = page.items.iter().map(told).collect();
    let expected = [
        "c7df ENTERPRISEPREMIUM User Enabled 25+0 0 0 used 14",
        "d17b CRMSTANDARD User Suspended 0+0 25 0 used 14",
    ];
    assert_eq!((rows, page.skipped), (expected.map(str::to_owned).to_vec(), 0));
}

#[test]
fn no_subscription_spoils_the_list() {
    // S1: unknown words, missing and odd numbers are the least that they can mean.
    let nothing = "Unknown Unknown 0+0 0 0 used 0";
    let cases = [
        (format!(r#"{{"skuId":"{SUITE}"}}"#), Some(format!("c7df {SUITE} {nothing}"))),
        (
            format!(r#"{{"skuPartNumber":" ","skuId":"{SUITE}","prepaidUnits":null}}"#),
            Some(format!("c7df {SUITE} {nothing}")),
        ),
        (
            format!(
                r#"{{"skuPartNumber":"X","appliesTo":"company","capabilityStatus":"lockedOut","skuId":"{SUITE}",
                "prepaidUnits":{{"enabled":null,"warning":-3,"suspended":2.0,"lockedOut":"7"}},"consumedUnits":-1}}"#
            ),
            Some("c7df X Company LockedOut 0+-3 2 7 used -1".to_owned()),
        ),
        (
            format!(
                r#"{{"skuPartNumber":"X","appliesTo":["User"],"capabilityStatus":7,"skuId":"{SUITE}",
                "prepaidUnits":[1],"consumedUnits":{{"x":1}},"servicePlans":[{{"skuId":1}}]}}"#
            ),
            Some(format!("c7df X {nothing}")),
        ),
        (
            format!(
                r#"{{"skuPartNumber":"X","appliesTo":"User","capabilityStatus":"Warning","skuId":"{SUITE}",
                "prepaidUnits":{{"enabled":1e3,"warning":18446744073709551615,"more":{{}}}},"consumedUnits":true}}"#
            ),
            Some("c7df X User Warning 1000+0 0 0 used 0".to_owned()),
        ),
        (r#"{"skuId":"SPE_E5"}"#.to_owned(), None),
        (r#"{"skuId":null,"skuPartNumber":"X"}"#.to_owned(), None),
        ("{}".to_owned(), None),
        ("[]".to_owned(), None),
        ("null".to_owned(), None),
    ];
    for (row, expected) in cases {
        let page = skus(format!(r#"{{"value":[{row}]}}"#).as_bytes());
        assert_eq!(page.items.first().map(told), expected, "{row}");
        assert_eq!(page.skipped, u64::from(expected.is_none()), "{row}");
    }
}

#[test]
fn the_documented_holder_is_read() {
    // S1, S2
    let body = example("user-license-assignment-states").body;
    let expected = Holder {
        id: ADA.parse().unwrap(),
        usage_location: Some("DK".to_owned()),
        assigned: Some(BTreeSet::from([id(SUITE)])),
        states: vec![
            AssignmentState {
                sku: id(SUITE),
                by: AssignedBy::Direct,
                state: HoldState::Active,
                error: None,
            },
            AssignmentState {
                sku: id(CRM),
                by: AssignedBy::Group(GROUP.parse().unwrap()),
                state: HoldState::Error,
                error: Some("CountViolation".to_owned()),
            },
        ],
    };
    assert_eq!(wire::read(&body, ReadHolder).unwrap(), Some(expected));
}

#[test]
fn nothing_held_is_told_from_nothing_said() {
    // S1: only a list says what is held; who may not read it must unlink nobody.
    let held = |value: &str| {
        let body = format!(r#"{{"id":"{ADA}"{value}}}"#);
        holder(&body).unwrap().assigned.map(|skus| skus.len())
    };
    let cases = [
        ("", None),
        (r#","assignedLicenses":null"#, None),
        (r#","assignedLicenses":{}"#, None),
        (r#","assignedLicenses":"x""#, None),
        (r#","assignedLicenses":[]"#, Some(0)),
        (r#","assignedLicenses":[null,7,{},{"skuId":null},{"skuId":"x"}]"#, Some(0)),
    ];
    for (value, expected) in cases {
        assert_eq!(held(value), expected, "{value}");
    }
    let twice = format!(
        r#","assignedLicenses":[{{"disabledPlans":["x"],"skuId":"{SUITE}"}},{{"skuId":"{SUITE}"}}]"#
    );
    assert_eq!(held(&twice), Some(1));
}

#[test]
fn no_holder_spoils_the_page() {
    // S1
    let body = format!(
        r#"{{"value":[{{"id":"ada@contoso.example"}},7,{{"usageLocation":"","id":"{ADA}"}},null]}}"#
    );
    let page = kept(wire::page(body.as_bytes(), ReadHolder, End::NoLink).unwrap());
    let ada =
        Holder { id: ADA.parse().unwrap(), usage_location: None, assigned: None, states: vec![] };
    assert_eq!((page.items, page.skipped), (vec![ada], 3));
}

#[test]
fn ways_are_read_as_far_as_they_can_be() {
    // S2: what is not surely direct must not look as if it could be removed.
    let cases = [
        ("", Some("Direct Unknown -")),
        (r#","assignedByGroup":null,"state":"active","error":"none""#, Some("Direct Active -")),
        (r#","assignedByGroup":"","state":null,"error":null"#, Some("Direct Unknown -")),
        (r#","state":"ActiveWithError","error":"Other""#, Some("Direct ActiveWithError Other")),
        (r#","state":"Disabled","error":"""#, Some("Direct Disabled -")),
        (r#","state":"New","error":["x"]"#, Some("Direct Unknown -")),
        (r#","assignedByGroup":"Team","state":"Active""#, None),
    ];
    for (more, expected) in cases {
        let body = format!(
            r#"{{"id":"{ADA}","licenseAssignmentStates":[{{}},3,{{"skuId":"{SUITE}"{more}}}]}}"#
        );
        let states = holder(&body).unwrap().states;
        let told = states.first().map(|way| {
            assert_eq!(way.sku, id(SUITE));
            format!("{:?} {:?} {}", way.by, way.state, way.error.as_deref().unwrap_or("-"))
        });
        assert_eq!(told.as_deref(), expected, "{more}");
    }
}

#[test]
fn a_change_asks_as_the_examples_do() {
    // S2
    for (change, add, remove) in [
        (
            LicenceChange::Assign(id(SUITE)),
            json!([{ "skuId": SUITE, "disabledPlans": [] }]),
            json!([]),
        ),
        (LicenceChange::Remove(id(SUITE)), json!([]), json!([SUITE])),
    ] {
        let (_, body) = asked(change);
        assert_eq!(body, json!({ "addLicenses": add, "removeLicenses": remove }));
    }
}

#[test]
fn refusals_keep_their_words() {
    // S2: the operator reads them.
    let cases = [
        ("inherited", "User license is inherited from a group membership"),
        ("no-seats", "does not have any available licenses."),
        ("usage-location", "user with invalid usage location."),
    ];
    for (name, expected) in cases {
        let answer = example(&format!("assign-license-error-{name}"));
        let kind = Refusal::of(&answer).kind(Carried::Nothing);
        let Kind::Refused { status: 400, code, message } = kind else { panic!("{kind:?}") };
        assert_eq!(code, "Request_BadRequest");
        assert!(message.contains(expected), "{message}");
    }
}
