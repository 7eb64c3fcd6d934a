//! A model of Halo's REST API, served over HTTP.
//!
//! One API stands behind `HaloPSA`, `HaloITSM` and `HaloCRM`. The model keeps users, agents, sites, clients,
//! roles, CABs, licences and custom fields, and answers as hosted instances are known to: lists hide what
//! is inactive, a page has at most 100 rows, an update is partial, a create always creates, and nothing
//! checks that an e-mail address or an object id is used once. Where instances differ or the
//! documentation is silent there is a knob ([`Knobs`]); what goes wrong once is a [`Fault`]. Unknown
//! query parameters and unknown properties are ignored without a word.
//!
//! | file | answers |
//! |---|---|
//! | `route` | where a request goes, and which fault or limit meets it |
//! | `auth` | tokens, scopes, discovery |
//! | `list`, `index` | lists, filters, pages, searches |
//! | `save`, `lists` | POST and DELETE, and properties that are arrays |
//! | `kinds`, `fields`, `render` | which records there are, their properties and where they show |
//! | `model` | the state |

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde_json::Value;

use crate::server::{self, Hook, Served};
use kinds::Kind;
use model::{Clock, Model, Script};

pub use knobs::*;

mod answer;
mod auth;
mod call;
mod fields;
mod index;
mod kinds;
mod knobs;
mod list;
mod lists;
mod model;
mod render;
mod route;
mod save;

/// Client id of the application that signs in, unless a test sets another.
pub const CLIENT_ID: &str = "6d2a1f0e-4b7c-4f4e-9a53-0c6f1f6a7b21";
/// Client secret of that application.
pub const CLIENT_SECRET: &str = "sandbox-halo-secret";
/// Tenant of the hosted instance.
pub const TENANT: &str = "sandbox";
/// The API-only agent that the application logs in as. It is there from the start, with a number that
/// leaves the small ones to the test; agents added without an id follow it.
pub const API_AGENT_ID: i64 = 999;

/// One record that was written over the API.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// `POST` or `DELETE`.
    pub method: String,
    /// Path as Halo documents it, such as `/api/Users`.
    pub path: String,
    /// The element as it was sent; `null` for a delete.
    pub body: Value,
    /// Whether it made a new record.
    pub created: bool,
    /// The record's id.
    pub id: i64,
}

/// Records to begin with, each list as Halo's API would show them, with ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct Records<'a> {
    /// Clients (customers).
    pub clients: &'a [Value],
    /// Sites with their `client_id`.
    pub sites: &'a [Value],
    /// Roles of agents.
    pub roles: &'a [Value],
    /// Roles of users.
    pub user_roles: &'a [Value],
    /// Definitions of custom fields.
    pub custom_fields: &'a [Value],
    /// Agents.
    pub agents: &'a [Value],
    /// Users with their `site_id`.
    pub users: &'a [Value],
    /// Change advisory boards.
    pub cabs: &'a [Value],
}

/// A simulated Halo. Clones share one state.
#[derive(Clone)]
pub struct Halo(Arc<Mutex<Model>>);

impl Default for Halo {
    fn default() -> Self {
        Self::new()
    }
}

impl Halo {
    /// A Halo that holds nothing but the API agent; its clock stands at the beginning of 1970.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Model::new())))
    }

    /// Another one in the same state, which goes its own way.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self(Arc::new(Mutex::new(self.model().clone())))
    }

    /// Serves tokens at `/auth/token` and the API below `/api`.
    pub async fn serve(
        &self,
        listen: Option<SocketAddr>,
        hook: Option<Hook>,
    ) -> std::io::Result<Served> {
        server::serve(route::router(self.clone()), listen, hook).await
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }

    /// Turns knobs; what was listed before the change is forgotten.
    pub fn turn(&self, change: impl FnOnce(&mut Knobs)) {
        let mut model = self.model();
        change(&mut model.knobs);
        model.listings.clear();
    }

    /// Lets `fault` meet the next `times` requests with this method (`"*"` for any) whose path begins with
    /// `path_prefix`, in any case, such as `"/api/users"` or `"/auth/token"`. Faults that wait for the
    /// same requests meet them in the order in which they were set.
    pub fn fail_next(&self, path_prefix: &str, method: &str, times: usize, fault: Fault) {
        self.fail_after(0, path_prefix, method, times, fault);
    }

    /// As [`Halo::fail_next`], after `skip` such requests have passed unharmed.
    pub fn fail_after(
        &self,
        skip: usize,
        path_prefix: &str,
        method: &str,
        times: usize,
        fault: Fault,
    ) {
        let (path_prefix, method) = (path_prefix.to_ascii_lowercase(), method.to_owned());
        self.model().scripts.push(Script { path_prefix, method, skip, left: times, fault });
    }

    /// Forgets all faults that have not happened yet.
    pub fn clear_faults(&self) {
        self.model().scripts.clear();
    }
}

