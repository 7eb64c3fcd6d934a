//! Microsoft Graph and its login host as a model: a directory that tests change, served over HTTP.
//!
//! A request goes `wire` → `model` → `login` or (`access`, `throttle`, `endpoints`) → `delta`,
//! `lists`, `objects`, `licences`, `tenant`, `batch`. What can go wrong is in `faults`; what changes is in
//! `directory`, which keeps a journal so that a token can point to any moment.

mod access;
mod batch;
mod call;
mod delta;
mod directory;
mod endpoints;
mod faults;
mod filter;
mod licences;
mod lists;
mod login;
mod model;
mod objects;
mod properties;
mod reply;
mod sign_in;
mod tenant;
mod throttle;
mod tokens;
mod wire;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::server::{self, Hook, Served};
use directory::{Directory, Kind, Life, Slot};
use faults::Scripted;
use model::{App, Clock, Model, Tenant};

pub use faults::{Body, Endless, Expiry, Fault, Faults, IdToken, Reason, Removals};
pub use licences::SkuStatus;

/// The time at which a new model stands: Monday, 2 November 2026, 08:00 UTC.
pub const START: Timestamp = Timestamp::constant(1_793_606_400, 0);

/// Listed in the registration of a new model's application, and granted: as application permissions and
/// as delegated ones.
const GRANTS: &[&str] = &[
    "User.Read.All",
    "GroupMember.Read.All",
    "AuditLog.Read.All",
    "Organization.Read.All",
    "Application.Read.All",
    "Directory.Read.All",
];

/// How a group is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Restorable for 30 days, as a Microsoft 365 group or a user is.
    Soft,
    /// Gone at once, as a security group is.
    Hard,
}

/// A tenant behind Microsoft Graph with one registered application. Clones are the same tenant.
///
/// Ids are GUIDs as text. A method that is given an id nobody has panics: the test is wrong.
#[derive(Clone)]
pub struct Graph(Arc<Mutex<Model>>);

impl Graph {
    /// Another one in the same state, which goes its own way.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    /// An empty tenant with an application that signs in with `secret`.
    pub fn new(tenant_id: &str, client_id: &str, secret: &str) -> Self {
        let model = Model {
            tenant: Tenant {
                id: tenant_id.to_owned(),
                name: "Contoso".to_owned(),
                domain: "contoso.example".to_owned(),
                premium: true,
            },
            app: App {
                client_id: client_id.to_owned(),
                secret: secret.to_owned(),
                secret_expires: None,
                service_principal: "9028d19c-26a9-4809-8e3f-20ff73e2d75e".to_owned(),
                grants: GRANTS.iter().map(|name| (*name).to_owned()).collect(),
                delegated: GRANTS.iter().map(|name| (*name).to_owned()).collect(),
                registered: GRANTS.iter().map(|name| (*name).to_owned()).collect(),
                certificates: Vec::new(),
                redirect_uris: BTreeSet::new(),
            },
            clock: Clock::Fixed(START),
            directory: Directory::default(),
            licences: licences::Licences::default(),
            faults: Faults::default(),
            script: Vec::new(),
            tokens: tokens::Tokens::default(),
            access: access::AccessTokens::default(),
            sessions: login::sessions::Sessions::default(),
            assertions: Vec::new(),
            keys_rotated: false,
            signs_in: "5d1c3b9a-0000-4000-8000-000000000001".to_owned(),
            extensions: BTreeSet::new(),
            bucket: throttle::Bucket::default(),
            write_bucket: throttle::Bucket::default(),
            rng: fastrand::Rng::with_seed(7),
        };
        Self(Arc::new(Mutex::new(model)))
    }

    /// Serves login (`/{tenant}/oauth2/v2.0/…`) and Graph (`/v1.0/…`) under one address.
    pub async fn serve(
        &self,
        listen: Option<SocketAddr>,
        hook: Option<Hook>,
    ) -> std::io::Result<Served> {
        let router = axum::Router::new().fallback(wire::handle).with_state(self.clone());
        server::serve(router, listen, hook).await
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap()
    }
}

/// Time, faults, and the registered application.
impl Graph {
    /// Every access token, refresh token, ID token and code that was issued so far, for tests that look for places
    /// where they leak.
    pub fn issued_tokens(&self) -> Vec<String> {
        let model = self.lock();
        model.access.issued().chain(model.sessions.issued()).map(str::to_owned).collect()
    }

    /// The model's present.
    pub fn now(&self) -> Timestamp {
        self.lock().clock.now()
    }

    /// Moves a standing clock forward, and makes a standing clock of the system's.
    pub fn advance(&self, seconds: i64) {
        let mut model = self.lock();
        model.clock = Clock::Fixed(model.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// Sets the clock; it stands there.
    pub fn set_now(&self, now: Timestamp) {
        self.lock().clock = Clock::Fixed(now);
    }

    /// Lets the model follow the system's clock, as the demo does.
    pub fn use_system_clock(&self) {
        self.lock().clock = Clock::System;
    }

    /// Sets knobs and faults.
    pub fn faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.lock().faults);
    }

