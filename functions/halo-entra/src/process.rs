//! The whole system in one process: the handlers of all functions over embedded storage.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use engine::clock::{Clock, SystemClock};
use engine::graph::Tokens;
use engine::halo::{Halo, Settings};
use engine::queue::Queue;
use engine::queue::local::Local;
use engine::random::Random;
use engine::secrets::SecretString;
use engine::secrets::files::Files;
use engine::store::Store;
use engine::store::embedded::Embedded;
use engine::web::{Auth, TokenSettings, Verifier};
use engine::{Engine, Policy};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// Hints that are handled at the same time.
const WORKERS: usize = 8;
/// Between two ticks of the timer.
const TICK: Duration = Duration::from_secs(30);
/// Between two searches for expired records.
const PURGE: Duration = Duration::from_hours(1);
/// Expired records that are removed in one go.
const PURGE_AT_ONCE: usize = 1000;
/// How long steps in hand may take when the process is to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a process is made of.
pub(crate) struct Parts<'a> {
    /// Where its data is.
    pub(crate) dir: &'a Path,
    /// Where Halo is.
    pub(crate) halo: Settings,
    /// What is allowed.
    pub(crate) policy: Policy,
    /// Where the API is served.
    pub(crate) listen: SocketAddr,
    /// What callers have to show.
    pub(crate) token: SecretString,
    /// What tokens of an issuer have to say, which open the API besides.
    pub(crate) issued: Option<TokenSettings>,
}

/// A running process.
pub(crate) struct Process {
    /// What steps use; its store counts their operations and nobody else's.
    pub(crate) engine: Engine,
    /// Where the API is, as `http://127.0.0.1:8787`.
    pub(crate) url: String,
    queue: Arc<Local>,
    table: Arc<Embedded>,
    /// What the API and the timer use.
    front: Engine,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Process {
    /// Opens the store, serves the API and handles hints; the timer is started on its own.
    pub(crate) async fn start(parts: Parts<'_>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(parts.listen).await.with_context(|| {
            format!("cannot listen on {}; another --listen may be free", parts.listen)
        })?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let mut policy = parts.policy;
        policy.public_url = policy.public_url.or_else(|| for_browsers(address));
        policy.operator = policy.operator.with_token(parts.token.clone());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let table = Arc::new(Embedded::open(parts.dir, clock.clone())?);
        let queue = Arc::new(Local::new(clock.clone(), worker::VISIBILITY));
        let http = engine::http::client()?;
        let store = Store::new(table.clone(), clock.clone());
        let engine = Engine {
            random: Arc::new(Random::default()),
            queue: queue.clone() as Arc<dyn Queue>,
            secrets: Arc::new(Files::open(parts.dir.join("secrets"))?),
            tokens: Tokens::default(),
            issuers: engine::issuer::Issuers::default(),
            halo: Halo::new(parts.halo, http.clone(), store.clone()),
            http,
            store,
            policy,
            clock: clock.clone(),
        };
        // The same table under a counter of its own, so that looking at a run does not count as
        // a part of it.
        let front = Engine { store: Store::new(table.clone(), clock), ..engine.clone() };
        let (stop, _) = watch::channel(false);
        let mut process = Self { engine, url, queue, table, front, stop, tasks: JoinSet::new() };
        let auth = match parts.issued {
            None => Auth::Local(parts.token),
            Some(settings) => {
                let verifier = Verifier::new(settings, process.front.http.clone());
                Auth::Both(parts.token, Arc::new(verifier))
            }
        };
        process.serve(listener, auth);
        let stopped = process.stopped();
        process.tasks.spawn(worker::run(process.engine.clone(), WORKERS, stopped));
        Ok(process)
    }

    fn serve(&mut self, listener: TcpListener, auth: Auth) {
        let router = router(&self.front, auth);
        let stopped = self.stopped();
        self.tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await
            {
                tracing::error!("the API ended: {error}");
            }
        });
    }

    /// Its address as browsers are told it: without a slash at the end.
    pub(crate) fn for_browsers(&self) -> &str {
        let known = self.engine.policy.public_url.as_ref().map(Url::as_str);
        known.unwrap_or(&self.url).trim_end_matches('/')
    }

    /// Sends the hints of runs that an earlier process left unfinished, and from now on of whatever
    /// is due; removes what has expired.
    pub(crate) fn start_timer(&mut self) {
        let (engine, mut stop) = (self.front.clone(), self.stop.subscribe());
        self.tasks.spawn(async move {
            wake_all(&engine).await;
            loop {
                // It said in the log what failed; the next tick finds the same.
                let _ = scheduler::tick(&engine).await;
                if !goes_on(&engine, &mut stop, TICK).await {
                    return;
                }
            }
        });
        let (table, engine, mut stop) =
            (self.table.clone(), self.front.clone(), self.stop.subscribe());
        self.tasks.spawn(async move {
            while goes_on(&engine, &mut stop, PURGE).await {
                purge(&table).await;
            }
        });
    }

    /// Waits until no hint is waiting to be handled soon: until everything that the last run led to
    /// is done.
    pub(crate) async fn quiet(&self) {
        const LOOK: Duration = Duration::from_millis(20);
        let clock = &self.engine.clock;
        let end = clock.now() + SignedDuration::from_secs(5);
        let soon = || {
            let next = self.queue.next_due();
            next.is_some_and(|due| due.duration_since(clock.now()) < SignedDuration::from_secs(200))
        };
        while soon() && clock.now() < end {
            clock.sleep(LOOK).await;
        }
    }

    /// Ends it: no new steps, and those in hand get some seconds. What is cut off goes on when the
    /// process starts again (T2).
    pub(crate) async fn stop(mut self) {
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("steps in hand took too long and go on at the next start");
        }
        self.tasks.shutdown().await;
    }

    /// Done when the process is to stop.
    fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the process was dropped, which is a stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }
}

/// Where browsers on this machine reach the API: by the name that Microsoft lets be registered without
/// TLS. A deployment that is reached from elsewhere has to say its address itself.
fn for_browsers(listening: SocketAddr) -> Option<Url> {
    listening
        .ip()
        .is_loopback()
        .then(|| format!("http://localhost:{}", listening.port()))?
        .parse()
        .ok()
}

/// Both HTTP functions and the console under one address.
fn router(engine: &Engine, auth: Auth) -> Router {
    admin::with_console(engine.clone(), auth.clone())
        .merge(inbound_logs::router(engine.clone(), auth))
}

/// Waits for the next time; `false` when the process is to stop instead.
async fn goes_on(engine: &Engine, stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => false,
        () = engine.clock.sleep(pause) => true,
    }
}

async fn purge(table: &Embedded) {
    loop {
        match table.purge(PURGE_AT_ONCE).await {
            Ok(removed) if removed < PURGE_AT_ONCE => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!("{error}");
                return;
            }
        }
    }
}

/// Hints were in the memory of the process that ended: each run under way gets its own again.
async fn wake_all(engine: &Engine) {
    if let Err(error) = try_wake_all(engine).await {
        tracing::error!("unfinished runs were not woken: {error:#}");
    }
}

async fn try_wake_all(engine: &Engine) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let (connections, next) = engine.store.connections(after, 100).await?;
        for (connection, _) in connections {
            let Some(state) = engine.store.state(&connection).await? else { continue };
            let Some(run) = state.value.run else { continue };
            if let Some(record) = engine.store.run(&connection, run).await? {
                tracing::info!(%connection, %run, "the run goes on");
                engine.wake(&record.value).await?;
            }
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}
