//! What administrators do in the middle of a storm, and what they said so far: links set by hand and cut
//! (M3, M7), rulings on held deactivations (L4), and licences that Halo asks for (S2).

use std::collections::{BTreeMap, BTreeSet};

use admin::router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use engine::connections::{Asking, LinkChoice};
use engine::web::Auth;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use plan::assignment::Action;
use plan::ids::{LicenceId, PerKind, RecordId, RecordKind};
use plan::link::{Choice, Says};
use plan::relink::Pick;
use serde_json::{Value, json};
use tests::licensed::{E5, FLOW, signature};
use tests::world::{World, int};

use crate::company::{self, Staff, TWIN};

/// Who an administrator is.
pub(crate) const ADMIN: &str = "admin";
/// The key that Halo signs with.
const KEY: &str = "0123456789abcdef0123456789abcdef";
/// How long a ruling holds (L4).
const RULING: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What administrators said, as far as it was taken in.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What they picked and did not take back.
    picks: BTreeMap<(u8, RecordKind), Pick>,
    /// Records that they took away from somebody, and how those were then.
    freed: BTreeMap<RecordId, (u8, Option<Value>)>,
    /// Records that they ever gave to somebody by hand.
    pub(crate) given: BTreeSet<RecordId>,
    /// Whose held deactivation they rejected, and until when that holds.
    pub(crate) rejected: BTreeMap<u8, Timestamp>,
    /// Of these it was the user that was held.
    pub(crate) kept_users: BTreeSet<u8>,
    /// Whose held deactivation they released, ever.
    pub(crate) released: BTreeSet<u8>,
    /// Names of requests for licences.
    requests: u32,
}

impl Said {
    /// What somebody is to be, where that was said.
    pub(crate) fn pick(&self, index: u8, kind: RecordKind) -> Option<Pick> {
        self.picks.get(&(index, kind)).copied()
    }

    /// Whether somebody is to be nobody in Halo.
    pub(crate) fn is_cut(&self, index: u8, kind: RecordKind) -> bool {
        self.pick(index, kind) == Some(Pick::Unlinked)
    }

    /// Everybody of whom something was picked.
    pub(crate) fn picked(&self) -> BTreeSet<u8> {
        self.picks.keys().map(|(index, _)| *index).collect()
    }

    /// Somebody else was said, or nobody knows what: what was known of it is forgotten.
    fn forget(&mut self, index: u8, kind: RecordKind) {
        self.picks.remove(&(index, kind));
        self.freed.retain(|record, (whose, _)| *whose != index || record.kind != kind);
    }

    fn took_in(&mut self, index: u8, kind: RecordKind, pick: Pick, before: Option<RecordId>) {
        self.forget(index, kind);
        match pick {
            Pick::Automatic => return,
            Pick::Record(id) => drop(self.given.insert(RecordId { kind, id })),
            Pick::Unlinked | Pick::Create => {}
        }
        self.picks.insert((index, kind), pick);
        let before = before.filter(|before| pick != Pick::Record(before.id));
        self.freed.extend(before.map(|record| (record, (index, None))));
    }

    /// M7: what was said stands, and what was taken away rests.
    pub(crate) async fn check(&mut self, world: &World) -> Result<(), String> {
        for ((index, kind), pick) in &self.picks {
            let link = world.link(company::person(*index)).await;
            let record = link.of(*kind).map(|linked| linked.record.id);
            let is_so = match pick {
                Pick::Unlinked => {
                    record.is_none() && link.choices.get(kind) == Some(&Choice::Unlinked)
                }
                Pick::Record(id) => record == Some(*id),
                Pick::Create | Pick::Automatic => true,
            };
            if !is_so {
                return Err(format!("person {index} was to be {kind} {pick}, and is {link:?}"));
            }
        }
        for (record, (index, then)) in &mut self.freed {
            let now = match record.kind {
                RecordKind::User => world.halo.user(record.id),
                RecordKind::Agent => world.halo.agent(record.id),
            };
            let before = then.get_or_insert_with(|| now.clone().unwrap_or_default());
            if now.as_ref() != Some(before) {
                return Err(format!(
                    "{record} was taken from person {index}, and is written: {before} became {now:?}"
                ));
            }
        }
        Ok(())
    }
}

