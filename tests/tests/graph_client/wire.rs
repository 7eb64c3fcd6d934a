//! What goes over the wire, against a server that answers what it is told: headers, redirects, odd bodies.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"opaque"}"#;

/// Answers one connection after another with these, and gives the requests that came.
async fn scripted(
    answers: impl IntoIterator<Item = impl Into<Vec<u8>>>,
) -> (Graph, tokio::task::JoinHandle<Vec<String>>) {
    let answers: Vec<Vec<u8>> = answers.into_iter().map(Into::into).collect();
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
            stream.write_all(&answer).await.unwrap();
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

/// So many bytes of zeros, as gzip packs them: by a match of 258 bytes with the one before, 13 bits of a
/// fixed code each.
fn packed_zeros(bytes: usize) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut held, mut count) = (0_u32, 0);
    let mut put = |code: u32, bits: u32| {
        // Codes are written with their first bit first.
        held |= (code.reverse_bits() >> (32 - bits)) << count;
        count += bits;
        while count >= 8 {
            packed.push(held.to_le_bytes()[0]);
            (held, count) = (held >> 8, count - 8);
        }
    };
    // The last block, of the fixed code; a zero; and the matches: length code 285, distance code 0.
    put(0b110, 3);
    put(0b0011_0000, 8);
    (0..bytes / 258).for_each(|_| put(0b1_1000_1010_0000, 13));
    packed
}

#[tokio::test]
async fn answers_without_measure_are_refused() {
    // H5, T5: neither a long answer, nor one that is long when it is unpacked, fills the memory.
    const MORE: usize = 40 << 20;
    let long = answer("200 OK", "", &"x".repeat(MORE)).into_bytes();
    let packed = packed_zeros(MORE);
    assert!(packed.len() < MORE / 100, "{} bytes", packed.len());
    let length = packed.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n"
    );
    for body in [long, [head.as_bytes(), &packed].concat()] {
        let (graph, _server) = scripted([answer("200 OK", "", TOKEN).into_bytes(), body]).await;
        let told = failure(graph.users_list(None, &select()).await);
        assert_eq!(told, "graph unavailable: an answer of more than 33554432 bytes");
    }
}

#[tokio::test]
async fn answers_without_bottom_are_no_harm() {
    // H5, T5: a hundred thousand lists in one another, in the place of each kind of value.
    let deep = |start: &str, end: &str| {
        let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
        answer("200 OK", "", &format!("{start}{open}{close}{end}"))
    };
    let told = async |body: String| {
        let (graph, _server) = scripted([answer("200 OK", "", TOKEN), body]).await;
        graph.users_list(None, &select()).await.map(|page| page.items.len()).map_err(|it| it.kind)
    };
    for (start, end) in [
        ("{\"value\":", "}"),
        ("{\"value\":[{\"id\":\"4562bcc8-c436-4f95-b7c0-4f8ce89dca5e\",\"displayName\":", "}]}"),
        ("{\"value\":[],\"other\":", "}"),
    ] {
        let came = told(deep(start, end)).await;
        assert!(matches!(came, Ok(_) | Err(Kind::Malformed { .. })), "{came:?}");
    }
    let refused = deep("{\"error\":{\"innerError\":", "}}").replace("200 OK", "400 Bad Request");
    assert!(matches!(told(refused).await, Err(Kind::Refused { status: 400, .. })));
}
