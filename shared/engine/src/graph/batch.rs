//! Many small requests in one: `$batch` (Microsoft Graph documentation, JSON batching).

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use plan::failure::{Failure, Kind};
use serde_json::{Value, json};

use super::refusal::{Carried, Refusal};
use super::{Ask, Graph, failed, wire};
use crate::http::parse_retry_after;

/// Requests in one batch.
const MOST: usize = 20;
/// How often requests that were throttled, failed in passing or went unanswered are sent.
const ROUNDS: u32 = 3;
/// The longest wait between two rounds; whoever wants more is throttling the whole step.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Headers of each request: others of the tenant go first.
const PLAIN: [(&str, &str); 1] = [("x-ms-throttle-priority", "low")];
/// Headers of each request that counts.
const ADVANCED: [(&str, &str); 2] = [PLAIN[0], ("ConsistencyLevel", "eventual")];

/// The answer to one request of a batch.
#[derive(Clone, Debug)]
pub(super) struct Inner {
    pub(super) status: u16,
    retry_after: Option<u32>,
    body: Value,
}

impl Inner {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn refusal(&self) -> Refusal {
        Refusal::read(self.status, self.retry_after, &self.body)
    }

    /// The body as JSON again, for the readers of `wire`.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.body.to_string().into_bytes()
    }

    /// How many a list has, where the answer says so.
    pub(super) fn count(&self) -> Option<u64> {
        self.body.get("@odata.count").filter(|_| self.is_success())?.as_u64()
    }

    /// Whether the request should be sent again. 424 is what dependants of a failed request get, and
    /// 401 is now and then one backend's mistake, as outside of batches.
    fn is_passing(&self) -> bool {
        let passing = matches!(
            self.refusal().kind(Carried::Nothing),
            Kind::Throttled { .. } | Kind::Unavailable { .. }
        );
        passing || matches!(self.status, 401 | 424)
    }

    fn read(response: &Value) -> Option<(usize, Self)> {
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let id = usize::try_from(number(response.get("id")?)?).ok()?;
        let status = u16::try_from(number(response.get("status")?)?).ok()?;
        let headers = response.get("headers").and_then(Value::as_object);
        let retry_after = headers.into_iter().flatten().find_map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            name.eq_ignore_ascii_case("retry-after").then(|| parse_retry_after(&text)).flatten()
        });
        let body = response.get("body").cloned().unwrap_or(Value::Null);
        Some((id, Self { status, retry_after, body }))
    }
}

impl Graph {
    /// The answers to GETs of `paths` below the version root, in their order, whatever their status.
    /// What fails in passing is sent again, alone, after the longest wait that is asked for.
    pub(super) async fn batch(
        &self,
        operation: &'static str,
        paths: &[String],
    ) -> Result<Vec<Inner>, Failure> {
        let mut answers = Vec::with_capacity(paths.len());
        for paths in paths.chunks(MOST) {
            answers.extend(self.chunk(operation, paths).await?);
        }
        Ok(answers)
    }

    /// The answers to advanced queries of `paths`, in their order, each asked once: for what somebody
    /// waits for and can do without. `None` = none came.
    pub(super) async fn batch_once(
        &self,
        operation: &'static str,
        paths: &[String],
    ) -> Vec<Option<Inner>> {
        let chunks = paths.chunks(MOST).map(async |paths| {
            let all: Vec<usize> = (0..paths.len()).collect();
            let answers = self.post(operation, &all, paths, &ADVANCED).await.unwrap_or_default();
            let mut answers: BTreeMap<usize, Inner> = answers.into_iter().collect();
            all.into_iter().map(|at| answers.remove(&at)).collect::<Vec<_>>()
        });
        join_all(chunks).await.into_iter().flatten().collect()
    }

    async fn chunk(
        &self,
        operation: &'static str,
        paths: &[String],
    ) -> Result<Vec<Inner>, Failure> {
        let mut answers: BTreeMap<usize, Inner> = BTreeMap::new();
        for round in 1..=ROUNDS {
            let open = unanswered(&answers, paths.len());
            answers.extend(self.post(operation, &open, paths, &PLAIN).await?);
            let open = unanswered(&answers, paths.len());
            if open.is_empty() {
                break;
            }
            let passing = || open.iter().filter_map(|at| answers.get(at));
            if passing().any(|answer| answer.status == 401) {
                self.sign_in().await?;
            }
            let asked = passing().filter_map(|answer| answer.retry_after).max();
            let wait = Duration::from_secs(asked.map_or(1 << round, |s| u64::from(s.max(1))));
            if wait > LONGEST_WAIT {
                return Err(failed(operation, Kind::Throttled { retry_after: asked }));
            }
            if round < ROUNDS {
                self.clock.sleep(wait).await;
            }
        }
        closed(operation, answers, paths.len())
    }

