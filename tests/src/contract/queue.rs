//! The contract of [`Queue`]: delays, repetition, dead letters.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::queue::{Delivery, Queue};
use plan::message::Message;

/// Deliveries until a message is put aside.
const DELIVERIES: u32 = 5;

const NOW: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);

/// Checks a queue, which is empty, whose messages come back after `visibility` (a second or two, and
/// longer than it takes to receive 25 messages), and which puts a message aside after five deliveries.
/// Time passes only while it waits in [`Queue::receive`]: so a queue may have a clock of its own.
pub async fn queue(queue: &dyn Queue, visibility: Duration) {
    assert!(receive(queue, 10, NOW).await.is_empty());
    assert_eq!(queue.dead().await.unwrap(), 0);
    many_messages(queue, visibility).await;
    no_more_than_asked_for(queue).await;
    delay(queue).await;
    equal_messages(queue, visibility).await;
    redelivery(queue).await;
    dead_letters(queue, visibility).await;
}

fn fetch(connection: &str) -> Message {
    Message::Fetch { connection: connection.parse().unwrap() }
}

async fn receive(queue: &dyn Queue, most: usize, wait: Duration) -> Vec<Delivery> {
    let taken = queue.receive(most, wait).await.unwrap();
    assert!(taken.len() <= most);
    taken
}

/// Waits for a message, half a minute at the most.
async fn next(queue: &dyn Queue) -> Delivery {
    for _ in 0..30 {
        if let Some(delivery) = receive(queue, 1, SECOND).await.pop() {
            return delivery;
        }
    }
    unreachable!("no message came")
}

/// Makes sure that nothing comes, until every time-out is over.
async fn nothing_comes(queue: &dyn Queue, visibility: Duration) {
    for _ in 0..=visibility.as_secs() + 1 {
        assert_eq!(receive(queue, 10, SECOND).await, []);
    }
}

async fn many_messages(queue: &dyn Queue, visibility: Duration) {
    let sent: BTreeSet<Message> = (0..25).map(|index| fetch(&format!("many-{index}"))).collect();
    queue.send(&sent.iter().cloned().collect::<Vec<_>>(), NOW).await.unwrap();
    let mut found = BTreeSet::new();
    let mut receipts = Vec::new();
    while found.len() < sent.len() {
        let taken = receive(queue, 10, SECOND).await;
        assert!(!taken.is_empty(), "{} of {} came", found.len(), sent.len());
        for delivery in taken {
            assert_eq!(delivery.attempt, 1);
            assert!(found.insert(delivery.message.unwrap()), "a message came twice");
            receipts.push(delivery.receipt);
        }
    }
    assert_eq!(found, sent);
    for receipt in receipts.iter().chain(&receipts) {
        queue.delete(receipt).await.unwrap();
    }
    nothing_comes(queue, visibility).await;
    queue.send(&[], NOW).await.unwrap();
}

async fn no_more_than_asked_for(queue: &dyn Queue) {
    queue.send(&["one", "two", "three"].map(fetch), NOW).await.unwrap();
    let mut left = 3;
    while left > 0 {
        let taken = receive(queue, 2, SECOND).await;
        assert!(taken.len() <= 2);
        for delivery in taken {
            queue.delete(&delivery.receipt).await.unwrap();
            left -= 1;
        }
    }
}

async fn delay(queue: &dyn Queue) {
    queue.send(&[fetch("later")], 2 * SECOND).await.unwrap();
    queue.send(&[fetch("now")], NOW).await.unwrap();
    let due = receive(queue, 10, NOW).await;
    assert_eq!(due.len(), 1, "only the one that is due");
    assert_eq!(due[0].message, Ok(fetch("now")));
    queue.delete(&due[0].receipt).await.unwrap();
    let later = next(queue).await;
    assert_eq!((later.message, later.attempt), (Ok(fetch("later")), 1));
    queue.delete(&later.receipt).await.unwrap();
}

/// Equal messages may be folded into one, never into none.
async fn equal_messages(queue: &dyn Queue, visibility: Duration) {
    for _ in 0..3 {
        queue.send(&[fetch("equal"), fetch("equal")], NOW).await.unwrap();
    }
    let mut came = 0;
    loop {
        let taken = receive(queue, 10, SECOND).await;
        if taken.is_empty() {
            break;
        }
        for delivery in taken {
            assert_eq!(delivery.message, Ok(fetch("equal")));
            queue.delete(&delivery.receipt).await.unwrap();
            came += 1;
        }
    }
    assert!((1..=6).contains(&came), "{came}");
    nothing_comes(queue, visibility).await;
}

async fn redelivery(queue: &dyn Queue) {
    queue.send(&[fetch("again")], NOW).await.unwrap();
    let first = next(queue).await;
    assert_eq!(receive(queue, 10, NOW).await, [], "it is invisible while somebody has it");
    let second = next(queue).await;
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert_eq!(second.message, Ok(fetch("again")));
    queue.delete(&second.receipt).await.unwrap();
    // Too late: the message was taken by somebody else since, who has finished it.
    queue.delete(&first.receipt).await.unwrap();
}

async fn dead_letters(queue: &dyn Queue, visibility: Duration) {
    queue.send(&[fetch("poison")], NOW).await.unwrap();
    for attempt in 1..=DELIVERIES {
        let delivery = next(queue).await;
        assert_eq!((delivery.message, delivery.attempt), (Ok(fetch("poison")), attempt));
    }
    nothing_comes(queue, visibility).await;
    assert_eq!(queue.dead().await.unwrap(), 1);
    queue.send(&[fetch("poison")], NOW).await.unwrap();
    let fresh = next(queue).await;
    assert_eq!(fresh.attempt, 1, "a new hint is not held against the old one");
    queue.delete(&fresh.receipt).await.unwrap();
}
