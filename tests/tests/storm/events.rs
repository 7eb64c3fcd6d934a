//! What happens in a storm, drawn from its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::clock::Deadline;
use engine::connections::{Asked, Precondition, RulesApply, Saving};
use engine::queue::{Delivery, Queue};
use fastrand::Rng;
use jiff::SignedDuration;
use plan::ids::{ObjectId, PreviewId};
use plan::message::Message;
use plan::reading::Read;
use sandbox::halo::RefusalShape;
use sandbox::server::Moment;
use sandbox::{graph, halo};
use serde_json::Value;
use tests::world::World;

use crate::checks::Checks;
use crate::company::{self, Guarding, Staff};
use crate::weather::Sky;
use crate::{Kinds, Plan, WEATHER, told};

/// Time that a step may take.
const STEP: SignedDuration = SignedDuration::from_secs(45);
/// Calls among which one is drawn at which a worker dies.
const NEAR: u64 = 12;
/// Nothing happens, because no hint waits.
const NO_HINT: &str = "no hint";

/// A storm.
pub(crate) struct Storm {
    pub(crate) world: World,
    pub(crate) chance: Rng,
    pub(crate) staff: Staff,
    pub(crate) guarding: Guarding,
    pub(crate) kinds: Kinds,
    pub(crate) checks: Checks,
    /// More weather, where the seed has it.
    pub(crate) sky: Option<Sky>,
    /// The preview that somebody may carry out.
    pub(crate) previewed: Option<PreviewId>,
    pub(crate) plan: Plan,
    /// People as they were printed last.
    told: BTreeMap<ObjectId, String>,
}

/// A kind of event, with its weight in [`EVENTS`].
#[derive(Clone, Copy)]
enum Event {
    Handle,
    HandleTwice,
    Together,
    Kill,
    Lose,
    Delay,
    Pass,
    Tick,
    Entra,
    Rules,
    Import,
    Fault,
}

const EVENTS: [(Event, u8); 12] = [
    (Event::Handle, 40),
    (Event::HandleTwice, 5),
    (Event::Together, 8),
    (Event::Kill, 12),
    (Event::Lose, 2),
    (Event::Delay, 3),
    (Event::Pass, 8),
    (Event::Tick, 8),
    (Event::Entra, 20),
    (Event::Rules, 3),
    (Event::Import, 3),
    (Event::Fault, 9),
];

impl Storm {
    /// A storm before it begins.
    pub(crate) async fn new(seed: u64, plan: Plan) -> Self {
        let mut chance = Rng::with_seed(seed);
        let (world, staff, guarding) = company::world(&mut chance, plan).await;
        let sky = if seed < WEATHER { None } else { Some(Sky::new(seed, &world).await) };
        let checks = Checks::new(&world, &staff);
        let previewed = None;
        Self {
            world,
            sky,
            previewed,
            chance,
            staff,
            guarding,
            kinds: Kinds::new(),
            checks,
            plan,
            told: BTreeMap::new(),
        }
    }

    /// The storm, and the calm after it.
    pub(crate) async fn rage(&mut self) -> Result<(), String> {
        let events = self.chance.u32(70..140) / self.plan.backend.slowness();
        for number in 0..events {
            let mut what = self.event().await;
            if what == NO_HINT {
                what = self.timer().await;
            }
            if self.plan.tells {
                println!("{number:3} {} {what}", self.world.clock_now());
                self.tell_requests();
                self.tell_people().await;
            }
            let kind = what.split(':').next().unwrap_or_default().to_owned();
            *self.kinds.entry(kind).or_default() += 1;
            let after = |why| format!("after event {number} ({what}): {why}");
            self.check().await.map_err(after)?;
            if let Some(what) = self.weather().await {
                if self.plan.tells {
                    println!("    {} {what}", self.world.clock_now());
                    self.tell_requests();
                    self.tell_people().await;
                }
                let kind = what.split(':').next().unwrap_or_default().to_owned();
                *self.kinds.entry(kind).or_default() += 1;
                let after = |why| format!("after event {number} and {what}: {why}");
                self.check().await.map_err(after)?;
            }
        }
        let calm = self.calm().await;
        if self.plan.tells {
            println!("    in the calm:");
            self.tell_requests();
            self.tell_people().await;
        }
        calm
    }

