//! From a request on the wire to the part of the model that answers it, with faults and limits on the way.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use jiff::SignedDuration;
use serde_json::json;

use super::answer::{Ending, Reply};
use super::call::Call;
use super::kinds::Kind;
use super::knobs::{Fault, LimitBody, Outage, RateLimit, RetryAfter, UserAgent};
use super::model::{Model, Script, text};
use super::{Halo, answer};

/// Larger bodies than any test sends.
const LARGEST_BODY: usize = 64 << 20;
const OUTAGE: &str = "500 - Internal server error.";

/// Sends every request to the model: paths do not depend on case, which a router cannot do.
pub(super) fn router(halo: Halo) -> Router {
    Router::new().fallback(serve).with_state(halo)
}

async fn serve(State(halo): State<Halo>, request: Request) -> Response {
    let latency = halo.model().knobs.latency;
    if !latency.is_zero() {
        #[allow(clippy::disallowed_methods, reason = "a slow Halo is slow in real time")]
        tokio::time::sleep(latency).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return Reply::empty(413).into_response(Ending::Whole);
    };
    let (reply, ending) = halo.model().answer(&Call::new(&parts, body));
    reply.into_response(ending)
}

impl Model {
    fn answer(&mut self, call: &Call) -> (Reply, Ending) {
        let Some(fault) = self.due_fault(call) else { return (self.act(call), Ending::Whole) };
        let reply = match fault {
            Fault::ReplyLost => return (self.act(call), Ending::Dropped),
            Fault::TruncatedBody => return (self.act(call), Ending::Cut),
            Fault::ResetConnection => return (Reply::empty(500), Ending::Dropped),
            Fault::Throttle { retry_after } => {
                let reply = Reply::text(429, limit_sentence(&RateLimit::HOSTED));
                match retry_after {
                    Some(value) => reply.with_header("retry-after", value),
                    None => reply,
                }
            }
            Fault::Status { code, body } => Reply::scripted(code, &body),
            Fault::Refusal(shape) => {
                answer::Refusal::rule("The record could not be saved").reply(Some(shape))
            }
            Fault::HtmlPage => Reply::html(500, OUTAGE),
            Fault::Empty => Reply::empty(200),
        };
        (reply, Ending::Whole)
    }

    /// The fault that is meant for this request, if one waits for it.
    fn due_fault(&mut self, call: &Call) -> Option<Fault> {
        let meant = |script: &Script| {
            call.path.starts_with(&script.path_prefix)
                && (script.method == "*" || script.method == call.method)
        };
        for script in &mut self.scripts {
            if script.left == 0 || !meant(script) {
                continue;
            }
            if script.skip > 0 {
                script.skip -= 1;
                continue;
            }
            script.left -= 1;
            return Some(script.fault.clone());
        }
        None
    }

    fn act(&mut self, call: &Call) -> Reply {
        if self.knobs.outage == Outage::HtmlPage {
            return Reply::html(500, OUTAGE);
        }
        if self.knobs.user_agent == UserAgent::Required && call.header("user-agent").is_none() {
            return Reply::empty(403);
        }
        if let Some(limit) = self.knobs.rate_limit
            && let Some(refused) = self.take_request(limit)
        {
            return refused;
        }
        let segments: Vec<&str> = call.path.split('/').skip(1).collect();
        match segments[..] {
            ["auth", "token"] => self.token(call),
            ["api", "authinfo"] => self.authinfo(call),
            ["api", endpoint] => self.api(call, endpoint, None),
            ["api", endpoint, id] => self.api(call, endpoint, Some(id)),
            _ => Reply::empty(404),
        }
    }

    /// Counts a request, or refuses it when the window is full.
    fn take_request(&mut self, limit: RateLimit) -> Option<Reply> {
        let now = self.now();
        let window = SignedDuration::from_secs(limit.seconds);
        while self.served.front().is_some_and(|served| *served + window <= now) {
            self.served.pop_front();
        }
        if self.served.len() < limit.requests {
            self.served.push_back(now);
            return None;
        }
        let sentence = limit_sentence(&limit);
        let reply = match limit.body {
            LimitBody::Text => Reply::text(429, sentence),
            LimitBody::Json => Reply::json(429, &json!({ "message": sentence })),
        };
        let free_at = self.served.front().map_or(now, |oldest| *oldest + window);
        let wait = (free_at.as_millisecond() - now.as_millisecond() + 999) / 1000;
        Some(match limit.retry_after {
            RetryAfter::Omitted => reply,
            RetryAfter::Seconds => reply.with_header("retry-after", wait.to_string()),
        })
    }

    fn api(&mut self, call: &Call, endpoint: &str, id: Option<&str>) -> Reply {
        let kind = Kind::at(endpoint);
        if let Some(refused) = self.application.turns_away(call, self.now(), kind) {
            return refused;
        }
        let Some(kind) = kind else {
            return match endpoint {
                "versioninfo" if id.is_none() => Reply::json(200, &json!({ "version": "2.240.1" })),
                _ => Reply::empty(404),
            };
        };
        let is_saved = !kind.required().is_empty();
        match (call.method.as_str(), id) {
            ("GET", None) => self.list(kind, &call.query),
            ("GET", Some(id)) => self.read(kind, id),
            ("POST", None) if is_saved => self.post(kind, call),
            ("DELETE", Some(id)) if is_saved => match self.record_id(kind, id) {
                Some(id) => self.delete(kind, id),
                None => Reply::empty(404),
            },
            _ => Reply::empty(405),
        }
    }

    fn read(&self, kind: Kind, id: &str) -> Reply {
        let id = self.record_id(kind, id);
        let seen = id.filter(|id| self.visible_row(kind, *id).is_some());
        match seen.and_then(|id| self.detail(kind, id)) {
            Some(body) => Reply::json(200, &body),
            None => Reply::empty(404),
        }
    }

    /// The record that the last segment of a path means.
    fn record_id(&self, kind: Kind, segment: &str) -> Option<i64> {
        if kind == Kind::Agents && segment == "me" {
            return Some(self.application.agent_id);
        }
        if kind == Kind::Roles {
            let mut roles = self.table(kind).rows.iter();
            let named = roles.find(|(_, role)| text(role, "id").eq_ignore_ascii_case(segment));
            return named.map(|(id, _)| *id).or_else(|| segment.parse().ok());
        }
        segment.parse().ok()
    }
}

fn limit_sentence(limit: &RateLimit) -> String {
    let minutes = limit.seconds / 60;
    format!("Rate Limit Reached - {} Requests per rolling {minutes} minute window", limit.requests)
}
