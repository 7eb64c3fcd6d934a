//! A small Halo with two clients, and a caller with a token.

use sandbox::halo::{CLIENT_ID, CLIENT_SECRET, Halo};
use sandbox::server::Served;
use serde_json::{Value, json};

/// An object id that a test can ask for.
pub(crate) const OID: &str = "0f8f5c1e-0000-4000-8000-00000000000a";

/// Client 1 with sites 11 (and a nameless 12), client 2 with site 21; user and agent roles; two custom
/// fields; agents 5 (active) and 6 (disabled); users 101 (active, with `OID`) and 102 (inactive).
pub(crate) fn small_halo() -> Halo {
    let halo = Halo::new();
    halo.add_client(&json!({"id": 1, "name": "Acme"}));
    halo.add_client(&json!({"id": 2, "name": "Globex"}));
    halo.add_site(&json!({"id": 11, "name": "Leeds", "client_id": 1}));
    halo.add_site(&json!({"id": 12, "name": "", "client_id": 1}));
    halo.add_site(&json!({"id": 21, "name": "York", "client_id": 2}));
    halo.add_user_role(&json!({"id": 3, "name": "Standard"}));
    halo.add_user_role(&json!({"id": 4, "name": "Manager"}));
    halo.add_role(&json!({"id": "b2c7", "id_int": 7, "name": "Technician"}));
    halo.add_custom_field(&json!({"id": 123, "name": "CFBadge", "label": "Badge"}));
    halo.add_custom_field(&json!({"id": 124, "name": "CFKeep", "label": "Keep", "type": 2,
        "values": [{"id": 1, "name": "No"}, {"id": 2, "name": "Yes"}]}));
    halo.add_agent(&json!({"id": 5, "name": "Tess Tech", "email": "tess@acme.example"}));
    halo.add_agent(&json!({"id": 6, "name": "Gone Tech", "isdisabled": true}));
    halo.add_user(&json!({"id": 101, "name": "Ada Byron", "firstname": "Ada", "surname": "Byron",
        "site_id": 11, "emailaddress": "ada@acme.example", "login": "ada@acme.example",
        "email2": "countess@acme.example", "title": "Engineer", "azureoid": OID}));
    halo.add_user(&json!({"id": 102, "name": "Lea Ver", "site_id": 21, "inactive": true,
        "emailaddress": "lea@globex.example"}));
    halo
}

/// Somebody who calls the API.
pub(crate) struct Caller {
    pub(crate) halo: Halo,
    pub(crate) served: Served,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

impl Caller {
    /// Serves `halo` and signs in for everything.
    pub(crate) async fn of(halo: Halo) -> Self {
        let mut caller = Self::unsigned(halo).await;
        caller.sign_in("all").await;
        caller
    }

    pub(crate) async fn small() -> Self {
        Self::of(small_halo()).await
    }

    /// Serves `halo` without signing in.
    pub(crate) async fn unsigned(halo: Halo) -> Self {
        let served = halo.serve(None, None).await.unwrap();
        #[allow(clippy::disallowed_methods, reason = "a plain client, not the product's")]
        let http =
            reqwest::Client::builder().user_agent("halo-entra tests").no_proxy().build().unwrap();
        Self { halo, served, http, token: String::new() }
    }

    pub(crate) async fn sign_in(&mut self, scope: &str) {
        let (status, body) = self.ask_token("", &token_form(scope)).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().clone_into(&mut self.token);
    }

    /// Posts a form to the token endpoint; the answer's JSON, or `null` when it is none.
    pub(crate) async fn ask_token(&self, query: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/auth/token{query}", self.served.url);
        answer(self.http.post(url).form(form)).await
    }

    pub(crate) fn getting(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.served.url)).bearer_auth(&self.token)
    }

    pub(crate) fn posting(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.served.url)).bearer_auth(&self.token).json(body)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.getting(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.posting(path, &body)).await
    }

    /// The ids of a list of users that the query selects.
    pub(crate) async fn user_ids(&self, query: &str) -> Vec<i64> {
        let (status, body) =
            self.get(&format!("/api/Users?exclude_generaluser=true&{query}")).await;
        assert_eq!(status, 200, "{query}: {body}");
        ids(&body["users"])
    }
}

pub(crate) fn ids(rows: &Value) -> Vec<i64> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let (status, body) = text(request).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}

pub(crate) async fn text(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

pub(crate) fn token_form(scope: &str) -> Vec<(&str, &str)> {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
    ];
    if !scope.is_empty() {
        form.push(("scope", scope));
    }
    form
}
