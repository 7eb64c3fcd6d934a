//! Every operation that the OpenAPI document has, tried by those who may not: a new route cannot be
//! forgotten here.

use serde_json::{Value, json};
use tests::described::document;
use tests::world::{Setup, World};

use crate::access::{LATER, behind_gateway, claims, through_gateway};
use crate::support::{Api, TOKEN};

const ID: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";

/// An operation with its path filled in.
struct Operation {
    method: String,
    template: &'static str,
    path: String,
    described: &'static Value,
}

impl Operation {
    /// The document says that no token is needed.
    fn is_open(&self) -> bool {
        let security = self.described.get("security").and_then(Value::as_array);
        security.is_some_and(|all| all.iter().any(|one| one == &json!({})))
    }

    /// The document says that the call is signed, and carries no token (S2).
    fn is_signed(&self) -> bool {
        self.described["security"] == json!([{ "signature": [] }])
    }

    /// Only administrators may look.
    fn is_for_administrators(&self) -> bool {
        self.method != "GET" || self.described["x-role"] == "administrator"
    }

    fn takes(&self, place: &str, name: &str) -> Option<&Value> {
        let parameters = self.described["parameters"].as_array()?;
        parameters.iter().find(|it| it["in"] == place && it["name"] == name)
    }
}

/// All operations; `connection` stands for the one in the path.
fn operations(connection: &str) -> Vec<Operation> {
    let paths = document()["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (template, item) in paths {
        let of_connection = template.starts_with("/v1/connections/{id}");
        let id = if of_connection { connection } else { ID };
        let words = template.split('/').map(|word| match word {
            "{id}" => id,
            "{who}" => "ada@contoso.example",
            word if word.starts_with('{') => ID,
            word => word,
        });
        let path = words.collect::<Vec<_>>().join("/");
        for (method, described) in item.as_object().unwrap() {
            if ["get", "put", "post", "delete", "patch"].contains(&method.as_str()) {
                let (method, path) = (method.to_uppercase(), path.clone());
                all.push(Operation { method, template, path, described });
            }
        }
    }
    assert!(all.len() > 20, "{}", all.len());
    all
}

#[tokio::test]
async fn nothing_is_open_that_the_document_does_not_say_is_open() {
    let api = Api::new().await;
    let without: [&[(&str, &str)]; 3] =
        [&[], &[("authorization", "Bearer wrong")], &[("authorization", "Basic YTpi")]];
    for operation in operations("contoso") {
        let Operation { method, path, .. } = &operation;
        for headers in without {
            let body = (method != "GET").then(|| json!({}));
            let answer = api.send_with(method, path, body.as_ref(), headers).await;
            assert_eq!(answer.status == 401, !operation.is_open(), "{method} {path}");
        }
    }
    let open = operations("contoso").into_iter().filter(Operation::is_open);
    let open: Vec<&str> = open.map(|operation| operation.template).collect();
    assert_eq!(open, ["/v1/health", "/v1/oauth/callback", "/v1/openapi.json"]);
    let signed = operations("contoso").into_iter().filter(Operation::is_signed);
    let signed: Vec<&str> = signed.map(|operation| operation.template).collect();
    assert_eq!(signed, ["/v1/licence-assignments"]);
    assert!(api.get("/v1/connections/contoso").await.status.is_success(), "nothing was removed");
}

