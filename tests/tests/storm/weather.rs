//! More weather, for the seeds that have it: a store with bad hours, workers that stall or die where it
//! hurts most, clocks that jump back, reads that leave people out, administrators, previews, licences that
//! Halo asks for, a second tenant that comes and goes. It is drawn by a generator of its own.

use std::time::Duration;

use engine::connections::{Asked, Precondition, RulesApply, Saving, Wanted};
use engine::queue::Queue;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use plan::ids::{ConnectionId, ObjectId, PerKind, RecordKind, RunId, Segment};
use plan::message::Message;
use plan::reading::{Read, Stage};
use plan::relink::Pick;
use plan::reset::Mode;
use plan::schedule::Module;
use sandbox::server::Moment;
use serde_json::json;
use tests::flaky::{At, Hiccup};
use tests::meant::{Meant, is_person};
use tests::world::World;

use crate::administrators::{self, ADMIN};
use crate::company::{self, Staff, TWIN};
use crate::events::{Storm, deadline, delete, done, take};
use crate::neighbour::Neighbour;
use crate::planted::Bug;

/// Longer than any lease, and than a hint stays with a worker.
const TOO_LONG: SignedDuration = SignedDuration::from_secs(200);
/// Hints that are handled at the most until a worker comes to where it stalls.
const PATIENCE: u8 = 6;
/// What Graph counts while its reads leave people out: more than it could forget by chance (D6).
const MANY: u64 = 500;

/// What the weather left behind that the calm has to know.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Until when a read may have left people out: skipped on purpose (D4), or by a Graph that did not
    /// say so.
    pub(crate) untold: Option<Timestamp>,
    /// Whether Graph leaves people out.
    leaves_out: bool,
}

/// Weather of a storm.
pub(crate) struct Sky {
    chance: Rng,
    pub(crate) left: Left,
    /// The other connection of the deployment.
    pub(crate) neighbour: Option<Neighbour>,
}

/// What becomes of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It stands still while others work.
    Stalls,
    /// It stands still for longer than its lease.
    StallsLong,
    /// It dies.
    Dies,
}

impl Left {
    /// Since when all that was read was told; `None` = always.
    pub(crate) fn told_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.leaves_out {
            self.untold = Some(now);
        }
        self.untold
    }
}

/// Where a worker stalls or dies.
struct Trap {
    at: At,
    moment: Moment,
    fate: Fate,
}

impl Trap {
    /// Most of them where a wrong step of the product would do most harm.
    fn drawn(chance: &mut Rng) -> Self {
        let moment = if chance.bool() { Moment::Before } else { Moment::After };
        let fate = [Fate::Stalls, Fate::StallsLong, Fate::Dies][chance.usize(..3)];
        let (at, moment, fate) = match chance.u8(..9) {
            0 | 1 => (At::Nth(chance.u64(..8)), moment, fate),
            2 | 3 => (At::Next(Meant::Note), Moment::After, fate),
            4 => (At::Next(Meant::Note), moment, fate),
            5 => (At::Next(Meant::Outcome), Moment::Before, Fate::Stalls),
            6 => (At::Next(Meant::Cursor), Moment::After, Fate::Dies),
            7 => (At::Next(Meant::Facts), Moment::Before, Fate::StallsLong),
            _ => (At::Next(Meant::Site), Moment::Before, Fate::Stalls),
        };
        Self { at, moment, fate }
    }
}

impl Sky {
    /// The weather of a seed; half of them have a second tenant.
    pub(crate) async fn new(seed: u64, world: &World) -> Self {
        let mut chance = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let is_alone = chance.bool();
        let neighbour = if is_alone { None } else { Some(Neighbour::new(world).await) };
        Self { chance, left: Left::default(), neighbour }
    }
}