/// An administrator does something, most likely about one of these people, or Halo asks for a licence;
/// what.
pub(crate) async fn act(
    world: &World,
    chance: &mut Rng,
    staff: &mut Staff,
    likely: &[u8],
) -> String {
    match chance.u8(..8) {
        0 | 1 => cut(world, chance, staff, likely).await,
        2 => choose_again(world, chance, staff).await,
        3 => choose_twin(world, chance, staff).await,
        4 | 5 => rule(world, chance, staff).await,
        _ => ask_for_licence(world, chance, staff, likely).await,
    }
}

/// Halo's key is entered (S2).
pub(crate) async fn enter_key(world: &World) {
    let body = json!({ "key": KEY });
    world.engine.put_licence_key(ADMIN, body.as_object().unwrap()).await.unwrap();
}

/// Picks, and remembers what was said.
pub(crate) async fn pick(world: &World, staff: &mut Staff, index: u8, choice: LinkChoice) -> bool {
    let person = company::person(index);
    let before = world.link(person).await;
    let picked = world.engine.set_link(ADMIN, &world.id, person, choice).await.is_ok();
    for kind in RecordKind::ALL {
        let Some(pick) = *choice.of(kind) else { continue };
        if picked {
            let record = before.of(kind).map(|linked| linked.record);
            staff.said.took_in(index, kind, pick, record);
        } else {
            // Refused, some of it may have been done.
            staff.said.forget(index, kind);
        }
        if pick != Pick::Automatic {
            staff.cut.insert(index);
        }
    }
    picked
}

/// Cuts somebody's link (M7).
async fn cut(world: &World, chance: &mut Rng, staff: &mut Staff, likely: &[u8]) -> String {
    let index = staff.somebody(chance, likely);
    let kinds = [(true, true), (true, false), (false, true)][chance.usize(..3)];
    let cut = |cut: bool| cut.then_some(Pick::Unlinked);
    let choice = PerKind { user: cut(kinds.0), agent: cut(kinds.1) };
    let cut = pick(world, staff, index, choice).await;
    (if cut { "cut a link" } else { "cut a link, refused" }).to_owned()
}

/// Lets matching choose again, for somebody who was cut where there is one.
async fn choose_again(world: &World, chance: &mut Rng, staff: &mut Staff) -> String {
    let picked: Vec<u8> = staff.said.picked().into_iter().filter(|index| *index != TWIN).collect();
    let index = chance.choice(picked).unwrap_or_else(|| chance.u8(..staff.count));
    let chosen = pick(world, staff, index, PerKind::both(Some(Pick::Automatic))).await;
    (if chosen { "let matching choose" } else { "let matching choose, refused" }).to_owned()
}

/// Chooses which of the two users of one address somebody is (M3).
async fn choose_twin(world: &World, chance: &mut Rng, staff: &mut Staff) -> String {
    let mail = company::mail(TWIN);
    let users = world.halo.users().into_iter();
    let twins = users.filter(|user| user["emailaddress"] == mail.as_str());
    let twins: Vec<i64> = twins.map(|user| int(&user["id"])).collect();
    if staff.count <= TWIN {
        return "no twins to choose from".to_owned();
    }
    let choice = chance.choice(twins).map(Pick::Record);
    let chosen = pick(world, staff, TWIN, PerKind { user: choice, agent: None }).await;
    (if chosen { "choose a record" } else { "choose a record, refused" }).to_owned()
}

