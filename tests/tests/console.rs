//! The console without a browser: sessions, forms that come from elsewhere, headers, and that nothing
//! which somebody else wrote becomes part of a page (O1–O4, C10, I2).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step is the failure of the test"
)]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use engine::OperatorWay;
use engine::web::Auth;
use serde_json::json;
use tests::world::{Setup, World};
use tower::ServiceExt;

const TOKEN: &str = "the token of an operator whom Entra keeps out";

/// A deployment with a browser before it.
struct Desk {
    world: World,
    router: Router,
    /// What the browser keeps.
    cookie: Option<String>,
}

/// What came back.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a hidden field.
    fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&mark).expect("no such field");
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Desk {
    /// With people imported.
    async fn new(public_url: &str) -> Self {
        let mut world = World::new(Setup::default()).await;
        world.engine.policy.public_url = Some(public_url.parse().unwrap());
        world.engine.policy.operator = OperatorWay::Token(TOKEN.into());
        let router = admin::with_console(world.engine.clone(), Auth::Local("t".into()));
        Self { world, router, cookie: None }
    }

    /// The same with the operator signed in.
    async fn signed_in() -> Self {
        let mut desk = Self::new("http://localhost:8787").await;
        let page = desk.send("/console/sign-in/operator", &[("token", TOKEN)]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        desk.cookie = page.header("set-cookie").split(';').next().map(str::to_owned);
        desk
    }

    async fn ask(&self, request: Request<Body>) -> Page {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        Page { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    fn request(&self, method: Method, path: &str, body: String) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        request.body(Body::from(body)).unwrap()
    }

    async fn get(&self, path: &str) -> Page {
        self.ask(self.request(Method::GET, path, String::new())).await
    }

    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body: String =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask(self.request(Method::POST, path, body)).await
    }

    /// Runs of the connection.
    async fn runs(&self) -> usize {
        let id = self.world.id.clone();
        self.world.engine.store.runs(&id, None, 100).await.unwrap().0.len()
    }
}

#[tokio::test]
async fn whoever_is_not_signed_in_comes_back_to_the_page_they_wanted() {
    // O3
    let desk = Desk::new("http://localhost:8787").await;
    let cases = [
        ("/console", "/console/sign-in?to=%2Fconsole"),
        ("/console/halo?a=b", "/console/sign-in?to=%2Fconsole%2Fhalo%3Fa%3Db"),
        ("/console?client=3", "/console/sign-in?to=%2Fconsole%3Fclient%3D3&client=3"),
    ];
    for (path, expected) in cases {
        let page = desk.get(path).await;
        assert_eq!(
            (page.status, page.header("location")),
            (StatusCode::SEE_OTHER, expected),
            "{path}"
        );
    }
    // What a form would have done is not repeated after the sign-in.
    let page = desk.send("/console/halo/module", &[("to", "off")]).await;
    assert_eq!(page.header("location"), "/console/sign-in?to=%2Fconsole");
    // A cookie opens nothing in the API.
    let desk = Desk::signed_in().await;
    assert_eq!(desk.get("/v1/connections").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cookies_are_out_of_reach_for_scripts_and_other_sites() {
    // O3
    for (address, name, end) in [
        ("http://localhost:8787", "halo-entra-session=", "; Path=/console; HttpOnly; SameSite=Lax"),
        (
            "https://halo.example.org",
            "__Host-halo-entra-session=",
            "; Path=/; HttpOnly; SameSite=Lax; Secure",
        ),
    ] {
        let desk = Desk::new(address).await;
        let page = desk.send("/console/sign-in/operator", &[("token", TOKEN)]).await;
        let cookie = page.header("set-cookie");
        assert!(cookie.starts_with(name) && cookie.ends_with(end), "{cookie}");
        assert_eq!(page.header("cache-control"), "no-store");
        // Nobody is led elsewhere afterwards.
        let fields = [("token", TOKEN), ("to", "//evil.example.org/console")];
        let page = desk.send("/console/sign-in/operator", &fields).await;
        assert_eq!(page.header("location"), "/console");
    }
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let desk = Desk::signed_in().await;
    let connection = desk.world.id.to_string();
    let start = format!("/console/connections/{connection}/imports/start");
    let before = desk.runs().await;
    for csrf in [None, Some(""), Some("guessed")] {
        let fields: Vec<_> =
            csrf.map(|csrf| ("csrf", csrf)).into_iter().chain([("do", "import")]).collect();
        let page = desk.send(&start, &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{csrf:?}");
        assert!(page.text.contains("nothing was changed"), "{}", page.text);
    }
    assert_eq!(desk.runs().await, before);
    // Signing somebody in as somebody else is no use either.
    for (header, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let mut request = desk.request(
            Method::POST,
            "/console/sign-in/operator",
            format!("token={}", TOKEN.replace(' ', "+")),
        );
        request.headers_mut().insert(header, value.parse().unwrap());
        let page = desk.ask(request).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{header}");
        assert_eq!(page.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_form_that_is_sent_twice_starts_one_run() {
    // I2
    let desk = Desk::signed_in().await;
    let connection = desk.world.id.to_string();
    let imports = desk.get(&format!("/console/connections/{connection}/imports")).await;
    let (csrf, key) = (imports.hidden("csrf"), imports.hidden("key"));
    let start = format!("/console/connections/{connection}/imports/start");
    let fields = [("csrf", csrf.as_str()), ("key", &key), ("do", "import")];
    let before = desk.runs().await;
    let (first, second) = (desk.send(&start, &fields).await, desk.send(&start, &fields).await);
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text);
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!(desk.runs().await, before + 1);
}

#[tokio::test]
async fn a_draft_is_not_lost_when_somebody_else_saved_meanwhile() {
    // C10
    let desk = Desk::signed_in().await;
    let connection = desk.world.id.to_string();
    let path = format!("/console/connections/{connection}/details");
    let page = desk.get(&path).await;
    let (csrf, tag) = (page.hidden("csrf"), page.hidden("tag").replace("&quot;", "\""));
    let rename = |name: &'static str| {
        let (csrf, tag) = (csrf.clone(), tag.clone());
        let (desk, path) = (&desk, &path);
        async move {
            let fields =
                [("csrf", csrf.as_str()), ("tag", &tag), ("doc.name", name), ("do", "save")];
            desk.send(path, &fields).await
        }
    };
    assert_eq!(rename("Mine").await.status, StatusCode::SEE_OTHER);
    let late = rename("Yours, typed with care").await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert!(late.text.contains("value=\"Yours, typed with care\""), "{}", late.text);
    assert!(late.text.contains("Load what is saved now"));
    assert!(desk.get(&path).await.text.contains("value=\"Mine\""));
}

#[tokio::test]
async fn names_that_others_chose_are_only_ever_text() {
    let desk = Desk::signed_in().await;
    let evil = "<script>alert(1)</script>\"'&\u{202e}";
    let person = desk.world.entra.add_user(json!({
        "displayName": evil, "givenName": evil, "surname": evil, "department": evil,
        "officeLocation": evil, "userPrincipalName": "evil@contoso.example",
        "mail": "evil@contoso.example", "accountEnabled": true, "userType": "Member",
    }));
    desk.world.sync().await;
    let connection = desk.world.id.to_string();
    let pages = [
        format!("/console/connections/{connection}/people/{person}"),
        format!("/console/connections/{connection}/log?person={person}"),
        format!("/console/connections/{connection}/people?q=%3Cscript%3Ealert(1)%3C/script%3E"),
        "/console/problems/%3Cscript%3Ealert(1)".to_owned(),
        "/console/sign-in?to=%22%3E%3Cscript%3Ealert(1)".to_owned(),
    ];
    for path in pages {
        let page = desk.get(&path).await;
        assert!(!page.text.contains("<script>alert"), "{path}: {}", page.text);
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        // Nothing in a page is script or style of its own.
        for inline in [" style=", " onclick=", " onload=", "javascript:", "<style"] {
            assert!(!page.text.contains(inline), "{inline} in {path}");
        }
    }
}
