//! What we give to a record and take back again: sets of numbers in one of its fields, of which only
//! what we gave ourselves is ever taken away (R4, S1).

use std::collections::BTreeSet;

use crate::link::{FieldChange, HaloValue, Target};

/// What the rules say that a record should hold of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wished {
    /// What it should hold; sorted, each once.
    pub(crate) all: Vec<i64>,
    /// What nobody can judge now: where we gave it, it stays.
    pub(crate) unsure: Vec<i64>,
}

/// What is ours of a set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ours<'a> {
    /// What we gave and know of.
    pub(crate) granted: &'a BTreeSet<i64>,
    /// What an interrupted write may have given: found in Halo, it is ours.
    pub(crate) meant: &'a BTreeSet<i64>,
}

/// What becomes of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What the record holds afterwards; `None` = it was never read and nothing is asked of it.
    pub(crate) after: Option<BTreeSet<i64>>,
    /// What is written, if anything.
    pub(crate) change: Option<FieldChange>,
    /// What is ours afterwards.
    pub(crate) granted: BTreeSet<i64>,
    /// What is given now.
    pub(crate) given: BTreeSet<i64>,
    /// What is taken back now.
    pub(crate) taken: BTreeSet<i64>,
}

impl Wished {
    /// Without repetitions, in order.
    pub(crate) fn sorted(mut self) -> Self {
        self.all.sort_unstable();
        self.all.dedup();
        self
    }

    fn keeps(&self, id: i64) -> bool {
        self.all.contains(&id) || self.unsure.contains(&id)
    }
}

/// Whether nothing can change for a record that holds `held`, which is most of them: all that is wished
/// is there, everything of ours is wished, and no interrupted write gave anything.
pub(crate) fn is_settled(wished: &Wished, held: Option<&BTreeSet<i64>>, ours: Ours<'_>) -> bool {
    let holds = |id: &i64| held.is_some_and(|held| held.contains(id));
    ours.meant.is_empty()
        && wished.all.iter().all(holds)
        && ours.granted.iter().all(|id| wished.keeps(*id))
}

/// What is given and taken, where the record holds `held` in `field`.
pub(crate) fn outcome(
    field: &Target,
    wished: &Wished,
    held: &BTreeSet<i64>,
    ours: Ours<'_>,
) -> Outcome {
    let wish: BTreeSet<i64> = wished.all.iter().copied().collect();
    let mine: BTreeSet<i64> = ours.granted.union(ours.meant).copied().collect();
    let mine: BTreeSet<i64> = mine.intersection(held).copied().collect();
    let taken: BTreeSet<i64> = mine.iter().copied().filter(|id| !wished.keeps(*id)).collect();
    let given: BTreeSet<i64> = wish.difference(held).copied().collect();
    let after: BTreeSet<i64> =
        held.union(&given).filter(|id| !taken.contains(id)).copied().collect();
    let change = (after != *held).then(|| FieldChange {
        field: field.clone(),
        before: Some(HaloValue::Ids(held.clone())),
        after: HaloValue::Ids(after.clone()),
    });
    let granted = mine.difference(&taken).chain(&given).copied().collect();
    Outcome { after: Some(after), change, granted, given, taken }
}

/// The set of a record that is made now: all of it is ours.
pub(crate) fn of_new(field: &Target, wished: &Wished) -> Outcome {
    let given: BTreeSet<i64> = wished.all.iter().copied().collect();
    let change = (!given.is_empty()).then(|| FieldChange {
        field: field.clone(),
        before: None,
        after: HaloValue::Ids(given.clone()),
    });
    Outcome {
        after: Some(given.clone()),
        change,
        granted: given.clone(),
        given,
        taken: BTreeSet::new(),
    }
}
