//! The world of the story: simulators of Graph and Halo, an issuer of tokens, and a deployment.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sandbox::graph::Graph;
use sandbox::halo::Halo;
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET};
use sandbox::server::Served;
use serde_json::{Value, json};
use tests::issued;
use tests::stack::{Answer, Stack, until};
use tests::tripwire::Tripwire;

/// How long anything may take at the most, on a machine that has other things to do: a run whose hint
/// got lost stands still for three minutes before the timer wakes it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(6);

/// Another tenant than the sample's.
pub(crate) const FABRIKAM: &str = "4d2f3a10-7b1c-4c60-8a55-9f2b6c7d8e9f";

/// A client of Halo for the people of that tenant.
pub(crate) const FABRIKAM_CLIENT: i64 = 900;

/// Its site.
pub(crate) const FABRIKAM_SITE: i64 = 901;

/// The world.
pub(crate) struct Story {
    pub(crate) stack: Stack,
    /// The sample tenant.
    pub(crate) contoso: Graph,
    /// A small one.
    pub(crate) fabrikam: Graph,
    pub(crate) halo: Halo,
    /// Stops the request to Halo that it is set to.
    pub(crate) wire: Arc<Tripwire>,
    pub(crate) contoso_served: Served,
    pub(crate) fabrikam_served: Served,
    pub(crate) halo_served: Served,
    administrator: String,
    reader: String,
}

impl Story {
    pub(crate) async fn begin() -> Self {
        let (contoso, fabrikam, halo) = (sandbox::sample::tenant(), fabrikam(), halo());
        let wire = Arc::new(Tripwire::default());
        contoso.use_system_clock();
        fabrikam.use_system_clock();
        halo.use_system_clock();
        let contoso_served = contoso.serve(None, None).await.unwrap();
        let fabrikam_served = fabrikam.serve(None, None).await.unwrap();
        let halo_served = halo.serve(None, Some(wire.hook("halo"))).await.unwrap();
        let stack = Stack::deploy(&[
            ("HaloApiUrl", &format!("{}/api", halo_served.url)),
            ("HaloAuthUrl", &format!("{}/auth", halo_served.url)),
            ("HaloTenant", sandbox::halo::TENANT),
            ("HaloClientId", sandbox::halo::CLIENT_ID),
            // Counted as in a real deployment, and enough for a story told in three minutes.
            ("HaloRequestsPer5Minutes", "5000"),
            ("JwtIssuer", &issued::shared().url),
            ("JwtAudience", issued::AUDIENCE),
            ("JwtTenant", issued::TENANT),
            ("CustomClouds", "allowed"),
            ("OperatorSignIn", "on"),
            ("Architecture", "x86_64"),
            ("WorkerConcurrency", "2"),
        ])
        .await;
        // What the operator does after the first deployment.
        let secrets = aws_sdk_secretsmanager::Client::new(&stack.operator().await);
        let secret = secrets.put_secret_value().secret_id(&stack.outputs["HaloSecret"]);
        secret.secret_string(sandbox::halo::CLIENT_SECRET).send().await.unwrap();
        let [administrator, reader] = ["administrator", "reader"].map(token);
        Self {
            stack,
            contoso,
            fabrikam,
            halo,
            wire,
            contoso_served,
            fabrikam_served,
            halo_served,
            administrator,
            reader,
        }
    }

