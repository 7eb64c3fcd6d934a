//! Stub until the client is merged.
#![allow(missing_docs, unused_variables, clippy::all, clippy::pedantic)]
use plan::cursor::{Link, Scope};
use plan::document::Cloud;
use plan::facts::PersonChange;
use plan::failure::Failure;
use plan::ids::{AppId, ObjectId, TenantId};
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::sync::Arc;
#[derive(Clone, Debug)]
pub struct Hosts {
    pub login: String,
    pub graph: String,
}
impl Hosts {
    pub fn of(cloud: &Cloud) -> Self {
        loop {}
    }
}
#[derive(Clone, Debug)]
pub enum Credential {
    Secret(SecretString),
}
#[derive(Clone, Debug)]
pub struct Access {
    pub hosts: Hosts,
    pub tenant: TenantId,
    pub client: AppId,
    pub credential: Credential,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    UserReadAll,
    GroupReadAll,
    AuditLogReadAll,
    OrganizationReadAll,
    LicenseAssignmentReadWriteAll,
}
impl Permission {
    pub fn name(self) -> &'static str {
        loop {}
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    Granted,
    Unlicensed,
    Missing,
    Unknown,
}
#[derive(Clone, Debug, Default)]
pub struct Tokens;
#[derive(Debug)]
pub struct Graph;
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: plan::cursor::Next,
}
pub struct GroupChange {
    pub id: ObjectId,
    pub name: Option<String>,
    pub news: GroupNews,
    pub added: Vec<Member>,
    pub removed: Vec<ObjectId>,
}
#[derive(Clone, Copy)]
pub enum GroupNews {
    Unsaid,
    Gone,
}
#[derive(Clone, Copy)]
pub enum Member {
    User(ObjectId),
    Group(ObjectId),
}
#[derive(Clone, Debug)]
pub struct FoundGroup {
    pub id: ObjectId,
    pub name: String,
}
impl Graph {
    pub fn new(
        access: Access,
        http: reqwest::Client,
        tokens: Tokens,
        meter: Arc<crate::meter::Meter>,
        clock: Arc<dyn crate::clock::Clock>,
        random: Arc<crate::random::Random>,
    ) -> Self {
        Graph
    }
    pub async fn sign_in(&self) -> Result<(), Failure> {
        loop {}
    }
    pub async fn permissions(&self) -> Result<Vec<(Permission, Grant)>, Failure> {
        loop {}
    }
    pub async fn select_works(
        &self,
        select: &BTreeSet<String>,
    ) -> Result<Result<(), String>, Failure> {
        loop {}
    }
    pub async fn users_delta(
        &self,
        link: Option<&Link>,
        select: &BTreeSet<String>,
        scope: Scope,
    ) -> Result<Page<PersonChange>, Failure> {
        loop {}
    }
    pub async fn users_list(
        &self,
        link: Option<&Link>,
        select: &BTreeSet<String>,
    ) -> Result<Page<PersonChange>, Failure> {
        loop {}
    }
    pub async fn managers_list(&self, link: Option<&Link>) -> Result<Page<PersonChange>, Failure> {
        loop {}
    }
    pub async fn users_count(&self) -> Result<u64, Failure> {
        loop {}
    }
    pub async fn groups_delta(
        &self,
        link: Option<&Link>,
        ids: &[ObjectId],
    ) -> Result<Page<GroupChange>, Failure> {
        loop {}
    }
    pub async fn members_list(
        &self,
        group: ObjectId,
        link: Option<&Link>,
    ) -> Result<Option<Page<Member>>, Failure> {
        loop {}
    }
    pub async fn find_groups(&self, names: &[String]) -> Result<Vec<Vec<FoundGroup>>, Failure> {
        loop {}
    }
    pub async fn groups_by_id(&self, ids: &[ObjectId]) -> Result<Vec<Option<FoundGroup>>, Failure> {
        loop {}
    }
}
