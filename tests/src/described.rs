//! Requests and answers held to the OpenAPI document: what the API says of itself is true of every
//! request that a test sends.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// A request and its answer.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// `GET` and the like.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The body that was sent.
    pub body: Option<&'a str>,
    /// The answer's status.
    pub status: StatusCode,
    /// The answer's headers.
    pub headers: &'a HeaderMap,
    /// The answer's body.
    pub text: &'a str,
}

/// The document, with its schemas made strict.
pub struct Described {
    document: Value,
    validators: Mutex<BTreeMap<String, Arc<Validator>>>,
}

static DESCRIBED: LazyLock<Described> =
    LazyLock::new(|| Described { document: strict_document(), validators: Mutex::default() });

/// The document of the API.
pub fn document() -> &'static Value {
    &DESCRIBED.document
}

/// What an exchange says that the document does not; empty = nothing.
pub fn differences(exchange: &Exchange<'_>) -> Vec<String> {
    let (path, query) = exchange.path.split_once('?').unwrap_or((exchange.path, ""));
    let method = if exchange.method == "HEAD" { "GET" } else { exchange.method };
    let Some((template, operation)) = operation(path, method) else {
        // Nobody is told what is there before they have shown who they are.
        let expected = [401, 404, 405].contains(&exchange.status.as_u16());
        return if expected { Vec::new() } else { vec!["no such operation".to_owned()] };
    };
    let status = exchange.status.as_u16().to_string();
    let Some(answer) = operation["responses"].get(&status) else {
        return vec![format!("status {status} is not described")];
    };
    let place = format!("/paths/{}/{}", pointer(template), method.to_lowercase());
    let mut found = Vec::new();
    for name in answer["headers"].as_object().into_iter().flat_map(Map::keys) {
        if !exchange.headers.contains_key(name.as_str()) {
            found.push(format!("the header {name} is missing"));
        }
    }
    found.extend(body_differences(exchange, answer, &format!("{place}/responses/{status}")));
    if exchange.status.is_success() {
        found.extend(request_differences(exchange, query, operation, &place));
    }
    found
}

fn body_differences(exchange: &Exchange<'_>, answer: &Value, place: &str) -> Vec<String> {
    let Some(content) = answer["content"].as_object() else {
        let empty = exchange.text.is_empty();
        return if empty { Vec::new() } else { vec!["a body, and none is described".to_owned()] };
    };
    let kind = exchange.headers.get("content-type").and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !content.contains_key(kind) {
        return vec![format!("the content type \"{kind}\" is not described")];
    }
    let is_json = kind == "application/json" || kind.ends_with("+json");
    if exchange.method == "HEAD" || !is_json {
        return Vec::new();
    }
    match serde_json::from_str(exchange.text) {
        Ok(body) => breaches(&format!("{place}/content/{}/schema", pointer(kind)), &body),
        Err(error) => vec![format!("the body is not JSON: {error}")],
    }
}

/// What is accepted is described as well: parameters and bodies.
fn request_differences(
    exchange: &Exchange<'_>,
    query: &str,
    operation: &Value,
    place: &str,
) -> Vec<String> {
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let named = |name: &str| parameters.iter().any(|it| it["in"] == "query" && it["name"] == name);
    let mut found = Vec::new();
    for (name, _) in url::form_urlencoded::parse(query.as_bytes()) {
        if !named(&name) {
            found.push(format!("the parameter {name} is not described"));
        }
    }
    let body = exchange.body.filter(|body| !body.is_empty() && *body != "{}");
    if let Some(body) = body {
        let schema = format!("{place}/requestBody/content/application~1json/schema");
        if DESCRIBED.document.pointer(&schema).is_none() {
            found.push("a body was taken, and none is described".to_owned());
        } else if let Ok(body) = serde_json::from_str(body) {
            found.extend(breaches(&schema, &body).into_iter().map(|it| format!("request: {it}")));
        }
    }
    found
}

