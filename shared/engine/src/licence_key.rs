//! The key with which Halo signs what it asks for about licences, and the one before it while it is
//! being replaced: in the secret store and nowhere else (S2, C4).

use std::borrow::Cow;

use jiff::Timestamp;
use plan::document::Mistake;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Engine;
use crate::connections::Refusal;
use crate::secrets::{ExposeSecret, SecretName, SecretString, SecretsError};
use crate::store::Commit;

/// Fewest and most characters of a key: it has to be as hard to guess as what it signs with.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=512;

/// Keys that signatures are checked with.
#[derive(Clone, Debug)]
pub(crate) struct SigningKeys {
    pub(crate) current: SecretString,
    /// The one before, while senders still use it.
    pub(crate) previous: Option<SecretString>,
    since: Option<Timestamp>,
}

/// The secret's JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    current: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Cow<'a, str>>,
    /// Since when `current` is the key; not known where an operator wrote the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

/// What a read may show of the keys (C4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Since when the key is set; `None` = that is not known.
    pub since: Option<Timestamp>,
    /// Whether the one before still counts.
    pub previous: bool,
}

/// What becomes of the key that is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Previous {
    Keep,
    Drop,
}

impl SigningKeys {
    #[cfg(test)]
    pub(crate) fn of(current: &str, previous: Option<&str>) -> Self {
        Self { current: current.into(), previous: previous.map(Into::into), since: None }
    }

    fn facts(&self) -> KeyFacts {
        KeyFacts { since: self.since, previous: self.previous.is_some() }
    }

    /// `None` = another shape. What was wrong is not said: it would quote the secret.
    fn parse(text: &SecretString) -> Option<Self> {
        let stored: Stored<'_> = serde_json::from_str(text.expose_secret()).ok()?;
        let previous = stored.previous.map(|key| key.into_owned().into());
        Some(Self { current: stored.current.into_owned().into(), previous, since: stored.since })
    }

    fn written(&self) -> Result<SecretString, serde_json::Error> {
        let stored = Stored {
            current: self.current.expose_secret().into(),
            previous: self.previous.as_ref().map(|key| key.expose_secret().into()),
            since: self.since,
        };
        serde_json::to_string(&stored).map(SecretString::from)
    }

    fn is_current(&self, key: &str) -> bool {
        self.current.expose_secret() == key
    }
}

impl Engine {
    /// The keys; `None` = nobody entered any.
    pub(crate) async fn signing_keys(&self) -> Result<Option<SigningKeys>, SecretsError> {
        let name = SecretName::licence_signing();
        let Some(text) = self.secrets.get(&name).await? else { return Ok(None) };
        Ok(Some(SigningKeys::parse(&text).ok_or_else(|| unusable("understand"))?))
    }

    /// What is known of the key; `None` = nobody entered any.
    pub async fn licence_key(&self) -> Result<Option<KeyFacts>, Refusal> {
        Ok(self.signing_keys().await?.map(|keys| keys.facts()))
    }

    /// Replaces the key; `who` is who does it. Safe to repeat: the same key again changes nothing, but
    /// that the one before is dropped where that is said.
    pub async fn put_licence_key(
        &self,
        who: &str,
        body: &Map<String, Value>,
    ) -> Result<KeyFacts, Refusal> {
        let (key, previous) = entered(body).map_err(Refusal::Request)?;
        let found = self.signing_keys().await?;
        let (next, what) = match found {
            Some(found) if found.is_current(&key) => match (previous, &found.previous) {
                (Previous::Drop, Some(_)) => {
                    (SigningKeys { previous: None, ..found }, "licence signing key before dropped")
                }
                _ => return Ok(found.facts()),
            },
            found => {
                let kept = found.map(|found| found.current);
                let previous = kept.filter(|_| previous == Previous::Keep);
                let (current, since) = (key.into(), Some(self.clock.now()));
                (SigningKeys { current, previous, since }, "licence signing key changed")
            }
        };
        let text = next.written().map_err(|_| unusable("write"))?;
        // Told before it is done: who dies in between tells it twice, and never not at all.
        let told = [self.deployment_audit_entry(who, what)?];
        let _: Commit = self.store.commit(&told).await?;
        self.secrets.put(&SecretName::licence_signing(), &text).await?;
        tracing::warn!("{what}");
        Ok(next.facts())
    }
}

