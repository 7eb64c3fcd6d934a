//! Single sign-on (O1–O4): who may sign in here with Microsoft, and what they may do then. What a person
//! on whose behalf a connection reads does at Microsoft is another thing, and so are the last sign-ins
//! that Entra tells of (`sign_ins`).
//!
//! | file | does |
//! |---|---|
//! | `settings` | the settings from JSON, with every mistake (O1, O2) |
//! | `token` | who an ID token says has signed in |
//! | `person` | what that person may do here |
//! | `session` | how long a session lasts, and where a sign-in leads |
//! | `tries` | how many sign-ins are taken in a minute |
//! | `refusal` | every way of not being let in: which rule, what happened, what to do |

mod person;
mod refusal;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod tries;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::Cloud;
use crate::ids::{AppId, ConnectionId, ObjectId, TenantId};

pub use person::{AgentNow, Known, Standing, agent_role, standing};
pub use refusal::{Refusal, TokenFault, Unfit};
pub use session::{Review, SIGN_IN_TAKES, Times, landing, review};
pub use settings::parse;
pub use token::{Expected, Identity, authority, identify, in_tenant, issuer_of};
pub use tries::{Tries, Try};

/// How people sign in here: one sign-in connection for the deployment (O1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Its name, on the button of our sign-in page.
    pub name: String,
    /// Whose people; `None` = nobody said yet.
    pub tenant: Option<Tenants>,
    /// The application that people sign in to; `None` = nobody said yet.
    pub client_id: Option<AppId>,
    /// Which login service.
    pub cloud: Cloud,
    /// Whether anybody can sign in with it (O2).
    pub published: bool,
    /// Who.
    pub allow: Allow,
    /// Whether everybody is sent to Microsoft without seeing our page.
    pub auto_redirect: bool,
    /// Numbers of the roles in Halo that make an agent an administrator here (O3). Without any, Halo's
    /// own word counts: an agent whom it calls an administrator is one.
    pub administrator_roles: BTreeSet<i64>,
    /// Clients in Halo whose people are sent to Microsoft even if others are not.
    pub force_sso: BTreeSet<i64>,
}

/// Whose people may sign in (O1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Tenants {
    /// Those of one tenant.
    Single {
        /// Which.
        id: TenantId,
    },
    /// Those of several, and of no others.
    Multi {
        /// Which; never empty.
        allowed: BTreeSet<TenantId>,
    },
}

/// The application that people sign in to, where the settings say all that is needed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application<'a> {
    /// Whose people.
    pub tenants: &'a Tenants,
    /// Its id.
    pub client_id: AppId,
    /// Which login service.
    pub cloud: &'a Cloud,
}

impl Settings {
    /// The application, whether or not it is published.
    pub fn application(&self) -> Option<Application<'_>> {
        let (tenants, client_id) = (self.tenant.as_ref()?, self.client_id?);
        Some(Application { tenants, client_id, cloud: &self.cloud })
    }

    /// Whether a session of somebody of this tenant may go on.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn let_in(&self, tenant: TenantId) -> Result<(), Refusal> {
        let application = self.application().filter(|_| self.published);
        match application {
            None => Err(Refusal::NotPublished),
            Some(it) if it.tenants.let_in(tenant) => Ok(()),
            Some(_) => Err(Refusal::Person(Unfit::OtherTenant)),
        }
    }

    /// Whether whoever comes by a link for people of this client is sent to Microsoft at once (O2). Our
    /// page knows nobody before they signed in, so a link is what says whose people come by it.
    pub fn sends_at_once(&self, client: Option<i64>) -> bool {
        self.auto_redirect || client.is_some_and(|client| self.force_sso.contains(&client))
    }
}

/// Who may sign in (O2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Allow {
    /// People who are agents in Halo.
    Agents,
    /// People who are users in Halo.
    Users,
    /// Both.
    Both,
}

impl Default for Settings {
    /// The sign-in connection that exists before anybody entered one; nobody can use it (O1).
    fn default() -> Self {
        Self {
            name: "Microsoft".to_owned(),
            tenant: None,
            client_id: None,
            cloud: Cloud::Global,
            published: false,
            allow: Allow::Both,
            auto_redirect: false,
            administrator_roles: BTreeSet::new(),
            force_sso: BTreeSet::new(),
        }
    }
}

/// What somebody may do here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Administrator,
    /// Looking at logs, runs and connections; the values of personal fields are masked (B4).
    Reader,
    /// Looking at what is known and logged of themselves, and at nothing else (O3).
    Person(Oneself),
}

impl Tenants {
    /// Whether the people of a tenant may sign in.
    pub fn let_in(&self, tenant: TenantId) -> bool {
        match self {
            Tenants::Single { id } => *id == tenant,
            Tenants::Multi { allowed } => allowed.contains(&tenant),
        }
    }
}

impl Role {
    /// Its name in logs and on pages.
    pub fn name(&self) -> &'static str {
        match self {
            Role::Administrator => "administrator",
            Role::Reader => "reader",
            Role::Person(_) => "person",
        }
    }
}

/// Who somebody is that may look at themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Oneself {
    /// The connection that imported them.
    pub connection: ConnectionId,
    /// Their object id.
    pub person: ObjectId,
}
