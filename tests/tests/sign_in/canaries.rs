//! What sign-ins write into the log: which refusal by which rule, and nothing of what a browser brought,
//! of what was given for it, or of the person.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use engine::OperatorWay;
use engine::secrets::SecretString;
use engine::sign_on::{Begun, Returned, SignedIn};
use engine::web::Auth;
use plan::sign_on::Refusal;
use sandbox::sample::CLIENT_SECRET;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing_subscriber::filter::LevelFilter;

use crate::attacks::{BROUGHT, TOKENS};
use crate::desk::{Desk, PUBLIC, clear};

const OPERATOR: &str = "canary-operators-token-of-some-length";
const GUESS: &str = "canary-guess-at-the-operators-token";
const SAID: &str = "AADSTS50105: canary-said of ada@contoso.example";

/// Every line of the log, whatever its level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A desk whose log is kept, with all that must not be in it.
struct Watched {
    desk: Desk,
    canaries: Vec<String>,
    /// Refusals that there were.
    refused: BTreeSet<&'static str>,
}

impl Watched {
    fn hide(&mut self, secret: Option<&SecretString>) {
        self.canaries.push(clear(secret));
    }

    /// Begins a sign-in, and hides what belongs to it.
    fn begun(&mut self, begun: &Begun) {
        self.hide(Some(&begun.browser));
        let url: url::Url = begun.url.parse().unwrap();
        let hidden = ["state", "nonce", "code_challenge", "login_hint"];
        let texts = url.query_pairs().filter(|(name, _)| hidden.contains(&&**name));
        self.canaries.extend(texts.map(|(_, text)| text.into_owned()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, clear(Some(&begun.browser)).as_bytes());
        self.canaries.push(BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"verifier")));
    }

    /// Signs in, with something wrong in what the browser brings back.
    async fn sign_in(&mut self, change: fn(&mut Returned)) -> Option<SignedIn> {
        let hint = Some("ada@contoso.example");
        let begun = self.desk.world.engine.begin_sign_in(Some("/console/halo"), hint).await;
        let finished = match begun {
            Ok(begun) => {
                self.begun(&begun);
                let mut returned = self.desk.go_through(&begun).await;
                self.canaries.extend(returned.code.as_ref().map(|code| clear(Some(code))));
                change(&mut returned);
                self.desk.world.engine.finish_sign_in(returned).await
            }
            Err(refusal) => Err(refusal),
        };
        self.came(finished)
    }

    fn came(&mut self, finished: Result<SignedIn, Refusal>) -> Option<SignedIn> {
        match finished {
            Ok(signed_in) => {
                self.hide(Some(&signed_in.cookie));
                Some(signed_in)
            }
            Err(refusal) => {
                self.refused.insert(refusal.name());
                None
            }
        }
    }

    async fn refuse_everything(&mut self) {
        for (_, faults, ..) in TOKENS {
            self.desk.world.entra.faults(faults);
            assert!(self.sign_in(|_| ()).await.is_none());
            self.desk.world.entra.faults(|faults| *faults = sandbox::graph::Faults::default());
            self.desk.pass_minutes(2);
        }
        for (_, change, _) in BROUGHT {
            self.sign_in(*change).await;
        }
        // What Microsoft says is its own text, and an error is a word or none.
        self.sign_in(|it| {
            it.error = Some("canary-error of ada".into());
            it.error_description = Some(SAID.into());
        })
        .await;
        self.desk.save(json!({ "allow": "agents" })).await;
        self.sign_in(|_| ()).await;
        self.desk.come(self.desk.agent);
        let fault = sandbox::halo::Fault::Status { code: 503, body: SAID.to_owned() };
        self.desk.world.halo.fail_next("/api/Agent", "GET", 1, fault);
        self.sign_in(|_| ()).await;
        self.desk.save(json!({ "published": false })).await;
        self.sign_in(|_| ()).await;
        self.desk.save(json!({})).await;
        while !self.refused.contains("too_many") {
            self.sign_in(|it| it.state = None).await;
        }
        self.desk.pass_minutes(1);
    }

    async fn operator(&mut self) {
        let mut engine = self.desk.world.engine.clone();
        engine.policy.operator = OperatorWay::Token(OPERATOR.into());
        for token in [GUESS, OPERATOR] {
            let came = engine.sign_in_as_operator(&token.into(), None).await;
            self.came(came);
        }
    }

    /// As a browser does it: off, and back with a cookie, to a page, and out.
    async fn through_the_console(&mut self) {
        let engine = self.desk.world.engine.clone();
        let router = admin::with_console(engine, Auth::Local("a-token".into()));
        let ask = async |path: &str, cookie: &str| {
            let request = Request::builder().uri(path).header("cookie", cookie);
            router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        };
        let header = |answer: &axum::response::Response, name: &str| {
            answer.headers()[name].to_str().unwrap().to_owned()
        };
        let off = ask("/console/sign-in/microsoft?to=/console&hint=ada@contoso.example", "").await;
        let kept = header(&off, "set-cookie").split(';').next().unwrap().to_owned();
        let browser = kept.split_once('=').unwrap().1.into();
        let now = self.desk.world.clock_now();
        let begun = Begun { url: header(&off, "location"), browser, expires_at: now };
        self.begun(&begun);
        let returned = self.desk.go_through(&begun).await;
        let (state, code) = (clear(returned.state.as_ref()), clear(returned.code.as_ref()));
        let back = url::Url::parse_with_params(
            &format!("{PUBLIC}/{}", engine::sign_on::CALLBACK),
            [("state", &state), ("code", &code)],
        )
        .unwrap();
        let back = format!("{}?{}", back.path(), back.query().unwrap());
        let home = ask(&back, &kept).await;
        assert_eq!(home.status(), 303);
        let session = header(&home, "set-cookie").split(';').next().unwrap().to_owned();
        self.canaries.extend([code, session.split_once('=').unwrap().1.to_owned()]);
        assert_eq!(ask("/console", &session).await.status(), 200);
        // The same way back once more.
        assert_ne!(ask(&back, &kept).await.status(), 303);
        self.refused.insert("state_unknown");
    }
}

