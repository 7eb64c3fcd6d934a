//! The contract of [`Table`]: conditions, transactions, expiry, limits.

use std::sync::Arc;

use engine::clock::{Clock, ManualClock};
use engine::store::{COMMIT_LIMIT, Commit, Expect, Key, Range, Record, Table, Write};
use jiff::{SignedDuration, Timestamp};

use super::paging;

const KIB: usize = 1024;

/// Checks a table, which is empty and has this clock.
pub async fn store(table: Arc<dyn Table>, clock: Arc<ManualClock>) {
    conditions(&*table, &*clock).await;
    one_sick_write_stops_all(&*table, &*clock).await;
    versions(&*table).await;
    expiry(&*table, &clock).await;
    one_of_many_wins(&table, 1).await;
    one_of_many_wins(&table, 2).await;
    many_keys(&*table).await;
    many_writes(&*table).await;
    unconditioned_writes(&*table).await;
    odd_keys(&*table).await;
    sizes(&*table).await;
    paging::paging(&*table, &*clock).await;
}

pub(super) fn put(key: &Key, body: &str, expect: Expect) -> Write {
    Write::Put { key: key.clone(), body: body.to_owned(), expect, expires: None }
}

pub(super) fn put_until(key: &Key, expires: Timestamp) -> Write {
    let expires = Some(expires);
    Write::Put { key: key.clone(), body: "{}".to_owned(), expect: Expect::Anything, expires }
}

fn delete(key: &Key, expect: Expect) -> Write {
    Write::Delete { key: key.clone(), expect }
}

pub(super) async fn done(table: &dyn Table, writes: &[Write]) {
    assert_eq!(table.commit(writes).await.unwrap(), Commit::Done);
}

async fn read(table: &dyn Table, key: &Key) -> Option<Record> {
    table.get(std::slice::from_ref(key)).await.unwrap().remove(0)
}

async fn body(table: &dyn Table, key: &Key) -> Option<String> {
    read(table, key).await.map(|record| record.body)
}

pub(super) fn past(clock: &dyn Clock) -> Timestamp {
    clock.now() - SignedDuration::from_secs(5)
}

/// Every kind of write under every condition on every state of a record, alone and in a transaction.
async fn conditions(table: &dyn Table, clock: &dyn Clock) {
    let expects = [Expect::Anything, Expect::Absent, Expect::Version(1), Expect::Version(2)];
    // Which of these hold, and the version of the record.
    let states = [
        ("missing", [true, true, false, false], None),
        ("new", [true, false, true, false], Some(1)),
        ("changed", [true, false, false, true], Some(2)),
        ("expired", [true, true, false, false], None),
    ];
    for (state, holding, version) in states {
        for (expect, holds) in expects.into_iter().zip(holding) {
            let put_version = match expect {
                Expect::Version(version) => Some(version + 1),
                Expect::Anything | Expect::Absent => Some(1),
            };
            for (kind, written) in [("put", put_version), ("delete", None), ("check", version)] {
                let after = if holds { written } else { version };
                for alone in [true, false] {
                    let case = Case { state, expect, holds, kind, after, alone };
                    condition(table, clock, &case).await;
                }
            }
        }
    }
}

#[derive(Debug)]
struct Case {
    state: &'static str,
    expect: Expect,
    holds: bool,
    kind: &'static str,
    /// The version afterwards.
    after: Option<u64>,
    alone: bool,
}

async fn condition(table: &dyn Table, clock: &dyn Clock, case: &Case) {
    let name = format!("{case:?}");
    let (key, beside) = (Key::new("conditions", &name), Key::new("beside", &name));
    bring_about(table, clock, &key, case.state).await;
    let write = match case.kind {
        "put" => put(&key, "new", case.expect),
        "delete" => delete(&key, case.expect),
        _ => Write::Check { key: key.clone(), expect: case.expect },
    };
    let mut writes = vec![put(&beside, "{}", Expect::Absent), write];
    if case.alone {
        writes.remove(0);
    }
    let expected = if case.holds { Commit::Done } else { Commit::Conflict(writes.len() - 1) };
    assert_eq!(table.commit(&writes).await.unwrap(), expected, "{case:?}");
    let found = read(table, &key).await;
    assert_eq!(found.map(|record| record.version), case.after, "{case:?}");
    assert_eq!(read(table, &beside).await.is_some(), case.holds && !case.alone, "{case:?}");
}

