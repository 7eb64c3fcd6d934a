//! What goes over the wire, against a server that answers what it is told: headers, redirects, odd bodies.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"opaque"}"#;

/// Answers one connection after another with these, and gives the requests that came.
async fn scripted(answers: Vec<String>) -> (Graph, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !is_whole(&request) {
                let mut part = [0; 4096];
                let read = stream.read(&mut part).await.unwrap();
                request.extend_from_slice(&part[..read]);
            }
            requests.push(String::from_utf8(request).unwrap());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    let clock = Arc::new(ManualClock::new(START));
    (client(access(&url), Tokens::default(), clock), server)
}

/// Whether head and body are there; the body's length is in the head.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn requests_say_who_asks_and_how_urgently() {
    // The answers are those of a token, a refusal, another token, a count, and a page.
    let page = r#"{"value":[]}"#;
    let (graph, server) = scripted(vec![
        answer("200 OK", "", TOKEN),
        answer("401 Unauthorized", "", "{}"),
        answer("200 OK", "", &TOKEN.replace("opaque", "fresh")),
        answer("200 OK", "content-type: text/plain\r\n", "\u{feff}\"42\"\r\n"),
        answer("200 OK", "", page),
    ])
    .await;
    assert_eq!(graph.users_count().await.unwrap(), 42, "a byte-order mark and quotes do no harm");
    graph.users_list(None, &select()).await.unwrap();
    let requests = server.await.unwrap();
    let [login, refused, renewed, counted, listed] = &requests[..] else { panic!("{requests:?}") };
    assert!(login.starts_with(&format!("POST /{TENANT_ID}/oauth2/v2.0/token HTTP/1.1\r\n")));
    // C3: encoded as forms are, so that a secret may hold any character.
    assert!(login.contains("client_secret=sample%7Esecret%26with%2Bsigns%3D"), "{login}");
    assert!(login.contains("grant_type=client_credentials") && login.contains("%2F.default"));
    assert_eq!(login.split_once("\r\n\r\n").unwrap().1, renewed.split_once("\r\n\r\n").unwrap().1);
    assert_eq!(header(refused, "authorization"), Some("Bearer opaque"));
    assert_eq!(header(counted, "authorization"), Some("Bearer fresh"));
    for request in [refused, counted] {
        assert!(request.starts_with("GET /v1.0/users/$count HTTP/1.1\r\n"), "{request}");
        assert_eq!(header(request, "consistencylevel"), Some("eventual"));
    }
    assert_eq!(header(listed, "consistencylevel"), None);
    for request in [refused, counted, listed] {
        assert_eq!(header(request, "x-ms-throttle-priority"), Some("low"));
        assert!(header(request, "accept-encoding").unwrap().contains("gzip"));
    }
    let id = |request: &str| header(request, "client-request-id").unwrap().to_owned();
    assert_eq!(id(refused), id(counted), "one id for the tries of a request");
    assert_ne!(id(counted), id(listed), "another for the next request");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    // D2: the token would go along.
    let elsewhere = "location: http://127.0.0.1:9/v1.0/users\r\n";
    let (graph, server) =
        scripted(vec![answer("200 OK", "", TOKEN), answer("302 Found", elsewhere, "")]).await;
    assert_eq!(failure(graph.users_list(None, &select()).await), "graph malformed: HTTP 302");
    server.await.unwrap();
}

#[tokio::test]
async fn a_sign_in_page_in_place_of_json_is_malformed() {
    let html = answer("200 OK", "content-type: text/html\r\n", "<html>Sign in</html>");
    let (graph, server) = scripted(vec![answer("200 OK", "", TOKEN), html]).await;
    let told = failure(graph.users_list(None, &select()).await);
    assert_eq!(told, "graph malformed: no JSON at line 1, column 1");
    server.await.unwrap();
}

#[tokio::test]
async fn a_count_that_is_none_is_malformed() {
    // D6: nobody is missing because of it.
    let (graph, server) =
        scripted(vec![answer("200 OK", "", TOKEN), answer("200 OK", "", "many")]).await;
    let told = failure(graph.users_count().await);
    assert_eq!(told, "graph malformed: expected a number of people");
    server.await.unwrap();
}
