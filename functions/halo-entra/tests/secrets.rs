//! No secret is found in anything that the program produces: canaries are planted in every secret, and
//! each answer, log line, command's output and byte of the store is searched for them (C4).

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step that fails is the failure of the test"
)]

mod started;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use engine::clock::{Clock, SystemClock};
use reqwest::Method;
use sandbox::{graph, halo, sample};
use serde_json::{Value, json};
use started::{Serving, program};

const CLIENT_SECRET: &str = "canary-client~secret&with+signs=";
const WRONG_SECRET: &str = "canary-wrong~secret&with+signs=";
const SIGNING_KEY: &str = "canary-signing~key&with+signs=0123456789";
const HALO_SECRET: &str = "canary-halo~secret&with+signs=";

/// Everything that was produced, by where it came from.
#[derive(Default)]
struct Produced(BTreeMap<String, String>);

impl Produced {
    /// Bytes that are no text are of no matter: secrets are text.
    fn add(&mut self, place: impl Into<String>, bytes: impl AsRef<[u8]>) {
        let text = String::from_utf8_lossy(bytes.as_ref());
        self.0.entry(place.into()).or_default().push_str(&text);
    }

    /// All files below a directory but those that are there to hold secrets.
    fn add_files(&mut self, dir: &Path) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "secrets" {
                self.add_files(&path);
            } else if path.is_file() && name != "admin-token" {
                self.add(format!("file {name}"), std::fs::read(&path).unwrap());
            }
        }
    }

    /// Where a canary is found in one of the forms that it could take.
    fn places(&self, canary: &str) -> Vec<&str> {
        let forms = forms(canary);
        let holds = |text: &str| forms.iter().any(|form| text.contains(form));
        self.0.iter().filter(|(_, text)| holds(text)).map(|(place, _)| place.as_str()).collect()
    }
}

/// A secret as it is, in a form or an address, in JSON, and in the middle of something in base64.
fn forms(secret: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![secret.to_owned(), form];
    let quoted = json!(secret).to_string();
    forms.push(quoted.trim_matches('"').to_owned());
    for offset in 0..3 {
        let shifted = format!("{}{secret}", "x".repeat(offset));
        for coding in [BASE64_STANDARD, BASE64_URL_SAFE] {
            let coded = coding.encode(&shifted);
            // The first and the last group depend on what stands around.
            forms.push(coded[4..coded.len() - 4].to_owned());
        }
    }
    forms
}

/// A `serve` whose every output is kept.
struct Watched {
    url: String,
    token: String,
    data: PathBuf,
    produced: Produced,
}

