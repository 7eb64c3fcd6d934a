//! More weather, for the seeds that have it: a store with bad hours, slow workers, clocks that jump
//! back, administrators, previews, licences that Halo asks for, a second tenant. It is drawn by a
//! generator of its own.

use engine::connections::{Asked, Asking, LinkChoice, Precondition, RulesApply, Saving, Wanted};
use engine::queue::Queue;
use fastrand::Rng;
use jiff::SignedDuration;
use plan::assignment::Action;
use plan::ids::{ConnectionId, LicenceId, ObjectId, PerKind, RunId, Segment};
use plan::link::Says;
use plan::message::Message;
use plan::reading::Read;
use plan::relink::Pick;
use plan::reset::Mode;
use plan::schedule::Module;
use sandbox::server::Moment;
use serde_json::json;
use std::time::Duration;
use tests::flaky::Hiccup;
use tests::licensed::{E5, FLOW};
use tests::world::World;

use crate::company;
use crate::events::{Storm, deadline, delete, done, take};
use crate::neighbour::Neighbour;

/// Who an administrator is.
const ADMIN: &str = "admin";
/// Longer than any lease, and than a hint stays with a worker.
const TOO_LONG: SignedDuration = SignedDuration::from_secs(200);

/// What the weather left behind that the calm has to know.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// An administrator let somebody go whom the guard held.
    pub(crate) released: bool,
    /// Changes in Entra were skipped on purpose (D4).
    pub(crate) skipped: bool,
}

/// Weather of a storm.
pub(crate) struct Sky {
    chance: Rng,
    pub(crate) left: Left,
    /// The other connection of the deployment.
    pub(crate) neighbour: Option<Neighbour>,
    names: u32,
}

impl Sky {
    /// The weather of a seed; half of them have a second tenant.
    pub(crate) async fn new(seed: u64, world: &World) -> Self {
        let mut chance = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_alone = chance.bool();
        let neighbour = if is_alone { None } else { Some(Neighbour::new(world).await) };
        Self { chance, left: Left::default(), neighbour, names: 0 }
    }
}

impl Storm {
    /// Something more, between two events; `None` = the sky is quiet.
    pub(crate) async fn weather(&mut self) -> Option<String> {
        let sky = self.sky.as_mut()?;
        if sky.chance.u8(..3) > 0 {
            return None;
        }
        let what = match sky.chance.u8(..30) {
            0..=8 => self.bad_hour(),
            9..=12 => return self.slow().await,
            13 => self.jump_back(),
            14 => self.odd_hint().await,
            15..=17 => self.single().await,
            18 | 19 => self.preview().await,
            20 => self.cut().await,
            21 => self.choose_again().await,
            22 => self.release().await,
            23 => self.reset().await,
            24 => self.turn().await,
            25 => self.pause().await,
            26 | 27 => self.ask_for_licence().await,
            _ => self.next_door()?,
        };
        Some(what)
    }

    fn sky(&mut self) -> &mut Sky {
        self.sky.as_mut().expect("there is weather")
    }

    fn drawn(&mut self) -> &mut Rng {
        &mut self.sky().chance
    }

    /// Somebody, by number.
    fn somebody(&mut self) -> (u8, ObjectId) {
        let count = self.staff.count;
        let index = self.drawn().u8(..count);
        (index, company::person(index))
    }

    fn bad_hour(&mut self) -> String {
        let chance = self.drawn();
        let hiccup = Hiccup::ALL[chance.usize(..Hiccup::ALL.len())];
        let (skip, times) = (chance.u64(..10), chance.u64(1..4));
        self.world.flaky.trouble(hiccup, skip, times);
        format!("fault of the store, {hiccup:?}: {times} after {skip}")
    }

    /// A worker stalls at one of its next writes for longer than its lease; others work meanwhile, and
    /// then it goes on (D6, T2).
    async fn slow(&mut self) -> Option<String> {
        let Storm { world, sky: Some(Sky { chance, .. }), staff, .. } = self else { return None };
        let taken = take(world, 1).await;
        let delivery = taken.first()?;
        let message = delivery.message.as_ref().unwrap();
        let moment = if chance.bool() { Moment::Before } else { Moment::After };
        world.flaky.hold(chance.u64(..8), moment);
        let mut slow = Box::pin(world.engine.step(message, deadline(world)));
        let stalls = tokio::select! {
            biased;
            () = world.flaky.held() => true,
            outcome = &mut slow => {
                if outcome.is_ok() {
                    delete(world, delivery).await;
                }
                false
            }
        };
        if !stalls {
            world.flaky.resume();
            return Some(format!("handle: {}", message.step()));
        }
        world.pass(TOO_LONG);
        for _ in 0..chance.u8(1..8) {
            if chance.u8(..4) == 0 {
                company::change(world, chance, staff);
            }
            for other in take(world, 1).await {
                if done(world, other.message.as_ref().unwrap()).await {
                    delete(world, &other).await;
                }
            }
        }
        world.flaky.resume();
        if slow.await.is_ok() {
            delete(world, delivery).await;
        }
        Some(format!("slow worker: {}", message.step()))
    }

