//! Delegated permissions: a person signs in, in a browser, and the connection reads on their behalf
//! (C3–C7).

use engine::secrets::{ExposeSecret, SecretName};
use jiff::SignedDuration;
use sandbox::graph::{Fault, Faults};
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};
use tests::certificates::rsa;
use tests::world::{Setup, Storage};
use url::Url;

use crate::support::{Answer, Api};

pub(crate) const PATH: &str = "/v1/connections/fabrikam";

/// An API with a connection with delegated permissions, whose credentials are entered.
pub(crate) async fn prepared() -> Api {
    let api = new().await;
    enter(&api, "delegated", "secret").await;
    api
}

/// An API that forgets everything at the end: worlds are made by the dozen here.
async fn new() -> Api {
    Api::with(Setup { storage: Storage::Memory, ..Setup::default() }).await
}

async fn enter(api: &Api, method: &str, credential: &str) {
    api.world.entra.register_redirect(&api.url("/v1/oauth/callback"));
    let mut document = api.document("fabrikam");
    document["auth"]["method"] = json!(method);
    document["auth"]["credential"] = json!(credential);
    api.post("/v1/connections", &document).await.ok();
    let body = if credential == "secret" {
        json!({ "client_secret": CLIENT_SECRET })
    } else {
        let own = rsa(2030);
        api.world.entra.register_certificate(&own.certificate);
        json!({ "certificate_pem": own.certificate, "private_key_pem": own.key })
    };
    api.send("PUT", &format!("{PATH}/credentials"), Some(&body)).await.ok();
}

/// Begins a sign-in and gives its address.
pub(crate) async fn begin(api: &Api) -> String {
    let answer = api.post(&format!("{PATH}/authorise"), &json!({})).await.ok().json;
    assert_eq!(answer["authorised"], false);
    answer["sign_in_url"].as_str().unwrap().to_owned()
}

/// Goes through a whole sign-in.
pub(crate) async fn sign_in(api: &Api) -> Answer {
    let url = begin(api).await;
    api.browse(&url).await
}

async fn status(api: &Api) -> Value {
    api.get(PATH).await.ok().json["status"].clone()
}

/// Imports, and gives the run as it ended.
async fn import(api: &Api) -> Value {
    let run = api.post(&format!("{PATH}/imports"), &json!({})).await.ok().json["run"].clone();
    api.world.quiet().await;
    api.get(&format!("/v1/runs/{}", run.as_str().unwrap())).await.ok().json
}

#[tokio::test]
async fn all_four_ways_of_signing_in_import() {
    // C3, C6
    for method in ["application", "delegated"] {
        for credential in ["secret", "certificate"] {
            let api = new().await;
            enter(&api, method, credential).await;
            if method == "delegated" {
                let page = sign_in(&api).await;
                assert_eq!(page.status, 200, "{}", page.text);
                assert!(page.text.contains("<td>User.Read.All</td>"), "{}", page.text);
                assert!(page.text.contains("<td>offline_access</td>"), "{}", page.text);
                assert_eq!(status(&api).await["sign_in"]["outcome"], "authorised");
            } else {
                api.post(&format!("{PATH}/authorise"), &json!({})).await.ok();
            }
            let shown = status(&api).await;
            assert_eq!(shown["authorisation"]["state"], "authorised", "{shown}");
            assert_eq!(shown["credentials"]["method"], method);
            // Long enough for every token to end.
            api.world.pass(SignedDuration::from_hours(3));
            let run = import(&api).await;
            assert_eq!(run["state"], "completed", "{method} {credential}: {run}");
        }
    }
}

