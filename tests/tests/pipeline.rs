//! Whole runs over real HTTP on embedded storage.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use tests::world::{Setup, World};

#[tokio::test]
async fn first_import() {
    let world = World::new(Setup::default()).await;
    let run = world.sync().await;
    println!("{run:#?}");
    for e in world
        .log()
        .await
        .iter()
        .filter(|e| e.outcome != engine::store::log::OutcomeKind::Done)
        .take(6)
    {
        println!(
            "{} {:?} {:?} {:?}",
            e.person.display_name, e.decision.action, e.decision.reasons, e.error
        );
    }
    let before = world.engine.store.operations();
    let run = world.sync().await;
    println!("{run:#?} ops {}", world.engine.store.operations() - before);
}
