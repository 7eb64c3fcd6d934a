//! The ledger: what it takes over from Graph, and what it wants of Halo (S1).

#![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

use super::*;
use crate::failure::Service;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + minutes * 60).unwrap()
}

fn sku(number: u8) -> SkuId {
    format!("00000000-0000-0000-0000-0000000000{number:02x}").parse().unwrap()
}

fn told(number: u8, enabled: i64, used: i64) -> SubscribedSku {
    SubscribedSku {
        id: sku(number),
        part_number: "ENTERPRISEPREMIUM".to_owned(),
        applies_to: AppliesTo::User,
        standing: Standing::Enabled,
        seats: Seats { enabled, ..Seats::default() },
        used,
    }
}

fn image(count: i64, in_use: i64, is_active: bool) -> Image {
    Image { client: ClientId(3), count, in_use, is_active }
}

/// A ledger with one SKU, which is licence 7 of Halo's and shows what it should.
fn imported() -> Book {
    let mut book = Book::default();
    book.take(&[told(1, 25, 14)], at(0));
    let one = book.skus.get_mut(&sku(1)).unwrap();
    (one.halo, one.image) = (Some(LicenceId(7)), Some(image(25, 14, true)));
    book
}

#[test]
fn what_has_to_be_written() {
    let write = |image| BTreeMap::from([(sku(1), Due::Write(LicenceId(7), image))]);
    let with = |change: &dyn Fn(&mut Sku)| {
        let mut book = imported();
        change(book.skus.get_mut(&sku(1)).unwrap());
        book
    };
    let take = |all: &[SubscribedSku]| {
        let mut book = imported();
        book.take(all, at(5));
        book
    };
    let cases = [
        ("T4 nothing changed", take(&[told(1, 25, 14)]), BTreeMap::new()),
        ("S1 one more is used", take(&[told(1, 25, 15)]), write(image(25, 15, true))),
        ("S1 more were bought", take(&[told(1, 30, 14)]), write(image(30, 14, true))),
        ("S1 it disappeared", take(&[]), write(image(0, 0, false))),
        (
            "S1 it is suspended",
            with(&|sku| sku.standing = Standing::Suspended),
            write(image(25, 14, false)),
        ),
        (
            "S1 seats of the grace period count",
            with(&|sku| sku.seats.warning = 5),
            write(image(30, 14, true)),
        ),
        (
            "S1 a new one is made",
            take(&[told(1, 25, 14), told(2, 5, 0)]),
            BTreeMap::from([(sku(2), Due::Make(image(5, 0, true)))]),
        ),
        (
            "S1 what was deleted in Halo is made again",
            with(&|sku| (sku.halo, sku.image) = (None, None)),
            BTreeMap::from([(sku(1), Due::Make(image(25, 14, true)))]),
        ),
        (
            "T5 what Halo refused waits",
            with(&|sku| {
                sku.halo = None;
                sku.refuse("No.".to_owned(), at(5));
            }),
            BTreeMap::new(),
        ),
        (
            "S1 what went before it was made is nothing",
            with(&|sku| (sku.halo, sku.gone) = (None, Some(at(1)))),
            BTreeMap::new(),
        ),
    ];
    for (name, book, expected) in cases {
        assert_eq!(book.due(ClientId(3), at(5)), expected, "{name}");
    }
    // S1: the client was changed in the document.
    let moved = imported().due(ClientId(4), at(5));
    let expected = Image { client: ClientId(4), ..image(25, 14, true) };
    assert_eq!(moved, write(expected));
}

#[test]
fn what_disappears_stays_in_the_ledger_and_comes_back() {
    // S1
    let mut book = imported();
    book.take(&[], at(5));
    book.take(&[], at(10));
    assert_eq!(book.skus[&sku(1)].gone, Some(at(5)), "since when stays");
    assert_eq!(book.linkable(), BTreeMap::from([(sku(1), LicenceId(7))]));
    book.take(&[told(1, 25, 14)], at(15));
    let back = &book.skus[&sku(1)];
    assert_eq!((back.gone, back.halo), (None, Some(LicenceId(7))));
}

#[test]
fn seats_may_be_held_beyond_what_was_bought() {
    let mut book = imported();
    book.take(&[told(1, 10, 14)], at(1));
    assert_eq!(book.skus[&sku(1)].free(), -4);
}

#[test]
fn a_licence_that_was_made_is_found_again() {
    let tenant: TenantId = TENANT.parse().unwrap();
    let row = |id, name: &str, sku: &str, tenant: &str| Candidate {
        id: LicenceId(id),
        name: name.to_owned(),
        sku: sku.to_owned(),
        tenant: tenant.to_owned(),
    };
    let (e5, other) = (sku(1).to_string(), sku(2).to_string());
    let name = "Office 365 E5";
    let old = || Some(BTreeSet::from([LicenceId(7)]));
    let cases = [
        ("S1 it says what it is", vec![row(7, "any", &e5, TENANT)], None, Some(7)),
        ("S1 in capitals", vec![row(7, "any", &e5.to_uppercase(), TENANT)], None, Some(7)),
        ("S1 it is another SKU", vec![row(7, name, &other, TENANT)], None, None),
        ("C1 it is another tenant's", vec![row(7, name, &e5, &other)], None, None),
        ("T6 a name alone is no proof", vec![row(7, name, "", "")], None, None),
        ("T2 nor is it of an older one", vec![row(7, name, "", "")], old(), None),
        ("T2 it is of a new one", vec![row(8, name, "", "")], old(), Some(8)),
        ("T2 of another name it is not", vec![row(8, "x", "", "")], old(), None),
        ("T2 Halo keeps the SKU alone", vec![row(8, "x", &e5, "")], old(), Some(8)),
        ("C1 a new one of another connection", vec![row(9, name, &e5, TENANT)], old(), None),
    ];
    for (name, rows, making, expected) in cases {
        let sku_ = Sku { part_number: "ENTERPRISEPREMIUM".into(), making, ..Sku::default() };
        let others = BTreeSet::from([LicenceId(9)]);
        let found = find(&rows, sku(1), &sku_, &tenant, &others);
        assert_eq!(found, expected.map(LicenceId), "{name}");
    }
}

#[test]
fn only_a_missing_right_switches_licences_off() {
    // S1, C7
    let failure = |kind| Failure {
        service: Service::Graph,
        operation: "read the tenant's licences".to_owned(),
        kind,
    };
    let forbidden = Kind::Forbidden { code: "Authorization_RequestDenied".to_owned() };
    let told = only_off(&failure(forbidden)).unwrap();
    assert!(told.contains("Organization.Read.All") && told.ends_with("Everything else goes on."));
    for kind in [
        Kind::Throttled { retry_after: None },
        Kind::Unavailable { detail: "502".to_owned() },
        Kind::Credentials { code: None, error: "invalid_client".to_owned() },
    ] {
        assert_eq!(only_off(&failure(kind)), None);
    }
}