    /// The product's clock is set back, as clocks are.
    fn jump_back(&mut self) -> String {
        let seconds = [1, 10, 45][self.drawn().usize(..3)];
        self.world.clock.advance(SignedDuration::from_secs(-seconds));
        format!("the clock jumps back: {seconds} s")
    }

    /// Hints about what was never there, or is not any more (T1).
    async fn odd_hint(&mut self) -> String {
        let nobody: ConnectionId = "nobody".parse().unwrap();
        let run = RunId(self.world.engine.random.uuid());
        let own = self.world.id.clone();
        let hints = [
            Message::Fetch { connection: nobody.clone() },
            Message::Apply { connection: nobody, run, segment: Segment::FIRST },
            Message::Decide { connection: own.clone(), run, segment: Segment::FIRST },
            Message::Apply { connection: own.clone(), run, segment: Segment::FIRST },
            Message::Boards { connection: own.clone(), run },
            Message::Finish { connection: own, run },
        ];
        let hint = hints[self.drawn().usize(..hints.len())].clone();
        let step = hint.step();
        self.world.queue.send(&[hint], Duration::ZERO).await.unwrap();
        format!("a hint of nothing: {step}")
    }

    /// One person is imported now (I2).
    async fn single(&mut self) -> String {
        let (_, person) = self.somebody();
        let read = [Read::None, Read::AsConfigured][self.drawn().usize(..2)];
        let asked = Asked { read, people: Some(vec![person.to_string()]), ..Asked::default() };
        let import = self.world.engine.import(&self.world.id, &asked).await;
        (if import.is_ok() { "import of one" } else { "import of one, refused" }).to_owned()
    }

    /// Somebody looks at a preview, and may carry out the last one (I1, I2).
    async fn preview(&mut self) -> String {
        let (engine, id) = (&self.world.engine, self.world.id.clone());
        if let Some(plan) = self.previewed.take() {
            let asked = Asked { plan: Some(plan), read: Read::None, ..Asked::default() };
            let import = engine.import(&id, &asked).await;
            return (if import.is_ok() { "plan" } else { "plan, refused" }).to_owned();
        }
        match engine.start_preview(&id, &Wanted::default()).await {
            Ok(preview) => {
                self.previewed = Some(preview.record.preview);
                "preview".to_owned()
            }
            Err(_) => "preview, refused".to_owned(),
        }
    }

    /// An administrator cuts somebody's link (M7).
    async fn cut(&mut self) -> String {
        let (index, person) = self.somebody();
        let kinds = [(true, true), (true, false), (false, true)][self.drawn().usize(..3)];
        let kinds = PerKind { user: kinds.0, agent: kinds.1 };
        let cut = self.world.engine.cut_link(ADMIN, &self.world.id, person, kinds).await;
        // Refused, some of it may have been done.
        self.staff.cut.insert(index);
        (if cut.is_ok() { "cut a link" } else { "cut a link, refused" }).to_owned()
    }

    /// An administrator lets matching choose again.
    async fn choose_again(&mut self) -> String {
        let (_, person) = self.somebody();
        let chosen = choose(&self.world, person).await;
        (if chosen { "let matching choose" } else { "let matching choose, refused" }).to_owned()
    }

    /// An administrator lets somebody go whom the guard holds (L4).
    async fn release(&mut self) -> String {
        let held = self.world.held().await;
        let Some(who) = held.first().copied() else { return "release nobody".to_owned() };
        let store = &self.world.engine.store;
        let person = store.person(&self.world.id, who).await.unwrap();
        let Some(held) = person.and_then(|person| person.value.held) else {
            return "release nobody".to_owned();
        };
        let (engine, id, named) = (&self.world.engine, &self.world.id, [who.to_string()]);
        let ruled = engine.rule(ADMIN, id, held.run, Some(&named), Says::Release).await;
        self.sky().left.released = true;
        (if ruled.is_ok() { "release" } else { "release, refused" }).to_owned()
    }

