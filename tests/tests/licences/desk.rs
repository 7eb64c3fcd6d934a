//! A tenant with a few people and licences, imported into Halo, and the calls that Halo makes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use engine::queue::Queue;
use engine::store::log::Entry;
use engine::web::Auth;
use jiff::SignedDuration;
use plan::ids::ObjectId;
use plan::tally::RunState;
use sandbox::graph::Graph;
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};
use tests::described::{Exchange, differences};
pub(crate) use tests::licensed::signature;
use tests::world::{Setup, Storage, World};
use tower::ServiceExt;

/// The administrator's token.
const TOKEN: &str = "a-token-for-tests";
/// The key that Halo signs with.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
/// Where Halo asks.
pub(crate) const ASK: &str = "/v1/licence-assignments";
/// The permission to give and take.
pub(crate) const ASSIGN: &str = "LicenseAssignment.ReadWrite.All";

/// A product that people can hold.
pub(crate) const SUITE: &str = "c7df2760-2c81-4ef7-b578-5b5392b571df";
/// One that goes together with the suite for nobody.
pub(crate) const RIVAL: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";
/// One whose subscription ended.
pub(crate) const ENDED: &str = "d17b27af-3f49-4822-99f9-56a661538792";

/// The world with the way in.
pub(crate) struct Desk {
    pub(crate) world: World,
    /// Number of each product in Halo.
    licences: BTreeMap<String, i64>,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// The word at the end of a problem's type.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.json["status"], self.status.as_u16(), "{self:?}");
        self.json["type"].as_str().unwrap().rsplit(':').next().unwrap()
    }

    /// The id of an assignment that was taken in.
    pub(crate) fn id(&self) -> String {
        assert_eq!(self.status, 202, "{self:?}");
        self.json["assignment"].as_str().unwrap().to_owned()
    }
}

/// How a world of licences begins.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) people: usize,
    pub(crate) seats: i64,
    pub(crate) storage: Storage,
}

impl Default for Start {
    fn default() -> Self {
        Self { people: 4, seats: 5, storage: Storage::Memory }
    }
}

fn edit(document: &mut Value) {
    document["sync"]["every_minutes"] = json!(60);
    document["roles"] = json!({});
    document["field_mappings"]["users"] = json!([{ "from": "displayName", "to": "name" }]);
    let target = json!({ "type": "site", "site_id": 18 });
    document["mappings"] = json!([{ "id": "all", "sequence": 1, "target": target }]);
    document["sync"]["entities"] = json!(["users", "licences"]);
    document["licences"] = json!({ "client_id": 3, "manage_from_halo": true });
}

/// The n-th person; they are spread over the segments.
pub(crate) fn id(n: usize) -> ObjectId {
    format!("{:x}0000000-0000-4000-8000-{n:012x}", n % 16).parse().unwrap()
}

fn tenant(start: Start) -> Graph {
    let graph = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    graph.grant(ASSIGN);
    for n in 1..=start.people {
        let mail = format!("p{n}@contoso.example");
        graph.add_user(json!({
            "id": id(n).to_string(), "displayName": format!("P{n}"), "surname": "P", "mail": mail,
            "userPrincipalName": mail, "accountEnabled": true, "userType": "Member",
            "usageLocation": "DE",
        }));
    }
    graph.add_sku_with_id(SUITE, "ENTERPRISEPREMIUM", start.seats);
    graph.add_sku_with_id(RIVAL, "ENTERPRISEPACK", 50);
    graph.add_sku_with_id(ENDED, "CRMSTANDARD", 50);
    graph.set_conflicting(SUITE, RIVAL);
    graph
}

impl Desk {
    /// Everybody is imported, the licences are known, and the key is entered.
    pub(crate) async fn open(start: Start) -> Self {
        let halo = Halo::new();
        halo.add_client(&json!({ "id": 3, "name": "Contoso" }));
        halo.add_site(&json!({ "id": 18, "name": "Sales", "client_id": 3 }));
        let entra = tenant(start);
        let storage = start.storage;
        let world = World::new(Setup { entra, halo, edit, storage, ..Setup::default() }).await;
        let run = world.sync().await;
        assert_eq!(run.state, RunState::Completed, "{run:#?}");
        let mut desk = Self { world, licences: BTreeMap::new() };
        for sku in [SUITE, RIVAL, ENDED] {
            desk.licences.insert(sku.to_owned(), desk.world.licence(sku).await);
        }
        desk.admin("PUT", "/v1/licence-signing-key", Some(json!({ "key": KEY }))).await;
        desk
    }

