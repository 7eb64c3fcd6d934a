//! Quick client until the real one is merged.
#![allow(missing_docs, unused_variables, clippy::all, clippy::pedantic, clippy::nursery, reason = "temporary")]
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use plan::cursor::{Link, Next, Scope};
use plan::facts::*;
use plan::failure::{Failure, Kind, Service};
use plan::ids::ObjectId;
use serde_json::Value as Json;
use crate::meter::Meter;
#[derive(Clone, Debug, Default)]
pub struct Tokens(Arc<std::sync::Mutex<BTreeMap<String, String>>>);
#[derive(Debug)]
pub struct Graph { pub http: reqwest::Client, pub login: url::Url, pub graph: url::Url, pub tenant: String, pub app: String, pub secret: String, pub meter: Arc<Meter>, pub tokens: Tokens }
pub struct Page<T> { pub items: Vec<T>, pub next: Next }
pub struct GroupChange { pub id: ObjectId, pub name: Option<String>, pub news: GroupNews, pub added: Vec<Member>, pub removed: Vec<ObjectId> }
#[derive(Clone, Copy)]
pub enum GroupNews { Unsaid, Gone }
#[derive(Clone, Copy)]
pub enum Member { User(ObjectId), Group(ObjectId) }
#[derive(Clone, Debug)]
pub struct FoundGroup { pub id: ObjectId, pub name: String }
impl Graph {
    fn fail(&self, kind: Kind) -> Failure { Failure { service: Service::Graph, operation: "read".into(), kind } }
    async fn token(&self) -> Result<String, Failure> {
        if let Some(t) = self.tokens.0.lock().unwrap().get(&self.app) { return Ok(t.clone()); }
        self.meter.request(Service::Login);
        let url = format!("{}{}/oauth2/v2.0/token", self.login, self.tenant);
        let scope = format!("{}.default", self.graph);
        let a = crate::http::send(Service::Login, "sign in", self.http.post(url).form(&[("grant_type","client_credentials"),("client_id",&self.app),("client_secret",&self.secret),("scope",&scope)])).await?;
        let v: Json = serde_json::from_slice(&a.body).unwrap_or_default();
        match v["access_token"].as_str() { Some(t) => { self.tokens.0.lock().unwrap().insert(self.app.clone(), t.to_owned()); Ok(t.to_owned()) }, None => Err(Failure{service: Service::Login, operation: "sign in".into(), kind: Kind::Credentials{code: v["error_codes"][0].as_u64().map(|c| c as u32), error: v["error"].as_str().unwrap_or("?").into()}}) }
    }
    async fn get(&self, url: &str, linked: bool) -> Result<Json, Failure> {
        let t = self.token().await?;
        self.meter.request(Service::Graph);
        let a = crate::http::send(Service::Graph, "read", self.http.get(url).bearer_auth(t).header("ConsistencyLevel","eventual")).await?;
        if a.status == 429 { return Err(self.fail(Kind::Throttled{retry_after: a.retry_after()})); }
        if a.status == 410 || (linked && a.status == 400) { return Err(self.fail(Kind::LinkExpired)); }
        if !a.status.is_success() { return Err(self.fail(Kind::Unavailable{detail: format!("{} {}", a.status, String::from_utf8_lossy(&a.body))})); }
        serde_json::from_slice(&a.body).map_err(|e| self.fail(Kind::Unavailable{detail: e.to_string()}))
    }
    fn next(v: &Json) -> Next {
        if let Some(n) = v["@odata.nextLink"].as_str() { Next::Page(Link::new(n)) } else { Next::End(v["@odata.deltaLink"].as_str().map(Link::new)) }
    }
    fn person(v: &Json, scope: Scope, list: bool) -> Option<PersonChange> {
        let id: ObjectId = v["id"].as_str()?.parse().ok()?;
        if let Some(r) = v.get("@removed") { return Some(PersonChange{id, news: if r["reason"] == "deleted" { News::Purged } else { News::SoftDeleted }}); }
        let mut properties = BTreeMap::new();
        let mut put = |k: &str, v: &Json| { let val = match v { Json::Null => Some(None), Json::Bool(b) => Some(Some(Value::Bool(*b))), Json::String(s) => Some(Some(Value::Text(s.clone()))), Json::Number(n) => Some(Some(Value::Text(n.to_string()))), Json::Array(a) => { let l: Vec<String> = a.iter().filter_map(|x| x.as_str().map(str::to_owned)).collect(); Some(if l.is_empty() { None } else { Some(Value::List(l)) }) }, _ => None }; if let Some(val) = val { properties.insert(k.to_owned(), val); } };
        let mut manager = ManagerNews::Unsaid;
        for (k, val) in v.as_object()? {
            match k.as_str() {
                "onPremisesExtensionAttributes" => if let Some(o) = val.as_object() { for (k, v) in o { put(k, v); } },
                "manager@delta" => for m in val.as_array()? { if m.get("@removed").is_none() { manager = ManagerNews::Is(m["id"].as_str()?.parse().ok()?); } else if manager == ManagerNews::Unsaid { manager = ManagerNews::None; } },
                "manager" => manager = ManagerNews::Is(val["id"].as_str()?.parse().ok()?),
                k if k.starts_with('@') => {}
                k => put(k, val),
            }
        }
        if list && manager == ManagerNews::Unsaid { manager = ManagerNews::None; }
        let complete = scope == Scope::Full && v.get("userPrincipalName").is_some();
        Some(PersonChange{id, news: News::Seen(Seen{properties, manager, absent: if complete { Absent::NeverSet } else { Absent::Unsaid }})})
    }
    pub async fn users_delta(&self, link: Option<&Link>, select: &BTreeSet<String>, scope: Scope) -> Result<Page<PersonChange>, Failure> {
        let first = format!("{}v1.0/users/delta?$select={}", self.graph, select.iter().cloned().collect::<Vec<_>>().join(","));
        let v = self.get(link.map_or(&first, |l| l.expose_ref()), link.is_some()).await?;
        Ok(Page{ items: v["value"].as_array().into_iter().flatten().filter_map(|x| Self::person(x, scope, false)).collect(), next: Self::next(&v) })
    }
    pub async fn users_list(&self, link: Option<&Link>, select: &BTreeSet<String>) -> Result<Page<PersonChange>, Failure> {
        let first = format!("{}v1.0/users?$top=999&$select={}&$expand=manager($levels=1;$select=id)", self.graph, select.iter().filter(|s| *s != "manager").cloned().collect::<Vec<_>>().join(","));
        let v = self.get(link.map_or(&first, |l| l.expose_ref()), link.is_some()).await?;
        Ok(Page{ items: v["value"].as_array().into_iter().flatten().filter_map(|x| Self::person(x, Scope::Full, true)).collect(), next: Self::next(&v) })
    }
    pub async fn managers_list(&self, link: Option<&Link>) -> Result<Page<PersonChange>, Failure> {
        let first = format!("{}v1.0/users?$top=999&$select=id&$expand=manager($levels=1;$select=id)", self.graph);
        let v = self.get(link.map_or(&first, |l| l.expose_ref()), link.is_some()).await?;
        Ok(Page{ items: v["value"].as_array().into_iter().flatten().filter_map(|x| Self::person(x, Scope::Changes, true)).collect(), next: Self::next(&v) })
    }
    pub async fn users_count(&self) -> Result<u64, Failure> {
        let v = self.get(&format!("{}v1.0/users/$count", self.graph), false).await?;
        Ok(v.as_u64().unwrap_or(0))
    }
    pub async fn groups_delta(&self, link: Option<&Link>, ids: &[ObjectId]) -> Result<Page<GroupChange>, Failure> {
        let f = ids.iter().map(|i| format!("id eq '{i}'")).collect::<Vec<_>>().join(" or ");
        let first = format!("{}v1.0/groups/delta?$select=id,displayName,members&$filter={}", self.graph, f.replace(' ', "%20"));
        let v = self.get(link.map_or(&first, |l| l.expose_ref()), link.is_some()).await?;
        let items = v["value"].as_array().into_iter().flatten().filter_map(|g| {
            let mut c = GroupChange{ id: g["id"].as_str()?.parse().ok()?, name: g["displayName"].as_str().map(str::to_owned), news: if g.get("@removed").is_some() { GroupNews::Gone } else { GroupNews::Unsaid }, added: vec![], removed: vec![] };
            for m in g["members@delta"].as_array().into_iter().flatten() {
                let id = m["id"].as_str()?.parse().ok()?;
                if m.get("@removed").is_some() { c.removed.push(id) } else if m["@odata.type"] == "#microsoft.graph.user" { c.added.push(Member::User(id)) } else if m["@odata.type"] == "#microsoft.graph.group" { c.added.push(Member::Group(id)) }
            }
            Some(c)
        }).collect();
        Ok(Page{ items, next: Self::next(&v) })
    }
    pub async fn members_list(&self, group: ObjectId, link: Option<&Link>) -> Result<Option<Page<Member>>, Failure> { Ok(None) }
    pub async fn find_groups(&self, names: &[String]) -> Result<Vec<Vec<FoundGroup>>, Failure> {
        let mut all = vec![];
        for n in names {
            let v = self.get(&format!("{}v1.0/groups?$select=id,displayName&$filter=displayName%20eq%20'{}'", self.graph, n.replace('\'', "''").replace(' ', "%20")), false).await?;
            all.push(v["value"].as_array().into_iter().flatten().filter_map(|g| Some(FoundGroup{id: g["id"].as_str()?.parse().ok()?, name: g["displayName"].as_str()?.to_owned()})).collect());
        }
        Ok(all)
    }
    pub async fn groups_by_id(&self, ids: &[ObjectId]) -> Result<Vec<Option<FoundGroup>>, Failure> { Ok(vec![]) }
}
trait Ex { fn expose_ref(&self) -> &String; }
impl Ex for Link { fn expose_ref(&self) -> &String { Box::leak(Box::new(self.expose().to_owned())) } }