    async fn post(
        &self,
        operation: &'static str,
        open: &[usize],
        paths: &[String],
        headers: &[(&str, &str)],
    ) -> Result<Vec<(usize, Inner)>, Failure> {
        let headers: BTreeMap<&str, &str> = headers.iter().copied().collect();
        let request = |at: &usize| json!({ "id": at.to_string(), "method": "GET", "url": paths[*at], "headers": headers });
        let requests: Vec<Value> = open.iter().map(request).collect();
        let body = json!({ "requests": requests }).to_string().into_bytes();
        let ask = Ask { body: Some(body), ..self.asking(operation, "/$batch")? };
        let answer = self.ask(&ask).await?;
        // An old text says that a failed request inside makes the whole a 424; the answers are there.
        if !answer.status.is_success() && answer.status.as_u16() != 424 {
            return Err(failed(operation, Refusal::of(&answer).kind(Carried::Nothing)));
        }
        let body: Value = wire::json(&answer.body).map_err(|kind| failed(operation, kind))?;
        let responses = body.get("responses").and_then(Value::as_array);
        let responses = responses.ok_or_else(|| {
            failed(operation, wire::malformed("a batch with a list of responses"))
        })?;
        let read = responses.iter().filter_map(Inner::read);
        Ok(read.filter(|(at, _)| open.contains(at)).collect())
    }
}

/// Requests that have no answer yet, or only one that passes.
fn unanswered(answers: &BTreeMap<usize, Inner>, count: usize) -> Vec<usize> {
    (0..count).filter(|at| answers.get(at).is_none_or(Inner::is_passing)).collect()
}

/// The answers in order, unless some are still missing or failing after all rounds.
fn closed(
    operation: &str,
    mut answers: BTreeMap<usize, Inner>,
    count: usize,
) -> Result<Vec<Inner>, Failure> {
    let Some(at) = unanswered(&answers, count).first().copied() else {
        return Ok(answers.into_values().collect());
    };
    let kind = match answers.remove(&at) {
        Some(answer) if answer.status != 424 => answer.refusal().kind(Carried::Nothing),
        Some(_) | None => Kind::Unavailable { detail: "a batch was answered in part".to_owned() },
    };
    Err(failed(operation, kind))
}

#[cfg(test)]
impl Inner {
    /// An answer without headers.
    pub(super) fn of(status: u16, body: Value) -> Self {
        Self { status, retry_after: None, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::example;

    #[test]
    fn answers_are_read_in_any_order_and_form() {
        let body: Value = serde_json::from_slice(&example("batch-managers").body).unwrap();
        let read: BTreeMap<usize, Inner> =
            body["responses"].as_array().unwrap().iter().filter_map(Inner::read).collect();
        let told: Vec<(usize, u16, bool, Option<u32>)> = read
            .iter()
            .map(|(id, inner)| (*id, inner.status, inner.is_passing(), inner.retry_after))
            .collect();
        assert_eq!(told, [(1, 200, false, None), (2, 404, false, None), (3, 429, true, Some(7))]);
        assert_eq!(unanswered(&read, 5), [0, 3, 4]);
    }

    #[test]
    fn odd_responses_are_read_or_count_as_missing() {
        let cases = [
            (json!({ "id": 4, "status": "200" }), Some((4, 200, None))),
            (
                json!({ "id": "4", "status": 503, "headers": { "RETRY-AFTER": 1.5 } }),
                Some((4, 503, Some(2))),
            ),
            (json!({ "id": "x", "status": 200 }), None),
            (json!({ "id": "4" }), None),
            (json!({ "id": "4", "status": 70_000 }), None),
            (json!(null), None),
        ];
        for (response, expected) in cases {
            let read = Inner::read(&response);
            let read = read.map(|(id, inner)| (id, inner.status, inner.retry_after));
            assert_eq!(read, expected, "{response}");
        }
    }
}
