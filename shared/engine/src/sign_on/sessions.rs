//! Sessions: opened by a sign-in, looked at with every request, ended (O3, O4).
//!
//! Our store knows a session by the digest of its cookie. The token that forms have to bring along is
//! made of the cookie, so it is not stored either.

use jiff::Timestamp;
use plan::ids::{ObjectId, TenantId};
use plan::sign_on::{Refusal, Review, Role, Times, Tries, Try, agent_role, landing, review};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;

use super::flow::{digest_of, made_of, tell};
use super::people::{Admitted, Names};
use super::settings::Saved;
use super::{Session, SignedIn, Visitor, ours};
use crate::secrets::{ExposeSecret, SecretName, SecretString};
use crate::store::connections::unchanged;
use crate::store::{
    Commit, Expect, Key, StoreError, Versioned, Write, decode, keys, put, put_until,
};
use crate::web::{Caller, Problem};
use crate::{Engine, OperatorWay};

/// A session as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    who: Who,
    role: Role,
    /// Revision of the settings by which the role was found.
    revision: u64,
    times: Times,
}

/// Whose session it is. Names are not kept: Entra's last word counts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
enum Who {
    Person { tenant: TenantId, person: ObjectId },
    Operator,
}

/// The operator's name, for people and in the settings audit.
const OPERATOR: &str = "operator";
/// How often a count is tried again when others count at the same time.
const TRIES: u32 = 8;
/// Fewest characters of an operator's token: it is all that stands before everything.
const SHORTEST_TOKEN: usize = 32;

impl Engine {
    /// Opens a session for somebody who was let in, and ends the one that the browser had.
    pub(super) async fn open_session(
        &self,
        admitted: Admitted,
        earlier: Option<&SecretString>,
        to: String,
    ) -> Result<SignedIn, Refusal> {
        let Admitted { identity, role, revision } = admitted;
        let who = Who::Person { tenant: identity.tenant, person: identity.person };
        let (name, guest) = (role.name(), identity.guest);
        let kept = Kept { who, role, revision, times: Times::new(self.clock.now()) };
        let signed_in = self.open(kept, earlier, to).await?;
        tracing::info!(role = name, guest, "somebody signed in");
        Ok(signed_in)
    }

    async fn open(
        &self,
        kept: Kept,
        earlier: Option<&SecretString>,
        to: String,
    ) -> Result<SignedIn, Refusal> {
        let cookie = crate::random::unguessable().map_err(ours)?;
        let mut writes = vec![written(place(&cookie), &kept, Expect::Absent).map_err(ours)?];
        writes.extend(earlier.map(|earlier| gone(place(earlier))));
        match self.store.commit(&writes).await.map_err(ours)? {
            Commit::Done => Ok(SignedIn { cookie, expires_at: kept.times.ends(), to }),
            Commit::Conflict(_) => Err(ours("a cookie was drawn twice")),
        }
    }

    /// Lets the operator in by a token, where the deployment opens that way (O4). `earlier` is the cookie
    /// of an earlier session, which ends. Tries are counted before the token is looked at, right ones
    /// too: so many guesses a minute, and no more.
    pub async fn sign_in_as_operator(
        &self,
        token: &SecretString,
        earlier: Option<&SecretString>,
    ) -> Result<SignedIn, Refusal> {
        let signed_in = self.let_operator_in(token, earlier).await;
        match &signed_in {
            Ok(_) => tracing::warn!("the operator signed in"),
            Err(refusal) => tell(refusal),
        }
        signed_in
    }

