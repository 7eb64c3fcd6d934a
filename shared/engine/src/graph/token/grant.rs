//! Asking the login service for tokens: as the application, by a person's refresh token, or by the code
//! that a sign-in ended with (C3, C6).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use plan::failure::{Failure, Kind, Service};
use plan::ids::{AppId, TenantId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::super::{Graph, refusal, wire};
use super::credential::{Credential, Fields, Statement};
use super::session::{Session, SignedIn};
use super::{Behalf, Token};
use crate::http::{self, Answer};
use crate::random::Random;
use crate::secrets::SecretsError;

/// A token is renewed so many seconds before it ends, or after half of its life if that is later.
const EARLY: i64 = 5 * 60;
/// Seconds that a token is used whose answer does not say how long it lives. The documentation
/// promises that it does; this only keeps a client alive that met something else.
const UNTOLD_LIFETIME: i64 = 10 * 60;
const OPERATION: &str = "sign in to the tenant";

/// Why a sign-in that came back with a code is none.
#[derive(Debug, thiserror::Error)]
pub enum NotSignedIn {
    /// The login service refused the code, or could not be asked.
    #[error("{}", .0.sentence())]
    Refused(Failure),
    /// The account that signed in is of another tenant than the connection.
    #[error("The account that signed in belongs to another tenant than this connection.")]
    OtherTenant,
    /// No refresh token came, so that access would end within the hour (C5).
    #[error("Microsoft gave no lasting access (offline_access).")]
    NotLasting,
    /// The refresh token could not be kept, so nothing of the sign-in is used (C4).
    #[error(transparent)]
    Ours(#[from] SecretsError),
}

impl Graph {
    pub(super) async fn new_token(&self) -> Result<Token, Failure> {
        match &self.access.behalf {
            Behalf::Application => {
                let scope = self.everything();
                let fields =
                    vec![("grant_type", "client_credentials".into()), ("scope", scope.into())];
                let answer = self.ask_login(fields).await?;
                token_of(&body(&answer)?, self.clock.now()).map_err(failed)
            }
            Behalf::Person(session) => self.refreshed(session).await,
        }
    }

    /// A token on behalf of the person who signed in. The refresh token that comes with it is kept
    /// before anybody gets to use it (C4); see [`Session::renew`] for why this may run twice at once.
    async fn refreshed(&self, session: &Session) -> Result<Token, Failure> {
        let Some(kept) = session.kept().await.map_err(|error| unkept(&error))? else {
            return Err(failed(Kind::Credentials {
                code: None,
                error: "nobody has signed in for this connection yet".to_owned(),
            }));
        };
        let scope = format!("{} offline_access", self.everything());
        let answer = self
            .ask_login(vec![
                ("grant_type", "refresh_token".into()),
                ("refresh_token", kept.refresh_token.expose_secret().into()),
                ("scope", scope.into()),
            ])
            .await?;
        let body = body(&answer)?;
        let token = token_of(&body, self.clock.now()).map_err(failed)?;
        if let Some(next) = text_in(&body, "refresh_token") {
            session.renew(&kept, &next).await.map_err(|error| unkept(&error))?;
        }
        Ok(token)
    }

    /// Ends a person's sign-in: turns the code that the browser brought into tokens, makes sure that the
    /// account is of the connection's tenant, and keeps the refresh token in place of the old one, which
    /// stays until here (C8). A code works once: whoever dies in here leaves the old session, and the
    /// sign-in has to be begun again.
    pub async fn sign_in_with(
        &self,
        code: &SecretString,
        verifier: &SecretString,
        redirect_uri: &str,
    ) -> Result<SignedIn, NotSignedIn> {
        let Behalf::Person(session) = &self.access.behalf else {
            return Err(NotSignedIn::NotLasting);
        };
        let answer = self
            .ask_login(by_code(code, verifier, redirect_uri))
            .await
            .map_err(NotSignedIn::Refused)?;
        let body = body(&answer).map_err(NotSignedIn::Refused)?;
        let token = token_of(&body, self.clock.now()).map_err(failed);
        let token = token.map_err(NotSignedIn::Refused)?;
        if tenant_of(&body) != Some(self.access.tenant) {
            return Err(NotSignedIn::OtherTenant);
        }
        let refresh_token = text_in(&body, "refresh_token").ok_or(NotSignedIn::NotLasting)?;
        let signed_in = session.begin(self.random.uuid(), &refresh_token).await?;
        self.replace_token(Some(token)).await;
        Ok(signed_in)
    }

    /// Undoes a sign-in that turned out to be of no use: the connection goes on reading on behalf of the
    /// person before. Killed before it, the useless one stays, and runs say what it lacks.
    pub async fn take_back(&self, signed_in: &SignedIn) -> Result<(), SecretsError> {
        if let Behalf::Person(session) = &self.access.behalf {
            session.take_back(signed_in).await?;
        }
        self.replace_token(None).await;
        Ok(())
    }

    /// The scope of all permissions of this Graph that were granted.
    fn everything(&self) -> String {
        format!("{}/.default", self.access.hosts.graph)
    }

    /// Sends a token request with the proof that it is the application that asks.
    async fn ask_login(&self, fields: Fields<'_>) -> Result<Answer, Failure> {
        let access = &self.access;
        let endpoint = Endpoint {
            http: &self.http,
            login: &access.hosts.login,
            authority: &access.tenant.to_string(),
            client: access.client,
            credential: &access.credential,
            now: self.clock.now(),
            random: &self.random,
        };
        self.meter.request(Service::Login);
        endpoint.ask(fields).await
    }
}

/// The token endpoint of a login service, as an application asks it.
pub(crate) struct Endpoint<'a> {
    pub(crate) http: &'a reqwest::Client,
    /// The login service, without a slash at the end.
    pub(crate) login: &'a str,
    /// Whose: a tenant, or several by a word.
    pub(crate) authority: &'a str,
    pub(crate) client: AppId,
    pub(crate) credential: &'a Credential,
    pub(crate) now: Timestamp,
    pub(crate) random: &'a Random,
}

impl Endpoint<'_> {
    /// Sends a token request with the proof that it is the application that asks.
    async fn ask(&self, mut fields: Fields<'_>) -> Result<Answer, Failure> {
        let address = format!("{}/{}/oauth2/v2.0/token", self.login, self.authority);
        let statement = Statement {
            client: self.client,
            audience: &address,
            now: self.now,
            id: self.random.uuid(),
        };
        fields.push(("client_id", self.client.to_string().into()));
        fields.extend(self.credential.proof(&statement).map_err(failed)?);
        let request = self
            .http
            .post(&address)
            .header("client-request-id", self.random.uuid().to_string())
            .form(&fields);
        let answer = http::send(Service::Login, OPERATION, request).await?;
        tracing::debug!(operation = OPERATION, status = answer.status.as_u16(), "login answered");
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(failed(refusal::of_login(&answer)))
        }
    }

    /// The ID token that a code stands for; `None` = the answer has none. A code works once.
    pub(crate) async fn id_token(
        &self,
        code: &SecretString,
        verifier: &SecretString,
        redirect_uri: &str,
    ) -> Result<Option<SecretString>, Failure> {
        let answer = self.ask(by_code(code, verifier, redirect_uri)).await?;
        Ok(text_in(&body(&answer)?, "id_token"))
    }
}