    /// The next `n` requests whose path starts with `prefix` (`/v1.0/users`, `/{tenant}/oauth2`)
    /// fail in this way; requests inside a batch count one by one.
    pub fn fail_next(&self, prefix: &str, n: u32, fault: Fault) {
        self.fail_after(0, prefix, n, fault);
    }

    /// As [`Graph::fail_next`], after `skip` such requests have passed unharmed.
    pub fn fail_after(&self, skip: u32, prefix: &str, n: u32, fault: Fault) {
        if n > 0 {
            self.lock().script.push(Scripted { prefix: prefix.to_owned(), skip, left: n, fault });
        }
    }

    /// Forgets the failures that have not happened yet.
    pub fn clear_failures(&self) {
        self.lock().script.clear();
    }

    /// Every delta link issued so far is too old from now on.
    pub fn expire_delta_links(&self) {
        self.lock().tokens.expire_delta();
    }

    /// Every next link issued so far is too old from now on.
    pub fn expire_page_links(&self) {
        self.lock().tokens.expire_pages();
    }

    /// Whether the tenant has Entra ID P1 or P2, which `signInActivity` needs. It has at first.
    pub fn set_premium(&self, premium: bool) {
        self.lock().tenant.premium = premium;
    }

    /// Object id of the application in this tenant, for `/servicePrincipals/{id}`.
    pub fn service_principal(&self) -> String {
        self.lock().app.service_principal.clone()
    }
}

/// Changes of users.
impl Graph {
    /// Adds a user and gives its id, which is made up when `properties` has none. Nulls are never
    /// set; `accountEnabled`, `userType` and `createdDateTime` have the usual values if absent.
    pub fn add_user(&self, properties: Value) -> String {
        let mut model = self.lock();
        let id = model::id_of(&mut model, &properties);
        let now = model.clock.now();
        let mut set = object(properties);
        for (name, value) in [
            ("accountEnabled", json!(true)),
            ("userType", json!("Member")),
            ("createdDateTime", json!(now.to_string())),
        ] {
            set.entry(name).or_insert(value);
        }
        register_extensions(&mut model, &set);
        model.directory.insert(Kind::User, id, &set, now);
        id.to_string()
    }

    /// Changes properties of a user; null clears. What is so already causes no event.
    pub fn update_user(&self, id: &str, patch: Value) {
        let patch = object(patch);
        self.change(Kind::User, id, |model, slot, now| {
            register_extensions(model, &patch);
            licences::location_changes(model, slot, &patch);
            model.directory.patch(slot, &patch, now);
        });
    }

    /// Reports the user in the next round though nothing changed.
    pub fn touch_user(&self, id: &str) {
        self.change(Kind::User, id, |model, slot, now| model.directory.touch(slot, now));
    }

    /// Sets or clears the manager.
    pub fn set_manager(&self, id: &str, manager: Option<&str>) {
        self.change(Kind::User, id, |model, slot, now| {
            let manager = manager.map(|id| find(model, Kind::User, id));
            model.directory.set_manager(slot, manager, now);
        });
    }

    /// Deletes a user, restorably for 30 days; memberships stay.
    pub fn soft_delete(&self, id: &str) {
        self.set_life(Kind::User, id, Life::Deleted);
    }

    /// Brings a soft-deleted user back.
    pub fn restore(&self, id: &str) {
        self.set_life(Kind::User, id, Life::Live);
    }

    /// Deletes a user for good, soft-deleted before or not; it leaves its groups.
    pub fn purge(&self, id: &str) {
        self.set_life(Kind::User, id, Life::Purged);
    }

    fn set_life(&self, kind: Kind, id: &str, life: Life) {
        self.change(kind, id, |model, slot, now| {
            model.directory.set_life(slot, life, now);
            match kind {
                Kind::User if life == Life::Live => licences::settle_user(model, slot, now),
                Kind::Group => licences::settle_group(model, slot, now),
                Kind::User | Kind::Device => {}
            }
        });
    }

    fn change(&self, kind: Kind, id: &str, act: impl FnOnce(&mut Model, Slot, Timestamp)) {
        let mut model = self.lock();
        let slot = find(&model, kind, id);
        let now = model.clock.now();
        act(&mut model, slot, now);
    }
}

/// Changes of groups.
impl Graph {
    /// Adds a group and gives its id, which is made up when `properties` has none. It is a
    /// security group unless `groupTypes` says otherwise.
    pub fn add_group(&self, properties: Value) -> String {
        let mut model = self.lock();
        let id = model::id_of(&mut model, &properties);
        let now = model.clock.now();
        let mut set = object(properties);
        for (name, value) in [
            ("groupTypes", json!([])),
            ("mailEnabled", json!(false)),
            ("securityEnabled", json!(true)),
            ("createdDateTime", json!(now.to_string())),
        ] {
            set.entry(name).or_insert(value);
        }
        model.directory.insert(Kind::Group, id, &set, now);
        id.to_string()
    }

    /// Changes properties of a group; null clears.
    pub fn update_group(&self, id: &str, patch: Value) {
        let patch = object(patch);
        self.change(Kind::Group, id, |model, slot, now| model.directory.patch(slot, &patch, now));
    }