    /// What is true at every moment.
    pub(crate) async fn check(&mut self) -> Result<(), String> {
        let Self { world, staff, checks, sky, guarding, .. } = self;
        checks.always(world, staff, *guarding)?;
        staff.said.check(world).await?;
        let since = sky.as_mut().and_then(|sky| sky.left.told_since(world.clock_now()));
        told::check(world, staff, since).await?;
        match sky.as_ref().and_then(|sky| sky.neighbour.as_ref()) {
            Some(neighbour) => neighbour.check(world).await,
            None => Ok(()),
        }
    }

    /// What Halo was asked since the last event, and what it wrote.
    fn tell_requests(&mut self) {
        for seen in self.world.halo_served.log.all() {
            let (method, path, query) = (seen.method, seen.path, seen.query);
            println!("        halo: {method} {path}?{query} = {}", seen.status);
        }
        self.world.halo_served.log.clear();
        for write in self.world.halo.writes() {
            let body = write.body.to_string();
            println!("        wrote {} {}: {body}", write.path, write.id);
        }
        self.world.halo.clear_writes();
    }

    /// Whose records in the store changed since the last event.
    async fn tell_people(&mut self) {
        for (id, found) in self.world.people().await {
            let shown = format!("{:?}", found.value);
            if self.told.get(&id) != Some(&shown) {
                println!("        stored {id}: {shown}");
                self.told.insert(id, shown);
            }
        }
    }

