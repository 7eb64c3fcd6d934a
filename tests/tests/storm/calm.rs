//! The calm after the storm: nothing fails any more, all hints arrive, and the timer ticks.

use engine::connections::Asked;
use jiff::SignedDuration;
use plan::link::Says;
use plan::reading::Read;
use tests::world::World;

use crate::company::Guarding;
use crate::events::{Storm, document};
use crate::model::{self, Managers};
use crate::weather::brighten;

/// Runs in which a storm must come to rest.
const PATIENCE: usize = 120;

impl Storm {
    pub(crate) async fn calm(&mut self) -> Result<(), String> {
        self.world.entra.clear_failures();
        self.world.halo.clear_faults();
        self.world.flaky.clear();
        if self.sky.is_some() {
            brighten(self).await?;
        }
        let calm = |why| format!("in the calm: {why}");
        let left = self.sky.as_ref().map(|sky| &sky.left);
        // A read that was not plausible is repeated ever later.
        let is_skipped = left.is_some_and(|left| left.untold.is_some());
        settle(&self.world).await?;
        self.check().await.map_err(calm)?;
        let Storm { world, staff, checks, .. } = &*self;
        if is_skipped {
            read_all(world).await?;
        }
        if self.guarding == Guarding::Tight {
            release(world).await?;
        }
        let neighbour = self.sky.as_ref().and_then(|sky| sky.neighbour.as_ref());
        checks.calm(world, staff, neighbour).await.map_err(calm)?;
        if let Some(neighbour) = neighbour {
            right(&neighbour.compare(world))?;
        }
        let document = document(world).await;
        right(&model::compare(world, &document, staff, checks, Managers::OfThoseWhoStayed).await)?;
        // Delta does not tell of a manager who was taken away while somebody was deleted: a full read does.
        read_all(world).await?;
        if self.guarding == Guarding::Tight {
            release(world).await?;
        }
        right(&model::compare(world, &document, staff, checks, Managers::OfAll).await)
    }
}

async fn read_all(world: &World) -> Result<(), String> {
    let asked = Asked { read: Read::Full, ..Asked::default() };
    world.engine.import(&world.id, &asked).await.map_err(|error| format!("{error:?}"))?;
    settle(world).await
}

fn right(wrong: &[String]) -> Result<(), String> {
    if wrong.is_empty() { Ok(()) } else { Err(format!("Halo is not right:\n{}", wrong.join("\n"))) }
}

/// An administrator lets everybody go whom the guard holds, until it holds nobody.
async fn release(world: &World) -> Result<(), String> {
    for _ in 0..4 {
        let held = world.held().await;
        if held.is_empty() {
            return Ok(());
        }
        for id in held {
            world.rule(id, Says::Release, 24 * 7).await;
        }
        settle(world).await?;
    }
    Err(format!("released, and still held: {:?}", world.held().await))
}

/// The timer ticks until two runs in a row have nothing to ask of Halo and nobody waits for another try.
async fn settle(world: &World) -> Result<(), String> {
    let (mut last, mut calm) = (None, 0);
    for _ in 0..PATIENCE {
        let state = world.state().await;
        let due = state.next_due.duration_since(world.clock_now());
        let waits = if state.run.is_none() && state.queued.is_none() {
            due.max(SignedDuration::ZERO)
        } else {
            SignedDuration::from_mins(4)
        };
        world.pass(waits);
        world.tick(None).await;
        world.quiet().await;
        let (mut runs, _) = world.engine.store.runs(&world.id, None, 1).await.unwrap();
        let Some(run) = runs.pop().map(|record| record.run) else { continue };
        if !run.state.is_over() || last == Some(run.run) {
            continue;
        }
        last = Some(run.run);
        let people = world.people().await;
        let waits = people.values().filter_map(|person| person.value.parked.as_ref()?.until);
        // A ruling's end, days away, is no try that one should wait for.
        let soon = world.clock_now() + SignedDuration::from_hours(48);
        let waits = waits.filter(|until| *until < soon).count();
        calm = if run.requests.halo == 0 && waits == 0 { calm + 1 } else { 0 };
        if calm == 2 {
            return Ok(());
        }
    }
    Err(unrest(world).await)
}

/// What still happens where nothing should.
async fn unrest(world: &World) -> String {
    let run = world.last_run().await;
    let asked = world.halo_served.log.all().into_iter().rev().take(6);
    let asked: Vec<String> =
        asked.map(|it| format!("{} {}?{} = {}", it.method, it.path, it.query, it.status)).collect();
    let people = world.people().await.into_iter().map(|(id, person)| (id, person.value));
    let waiting = people.filter(|(_, it)| it.parked.is_some() || it.pending.is_some());
    let waiting: Vec<String> = waiting
        .map(|(id, it)| format!("{id}: {:?} {:?} {:?}", it.parked, it.held, it.pending))
        .collect();
    format!("it never comes to rest: {run:?}\n{asked:#?}\n{waiting:#?}")
}
