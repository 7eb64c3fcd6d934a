//! Opaque cursors of lists: a position, and a mark of the query that it belongs to.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::problem::{Problem, ProblemType};

/// Writes a cursor for going on behind `position` with the same `query`.
pub fn write(position: &str, query: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{:016x}{position}", fnv(query.as_bytes())))
}

/// The position in a cursor. One of another query is refused: it would skip or repeat entries.
pub fn read(cursor: &str, query: &str) -> Result<String, Problem> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let own = text.and_then(|text| {
        let position = text.strip_prefix(&format!("{:016x}", fnv(query.as_bytes())))?;
        (!position.is_empty() && position.len() <= 512).then(|| position.to_owned())
    });
    own.ok_or_else(|| {
        let detail = "Give the cursor of an answer to the same query, unchanged, or none to begin at the start.";
        Problem::of(ProblemType::InvalidCursor, detail)
    })
}

/// FNV-1a: the same on every machine and in every version.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_query_only() {
        // B2
        let cursor = write("position", "outcome=failed");
        assert_eq!(read(&cursor, "outcome=failed").ok().as_deref(), Some("position"));
        for (cursor, query) in
            [(cursor.as_str(), "outcome=done"), ("", ""), ("%%", ""), ("AAAA", "")]
        {
            assert!(read(cursor, query).is_err(), "{cursor} {query}");
        }
    }
}
