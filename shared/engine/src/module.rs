//! The module switch (C11): the deployment's own in the environment, which is final, and one that an
//! administrator turns over the API, kept in the store. Off is off, whichever says so.
//!
//! Steps read the stored switch together with the record that each of them reads first, so that it
//! costs no operation of its own. A hint that meets a switch that is off is dropped: when it is on
//! again the timer finds whatever stands still.

use jiff::Timestamp;
use plan::ids::{ConnectionId, RunId};
use plan::schedule::Module;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::connections::Refusal;
use crate::store::connections::{Saved, State, unchanged};
use crate::store::runs::RunRecord;
use crate::store::{Commit, Record, StoreError, Versioned, decode, keys, put};

/// How the switch stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The deployment's own (`HALO_ENTRA_MODULE`).
    pub deployment: Module,
    /// What an administrator said last; `None` = nobody ever said anything.
    pub turned: Option<Turned>,
}

/// What an administrator said of the switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turned {
    /// On or off.
    pub state: Module,
    /// Who said it.
    pub by: String,
    /// When.
    pub since: Timestamp,
}

impl Switch {
    /// Whether anything may happen.
    pub fn state(&self) -> Module {
        let turned = self.turned.as_ref().map_or(Module::On, |turned| turned.state);
        if self.deployment == Module::On { turned } else { Module::Off }
    }
}

/// How often turning is tried again when somebody else turns it at the same time.
const TRIES: u32 = 5;

impl Engine {
    /// How the switch stands.
    pub async fn module(&self) -> Result<Switch, StoreError> {
        let turned = self.store.read::<Turned>(&keys::module()).await?;
        Ok(self.switch(turned.map(|turned| turned.value)))
    }

    /// Turns the switch; `who` is who does it. Safe to repeat: what stands so already is left alone,
    /// with who turned it and when. It cannot be turned on where the deployment's own is off.
    pub async fn turn_module(&self, who: &str, to: Module) -> Result<Switch, Refusal> {
        if to == Module::On && self.policy.module == Module::Off {
            return Err(Refusal::ModuleOff);
        }
        for _ in 0..TRIES {
            let found = self.store.read::<Turned>(&keys::module()).await?;
            let before = found.as_ref().map_or(Module::On, |found| found.value.state);
            if before == to {
                return Ok(self.switch(found.map(|found| found.value)));
            }
            let since = self.clock.now();
            let turned = Turned { state: to, by: who.to_owned(), since };
            let what = format!("module switched {}", to.name());
            // Both or neither: nothing is switched without saying who did it.
            let writes = [
                put(keys::module(), &turned, unchanged(found.as_ref()))?,
                self.deployment_audit_entry(who, &what)?,
            ];
            if self.store.commit(&writes).await? == Commit::Done {
                tracing::warn!(state = to.name(), "the module was switched");
                return Ok(self.switch(Some(turned)));
            }
        }
        Err(Refusal::Busy)
    }

    /// Refuses what must not begin while the integration is off.
    pub(crate) async fn module_is_on(&self) -> Result<(), Refusal> {
        match self.module().await?.state() {
            Module::On => Ok(()),
            Module::Off => Err(Refusal::ModuleOff),
        }
    }

    /// Document and state of a connection, in one read; `None` = there is none, or the integration is
    /// off and nothing may be done with it.
    pub(crate) async fn connection_at_work(
        &self,
        connection: &ConnectionId,
    ) -> Result<Option<(Versioned<Saved>, Versioned<State>)>, StoreError> {
        let wanted = [keys::document(connection), keys::state(connection), keys::module()];
        match self.store.get(&wanted).await?.as_slice() {
            [Some(document), Some(state), switch] if self.lets_work(switch.as_ref())? => {
                Ok(Some((decode(document)?, decode(state)?)))
            }
            _ => Ok(None),
        }
    }

    /// A run, in one read; `None` = there is none, or the integration is off and nothing may be done
    /// for it.
    pub(crate) async fn run_at_work(
        &self,
        connection: &ConnectionId,
        run: RunId,
    ) -> Result<Option<Versioned<RunRecord>>, StoreError> {
        let wanted = [keys::run(connection, run), keys::module()];
        match self.store.get(&wanted).await?.as_slice() {
            [Some(record), switch] if self.lets_work(switch.as_ref())? => Ok(Some(decode(record)?)),
            _ => Ok(None),
        }
    }

    fn lets_work(&self, stored: Option<&Record>) -> Result<bool, StoreError> {
        let turned = stored.map(decode::<Turned>).transpose()?;
        Ok(self.switch(turned.map(|turned| turned.value)).state() == Module::On)
    }

    fn switch(&self, turned: Option<Turned>) -> Switch {
        Switch { deployment: self.policy.module, turned }
    }
}
