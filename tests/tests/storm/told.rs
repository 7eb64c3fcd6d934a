//! What the store holds of Entra, after each event: the cursor is never ahead of the facts (D6), and
//! whoever waits for a decision is marked.

use std::collections::{BTreeMap, BTreeSet};

use engine::store::Versioned;
use engine::store::people::Person;
use jiff::Timestamp;
use plan::cursor::Cursor;
use plan::facts::Presence;
use plan::ids::{ObjectId, Segment};
use plan::reading::{Reading, Stage};
use serde_json::{Value, json};
use tests::world::World;

use crate::company::{Staff, person};

type People = BTreeMap<ObjectId, Versioned<Person>>;

/// What is true of the store at every moment. What was left out of reads until `untold` is known after the
/// next full one.
pub(crate) async fn check(
    world: &World,
    staff: &Staff,
    untold: Option<Timestamp>,
) -> Result<(), String> {
    let people = world.people().await;
    marks(world, &people).await?;
    let reading = world.state().await.reading;
    let is_known = |until| reading.doubts == 0 && reading.last_full.is_some_and(|it| it > until);
    if untold.is_none_or(is_known) { facts(world, staff, &people, &reading) } else { Ok(()) }
}

/// The mark of somebody to look at stands exactly where there is something to look at.
async fn marks(world: &World, people: &People) -> Result<(), String> {
    let mut marked = BTreeSet::new();
    for segment in Segment::all() {
        let (found, _) = world.engine.store.dirty(&world.id, segment, None, 1000).await.unwrap();
        marked.extend(found);
    }
    let pending = people.iter().filter(|(_, person)| person.value.pending.is_some());
    let pending: BTreeSet<ObjectId> = pending.map(|(id, _)| *id).collect();
    if marked == pending {
        return Ok(());
    }
    Err(format!("marked and not pending, or the reverse: {:?}", &marked ^ &pending))
}

/// Whoever did not change since Graph gave out the link that is stored is in the store as Graph has them.
fn facts(world: &World, staff: &Staff, people: &People, reading: &Reading) -> Result<(), String> {
    let link = |cursor: &Cursor| match cursor {
        Cursor::Resting { delta, .. } => delta.as_ref().map(|link| link.expose().to_owned()),
        Cursor::Start | Cursor::Reading(_) => None,
    };
    for index in 0..staff.count {
        let (id, who) = (person(index), person(index).to_string());
        let known = people.get(&id).map(|person| &person.value.facts);
        let users = reading.users.as_ref().and_then(link);
        let live = world.entra.user(&who);
        // Who is missing from a full round is looked for behind it.
        let is_over = !reading.todo.iter().any(looks_for_the_missing);
        let is_told = users.is_some_and(|link| world.entra.was_told_of_user(&link, &who));
        if is_told && (is_over || live.is_some()) {
            let is_present = known.is_some_and(|facts| facts.presence == Presence::Present);
            if is_present != live.is_some() {
                return Err(format!("the cursor is ahead: person {index} is {known:?}"));
            }
        }
        let (Some(known), Some(live)) = (known, live) else { continue };
        let users = reading.users.as_ref().and_then(link);
        if users.is_some_and(|link| world.entra.was_told_of_user(&link, &who)) {
            for name in ["displayName", "jobTitle", "officeLocation", "accountEnabled"] {
                let stored = known.properties.get(name).map_or(Value::Null, |value| json!(value));
                if stored != live[name] {
                    return Err(format!(
                        "the cursor is ahead: {name} of person {index} is {stored} and not {}",
                        live[name]
                    ));
                }
            }
        }
        for (number, stream) in reading.groups.iter().enumerate() {
            let Some(link) = link(&stream.cursor) else { continue };
            for group in &stream.ids {
                let text = group.to_string();
                let is_member = world.entra.members(&text, false).contains(&who);
                let is_told = world.entra.was_told_of_member(&link, &text, &who);
                let is_over = !reading.todo.iter().any(|stage| looks_for_leavers(stage, number));
                if is_told && (is_over || is_member) && known.groups.contains(group) != is_member {
                    return Err(format!(
                        "the cursor is ahead: person {index} in {group} is not {is_member}"
                    ));
                }
            }
        }
    }
    Ok(())
}

fn looks_for_the_missing(stage: &Stage) -> bool {
    matches!(stage, Stage::Count | Stage::Missing { .. })
}

fn looks_for_leavers(stage: &Stage, stream: usize) -> bool {
    matches!(stage, Stage::Leavers { index, .. } if *index == stream)
}
