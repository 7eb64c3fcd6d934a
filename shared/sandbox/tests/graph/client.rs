//! A small client that shows what came, and a tenant to ask.

use std::collections::BTreeMap;

use sandbox::graph::Graph;
use sandbox::server::Served;
use serde_json::{Value, json};

pub(crate) use sandbox::sample::{
    CLIENT_ID as CLIENT, CLIENT_SECRET as SECRET, TENANT_ID as TENANT,
};

/// An answer as it came.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The items of a page.
    pub(crate) fn value(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["value"].as_array().unwrap().clone()
    }

    pub(crate) fn next(&self) -> Option<String> {
        Some(self.json().get("@odata.nextLink")?.as_str()?.to_owned())
    }

    pub(crate) fn delta(&self) -> Option<String> {
        Some(self.json().get("@odata.deltaLink")?.as_str()?.to_owned())
    }

    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// A tenant that is served, and a token for it.
pub(crate) struct Setup {
    pub(crate) graph: Graph,
    pub(crate) served: Served,
    pub(crate) token: String,
    http: reqwest::Client,
}

/// Everything that a chain of links brought.
pub(crate) struct Round {
    pub(crate) items: Vec<Value>,
    pub(crate) pages: Vec<usize>,
    pub(crate) delta: String,
}

impl Round {
    /// The ids in order of arrival.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::of(Graph::new(TENANT, CLIENT, SECRET)).await
    }

    pub(crate) async fn of(graph: Graph) -> Self {
        let served = graph.serve(None, None).await.unwrap();
        #[allow(clippy::disallowed_methods, reason = "a plain client, not the product's")]
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut setup = Self { graph, served, token: String::new(), http };
        setup.renew().await;
        setup
    }

    /// Gets another access token.
    pub(crate) async fn renew(&mut self) {
        let got = self.login(TENANT, &[]).await;
        let token = got.json()["access_token"].as_str().map(str::to_owned);
        self.token = token.unwrap_or_else(|| panic!("{}", got.text));
    }

    /// Asks for a token; `change` overrides or (with an empty value) leaves out form fields.
    pub(crate) async fn login(&self, tenant: &str, change: &[(&str, &str)]) -> Got {
        let scope = format!("{}/.default", self.served.url);
        let mut form = BTreeMap::from([
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("scope", &scope),
        ]);
        form.extend(change.iter().copied());
        form.retain(|_, value| !value.is_empty());
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.served.url);
        answer(self.http.post(url).form(&form)).await.unwrap()
    }

    /// Gets an address as a browser without a token, which is not sent on by itself.
    pub(crate) async fn browse(&self, url: &str) -> Got {
        answer(self.http.get(url)).await.unwrap()
    }

    /// Gets a path below `/v1.0`, or a whole link.
    pub(crate) async fn get(&self, link: &str) -> Got {
        self.get_with(link, &[]).await
    }

    pub(crate) async fn get_with(&self, link: &str, headers: &[(&str, &str)]) -> Got {
        self.try_get(link, headers).await.unwrap()
    }

    /// As [`Self::get_with`], for connections that break.
    pub(crate) async fn try_get(
        &self,
        link: &str,
        headers: &[(&str, &str)],
    ) -> Result<Got, reqwest::Error> {
        let url = if link.starts_with("http") { link.to_owned() } else { self.url(link) };
        let mut request = self.http.get(url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request).await
    }

    pub(crate) async fn get_bare(&self, path: &str, authorization: Option<&str>) -> Got {
        let request = self.http.get(self.url(path));
        let request = match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        answer(request).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Got {
        self.try_post(path, body).await.unwrap()
    }

    /// As [`Self::post`], for connections that break.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Result<Got, reqwest::Error> {
        answer(self.http.post(self.url(path)).bearer_auth(&self.token).json(body)).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1.0{path}", self.served.url)
    }

    /// Follows links to the delta link.
    pub(crate) async fn round(&self, link: &str) -> Round {
        let mut round = Round { items: Vec::new(), pages: Vec::new(), delta: String::new() };
        let mut got = self.get(link).await;
        loop {
            let items = got.value();
            round.pages.push(items.len());
            round.items.extend(items);
            match (got.next(), got.delta()) {
                (Some(next), None) => got = self.get(&next).await,
                (None, Some(delta)) => {
                    round.delta = delta;
                    return round;
                }
                both => panic!("a page has one link: {both:?}"),
            }
        }
    }

    /// Follows next links of a list to its end.
    pub(crate) async fn list(&self, link: &str, headers: &[(&str, &str)]) -> Vec<Value> {
        let mut got = self.get_with(link, headers).await;
        let mut items = got.value();
        while let Some(next) = got.next() {
            got = self.get_with(&next, headers).await;
            items.extend(got.value());
        }
        items
    }

    /// Adds `n` users named `User 1` … and gives their ids.
    pub(crate) fn add_users(&self, n: usize) -> Vec<String> {
        let user = |i: usize| {
            self.graph.add_user(json!({ "displayName": format!("User {i}"),
                "userPrincipalName": format!("user{i}@contoso.example") }))
        };
        (1..=n).map(user).collect()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Got, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    let headers = headers.collect();
    Ok(Got { status, headers, text: response.text().await? })
}
