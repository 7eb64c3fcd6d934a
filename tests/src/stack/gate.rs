//! The gate between the functions and AWS: lets through what a function's deployed policy allows,
//! refuses everything else as AWS does, and counts.
//!
//! The emulator does not hold functions to their policies; this does.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};
use serde_json::{Value, json};

use super::policy::{Policy, Right};
use super::request::{Request, Units};

/// Larger than any request to the services behind the gate.
const MOST: usize = 32 << 20;

/// Headers that belong to one connection, not to the request.
const OF_CONNECTION: [header::HeaderName; 3] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];

/// What the emulator answers: status, headers, body.
type Answer = (StatusCode, HeaderMap, Vec<u8>);

/// A running gate.
#[derive(Clone)]
pub struct Gate {
    /// Where the functions are to send what they send to AWS.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    http: reqwest::Client,
    model: Mutex<Model>,
}

#[derive(Default)]
struct Model {
    policies: BTreeMap<String, Policy>,
    calls: Vec<Call>,
    strays: Vec<String>,
}

/// A request that came to the gate.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who sent it.
    pub function: String,
    /// Such as `dynamodb`.
    pub service: &'static str,
    /// Such as `BatchGetItem`.
    pub operation: String,
    /// The statements of the policy that let it through.
    pub covered_by: Vec<Right>,
    /// What the policy lacks; such a request was refused.
    pub lacking: Vec<Right>,
    /// The traces that it handed on with messages.
    pub traces: Vec<String>,
    /// The status of the answer.
    pub status: u16,
    /// What it cost.
    pub units: Units,
}

impl Gate {
    /// A gate before `upstream`, which need not be there yet. Nobody may do anything.
    pub async fn start(upstream: &str) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[allow(clippy::disallowed_methods, reason = "talks to the emulator, not to the world")]
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let model = Mutex::default();
        let shared = Arc::new(Shared { upstream: upstream.to_owned(), http, model });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// Holds a function to a policy from now on.
    pub fn hold(&self, function: &str, policy: Policy) {
        self.model().policies.insert(function.to_owned(), policy);
    }

    /// Everything that came since the call with this number.
    pub fn calls_since(&self, first: usize) -> Vec<Call> {
        self.model().calls[first..].to_vec()
    }

    /// How many calls came.
    pub fn count(&self) -> usize {
        self.model().calls.len()
    }

    /// Requests that were not understood, and refused.
    pub fn strays(&self) -> Vec<String> {
        self.model().strays.clone()
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.shared.model()
    }
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// Sends on what came, as it is: it stays signed.
    async fn send(&self, parts: &request::Parts, body: &[u8]) -> Answer {
        let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
        let request = self.http.request(parts.method.clone(), format!("{}{path}", self.upstream));
        let request = request.headers(end_to_end(&parts.headers)).body(body.to_vec());
        let answer = request.send().await.expect("the emulator does not answer");
        let (status, headers) = (answer.status(), end_to_end(answer.headers()));
        (status, headers, answer.bytes().await.expect("an answer that broke off").to_vec())
    }
}

impl Shared {
    /// The emulator forgets the system attributes of messages in a batch, the trace among them, so each
    /// is sent by itself.
    async fn send_singly(&self, mut parts: request::Parts, body: &[u8]) -> Answer {
        let target = HeaderValue::from_static("AmazonSQS.SendMessage");
        parts.headers.insert("x-amz-target", target);
        let batch: Value = serde_json::from_slice(body).expect("a batch");
        let mut sent = Vec::new();
        let mut headers = HeaderMap::new();
        for entry in batch["Entries"].as_array().expect("entries") {
            let mut message = entry.clone();
            message["QueueUrl"] = batch["QueueUrl"].clone();
            let (status, its, answer) = self.send(&parts, message.to_string().as_bytes()).await;
            if !status.is_success() {
                return (status, its, answer);
            }
            let mut answer: Value = serde_json::from_slice(&answer).expect("an answer");
            answer["Id"] = entry["Id"].clone();
            sent.push(answer);
            headers = its;
        }
        let answer = json!({ "Successful": sent, "Failed": [] }).to_string();
        (StatusCode::OK, headers, answer.into_bytes())
    }
}

