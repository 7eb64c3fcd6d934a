//! Stub until the client is merged.
#![allow(missing_docs, unused_variables, clippy::all, clippy::pedantic)]
use plan::cursor::{Link, Scope};
use plan::facts::PersonChange;
use plan::failure::Failure;
use plan::ids::ObjectId;
use std::collections::BTreeSet;
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
