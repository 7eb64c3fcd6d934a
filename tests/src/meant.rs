//! What a commit of the product is for, for whoever lies in wait for a certain one or spoils it.

use engine::store::people::Person;
use engine::store::{Key, Write};

/// What a commit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Facts of a page that was read, under the reader's lease.
    Facts,
    /// How far the reader is, under its lease.
    Cursor,
    /// That somebody is about to be made in Halo.
    Note,
    /// That a site is about to be made in Halo, or was.
    Site,
    /// What came of decisions, with their entries in the log.
    Outcome,
    /// Something else.
    Other,
}

impl Meant {
    /// What these writes are for.
    pub fn of(writes: &[Write]) -> Self {
        let any = |is: fn(&Write) -> bool| writes.iter().any(is);
        if any(|write| matches!(write, Write::Put { key, .. } if is_log(key))) {
            Meant::Outcome
        } else if any(|write| is_reader_lease(write.key())) {
            let cursor = any(|write| matches!(write, Write::Put { key, .. } if key.sk == "state"));
            if cursor { Meant::Cursor } else { Meant::Facts }
        } else if any(|write| write.key().pk.starts_with("halo#sites#")) {
            Meant::Site
        } else if any(notes) {
            Meant::Note
        } else {
            Meant::Other
        }
    }
}

/// Whether that is the lease of a connection's reader.
fn is_reader_lease(key: &Key) -> bool {
    key.sk == "lease" && key.pk.starts_with("c#")
}

/// Whether that is a person.
pub fn is_person(key: &Key) -> bool {
    key.pk.starts_with("c#") && key.pk.contains("#people#") && !key.pk.contains("#preview#")
}

/// Whether that is an entry of an inbound log.
pub fn is_log(key: &Key) -> bool {
    key.pk.starts_with("c#") && key.pk.ends_with("#log")
}

/// Whether it notes that somebody is about to be made.
fn notes(write: &Write) -> bool {
    let Write::Put { key, body, .. } = write else { return false };
    let person = is_person(key).then(|| serde_json::from_str::<Person>(body));
    let person = person.and_then(Result::ok);
    person.is_some_and(|person| person.link.intents.values().any(|intent| intent.creates))
}