    async fn event(&mut self) -> String {
        let total: u8 = EVENTS.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.chance.u8(..total);
        let event = EVENTS.iter().find(|(_, weight)| match drawn.checked_sub(*weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        match event.expect("the weights add up").0 {
            Event::Handle => self.handle().await,
            Event::HandleTwice => self.handle_twice().await,
            Event::Together => self.together().await,
            Event::Kill => self.kill().await,
            Event::Lose => self.lose().await,
            Event::Delay => self.delay().await,
            Event::Pass => self.pass(),
            Event::Tick => {
                self.tick().await;
                "tick".to_owned()
            }
            Event::Entra => {
                let what = company::change(&self.world, &mut self.chance, &mut self.staff);
                format!("entra, {what}")
            }
            Event::Rules => self.rules().await,
            Event::Import => self.import().await,
            Event::Fault => self.fault(),
        }
    }

    /// Where everything rests: the timer ticks when the next run is due.
    async fn timer(&self) -> String {
        let state = self.world.state().await;
        let wait = state.next_due.duration_since(self.world.clock_now());
        self.world.pass(wait.max(SignedDuration::from_mins(1)));
        self.tick().await;
        "the timer's next tick".to_owned()
    }

    pub(crate) async fn tick(&self) {
        self.world.flaky.switch(true);
        let ticked = self.world.engine.tick().await;
        self.world.flaky.switch(false);
        assert!(ticked.is_ok() || self.sky.is_some(), "{ticked:?}");
    }

    async fn take(&self, most: usize) -> Vec<Delivery> {
        take(&self.world, most).await
    }

    fn deadline(&self) -> Deadline {
        deadline(&self.world)
    }

    /// One step; whether its hint may go.
    async fn step(&self, message: &Message) -> bool {
        let done = done(&self.world, message).await;
        assert!(done || self.sky.is_some(), "a step fails in fair weather");
        done
    }

    async fn delete(&self, delivery: &Delivery) {
        delete(&self.world, delivery).await;
    }

    pub(crate) async fn handle(&self) -> String {
        let taken = self.take(1).await;
        let Some(delivery) = taken.first() else { return NO_HINT.to_owned() };
        let message = delivery.message.as_ref().unwrap();
        if self.step(message).await {
            self.delete(delivery).await;
        }
        format!("handle: {}", message.step())
    }

    async fn handle_twice(&self) -> String {
        let taken = self.take(1).await;
        let Some(delivery) = taken.first() else { return NO_HINT.to_owned() };
        let message = delivery.message.as_ref().unwrap();
        self.step(message).await;
        if self.step(message).await {
            self.delete(delivery).await;
        }
        format!("handle twice: {}", message.step())
    }

    /// Workers at the same time: one for each hint, and a second one for the first.
    async fn together(&mut self) -> String {
        let most = self.chance.usize(1..4);
        let taken = self.take(most).await;
        let messages: Vec<&Message> = taken.iter().map(|it| it.message.as_ref().unwrap()).collect();
        let Some(first) = messages.first() else { return NO_HINT.to_owned() };
        let twice = messages.iter().chain([first]);
        let done = futures::future::join_all(twice.map(|message| self.step(message))).await;
        for (delivery, _) in taken.iter().zip(done).filter(|(_, done)| *done) {
            self.delete(delivery).await;
        }
        format!("together: {} and {} more", first.step(), messages.len())
    }

    /// A worker dies at one of its next calls; its hint comes back later.
    async fn kill(&mut self) -> String {
        let taken = self.take(1).await;
        let Some(delivery) = taken.first() else { return NO_HINT.to_owned() };
        let message = delivery.message.as_ref().unwrap();
        let wire = &self.world.wire;
        let moment = if self.chance.bool() { Moment::Before } else { Moment::After };
        wire.set(wire.calls() + self.chance.u64(..NEAR), moment);
        self.world.flaky.switch(true);
        let step = self.world.engine.step(message, self.deadline());
        let killed = tokio::select! {
            biased;
            () = wire.wait() => true,
            done = step => { assert!(done.is_ok() || self.sky.is_some(), "{done:?}"); false }
        };
        wire.disarm();
        self.world.flaky.switch(false);
        if killed {
            return format!("kill: {} at {}", message.step(), wire.sprung().unwrap_or_default());
        }
        self.delete(delivery).await;
        format!("handle: {}", message.step())
    }

    async fn lose(&self) -> String {
        let taken = self.take(1).await;
        let Some(delivery) = taken.first() else { return NO_HINT.to_owned() };
        self.delete(delivery).await;
        format!("lose a hint: {}", delivery.message.as_ref().unwrap().step())
    }

    async fn delay(&mut self) -> String {
        let taken = self.take(1).await;
        let Some(delivery) = taken.first() else { return NO_HINT.to_owned() };
        let message = delivery.message.clone().unwrap();
        let step = message.step();
        let delay = Duration::from_secs(self.chance.u64(1..600));
        self.world.queue.send(&[message], delay).await.unwrap();
        self.delete(delivery).await;
        format!("delay a hint: {step}")
    }

    fn pass(&mut self) -> String {
        let seconds = [5, 40, 120, 200, 900, 3_600, 20_000][self.chance.usize(..7)];
        self.world.pass(SignedDuration::from_secs(seconds));
        format!("time passes: {seconds} s")
    }

    async fn rules(&mut self) -> String {
        let saved = self.world.engine.store.document(&self.world.id).await.unwrap().unwrap().value;
        let mut document = serde_json::to_value(&saved.document).unwrap();
        company::redraft(&mut document, &mut self.chance);
        let precondition = Precondition::Revision(saved.revision);
        let saving = Saving { who: "admin", precondition, rules: RulesApply::AtOnce };
        let put = self.world.engine.put_connection(saving, &self.world.id, &document).await;
        // Saving asks both services, and either may be failing now.
        (if put.is_ok() { "rules" } else { "rules, refused" }).to_owned()
    }

    async fn import(&mut self) -> String {
        let read = [Read::AsConfigured, Read::Delta, Read::Full, Read::None];
        let read = read[self.chance.usize(..read.len())];
        let asked = Asked { read, ..Asked::default() };
        let import = self.world.engine.import(&self.world.id, &asked).await;
        (if import.is_ok() { "import" } else { "import, refused" }).to_owned()
    }

    fn fault(&mut self) -> String {
        let skip = self.chance.u8(..4);
        let times = self.chance.u8(1..4);
        if self.chance.u8(..12) == 0 {
            self.world.entra.expire_delta_links();
            return "fault of graph, delta links expire".to_owned();
        }
        if self.chance.bool() {
            self.graph_fault(skip, times)
        } else {
            self.halo_fault(skip, times)
        }
    }

    fn graph_fault(&mut self, skip: u8, times: u8) -> String {
        use graph::{Body, Fault};
        let seconds = self.chance.bool().then(|| self.chance.u8(1..90).to_string());
        let code = [500, 502, 504][self.chance.usize(..3)];
        let faults = [
            ("throttle", Fault::Throttle { retry_after: seconds.clone() }),
            ("unavailable", Fault::Unavailable { retry_after: seconds }),
            ("5xx", Fault::Status { code, body: Body::Empty }),
            ("truncated", Fault::TruncatedBody),
            ("cut", Fault::ResetConnection),
            ("html page", Fault::HtmlPage),
        ];
        let paths = ["/v1.0/", "/v1.0/users/delta", "/v1.0/groups/delta", "/v1.0/users?"];
        let path = paths[self.chance.usize(..paths.len())];
        let (name, fault) = faults[self.chance.usize(..faults.len())].clone();
        self.world.entra.fail_after(skip.into(), path, times.into(), fault);
        format!("fault of graph, {name}: {times} x {path} after {skip}")
    }

    fn halo_fault(&mut self, skip: u8, times: u8) -> String {
        use halo::Fault;
        let seconds = self.chance.bool().then(|| self.chance.u8(1..90).to_string());
        let shape = RefusalShape::ALL[self.chance.usize(..RefusalShape::ALL.len())];
        let faults = [
            ("throttle", Fault::Throttle { retry_after: seconds }),
            ("5xx", Fault::Status { code: 503, body: String::new() }),
            ("400", Fault::Refusal(shape)),
            ("reply lost", Fault::ReplyLost),
            ("reply lost", Fault::ReplyLost),
            ("truncated", Fault::TruncatedBody),
            ("reset", Fault::ResetConnection),
            ("html page", Fault::HtmlPage),
        ];
        let paths =
            ["/api/", "/api/users", "/api/agent", "/api/site", "/api/cab", "/api/softwarelicence"];
        let path = paths[self.chance.usize(..paths.len())];
        let method = ["POST", "POST", "*"][self.chance.usize(..3)];
        let (name, fault) = faults[self.chance.usize(..faults.len())].clone();
        self.world.halo.fail_after(skip.into(), path, method, times.into(), fault);
        format!("fault of halo, {name}: {times} x {method} {path} after {skip}")
    }
}

/// The next hints; the clocks move on to the first one.
pub(crate) async fn take(world: &World, most: usize) -> Vec<Delivery> {
    let Some(due) = world.queue.next_due() else { return Vec::new() };
    let wait = due.duration_since(world.clock_now());
    world.pass(wait.max(SignedDuration::ZERO));
    world.queue.receive(most, Duration::ZERO).await.unwrap()
}

/// When a step that begins now has to end.
pub(crate) fn deadline(world: &World) -> Deadline {
    Deadline(world.clock_now() + STEP)
}

/// One step; whether its hint may go.
pub(crate) async fn done(world: &World, message: &Message) -> bool {
    world.flaky.switch(true);
    let outcome = world.engine.step(message, deadline(world)).await;
    world.flaky.switch(false);
    outcome.is_ok()
}

pub(crate) async fn delete(world: &World, delivery: &Delivery) {
    world.queue.delete(&delivery.receipt).await.unwrap();
}

/// A document as the rules' sentences see it.
pub(crate) async fn document(world: &World) -> Value {
    let saved = world.engine.store.document(&world.id).await.unwrap().unwrap().value;
    serde_json::to_value(&saved.document).unwrap()
}
