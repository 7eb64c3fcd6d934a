//! `schema`: prints the JSON Schema of connection documents, for editors.

use crate::Ended;
use crate::screen::say_json;

/// Prints the schema.
pub(crate) fn run() -> anyhow::Result<Ended> {
    say_json(&plan::document::schema())?;
    Ok(Ended::Done)
}