    /// An administrator forgets where the streams stood, or skips what waits (D4).
    async fn reset(&mut self) -> String {
        let mode = [Mode::Clear, Mode::Latest][self.drawn().usize(..2)];
        let reset = self.world.engine.reset_deltas(ADMIN, &self.world.id, mode).await;
        self.sky().left.skipped |= mode == Mode::Latest;
        (if reset.is_ok() { "reset" } else { "reset, refused" }).to_owned()
    }

    /// An administrator turns everything off for a while (C11).
    async fn turn(&mut self) -> String {
        let off = self.world.engine.turn_module(ADMIN, Module::Off).await;
        self.meanwhile().await;
        let on = self.world.engine.turn_module(ADMIN, Module::On).await;
        let turned = off.is_ok() && on.is_ok();
        (if turned { "switched off for a while" } else { "switch, refused" }).to_owned()
    }

    /// An administrator pauses the connection for a while.
    async fn pause(&mut self) -> String {
        let paused = enable(&self.world, false).await;
        self.meanwhile().await;
        // Refused because a service fails now, the calm does it.
        let goes_on = enable(&self.world, true).await;
        (if paused && goes_on { "paused for a while" } else { "pause, refused" }).to_owned()
    }

    /// Hints are handled and the timer ticks.
    async fn meanwhile(&mut self) {
        for _ in 0..self.drawn().u8(..5) {
            self.handle().await;
        }
        self.tick().await;
    }

    /// Halo asks that somebody gets a licence, or loses it (S2).
    async fn ask_for_licence(&mut self) -> String {
        let book = self.world.engine.store.book(&self.world.id).await.unwrap();
        let (index, person) = self.somebody();
        let sku = [E5, FLOW][self.drawn().usize(..2)];
        let licence = book.and_then(|book| book.value.skus.get(&sku.parse().unwrap())?.halo);
        let users = self.world.halo.users_with_azureoid(&person.to_string());
        let (Some(LicenceId(licence)), Some(user)) = (licence, users.first().copied()) else {
            return "no licence to ask for".to_owned();
        };
        let action = [Action::Assign, Action::Remove][self.drawn().usize(..2)];
        self.sky().names += 1;
        // Now and then the same request comes twice.
        let name = format!("{index}-{}", self.sky().names / 2);
        let licence = LicenceId(licence);
        let asked = Asking { action, user, licence, name };
        let taken = self.world.engine.ask_for_licence(&asked).await;
        (if taken.is_ok() { "licence asked for" } else { "licence asked for, refused" }).to_owned()
    }

    fn next_door(&mut self) -> Option<String> {
        let Sky { neighbour, chance, .. } = self.sky.as_mut()?;
        Some(format!("next door: {}", neighbour.as_mut()?.change(chance)))
    }
}

/// Matching chooses for somebody, whatever an administrator said; whether it was stored.
pub(crate) async fn choose(world: &World, person: ObjectId) -> bool {
    let choice: LinkChoice = PerKind::both(Some(Pick::Automatic));
    world.engine.set_link(ADMIN, &world.id, person, choice).await.is_ok()
}

/// Switches the connection on or off; whether it was stored.
pub(crate) async fn enable(world: &World, enabled: bool) -> bool {
    let saved = world.engine.store.document(&world.id).await.unwrap().unwrap().value;
    let mut document = serde_json::to_value(&saved.document).unwrap();
    document["enabled"] = json!(enabled);
    let precondition = Precondition::Revision(saved.revision);
    let saving = Saving { who: ADMIN, precondition, rules: RulesApply::AtOnce };
    world.engine.put_connection(saving, &world.id, &document).await.is_ok()
}

/// Everything that was switched off is on again, and nobody's choice stands.
pub(crate) async fn brighten(storm: &mut Storm) -> Result<(), String> {
    let world = &storm.world;
    // The clocks agree again.
    world.pass(SignedDuration::from_mins(5));
    world.engine.turn_module(ADMIN, Module::On).await.map_err(|it| format!("{it:?}"))?;
    if !enable(world, true).await {
        return Err("the connection cannot be taken up again".to_owned());
    }
    for index in &storm.staff.cut {
        // Whom nobody ever read nobody can choose for.
        let person = company::person(*index);
        let known = world.engine.store.person(&world.id, person).await.unwrap().is_some();
        if known && !choose(world, person).await {
            return Err(format!("nobody can let matching choose for person {index}"));
        }
    }
    Ok(())
}