#[tokio::test]
async fn no_line_of_the_log_tells_of_a_sign_in_what_could_be_used_or_who_it_was() {
    // C4, O3, O4
    let lines = Lines::default();
    let kept = lines.clone();
    let log = tracing_subscriber::fmt().json().with_max_level(LevelFilter::TRACE);
    // Of all threads: where one has no log, a line that it comes to first is off for the others as well.
    log.with_writer(move || kept.clone()).try_init().unwrap();
    let desk = Desk::new().await;
    let mut watched = Watched { desk, canaries: Vec::new(), refused: BTreeSet::new() };
    watched.refuse_everything().await;
    watched.operator().await;
    for who in [watched.desk.user, watched.desk.agent] {
        watched.desk.come(who);
        let signed_in = watched.sign_in(|_| ()).await.unwrap();
        let session = watched.desk.session(&signed_in.cookie).await.unwrap();
        watched.hide(Some(&session.csrf));
        watched.desk.world.engine.end_sessions("ada@contoso.example", Some(who)).await.unwrap();
        watched.desk.world.engine.sign_out(&signed_in.cookie).await.unwrap();
    }
    // Sessions that begin at the moment of an ending are over, too.
    watched.desk.pass_minutes(1);
    watched.through_the_console().await;

    let Watched { desk, mut canaries, refused } = watched;
    canaries.extend(desk.world.entra.issued_tokens());
    let texts = [CLIENT_SECRET, OPERATOR, GUESS, "canary", "Lovelace", "Sugar", "@contoso.example"];
    canaries.extend(texts.map(str::to_owned));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    for canary in &canaries {
        assert!(!canary.is_empty());
        let told = text.lines().find(|line| line.contains(canary.as_str()));
        assert_eq!(told, None, "it tells {canary}");
    }
    // All that happened is there: whoever finds nothing in an empty log proves nothing.
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for name in &refused {
        assert!(lines.iter().any(|line| line["fields"]["refusal"] == *name), "{name}");
    }
    assert!(refused.len() > 20, "{refused:?}");
    for said in ["somebody signed in", "the operator signed in", "somebody signed out"] {
        assert!(lines.iter().any(|line| line["fields"]["message"] == said), "{said}");
    }
}