    /// Calls the API as an administrator.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.stack.call(Some(&self.administrator), method, path, Some(body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body).await.ok()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.stack.call(Some(&self.administrator), "GET", path, None).await.ok()
    }

    /// Calls the API as a reader.
    pub(crate) async fn read(&self, method: &str, path: &str) -> Answer {
        self.stack.call(Some(&self.reader), method, path, None).await
    }

    /// Asks for an import; gives the run's id.
    pub(crate) async fn import(&self, connection: &str, body: &Value) -> String {
        let answer = self.post(&format!("/v1/connections/{connection}/imports"), body).await;
        answer["run"].as_str().unwrap().to_owned()
    }

    /// A run, once it ended.
    pub(crate) async fn ended(&self, run: &str) -> Value {
        let path = format!("/v1/runs/{run}");
        until(&format!("the end of run {run}"), PATIENCE, async || {
            let run = self.get(&path).await;
            run["finished"].is_string().then_some(run)
        })
        .await
    }

    /// Imports, and gives the run as it ended.
    pub(crate) async fn imported(&self, connection: &str) -> Value {
        let run = self.import(connection, &json!({})).await;
        self.ended(&run).await
    }

    /// A document of the small tenant, which puts everybody into one site.
    pub(crate) fn fabrikam_document(&self, id: &str) -> Value {
        let url = &self.fabrikam_served.url;
        json!({
            "id": id, "name": format!("The {id}"), "tenant_id": FABRIKAM,
            "cloud": { "login": url, "graph": url },
            "auth": { "client_id": CLIENT_ID },
            "sync": { "entities": ["users"], "out_of_scope": "leave" },
            "field_mappings": { "users": [
                { "from": "displayName", "to": "name" }, { "from": "mail", "to": "emailaddress" },
                { "from": "userPrincipalName", "to": "login" }, { "from": "jobTitle", "to": "title" }] },
            "matching": { "users": [{ "entra": "mail", "halo": "emailaddress" }] },
            "mappings": [{ "id": "everybody", "sequence": 10,
                "target": { "type": "site", "site_id": FABRIKAM_SITE } }],
            "guard": { "max_deactivations": { "count": 0, "percent": 0, "absolute": 0 } }
        })
    }

    /// Makes a connection and enters its credentials.
    pub(crate) async fn connect(&self, document: &Value) {
        self.post("/v1/connections", document).await;
        self.enter(document["id"].as_str().unwrap(), CLIENT_SECRET).await;
    }

    pub(crate) async fn enter(&self, connection: &str, secret: &str) {
        let path = format!("/v1/connections/{connection}/credentials");
        // Near enough for the timer to warn of it, and to note that it did (C9).
        let body = json!({ "client_secret": secret, "expires_at": in_days(20) });
        self.send("PUT", &path, &body).await.ok();
    }

    pub(crate) async fn authorise(&self, connection: &str) -> Value {
        self.post(&format!("/v1/connections/{connection}/authorise"), &json!({})).await
    }
}

/// A token for a role, good for an hour.
pub(crate) fn token(role: &str) -> String {
    issued::token(&json!({ "roles": role, "sub": role, "exp": in_seconds(3600) })).unwrap()
}

/// A time from now, as tokens have it.
#[allow(clippy::disallowed_methods, reason = "the emulator keeps real time")]
pub(crate) fn in_seconds(seconds: i64) -> String {
    (Timestamp::now().as_second() + seconds).to_string()
}

/// A day from now, as the end of credentials is entered.
pub(crate) fn in_days(days: i64) -> String {
    let second = in_seconds(days * 24 * 3600).parse().unwrap();
    Timestamp::from_second(second).unwrap().to_string()
}

/// How many people the small tenant has.
pub(crate) const PEOPLE: usize = 12;

fn fabrikam() -> Graph {
    let graph = Graph::new(FABRIKAM, CLIENT_ID, CLIENT_SECRET);
    for number in 1..=PEOPLE {
        graph.add_user(json!({
            "displayName": format!("Person {number}"), "surname": "Person",
            "userPrincipalName": format!("p{number}@tailspin.example"),
            "mail": format!("p{number}@tailspin.example"),
        }));
    }
    graph
}

fn halo() -> Halo {
    let halo = sandbox::sample::halo();
    halo.add_client(&json!({ "id": FABRIKAM_CLIENT, "name": "Fabrikam of the story" }));
    halo.add_site(&json!({ "id": FABRIKAM_SITE, "name": "Main", "client_id": FABRIKAM_CLIENT }));
    halo
}