    /// Changes the display name of a group.
    pub fn rename_group(&self, id: &str, name: &str) {
        self.update_group(id, json!({ "displayName": name }));
    }

    /// Deletes a group.
    pub fn delete_group(&self, id: &str, deletion: Deletion) {
        let life = match deletion {
            Deletion::Soft => Life::Deleted,
            Deletion::Hard => Life::Purged,
        };
        self.set_life(Kind::Group, id, life);
    }

    /// Brings a soft-deleted group back.
    pub fn restore_group(&self, id: &str) {
        self.set_life(Kind::Group, id, Life::Live);
    }

    /// Adds a device, which is only good for being a member that is no person.
    pub fn add_device(&self, name: &str) -> String {
        let mut model = self.lock();
        let id = model::id_of(&mut model, &Value::Null);
        let now = model.clock.now();
        let properties = object(json!({ "displayName": name }));
        model.directory.insert(Kind::Device, id, &properties, now);
        id.to_string()
    }

    /// Makes a user, group or device a direct member of the group.
    pub fn add_member(&self, group: &str, member: &str) {
        self.change(Kind::Group, group, |model, slot, now| {
            let member = find_any(model, member);
            model.directory.join(slot, member, now);
            licences::settle_group(model, slot, now);
        });
    }

    /// Ends a direct membership.
    pub fn remove_member(&self, group: &str, member: &str) {
        self.change(Kind::Group, group, |model, slot, now| {
            let member = find_any(model, member);
            model.directory.leave(slot, member, now);
            licences::settle_group(model, slot, now);
        });
    }
}

/// What the directory holds, for tests to compare with.
impl Graph {
    /// How many users there are, soft-deleted ones not counted.
    pub fn user_count(&self) -> usize {
        self.lock().directory.live_users
    }

    /// Ids of all users that are there, in order of their creation.
    pub fn user_ids(&self) -> Vec<String> {
        let model = self.lock();
        let users = model.directory.users.iter().map(|slot| model.directory.object(*slot));
        users.filter(|user| user.life == Life::Live).map(|user| user.id.to_string()).collect()
    }

    /// All properties of a user, its id and `manager` (an id) among them; `None` unless it is there.
    pub fn user(&self, id_or_upn: &str) -> Option<Value> {
        let model = self.lock();
        let slot = model.directory.find_kind(Kind::User, id_or_upn)?;
        let user = model.directory.object(slot);
        let mut properties = user.properties();
        properties.insert("id".into(), user.id.to_string().into());
        if let Some(manager) = user.manager {
            let manager = model.directory.object(manager).id.to_string();
            properties.insert("manager".into(), manager.into());
        }
        (user.life == Life::Live).then_some(Value::Object(properties))
    }

    /// Whether whoever read all that led to a delta link knows the user as it is now, or not at all. A
    /// link that was never given out knows nobody.
    pub fn was_told_of_user(&self, link: &str, user: &str) -> bool {
        let model = self.lock();
        let user = find(&model, Kind::User, user);
        delta::is_as_told(&model, link, user, None) == Some(true)
    }

    /// The same of whether somebody is a member of a group.
    pub fn was_told_of_member(&self, link: &str, group: &str, member: &str) -> bool {
        let model = self.lock();
        let (group, member) = (find(&model, Kind::Group, group), find_any(&model, member));
        delta::is_as_told(&model, link, group, Some(member)) == Some(true)
    }

    /// Ids of the groups with exactly this display name.
    pub fn groups_named(&self, name: &str) -> Vec<String> {
        let model = self.lock();
        let groups = model.directory.groups.iter().map(|slot| model.directory.object(*slot));
        groups
            .filter(|group| group.life == Life::Live)
            .filter(|group| group.properties().get("displayName") == Some(&json!(name)))
            .map(|group| group.id.to_string())
            .collect()
    }

    /// Ids of the live direct members of a group, or with `nested` of those at any depth.
    pub fn members(&self, group: &str, nested: bool) -> Vec<String> {
        let model = self.lock();
        let slot = find(&model, Kind::Group, group);
        let slots: Vec<Slot> = if nested {
            model.directory.transitive_members(slot)
        } else {
            model.directory.members(slot).order.values().copied().collect()
        };
        let members = slots.into_iter().map(|slot| model.directory.object(slot));
        members.filter(|member| member.life == Life::Live).map(|m| m.id.to_string()).collect()
    }
}

fn find(model: &Model, kind: Kind, id: &str) -> Slot {
    let found = model.directory.find_kind(kind, id);
    found.unwrap_or_else(|| unreachable!("no object with the id {id}"))
}

fn find_any(model: &Model, id: &str) -> Slot {
    let found = model.directory.find(id);
    found.unwrap_or_else(|| unreachable!("no object with the id {id}"))
}

fn object(properties: Value) -> Map<String, Value> {
    if let Value::Object(properties) = properties {
        return properties;
    }
    unreachable!("properties are a JSON object, not {properties}")
}

fn register_extensions(model: &mut Model, properties: &Map<String, Value>) {
    let names = properties.keys().filter(|name| properties::is_extension(name));
    model.extensions.extend(names.cloned());
}