#[tokio::test]
async fn what_is_needed_is_told_before() {
    // C5
    let api = prepared().await;
    let answer = api.get(&format!("{PATH}/permissions")).await.ok().json;
    let redirect = api.url("/v1/oauth/callback");
    assert_eq!(
        (&answer["method"], &answer["redirect_uri"]),
        (&json!("delegated"), &json!(redirect))
    );
    let mandatory: Vec<&str> = answer["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["mandatory"] == true)
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(mandatory, ["User.Read.All", "Group.Read.All", "offline_access"]);
    let consent: Url = answer["admin_consent_url"].as_str().unwrap().parse().unwrap();
    assert_eq!(consent.path(), format!("/{TENANT_ID}/v2.0/adminconsent"));
    assert!(consent.query_pairs().any(|(key, value)| key == "redirect_uri" && value == redirect));
    // A deployment that does not know its own address cannot be come back to.
    let mut engine = api.world.engine.clone();
    engine.policy.public_url = None;
    let refused = engine.authorise("ada", &"fabrikam".parse().unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("HALO_ENTRA_PUBLIC_URL"), "{refused}");
}

#[tokio::test]
async fn the_sign_in_is_asked_for_as_documented() {
    // C6
    let api = prepared().await;
    let url: Url = begin(&api).await.parse().unwrap();
    assert_eq!(url.path(), format!("/{TENANT_ID}/oauth2/v2.0/authorize"));
    let query: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!((&*query["client_id"], &*query["response_type"]), (CLIENT_ID, "code"));
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["code_challenge"].len(), 43);
    assert!(query["state"].len() > 43 && query["scope"].contains("offline_access"));
    let again: Url = begin(&api).await.parse().unwrap();
    assert_ne!(url.query(), again.query());
    // Neither the state nor the verifier stands in the store or in what is shown.
    let state = &query["state"];
    let shown = api.get(PATH).await.ok().text;
    assert!(!shown.contains(state.split_once('.').unwrap().1), "{shown}");
}

#[tokio::test]
async fn a_sign_in_ends_once_and_in_time_and_where_it_began() {
    // C6
    let api = prepared().await;
    let refused = |page: &Answer| {
        assert_eq!(page.status, 400, "{}", page.text);
        assert!(page.text.contains("begun here in the last ten minutes"), "{}", page.text);
    };
    let callback = |query: &str| api.url(&format!("/v1/oauth/callback?{query}"));
    for query in ["", "code=x", "state=fabrikam.x&code=x", "state=contoso.x&code=x", "state=%00"] {
        refused(&api.browse(&callback(query)).await);
    }
    // A newer one takes the place of an older one.
    let old = begin(&api).await;
    let new = begin(&api).await;
    refused(&api.browse(&old).await);
    let page = api.browse(&new).await;
    assert_eq!(page.status, 200, "{}", page.text);
    refused(&api.browse(&new).await);
    // Another connection's state is of no use here.
    let late = begin(&api).await;
    let state: Url = late.parse().unwrap();
    let state = state.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let other = state.replacen("fabrikam", "contoso", 1);
    refused(&api.browse(&callback(&format!("state={other}&code=x"))).await);
    api.world.pass(SignedDuration::from_secs(601));
    refused(&api.browse(&late).await);
    assert_eq!(status(&api).await["authorisation"]["state"], "authorised");
}

