//! Exports of the inbound log as NDJSON and CSV (B4), in portions: an answer behind API Gateway has 6 MB
//! and 30 seconds. The portions of one export, one behind the other, are the whole of it.

use jiff::SignedDuration;
use serde_json::Value;
use uuid::Uuid;

use super::{Query, Sight, TooWide};
use crate::Engine;
use crate::clock::Deadline;
use crate::store::StoreError;
use crate::store::log::Entry;

/// Bytes of a portion, up to the entry that goes beyond: half of what is allowed, for the encoding.
const BYTES: usize = 3 * 1024 * 1024;
/// Entries of a portion, up to the page of the log that goes beyond.
const ENTRIES: usize = 2_000;
/// How long a portion is read.
const TIME: SignedDuration = SignedDuration::from_secs(10);
/// Entries read together.
const PAGE: usize = 200;

/// Columns of the CSV; later versions may add some at the end.
pub const COLUMNS: [&str; 21] = [
    "time",
    "connection",
    "run",
    "trigger",
    "person_id",
    "user_principal_name",
    "display_name",
    "decision",
    "outcome",
    "mapping",
    "halo_user",
    "halo_agent",
    "changed",
    "changes",
    "reasons",
    "candidates",
    "error",
    "warning",
    "attempts",
    "duration_ms",
    "id",
];

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object in a line, each as the log shows it.
    Ndjson,
    /// One row for each entry, with the columns [`COLUMNS`].
    Csv,
}

/// A part of an export.
#[derive(Clone, Debug, Default)]
pub struct Portion {
    /// Lines or rows.
    pub text: Vec<u8>,
    /// How many entries they are.
    pub entries: usize,
    /// Behind which entry the next portion goes on; `None` at the end.
    pub next: Option<Uuid>,
}

impl Engine {
    /// A portion of what a query asks for; its limit does not count. Values are masked as `sight` says.
    pub async fn export(
        &self,
        query: &Query,
        format: Format,
        sight: Sight,
    ) -> Result<Result<Portion, TooWide>, StoreError> {
        let deadline = Deadline(self.clock.now().saturating_add(TIME).unwrap_or_default());
        let mut query = Query { limit: PAGE, ..query.clone() };
        let mut portion = Portion::default();
        if format == Format::Csv && query.after.is_none() {
            row(&COLUMNS.map(str::to_owned), &mut portion.text)?;
        }
        loop {
            let page = match self.inbound(&query).await? {
                Ok(page) => page,
                Err(too_wide) => return Ok(Err(too_wide)),
            };
            for entry in &page.entries {
                let length = portion.text.len();
                write(entry, format, sight, &mut portion.text)?;
                if portion.text.len() > BYTES && portion.entries > 0 {
                    portion.text.truncate(length);
                    portion.next = query.after;
                    return Ok(Ok(portion));
                }
                portion.entries += 1;
                query.after = Some(entry.id);
            }
            let is_full = portion.entries >= ENTRIES
                || deadline.is_near(self.clock.as_ref(), SignedDuration::ZERO);
            match page.next {
                Some(next) if !is_full => query.after = Some(next),
                next => {
                    portion.next = next;
                    return Ok(Ok(portion));
                }
            }
        }
    }
}

fn write(
    entry: &Entry,
    format: Format,
    sight: Sight,
    text: &mut Vec<u8>,
) -> Result<(), StoreError> {
    let shown = serde_json::to_value(entry.shown(sight)).map_err(|error| failed(&error))?;
    match format {
        Format::Ndjson => {
            serde_json::to_writer(&mut *text, &shown).map_err(|error| failed(&error))?;
            text.push(b'\n');
            Ok(())
        }
        Format::Csv => row(&cells(&shown), text),
    }
}

/// An entry in the order of the columns. Lists become sentences; the JSON has them in full.
fn cells(entry: &Value) -> [String; 21] {
    let at = |path: &str| plain(entry.pointer(path).unwrap_or(&Value::Null));
    COLUMNS.map(|column| match column {
        "person_id" => at("/person/id"),
        "user_principal_name" => at("/person/user_principal_name"),
        "display_name" => at("/person/display_name"),
        "halo_user" => at("/halo/user"),
        "halo_agent" => at("/halo/agent"),
        "changed" => each(entry, "changed", ", ", plain),
        "changes" => each(entry, "changes", "; ", change),
        "reasons" => each(entry, "reasons", " ", |reason| plain(&reason["sentence"])),
        "candidates" => each(entry, "candidates", ", ", candidate),
        other => at(&format!("/{other}")),
    })
}

fn each(entry: &Value, list: &str, between: &str, shown: impl Fn(&Value) -> String) -> String {
    let all = entry[list].as_array().into_iter().flatten();
    all.map(shown).collect::<Vec<_>>().join(between)
}

fn candidate(candidate: &Value) -> String {
    if candidate.is_object() {
        return format!("{} {}", plain(&candidate["kind"]), plain(&candidate["id"]));
    }
    plain(candidate)
}

fn change(change: &Value) -> String {
    let field = match change["record"].as_str() {
        Some("agent") => format!("agent's {}", plain(&change["field"])),
        _ => plain(&change["field"]),
    };
    format!("{field}: {} → {}", plain(&change["before"]), plain(&change["after"]))
}

/// A value without quotes; nothing is empty.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

fn row(cells: &[String; 21], text: &mut Vec<u8>) -> Result<(), StoreError> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(text);
    writer.write_record(cells.iter().map(|cell| defused(cell))).map_err(|error| failed(&error))?;
    writer.flush().map_err(|error| failed(&error))
}

/// A cell that no program for spreadsheets takes for a formula.
fn defused(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        return format!("'{cell}");
    }
    cell.to_owned()
}

fn failed(error: &dyn std::fmt::Display) -> StoreError {
    StoreError { operation: "write an export", detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_text_for_spreadsheets_and_never_formulas() {
        // B4
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+44 20", "'+44 20"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("plain = text", "plain = text"),
            ("", ""),
        ] {
            assert_eq!(defused(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn an_entry_is_one_row() {
        // B4
        let entry = json!({
            "time": "2026-11-02T08:00:00Z", "connection": "contoso", "decision": "conflict",
            "person": { "display_name": "=Ada", "user_principal_name": "ada@x.example" },
            "halo": { "user": 7 }, "changed": ["mail", "manager"], "attempts": 1,
            "candidates": [{ "kind": "user", "id": 1049 }],
            "reasons": [{ "sentence": "One." }, { "sentence": "Two, \"quoted\"." }],
            "changes": [
                { "record": "user", "field": "title", "before": "Clerk", "after": "" },
                { "record": "agent", "field": "roles", "before": null, "after": [3, 4] },
            ],
        });
        let mut text = Vec::new();
        row(&cells(&entry), &mut text).unwrap();
        let expected = "2026-11-02T08:00:00Z,contoso,,,,ada@x.example,'=Ada,conflict,,,7,,\
            \"mail, manager\",\"title: Clerk → ; agent's roles:  → 3, 4\",\
            \"One. Two, \"\"quoted\"\".\",user 1049,,,1,,\r\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