fn breaches(schema: &str, body: &Value) -> Vec<String> {
    let validator = DESCRIBED.validator(schema);
    validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

impl Described {
    fn validator(&self, schema: &str) -> Arc<Validator> {
        let mut known = self.validators.lock().unwrap();
        let made = known.entry(schema.to_owned()).or_insert_with(|| {
            let mut root = self.document.pointer(schema).unwrap().clone();
            root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
            root["components"] = self.document["components"].clone();
            Arc::new(jsonschema::validator_for(&root).unwrap())
        });
        Arc::clone(made)
    }
}

/// The operation that a path leads to: of several templates the one with the most words of its own.
fn operation(path: &str, method: &str) -> Option<(&'static str, &'static Value)> {
    let paths = DESCRIBED.document["paths"].as_object().unwrap();
    let fits = |template: &str| {
        let (words, parts): (Vec<&str>, Vec<&str>) =
            (template.split('/').collect(), path.split('/').collect());
        let same = |(word, part): (&&str, &&str)| word == part || word.starts_with('{');
        words.len() == parts.len() && words.iter().zip(&parts).all(same)
    };
    let found = paths.iter().filter(|(template, _)| fits(template));
    let (template, item) = found.min_by_key(|(template, _)| template.matches('{').count())?;
    Some((template, item.get(method.to_lowercase())?))
}

fn pointer(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

/// The document with schemas that refuse keys that they do not name, so that nothing is answered
/// unsaid. Schemas that are put together from others refuse for all of their parts at once: those
/// are kept apart, open, under `components/open`.
fn strict_document() -> Value {
    let mut document = admin::openapi();
    let schemas = document["components"]["schemas"].as_object().unwrap().clone();
    // The schema of connection documents refuses other keys by itself.
    let own = plan::document::definitions("");
    let all = |how: Keys| {
        let made = schemas.iter().map(|(name, schema)| {
            let is_own = own.contains_key(name.as_str());
            let schema = if is_own { schema.clone() } else { strict(schema, how) };
            (name.clone(), schema)
        });
        Value::Object(made.collect())
    };
    let (closed, open) = (all(Keys::Closed), all(Keys::Open));
    document = strict_places(document);
    document["components"]["schemas"] = closed;
    document["components"]["open"] = open;
    // Problems may say more than their members in common.
    document["components"]["schemas"]["Problem"] = schemas["Problem"].clone();
    document
}

/// Schemas that stand where they are used.
fn strict_places(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| {
                let value = match key.as_str() {
                    "schema" => strict(&value, Keys::Closed),
                    _ => strict_places(value),
                };
                (key, value)
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(strict_places).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// Whether a schema refuses other keys itself, or is a part of one that does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Closed,
    Open,
}

fn strict(schema: &Value, keys: Keys) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    let is_whole = schema.contains_key("allOf");
    let mut made = Map::new();
    for (key, value) in schema {
        let value = match (key.as_str(), value) {
            ("$ref", Value::String(to)) if keys == Keys::Open => {
                json!(to.replace("/schemas/", "/open/"))
            }
            ("properties", Value::Object(properties)) => {
                properties.iter().map(|(key, it)| (key.clone(), strict(it, Keys::Closed))).collect()
            }
            ("items" | "additionalProperties", value) => strict(value, Keys::Closed),
            ("allOf", Value::Array(parts)) => {
                parts.iter().map(|part| strict(part, Keys::Open)).collect()
            }
            ("oneOf" | "anyOf", Value::Array(parts)) => {
                parts.iter().map(|part| strict(part, keys)).collect()
            }
            (_, value) => value.clone(),
        };
        made.insert(key.clone(), value);
    }
    let names_keys = is_whole || made.contains_key("properties");
    if keys == Keys::Closed && names_keys && !made.contains_key("additionalProperties") {
        made.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    Value::Object(made)
}