impl Watched {
    async fn call(&mut self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = engine::http::client().unwrap();
        let request = request.request(method.clone(), format!("{}/v1/{path}", self.url));
        let request = request.bearer_auth(&self.token);
        let request = body.into_iter().fold(request, |request, body| request.json(&body));
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let text = answer.text().await.unwrap();
        let place = format!("answer to {method} {path}");
        self.produced.add(&place, headers);
        self.produced.add(&place, &text);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn done(&mut self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// Runs an import to its end, however it ends.
    async fn import(&mut self, body: Value) -> Value {
        let run = self.done(Method::POST, "connections/contoso/imports", Some(body)).await;
        let path = format!("runs/{}", run["run"].as_str().unwrap());
        for _ in 0..6000 {
            let now = self.done(Method::GET, &path, None).await;
            if now["finished"].is_string() {
                return now;
            }
            SystemClock.sleep(Duration::from_millis(10)).await;
        }
        panic!("the run does not end")
    }

    fn command(&mut self, args: &[&str]) {
        let mut command = program();
        command.args(args).args(["--url", &self.url, "--data"]).arg(&self.data);
        let output = command.output().unwrap();
        let place = format!("halo-entra {}", args.join(" "));
        self.produced.add(&place, output.stdout);
        self.produced.add(&place, output.stderr);
    }
}

fn serve(dir: &Path, halo_url: &str) -> (Serving, Watched) {
    let data = dir.join("data");
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).envs([
        ("HALO_API_URL", format!("{halo_url}/api").as_str()),
        ("HALO_AUTH_URL", format!("{halo_url}/auth").as_str()),
        ("HALO_TENANT", halo::TENANT),
        ("HALO_CLIENT_ID", halo::CLIENT_ID),
        ("HALO_CLIENT_SECRET", HALO_SECRET),
        ("HALO_REQUESTS_PER_5_MINUTES", "unlimited"),
        ("HALO_ENTRA_LOG", "trace"),
    ]);
    let log = File::create(dir.join("log")).unwrap();
    let mut serving = Serving::logging(command, log);
    let url = serving.after("serves on ");
    let token = std::fs::read_to_string(data.join("admin-token")).unwrap().trim().to_owned();
    (serving, Watched { url, token, data, produced: Produced::default() })
}

/// Services that quote what they were sent in what they answer.
fn quote_secrets(entra: &graph::Graph, halo: &halo::Halo) {
    let message = format!("You sent {}", entra.issued_tokens().join(" "));
    let body = graph::Body::Error { code: "invalidRequest".into(), message };
    entra.fail_next("/v1.0/users", 1, graph::Fault::Status { code: 400, body });
    let quoted = [vec![HALO_SECRET.to_owned()], halo.issued_tokens()].concat().join(" ");
    let body = json!({ "error": format!("You sent {quoted}"), "client_secret": HALO_SECRET });
    let body = body.to_string();
    halo.fail_next("/api/users", "POST", 2, halo::Fault::Status { code: 400, body });
    let body = format!("<html><body>{quoted}</body></html>");
    halo.fail_next("/api/users", "POST", 1, halo::Fault::Status { code: 400, body });
}

async fn a_day(api: &mut Watched, entra: &graph::Graph, halo: &halo::Halo, login: &str) {
    let put = Method::PUT;
    api.done(Method::POST, "connections", Some(sample::connection(login))).await;
    let credentials = "connections/contoso/credentials";
    let wrong = json!({ "client_secret": WRONG_SECRET });
    let (status, refused) = api.call(put.clone(), credentials, Some(wrong)).await;
    assert_eq!((status, &refused["code"]), (422, &json!(7_000_215)));
    let odd = json!({ "client_secret": [WRONG_SECRET], WRONG_SECRET: true });
    api.call(put.clone(), credentials, Some(odd)).await;
    let secret = json!({ "client_secret": CLIENT_SECRET });
    api.done(put, credentials, Some(secret)).await;
    api.done(Method::POST, "connections/contoso/authorise", None).await;
    let key = "licence-signing-key";
    api.call(Method::PUT, key, Some(json!({ "key": SIGNING_KEY, SIGNING_KEY: 1 }))).await;
    api.done(Method::PUT, key, Some(json!({ "key": SIGNING_KEY }))).await;
    api.call(Method::POST, "licence-assignments", Some(json!({ "action": "assign" }))).await;
    let first = api.import(json!({})).await;
    assert_eq!(first["state"], "completed", "{first}");

    quote_secrets(entra, halo);
    for (number, id) in entra.user_ids().iter().take(20).enumerate() {
        entra.update_user(id, json!({ "jobTitle": format!("Captain {number}") }));
    }
    api.import(json!({})).await;
    quote_secrets(entra, halo);
    api.import(json!({ "read": "full" })).await;
    entra.faults(|faults| faults.login_error = Some(7_000_222));
    halo.revoke_tokens();
    api.call(Method::POST, "connections/contoso/authorise", None).await;
    entra.faults(|faults| faults.login_error = None);
    api.done(Method::POST, "connections/contoso/authorise", None).await;

    let person = entra.user_ids()[0].clone();
    for path in [
        "health",
        "halo/test",
        "connections",
        "connections/contoso",
        "connections/contoso/permissions",
        "connections/contoso/runs",
        "connections/contoso/conflicts",
        "connections/contoso/held",
        "connections/contoso/audit",
        "audit",
        "module",
        "licence-signing-key",
        "connections/contoso/licence-assignments",
        "inbound?limit=200",
        "inbound/export?format=csv",
        "openapi.json",
        &format!("connections/contoso/people/{person}"),
        &format!("connections/contoso/people/{person}/explain"),
    ] {
        api.call(Method::GET, path, None).await;
    }
    for args in [
        &["runs", "contoso"][..],
        &["runs", "contoso", "--json"],
        &["inbound", "--limit", "50"],
        &["explain", "contoso", &person],
        &["conflicts", "contoso"],
        &["held", "contoso"],
        &["preview", "contoso"],
        &["export", "--connection", "contoso"],
        &["audit", "contoso"],
        &["audit"],
        &["licence-key"],
        &["assignments", "contoso"],
    ] {
        api.command(args);
    }
}

/// A certificate and its private key.
fn certificate() -> (String, String) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["import.contoso.example".to_owned()]).unwrap();
    (params.self_signed(&pair).unwrap().pem(), pair.serialize_pem())
}