/// Reads an entered key. No message ever repeats what was entered (C4).
fn entered(body: &Map<String, Value>) -> Result<(String, Previous), Vec<Mistake>> {
    let mut mistakes = Vec::new();
    if body.keys().any(|key| !["key", "previous"].contains(&key.as_str())) {
        mistakes.push(Mistake::new("$", "Unknown key; known here: key, previous."));
    }
    let key = body.get("key").and_then(Value::as_str);
    let is_key = |key: &&str| {
        LENGTH.contains(&key.chars().count()) && key.bytes().all(|it| it.is_ascii_graphic())
    };
    let key = key.filter(is_key);
    if key.is_none() {
        let expected = "Expected 32 to 512 visible ASCII characters that nobody can guess, as openssl rand -hex 32 makes them.";
        mistakes.push(Mistake::new("$.key", expected));
    }
    let previous = match body.get("previous").map(Value::as_str) {
        None | Some(Some("keep")) => Previous::Keep,
        Some(Some("drop")) => Previous::Drop,
        Some(_) => {
            mistakes.push(Mistake::new("$.previous", "Expected \"keep\" or \"drop\"."));
            Previous::Keep
        }
    };
    match key {
        Some(key) if mistakes.is_empty() => Ok((key.to_owned(), previous)),
        Some(_) | None => Err(mistakes),
    }
}

fn unusable(operation: &'static str) -> SecretsError {
    SecretsError {
        operation,
        name: SecretName::licence_signing().as_str().to_owned(),
        detail: "it has another shape; enter the key again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is the failure of the test")]

    use serde_json::json;

    use super::*;

    #[test]
    fn entered_keys_are_checked_and_never_repeated() {
        // C4, S2
        let key = "k3y".repeat(11);
        let cases = [
            (json!({ "key": key }), vec![]),
            (json!({ "key": key, "previous": "keep" }), vec![]),
            (json!({ "key": key, "previous": "drop" }), vec![]),
            (json!({ "key": key, "previous": "k3y" }), vec!["$.previous"]),
            (json!({ "key": key, "previous": null }), vec!["$.previous"]),
            (json!({ "key": key, "k3y": 1 }), vec!["$"]),
            (json!({}), vec!["$.key"]),
            (json!({ "key": "k3y".repeat(10) }), vec!["$.key"]),
            (json!({ "key": "k3y".repeat(200) }), vec!["$.key"]),
            (json!({ "key": format!("{key} ") }), vec!["$.key"]),
            (json!({ "key": [key] }), vec!["$.key"]),
        ];
        for (body, expected) in cases {
            let found = entered(body.as_object().unwrap());
            let mistakes = found.map_or_else(|mistakes| mistakes, |_| Vec::new());
            assert!(mistakes.iter().all(|it| !it.message.contains("k3y")), "{mistakes:?}");
            let paths: Vec<&str> = mistakes.iter().map(|it| it.path.as_str()).collect();
            assert_eq!(paths, expected, "{body}");
        }
    }

    #[test]
    fn keys_are_read_back_as_they_were_written() {
        let keys = SigningKeys {
            current: "a".repeat(32).into(),
            previous: Some("b".repeat(32).into()),
            since: Some("2026-11-02T08:00:00Z".parse().unwrap()),
        };
        let again = SigningKeys::parse(&keys.written().unwrap()).unwrap();
        assert!(again.is_current(&"a".repeat(32)));
        assert_eq!(again.previous.as_ref().unwrap().expose_secret(), "b".repeat(32));
        assert_eq!(again.facts(), keys.facts());
        // As an operator may write it.
        let bare = json!({ "current": "a".repeat(32) }).to_string();
        let facts = SigningKeys::parse(&bare.into()).unwrap().facts();
        assert_eq!(facts, KeyFacts { since: None, previous: false });
        assert!(!format!("{keys:?}").contains("aaa"), "C4");
    }
}
