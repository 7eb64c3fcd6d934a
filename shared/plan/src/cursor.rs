//! Where reading a stream of Graph stands: one state for each situation, one function for each move.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A link that Graph gave us: opaque, followed unchanged, never shown (D2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(String);

impl Link {
    /// Keeps a link as Graph wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The link, for the request that follows it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

/// How a round reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything: who does not appear is missing.
    Full,
    /// What changed since the last round.
    Changes,
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "at")]
pub enum Cursor {
    /// Nothing is known: the next request starts a full round.
    Start,
    /// In the middle of a round.
    Reading(Round),
    /// Between two rounds.
    Resting {
        /// Where the next round starts; `None` where every round is a full one.
        delta: Option<Link>,
        /// When the link was given: Graph documents seven days of life.
        since: Timestamp,
    },
}

/// A round under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Full, or changes only.
    pub scope: Scope,
    /// The next page.
    pub next: Link,
    /// Pages read so far.
    pub pages: u64,
    /// Items that were new in this round.
    pub fresh: u64,
    /// Pages since the last that brought anything new (D7).
    pub stale_pages: u32,
    /// A link seen earlier, against which later ones are compared (D7).
    anchor: u64,
    /// Pages until the anchor moves on.
    anchor_moves_in: u64,
}

/// What a page led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// There are more pages.
    More,
    /// The round is complete (D6: the chain ended in a delta link or a last page).
    Complete(Scope),
    /// Pages repeat without end (D7).
    Endless,
}

/// Where a page says to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// `@odata.nextLink`.
    Page(Link),
    /// `@odata.deltaLink`, or nothing on the last page of a plain list.
    End(Option<Link>),
}

/// Pages without a new id after which a read is endless (D7).
const STALE_PAGES: u32 = 1_000;

impl Cursor {
    /// What the next request reads.
    pub fn scope(&self) -> Scope {
        match self {
            Cursor::Start | Cursor::Resting { delta: None, .. } => Scope::Full,
            Cursor::Resting { delta: Some(_), .. } => Scope::Changes,
            Cursor::Reading(round) => round.scope,
        }
    }

    /// The link to follow; `None` where a round starts from the stream's own address.
    pub fn link(&self) -> Option<&Link> {
        match self {
            Cursor::Start => None,
            Cursor::Resting { delta, .. } => delta.as_ref(),
            Cursor::Reading(round) => Some(&round.next),
        }
    }

    /// Moves behind a page that was read and merged. `fresh` counts its items that this round had
    /// not delivered before.
    pub fn advance(&mut self, next: Next, fresh: u64, now: Timestamp) -> Progress {
        let scope = self.scope();
        match next {
            Next::End(delta) => {
                *self = Cursor::Resting { delta, since: now };
                Progress::Complete(scope)
            }
            Next::Page(link) => self.go_on(link, fresh, scope),
        }
    }

    /// Brent's algorithm: the anchor jumps to the present link after 1, 2, 4 … pages, so that a loop
    /// of any length is met while one number is kept, however many pages there are.
    fn go_on(&mut self, link: Link, fresh: u64, scope: Scope) -> Progress {
        let seen = fingerprint(&link);
        if let Cursor::Reading(round) = self {
            round.pages += 1;
            round.fresh += fresh;
            round.stale_pages = if fresh == 0 { round.stale_pages + 1 } else { 0 };
            if round.anchor == seen || round.next == link || round.stale_pages >= STALE_PAGES {
                return Progress::Endless;
            }
            round.anchor_moves_in -= 1;
            if round.anchor_moves_in == 0 {
                round.anchor = seen;
                round.anchor_moves_in = round.pages + 1;
            }
            round.next = link;
        } else {
            let stale_pages = u32::from(fresh == 0);
            *self = Cursor::Reading(Round {
                scope,
                next: link,
                pages: 1,
                fresh,
                stale_pages,
                anchor: seen,
                anchor_moves_in: 1,
            });
        }
        Progress::More
    }
}

/// FNV-1a: links are compared with each other, never looked up, and the same on every machine.
fn fingerprint(link: &Link) -> u64 {
    link.0.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(n: usize) -> Next {
        Next::Page(Link::new(format!("https://graph.example/page/{n}")))
    }

    /// Pages read before the loop is noticed; `None` when it never is.
    fn noticed(mut links: impl FnMut(usize) -> usize, fresh: u64, most: usize) -> Option<usize> {
        let mut cursor = Cursor::Start;
        (0..most).find(|n| {
            cursor.advance(page(links(*n)), fresh, Timestamp::UNIX_EPOCH) == Progress::Endless
        })
    }

    #[test]
    fn loops_of_any_length_end_and_long_reads_do_not() {
        // D7: the loop's length, and a tail before it.
        for (tail, length) in [(0, 1), (0, 2), (5, 1), (5, 7), (100, 64), (3, 1000)] {
            let found =
                noticed(|n| if n < tail { n } else { tail + (n - tail) % length }, 1, 20_000);
            assert!(
                found.is_some_and(|n| n <= 4 * (tail + length) + 4),
                "{tail}+{length}: {found:?}"
            );
        }
        assert_eq!(noticed(|n| n, 1, 20_000), None, "an honest long read goes on");
        assert_eq!(noticed(|n| n, 0, 20_000), Some(999), "D7: a thousand pages without a new id");
    }

    #[test]
    fn a_delta_link_is_kept_only_when_its_round_is_complete() {
        let delta = Link::new("https://graph.example/delta/1");
        let now = Timestamp::UNIX_EPOCH;
        let mut cursor = Cursor::Start;
        assert_eq!(cursor.advance(page(1), 3, now), Progress::More);
        assert_eq!(cursor.scope(), Scope::Full);
        let end = cursor.advance(Next::End(Some(delta.clone())), 0, now);
        assert_eq!(end, Progress::Complete(Scope::Full));
        assert_eq!(cursor.link(), Some(&delta));
        assert_eq!(cursor.scope(), Scope::Changes);
    }

    #[test]
    fn links_are_not_printed() {
        assert_eq!(format!("{:?}", Link::new("https://graph.example/?token=abc")), "Link(…)");
    }
}
