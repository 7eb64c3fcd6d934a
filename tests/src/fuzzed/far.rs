//! The far side of every request: a proxy in this process that answers with what an input says, and
//! notes which hosts were asked for. Nothing leaves the process, whatever address an input names.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// The most requests that one input may cause: nothing that is answered makes us ask without end.
const REQUESTS: usize = 2_500;
/// What stands between two answers of an input.
const BETWEEN: &[u8] = b"\n--\n";

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<&'static str>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A success.
    pub(super) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, retry_after: None, body: body.into() }
    }

    fn written(&self) -> Vec<u8> {
        let retry = self.retry_after.map(|text| format!("retry-after: {text}\r\n"));
        let head = format!(
            "HTTP/1.1 {} Said\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n",
            self.status,
            retry.unwrap_or_default(),
            self.body.len()
        );
        [head.as_bytes(), &self.body].concat()
    }
}

/// What an input lets the services answer.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// What a request for a token gets.
    pub(super) token: Answer,
    /// What others get, one after the other; the last one for all that follow.
    pub(super) answers: Vec<Answer>,
}

impl Script {
    /// Answers of one status with the parts of a body.
    pub(super) fn of(status: u16, retry_after: Option<&'static str>, body: &[u8]) -> Self {
        let answer = |body: &[u8]| Answer { status, retry_after, body: body.to_vec() };
        let mut answers = Vec::new();
        let mut rest = body;
        while let Some(at) = rest.windows(BETWEEN.len()).position(|it| it == BETWEEN) {
            answers.push(answer(&rest[..at]));
            rest = &rest[at + BETWEEN.len()..];
        }
        answers.push(answer(rest));
        let token = r#"{"access_token":"a-token-of-the-tests","token_type":"Bearer","expires_in":3600,"scope":"all"}"#;
        Self { token: Answer::ok(token), answers }
    }
}

#[derive(Debug, Default)]
struct State {
    token: Option<Answer>,
    answers: VecDeque<Answer>,
    hosts: BTreeSet<String>,
    requests: usize,
}

/// The proxy with the client that goes through it.
pub(super) struct Far {
    runtime: Runtime,
    tasks: LocalSet,
    http: reqwest::Client,
    state: Rc<RefCell<State>>,
}

thread_local! {
    static FAR: Far = Far::open();
}

/// Lets `work` ask what it wants with the client of the far side, which answers by the script; gives
/// the hosts that were asked besides.
pub(super) fn with<T>(
    script: Script,
    work: impl AsyncFnOnce(reqwest::Client) -> T,
) -> (T, BTreeSet<String>) {
    FAR.with(|far| {
        let state =
            State { token: Some(script.token), answers: script.answers.into(), ..State::default() };
        far.state.replace(state);
        let done = far.tasks.block_on(&far.runtime, work(far.http.clone()));
        (done, std::mem::take(&mut far.state.borrow_mut().hosts))
    })
}

impl Far {
    fn open() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = LocalSet::new();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Rc::new(RefCell::new(State::default()));
        let seen = state.clone();
        tasks.spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve(stream, seen.clone()));
            }
        });
        let proxy = reqwest::Proxy::all(&address).unwrap();
        #[allow(clippy::disallowed_methods, reason = "nothing of an input may leave the process")]
        let http = reqwest::Client::builder()
            .proxy(proxy)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { runtime, tasks, http, state }
    }
}

/// Answers the requests of one connection.
async fn serve(mut stream: TcpStream, state: Rc<RefCell<State>>) {
    let mut held = Vec::new();
    while let Some(line) = request(&mut stream, &mut held).await {
        let answer = answer(&line, &mut state.borrow_mut());
        let is_tunnel = line.starts_with("CONNECT ");
        if stream.write_all(&answer.written()).await.is_err() || is_tunnel {
            return;
        }
    }
}

/// Reads a request with its body and gives its first line.
async fn request(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<String> {
    let end = loop {
        if let Some(at) = held.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        read(stream, held).await?;
    };
    let lines = String::from_utf8_lossy(&held[..end]).to_lowercase();
    let length = lines.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next());
    let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let line = String::from_utf8_lossy(&held[..end]).lines().next()?.to_owned();
    while held.len() < end + length {
        read(stream, held).await?;
    }
    held.drain(..end + length);
    Some(line)
}

async fn read(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 4096];
    let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
    held.extend_from_slice(&part[..count]);
    Some(())
}

fn answer(line: &str, state: &mut State) -> Answer {
    state.requests += 1;
    assert!(state.requests <= REQUESTS, "asked without end: {line}");
    let address = line.split(' ').nth(1).unwrap_or_default();
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (host, path) = host.split_once('/').unwrap_or((host, ""));
    state.hosts.insert(host.to_owned());
    let path = path.split('?').next().unwrap_or_default();
    if line.starts_with("CONNECT ") {
        return Answer { status: 502, retry_after: None, body: Vec::new() };
    }
    let is_token = path.ends_with("/token");
    match (&state.token, state.answers.len()) {
        (Some(token), _) if is_token => token.clone(),
        (_, 2..) => state.answers.pop_front().unwrap_or_else(|| Answer::ok("")),
        (_, _) => state.answers.front().cloned().unwrap_or_else(|| Answer::ok("")),
    }
}
