//! LocalStack for the tests of the AWS side: found, or started once for each test process.
//!
//! Three ways, tried in this order: the endpoint in `HALO_ENTRA_TEST_AWS_ENDPOINT`; a container,
//! where a Docker engine answers; `infra/scripts/localstack.sh`, which needs no Docker. Where
//! `HALO_ENTRA_TEST_AWS` names one of the last two, no other counts: a test that was meant to run
//! against a container has failed when it could not. What was started ends with the test process
//! however that ends: both are watched by a child process that waits for the end of its standard
//! input, and the other end of that pipe is here.

use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::Credentials;
use testcontainers_modules::localstack::LocalStack;
use testcontainers_modules::testcontainers::core::ContainerRequest;
use testcontainers_modules::testcontainers::runners::AsyncRunner;
use testcontainers_modules::testcontainers::{ContainerAsync, ImageExt, TestcontainersError};
use tokio::sync::OnceCell;

use crate::process::{Log, free_port, wait_until_answered, watched};

/// The region of every client; the emulator keeps resources of different regions apart.
pub const REGION: &str = "eu-west-1";

/// The tag of the image when `LOCALSTACK_TAG` is not set: the last release whose image starts
/// without an account. Later ones want `LOCALSTACK_AUTH_TOKEN`, which is handed on if it is set.
const DEFAULT_TAG: &str = "4.14.0";

/// The port that the image listens on inside its container.
const IMAGE_PORT: u16 = 4566;

/// How long a started emulator may take until it answers; about four seconds are normal.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long a container that says that it is ready may take to be reachable.
const REACH_LIMIT: Duration = Duration::from_secs(10);

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/scripts/localstack.sh");

/// An emulator of DynamoDB, SQS and Secrets Manager that answers.
#[derive(Debug)]
pub struct Emulator {
    /// The address of all its services, such as `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// What it is, for people.
    what: String,
    /// Its pipe ends the emulator, so it has to live as long as the process.
    _watcher: Option<Child>,
    /// Dropping it would remove the container.
    _container: Option<ContainerAsync<LocalStack>>,
}

impl Emulator {
    /// Settings for any AWS client: this endpoint, [`REGION`] and credentials that nobody checks.
    pub async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
            .endpoint_url(&self.endpoint)
            .load()
            .await
    }

    /// A name that no other test has, also when the emulator outlives the test process: tests
    /// share the emulator and keep apart by the names of their tables, queues and secrets.
    pub fn unique_name(&self, prefix: &str) -> String {
        unique_name(prefix)
    }
}

#[allow(clippy::disallowed_methods, reason = "the name has to be new, not repeatable")]
fn unique_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{since:x}-{:x}-{count}", std::process::id())
}

/// The emulator of this test process; the first caller waits until it answers.
///
/// # Panics
///
/// If none can be started: a test that needs AWS fails then, it is never skipped.
#[allow(clippy::panic, reason = "a test without its emulator has failed")]
pub async fn localstack() -> &'static Emulator {
    static EMULATOR: OnceCell<Result<Emulator, String>> = OnceCell::const_new();
    match EMULATOR.get_or_init(start).await {
        Ok(emulator) => emulator,
        Err(why) => panic!("{why}"),
    }
}

async fn start() -> Result<Emulator, String> {
    let emulator = match variable("HALO_ENTRA_TEST_AWS").as_deref() {
        None => whichever().await,
        Some("container") => in_docker().await.map_err(|why| {
            format!("HALO_ENTRA_TEST_AWS wants a container, and there is none: {why}")
        }),
        Some("process") => on_this_machine().await,
        Some(other) => {
            Err(format!("HALO_ENTRA_TEST_AWS is \"{other}\": it may be container or process"))
        }
    }?;
    // Not by a macro, which the test harness would keep to itself: the log of a run has to tell.
    let told = format!("LocalStack: {}, at {}\n", emulator.what, emulator.endpoint);
    std::io::stderr().write_all(told.as_bytes()).map_err(|error| error.to_string())?;
    Ok(emulator)
}

async fn whichever() -> Result<Emulator, String> {
    if let Some(endpoint) = variable("HALO_ENTRA_TEST_AWS_ENDPOINT") {
        return named(endpoint.trim_end_matches('/').to_owned()).await;
    }
    let no_docker = match in_docker().await {
        Ok(emulator) => return Ok(emulator),
        Err(why) => why,
    };
    on_this_machine().await.map_err(|no_script| {
        format!(
            "no LocalStack for the tests of the AWS side.\n\
             With Docker: {no_docker}\n\
             Without Docker (infra/scripts/localstack.sh run): {no_script}\n\
             Or set HALO_ENTRA_TEST_AWS_ENDPOINT to one that runs."
        )
    })
}

async fn named(endpoint: String) -> Result<Emulator, String> {
    wait_until_healthy(&endpoint, REACH_LIMIT, || None)
        .await
        .map_err(|why| format!("HALO_ENTRA_TEST_AWS_ENDPOINT: {why}"))?;
    let what = "the one of HALO_ENTRA_TEST_AWS_ENDPOINT".to_owned();
    Ok(Emulator { endpoint, what, _watcher: None, _container: None })
}