impl Storm {
    /// Something more, between two events; `None` = the sky is quiet.
    pub(crate) async fn weather(&mut self) -> Option<String> {
        let sky = self.sky.as_mut()?;
        if sky.chance.u8(..3) > 0 {
            return None;
        }
        let what = match sky.chance.u8(..37) {
            0..=5 => self.bad_hour(),
            6..=16 => return self.stall().await,
            17 => self.jump_back(),
            18 => self.odd_hint().await,
            19..=20 => self.single().await,
            21 | 22 => self.preview().await,
            23..=28 => {
                let Storm { world, sky: Some(Sky { chance, .. }), staff, .. } = self else {
                    return None;
                };
                administrators::act(world, chance, staff, &[]).await
            }
            29 => self.reset().await,
            30 => self.turn().await,
            31 => self.pause().await,
            32 | 33 => self.leave_out().await,
            _ => self.next_door().await?,
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

    /// A worker stalls or dies at one of its next writes, most of all where much hangs on it; others work
    /// meanwhile, on the same hint too, and then it goes on (D6, T2).
    async fn stall(&mut self) -> Option<String> {
        let Storm { world, sky: Some(Sky { chance, .. }), staff, .. } = self else { return None };
        let Trap { at, moment, fate } = Trap::drawn(chance);
        match at {
            At::Next(Meant::Facts | Meant::Cursor) => news(world, chance, staff).await,
            At::Next(Meant::Site) => {
                company::open_office(world, chance, staff);
                news(world, chance, staff).await;
            }
            At::Next(_) | At::Nth(_) => {}
        }
        world.flaky.hold(at, moment);
        for _ in 0..PATIENCE {
            let taken = take(world, 1).await;
            let Some(delivery) = taken.first() else { break };
            let message = delivery.message.as_ref().unwrap();
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
                continue;
            }
            let what = format!("{fate:?}: {} {moment:?} {at:?}", message.step());
            if fate == Fate::Dies {
                drop(slow);
                world.flaky.forget();
                return Some(what);
            }
            if fate == Fate::StallsLong {
                world.pass(TOO_LONG);
            }
            let whose = whose(world, staff);
            if at == At::Next(Meant::Facts) {
                pass_by(world, chance, staff, &whose).await;
            }
            for _ in 0..chance.u8(1..8) {
                meanwhile(world, chance, staff, (message, &whose)).await;
            }
            world.flaky.resume();
            if slow.await.is_ok() {
                delete(world, delivery).await;
            }
            return Some(what);
        }
        world.flaky.forget();
        Some("nobody stalls".to_owned())
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

    /// An administrator forgets where the streams stood, or skips what waits (D4).
    async fn reset(&mut self) -> String {
        let mode = [Mode::Clear, Mode::Latest][self.drawn().usize(..2)];
        let reset = self.world.engine.reset_deltas(ADMIN, &self.world.id, mode).await;
        if mode == Mode::Latest {
            self.sky().left.untold = Some(self.world.clock_now());
        }
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

    /// Graph's reads leave people out without a word, or no longer do; a full read begins (D6, L5).
    async fn leave_out(&mut self) -> String {
        let most = self.drawn().bool().then(|| self.drawn().usize(1..4));
        if most.is_none() && is_counting(&self.world).await {
            return "a full read is under way".to_owned();
        }
        let counts = match (most, self.plan.bug) {
            (None, _) => None,
            // Where nobody compares it, any count will do.
            (Some(most), Some(Bug::CountUnread)) => Some(most as u64),
            (Some(_), _) => Some(MANY),
        };
        self.world.entra.faults(|faults| (faults.silent_cap, faults.user_count) = (most, counts));
        self.sky().left.leaves_out = most.is_some();
        let asked = Asked { read: Read::Full, ..Asked::default() };
        let import = self.world.engine.import(&self.world.id, &asked).await;
        let what = if most.is_some() { "people are left out" } else { "nobody is left out" };
        if import.is_ok() { what.to_owned() } else { format!("{what}, import refused") }
    }

    /// Something happens in the other tenant, or its connection is taken away, or comes back (C1).
    async fn next_door(&mut self) -> Option<String> {
        let Storm { world, sky: Some(Sky { neighbour, chance, .. }), .. } = self else {
            return None;
        };
        let neighbour = neighbour.as_mut()?;
        let what = match chance.u8(..6) {
            0 => neighbour.move_out_or_in(world).await,
            _ => neighbour.change(chance),
        };
        Some(format!("next door: {what}"))
    }
}

/// Whether a full read is under way that is still to be counted.
async fn is_counting(world: &World) -> bool {
    world.state().await.reading.todo.contains(&Stage::Count)
}

/// Something happens in Entra, and a run begins to read it.
async fn news(world: &World, chance: &mut Rng, staff: &mut Staff) {
    for _ in 0..3 {
        company::change(world, chance, staff);
    }
    // Refused because a service fails now, the timer begins one.
    let _ = world.engine.import(&world.id, &Asked::default()).await;
}

/// Others finish what the reader that stands still began, and read what came after.
async fn pass_by(world: &World, chance: &mut Rng, staff: &mut Staff, whose: &[u8]) {
    for round in 0..2 {
        for index in whose.iter().filter(|_| round > 0) {
            company::change_of(world, chance, staff, *index);
        }
        let _ = world.engine.import(&world.id, &Asked::default()).await;
        for _ in 0..30 {
            handle_next(world).await;
        }
    }
}

async fn handle_next(world: &World) {
    for other in take(world, 1).await {
        if done(world, other.message.as_ref().unwrap()).await {
            delete(world, &other).await;
        }
    }
}

/// People whom the worker that stands still is writing.
fn whose(world: &World, staff: &Staff) -> Vec<u8> {
    let keys = world.flaky.held_at();
    let is_of = |index: &u8| {
        let id = company::person(*index).to_string();
        keys.iter().any(|key| is_person(key) && key.sk == id)
    };
    (0..staff.count).filter(is_of).collect()
}

/// While a worker stands still: Entra changes, an administrator acts, another worker gets the same hint,
/// or handles the next one.
async fn meanwhile(
    world: &World,
    chance: &mut Rng,
    staff: &mut Staff,
    (message, whose): (&Message, &[u8]),
) {
    match chance.u8(..8) {
        0 | 1 => {
            let index = staff.somebody(chance, whose);
            company::change_of(world, chance, staff, index);
        }
        2 | 3 => drop(administrators::act(world, chance, staff, whose).await),
        4 | 5 => drop(done(world, message).await),
        _ => handle_next(world).await,
    }
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

/// Everything that was switched off is on again, and of those who were cut the half are left to matching.
pub(crate) async fn brighten(storm: &mut Storm) -> Result<(), String> {
    let Storm { world, sky: Some(Sky { chance, .. }), staff, .. } = storm else { return Ok(()) };
    // The clocks agree again.
    world.pass(SignedDuration::from_mins(5));
    world.engine.turn_module(ADMIN, Module::On).await.map_err(|it| format!("{it:?}"))?;
    if !enable(world, true).await {
        return Err("the connection cannot be taken up again".to_owned());
    }
    // A read that leaves people out is not to be counted by a Graph that does not.
    world.tick(None).await;
    world.quiet().await;
    world.entra.faults(|faults| (faults.silent_cap, faults.user_count) = (None, None));
    let is_cut = |staff: &Staff, index| {
        RecordKind::ALL.into_iter().any(|kind| staff.said.is_cut(index, kind))
    };
    for index in staff.cut.clone().into_iter().filter(|index| *index != TWIN) {
        let stays = is_cut(staff, index) && chance.bool();
        // Whom nobody ever read nobody can choose for.
        let person = company::person(index);
        let known = world.engine.store.person(&world.id, person).await.unwrap().is_some();
        let automatic = PerKind::both(Some(Pick::Automatic));
        if !known || stays || administrators::pick(world, staff, index, automatic).await {
            continue;
        }
        // Somebody who is being made right now cannot be chosen for.
        world.tick(None).await;
        world.quiet().await;
        if !administrators::pick(world, staff, index, automatic).await {
            return Err(format!("nobody can let matching choose for person {index}"));
        }
    }
    Ok(())
}