#[tokio::test]
async fn readers_only_look() {
    let world = World::new(Setup::default()).await;
    let router = behind_gateway(&world);
    let reader = claims("[reader]", LATER);
    let with_token = |operation: &&Operation| !operation.is_open() && !operation.is_signed();
    for operation in operations("contoso").iter().filter(with_token) {
        let Operation { method, path, .. } = operation;
        let (status, said) = through_gateway(&router, method, path, &reader).await;
        let forbidden = status == 403;
        assert_eq!(forbidden, operation.is_for_administrators(), "{method} {path} {status} {said}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_there_is_not_found_by_any_operation() {
    // C1: an id opens only what is its own.
    let api = Api::new().await;
    for operation in operations("fabrikam") {
        let Operation { method, path, template, .. } = &operation;
        // PUT and check take documents of connections that do not exist yet.
        let makes = [("PUT", "/v1/connections/{id}"), ("POST", "/v1/connections/{id}/check")];
        let of_connection = template.starts_with("/v1/connections/{id}");
        if !of_connection || makes.contains(&(method.as_str(), template)) {
            continue;
        }
        let body = match *template {
            "/v1/connections/{id}/held/release" | "/v1/connections/{id}/held/reject" => {
                Some(json!({ "run": ID }))
            }
            "/v1/connections/{id}/effect" => Some(api.document("fabrikam")),
            "/v1/connections/{id}/preview" => Some(json!({ "document": api.document("fabrikam") })),
            "/v1/connections/{id}/people/{who}/link" => Some(json!({ "user": 1 })),
            "/v1/connections/{id}/deltas/reset" => Some(json!({ "mode": "clear" })),
            _ => (method != "GET").then(|| json!({})),
        };
        let body = body.filter(|_| method != "DELETE");
        let answer = api.send(method, path, body.as_ref()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        assert!(!answer.text.contains("contoso"), "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn bodies_and_pages_have_limits_everywhere() {
    let api = Api::new().await;
    let large = format!("{{ \"x\": \"{}\" }}", "x".repeat(1024 * 1024));
    for operation in operations("contoso") {
        let Operation { method, path, described, .. } = &operation;
        if described.get("requestBody").is_some() {
            let answer = api.http_text(method, path, &large).await;
            assert_eq!(answer.problem(), "too_large", "{method} {path}: {}", answer.text);
        }
        if let Some(limit) = operation.takes("query", "limit") {
            let most = limit["schema"]["maximum"].as_u64().unwrap();
            for wrong in ["0".to_owned(), (most + 1).to_string(), "-1".into(), "x".into()] {
                let answer = api.get(&format!("{path}?limit={wrong}")).await;
                let refused = [400, 404].contains(&answer.status.as_u16());
                assert!(refused, "{path}?limit={wrong}: {}", answer.text);
            }
        }
        if method == "GET" && !operation.is_open() {
            let answer = api.get(&format!("{path}?nobody_knows=1")).await;
            let refused = [400, 404].contains(&answer.status.as_u16());
            assert!(refused, "{path}?nobody_knows=1: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn methods_that_a_path_does_not_take_are_named_by_those_that_it_does() {
    let api = Api::new().await;
    let paths: std::collections::BTreeSet<String> =
        operations("contoso").into_iter().map(|operation| operation.path).collect();
    for path in paths {
        let answer = api.send("PATCH", &path, None).await;
        assert_eq!(answer.problem(), "method_not_allowed", "{path}");
        let allowed = answer.headers["allow"].to_str().unwrap();
        for operation in operations("contoso").iter().filter(|operation| operation.path == path) {
            assert!(allowed.contains(&operation.method), "{path}: {allowed}");
        }
    }
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    let api = Api::new().await;
    for path in ["/v1/connections", "/v1/connections/contoso", "/v1/health", "/v1/openapi.json"] {
        let get = api.get(path).await.ok();
        let head = api.send("HEAD", path, None).await.ok();
        assert_eq!(head.text, "");
        for header in ["content-type", "cache-control", "etag", "content-length"] {
            assert_eq!(head.headers.get(header), get.headers.get(header), "{path} {header}");
        }
    }
}

#[tokio::test]
async fn the_document_is_served_and_may_be_kept() {
    let api = Api::new().await;
    let got = api.send_with("GET", "/v1/openapi.json", None, &[]).await.ok();
    assert_eq!(got.json, admin::openapi());
    assert_eq!(got.json["openapi"], "3.1.0");
    assert_eq!(got.json["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(got.headers["cache-control"], "public, max-age=3600");
    let tag = got.etag();
    let token = format!("Bearer {TOKEN}");
    for kept in [tag.clone(), format!("\"other\", {tag}"), "*".to_owned()] {
        let headers = [("authorization", token.as_str()), ("if-none-match", kept.as_str())];
        let again = api.send_with("GET", "/v1/openapi.json", None, &headers).await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{kept}");
    }
}

#[tokio::test]
async fn what_belongs_to_one_connection_is_not_reached_through_another() {
    // C1: both connections are there; people, runs and previews are the first one's.
    let api = Api::new().await;
    let run = api.world.sync().await.run.to_string();
    let made = api.world.log().await.into_iter().find(|it| it.decision.name() == "create").unwrap();
    let who = made.person.id.to_string();
    let asked = api.post("/v1/connections/contoso/preview", &json!({})).await.ok().json;
    let preview = asked["preview"].as_str().unwrap().to_owned();
    api.world.quiet().await;
    api.authorise("fabrikam").await;
    api.world.quiet().await;

    let one = "/v1/connections/fabrikam";
    let cases = [
        ("GET", format!("{one}/people/{who}"), None, 404),
        ("GET", format!("{one}/people/{who}/explain"), None, 404),
        ("PUT", format!("{one}/people/{who}/link"), Some(json!({ "user": "unlinked" })), 404),
        ("DELETE", format!("{one}/people/{who}/link"), None, 404),
        ("POST", format!("{one}/held/release"), Some(json!({ "run": run })), 404),
        ("POST", format!("{one}/held/reject"), Some(json!({ "run": run })), 404),
        ("POST", format!("{one}/imports"), Some(json!({ "plan": preview })), 404),
        ("POST", format!("{one}/imports"), Some(json!({ "people": [who] })), 400),
        ("GET", format!("{one}/runs"), None, 200),
        ("GET", format!("{one}/conflicts"), None, 200),
        ("GET", format!("{one}/held"), None, 200),
        ("GET", format!("{one}/parked"), None, 200),
        ("GET", format!("{one}/licences"), None, 200),
        ("GET", format!("{one}/audit"), None, 200),
        ("GET", format!("/v1/inbound?connection=fabrikam&run={run}"), None, 200),
        ("GET", format!("/v1/inbound?connection=fabrikam&person={who}"), None, 200),
        ("GET", format!("/v1/inbound/export?connection=fabrikam&run={run}"), None, 200),
    ];
    let names = [&made.person.user_principal_name, &made.person.display_name];
    for (method, path, body, status) in cases {
        let answer = api.send(method, &path, body.as_ref()).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        let told = names.iter().find(|name| answer.text.contains(name.as_str()));
        assert_eq!(told, None, "{method} {path}: {}", answer.text);
    }
    let known = api.get(&format!("/v1/connections/contoso/people/{who}")).await.ok();
    assert!(known.text.contains(names[0]), "the person is there: {}", known.text);
}