#[tokio::test]
async fn the_page_is_for_a_browser_and_holds_nothing_secret() {
    // C4, C6
    let api = prepared().await;
    let page = sign_in(&api).await;
    for (name, part) in [
        ("content-type", "text/html"),
        ("cache-control", "no-store"),
        ("content-security-policy", "default-src 'none'"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert!(page.headers[name].to_str().unwrap().contains(part), "{name}");
    }
    let name = SecretName::session(&"fabrikam".parse().unwrap());
    let session = api.world.engine.secrets.get(&name).await.unwrap().unwrap();
    let session: Value = serde_json::from_str(session.expose_secret()).unwrap();
    let token = session["refresh_token"].as_str().unwrap();
    for text in [&page.text, &api.get(PATH).await.ok().text] {
        assert!(!text.contains(token) && !text.contains(CLIENT_SECRET));
    }
    let url = api.url(
        "/v1/oauth/callback?error=%3Cscript%3E&error_description=%3Cscript%3E&admin_consent=True",
    );
    let page = api.browse(&url).await;
    assert!(!page.text.contains("script"), "{}", page.text);
}

#[tokio::test]
async fn what_microsoft_refuses_is_said_with_code_and_advice() {
    // C6
    let authorize: fn(&mut Faults, u32) = |faults, code| faults.authorize_error = Some(code);
    let token: fn(&mut Faults, u32) = |faults, code| faults.login_error = Some(code);
    let cases = [
        (authorize, 65004, "Consent was declined"),
        (authorize, 90094, "Only an administrator may consent"),
        (authorize, 50105, "not assigned to the application"),
        (authorize, 53003, "Conditional access blocks"),
        (authorize, 50057, "disabled"),
        (authorize, 65001, "admin consent"),
        (token, 7_000_215, "secret is wrong"),
        (token, 7_000_222, "secret has expired"),
        (token, 50076, "Multi-factor"),
        (token, 54005, "used already"),
        (token, 501_481, "another sign-in"),
        (token, 90002, "tenant was not found"),
    ];
    let api = prepared().await;
    for (fault, code, advice) in cases {
        let url = begin(&api).await;
        api.world.entra.faults(|faults| fault(faults, code));
        let page = api.browse(&url).await;
        api.world.entra.faults(|faults| {
            (faults.authorize_error, faults.login_error) = (None, None);
        });
        assert_eq!(page.status, 400, "{}", page.text);
        assert!(page.text.contains(&format!("AADSTS{code}")), "{}", page.text);
        assert!(page.text.contains(advice), "{code}: {}", page.text);
        let shown = status(&api).await;
        let sign_in = &shown["sign_in"];
        assert_eq!((&sign_in["outcome"], &sign_in["code"]), (&json!("failed"), &json!(code)));
        assert!(sign_in["detail"].as_str().unwrap().contains(advice), "{shown}");
        assert_eq!(shown["authorisation"]["state"], "unauthorised");
    }
    // What passes by itself has no code.
    let url = begin(&api).await;
    let fault = Fault::Unavailable { retry_after: None };
    api.world.entra.fail_next(&format!("/{TENANT_ID}/oauth2/v2.0/token"), 1, fault);
    let page = api.browse(&url).await;
    assert!(page.text.contains("did not answer properly"), "{}", page.text);
    assert_eq!(sign_in(&api).await.status, 200);
}

#[tokio::test]
async fn an_account_of_another_tenant_is_refused() {
    // C6: the tenant in the address proves nothing, the id token does.
    let api = prepared().await;
    let other = "11111111-2222-3333-4444-555555555555";
    api.world.entra.faults(|faults| faults.signs_in_from = Some(other.to_owned()));
    let page = sign_in(&api).await;
    assert!(page.text.contains("another tenant"), "{}", page.text);
    assert_eq!(status(&api).await["authorisation"]["state"], "unauthorised");
    let name = SecretName::session(&"fabrikam".parse().unwrap());
    assert!(api.world.engine.secrets.get(&name).await.unwrap().is_none());
}

#[tokio::test]
async fn a_missing_permission_is_granted_by_consent() {
    // C6
    let api = prepared().await;
    for name in ["GroupMember.Read.All", "Directory.Read.All"] {
        api.world.entra.revoke_delegated(name);
    }
    let page = sign_in(&api).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert!(page.text.contains("Group.Read.All</td>") && page.text.contains("<td>missing</td>"));
    assert_eq!(status(&api).await["authorisation"]["state"], "unauthorised");
    let import = api.post(&format!("{PATH}/imports"), &json!({})).await;
    assert_eq!((import.status.as_u16(), import.problem()), (409, "not_authorised"));

    let answer = api.post(&format!("{PATH}/authorise"), &json!({})).await.ok().json;
    let consent = answer["admin_consent_url"].as_str().unwrap();
    api.world.entra.faults(|faults| faults.consent_declined = true);
    let page = api.browse(consent).await;
    assert_eq!(page.status, 400, "{}", page.text);
    assert!(page.text.contains("AADSTS65004"), "{}", page.text);
    api.world.entra.faults(|faults| faults.consent_declined = false);
    let page = api.browse(consent).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("fabrikam"), "{}", page.text);
    assert_eq!(status(&api).await["authorisation"]["state"], "unauthorised", "nothing is believed");
    // The consent did not use up the sign-in.
    let page = api.browse(answer["sign_in_url"].as_str().unwrap()).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(status(&api).await["authorisation"]["state"], "authorised");
}

