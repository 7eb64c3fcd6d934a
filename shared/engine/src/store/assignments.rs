//! What Halo asked for about licences, in the store: taken in once, carried out in order, kept for as
//! long as the inbound log (S2).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use plan::assignment::{Action, Assignment, Request};
use plan::ids::{AssignmentId, ConnectionId, SkuId};
use serde::{Deserialize, Serialize};

use super::{
    Commit, Expect, Order, Range, Store, StoreError, Versioned, Write, decode, keys, put, put_until,
};

/// Assignments of one connection that may be open.
pub const MOST_OPEN: usize = 1_000;

/// The mark of an assignment that is still to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// When something was last done for it, or until when it waits on purpose; the timer sends the hint
    /// again for one that stands still (T1).
    pub touched: Timestamp,
    /// Whether a service failed for it, so that those behind it wait as well.
    #[serde(default)]
    pub holds_up: bool,
    /// The SKU of which it takes a seat, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<SkuId>,
}

impl Open {
    fn of(assignment: &Assignment, now: Timestamp) -> Self {
        let takes = match assignment.request.action {
            Action::Assign => Some(assignment.sku),
            Action::Remove => None,
        };
        let touched = now.max(assignment.due);
        Self { touched, holds_up: assignment.failures > 0, takes }
    }
}

/// What is kept of a request, so that it is done once however often it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    connection: ConnectionId,
    assignment: AssignmentId,
    request: Request,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It was taken in, now or when it was sent before.
    As(Box<Assignment>),
    /// It was sent before with another content.
    Reused,
    /// Too many are open.
    TooMany,
}

/// Whether a request was sent before.
enum Before {
    Accepted(Accepted),
    /// It was not, and this is how its name may be written down.
    Never(Expect),
}

impl Store {
    /// Takes in an assignment that was asked for under the name `asked`, which no other request has.
    /// Safe to repeat: asked for again, the one that was taken in first is the answer.
    pub async fn accept(
        &self,
        asked: &str,
        assignment: Assignment,
        kept: SignedDuration,
    ) -> Result<Accepted, StoreError> {
        loop {
            let expect = match self.asked(asked, &assignment.request).await? {
                Before::Accepted(found) => return Ok(found),
                Before::Never(expect) => expect,
            };
            let Assignment { id, connection, request, asked: at, .. } = &assignment;
            if self.open_assignments(connection, None, MOST_OPEN).await?.0.len() >= MOST_OPEN {
                return Ok(Accepted::TooMany);
            }
            let expires = at.saturating_add(kept).ok();
            let first =
                Asked { connection: connection.clone(), assignment: *id, request: *request };
            let (own, open) = (keys::assignment(connection, *id), keys::assigning(connection, *id));
            let writes = [
                put_until(keys::asked(asked), &first, expect, expires)?,
                put_until(keys::assignment_pointer(*id), connection, Expect::Absent, expires)?,
                put_until(own, &assignment, Expect::Absent, expires)?,
                put(open, &Open::of(&assignment, *at), Expect::Absent)?,
            ];
            if self.commit(&writes).await? == Commit::Done {
                return Ok(Accepted::As(assignment.into()));
            }
        }
    }

    /// What became of a request that was sent before; `None` = it was not.
    pub async fn accepted(
        &self,
        asked: &str,
        request: &Request,
    ) -> Result<Option<Accepted>, StoreError> {
        match self.asked(asked, request).await? {
            Before::Accepted(found) => Ok(Some(found)),
            Before::Never(_) => Ok(None),
        }
    }

    async fn asked(&self, asked: &str, request: &Request) -> Result<Before, StoreError> {
        let Some(found) = self.read::<Asked>(&keys::asked(asked)).await? else {
            return Ok(Before::Never(Expect::Absent));
        };
        if found.value.request != *request {
            return Ok(Before::Accepted(Accepted::Reused));
        }
        let Asked { connection, assignment, .. } = &found.value;
        let taken_in = self.assignment(connection, *assignment).await?;
        Ok(match taken_in {
            Some(taken_in) => Before::Accepted(Accepted::As(taken_in.value.into())),
            // It went with its connection.
            None => Before::Never(found.unchanged()),
        })
    }

    /// An assignment of a connection.
    pub async fn assignment(
        &self,
        connection: &ConnectionId,
        id: AssignmentId,
    ) -> Result<Option<Versioned<Assignment>>, StoreError> {
        self.read(&keys::assignment(connection, id)).await
    }

    /// An assignment, whosever it is.
    pub async fn any_assignment(&self, id: AssignmentId) -> Result<Option<Assignment>, StoreError> {
        let owner = self.read::<ConnectionId>(&keys::assignment_pointer(id)).await?;
        let Some(owner) = owner else { return Ok(None) };
        Ok(self.assignment(&owner.value, id).await?.map(|found| found.value))
    }

    /// Assignments of a connection, newest first, and where to go on.
    pub async fn assignments(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<Assignment>, Option<String>), StoreError> {
        let (after, order) = (after, Order::Descending);
        let range = Range { after, order, ..Range::of(keys::assignments_of(connection), limit) };
        let page = self.query(&range).await?;
        let all = page.records.iter().map(|record| Ok(decode(record)?.value));
        Ok((all.collect::<Result<_, StoreError>>()?, page.next))
    }

    /// Seats that Halo asked for and that are not given yet, by SKU.
    pub async fn seats_in_flight(
        &self,
        connection: &ConnectionId,
    ) -> Result<BTreeMap<SkuId, u64>, StoreError> {
        let (open, _) = self.open_assignments(connection, None, MOST_OPEN).await?;
        let mut seats = BTreeMap::new();
        for sku in open.into_iter().filter_map(|(_, open)| open.takes) {
            *seats.entry(sku).or_default() += 1;
        }
        Ok(seats)
    }

    /// Assignments of a connection that are still to be carried out, oldest first.
    pub async fn open_assignments(
        &self,
        connection: &ConnectionId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(AssignmentId, Open)>, Option<String>), StoreError> {
        let range = Range { after, ..Range::of(keys::assigning_of(connection), limit) };
        let page = self.query(&range).await?;
        let all = page
            .records
            .iter()
            .filter_map(|record| Some((record.key.sk.parse().ok()?, record)))
            .map(|(id, record)| Ok((id, decode(record)?.value)));
        Ok((all.collect::<Result<_, StoreError>>()?, page.next))
    }
}

/// The writes that store an assignment as it is now, with its mark: as long as it is open.
pub fn writes(
    assignment: &Versioned<Assignment>,
    kept: SignedDuration,
    now: Timestamp,
) -> Result<Vec<Write>, StoreError> {
    let Assignment { id, connection, asked, stands, .. } = &assignment.value;
    let (own, mark) = (keys::assignment(connection, *id), keys::assigning(connection, *id));
    let expires = asked.max(&now).saturating_add(kept).ok();
    Ok(vec![
        put_until(own, &assignment.value, assignment.unchanged(), expires)?,
        match stands.ended() {
            None => put(mark, &Open::of(&assignment.value, now), Expect::Anything)?,
            Some(_) => Write::Delete { key: mark, expect: Expect::Anything },
        },
    ])
}
