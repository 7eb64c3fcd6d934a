//! Carrying out a preview's plan: whoever moved since it was made is left alone (I2).

use plan::decide::{Action, Decision};
use plan::ids::{ObjectId, PerKind, RecordKind};
use plan::link::{Fields, Link};
use plan::preview::{Found, Moved, Planned, moved, to_read};

use super::Trouble;
use super::apply::Worker;
use super::lookup::Batch;

impl Worker<'_> {
    /// Compares what would be written to a person with what the preview showed. Empty = nothing else
    /// would be, or no plan is carried out.
    ///
    /// A linked record is read first, one request for each that is changed: this is how a change that
    /// somebody else made in Halo is noticed.
    pub(super) async fn compare(
        &self,
        batch: &Batch,
        id: ObjectId,
        decision: &Decision,
    ) -> Result<Vec<Moved>, Trouble> {
        let Some(planned) = self.planned.get(&id).filter(|_| self.picked.is_plan()) else {
            return Ok(Vec::new());
        };
        let Some(person) = batch.people.get(&id) else { return Ok(Vec::new()) };
        let link: &Link = batch.written.get(&id).unwrap_or(&person.value.link);
        let site = self.sites.get(&id).map(String::as_str);
        let mut in_halo: PerKind<Option<Fields>> = PerKind::default();
        // Nothing is asked about somebody who moved in Entra.
        let differs = moved(planned, &Found { decision, link, in_halo: &in_halo, site });
        if differs.iter().any(|moved| !matches!(moved, Moved::InHalo { .. })) {
            return Ok(differs);
        }
        for kind in RecordKind::ALL {
            match self.read_now(planned, decision, kind).await? {
                Read::Unasked => {}
                Read::Gone(moved) => return Ok(vec![moved]),
                Read::Holds(fields) => *in_halo.of_mut(kind) = Some(fields),
            }
        }
        Ok(moved(planned, &Found { decision, link, in_halo: &in_halo, site }))
    }

    async fn read_now(
        &self,
        planned: &Planned,
        decision: &Decision,
        kind: RecordKind,
    ) -> Result<Read, Trouble> {
        let Some(part) = decision.of(kind) else { return Ok(Read::Unasked) };
        let (Action::Write(write), Some(targets)) = (&part.action, to_read(planned, part, kind))
        else {
            return Ok(Read::Unasked);
        };
        Ok(match self.halo.record(write.record, &targets).await? {
            Some(record) => Read::Holds(record.fields),
            None => Read::Gone(Moved::Gone { record: write.record }),
        })
    }

    /// Whether this run refused the person before. Refused people stay dirty, so that a worker that
    /// goes on after a kill meets them again.
    pub(super) fn was_refused(&self, batch: &Batch, id: ObjectId) -> bool {
        let person = batch.people.get(&id).map(|person| &person.value);
        person.is_some_and(|person| person.refused == Some(self.held.run))
    }
}

/// What a record holds at this moment.
enum Read {
    /// Halo need not be asked.
    Unasked,
    /// These fields.
    Holds(Fields),
    /// There is none.
    Gone(Moved),
}
