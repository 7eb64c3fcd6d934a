//! Programs that tests start: each ends with the test process, however that ends.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Starts a script as a process that ends when the pipe to its standard input closes, in a
/// process group of its own: a signal that ends all tests must leave it the time to clean up.
pub fn watched(
    script: &str,
    arguments: &[&str],
    stdout: Stdio,
    stderr: Stdio,
) -> Result<Child, String> {
    Command::new(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{script} does not start: {error}"))
}

/// A port that nobody listens at.
pub fn free_port() -> Result<u16, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

/// Asks for a page until it answers, `ended` gives a reason to stop, or time is up.
#[allow(clippy::disallowed_methods, reason = "waits for a real process, in real time")]
pub async fn wait_until_answered(
    page: &str,
    limit: Duration,
    mut ended: impl FnMut() -> Option<String>,
) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(2))
        .build()
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        let answer = client.get(page).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if let Some(why) = ended() {
            return Err(why);
        }
        sleep(Duration::from_millis(200)).await;
    }
    Err(format!("{page} did not answer within {} seconds", limit.as_secs()))
}

/// What a child process writes, in a file without a name: it vanishes with the last who has it.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// An empty one.
    pub fn new() -> Result<Self, String> {
        tempfile::tempfile().map(Self).map_err(|error| format!("no temporary file: {error}"))
    }

    /// For a child process to write to.
    pub fn writer(&self) -> Result<Stdio, String> {
        self.0.try_clone().map(Stdio::from).map_err(|error| error.to_string())
    }

    /// The last lines, for the message of a failure.
    pub fn end(&self) -> String {
        const LINES: usize = 40;
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// All that was written so far. Those who write share one place in the file, which has to stay
    /// where it is.
    pub fn text(&self) -> String {
        let (mut text, mut part) = (Vec::new(), [0; 4096]);
        loop {
            match self.0.read_at(&mut part, text.len() as u64) {
                Ok(0) => return String::from_utf8_lossy(&text).into_owned(),
                Ok(length) => text.extend_from_slice(&part[..length]),
                Err(error) => return format!("(its output is not readable: {error})"),
            }
        }
    }
}
