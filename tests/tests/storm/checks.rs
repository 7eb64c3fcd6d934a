//! What is true at every moment of a storm, and what is true once it is calm.

use std::collections::{BTreeMap, BTreeSet};

use plan::ids::{RecordId, RecordKind};
use serde_json::Value;
use tests::helpdesk::{FIRST_BOARD, KEPT_BOARD, LEAVER, roles};
use tests::world::{World, int};

use crate::company::{self, ASLEEP, Guarding, Staff, TWIN, person};
use crate::neighbour::{Neighbour, is_theirs, nobody_crosses};

/// Halo as it was before, to compare with.
pub(crate) struct Checks {
    strangers: BTreeMap<(&'static str, i64), Value>,
    users: BTreeMap<i64, Value>,
    agents: BTreeMap<i64, Value>,
}

fn by_id(records: Vec<Value>) -> BTreeMap<i64, Value> {
    records.into_iter().map(|record| (int(&record["id"]), record)).collect()
}

/// Fails where two of them are the same.
fn once(what: &str, all: impl Iterator<Item = String>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for one in all.filter(|one| !one.is_empty()) {
        if seen.contains(&one) {
            return Err(format!("{what} twice: {one}"));
        }
        seen.insert(one);
    }
    Ok(())
}

fn text(record: &Value, name: &str) -> String {
    record[name].as_str().unwrap_or_default().trim().to_lowercase()
}

/// A name as Halo's administrators compare it.
pub(crate) fn folded(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Whether a record is somebody's by its address.
fn is_of(record: &Value, index: u8) -> bool {
    ["emailaddress", "email"].iter().any(|name| text(record, name) == company::mail(index))
}

/// D5, D6, L5: nobody is made inactive who was there all the time.
fn steady_stay(staff: &Staff, users: &[Value], agents: &[Value]) -> Result<(), String> {
    let is_steady = |record: &Value| staff.steady.iter().any(|index| is_of(record, *index));
    let user = users.iter().find(|user| {
        let is_gone = user["inactive"] == true && !is_of(user, ASLEEP);
        is_gone && is_steady(user)
    });
    let agent = agents.iter().find(|agent| {
        let is_gone = agent["isdisabled"] == true && !roles(agent).contains(&LEAVER);
        is_gone && is_steady(agent)
    });
    match user.or(agent) {
        Some(record) => Err(format!("somebody who never left was made inactive: {record}")),
        None => Ok(()),
    }
}

/// L4: whoever an administrator wants to keep is kept, as long as that holds. Of somebody who was let go
/// before, the deactivation may be on its way.
fn rejected_stay(world: &World, staff: &Staff, users: &[Value]) -> Result<(), String> {
    let said = &staff.said;
    let holds = said.rejected.iter().filter(|(_, until)| **until > world.clock_now());
    let kept = |index: &u8| said.kept_users.contains(index) && !said.released.contains(index);
    for (index, _) in holds.filter(|(index, _)| kept(index)) {
        let id = company::person(*index).to_string();
        let mut own = users.iter().filter(|user| text(user, "azureoid") == id);
        if own.any(|user| user["inactive"] == true) && *index != ASLEEP {
            return Err(format!("person {index} was to be kept, and is inactive"));
        }
    }
    Ok(())
}

impl Checks {
    pub(crate) fn new(world: &World, staff: &Staff) -> Self {
        let strangers = company::strangers(world, staff.count);
        let (users, agents) = (by_id(world.halo.users()), by_id(world.halo.agents()));
        Self { strangers, users, agents }
    }

    /// Roles that an agent had before us.
    pub(crate) fn roles_before(&self, agent: i64) -> BTreeSet<i64> {
        self.agents.get(&agent).map(roles).unwrap_or_default().into_iter().collect()
    }

    /// After each event.
    pub(crate) fn always(
        &self,
        world: &World,
        staff: &Staff,
        guarding: Guarding,
    ) -> Result<(), String> {
        let (users, agents) = (world.halo.users(), world.halo.agents());
        // T2, M6
        // Taken away by an administrator, a record keeps what it has, also the object id.
        let taken = (!staff.said.given.is_empty()).then(|| person(TWIN).to_string());
        let carried = users.iter().map(|user| text(user, "azureoid"));
        once("users carry an object id", carried.filter(|id| Some(id) != taken.as_ref()))?;
        let twin = company::mail(TWIN);
        let mails = users.iter().map(|user| text(user, "emailaddress"));
        once("users have an address", mails.filter(|mail| *mail != twin))?;
        once("agents have an address", agents.iter().map(|agent| text(agent, "email")))?;
        let sites = world.halo.sites();
        once("sites have a name", sites.iter().map(|site| folded(&text(site, "name"))))?;
        let licences = world.halo.licences();
        once("licences have a name", licences.iter().map(|it| text(it, "name")))?;
        for cab in [KEPT_BOARD, FIRST_BOARD] {
            let seats = world.board(cab).into_iter().map(|(kind, id, _)| format!("{kind} {id}"));
            once(&format!("board {cab} seats"), seats)?;
        }
        nobody_crosses(&users)?;
        self.strangers_rest(world, staff)?;
        steady_stay(staff, &users, &agents)?;
        rejected_stay(world, staff, &users)?;
        if guarding == Guarding::Tight { Self::nobody_left(staff, &users, &agents) } else { Ok(()) }
    }

    /// T6: records of people whom Entra does not know are byte for byte as they were.
    fn strangers_rest(&self, world: &World, staff: &Staff) -> Result<(), String> {
        let now = company::strangers(world, staff.count);
        let given = |key: &(&str, i64)| staff.said.given.contains(&RecordId::user(key.1));
        for (key, before) in self.strangers.iter().filter(|(key, _)| key.0 != "user" || !given(key))
        {
            let found = now.get(key);
            if found != Some(before) {
                return Err(format!("a stranger was touched: {before} became {found:?}"));
            }
        }
        Ok(())
    }

    /// L4: where the guard lets nobody go, nobody is inactive but those who were made so, or were let go.
    fn nobody_left(staff: &Staff, users: &[Value], agents: &[Value]) -> Result<(), String> {
        let asleep = company::mail(ASLEEP);
        let is_released =
            |record: &Value| staff.said.released.iter().any(|index| is_of(record, *index));
        let gone = users.iter().filter(|user| user["inactive"] == true && !is_released(user));
        let mut gone = gone.filter(|user| text(user, "emailaddress") != asleep && !is_theirs(user));
        if let Some(user) = gone.next() {
            return Err(format!("the guard was passed by: {user}"));
        }
        let gone = agents.iter().filter(|agent| agent["isdisabled"] == true && !is_released(agent));
        match gone.into_iter().find(|agent| !roles(agent).contains(&LEAVER)) {
            Some(agent) => Err(format!("the guard was passed by: {agent}")),
            None => Ok(()),
        }
    }

    /// Once it is calm: links, marks and log agree with Halo.
    pub(crate) async fn calm(
        &self,
        world: &World,
        staff: &Staff,
        neighbour: Option<&Neighbour>,
    ) -> Result<(), String> {
        let (mut linked, log) = (BTreeSet::new(), world.log().await);
        if let Some(neighbour) = neighbour {
            for (_, found) in world.people_of(&neighbour.id).await {
                linked.extend(found.value.link.user.map(|it| it.record));
            }
        }
        for (id, found) in world.people().await {
            let link = &found.value.link;
            if found.value.carried.is_some() {
                return Err(format!("{id} is left in the middle: {link:#?}"));
            }
            // M6
            if let Some(kind) = RecordKind::ALL.into_iter().find(|it| link.may_have_been_made(*it))
            {
                return Err(format!("nobody looked for a {kind} that {id} may have: {link:#?}"));
            }
            for record in [&link.user, &link.agent].into_iter().flatten().map(|it| it.record) {
                if !linked.insert(record) {
                    return Err(format!("two people are {record}"));
                }
                // B1: whoever is linked was told of.
                let told = log.iter().filter(|entry| entry.person.id == id);
                let mut numbers = told.map(|entry| match record.kind {
                    RecordKind::User => entry.halo.user,
                    RecordKind::Agent => entry.halo.agent,
                });
                if !numbers.any(|number| number == Some(record.id)) {
                    return Err(format!("the log does not tell that {id} is {record}"));
                }
            }
        }
        let nobodys = |record: RecordId, now: &Value, before: Option<&Value>| match before {
            _ if linked.contains(&record) => Ok(()),
            // Halo makes one with each site.
            None if now["name"] == "General User" => Ok(()),
            Some(before) if before == now => Ok(()),
            _ if is_theirs(now) && neighbour.is_some_and(|it| it.was_away) => Ok(()),
            // Whom an administrator cut off may be left where nobody looks for them.
            _ if staff.cut.iter().any(|index| is_of(now, *index)) => Ok(()),
            Some(before) => Err(format!("nobody's record was written: {before} became {now}")),
            None => Err(format!("made and known to nobody: {now}")),
        };
        for (id, now) in by_id(world.halo.users()) {
            nobodys(RecordId::user(id), &now, self.users.get(&id))?;
        }
        for (id, now) in by_id(world.halo.agents()) {
            nobodys(RecordId::agent(id), &now, self.agents.get(&id))?;
        }
        // M3: whom two records fit is in conflict, and nobody chose.
        let twin = world.link(person(TWIN)).await;
        if staff.count > TWIN && twin.user.is_some() && staff.said.given.is_empty() {
            return Err("somebody chose for the twins".to_owned());
        }
        self.deactivations_were_read(world, &log).await
    }

    /// L5: whoever was made inactive was so in a run whose read was complete.
    async fn deactivations_were_read(
        &self,
        world: &World,
        log: &[engine::store::log::Entry],
    ) -> Result<(), String> {
        for entry in log.iter().filter(|entry| entry.decision.name() == "deactivate") {
            let run = world.engine.store.run(&world.id, entry.run).await.unwrap();
            if !run.is_some_and(|run| run.value.read_complete) {
                return Err(format!("an incomplete read deactivated: {entry:#?}"));
            }
        }
        Ok(())
    }
}