/// The clock and the application.
impl Halo {
    /// What the simulator's clock says.
    pub fn now(&self) -> Timestamp {
        self.model().now()
    }

    /// Sets the clock, which then stands still until it is moved.
    pub fn set_now(&self, now: Timestamp) {
        self.model().clock = Clock::Virtual(now);
    }

    /// Moves the clock forward by seconds; it stands still afterwards.
    pub fn advance(&self, seconds: i64) {
        self.model().advance(seconds);
    }

    /// Takes the time from the machine.
    pub fn use_system_clock(&self) {
        self.model().clock = Clock::System;
    }

    /// Sets what the application signs in with. Tokens given before go on working.
    pub fn set_credentials(&self, client_id: &str, client_secret: &str) {
        let application = &mut self.model().application;
        client_id.clone_into(&mut application.client_id);
        client_secret.clone_into(&mut application.client_secret);
    }

    /// Sets the tenant that token requests may name; `None` accepts any, as an instance on the
    /// customer's premises does.
    pub fn set_tenant(&self, tenant: Option<&str>) {
        self.model().application.tenant = tenant.map(str::to_owned);
    }

    /// Sets the scopes that the application was given, such as `["all"]` or `["read:customers"]`.
    /// A token gets those of them that it asks for.
    pub fn set_scopes(&self, scopes: &[&str]) {
        let unknown = scopes.iter().find(|name| auth::expand(name).is_none());
        assert!(unknown.is_none(), "no such scope: {unknown:?}");
        self.model().application.scopes = scopes.iter().map(|&name| name.to_owned()).collect();
    }

    /// Sets the agent that the application logs in as.
    pub fn set_login_agent(&self, agent_id: i64) {
        self.model().application.agent_id = agent_id;
    }

    /// Every access token that still works, for tests that look for places where they leak.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.model().application.issued().map(str::to_owned).collect()
    }

    /// Every token given so far stops working: the next request that uses one gets 401.
    pub fn revoke_tokens(&self) {
        self.model().application.revoke_tokens();
    }
}

/// Records, as somebody working in Halo makes them. They may carry an `id`, which must be free; without
/// one they get the next. A property that Halo does not have or that holds the wrong type stops the
/// test. Blank names are possible here.
impl Halo {
    /// Adds a client.
    pub fn add_client(&self, record: &Value) -> i64 {
        self.add(Kind::Clients, record)
    }

    /// Adds a site (`client_id`) with its General User.
    pub fn add_site(&self, record: &Value) -> i64 {
        let mut model = self.model();
        let id = model.add(Kind::Sites, record);
        model.ensure_general_user(id);
        id
    }

    /// Adds a role for users.
    pub fn add_user_role(&self, record: &Value) -> i64 {
        self.add(Kind::UserRoles, record)
    }

    /// Adds a role for agents. Its number is `id_int`, or `id` if that is a number; a text `id` is what the API
    /// shows as `id`.
    pub fn add_role(&self, record: &Value) -> i64 {
        self.add(Kind::Roles, record)
    }

    /// Adds an agent.
    pub fn add_agent(&self, record: &Value) -> i64 {
        self.add(Kind::Agents, record)
    }

    /// Adds a user (`site_id`).
    pub fn add_user(&self, record: &Value) -> i64 {
        self.add(Kind::Users, record)
    }

    /// Defines a custom field (`name`, `label`, `type`, `values` of a list).
    pub fn add_custom_field(&self, record: &Value) -> i64 {
        self.add(Kind::FieldInfo, record)
    }

    /// Adds a change advisory board, `members` included.
    pub fn add_cab(&self, record: &Value) -> i64 {
        let mut model = self.model();
        let id = model.add(Kind::Cabs, record);
        model.copy_members(id);
        id
    }

    /// Adds a software licence.
    pub fn add_licence(&self, record: &Value) -> i64 {
        self.add(Kind::Licences, record)
    }

    /// Adds a team.
    pub fn add_team(&self, record: &Value) -> i64 {
        self.add(Kind::Teams, record)
    }

    /// Adds a department of the own organisation.
    pub fn add_top_level(&self, record: &Value) -> i64 {
        self.add(Kind::TopLevels, record)
    }

    /// Adds an own organisation, which is not a customer.
    pub fn add_organisation(&self, record: &Value) -> i64 {
        self.add(Kind::Organisations, record)
    }

