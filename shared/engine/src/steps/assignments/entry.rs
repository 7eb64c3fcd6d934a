//! What the inbound log says of an assignment that ended (S2, B1).

use jiff::Timestamp;
use plan::assignment::{self, Action, Assignment, Did, Request, Stands};
use plan::decide::{Decision, LicenceOutcome, LicencePart};
use plan::explain::Reason;
use plan::ids::RunId;
use plan::licences::Holder;
use plan::tally::Trigger;

use super::{Found, Job};
use crate::store::log::{Entry, HaloIds, OutcomeKind, PersonNames};

impl Job<'_> {
    /// The entry of the log. Its run is the one that brings the outcome to Halo; where none could be
    /// asked for, the assignment stands in for it.
    pub(super) fn entry(
        &self,
        one: &Assignment,
        found: &Found,
        holder: Option<&Holder>,
        run: Option<RunId>,
        started: Timestamp,
    ) -> Entry {
        let time = self.engine.clock.now();
        let part = told(one, holder);
        let (outcome, error) = match &one.stands {
            Stands::Refused { refusal, .. } => (OutcomeKind::Refused, Some(refusal.sentence())),
            Stands::Done { did: Did::Nothing, .. } => (OutcomeKind::Nothing, None),
            Stands::Done { did: Did::Changed, .. } | Stands::Accepted | Stands::Working => {
                (OutcomeKind::Done, None)
            }
        };
        let took = time.duration_since(started).as_millis().max(0);
        Entry {
            id: self.engine.random.sortable(time),
            time,
            connection: self.connection.clone(),
            run: run.unwrap_or(RunId(one.id.0)),
            trigger: Trigger::Halo,
            person: PersonNames::of(found.id, &found.person),
            changed: Vec::new(),
            decision: Decision { licence: Some(Box::new(part)), ..Decision::default() },
            halo: HaloIds { user: Some(one.request.user.id), agent: None },
            outcome,
            error,
            warning: None,
            attempts: one.calls.max(1),
            duration_ms: u64::try_from(took).unwrap_or(u64::MAX),
        }
    }
}

/// What the log says of an assignment that ended.
fn told(one: &Assignment, holder: Option<&Holder>) -> LicencePart {
    let Assignment { request, sku, product, .. } = one;
    let name = || product.clone();
    let (outcome, mut reasons) = match (&one.stands, request.action) {
        (Stands::Refused { refusal, .. }, _) => {
            let (product, refusal) = (name(), refusal.clone());
            (LicenceOutcome::Refused, vec![Reason::LicenceRefused { product, refusal }])
        }
        (Stands::Done { did: Did::Nothing, .. }, Action::Assign) => {
            (LicenceOutcome::Nothing, vec![Reason::LicenceHeldAlready { product: name() }])
        }
        (Stands::Done { did: Did::Nothing, .. }, Action::Remove) => {
            (LicenceOutcome::Nothing, vec![Reason::LicenceNotHeld { product: name() }])
        }
        (_, Action::Assign) => {
            (LicenceOutcome::Changed, vec![Reason::LicenceAssigned { product: name() }])
        }
        (_, Action::Remove) => {
            (LicenceOutcome::Changed, vec![Reason::LicenceRemoved { product: name() }])
        }
    };
    let groups = holder.map(|holder| assignment::groups(holder, *sku)).unwrap_or_default();
    if request.action == Action::Remove && outcome == LicenceOutcome::Changed && !groups.is_empty()
    {
        reasons.push(Reason::LicenceStaysByGroup { groups });
    }
    let Request { action, licence, .. } = *request;
    LicencePart { action, licence, sku: *sku, product: name(), outcome, reasons }
}
