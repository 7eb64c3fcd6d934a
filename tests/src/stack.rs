//! The whole stack: the four programs of the functions and `infra/template.yaml`, deployed by SAM into MiniStack,
//! which runs functions as real processes, and a [`Gate`] between those and AWS.

mod browser;
mod daemon;
mod gate;
mod policy;
mod request;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

pub use self::browser::{Browser, Page};
pub use self::daemon::Daemon;
pub use self::gate::{Call, Gate};
pub use self::policy::{Policy, Right};
pub use self::request::Units;
use crate::aws::REGION;
use crate::process::{Log, free_port, wait_until_answered, watched};

/// The functions, by the names that they give themselves.
pub const FUNCTIONS: [&str; 4] = ["admin", "inbound-logs", "scheduler", "worker"];

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/scripts/stack.sh");

/// How long the emulator may take until it answers; a second is normal.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A deployment in the emulator.
pub struct Stack {
    /// What stands between the functions and AWS.
    pub gate: Gate,
    /// Where the functions send their traces.
    pub daemon: Daemon,
    /// The policies as they were deployed, by function.
    pub policies: BTreeMap<String, Policy>,
    /// Outputs of the template.
    pub outputs: BTreeMap<String, String>,
    /// What the emulator and the functions wrote.
    pub log: Log,
    port: u16,
    http: reqwest::Client,
    /// Its pipe ends the emulator.
    _server: Child,
}

/// What `stack.sh deploy` prints.
#[derive(Deserialize)]
struct Deployed {
    outputs: BTreeMap<String, String>,
    functions: BTreeMap<String, DeployedFunction>,
}

#[derive(Deserialize)]
struct DeployedFunction {
    environment: BTreeMap<String, String>,
    policies: Vec<Value>,
    attached: Vec<String>,
}

impl Stack {
    /// Deploys the template with these parameters. Where anything is missing it says what to do.
    pub async fn deploy(parameters: &[(&str, &str)]) -> Self {
        let binaries = binaries();
        let log = Log::new().unwrap();
        let port = free_port().unwrap();
        let upstream = format!("http://127.0.0.1:{port}");
        let (gate, daemon) = (Gate::start(&upstream).await, Daemon::start().await);
        run(&log, &["prepare"]).await;
        let arguments = ["run", &port.to_string(), &gate.url, &daemon.address];
        let mut server =
            watched(SCRIPT, &arguments, log.writer().unwrap(), log.writer().unwrap()).unwrap();
        let ended = || server.try_wait().ok().flatten().map(|status| format!("ended: {status}"));
        let health = format!("{upstream}/_ministack/health");
        let healthy = wait_until_answered(&health, START_LIMIT, ended).await;
        healthy.unwrap_or_else(|why| panic!("MiniStack: {why}; its last words:\n{}", log.end()));
        let deployed = deploy(&log, port, &binaries, parameters).await;
        let mut policies = BTreeMap::new();
        for (name, function) in deployed.functions {
            assert_eq!(function.attached, Vec::<String>::new(), "{name} has policies of others");
            let id = &function.environment["AWS_SDK_UA_APP_ID"];
            let id = id.strip_prefix("halo-entra-").expect("a name like halo-entra-worker");
            let policy = Policy::read(&function.policies);
            gate.hold(id, policy.clone());
            policies.insert(id.to_owned(), policy);
        }
        assert!(policies.keys().map(String::as_str).eq(FUNCTIONS), "{:?}", policies.keys());
        let http = engine::http::client().unwrap();
        Self { gate, daemon, policies, outputs: deployed.outputs, log, port, http, _server: server }
    }

    /// Settings for a client of the operator, who is not behind the gate.
    pub async fn operator(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .endpoint_url(format!("http://127.0.0.1:{}", self.port))
            .load()
            .await
    }

    /// Calls the API through the gateway, with this token or none.
    pub async fn call(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.http.request(method.parse().unwrap(), self.at(path));
        request = request.header(HOST, self.host());
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        answer(request).await
    }