/// Somebody signs in for a connection that proves itself by certificate.
async fn a_sign_in(api: &mut Watched, entra: &graph::Graph, login: &str, key: &str, pem: &str) {
    entra.register_certificate(pem);
    let mut document = sample::connection(login);
    document["id"] = json!("fabrikam");
    document["name"] = json!("Fabrikam");
    document["auth"]["method"] = json!("delegated");
    document["auth"]["credential"] = json!("certificate");
    api.done(Method::POST, "connections", Some(document)).await;
    let credentials = "connections/fabrikam/credentials";
    for (certificate, key) in [(key, pem), (pem, pem), (key, key)] {
        let wrong = json!({ "certificate_pem": certificate, "private_key_pem": key });
        let (status, _) = api.call(Method::PUT, credentials, Some(wrong)).await;
        assert_eq!(status, 422);
    }
    let body = json!({ "certificate_pem": pem, "private_key_pem": key });
    api.done(Method::PUT, credentials, Some(body)).await;
    let needed = api.done(Method::GET, "connections/fabrikam/permissions", None).await;
    entra.register_redirect(needed["redirect_uri"].as_str().unwrap());
    for refused in [true, false] {
        let authorise = "connections/fabrikam/authorise";
        let begun = api.done(Method::POST, authorise, None).await;
        let http = engine::http::client().unwrap();
        let sent = http.get(begun["sign_in_url"].as_str().unwrap()).send().await.unwrap();
        let mut back = sent.headers()["location"].to_str().unwrap().to_owned();
        if refused {
            back = back.replacen("code=", "error=access_denied&error_description=", 1);
        }
        let page = http.get(back).send().await.unwrap();
        assert_eq!(page.status().is_success(), !refused);
        api.produced.add("page after the sign-in", format!("{:?}", page.headers()));
        api.produced.add("page after the sign-in", page.text().await.unwrap());
    }
    api.done(Method::GET, "connections/fabrikam", None).await;
    api.command(&["permissions", "fabrikam"]);
    quote_secrets(entra, &halo::Halo::new());
    api.call(Method::POST, "connections/fabrikam/imports", Some(json!({}))).await;
}

/// C4. The simulators answer on other threads while a command of the program is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_found_in_anything_that_is_produced() {
    let (entra, halo) = (sample::tenant(), sample::halo());
    entra.use_system_clock();
    halo.use_system_clock();
    entra.set_secret(CLIENT_SECRET, None);
    halo.set_credentials(halo::CLIENT_ID, HALO_SECRET);
    let login = entra.serve(None, None).await.unwrap();
    let halo_served = halo.serve(None, None).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (serving, mut api) = serve(dir.path(), &halo_served.url);

    a_day(&mut api, &entra, &halo, &login.url).await;
    let (pem, key) = certificate();
    a_sign_in(&mut api, &entra, &login.url, &key, &pem).await;
    let mut canaries = halo.issued_tokens();
    canaries.extend(entra.issued_tokens());
    assert!(canaries.len() >= 2, "tokens were issued");
    canaries.extend([CLIENT_SECRET, WRONG_SECRET, HALO_SECRET, SIGNING_KEY].map(str::to_owned));
    canaries.push(api.token.clone());
    canaries.extend(key.lines().skip(5).take(3).map(str::to_owned));

    let Watched { data, mut produced, .. } = api;
    produced.add("standard output of serve", serving.rest());
    produced.add("log of serve", std::fs::read(dir.path().join("log")).unwrap());
    produced.add_files(&data);
    let log = &produced.0["log of serve"];
    assert!(log.contains("login answered"), "the log tells everything: {} bytes", log.len());
    assert!(produced.0.keys().any(|place| place.starts_with("file ")), "the store is a file");
    let person = entra.user(&entra.user_ids()[0]).unwrap();
    let name = person["userPrincipalName"].as_str().unwrap();
    assert!(!produced.places(name).is_empty(), "what is there is found: {name}");
    for canary in canaries {
        // Not the canary itself: this is printed.
        let places = produced.places(&canary);
        let start: String = canary.chars().take(12).collect();
        assert!(places.is_empty(), "{start}… is found in {places:?}");
    }
}
