//! Signed calls: taken in exactly when one of the two keys signed these very bytes at most 300 seconds
//! from now, as a second reading of the rule says (S2).

use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::far::{self, Script};
use super::snapshot::{KEYS, SNAPSHOT, api};
use super::{choices, seed};
use crate::licensed::signature;

/// Bytes that are read of a body.
const BODY: usize = 16 * 1024;

/// An input: who signs (the key, the one before, one that never counted, nobody), what becomes of the
/// call behind the signature, then a line of seconds from now, a line of the signature where nobody
/// signs, and the body.
pub fn run(data: &[u8]) -> bool {
    let ([signer, then], rest) = choices(data);
    let text = String::from_utf8_lossy(rest);
    let mut parts = text.splitn(3, '\n');
    let [seconds, written, body] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let now = SNAPSHOT.now.as_second();
    let at = seconds.parse::<i64>().ok().and_then(|seconds| now.checked_add(seconds));
    let mut time = at.map_or_else(|| seconds.to_owned(), |at| at.to_string());
    let mut body = body.to_owned();
    let mut claim = match (KEYS.get(signer % 4), at) {
        (Some(key), Some(at)) => signature(key, at, &body),
        _ => written.to_owned(),
    };
    match then % 6 {
        1 => body.push(' '),
        2 => time.push('0'),
        3 => claim = claim.to_uppercase(),
        4 => drop(claim.pop()),
        5 => claim = claim.replacen('0', "1", 1),
        _ => {}
    }
    let Some((opened, problem)) = ask(&time, &claim, &body) else { return false };
    let expected = is_good(&time, &claim, &body, now);
    assert_eq!(opened, expected, "{time:?} {claim:?} {body:?}: {problem}");
    opened
}

/// Whether the call was let in; `None` where HTTP cannot carry it.
fn ask(time: &str, claim: &str, body: &str) -> Option<(bool, String)> {
    let request = Request::post("/v1/licence-assignments")
        .header("x-halo-entra-timestamp", time)
        .header("x-halo-entra-signature", claim)
        .body(Body::from(body.to_owned()))
        .ok()?;
    let (told, _) = far::with(Script::of(404, None, b"{}"), async |http| {
        let answer = api(SNAPSHOT.engine(http, Vec::new())).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_ne!(status, 500, "{body}");
        assert!(!KEYS.iter().any(|key| body.to_string().contains(key)), "C4: {body}");
        (status, body)
    });
    let (status, body) = told;
    Some((status != 401 && status != 413, body.to_string()))
}

/// The rule, read a second time.
fn is_good(time: &str, claim: &str, body: &str, now: i64) -> bool {
    let time = time.trim();
    let Ok(at) = time.parse::<i64>() else { return false };
    let digits = time.chars().all(|c| c.is_ascii_digit());
    let fresh = (i128::from(at) - i128::from(now)).abs() <= 300;
    // The hexadecimal digits may be large; the version's letter may not.
    let claim = claim.trim().strip_prefix("v1=").map(str::to_lowercase);
    let live = KEYS[..2].iter().map(|key| signature(key, at, body));
    let signed = live.filter_map(|made| Some(made.strip_prefix("v1=")?.to_owned()));
    body.len() <= BODY
        && digits
        && fresh
        && claim.is_some_and(|it| signed.into_iter().any(|made| made == it))
}

/// Calls of each signer at several times, and what a signature may look like.
pub fn seeds() -> Vec<Vec<u8>> {
    let body = json!({ "action": "assign", "user_id": 1, "licence_id": 4, "request": "ticket-1" });
    let mut seeds = Vec::new();
    for signer in 0..3 {
        for seconds in [0, 300, -300, 301, -301] {
            seeds.push(seed(&[signer, 0], format!("{seconds}\n\n{body}")));
        }
    }
    for then in 1..6 {
        seeds.push(seed(&[0, then], format!("0\n\n{body}")));
    }
    for written in ["v1=", "v1=00", "", "v2=f05f", "f05f2539e3ae1c49"] {
        seeds.push(seed(&[3, 0], format!("0\n{written}\n{body}")));
    }
    seeds
}
