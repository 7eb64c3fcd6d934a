//! Credentials and authorisation from a terminal, against the demo: entered, tried, and a person's
//! sign-in that a command waits for (C5, C6, C8).

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a step that fails is the failure of the test")]

mod started;

use std::path::Path;
use std::process::{Command, Output};

use sandbox::sample::CLIENT_SECRET;
use serde_json::{Value, json};
use started::{Serving, program};

/// A demo that goes on serving.
struct Demo {
    _serving: Serving,
    url: String,
    token: String,
    dir: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let mut command = program();
        command.args(["demo", "--listen", "127.0.0.1:0"]);
        let mut serving = Serving::start(command);
        let url = serving.after("halo-entra's API");
        let token = serving.after("HALO_ENTRA_TOKEN=$(cat ");
        let token = std::fs::read_to_string(token.trim_end_matches(')')).unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { _serving: serving, url, token: token.trim().to_owned(), dir }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program();
        command.args(args).args(["--url", &self.url]).env("HALO_ENTRA_TOKEN", &self.token);
        command
    }

    fn ask(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        shown(&path)
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

/// A table that fits a terminal.
fn fits(text: &str) {
    assert_eq!(text.lines().find(|line| line.chars().count() > 80 && !line.contains("http")), None);
}

/// Opens an address as a browser does, and gives the last page.
fn browse(url: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http = engine::http::client().unwrap();
        let mut url: url::Url = url.parse().unwrap();
        loop {
            let answer = http.get(url.clone()).send().await.unwrap();
            let Some(to) = answer.headers().get("location") else {
                return answer.text().await.unwrap();
            };
            url = url.join(to.to_str().unwrap()).unwrap();
        }
    })
}

#[test]
fn an_application_is_authorised_from_a_terminal() {
    // C5, C6, C8
    let demo = Demo::start();
    let needed = demo.ask(&["permissions", "contoso"]);
    assert_eq!(status(&needed), 0, "{}", err(&needed));
    let needed = out(&needed);
    assert!(needed.contains("User.Read.All") && needed.contains("mandatory"), "{needed}");
    assert!(needed.contains("Admin consent: http"), "{needed}");
    fits(&needed);

    let nobody = demo.ask(&["credentials", "contoso"]);
    assert_eq!(status(&nobody), 1);
    assert!(err(&nobody).contains("--secret-file"), "{}", err(&nobody));
    let wrong = demo.file("wrong", "wrong-s3cret\n");
    let wrong = demo.ask(&["credentials", "contoso", "--secret-file", &wrong]);
    assert_eq!(status(&wrong), 3);
    assert!(err(&wrong).contains("AADSTS7000215"), "{}", err(&wrong));
    assert!(!err(&wrong).contains("s3cret"), "{}", err(&wrong));
    let right = demo.file("right", &format!("{CLIENT_SECRET}\n"));
    let args = ["credentials", "contoso", "--secret-file", &right, "--expires", "2099-12-31"];
    let entered = demo.ask(&args);
    assert_eq!(status(&entered), 0, "{}", err(&entered));
    assert!(out(&entered).contains("expire at 2099-12-31"), "{}", out(&entered));
    let pem = demo.ask(&["credentials", "contoso", "--certificate", &right, "--key", &right]);
    assert_eq!(status(&pem), 3);
    assert!(err(&pem).contains("auth.credential"), "{}", err(&pem));

    let authorised = demo.ask(&["authorise", "contoso"]);
    assert_eq!(status(&authorised), 0, "{}", err(&authorised));
    let authorised = out(&authorised);
    assert!(authorised.contains("granted") && authorised.contains("is authorised"), "{authorised}");
    fits(&authorised);
}

#[test]
fn a_person_signs_in_while_the_command_waits() {
    // C6
    let demo = Demo::start();
    let mut document = contoso(&demo);
    document.as_object_mut().unwrap().remove("status");
    document["id"] = json!("fabrikam");
    document["name"] = json!("Fabrikam");
    document["auth"]["method"] = json!("delegated");
    let file = demo.file("fabrikam.json", &document.to_string());
    let applied = demo.ask(&["apply", "--yes", &file]);
    assert_eq!(status(&applied), 0, "{}{}", out(&applied), err(&applied));
    let secret = demo.file("secret", CLIENT_SECRET);
    let entered = demo.ask(&["credentials", "fabrikam", "--secret-file", &secret]);
    assert!(out(&entered).contains("Next: halo-entra authorise fabrikam"), "{}", err(&entered));

    let mut waiting = Serving::start(demo.command(&["authorise", "fabrikam"]));
    waiting.after("sign in with an account of the tenant");
    let url = format!("http{}", waiting.after("http"));
    let page = browse(&url);
    assert!(page.contains("The connection is authorised"), "{page}");
    waiting.after("The connection is authorised");

    let mut again = Serving::start(demo.command(&["authorise", "fabrikam"]));
    let url = format!("http{}", again.after("http"));
    let state = url.split_once("state=").unwrap().1.split('&').next().unwrap();
    let back = format!("{}/v1/oauth/callback?state={state}&error=access_denied", demo.url);
    let page = browse(&back);
    assert!(page.contains("Consent was declined"), "{page}");
    // The sentence may be broken over lines.
    again.after("(access_denied)");
}

/// The document of the demo's connection.
fn contoso(demo: &Demo) -> Value {
    let url = format!("{}/v1/connections/contoso", demo.url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http = engine::http::client().unwrap();
        let answer = http.get(url).bearer_auth(&demo.token).send().await.unwrap();
        answer.json().await.unwrap()
    })
}