/// Lets somebody go whom the guard held, or keeps them (L4).
async fn rule(world: &World, chance: &mut Rng, staff: &mut Staff) -> String {
    let says = [Says::Release, Says::Reject][chance.usize(..2)];
    let held = world.held().await;
    let Some(who) = chance.choice(held) else { return "nobody to rule on".to_owned() };
    let person = world.engine.store.person(&world.id, who).await.unwrap();
    let Some(held) = person.and_then(|person| person.value.held) else {
        return "nobody to rule on".to_owned();
    };
    let named = [who.to_string()];
    let ruled = world.engine.rule(ADMIN, &world.id, held.run, Some(&named), says).await.is_ok();
    let index = (0..staff.count).find(|index| company::person(*index) == who).unwrap();
    match says {
        Says::Reject if ruled => {
            staff.said.rejected.insert(index, world.clock_now() + RULING);
            if held.kinds.contains(&RecordKind::User) {
                staff.said.kept_users.insert(index);
            }
        }
        Says::Reject => {}
        Says::Release => {
            staff.said.rejected.remove(&index);
            staff.said.kept_users.remove(&index);
            staff.said.released.insert(index);
        }
    }
    let said = if says == Says::Release { "release" } else { "reject" };
    if ruled { said.to_owned() } else { format!("{said}, refused") }
}

/// Halo asks that somebody gets a licence, or loses it (S2).
async fn ask_for_licence(
    world: &World,
    chance: &mut Rng,
    staff: &mut Staff,
    likely: &[u8],
) -> String {
    let book = world.engine.store.book(&world.id).await.unwrap();
    let skus = book.map(|book| book.value.skus).unwrap_or_default();
    let in_halo = |sku: &str| skus.get(&sku.parse().unwrap())?.halo;
    let licences: Vec<LicenceId> = [E5, FLOW].into_iter().filter_map(in_halo).collect();
    let user_of = |index: u8| {
        world.halo.users_with_azureoid(&company::person(index).to_string()).first().copied()
    };
    let users: Vec<i64> = (0..staff.count).filter_map(user_of).collect();
    let wanted = user_of(staff.somebody(chance, likely));
    let (Some(licence), Some(user)) =
        (chance.choice(licences), wanted.or_else(|| chance.choice(users)))
    else {
        return "no licence to ask for".to_owned();
    };
    let action = [Action::Assign, Action::Remove][chance.usize(..2)];
    if chance.bool() {
        return ask_signed(world, action, user, licence).await;
    }
    staff.said.requests += 1;
    // Now and then the same request comes twice.
    let name = format!("{}-{user}", staff.said.requests / 2);
    let taken = world.engine.ask_for_licence(&Asking { action, user, licence, name }).await;
    (if taken.is_ok() { "licence asked for" } else { "licence asked for, refused" }).to_owned()
}

/// The same over HTTP, signed; sent again at once, it is the same request.
async fn ask_signed(world: &World, action: Action, user: i64, licence: LicenceId) -> String {
    let action = if action == Action::Assign { "assign" } else { "remove" };
    let body = json!({ "action": action, "user_id": user, "licence_id": licence.0 }).to_string();
    let at = world.clock_now().as_second();
    let first = signed(world, &body, at, &signature(KEY, at, &body)).await;
    let again = signed(world, &body, at, &signature(KEY, at, &body)).await;
    let forged = signed(world, &body, at, &signature("another key", at, &body)).await;
    assert_eq!(forged.0, 401, "S2: a forged call was taken in: {}", forged.1);
    if first.0 == 202 && again.0 == 202 {
        assert_eq!(first.1["assignment"], again.1["assignment"], "S2: one call, done twice");
    }
    (if first.0 == 202 { "signed call" } else { "signed call, refused" }).to_owned()
}

async fn signed(world: &World, body: &str, at: i64, signature: &str) -> (StatusCode, Value) {
    let router = router(world.engine.clone(), Auth::Local("nobody's".into()));
    let request = Request::post("/v1/licence-assignments")
        .header("x-halo-entra-timestamp", at)
        .header("x-halo-entra-signature", signature)
        .body(Body::from(body.to_owned()));
    let response = tower::ServiceExt::oneshot(router, request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}
