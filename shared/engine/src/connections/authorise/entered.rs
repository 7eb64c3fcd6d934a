//! Credentials as they are entered: read strictly, tested, and only then stored (C4, C8, C9).

use std::sync::Arc;

use jiff::Timestamp;
use plan::document::{CredentialKind, Mistake};
use plan::ids::ConnectionId;
use serde_json::{Map, Value};

use super::super::{Connection, Refusal, TRIES};
use crate::Engine;
use crate::certificate::{BadPem, Certificate};
use crate::credentials::Credentials;
use crate::graph::Behalf;
use crate::meter::Meter;
use crate::secrets::SecretName;
use crate::store::connections::{CredentialFacts, Saved};
use crate::store::{Commit, keys, put};

impl Engine {
    /// Stores credentials from a body such as `{"client_secret": "…", "expires_at": "…"}` or
    /// `{"certificate_pem": "…", "private_key_pem": "…"}`, after they have produced a token: until then
    /// the old ones stay (C8). They are tested by a token of the application itself, whatever the
    /// connection's method: that proves them even when nobody has signed in, or a sign-in is over.
    ///
    /// Safe to repeat: killed before the facts about them are written, they work already, and the same
    /// call enters them again.
    pub async fn put_credentials(
        &self,
        who: &str,
        id: &ConnectionId,
        body: &Map<String, Value>,
    ) -> Result<Connection, Refusal> {
        let (saved, _) = self.load(id).await?;
        let document = &saved.value.document;
        let entered = entered(body, document.auth.credential, self.clock.now());
        let (credentials, expires_at) = entered.map_err(Refusal::Invalid)?;
        let meter = Arc::new(Meter::default());
        self.graph_with(document, credentials.clone(), Behalf::Application, meter)
            .sign_in()
            .await?;
        self.store_credentials(&SecretName::credentials(id), &credentials).await?;
        let tested = saved.value.document;
        for _ in 0..TRIES {
            let (saved, state) = self.load(id).await?;
            // Somebody saved the document for another application while these were tested.
            let now = &saved.value.document;
            if !now.auth.same_credentials(&tested.auth) || now.cloud != tested.cloud {
                self.forget_secrets(id).await?;
                return Err(Refusal::Busy);
            }
            let facts = CredentialFacts { set: self.clock.now(), expires_at, told: None };
            let next = Saved { credentials: Some(facts), ..saved.value.clone() };
            let writes = [
                put(keys::document(id), &next, saved.unchanged())?,
                self.audit(id, who, "credentials entered", None, None)?,
            ];
            if self.store.commit(&writes).await? == Commit::Done {
                return Ok(self.show(next, state.value, Vec::new()).await?);
            }
        }
        Err(Refusal::Busy)
    }
}

/// Keys of a body of either kind.
const SECRET: [&str; 2] = ["client_secret", "expires_at"];
const CERTIFICATE: [&str; 2] = ["certificate_pem", "private_key_pem"];

/// Reads entered credentials of the kind that the document names. No message ever repeats what was
/// entered (C4).
pub(crate) fn entered(
    body: &Map<String, Value>,
    kind: CredentialKind,
    now: Timestamp,
) -> Result<(Credentials, Option<Timestamp>), Vec<Mistake>> {
    let (known, others, said) = match kind {
        CredentialKind::Secret => (SECRET, CERTIFICATE, "secret"),
        CredentialKind::Certificate => (CERTIFICATE, SECRET, "certificate"),
    };
    let mut mistakes = Vec::new();
    for key in body.keys().map(String::as_str).filter(|key| !known.contains(key)) {
        mistakes.push(if others.contains(&key) {
            let expected = format!(
                "auth.credential of this connection is \"{said}\". Enter {}, or change the document first.",
                known.join(" and ")
            );
            Mistake::new(format!("$.{key}"), expected)
        } else {
            Mistake::new("$", format!("Unknown key; known here: {}.", known.join(", ")))
        });
    }
    let read = match kind {
        CredentialKind::Secret => secret(body, now, &mut mistakes),
        CredentialKind::Certificate => certificate(body, now, &mut mistakes),
    };
    match read {
        Some(read) if mistakes.is_empty() => Ok(read),
        Some(_) | None => Err(mistakes),
    }
}

type Read = (Credentials, Option<Timestamp>);