#[tokio::test]
async fn a_sign_in_that_lacks_a_permission_replaces_nothing() {
    // C8
    let api = prepared().await;
    sign_in(&api).await;
    let names = ["GroupMember.Read.All", "Directory.Read.All"];
    for name in names {
        api.world.entra.revoke_delegated(name);
    }
    let page = sign_in(&api).await;
    assert!(page.text.contains("stays as it was"), "{}", page.text);
    assert_eq!(status(&api).await["authorisation"]["state"], "authorised");
    // Granted again, it counts for whoever had it when they signed in.
    for name in names {
        api.world.entra.grant_delegated(name);
    }
    for hours in [0, 2] {
        api.world.pass(SignedDuration::from_hours(hours));
        assert_eq!(import(&api).await["state"], "completed");
    }
}

#[tokio::test]
async fn a_session_that_ended_asks_for_a_new_sign_in() {
    // C7
    let api = prepared().await;
    sign_in(&api).await;
    assert_eq!(import(&api).await["state"], "completed");
    // What passes by itself is no reason.
    api.world.pass(SignedDuration::from_hours(2));
    let fault = Fault::Throttle { retry_after: Some("2".into()) };
    api.world.entra.fail_next(&format!("/{TENANT_ID}/oauth2"), 2, fault);
    assert_eq!(import(&api).await["state"], "completed");

    for code in [None, Some(700_082), Some(70008), Some(50076), Some(50079)] {
        match code {
            None => api.world.entra.revoke_sessions(),
            Some(_) => api.world.entra.faults(|faults| faults.refresh_error = code),
        }
        api.world.pass(SignedDuration::from_hours(2));
        let run = import(&api).await;
        let number = format!("AADSTS{}", code.unwrap_or(50173));
        assert!(run["error"].as_str().unwrap().contains(&number), "{run}");
        let refused = api.post(&format!("{PATH}/imports"), &json!({})).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (401, "reauthorise"));
        assert!(refused.text.contains(&number), "{}", refused.text);
        api.world.entra.faults(|faults| faults.refresh_error = None);
        assert_eq!(sign_in(&api).await.status, 200);
        assert_eq!(import(&api).await["state"], "completed");
    }
}

#[tokio::test]
async fn new_credentials_keep_the_session() {
    // C8
    let api = prepared().await;
    sign_in(&api).await;
    api.world.entra.set_secret("next", None);
    let body = json!({ "client_secret": "next" });
    api.send("PUT", &format!("{PATH}/credentials"), Some(&body)).await.ok();
    api.world.pass(SignedDuration::from_hours(2));
    assert_eq!(import(&api).await["state"], "completed");
    // A dead session does not keep good credentials out.
    api.world.entra.revoke_sessions();
    api.send("PUT", &format!("{PATH}/credentials"), Some(&body)).await.ok();
}

#[tokio::test]
async fn nothing_secret_outlives_the_account_or_the_connection() {
    // C1, C4
    let api = prepared().await;
    let left = async |api: &Api| {
        let mut left = 0;
        for name in SecretName::all_of(&"fabrikam".parse().unwrap()) {
            left += usize::from(api.world.engine.secrets.get(&name).await.unwrap().is_some());
        }
        left
    };
    sign_in(&api).await;
    let url = begin(&api).await;
    assert_eq!(left(&api).await, 3);
    let shown = api.get(PATH).await;
    let mut document = shown.json.clone();
    document["auth"]["client_id"] = json!("99999999-2222-3333-4444-555555555555");
    api.save("fabrikam", &shown.etag(), &document).await.ok();
    assert_eq!(left(&api).await, 0);
    let page = api.browse(&url).await;
    assert!(page.text.contains("changed since the sign-in was begun"), "{}", page.text);
    api.send("DELETE", PATH, None).await.ok();

    let api = prepared().await;
    sign_in(&api).await;
    begin(&api).await;
    api.send("DELETE", PATH, None).await.ok();
    assert_eq!(left(&api).await, 0);
}