async fn bring_about(table: &dyn Table, clock: &dyn Clock, key: &Key, state: &str) {
    match state {
        "new" => done(table, &[put(key, "old", Expect::Absent)]).await,
        "changed" => {
            done(table, &[put(key, "older", Expect::Absent)]).await;
            done(table, &[put(key, "old", Expect::Version(1))]).await;
        }
        "expired" => done(table, &[put_until(key, past(clock))]).await,
        _ => {}
    }
}

/// The index is that of the first condition that fails; nothing before or behind it is written.
async fn one_sick_write_stops_all(table: &dyn Table, clock: &dyn Clock) {
    let key = |index: usize| Key::new("all or nothing", format!("{index}"));
    let (there, gone) = (Key::new("all or nothing", "there"), Key::new("all or nothing", "gone"));
    done(table, &[put(&there, "{}", Expect::Absent), put_until(&gone, past(clock))]).await;
    let sick = [
        put(&there, "new", Expect::Absent),
        put(&gone, "new", Expect::Version(1)),
        delete(&there, Expect::Version(7)),
        delete(&there, Expect::Absent),
        Write::Check { key: there.clone(), expect: Expect::Absent },
        Write::Check { key: gone.clone(), expect: Expect::Version(1) },
    ];
    for write in sick {
        for place in 0..4 {
            let mut writes: Vec<Write> =
                (0..4).map(|index| put(&key(index), "{}", Expect::Absent)).collect();
            writes[place] = write.clone();
            // A second one further on, which must not be the one that is named.
            writes.push(delete(&Key::new("all or nothing", "missing"), Expect::Version(1)));
            let outcome = table.commit(&writes).await.unwrap();
            assert_eq!(outcome, Commit::Conflict(place), "{write:?} at {place}");
            let found = table.get(&[key(0), key(1), key(2), key(3)]).await.unwrap();
            assert!(found.iter().all(Option::is_none), "{write:?} at {place}");
        }
    }
    assert_eq!(body(table, &there).await.as_deref(), Some("{}"));
}

async fn versions(table: &dyn Table) {
    let key = Key::new("versions", "a");
    done(table, &[put(&key, "1", Expect::Absent)]).await;
    for version in 1..5 {
        done(table, &[put(&key, "2", Expect::Version(version))]).await;
        let found = read(table, &key).await.unwrap();
        let expected =
            Record { key: key.clone(), version: version + 1, body: "2".to_owned(), expires: None };
        assert_eq!(found, expected);
    }
    done(table, &[put(&key, "3", Expect::Anything)]).await;
    assert_eq!(read(table, &key).await.unwrap().version, 1);
}

