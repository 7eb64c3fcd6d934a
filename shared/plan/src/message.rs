//! What travels on the queue: hints to look at something, never the thing itself (T1).

use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, PreviewId, RunId, Segment};

/// A hint. State is read again when one is handled, so losing, repeating or reordering hints changes
/// nothing in the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Read Graph for this connection, or go on reading.
    Fetch {
        /// Whose.
        connection: ConnectionId,
    },
    /// Bring the index of Halo's records up to date for a run that needs it (H4).
    Index {
        /// Whose run waits for it.
        connection: ConnectionId,
        /// Which run.
        run: RunId,
    },
    /// Bring Halo's software licences up to date with the ledger before people are decided (S1).
    Licences {
        /// Whose run waits for it.
        connection: ConnectionId,
        /// Which run.
        run: RunId,
    },
    /// Decide the dirty people of one segment: what would happen, before anything does.
    Decide {
        /// Whose.
        connection: ConnectionId,
        /// In which run.
        run: RunId,
        /// Which people.
        segment: Segment,
    },
    /// Write the dirty people of one segment to Halo.
    Apply {
        /// Whose.
        connection: ConnectionId,
        /// In which run.
        run: RunId,
        /// Which people.
        segment: Segment,
    },
    /// Write the change advisory boards on which people of the run sit (R3).
    Boards {
        /// Whose.
        connection: ConnectionId,
        /// In which run.
        run: RunId,
    },
    /// See whether the run is over, and close it.
    Finish {
        /// Whose.
        connection: ConnectionId,
        /// Which run.
        run: RunId,
    },
    /// Read when people last signed in, or go on reading; no run is about this (D8).
    SignIns {
        /// Whose.
        connection: ConnectionId,
    },
    /// Carry out what Halo asked for about licences, or go on (S2).
    Assign {
        /// Whose.
        connection: ConnectionId,
    },
    /// Look at everybody of one segment for a preview, or go on looking (I1).
    Preview {
        /// Whose.
        connection: ConnectionId,
        /// For which preview.
        preview: PreviewId,
        /// Which people.
        segment: Segment,
    },
}

impl Message {
    /// Whose hint it is: the FIFO group, and the span field of logs.
    pub fn connection(&self) -> &ConnectionId {
        match self {
            Message::Fetch { connection }
            | Message::Index { connection, .. }
            | Message::Licences { connection, .. }
            | Message::Decide { connection, .. }
            | Message::Apply { connection, .. }
            | Message::Boards { connection, .. }
            | Message::Finish { connection, .. }
            | Message::SignIns { connection }
            | Message::Assign { connection }
            | Message::Preview { connection, .. } => connection,
        }
    }

    /// The step's name in logs and metrics.
    pub fn step(&self) -> &'static str {
        match self {
            Message::Fetch { .. } => "fetch",
            Message::Index { .. } => "index",
            Message::Licences { .. } => "licences",
            Message::Decide { .. } => "decide",
            Message::Apply { .. } => "apply",
            Message::Boards { .. } => "boards",
            Message::Finish { .. } => "finish",
            Message::SignIns { .. } => "sign_ins",
            Message::Assign { .. } => "assign",
            Message::Preview { .. } => "preview",
        }
    }
}

/// The envelope on the wire: the version comes first, so that a newer worker can still read what an
/// older scheduler sent during a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "v")]
pub enum Envelope {
    /// The first version.
    #[serde(rename = "1")]
    V1(Message),
}
