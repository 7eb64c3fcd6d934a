//! For tests: somebody who visits, and an API that answers from a list.

#![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use engine::web::{Caller, Role};
use serde_json::Value;

use crate::api::Api;
use crate::form::Pairs;
use crate::visit::{Sent, Visit};

/// A name that an attacker would choose, with a script and with letters from right to left.
pub(crate) const NASTY: &str = "<script>alert(1)</script> \u{202e}محمد \"&'";

/// Somebody who visits with this role. The API answers by path, and by path with query where that is
/// given; to everything else there is nothing.
pub(crate) fn visit(role: Role, answers: &[(&str, Value)]) -> Visit {
    let known: BTreeMap<String, Value> =
        answers.iter().map(|(at, answer)| ((*at).to_owned(), answer.clone())).collect();
    let known = Arc::new(known);
    let answer = move |request: Request| {
        let known = known.clone();
        async move {
            let uri = request.uri();
            let whole = uri.path_and_query().map_or("", |it| it.as_str());
            match known.get(whole).or_else(|| known.get(uri.path())) {
                Some(answer) => Json(answer.clone()).into_response(),
                None => (StatusCode::NOT_FOUND, "{\"title\":\"Not found\"}").into_response(),
            }
        }
    };
    let caller = Caller { role, name: "ada@contoso.example".to_owned() };
    let api = Api::new(Router::new().fallback(answer), caller.clone());
    Visit::for_tests(api, caller)
}

/// A form that they sent.
pub(crate) fn sent(visit: Visit, body: &str) -> Sent {
    Sent { visit, pairs: Pairs::read(body.as_bytes()) }
}

/// A page as text.
pub(crate) async fn page(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 10_000_000).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