async fn expiry(table: &dyn Table, clock: &ManualClock) {
    let (key, fraction) = (Key::new("expiry", "a"), Key::new("expiry", "b"));
    let whole = Timestamp::from_second(clock.now().as_second() + 60).unwrap();
    let later = whole + SignedDuration::from_millis(1);
    let start = clock.now();
    done(table, &[put_until(&key, whole), put_until(&fraction, later)]).await;
    let rounded = whole + SignedDuration::from_secs(1);
    assert_eq!(read(table, &key).await.unwrap().expires, Some(whole));
    assert_eq!(read(table, &fraction).await.unwrap().expires, Some(rounded), "rounded up");

    for (at, visible) in
        [(whole - SignedDuration::from_secs(1), &["a", "b"][..]), (whole, &["b"]), (rounded, &[])]
    {
        clock.advance(at.duration_since(clock.now()));
        let found = table.get(&[key.clone(), fraction.clone()]).await.unwrap();
        let found: Vec<&str> =
            found.iter().flatten().map(|record| record.key.sk.as_str()).collect();
        assert_eq!(found, visible);
        let page = table.query(&Range::of("expiry", 10)).await.unwrap();
        let found: Vec<&str> = page.records.iter().map(|record| record.key.sk.as_str()).collect();
        assert_eq!(found, visible);
    }
    assert_eq!(
        table.commit(&[delete(&key, Expect::Version(1))]).await.unwrap(),
        Commit::Conflict(0)
    );
    done(table, &[put(&key, "anew", Expect::Absent)]).await;
    clock.advance(SignedDuration::from_hours(1000));
    let found = read(table, &key).await.unwrap();
    assert_eq!((found.version, found.expires), (1, None), "the new record does not expire");
    assert!(start < clock.now());
}