fn secret(body: &Map<String, Value>, now: Timestamp, mistakes: &mut Vec<Mistake>) -> Option<Read> {
    let expected = "Expected the client secret's value, a text that is not empty.";
    let secret = text(body, "client_secret", 4_000, expected, mistakes);
    let expires_at = match body.get("expires_at") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let time = value.as_str().and_then(moment);
            if time.is_none() {
                let expected =
                    "Expected a date or a time, as in 2027-06-30 or 2027-06-30T12:00:00Z.";
                mistakes.push(Mistake::new("$.expires_at", expected));
            } else if time.is_some_and(|time| time <= now) {
                let past = "This is in the past. Make a new secret in the app registration.";
                mistakes.push(Mistake::new("$.expires_at", past));
            }
            time
        }
    };
    Some((Credentials::Secret(secret?.into()), expires_at))
}

fn certificate(
    body: &Map<String, Value>,
    now: Timestamp,
    mistakes: &mut Vec<Mistake>,
) -> Option<Read> {
    let expected = "Expected a certificate in PEM, a text that is not empty.";
    let pem = text(body, "certificate_pem", 20_000, expected, mistakes);
    let expected = "Expected the certificate's private key in PEM, a text that is not empty.";
    let key = text(body, "private_key_pem", 20_000, expected, mistakes);
    match Certificate::read(pem?, &key?.into()) {
        Ok(found) if found.expires <= now => {
            let past = "The certificate has expired. Make a new one and upload it in the app registration.";
            mistakes.push(Mistake::new("$.certificate_pem", past));
            None
        }
        Ok(found) => {
            let expires = found.expires;
            Some((Credentials::Certificate(found), Some(expires)))
        }
        Err(BadPem::Certificate(why)) => {
            mistakes.push(Mistake::new("$.certificate_pem", why));
            None
        }
        Err(BadPem::Key(why)) => {
            mistakes.push(Mistake::new("$.private_key_pem", why));
            None
        }
    }
}

fn text<'a>(
    body: &'a Map<String, Value>,
    key: &str,
    most: usize,
    expected: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<&'a str> {
    let text = body.get(key).and_then(Value::as_str).map(str::trim);
    let text = text.filter(|text| (1..=most).contains(&text.len()));
    if text.is_none() {
        mistakes.push(Mistake::new(format!("$.{key}"), expected));
    }
    text
}

/// A time, or a day, which ends at midnight UTC.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use serde_json::json;

    use super::*;

    fn mistakes(body: &Value, kind: CredentialKind) -> Vec<String> {
        let now: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
        let paths = |mistakes: Vec<Mistake>| {
            assert!(mistakes.iter().all(|it| !it.message.contains("s3cret")), "C4: {mistakes:?}");
            mistakes.into_iter().map(|it| it.path).collect()
        };
        entered(body.as_object().unwrap(), kind, now).map_or_else(paths, |_| Vec::new())
    }

    #[test]
    fn entered_credentials_are_checked_and_never_repeated() {
        // C4, C9
        use CredentialKind::{Certificate, Secret};
        let cases = [
            (Secret, json!({ "client_secret": "s3cret" }), vec![]),
            (Secret, json!({ "client_secret": "s3cret", "expires_at": "2027-01-31" }), vec![]),
            (
                Secret,
                json!({ "client_secret": "s3cret", "expires_at": "2027-01-31T10:00:00Z" }),
                vec![],
            ),
            (Secret, json!({ "client_secret": "s3cret", "expires_at": null }), vec![]),
            (Secret, json!({}), vec!["$.client_secret"]),
            (Secret, json!({ "client_secret": " " }), vec!["$.client_secret"]),
            (Secret, json!({ "client_secret": ["s3cret"] }), vec!["$.client_secret"]),
            (Secret, json!({ "client_secret": "s3cret", "s3cret": 1 }), vec!["$"]),
            (
                Secret,
                json!({ "client_secret": "s3cret", "expires_at": "soon" }),
                vec!["$.expires_at"],
            ),
            (
                Secret,
                json!({ "client_secret": "s3cret", "expires_at": "2026-11-01" }),
                vec!["$.expires_at"],
            ),
            (
                Secret,
                json!({ "certificate_pem": "x" }),
                vec!["$.certificate_pem", "$.client_secret"],
            ),
            (Certificate, json!({}), vec!["$.certificate_pem", "$.private_key_pem"]),
            (
                Certificate,
                json!({ "client_secret": "s3cret" }),
                vec!["$.client_secret", "$.certificate_pem", "$.private_key_pem"],
            ),
            (
                Certificate,
                json!({ "certificate_pem": "s3cret", "private_key_pem": "s3cret" }),
                vec!["$.certificate_pem"],
            ),
        ];
        for (kind, body, expected) in cases {
            assert_eq!(mistakes(&body, kind), expected, "{body}");
        }
    }
}