    async fn let_operator_in(
        &self,
        token: &SecretString,
        earlier: Option<&SecretString>,
    ) -> Result<SignedIn, Refusal> {
        if matches!(self.policy.operator, OperatorWay::Closed) {
            return Err(Refusal::OperatorOff);
        }
        self.count(Try::Operator).await?;
        let right = match &self.policy.operator {
            OperatorWay::Closed => None,
            OperatorWay::Token(token) => Some(token.clone()),
            OperatorWay::Stored => self.secrets.get(&SecretName::operator()).await.map_err(ours)?,
        };
        let right = right.filter(|right| right.expose_secret().trim().len() >= SHORTEST_TOKEN);
        let right = right.ok_or(Refusal::OperatorOff)?;
        let (right, sent) = (right.expose_secret().trim(), token.expose_secret().trim());
        if !bool::from(sent.as_bytes().ct_eq(right.as_bytes())) {
            return Err(Refusal::OperatorToken);
        }
        let (who, role, times) = (Who::Operator, Role::Administrator, Times::new(self.clock.now()));
        self.open(Kept { who, role, revision: 0, times }, earlier, landing(None)).await
    }

    /// Counts one more sign-in of a kind, or refuses it because there were too many in this minute.
    pub(super) async fn count(&self, what: Try) -> Result<(), Refusal> {
        for _ in 0..TRIES {
            let key = keys::tries(what.name());
            let found = self.store.read::<Tries>(&key).await.map_err(ours)?;
            let expect = unchanged(found.as_ref());
            let tries = found.map(|found| found.value).unwrap_or_default();
            let now = self.clock.now();
            let next = tries.one_more(what, now);
            let next = next.map_err(|retry_after| Refusal::TooMany { retry_after })?;
            let write = put(key, &next, expect).map_err(ours)?;
            if self.store.commit(&[write]).await.map_err(ours)? == Commit::Done {
                return Ok(());
            }
        }
        // So many at the same instant are too many.
        Err(Refusal::TooMany { retry_after: 1 })
    }

    /// Who a cookie's session belongs to. What we know of the person is looked at again with each request,
    /// so that somebody whom Entra disabled or deleted, or whose link was cut, is out with the next one;
    /// what Halo says of an agent every quarter of an hour.
    pub async fn visitor(&self, cookie: &SecretString) -> Result<Visitor, Problem> {
        let place = place(cookie);
        let Some(found) = self.store.read::<Kept>(&place).await? else {
            return Ok(Visitor::Nobody);
        };
        let looked = match found.value.who {
            Who::Operator => self.look_at_operator(&found.value).await?,
            Who::Person { tenant, person } => {
                self.look_at_person(&found.value, tenant, person).await?
            }
        };
        let (kept, name) = match looked {
            Look::Over => {
                self.store.write_all(&[gone(place)]).await?;
                return Ok(Visitor::Nobody);
            }
            Look::Out(refusal) => {
                self.store.write_all(&[gone(place)]).await?;
                tracing::warn!(
                    refusal = refusal.name(),
                    rule = refusal.rule(),
                    "a session was ended"
                );
                return Ok(Visitor::NoLonger(refusal));
            }
            Look::In(kept, names) => (kept, names),
        };
        self.note(place, found, &kept).await?;
        let caller = Caller { role: kept.role, name: name.audit };
        Ok(Visitor::SignedIn(Box::new(Session {
            caller,
            name: name.display,
            csrf: made_of(cookie, "csrf"),
            expires_at: kept.times.ends(),
        })))
    }

    async fn look_at_operator(&self, kept: &Kept) -> Result<Look, Problem> {
        if matches!(self.policy.operator, OperatorWay::Closed) {
            return Ok(Look::Out(Refusal::OperatorOff));
        }
        let revoked = self.store.read::<Timestamp>(&keys::revoked()).await?;
        let revoked = revoked.map(|revoked| revoked.value);
        if kept.times.is_over(self.clock.now(), revoked) {
            return Ok(Look::Over);
        }
        let names = Names { display: OPERATOR.into(), audit: OPERATOR.into() };
        Ok(Look::In(kept.clone(), names))
    }