#[allow(clippy::disallowed_methods, reason = "settings of the tests, not of the product")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// First with a mapped port; then in the engine's own network, for tests that themselves run in a
/// container, where a mapped port is not on this host. An engine without a bridge maps no port.
async fn in_docker() -> Result<Emulator, String> {
    if !has_bridge().await {
        return in_docker_host_network().await;
    }
    let mapped = match in_docker_mapped().await {
        Ok(emulator) => return Ok(emulator),
        Err(why) => why,
    };
    in_docker_host_network().await.map_err(|host| {
        if host == mapped { host } else { format!("{mapped}; in the host's network: {host}") }
    })
}

/// Asked of the client, as testcontainers finds out only by starting a container.
async fn has_bridge() -> bool {
    let mut client = tokio::process::Command::new("docker");
    let asked = client.args(["network", "inspect", "bridge"]).output().await;
    asked.map_or(true, |answer| answer.status.success())
}

async fn in_docker_mapped() -> Result<Emulator, String> {
    let (container, watcher) = contained(image()).await?;
    let host = container.get_host().await.map_err(container_error)?;
    let port = container.get_host_port_ipv4(IMAGE_PORT).await.map_err(container_error)?;
    emulator_of(container, watcher, format!("http://{host}:{port}")).await
}

async fn in_docker_host_network() -> Result<Emulator, String> {
    let port = free_port()?;
    let image =
        image().with_network("host").with_env_var("GATEWAY_LISTEN", format!("127.0.0.1:{port}"));
    let (container, watcher) = contained(image).await?;
    emulator_of(container, watcher, format!("http://127.0.0.1:{port}")).await
}

/// A container, and the process that removes it: that one is there first, so that a container that
/// does not start is removed as well, and so is one whose test process is killed meanwhile.
async fn contained(
    image: ContainerRequest<LocalStack>,
) -> Result<(ContainerAsync<LocalStack>, Child), String> {
    let name = unique_name("localstack");
    let watcher = watcher(&["reap", &name], Stdio::null(), Stdio::inherit())?;
    let container = image.with_container_name(name).start().await.map_err(container_error)?;
    Ok((container, watcher))
}

fn image() -> ContainerRequest<LocalStack> {
    let tag = variable("LOCALSTACK_TAG").unwrap_or_else(|| DEFAULT_TAG.to_owned());
    let request = LocalStack::default()
        .with_tag(tag)
        .with_startup_timeout(START_LIMIT)
        .with_env_var("DISABLE_EVENTS", "1")
        .with_env_var("DYNAMODB_IN_MEMORY", "1");
    match variable("LOCALSTACK_AUTH_TOKEN") {
        Some(token) => request.with_env_var("LOCALSTACK_AUTH_TOKEN", token),
        None => request,
    }
}

async fn emulator_of(
    container: ContainerAsync<LocalStack>,
    watcher: Child,
    endpoint: String,
) -> Result<Emulator, String> {
    wait_until_healthy(&endpoint, REACH_LIMIT, || None).await?;
    let what = format!("a container of {}", image().descriptor());
    Ok(Emulator { endpoint, what, _watcher: Some(watcher), _container: Some(container) })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn container_error(error: TestcontainersError) -> String {
    error.to_string()
}

async fn on_this_machine() -> Result<Emulator, String> {
    // Installing may take minutes of download and ends by itself; only the start has a limit.
    let log = Log::new()?;
    let prepared = tokio::process::Command::new(SCRIPT)
        .arg("prepare")
        .stdin(Stdio::null())
        .stdout(log.writer()?)
        .stderr(log.writer()?)
        .status()
        .await
        .map_err(|error| format!("{SCRIPT} does not start: {error}"))?;
    if !prepared.success() {
        return Err(log.end());
    }
    let port = free_port()?;
    let mut server = watcher(&["run", &port.to_string()], log.writer()?, log.writer()?)?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let ended = || {
        let status = server.try_wait().ok().flatten()?;
        Some(format!("it ended with {status}"))
    };
    wait_until_healthy(&endpoint, START_LIMIT, ended)
        .await
        .map_err(|why| format!("{why}; its last words:\n{}", log.end()))?;
    let what = "a process of infra/scripts/localstack.sh".to_owned();
    Ok(Emulator { endpoint, what, _watcher: Some(server), _container: None })
}

fn watcher(arguments: &[&str], stdout: Stdio, stderr: Stdio) -> Result<Child, String> {
    watched(SCRIPT, arguments, stdout, stderr)
}

async fn wait_until_healthy(
    endpoint: &str,
    limit: Duration,
    ended: impl FnMut() -> Option<String>,
) -> Result<(), String> {
    wait_until_answered(&format!("{endpoint}/_localstack/health"), limit, ended).await
}
