//! `serve`: the whole system in one process with its data in a directory, until it is told to stop.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Context;
use engine::halo::ClientSecret;
use engine::secrets::files::Files;
use engine::secrets::{ExposeSecret, SecretName, SecretString, Secrets};
use engine::telemetry::{self, Format};
use plan::document::CustomClouds;

use crate::args;
use crate::process::{Parts, Process};
use crate::screen::{Screen, Tone, say};

/// Where the administrator's token is, in the data directory.
pub(crate) const TOKEN_FILE: &str = "admin-token";

/// Serves until Ctrl-C or SIGTERM.
pub(crate) async fn run(screen: Screen, args: &args::Serve) -> anyhow::Result<()> {
    telemetry::start(Format::Terminal, "info");
    let dir = &args.data;
    make_private_dir(dir).with_context(|| format!("cannot use {} for data", dir.display()))?;
    let stored = Files::open(dir.join("secrets"))?.get(&SecretName::halo()).await?;
    let halo = engine::config::halo(stored.map(ClientSecret::Given))?;
    let policy = engine::config::policy(CustomClouds::Allowed)?;
    let token = admin_token(dir)?;
    let issued = engine::config::tokens()?;
    let address = halo.api_url.clone();
    let mut process =
        Process::start(Parts { dir, halo, policy, listen: args.listen, token, issued }).await?;
    process.start_timer();
    let token_file = dir.join(TOKEN_FILE);
    say(screen.tinted(Tone::Strong, &format!("halo-entra serves on {}", process.url)))?;
    say(format!("  data   {}", dir.display()))?;
    say(format!("  token  {}", token_file.display()))?;
    say(format!("  Halo   {address}"))?;
    say(format!("  pages  {}/console", process.for_browsers()))?;
    say(format!("  try    {}", curl(&process.url, &token_file, "connections")))?;
    if !args.listen.ip().is_loopback() {
        tracing::warn!(
            "the API is served without encryption to other machines: put a TLS proxy before it"
        );
    }
    stop_signal().await?;
    tracing::info!("stopping: steps in hand are finished first; once more to stop at once");
    tokio::select! {
        () = process.stop() => {}
        signal = stop_signal() => signal?,
    }
    Ok(())
}

/// A command that reads from the API.
pub(crate) fn curl(url: &str, token_file: &Path, path: &str) -> String {
    format!("curl -H \"Authorization: Bearer $(cat {})\" {url}/v1/{path}", token_file.display())
}

/// Done on Ctrl-C, or when the system asks the process to end.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            ended = interrupt => ended?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupt.await?;
    Ok(())
}

/// The token of the administrator, made at the first start (mode 0600).
pub(crate) fn admin_token(dir: &Path) -> anyhow::Result<SecretString> {
    let path = dir.join(TOKEN_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Ok(mut file) => {
            let token = engine::random::unguessable()?;
            file.write_all(format!("{}\n", token.expose_secret()).as_bytes())?;
            file.sync_all()?;
            Ok(token)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => stored_token(&path),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

fn stored_token(path: &Path) -> anyhow::Result<SecretString> {
    let unreadable = || format!("cannot read {}", path.display());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).with_context(unreadable)?.permissions().mode() & 0o777;
        // The owner's three bits stand above the six of everybody else.
        anyhow::ensure!(
            mode.trailing_zeros() >= 6,
            "others may read {} (mode {mode:o}): chmod 600 it, or delete it for a new one",
            path.display()
        );
    }
    let token = fs::read_to_string(path).with_context(unreadable)?.trim().to_owned();
    // A start that was cut off before the token was written, or a slip in an editor.
    anyhow::ensure!(
        token.len() >= 32,
        "{} holds no token: delete it for a new one",
        path.display()
    );
    Ok(token.into())
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use super::*;

    #[test]
    fn the_token_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let token = admin_token(dir.path()).unwrap();
        assert!(token.expose_secret().len() >= 43);
        let again = admin_token(dir.path()).unwrap();
        assert_eq!(again.expose_secret(), token.expose_secret());
        let path = dir.path().join(TOKEN_FILE);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let why = admin_token(dir.path()).unwrap_err().to_string();
            assert!(why.contains("chmod 600"), "{why}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        fs::write(&path, "\n").unwrap();
        assert!(admin_token(dir.path()).unwrap_err().to_string().contains("holds no token"));
    }
}