    async fn look_at_person(
        &self,
        kept: &Kept,
        tenant: TenantId,
        person: ObjectId,
    ) -> Result<Look, Problem> {
        let wanted = [keys::sign_on(), keys::revoked(), keys::revoked_of(person)];
        let records = self.store.get(&wanted).await?;
        let [settings, revoked @ ..] = records.as_slice() else { return Ok(Look::Over) };
        let revoked = revoked.iter().flatten().map(|it| Ok(decode::<Timestamp>(it)?.value));
        let revoked = revoked.collect::<Result<Vec<_>, StoreError>>()?;
        let now = self.clock.now();
        if kept.times.is_over(now, revoked) {
            return Ok(Look::Over);
        }
        let saved = settings.as_ref().map(decode::<Saved>).transpose()?;
        let Saved { settings, revision, .. } = saved.map(|it| it.value).unwrap_or_default();
        if let Err(refusal) = settings.let_in(tenant) {
            return Ok(Look::Out(refusal));
        }
        let found = self.found(tenant, person).await?;
        let standing = match found.standing(&settings) {
            Ok(standing) => standing,
            Err(refusal) => return Ok(Look::Out(refusal)),
        };
        let mut next = Kept { revision, ..kept.clone() };
        match review(&kept.role, standing, &kept.times, kept.revision == revision, now) {
            Review::Keep => {}
            Review::Set(role) => next.role = role,
            Review::Ask { agent, otherwise, trusted } => match self.asked_of_halo(agent).await {
                Ok(said) => match agent_role(&settings, said.as_ref(), otherwise) {
                    Ok(role) => (next.role, next.times.asked) = (role, now),
                    Err(unfit) => return Ok(Look::Out(Refusal::Person(unfit))),
                },
                Err(_) if trusted => {}
                Err(refusal) => return Ok(Look::Out(refusal)),
            },
        }
        Ok(Look::In(next, found.names()))
    }

    /// Notes a request of a session, and what became of its role. Somebody who is faster notes the same.
    async fn note(
        &self,
        place: Key,
        found: Versioned<Kept>,
        next: &Kept,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let before = &found.value;
        let changed = before.role != next.role
            || before.times != next.times
            || before.revision != next.revision;
        if !changed && !before.times.is_to_be_noted(now) {
            return Ok(());
        }
        let times = Times { seen: now, ..next.times };
        let write = written(place, &Kept { times, ..next.clone() }, found.unchanged())?;
        let _: Commit = self.store.commit(&[write]).await?;
        Ok(())
    }

    /// Ends a session. The address is Microsoft's page that ends the session there, for people who came
    /// from there. Without effect where it is over.
    pub async fn sign_out(&self, cookie: &SecretString) -> Result<Option<Url>, Problem> {
        let place = place(cookie);
        let Some(found) = self.store.read::<Kept>(&place).await? else { return Ok(None) };
        self.store.write_all(&[gone(place)]).await?;
        tracing::info!("somebody signed out");
        match found.value.who {
            Who::Operator => Ok(None),
            Who::Person { .. } => Ok(self.page_of_signing_out(&self.sign_on_saved().await?.value)),
        }
    }

    /// Ends all sessions that began until now, or those of one person; `who` is who does it.
    pub async fn end_sessions(&self, who: &str, person: Option<ObjectId>) -> Result<(), Problem> {
        let now = self.clock.now();
        let (key, what) = match person {
            None => (keys::revoked(), "all sessions ended".to_owned()),
            Some(person) => (keys::revoked_of(person), format!("sessions of {person} ended")),
        };
        let writes = [put(key, &now, Expect::Anything)?, self.deployment_audit_entry(who, &what)?];
        match self.store.commit(&writes).await? {
            Commit::Done => Ok(()),
            Commit::Conflict(_) => Err(crate::connections::Refusal::Busy.into()),
        }
    }
}

/// What became of a session when it was looked at.
enum Look {
    /// It goes on.
    In(Kept, Names),
    /// It is over: too old, unused too long, or ended by somebody.
    Over,
    /// Whose it is may not come in any more.
    Out(Refusal),
}

fn place(cookie: &SecretString) -> Key {
    keys::session(&digest_of(cookie))
}

fn gone(key: Key) -> Write {
    Write::Delete { key, expect: Expect::Anything }
}

fn written(key: Key, kept: &Kept, expect: Expect) -> Result<Write, StoreError> {
    put_until(key, kept, expect, Some(kept.times.until()))
}
