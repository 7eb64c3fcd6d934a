//! The stage of the demo: both simulators, the product beside them, and a client of its API.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::Context;
use engine::halo::{ClientSecret, RequestLimit, Settings};
use engine::{OperatorWay, Policy};
use plan::document::CustomClouds;
use reqwest::Method;
use sandbox::graph::Graph;
use sandbox::halo::{self, Halo};
use sandbox::sample;
use sandbox::server::Served;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::args;
use crate::client::Client;
use crate::process::{Parts, Process};
use crate::serve;

/// Where `serve` is by default, so that commands need no address.
const USUAL_PORT: u16 = 8787;
/// Seed of those who are added.
const SEED: u64 = 11;

/// Everything that plays.
pub(super) struct Stage {
    /// Entra.
    pub(super) entra: Graph,
    /// Halo.
    pub(super) halo: Halo,
    /// Where Entra is served.
    pub(super) entra_served: Served,
    /// Where Halo is served.
    pub(super) halo_served: Served,
    /// The product.
    pub(super) process: Process,
    /// Its API.
    pub(super) client: Client,
    /// The connection's id.
    pub(super) connection: String,
    /// File of the administrator's token.
    pub(super) token_file: PathBuf,
    // Removed at the end.
    _dir: TempDir,
}

impl Stage {
    /// Starts everything and authorises the sample connection, all over HTTP.
    pub(super) async fn set(args: &args::Demo) -> anyhow::Result<Self> {
        let people = usize::try_from(args.people)?;
        let (entra, halo) = (sample::grown_tenant(people, SEED), sample::halo());
        entra.use_system_clock();
        halo.use_system_clock();
        let entra_served = entra.serve(None, None).await.context("the Graph simulator")?;
        let halo_served = halo.serve(None, None).await.context("the Halo simulator")?;
        let dir = tempfile::Builder::new().prefix("halo-entra-demo-").tempdir()?;
        let token = serve::admin_token(dir.path())?;
        let process = Process::start(Parts {
            dir: dir.path(),
            halo: settings(&halo_served.url)?,
            policy: Policy {
                custom_clouds: CustomClouds::Allowed,
                operator: OperatorWay::Stored,
                ..Policy::default()
            },
            listen: listen(args)?,
            token: token.clone(),
            issued: None,
        })
        .await?;
        // For whoever tries delegated permissions out.
        entra.register_redirect(&process.engine.redirect_uri()?);
        let client = Client::new(process.url.parse()?, token)?;
        let connection = connect(&client, &entra_served.url).await?;
        let token_file = dir.path().join(serve::TOKEN_FILE);
        Ok(Self {
            entra,
            halo,
            entra_served,
            halo_served,
            process,
            client,
            connection,
            token_file,
            _dir: dir,
        })
    }
}

fn settings(url: &str) -> anyhow::Result<Settings> {
    let mut settings = Settings::new(
        format!("{url}/api").parse()?,
        format!("{url}/auth").parse()?,
        halo::CLIENT_ID.to_owned(),
        ClientSecret::Given(halo::CLIENT_SECRET.into()),
    );
    settings.tenant = Some(halo::TENANT.to_owned());
    // A hosted Halo takes about 250 requests in five minutes; nobody wants to wait for that here.
    settings.limit = RequestLimit::Unlimited;
    Ok(settings)
}

/// The address that was asked for; otherwise the usual one if it is free, as the commands of the
/// report are shorter then.
fn listen(args: &args::Demo) -> anyhow::Result<SocketAddr> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    match args.listen {
        Some(asked) => Ok(asked),
        None if args.once => Ok(any),
        None => match TcpListener::bind(usual) {
            Ok(_) => Ok(usual),
            Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(any),
            Err(error) => Err(error.into()),
        },
    }
}

/// What an administrator does first: document, credentials, authorise.
async fn connect(client: &Client, entra: &str) -> anyhow::Result<String> {
    let document = sample::connection(entra);
    let id = document["id"].as_str().context("the sample has an id")?.to_owned();
    client.write(Method::POST, &["connections"], &document, None).await?;
    let secret = json!({ "client_secret": sample::CLIENT_SECRET });
    client.write(Method::PUT, &["connections", &id, "credentials"], &secret, None).await?;
    client.write(Method::POST, &["connections", &id, "authorise"], &Value::Null, None).await?;
    Ok(id)
}
