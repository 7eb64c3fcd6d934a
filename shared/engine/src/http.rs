//! One policy for every outgoing request: time-outs, no redirects, limited bodies, classified failures.

use std::time::Duration;

use plan::failure::{Failure, Kind, Service};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::telemetry::trace;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a request may take, answer included (Halo's heavy lists are slow).
const TOTAL: Duration = Duration::from_mins(1);
/// Bytes of an answer that are read at the most; a page of 999 people with everything is about 4 MB.
const BODY: usize = 32 * 1024 * 1024;

/// The client for all services, which trusts the authorities that the system trusts. Redirects are
/// refused: a link is followed only to a configured host.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    builder().build()
}

/// The same with the authorities that Mozilla trusts, as they were when this program was built: they
/// need no reading, which is most of the time in which a Lambda function starts.
#[cfg(feature = "aws")]
pub fn client_with_own_roots() -> Result<reqwest::Client, reqwest::Error> {
    let roots: rustls::RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
    let mut tls = tls.with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    builder().tls_backend_preconfigured(tls).build()
}

fn builder() -> reqwest::ClientBuilder {
    #[allow(clippy::disallowed_methods, reason = "this is the one place that makes a client")]
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("halo-entra/", env!("CARGO_PKG_VERSION")))
}

/// An answer that arrived whole, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Status line.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The `Retry-After` header in seconds, rounded up; decimals occur, dates and rubbish are ignored.
    pub fn retry_after(&self) -> Option<u32> {
        parse_retry_after(self.headers.get("retry-after")?.to_str().ok()?)
    }
}

/// Reads seconds as services write them: `7`, `0.5`, `1.25`.
pub fn parse_retry_after(text: &str) -> Option<u32> {
    let seconds: f64 = text.trim().parse().ok()?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value was clamped to the range of the type"
    )]
    (seconds.is_finite() && seconds >= 0.0).then(|| seconds.ceil().clamp(0.0, 86_400.0) as u32)
}

/// Sends a request and reads its answer. A connection that fails at any point is
/// [`Kind::Unavailable`]; the text never holds the address, which may carry a token.
pub async fn send(
    service: Service,
    operation: &str,
    request: reqwest::RequestBuilder,
) -> Result<Answer, Failure> {
    let failed = |what: String| Failure {
        service,
        operation: operation.to_owned(),
        kind: Kind::Unavailable { detail: what },
    };
    let traced = trace::Request::begin(service, operation);
    let answer = receive(request).await;
    traced.end(answer.as_ref().ok().map(|answer| answer.status.as_u16()));
    answer.map_err(failed)
}

/// The answer, or what went wrong.
async fn receive(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    let mut response = request.send().await.map_err(|error| describe(&error))?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        if body.len() + chunk.len() > BODY {
            return Err(format!("an answer of more than {BODY} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
}

fn describe(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "the answer ended early"
    } else {
        "the connection broke"
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::parse_retry_after;

    #[test]
    fn retry_after_is_read_as_services_write_it() {
        let cases = [
            ("7", Some(7)),
            ("0.5", Some(1)),
            (" 1.25 ", Some(2)),
            ("0", Some(0)),
            ("-3", None),
            ("NaN", None),
            ("soon", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("999999999", Some(86_400)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_retry_after(text), expected, "{text}");
        }
    }
}
