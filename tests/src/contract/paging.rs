//! The contract of [`Table::query`]: order, prefix, places to go on, limits, pages.

use std::collections::BTreeSet;

use engine::clock::Clock;
use engine::store::{Expect, Key, Order, Page, Range, Table, Write};

use super::store::{done, past, put, put_until};

pub(super) async fn paging(table: &dyn Table, clock: &dyn Clock) {
    every_range(table).await;
    partitions_are_apart(table).await;
    expired_stretch(table, clock).await;
    large_records(table).await;
}

/// All pages of a range, joined. Each is within the limit, and none is empty but the last.
async fn all(table: &dyn Table, range: &Range) -> Vec<String> {
    let (mut range, mut found) = (range.clone(), Vec::new());
    for _ in 0..1000 {
        let Page { records, next } = table.query(&range).await.unwrap();
        assert!(records.len() <= range.limit, "{range:?}");
        assert!(!records.is_empty() || next.is_none(), "{range:?}");
        assert!(records.iter().all(|record| record.key.pk == range.pk), "{range:?}");
        found.extend(records.into_iter().map(|record| record.key.sk));
        match next {
            None => return found,
            next => range.after = next,
        }
    }
    unreachable!("{range:?} has no end")
}

/// What a range is by its definition.
fn expected(keys: &BTreeSet<&str>, range: &Range) -> Vec<String> {
    let mut found: Vec<&str> =
        keys.iter().copied().filter(|sk| sk.starts_with(&range.prefix)).collect();
    let after = range.after.as_deref();
    match range.order {
        Order::Ascending => found.retain(|sk| after.is_none_or(|after| *sk > after)),
        Order::Descending => {
            found.reverse();
            found.retain(|sk| after.is_none_or(|after| *sk < after));
        }
    }
    found.into_iter().map(ToOwned::to_owned).collect()
}

async fn every_range(table: &dyn Table) {
    let keys = BTreeSet::from([
        "A",
        "a",
        "a b",
        "a#1",
        "a#10",
        "a#2",
        "a/x",
        "aa",
        "b",
        "ü",
        "üb",
        "🦀",
        "\u{10FFFF}",
    ]);
    let writes: Vec<Write> =
        keys.iter().map(|sk| put(&Key::new("ranges", *sk), "{}", Expect::Absent)).collect();
    done(table, &writes).await;
    let places = keys.iter().copied().chain(["0", "a#11", "missing", "z", "🐚"]).map(Some);
    let places: Vec<Option<&str>> = places.chain([None]).collect();
    for prefix in ["", "a", "a#", "a#1", "b", "nothing", "ü", "🦀", "\u{10FFFF}"] {
        for order in [Order::Ascending, Order::Descending] {
            for after in &places {
                let limits = if after.is_none() { &[1, 2, 3, 1000][..] } else { &[1000] };
                for limit in limits {
                    let range = Range {
                        prefix: prefix.to_owned(),
                        after: after.map(ToOwned::to_owned),
                        order,
                        ..Range::of("ranges", *limit)
                    };
                    assert_eq!(all(table, &range).await, expected(&keys, &range), "{range:?}");
                }
            }
        }
    }
    assert_eq!(all(table, &Range::of("no such partition", 10)).await, Vec::<String>::new());
}

/// Partitions whose names begin alike or whose keys look like a longer name.
async fn partitions_are_apart(table: &dyn Table) {
    let names = ["x", "x#", "x#y", "xx", "x\u{0}", "x/"];
    for pk in names {
        for sk in ["#y", "x", "y#"] {
            done(table, &[put(&Key::new(pk, sk), "{}", Expect::Absent)]).await;
        }
    }
    for pk in names {
        for order in [Order::Ascending, Order::Descending] {
            let found = all(table, &Range { order, ..Range::of(pk, 2) }).await;
            let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
            assert_eq!(found, BTreeSet::from(["#y", "x", "y#"]), "{pk}");
        }
    }
}

/// Records that are expired but not yet removed neither show nor end a page too early.
async fn expired_stretch(table: &dyn Table, clock: &dyn Clock) {
    let key = |index: usize| Key::new("stretch", format!("{index:02}"));
    let mut writes: Vec<Write> = (1..40).map(|index| put_until(&key(index), past(clock))).collect();
    writes.extend([0, 40, 41, 42].map(|index| put(&key(index), "{}", Expect::Absent)));
    done(table, &writes).await;
    for limit in [1, 2, 5, 100] {
        let found = all(table, &Range::of("stretch", limit)).await;
        assert_eq!(found, ["00", "40", "41", "42"], "limit {limit}");
        let order = Order::Descending;
        let found = all(table, &Range { order, ..Range::of("stretch", limit) }).await;
        assert_eq!(found, ["42", "41", "40", "00"], "limit {limit}");
    }
}

/// A page ends before it becomes too large for the memory of a small function.
async fn large_records(table: &dyn Table) {
    let body = "x".repeat(250 * 1024);
    let keys: Vec<String> = (0..10).map(|index| index.to_string()).collect();
    for sk in &keys {
        done(table, &[put(&Key::new("large", sk), &body, Expect::Absent)]).await;
    }
    let page = table.query(&Range::of("large", 1000)).await.unwrap();
    let bytes: usize = page.records.iter().map(|record| record.body.len()).sum();
    assert!(bytes < 2 * 1024 * 1024, "{bytes} bytes in a page");
    assert_eq!(all(table, &Range::of("large", 1000)).await, keys);
}