    /// Adds records of several kinds, and then a General User to each site that has none.
    pub fn load(&self, records: &Records<'_>) {
        let mut model = self.model();
        let lists = [
            (Kind::Clients, records.clients),
            (Kind::Sites, records.sites),
            (Kind::Roles, records.roles),
            (Kind::UserRoles, records.user_roles),
            (Kind::FieldInfo, records.custom_fields),
            (Kind::Agents, records.agents),
            (Kind::Users, records.users),
            (Kind::Cabs, records.cabs),
        ];
        for (kind, list) in lists {
            let ids: Vec<i64> = list.iter().map(|record| model.add(kind, record)).collect();
            if kind == Kind::Cabs {
                for id in ids {
                    model.copy_members(id);
                }
            }
        }
        let sites: Vec<i64> = model.table(Kind::Sites).rows.keys().copied().collect();
        for site in sites {
            model.ensure_general_user(site);
        }
    }

    fn add(&self, kind: Kind, record: &Value) -> i64 {
        self.model().add(kind, record)
    }
}

/// Changes that somebody makes in Halo itself. They are not among [`Halo::writes`]. A record that is not
/// there stops the test.
impl Halo {
    /// Changes an agent; the other properties stay.
    pub fn change_agent(&self, id: i64, changes: &Value) {
        self.change(Kind::Agents, id, changes);
    }

    /// Changes a user; the other properties stay.
    pub fn change_user(&self, id: i64, changes: &Value) {
        self.change(Kind::Users, id, changes);
    }

    /// Takes a change advisory board away.
    pub fn remove_cab(&self, id: i64) {
        self.model().remove(Kind::Cabs, id);
    }

    /// Takes a software licence away, with the links to it.
    pub fn remove_licence(&self, id: i64) {
        let mut model = self.model();
        let users: Vec<i64> = model.table(Kind::Users).rows.keys().copied().collect();
        for user in users {
            let mut row = model.row(Kind::Users, user).cloned().expect("the record is there");
            if let Some(software) = row.get_mut("software").and_then(Value::as_array_mut) {
                software.retain(|held| held["licence_id"] != id);
            }
            model.put(Kind::Users, user, row);
        }
        model.remove(Kind::Licences, id);
    }

    /// Takes an agent away.
    pub fn remove_agent(&self, id: i64) {
        self.model().remove(Kind::Agents, id);
    }

    fn change(&self, kind: Kind, id: i64, changes: &Value) {
        let mut model = self.model();
        let mut row = model.row(kind, id).cloned().expect("the record is there");
        model.merge(kind, id, &mut row, &model::object(changes));
        model.put(kind, id, row);
    }
}

/// What is in Halo now, and what was written to it over the API.
impl Halo {
    /// All users with all details, General Users and inactive ones included, in order of id. Some
    /// kilobytes each: count or look up in a large Halo instead.
    pub fn users(&self) -> Vec<Value> {
        self.all(Kind::Users)
    }

    /// One user with all details.
    pub fn user(&self, id: i64) -> Option<Value> {
        self.model().detail(Kind::Users, id)
    }

    /// How many users there are, General Users and inactive ones included.
    pub fn user_count(&self) -> usize {
        self.model().table(Kind::Users).rows.len()
    }

    /// Users that carry this Entra object id, in any case.
    pub fn users_with_azureoid(&self, azureoid: &str) -> Vec<i64> {
        self.model().users.with_azureoid(azureoid)
    }

    /// All agents with all details, disabled ones and the API agent included.
    pub fn agents(&self) -> Vec<Value> {
        self.all(Kind::Agents)
    }

    /// One agent with all details.
    pub fn agent(&self, id: i64) -> Option<Value> {
        self.model().detail(Kind::Agents, id)
    }

    /// All sites with all details.
    pub fn sites(&self) -> Vec<Value> {
        self.all(Kind::Sites)
    }

    /// All clients with all details.
    pub fn clients(&self) -> Vec<Value> {
        self.all(Kind::Clients)
    }

    /// All change advisory boards with their members.
    pub fn cabs(&self) -> Vec<Value> {
        self.all(Kind::Cabs)
    }

    /// All software licences.
    pub fn licences(&self) -> Vec<Value> {
        self.all(Kind::Licences)
    }

    /// What was written over the API since the start or the last [`Halo::clear_writes`], in order.
    pub fn writes(&self) -> Vec<Write> {
        self.model().writes.clone()
    }

    /// Forgets what was written.
    pub fn clear_writes(&self) {
        self.model().writes.clear();
    }

    fn all(&self, kind: Kind) -> Vec<Value> {
        let model = self.model();
        let ids = model.table(kind).rows.keys();
        ids.filter_map(|id| model.detail(kind, *id)).collect()
    }
}
