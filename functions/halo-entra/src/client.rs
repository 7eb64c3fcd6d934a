//! The API from outside: requests with the token, and problem documents as errors that say what to do.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use engine::secrets::{ExposeSecret, SecretString};
use plan::document::Mistake;
use reqwest::header::{ETAG, IF_MATCH, LINK};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::args::Api;

/// The API at an address.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
}

/// A successful answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its JSON; null without a body.
    pub(crate) body: Value,
    /// The version of what was answered (C10).
    pub(crate) etag: Option<String>,
}

/// The API turned the request down: a problem document (RFC 9457).
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    /// HTTP status.
    #[serde(skip)]
    pub(crate) status: StatusCode,
    /// What sort of problem.
    #[serde(default)]
    pub(crate) title: String,
    /// What happened, in a sentence.
    #[serde(default)]
    pub(crate) detail: Option<String>,
    /// Number of Microsoft's sign-in error.
    #[serde(default)]
    pub(crate) code: Option<Value>,
    /// What to do.
    #[serde(default)]
    pub(crate) advice: Option<String>,
    /// What is wrong with a document, by place.
    #[serde(default)]
    pub(crate) mistakes: Vec<Mistake>,
    /// All of it, as it came.
    #[serde(skip)]
    pub(crate) json: Value,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))?;
        match &self.code {
            Some(Value::Number(code)) => write!(f, " (AADSTS{code})"),
            Some(Value::String(code)) => write!(f, " ({code})"),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                Ok(())
            }
        }
    }
}

impl std::error::Error for Problem {}

impl Problem {
    fn read(status: StatusCode, body: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let problem: Option<Problem> = serde_json::from_value(json.clone()).ok();
        let mut problem = problem.unwrap_or_else(|| Problem {
            status,
            title: String::new(),
            detail: None,
            code: None,
            advice: None,
            mistakes: Vec::new(),
            json: Value::Null,
        });
        if problem.title.is_empty() && problem.detail.is_none() {
            problem.title = format!("The API answered {status} without a reason.");
        }
        problem.status = status;
        problem.json = json;
        problem
    }
}

/// Nobody answered.
#[derive(Debug)]
pub(crate) struct Unreachable {
    /// Where nobody answered; never with a query.
    base: Url,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "nobody answers at {}; start `halo-entra serve`, or name another --url",
            self.base
        )
    }
}

impl std::error::Error for Unreachable {}

impl Client {
    /// The API that the options name, with the token from a file or the environment.
    pub(crate) fn of(api: &Api) -> anyhow::Result<Self> {
        let token = match (&api.token_file, &api.data) {
            (Some(file), _) => read_token(file)?,
            (None, Some(dir)) => read_token(&dir.join(crate::serve::TOKEN_FILE))?,
            (None, None) => engine::config::api_token()?.context(
                "a token is needed: name its file with --token-file, the data directory of \
                 `serve` with --data, or set HALO_ENTRA_TOKEN",
            )?,
        };
        Self::new(api.url.clone(), token)
    }

    /// The API at an address.
    pub(crate) fn new(base: Url, token: SecretString) -> anyhow::Result<Self> {
        Ok(Self { http: engine::http::client()?, base, token })
    }

    /// Reads.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        Ok(self.send(self.http.get(self.address(path, query)?)).await?.body)
    }

    /// Reads what is no JSON, and where the next portion of it is, as the header `Link` says.
    pub(crate) async fn portion(&self, url: Url) -> anyhow::Result<(Vec<u8>, Option<Url>)> {
        let response = self.answered(self.http.get(url.clone())).await?;
        let link = response.headers().get(LINK).and_then(|link| link.to_str().ok());
        let next = link.and_then(|link| link.strip_prefix('<')?.split_once(">; rel=\"next\""));
        let next = next.map(|(next, _)| url.join(next)).transpose()?;
        let body = response.bytes().await.map_err(reqwest::Error::without_url)?;
        Ok((body.to_vec(), next))
    }

    /// The health report, which is one also where it says that something fails.
    pub(crate) async fn health(&self) -> anyhow::Result<Value> {
        match self.get(&["health"], &[]).await {
            Ok(health) => Ok(health),
            Err(error) => match error.downcast::<Problem>() {
                Ok(problem) if problem.json["status"] == "failed" => Ok(problem.json),
                Ok(problem) => Err(problem.into()),
                Err(error) => Err(error),
            },
        }
    }

    /// The address of a path below `/v1` with a query.
    pub(crate) fn address(&self, path: &[&str], query: &[(&str, String)]) -> anyhow::Result<Url> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// Writes; `if_match` is the version that was read (C10).
    pub(crate) async fn write(
        &self,
        method: Method,
        path: &[&str],
        body: &Value,
        if_match: Option<&str>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method, self.url(path)?).json(body);
        if let Some(version) = if_match {
            request = request.header(IF_MATCH, version);
        }
        self.send(request).await
    }

    /// Removes; a query says what of it.
    pub(crate) async fn delete(
        &self,
        path: &[&str],
        query: Option<(&str, &str)>,
    ) -> anyhow::Result<Value> {
        let mut url = self.url(path)?;
        if let Some(query) = query {
            url.query_pairs_mut().extend_pairs([query]);
        }
        Ok(self.send(self.http.delete(url)).await?.body)
    }

    /// Reads with the version; `None` = there is no such thing.
    pub(crate) async fn find(&self, path: &[&str]) -> anyhow::Result<Option<Answer>> {
        match self.send(self.http.get(self.url(path)?)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The address of a path below `/v1`; each part is encoded as one segment.
    fn url(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} is no address of an API", self.base))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        Ok(url)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let response = self.answered(request).await?;
        let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let etag = etag.map(str::to_owned);
        let body = response.bytes().await.map_err(reqwest::Error::without_url)?;
        if body.is_empty() {
            return Ok(Answer { body: Value::Null, etag });
        }
        let body = serde_json::from_slice(&body)
            .with_context(|| format!("the API's answer is not JSON; is {} the API?", self.base))?;
        Ok(Answer { body, etag })
    }

    /// A successful answer, before its body is read.
    async fn answered(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<reqwest::Response> {
        let request = request.bearer_auth(self.token.expose_secret());
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                anyhow::Error::new(Unreachable { base: self.base.clone() })
            } else {
                anyhow::Error::new(error.without_url()).context("the API did not answer properly")
            }
        })?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await.map_err(reqwest::Error::without_url)?;
            return Err(Problem::read(status, &body).into());
        }
        Ok(response)
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let problem = error.downcast_ref::<Problem>();
    problem.is_some_and(|problem| problem.status == StatusCode::NOT_FOUND)
}

fn read_token(file: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the token cannot be read from {}", file.display()))?;
    anyhow::ensure!(!text.trim().is_empty(), "{} is empty", file.display());
    Ok(text.trim().to_owned().into())
}