    /// Asks for a licence as Halo does, with a signature in place of a token.
    pub async fn signed(&self, body: &str, at: i64, signature: &str) -> Answer {
        let url = format!("http://127.0.0.1:{}/v1/licence-assignments", self.port);
        let request = self.http.post(url).header(HOST, self.host());
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.header("x-halo-entra-timestamp", at);
        answer(request.header("x-halo-entra-signature", signature).body(body.to_owned())).await
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The gateway tells deployments apart by their host names.
    fn host(&self) -> String {
        let url = &self.outputs["ApiUrl"];
        let api = url.trim_start_matches("https://").split('.').next().unwrap();
        format!("{api}.execute-api.localhost:{}", self.port)
    }

    /// Gives a function less time for each call, as an operator could.
    pub async fn limit_time(&self, function: &str, seconds: u64) {
        let url = format!(
            "http://127.0.0.1:{}/2015-03-31/functions/halo-entra-{function}/configuration",
            self.port
        );
        let answer = self.http.put(url).json(&json!({ "Timeout": seconds })).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// Calls a function as an operator could, and waits for its end; what it wrote is in the log then.
    pub async fn invoke(&self, function: &str, event: &'static str) {
        let url = format!(
            "http://127.0.0.1:{}/2015-03-31/functions/halo-entra-{function}/invocations",
            self.port
        );
        let answer = self.http.post(url).body(event).send().await.unwrap();
        let failed = answer.headers().contains_key("x-amz-function-error");
        assert!(answer.status().is_success() && !failed, "{}", answer.text().await.unwrap());
    }

    /// Ends all processes of a function at once, as the loss of their machines would; returns how many.
    pub fn kill(&self, function: &str) -> usize {
        let processes = processes_with(&[
            format!("AWS_ENDPOINT_URL={}", self.gate.url),
            format!("AWS_SDK_UA_APP_ID=halo-entra-{function}"),
        ]);
        for process in &processes {
            let killed = Command::new("kill").args(["-KILL", process]).status().unwrap();
            assert!(killed.success(), "{process} was gone already");
        }
        processes.len()
    }
}

/// A failed test tells what the functions said last, and what they were refused.
impl Drop for Stack {
    #[allow(clippy::print_stderr, reason = "for whoever has to find out why a test failed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let calls = self.gate.calls_since(0);
            let refused = calls.iter().filter(|call| call.status >= 400);
            let refused: Vec<&Call> = refused.collect();
            let last = &refused[refused.len().saturating_sub(5)..];
            eprintln!("MiniStack and the functions:\n{}\n{last:#?}", self.log.end());
        }
    }
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub text: String,
    /// Its body, where it is JSON.
    pub json: Value,
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status, text, json }
}

impl Answer {
    /// Asserts a success, and gives the body.
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        self.json
    }
}

/// Looks again until there is something, for so long; a failure tells `what` it waited for.
#[allow(clippy::disallowed_methods, reason = "waits for real processes, in real time")]
pub async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {} seconds: {what}", limit.as_secs());
        sleep(Duration::from_millis(250)).await;
    }
}

/// Where the programs are: the optimised ones for `make stack`, else those built with the tests.
#[allow(clippy::disallowed_methods, reason = "settings of the tests, not of the product")]
fn binaries() -> PathBuf {
    let named = std::env::var_os("HALO_ENTRA_TEST_BINARIES").map(PathBuf::from);
    let directory = named.unwrap_or_else(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR");
        target.map_or_else(|| Path::new(ROOT).join("target"), PathBuf::from).join("debug")
    });
    for function in FUNCTIONS {
        assert!(
            directory.join(function).is_file(),
            "{} is missing: make test and make stack build the functions first; by hand it is cargo \
             build --locked --workspace --all-features --bins",
            directory.join(function).display()
        );
    }
    directory.canonicalize().unwrap()
}

async fn deploy(log: &Log, port: u16, binaries: &Path, parameters: &[(&str, &str)]) -> Deployed {
    let (port, binaries) = (port.to_string(), binaries.to_str().unwrap());
    let parameters = parameters.iter().map(|(name, value)| format!("{name}={value}"));
    let parameters: Vec<String> = parameters.collect();
    let mut arguments = vec!["deploy", &port, binaries];
    arguments.extend(parameters.iter().map(String::as_str));
    let printed = run(log, &arguments).await;
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

/// Runs the script, and gives what it prints.
async fn run(log: &Log, arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(SCRIPT)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(log.writer().unwrap())
        .output()
        .await
        .unwrap_or_else(|error| panic!("{SCRIPT} does not start: {error}"));
    assert!(output.status.success(), "stack.sh {}:\n{}", arguments[0], log.end());
    String::from_utf8(output.stdout).unwrap()
}

/// The processes of this machine that have all these variables in their environment.
fn processes_with(variables: &[String]) -> Vec<String> {
    let has_all = |environment: Vec<u8>| {
        let set: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
        variables.iter().all(|variable| set.contains(&variable.as_bytes()))
    };
    let all = std::fs::read_dir("/proc").expect("Linux");
    let processes = all.filter_map(|entry| {
        let entry = entry.ok()?;
        // One that ended meanwhile, or belongs to somebody else, is none of ours.
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        has_all(environment).then(|| entry.file_name().into_string().ok())?
    });
    processes.collect()
}