/// The fields that ask for the tokens of a sign-in that ended with a code.
fn by_code<'a>(
    code: &'a SecretString,
    verifier: &'a SecretString,
    redirect_uri: &'a str,
) -> Fields<'a> {
    vec![
        ("grant_type", "authorization_code".into()),
        ("code", code.expose_secret().into()),
        ("redirect_uri", redirect_uri.into()),
        ("code_verifier", verifier.expose_secret().into()),
    ]
}

fn failed(kind: Kind) -> Failure {
    Failure { service: Service::Login, operation: OPERATION.to_owned(), kind }
}

/// Our own store failed: the same step may succeed later.
fn unkept(error: &SecretsError) -> Failure {
    tracing::error!("{error}");
    failed(Kind::Unavailable { detail: "our own secret store failed".to_owned() })
}

fn body(answer: &Answer) -> Result<Value, Failure> {
    wire::json(&answer.body).map_err(failed)
}

/// A token of an answer that is not empty.
fn text_in(body: &Value, name: &str) -> Option<SecretString> {
    let text = body.get(name).and_then(Value::as_str);
    text.filter(|text| !text.is_empty()).map(SecretString::from)
}

/// The tenant that the id token names. It came straight from the login service over TLS, so its
/// signature need not be checked (`OpenID` Connect Core 1.0, 3.1.3.7).
fn tenant_of(body: &Value) -> Option<TenantId> {
    let payload = body.get("id_token")?.as_str()?.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims.get("tid")?.as_str()?.parse().ok()
}

/// The token in a success (Microsoft identity platform documentation, client credentials).
fn token_of(body: &Value, now: Timestamp) -> Result<Token, Kind> {
    let text = body.get("access_token").and_then(Value::as_str).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| wire::malformed("an access token"))?;
    let lifetime = body.get("expires_in").and_then(|seconds| {
        seconds.as_i64().or_else(|| seconds.as_str().and_then(|text| text.trim().parse().ok()))
    });
    let lifetime = lifetime.unwrap_or(UNTOLD_LIFETIME).clamp(0, 7 * 86_400);
    let good_for = SignedDuration::from_secs((lifetime - EARLY).max(lifetime / 2));
    let renewed_from = now.saturating_add(good_for).unwrap_or(now);
    Ok(Token { text: SecretString::from(text), renewed_from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_early_whatever_its_life() {
        // C6: the lifetime that the answer tells, less five minutes.
        let cases = [
            (r#"{"access_token":"t","expires_in":3599}"#, Some(3299)),
            (r#"{"access_token":"t","expires_in":"4800","token_type":"Bearer"}"#, Some(4500)),
            (r#"{"access_token":"t","expires_in":86399,"ext_expires_in":1}"#, Some(86_099)),
            (r#"{"access_token":"t","expires_in":60}"#, Some(30)),
            (r#"{"access_token":"t","expires_in":-5}"#, Some(0)),
            (r#"{"access_token":"t"}"#, Some(300)),
            (r#"{"access_token":"","expires_in":3599}"#, None),
            (r#"{"expires_in":3599}"#, None),
            ("<html>", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let token =
                wire::json(text.as_bytes()).and_then(|body| token_of(&body, Timestamp::UNIX_EPOCH));
            let good_for = token.as_ref().ok().map(|token| token.renewed_from.as_second());
            assert_eq!(good_for, expected, "{text}");
        }
    }
}