    /// Number of a person's user in Halo.
    pub(crate) fn user(&self, n: usize) -> i64 {
        self.world.halo.users_with_azureoid(&id(n).to_string())[0]
    }

    /// Number of a product in Halo.
    pub(crate) fn licence(&self, sku: &str) -> i64 {
        self.licences[sku]
    }

    /// The body of a request for a person and a product.
    pub(crate) fn body(&self, action: &str, n: usize, sku: &str) -> Value {
        json!({ "action": action, "user_id": self.user(n), "licence_id": self.licence(sku) })
    }

    /// Asks as Halo does, signed at this moment: by then the user's software says already what is asked
    /// for.
    pub(crate) async fn ask(&self, body: &Value) -> Answer {
        self.enter(body);
        let text = body.to_string();
        let at = self.world.clock_now().as_second();
        self.signed(&text, at, &signature(KEY, at, &text)).await
    }

    /// Somebody assigns or removes the licence in Halo.
    fn enter(&self, body: &Value) {
        let Some(user) = body["user_id"].as_i64().and_then(|id| self.world.halo.user(id)) else {
            return;
        };
        let mut software = user["software"].as_array().cloned().unwrap_or_default();
        software.retain(|held| held["licence_id"] != body["licence_id"]);
        if body["action"] == "assign" {
            software.push(json!({ "licence_id": body["licence_id"] }));
        }
        let id = tests::world::int(&user["id"]);
        self.world.halo.change_user(id, &json!({ "software": software }));
    }

    /// Sends a body with these two headers and nothing else that opens anything.
    pub(crate) async fn signed(&self, body: &str, at: i64, signature: &str) -> Answer {
        let at = at.to_string();
        let headers =
            [("x-halo-entra-timestamp", at.as_str()), ("x-halo-entra-signature", signature)];
        self.send("POST", ASK, Some(body.to_owned()), &headers).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let router = admin::router(self.world.engine.clone(), Auth::Local(TOKEN.into()));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = body.clone().map_or_else(Body::empty, Body::from);
        let response = router.oneshot(request.body(sent).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (body, shown) = (body.as_deref(), text.as_str());
        let exchange = Exchange { method, path, body, status, headers: &headers, text: shown };
        let differences = differences(&exchange);
        assert!(differences.is_empty(), "{method} {path} {status}: {differences:#?}\n{text}");
        Answer { status, headers, json: serde_json::from_str(&text).unwrap_or_default() }
    }

    /// Sends a request as the administrator.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = format!("Bearer {TOKEN}");
        let body = body.map(|body| body.to_string());
        self.send(method, path, body, &[("authorization", &token)]).await
    }

    /// An assignment as it stands.
    pub(crate) async fn read(&self, id: &str) -> Value {
        let answer = self.admin("GET", &format!("{ASK}/{id}"), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json
    }

    /// Asks, lets everything happen that follows, and tells how it ended. What is asked in the same second
    /// with the same body would be the same call.
    pub(crate) async fn done(&self, body: &Value) -> Value {
        self.world.pass(SignedDuration::from_secs(1));
        let id = self.ask(body).await.id();
        self.world.quiet().await;
        self.read(&id).await
    }

    /// Takes all hints from the queue and handles none; how many there were.
    pub(crate) async fn lose_hints(&self) -> usize {
        let mut lost = 0;
        while self.world.queue.next_due().is_some() {
            for delivery in self.world.queue.receive(10, Duration::ZERO).await.unwrap() {
                self.world.queue.delete(&delivery.receipt).await.unwrap();
                lost += 1;
            }
        }
        lost
    }

    /// The products that a person holds in Entra.
    pub(crate) fn held(&self, n: usize) -> BTreeSet<String> {
        self.world.entra.licences_of(&id(n).to_string())
    }

    /// Whether Halo shows of everybody what they hold in Entra, and nothing else.
    pub(crate) async fn agrees(&self, people: usize) -> bool {
        for n in 1..=people {
            let held: BTreeSet<i64> = self.held(n).iter().map(|sku| self.licence(sku)).collect();
            if self.world.linked(id(n)).await != held {
                return false;
            }
        }
        true
    }

    /// Entries of the log about licences, oldest first.
    pub(crate) async fn log(&self) -> Vec<Entry> {
        let mut all = self.world.log().await;
        all.retain(|entry| entry.decision.licence.is_some());
        all.reverse();
        all
    }

    /// Seats of a product that are taken, as the ledger says.
    pub(crate) async fn ledger(&self, sku: &str) -> i64 {
        let book = self.world.engine.store.book(&self.world.id).await.unwrap().unwrap();
        book.value.skus[&sku.parse().unwrap()].used
    }
}
