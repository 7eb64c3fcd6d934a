//! Page and delta tokens: random text to the caller, a position in the model to us.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::delta::Round;
use super::faults::Faults;
use super::lists::ListPage;

/// A delta token works for 7 days (Microsoft Graph documentation, delta query overview).
const DELTA_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A page token works for an hour (Microsoft REST API guidelines, change tracking).
const PAGE_LIFE: SignedDuration = SignedDuration::from_hours(1);

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LETTERS_PLUS_SLASH: &[u8] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/";

/// What a token stands for.
#[derive(Clone)]
pub(super) enum Cursor {
    /// The next page of a delta round.
    Page(Round),
    /// The state a later round starts from.
    Delta(Round),
    /// The next page of a list.
    List(ListPage),
}

#[derive(Clone)]
struct Issued {
    cursor: Cursor,
    at: Timestamp,
    expired: bool,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenError {
    /// Never issued, or changed on its way.
    Unknown,
    Expired,
}

#[derive(Clone, Default)]
pub(super) struct Tokens(HashMap<String, Issued>);

impl Tokens {
    pub(super) fn issue(
        &mut self,
        cursor: Cursor,
        now: Timestamp,
        faults: &Faults,
        rng: &mut fastrand::Rng,
    ) -> String {
        let letters = if faults.plus_and_slash_tokens { LETTERS_PLUS_SLASH } else { LETTERS };
        // The first characters make sure that each kind of token has what it is known for.
        let start = if faults.plus_and_slash_tokens { "o-_+/" } else { "o-_" };
        let rest = (0..115).map(|_| char::from(letters[rng.usize(..letters.len())]));
        let token: String = start.chars().chain(rest).collect();
        self.0.insert(token.clone(), Issued { cursor, at: now, expired: false });
        token
    }

    pub(super) fn open(&self, token: &str, now: Timestamp) -> Result<Cursor, TokenError> {
        let issued = self.0.get(token).ok_or(TokenError::Unknown)?;
        let life = match issued.cursor {
            Cursor::Delta(_) => DELTA_LIFE,
            Cursor::Page(_) | Cursor::List(_) => PAGE_LIFE,
        };
        if issued.expired || now.duration_since(issued.at) > life {
            return Err(TokenError::Expired);
        }
        Ok(issued.cursor.clone())
    }

    /// The round that ended with a delta token, however old it is.
    pub(super) fn round_of(&self, token: &str) -> Option<&Round> {
        match &self.0.get(token)?.cursor {
            Cursor::Delta(round) => Some(round),
            Cursor::Page(_) | Cursor::List(_) => None,
        }
    }

    pub(super) fn expire_delta(&mut self) {
        self.expire(|cursor| matches!(cursor, Cursor::Delta(_)));
    }

    pub(super) fn expire_pages(&mut self) {
        self.expire(|cursor| !matches!(cursor, Cursor::Delta(_)));
    }

    fn expire(&mut self, which: impl Fn(&Cursor) -> bool) {
        #[expect(clippy::iter_over_hash_type, reason = "each entry is treated alike")]
        for issued in self.0.values_mut() {
            issued.expired |= which(&issued.cursor);
        }
    }
}
