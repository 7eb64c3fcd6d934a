//! The Graph client against the simulator, over real HTTP: every knob and fault that concerns its calls.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails unexpectedly is a failed test"
)]

mod batches;
mod failures;
mod groups;
mod licences;
mod links;
mod people;
mod sign_in;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::clock::ManualClock;
use engine::graph::{Access, Behalf, Credential, Graph, Hosts, Page, Tokens};
use engine::meter::Meter;
use engine::random::Random;
use engine::secrets::SecretString;
use jiff::SignedDuration;
use plan::cursor::{Link, Next, Scope};
use plan::document::Cloud;
use plan::facts::{Facts, PersonChange};
use plan::failure::{Failure, Kind, Service};
use plan::ids::ObjectId;
use sandbox::graph::{Graph as Simulator, START};
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use sandbox::server::Served;
use serde_json::{Value, json};

/// A simulated tenant, and a clock that both sides share.
struct World {
    entra: Simulator,
    served: Served,
    clock: Arc<ManualClock>,
    tokens: Tokens,
}

impl World {
    async fn new() -> Self {
        Self::of(Simulator::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET)).await
    }

    async fn of(entra: Simulator) -> Self {
        let served = entra.serve(None, None).await.unwrap();
        let clock = Arc::new(ManualClock::new(START));
        Self { entra, served, clock, tokens: Tokens::default() }
    }

    /// A client as each step has one; all share the process's tokens.
    fn client(&self) -> Graph {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut Access)) -> Graph {
        let mut access = access(&self.served.url);
        change(&mut access);
        client(access, self.tokens.clone(), self.clock.clone())
    }

    fn advance(&self, seconds: i64) {
        self.entra.advance(seconds);
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn add_users(&self, count: usize) -> Vec<String> {
        let user = |number: usize| {
            json!({ "displayName": format!("User {number}"), "department": "Sales",
                "userPrincipalName": format!("user{number}@contoso.example") })
        };
        (1..=count).map(|number| self.entra.add_user(user(number))).collect()
    }

    /// Requests so far to paths that end so.
    fn requests(&self, end: &str) -> usize {
        self.served.log.all().iter().filter(|seen| seen.path.ends_with(end)).count()
    }
}

fn access(url: &str) -> Access {
    let url: url::Url = url.parse().unwrap();
    let cloud = Cloud::Custom { login: url.clone(), graph: url };
    Access {
        hosts: Hosts::of(&cloud),
        tenant: TENANT_ID.parse().unwrap(),
        client: CLIENT_ID.parse().unwrap(),
        credential: secret(CLIENT_SECRET),
        behalf: Behalf::Application,
    }
}

fn secret(text: &str) -> Credential {
    Credential::Secret(SecretString::from(text))
}

fn client(access: Access, tokens: Tokens, clock: Arc<ManualClock>) -> Graph {
    let (meter, random) = (Arc::new(Meter::default()), Arc::new(Random::seeded(7)));
    Graph::new(access, tests::world::client(), tokens, meter, clock, random)
}

/// The properties that the tests select.
fn select() -> BTreeSet<String> {
    let names =
        ["id", "userPrincipalName", "displayName", "department", "accountEnabled", "manager"];
    names.map(str::to_owned).into()
}

fn id(text: &str) -> ObjectId {
    text.parse().unwrap()
}

fn more<T>(page: &Page<T>) -> Option<Link> {
    match &page.next {
        Next::Page(link) => Some(link.clone()),
        Next::End(_) => None,
    }
}

fn delta<T>(page: &Page<T>) -> Link {
    match &page.next {
        Next::End(Some(link)) => link.clone(),
        Next::Page(_) | Next::End(None) => panic!("no delta link: {:?}", page.next),
    }
}

/// What was read of everybody, merged as a run merges it.
#[derive(Default)]
struct Copy(BTreeMap<ObjectId, Facts>);

impl Copy {
    fn merge(&mut self, items: Vec<PersonChange>) {
        for item in items {
            let _ = self.0.entry(item.id).or_default().merge(item.news);
        }
    }

    /// Reads a round to its end and gives the delta link and the sizes of the pages.
    async fn round(&mut self, graph: &Graph, link: Option<&Link>) -> (Link, Vec<usize>) {
        let scope = if link.is_some() { Scope::Changes } else { Scope::Full };
        let mut at = link.cloned();
        let mut sizes = Vec::new();
        loop {
            let page = graph.users_delta(at.as_ref(), &select(), scope).await.unwrap();
            sizes.push(page.items.len());
            at = more(&page);
            let end = at.is_none().then(|| delta(&page));
            self.merge(page.items);
            if let Some(link) = end {
                return (link, sizes);
            }
        }
    }

    /// Fails unless everybody who is there is known with what the directory holds.
    fn assert_right(&self, entra: &Simulator) {
        for user in entra.user_ids() {
            let truth = entra.user(&user).unwrap();
            let facts = self.0.get(&id(&user)).unwrap_or_else(|| panic!("{user} was not read"));
            for name in ["userPrincipalName", "displayName", "department"] {
                let expected = truth.get(name).and_then(Value::as_str);
                assert_eq!(facts.text(name), expected, "{name} of {user}");
            }
            let manager = truth.get("manager").and_then(Value::as_str);
            assert_eq!(facts.manager, manager.map(id), "manager of {user}");
            assert_eq!(Some(facts.enabled()), truth["accountEnabled"].as_bool(), "{user}");
        }
    }
}

/// A failure in a few words.
fn told(failure: &Failure) -> String {
    let service = match failure.service {
        Service::Login => "login",
        Service::Graph => "graph",
        Service::Halo => "halo",
    };
    let kind = match &failure.kind {
        Kind::Throttled { retry_after } => format!("throttled {retry_after:?}"),
        Kind::Unavailable { detail } => format!("unavailable: {detail}"),
        Kind::LinkExpired => "link expired".to_owned(),
        Kind::ForeignLink => "foreign link".to_owned(),
        Kind::Credentials { code, error } => format!("credentials {code:?} {error}"),
        Kind::Forbidden { code } => format!("forbidden {code}"),
        Kind::Refused { status, code, .. } => format!("refused {status} {code}"),
        Kind::Malformed { detail } => format!("malformed: {detail}"),
        other @ (Kind::EndlessPages | Kind::Incomplete { .. } | Kind::BudgetSpent { .. }) => {
            format!("{other:?}")
        }
    };
    format!("{service} {kind}")
}

/// The failure of something that should fail.
fn failure<T>(result: Result<T, Failure>) -> String {
    match result {
        Ok(_) => panic!("it went well"),
        Err(failure) => told(&failure),
    }
}