async fn pass(
    State(shared): State<Arc<Shared>>,
    request: axum::extract::Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MOST).await.expect("a request that broke off");
    let request = match Request::read(&parts.headers, &body) {
        Ok(request) => request,
        Err(why) => {
            shared.model().strays.push(format!("{} {}: {why}", parts.method, parts.uri));
            return refusal("", "a request that is not understood");
        }
    };
    let call = judged(&shared.model().policies, &request);
    if let Some(lacking) = call.lacking.first() {
        let answer = refusal(request.service, &sentence(&request.function, lacking));
        shared.model().calls.push(Call { status: answer.status().as_u16(), ..call });
        return answer;
    }
    let (status, headers, answer) = match request.operation.as_str() {
        "SendMessageBatch" => shared.send_singly(parts, &body).await,
        _ => shared.send(&parts, &body).await,
    };
    let units = request.units(&serde_json::from_slice(&answer).unwrap_or_default());
    shared.model().calls.push(Call { status: status.as_u16(), units, ..call });
    let mut response = Response::new(Body::from(answer));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// What a function's policy says to a request.
fn judged(policies: &BTreeMap<String, Policy>, request: &Request) -> Call {
    let none = Policy::default();
    let policy = policies.get(&request.function).unwrap_or(&none);
    let (mut covered_by, mut lacking) = (Vec::new(), Vec::new());
    for needed in request.rights() {
        let covering = policy.covering(&needed);
        if covering.is_empty() {
            lacking.push(needed);
        } else {
            covered_by.extend(covering.into_iter().cloned());
        }
    }
    Call {
        function: request.function.clone(),
        service: request.service,
        operation: request.operation.clone(),
        covered_by,
        lacking,
        traces: request.traces(),
        status: 0,
        units: Units::default(),
    }
}

fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in OF_CONNECTION {
        headers.remove(name);
    }
    headers
}

fn sentence(function: &str, lacking: &Right) -> String {
    let Right { action, resource } = lacking;
    format!(
        "User: {function} is not authorized to perform: {action} on resource: {resource} because no \
         identity-based policy allows the {action} action"
    )
}

/// A refusal in the shape of the service.
fn refusal(service: &str, message: &str) -> Response<Body> {
    let (status, kind) = match service {
        "sqs" => (403, "com.amazon.coral.service#AccessDeniedException"),
        "dynamodb" => (400, "com.amazon.coral.service#AccessDeniedException"),
        _ => (400, "AccessDeniedException"),
    };
    let body: Value = json!({ "__type": kind, "message": message, "Message": message });
    let answer = Response::builder().status(status);
    let answer = answer.header(header::CONTENT_TYPE, "application/x-amz-json-1.1");
    answer.body(Body::from(body.to_string())).unwrap()
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_dynamodb::config::{AppName, Credentials};

    use super::*;
    use crate::aws::REGION;

    /// A client as a function has it, which names itself.
    async fn table(gate: &Gate, function: &str) -> aws_sdk_dynamodb::Client {
        let settings = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .app_name(AppName::new(format!("halo-entra-{function}")).unwrap())
            .endpoint_url(&gate.url);
        aws_sdk_dynamodb::Client::new(&settings.load().await)
    }

    async fn query(client: &aws_sdk_dynamodb::Client) -> Result<(), String> {
        let request = client.query().table_name("t").key_condition_expression("pk = :pk");
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => {
                let refused = error.into_service_error();
                let meta = aws_sdk_dynamodb::error::ProvideErrorMetadata::meta(&refused);
                Err(format!("{}: {}", meta.code().unwrap(), meta.message().unwrap()))
            }
        }
    }

    #[tokio::test]
    async fn a_function_may_do_what_its_policy_says_and_nothing_else() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = format!("http://{}", listener.local_addr().unwrap());
        let answer = || async { r#"{"Items": [], "Count": 0, "ScannedCount": 0}"# };
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });

        let gate = Gate::start(&upstream).await;
        let allowed = |action: &str| {
            Policy::read(&[json!({ "Statement": [{ "Effect": "Allow", "Action": action,
                "Resource": "arn:aws:dynamodb:eu-west-1:000000000000:table/t" }] })])
        };
        gate.hold("worker", allowed("dynamodb:Query"));
        gate.hold("admin", allowed("dynamodb:PutItem"));
        query(&table(&gate, "worker").await).await.unwrap();
        for function in ["admin", "nobody"] {
            let refused = query(&table(&gate, function).await).await.unwrap_err();
            assert!(refused.starts_with("AccessDeniedException: User: "), "{refused}");
            assert!(refused.contains("dynamodb:Query on resource: arn:aws:dynamodb"), "{refused}");
        }
        let calls = gate.calls_since(0);
        let statuses: Vec<u16> = calls.iter().map(|call| call.status).collect();
        assert_eq!(statuses, [200, 400, 400], "{calls:?}");
        assert_eq!(calls[0].covered_by.len(), 1);
        assert_eq!(gate.strays(), Vec::<String>::new());
    }
}