/// Several change the same records at once, `records` at a time: one of them succeeds each time.
async fn one_of_many_wins(table: &Arc<dyn Table>, records: usize) {
    const TASKS: usize = 8;
    let key = |index| Key::new("many", format!("{records} {index}"));
    for round in 0..5_u64 {
        let expect = if round == 0 { Expect::Absent } else { Expect::Version(round) };
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let table = Arc::clone(table);
                let writes: Vec<Write> =
                    (0..records).map(|index| put(&key(index), &task.to_string(), expect)).collect();
                tokio::spawn(async move { table.commit(&writes).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (task, result) in tasks.into_iter().enumerate() {
            if result.await.unwrap().unwrap() == Commit::Done {
                winners.push(task.to_string());
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        for index in 0..records {
            let found = read(&**table, &key(index)).await.unwrap();
            assert_eq!((found.version, &found.body), (round + 1, &winners[0]));
        }
    }
}

async fn many_keys(table: &dyn Table) {
    let key = |index: usize| Key::new(format!("get{}", index % 3), format!("{index:03}"));
    let there: Vec<Write> = (0..250)
        .filter(|index| index % 5 != 0)
        .map(|index| put(&key(index), &index.to_string(), Expect::Anything))
        .collect();
    table.write_all(&there).await.unwrap();
    // Backwards, every one twice, a fifth of them missing.
    let wanted: Vec<usize> = (0..250).rev().chain(0..250).collect();
    let keys: Vec<Key> = wanted.iter().map(|index| key(*index)).collect();
    let found = table.get(&keys).await.unwrap();
    assert_eq!(found.len(), keys.len());
    for (index, found) in wanted.into_iter().zip(found) {
        let expected = (index % 5 != 0).then(|| (key(index), index.to_string()));
        assert_eq!(found.map(|record| (record.key, record.body)), expected);
    }
    assert_eq!(table.get(&[]).await.unwrap(), []);
}

async fn many_writes(table: &dyn Table) {
    let most = table.commit_limit();
    assert!(most >= COMMIT_LIMIT);
    let key = |index: usize| Key::new("commit", format!("{index:05}"));
    let puts =
        |expect| -> Vec<Write> { (0..=most).map(|index| put(&key(index), "{}", expect)).collect() };
    let count = async || {
        let (mut count, mut after) = (0, None);
        loop {
            let range = Range { after, ..Range::of("commit", 1000) };
            let page = table.query(&range).await.unwrap();
            count += page.records.len();
            after = page.next;
            if after.is_none() {
                return count;
            }
        }
    };

    assert!(table.commit(&puts(Expect::Absent)).await.is_err(), "one more than the limit");
    let twice = [put(&key(0), "1", Expect::Anything), put(&key(0), "2", Expect::Anything)];
    assert!(table.commit(&twice).await.is_err(), "a key twice");
    assert_eq!(count().await, 0, "nothing of what was refused");

    done(table, &puts(Expect::Absent)[..most]).await;
    assert_eq!(count().await, most);
    let deletes: Vec<Write> =
        (0..most).map(|index| delete(&key(index), Expect::Version(1))).collect();
    done(table, &deletes).await;
    assert_eq!(count().await, 0);
    done(table, &[]).await;
}

async fn unconditioned_writes(table: &dyn Table) {
    let key = |index: usize| Key::new("write all", format!("{index:02}"));
    let mut writes: Vec<Write> =
        (0..60).map(|index| put(&key(index), "first", Expect::Anything)).collect();
    writes.extend((0..60).step_by(3).map(|index| put(&key(index), "last", Expect::Anything)));
    writes.extend((1..60).step_by(3).map(|index| delete(&key(index), Expect::Anything)));
    writes.push(delete(&Key::new("write all", "missing"), Expect::Anything));
    table.write_all(&writes).await.unwrap();
    for index in 0..60 {
        let expected = [Some("last"), None, Some("first")][index % 3];
        assert_eq!(body(table, &key(index)).await.as_deref(), expected, "{index}");
    }
    let conditioned = [
        put(&key(0), "no", Expect::Absent),
        delete(&key(0), Expect::Version(1)),
        Write::Check { key: key(0), expect: Expect::Anything },
    ];
    for write in conditioned {
        assert!(table.write_all(&[write]).await.is_err(), "a condition needs a commit");
    }
    assert_eq!(body(table, &key(0)).await.as_deref(), Some("last"));
    table.write_all(&[]).await.unwrap();
}

async fn odd_keys(table: &dyn Table) {
    let odd = [
        "#",
        "/",
        " ",
        "a b",
        "a#b/c",
        "\u{0}",
        "\n",
        "\"",
        "ü",
        "Ü",
        "🦀",
        "\u{10FFFF}",
        ":v",
        "%",
    ];
    let keys: Vec<Key> =
        odd.iter().flat_map(|pk| odd.iter().map(|sk| Key::new(*pk, *sk))).collect();
    let writes: Vec<Write> = keys
        .iter()
        .map(|key| put(key, &format!("{}|{}", key.pk, key.sk), Expect::Anything))
        .collect();
    table.write_all(&writes).await.unwrap();
    let found = table.get(&keys).await.unwrap();
    for (key, found) in keys.into_iter().zip(found) {
        let found = found.unwrap();
        assert_eq!(found.body, format!("{}|{}", key.pk, key.sk));
        assert_eq!(found.key, key);
    }
}

async fn sizes(table: &dyn Table) {
    let key = |name: &str| Key::new("sizes", name);
    let large = "ü".repeat(125 * KIB);
    done(table, &[put(&key("large"), &large, Expect::Absent)]).await;
    assert_eq!(body(table, &key("large")).await, Some(large.clone()));

    let too_large = [put(&key("too large"), &"x".repeat(301 * KIB), Expect::Anything)];
    assert!(table.commit(&too_large).await.is_err());
    assert!(table.write_all(&too_large).await.is_err());
    let too_many = table.commit_limit() * 40_000 / large.len() + 1;
    let together: Vec<Write> = (0..too_many)
        .map(|index| put(&key(&format!("together {index}")), &large, Expect::Anything))
        .collect();
    assert!(table.commit(&together).await.is_err(), "more than 40 kB on average");
    assert!(body(table, &key("together 0")).await.is_none());

    let longest = Key::new("p".repeat(KIB), "s".repeat(KIB));
    done(table, &[put(&longest, "{}", Expect::Absent)]).await;
    assert!(read(table, &longest).await.is_some());
    for bad in [
        Key::new("", "a"),
        Key::new("a", ""),
        Key::new("p".repeat(KIB + 1), "a"),
        Key::new("a", "s".repeat(KIB + 1)),
    ] {
        assert!(table.commit(&[put(&bad, "{}", Expect::Anything)]).await.is_err(), "{bad:?}");
        assert!(table.get(&[bad]).await.is_err());
    }
}
