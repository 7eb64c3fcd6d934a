//! Seats on change advisory boards: who joins and leaves, and what a board's record becomes (R3, R4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::explain::Reason;
use crate::fields::View;
use crate::ids::{CabId, CabRoleId, RecordId, RecordKind};
use crate::link::{Seat, SeatState};
use crate::placement::counting;
use crate::rules::Rules;

/// Something that happens to a person's seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeatChange {
    /// On which board.
    pub cab: CabId,
    /// What happens.
    #[serde(flatten)]
    pub to: SeatMove,
}

/// What happens to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "seat")]
pub enum SeatMove {
    /// It is taken, or its role changes.
    Join {
        /// Which record sits there: the user where there is one, else the agent.
        kind: RecordKind,
        /// In which role.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<CabRoleId>,
    },
    /// It is given back.
    Leave,
}

/// What the rules say of one board.
enum Wish {
    Sits {
        role: Option<CabRoleId>,
        keep: bool,
    },
    /// Not by any row whose group is known; `keep` = some row is kept in step.
    Stands {
        keep: bool,
    },
    /// Nobody can say.
    Unknown,
}

/// What happens to a person's seats. `sits` = the record that takes them; `None` = the person is
/// nobody in Halo. `is_new` = that record is made now.
pub(crate) fn changes(
    rules: &Rules<'_>,
    view: &View<'_>,
    seats: &BTreeMap<CabId, Seat>,
    sits: Option<RecordKind>,
    is_new: bool,
    reasons: &mut Vec<Reason>,
) -> Vec<SeatChange> {
    let Some(kind) = sits else { return Vec::new() };
    if rules.boards.is_empty() {
        return Vec::new();
    }
    let mut wishes: BTreeMap<CabId, Wish> = BTreeMap::new();
    for board in &rules.boards {
        let keep = board.keep;
        let wish = match board.group.has(counting(view.facts)) {
            Ok(true) => Wish::Sits { role: board.role, keep },
            Ok(false) => Wish::Stands { keep },
            Err(why) => {
                let group = board.group.label.clone();
                reasons.push(Reason::GroupUnknown { group, why });
                Wish::Unknown
            }
        };
        let wish = match (wishes.remove(&board.cab), wish) {
            // The first row that seats the person decides about the role.
            (Some(Wish::Sits { role, keep: one }), Wish::Sits { keep: other, .. }) => {
                Wish::Sits { role, keep: one || other }
            }
            (Some(first @ Wish::Sits { .. }), _) => first,
            (None, wish) | (Some(_), wish @ Wish::Sits { .. }) => wish,
            (Some(Wish::Unknown), _) | (_, Wish::Unknown) => Wish::Unknown,
            (Some(Wish::Stands { keep: one }), Wish::Stands { keep: other }) => {
                Wish::Stands { keep: one || other }
            }
        };
        wishes.insert(board.cab, wish);
    }
    let changes: Vec<SeatChange> = wishes
        .into_iter()
        .filter_map(|(cab, wish)| {
            Some(SeatChange { cab, to: change(&wish, seats.get(&cab), kind, is_new)? })
        })
        .collect();
    reasons.extend(changes.iter().map(|change| match change.to {
        SeatMove::Join { role, .. } => Reason::JoinsBoard { cab: change.cab, role },
        SeatMove::Leave => Reason::LeavesBoard { cab: change.cab },
    }));
    changes
}

fn change(wish: &Wish, seat: Option<&Seat>, kind: RecordKind, is_new: bool) -> Option<SeatMove> {
    match (wish, seat) {
        (Wish::Sits { role, keep }, None) => {
            (is_new || *keep).then_some(SeatMove::Join { kind, role: *role })
        }
        (Wish::Sits { role, keep }, Some(seat)) => match seat.state {
            SeatState::Leaving => Some(SeatMove::Join { kind, role: *role }),
            // What others arranged stays as they did.
            SeatState::Others => None,
            // Nothing follows later where the row says nothing of keeping.
            SeatState::Ours if !is_new && !keep => None,
            SeatState::Joining | SeatState::JoiningOurs | SeatState::Ours => {
                (seat.role != *role).then_some(SeatMove::Join { kind, role: *role })
            }
        },
        (Wish::Stands { keep }, Some(seat)) if *keep => match seat.state {
            SeatState::Joining | SeatState::JoiningOurs | SeatState::Ours => Some(SeatMove::Leave),
            SeatState::Others | SeatState::Leaving => None,
        },
        (Wish::Stands { .. } | Wish::Unknown, _) => None,
    }
}

impl Seat {
    /// The seat after a change that was decided; `None` = nothing is to be done any more.
    pub fn moved(before: Option<&Seat>, change: &SeatMove, record: RecordId) -> Option<Seat> {
        match change {
            // One that was never looked at may be somebody else's doing: it is only forgotten.
            SeatMove::Leave => before
                .filter(|seat| seat.state != SeatState::Joining)
                .map(|seat| Seat { state: SeatState::Leaving, ..*seat }),
            SeatMove::Join { role, .. } => {
                // One that is ours stays ours while only its role changes.
                let state = match before.map(|seat| seat.state) {
                    Some(SeatState::Ours | SeatState::JoiningOurs | SeatState::Leaving) => {
                        SeatState::JoiningOurs
                    }
                    Some(SeatState::Joining | SeatState::Others) | None => SeatState::Joining,
                };
                Some(Seat { record, role: *role, state })
            }
        }
    }

    /// The seat once the board was looked at, before it is written: somebody who sits there already
    /// was put there by others.
    #[must_use]
    pub fn looked(self, is_there: bool) -> Self {
        let state = match (self.state, is_there) {
            (SeatState::Joining, true) => SeatState::Others,
            (SeatState::Joining, false) => SeatState::JoiningOurs,
            (state, _) => state,
        };
        Seat { state, ..self }
    }

    /// The seat once the board is written; `None` = given back.
    pub fn written(self) -> Option<Seat> {
        match self.state {
            SeatState::JoiningOurs | SeatState::Joining | SeatState::Ours => {
                Some(Seat { state: SeatState::Ours, ..self })
            }
            SeatState::Others => Some(self),
            SeatState::Leaving => None,
        }
    }
}
