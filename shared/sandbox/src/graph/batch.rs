//! `$batch`: up to 20 calls in one, each answered and throttled on its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::access::Rights;
use super::call::{Call, Query};
use super::faults::take;
use super::model::Model;
use super::reply::{Answer, Payload, Reply};

const MAX_REQUESTS: usize = 20;

/// One request of a batch.
struct Step {
    id: String,
    depends_on: Vec<String>,
    call: Call,
}

/// Answers `POST /v1.0/$batch`.
pub(super) fn answer(model: &mut Model, call: &Call, rights: &Rights) -> Answer {
    let steps = read(call)?;
    let mut failed = BTreeSet::new();
    let mut responses = Vec::new();
    for step in &steps {
        let depends_on_failure = step.depends_on.iter().any(|id| failed.contains(id));
        let mut reply = if depends_on_failure {
            let message = "The request depends on a request that failed.";
            Reply::error(424, "FailedDependency", message)
        } else {
            one(model, step, rights)
        };
        if reply.status >= 400 {
            failed.insert(step.id.clone());
        }
        responses.push(response(model, step, &mut reply));
    }
    model.rng.shuffle(&mut responses);
    if take(&mut model.faults.batch_missing) {
        responses.pop();
    }
    let mut reply = Reply::ok(json!({ "responses": responses }));
    reply.headers.push(("Content-Type", "application/json".into()));
    if !failed.is_empty() && take(&mut model.faults.batch_failed_outside) {
        reply.status = 424;
    }
    Ok(reply)
}

fn read(call: &Call) -> Result<Vec<Step>, Reply> {
    let body = call.json()?;
    let malformed = || Reply::error(400, "BadRequest", "Invalid batch payload format.");
    let requests = body.get("requests").and_then(Value::as_array).ok_or_else(malformed)?;
    if requests.len() > MAX_REQUESTS {
        let message =
            format!("Number of batch requests steps exceeds the maximum of {MAX_REQUESTS}.");
        return Err(Reply::error(400, "BadRequest", message));
    }
    let mut ids = BTreeSet::new();
    let mut steps = Vec::new();
    for request in requests {
        let step = step(call, request).ok_or_else(malformed)?;
        if !ids.insert(step.id.to_lowercase()) {
            let message = format!("The request id '{}' is not unique.", step.id);
            return Err(Reply::error(400, "BadRequest", message));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn step(outer: &Call, request: &Value) -> Option<Step> {
    let text = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
    let url = text("url")?;
    let (path, query) = url.split_once('?').unwrap_or((&url, ""));
    let headers = request.get("headers").and_then(Value::as_object);
    let headers: BTreeMap<String, String> = headers
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.to_lowercase(), value.as_str()?.to_owned())))
        .collect();
    let body = match request.get("body") {
        None => Vec::new(),
        Some(_) if !headers.contains_key("content-type") => return None,
        Some(body) => body.to_string().into_bytes(),
    };
    let depends_on = request.get("dependsOn").and_then(Value::as_array);
    Some(Step {
        id: text("id")?,
        depends_on: depends_on
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect(),
        call: Call {
            method: text("method")?.to_uppercase(),
            base: outer.base.clone(),
            path: format!("/v1.0/{}", path.trim_start_matches('/')),
            query: Query::parse(query),
            headers,
            body,
        },
    })
}

fn one(model: &mut Model, step: &Step, rights: &Rights) -> Reply {
    if take(&mut model.faults.batch_throttled) {
        return Reply::throttled(Some("1".into()));
    }
    let scripted = model.scripted(&step.call.path);
    if let Some(reply) = scripted.and_then(|fault| fault.reply()) {
        return reply;
    }
    let segments = step.call.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    model.act_one(&step.call, &path, rights).unwrap_or_else(|refusal| refusal)
}

fn response(model: &mut Model, step: &Step, reply: &mut Reply) -> Value {
    let request_id = model.random_id();
    let date = model.clock.now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    reply.sign(&date, &request_id, &request_id);
    let mut headers: Map<String, Value> =
        reply.headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let content_type = reply.content_type();
    if !content_type.is_empty() {
        headers.insert("Content-Type".into(), content_type.into());
    }
    headers.insert("Cache-Control".into(), "no-cache".into());
    if reply.status < 300 {
        headers.insert("OData-Version".into(), "4.0".into());
    }
    let body = match &reply.body {
        Payload::Json(body) => body.clone(),
        Payload::Text { text, .. } => json!(text),
        Payload::Empty => Value::Null,
    };
    json!({ "id": step.id, "status": reply.status, "headers": headers, "body": body })
}
