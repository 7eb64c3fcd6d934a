//! The three runs of the demo: everybody, three changes, nothing; and whether all came out as it should.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use plan::tally::{Run, RunState};
use reqwest::Method;
use sandbox::sample;
use serde::Serialize;
use serde_json::{Value, json};

use super::report::Report;
use super::stage::Stage;
use crate::follow::{follow, sum};
use crate::people::Entry;

/// All that happened.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    /// Whether everything came out as it should.
    pub(super) ok: bool,
    /// What did not.
    pub(super) off: Vec<String>,
    /// People in the tenant at the beginning.
    pub(super) people: u64,
    /// The runs.
    pub(super) runs: Vec<Chapter>,
}

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Chapter {
    /// What it is about.
    pub(super) title: &'static str,
    /// The run as the API shows it.
    pub(super) run: Run,
    /// Operations on the store.
    pub(super) store_operations: u64,
    /// From asking for it to its end.
    pub(super) seconds: f64,
    /// People that are worth a look.
    pub(super) people: Vec<Shown>,
    /// Entries of the inbound log.
    pub(super) log_entries: u64,
    #[serde(skip)]
    entries: Vec<Entry>,
}

/// A person in the report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    /// Why the person is shown.
    pub(super) note: &'static str,
    /// Display name.
    pub(super) name: String,
    /// User principal name.
    pub(super) user_principal_name: String,
    /// What happened.
    pub(super) what: String,
    /// Why.
    pub(super) why: String,
    /// Before and after.
    pub(super) changes: Vec<String>,
    #[serde(skip)]
    pub(super) tone: crate::screen::Tone,
}

impl Story {
    /// Plays the three runs, telling each as it ends.
    pub(super) async fn tell(stage: &Stage, report: Option<&Report>) -> anyhow::Result<Self> {
        let people = u64::try_from(stage.entra.user_count())?;
        let mut story = Self { ok: true, off: Vec::new(), people, runs: Vec::new() };

        let mut first = Chapter::play(stage, "First import", Some(people)).await?;
        first.people = examples(stage, &first.entries);
        story.check_first(&first);
        story.check_sales(stage);
        story.check_helpdesk(stage);
        let changes = Changes::choose(stage, &first.entries)?;
        story.add(first, report)?;

        changes.make(stage);
        let mut second = Chapter::play(stage, "Three changes in Entra", None).await?;
        second.people = changes.show(stage, &second.entries);
        story.check_second(&second, &changes);
        story.add(second, report)?;

        stage.entra_served.log.clear();
        stage.halo_served.log.clear();
        let third = Chapter::play(stage, "Nothing changed", None).await?;
        story.check_third(&third, stage);
        story.add(third, report)?;
        story.ok = story.off.is_empty();
        Ok(story)
    }

    fn add(&mut self, chapter: Chapter, report: Option<&Report>) -> anyhow::Result<()> {
        if let Some(report) = report {
            report.chapter(&chapter, self.people)?;
        }
        self.runs.push(chapter);
        Ok(())
    }

    fn expect(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.off.push(otherwise());
        }
    }

    /// Everybody has to be accounted for: in the log, or counted as unchanged.
    fn check_first(&mut self, chapter: &Chapter) {
        self.check_run(chapter);
        let people = self.people;
        let counted = sum(&chapter.run.counts);
        self.expect(counted == people, || format!("{counted} of {people} people were counted"));
        let logged: BTreeSet<_> = chapter.entries.iter().map(|entry| &entry.person.id).collect();
        let logged = logged.len() as u64 + chapter.run.counts.unchanged;
        self.expect(logged == people, || {
            format!("{logged} of {people} people are in the log or unchanged")
        });
        let failed = chapter.run.counts.failed;
        self.expect(failed == 0, || format!("{failed} people failed"));
    }

    /// Members of a group, and of the groups inside it, are all at the site of their mapping (P3).
    fn check_sales(&mut self, stage: &Stage) {
        let sales = &sample::connection(&stage.entra_served.url)["mappings"][0];
        let group = sales["group"]["name"].as_str().unwrap_or_default();
        let groups = stage.entra.groups_named(group);
        let members = groups.iter().flat_map(|group| stage.entra.members(group, true));
        let users = members.flat_map(|member| stage.halo.users_with_azureoid(&member));
        let sites = users.filter_map(|user| stage.halo.user(user)).map(|user| id(&user["site_id"]));
        let (there, elsewhere): (Vec<_>, Vec<_>) =
            sites.partition(|site| *site == id(&sales["target"]["site_id"]));
        self.expect(!there.is_empty() && elsewhere.is_empty(), || {
            format!("{} members of {group} are at other sites than that of sales", elsewhere.len())
        });
    }

    /// Everybody of the helpdesk is an agent and a user, and approvers sit on the board (P1, R3).
    fn check_helpdesk(&mut self, stage: &Stage) {
        let document = sample::connection(&stage.entra_served.url);
        let members = |group: &Value| {
            let groups = stage.entra.groups_named(group["name"].as_str().unwrap_or_default());
            let all = groups.iter().flat_map(|group| stage.entra.members(group, true));
            all.filter_map(|id| stage.entra.user(&id)).collect::<Vec<_>>()
        };
        let user_of = |person: &Value| {
            let users = stage.halo.users_with_azureoid(person["id"].as_str().unwrap_or_default());
            users.first().and_then(|id| stage.halo.user(*id))
        };
        let is_agent = |person: &Value| {
            let agent = user_of(person).and_then(|user| id(&user["linked_agent_id"]));
            let agent = agent.and_then(|id| stage.halo.agent(id));
            agent.is_some_and(|agent| agent["name"] == person["displayName"])
        };
        let mappings = document["mappings"].as_array().into_iter().flatten();
        let helpdesk = mappings.filter(|mapping| mapping["target"]["type"] == "agents");
        let helpdesk = helpdesk.flat_map(|mapping| members(&mapping["group"]));
        let wanted: Vec<Value> = helpdesk.filter(|it| it["accountEnabled"] == true).collect();
        let missing = wanted.iter().filter(|person| !is_agent(person)).count();
        self.expect(!wanted.is_empty() && missing == 0, || {
            format!("{missing} of {} people of the helpdesk are no agents", wanted.len())
        });
        let seats = &document["roles"]["cabs"][0];
        let boards = stage.halo.cabs();
        let board = boards.iter().find(|board| board["id"] == seats["cab_id"]);
        let sits = |person: &Value| {
            let user = user_of(person).and_then(|user| id(&user["id"]));
            let members = board.and_then(|board| board["members"].as_array()).into_iter().flatten();
            user.is_some() && members.into_iter().any(|member| id(&member["user_id"]) == user)
        };
        let approvers = members(&seats["group"]);
        let standing = approvers.iter().filter(|person| !sits(person)).count();
        self.expect(!approvers.is_empty() && standing == 0, || {
            format!("{standing} of {} approvers do not sit on the board", approvers.len())
        });
    }

    /// Those who changed, and nobody else.
    fn check_second(&mut self, chapter: &Chapter, changes: &Changes) {
        self.check_run(chapter);
        let logged: BTreeSet<String> =
            chapter.entries.iter().map(|entry| entry.person.id.clone()).collect();
        let wanted: BTreeSet<String> = changes.ids.values().cloned().collect();
        self.expect(logged == wanted, || {
            format!("the second run touched {} people, not the three who changed", logged.len())
        });
    }

    /// The price of nothing: each stream of changes is asked once, and nobody else (T4). Counted by
    /// those who were asked.
    fn check_third(&mut self, chapter: &Chapter, stage: &Stage) {
        self.check_run(chapter);
        let seen = stage.entra_served.log.all();
        let streams: BTreeSet<(&str, &str)> = seen
            .iter()
            .filter(|seen| seen.path.ends_with("/delta"))
            .map(|seen| (seen.path.as_str(), seen.query.as_str()))
            .collect();
        let (asked, streams) = (seen.len(), streams.len());
        self.expect(asked == streams, || {
            format!("nothing cost {asked} requests to Graph for {streams} streams of changes")
        });
        let halo = stage.halo_served.log.count();
        self.expect(halo == 0, || format!("nothing cost {halo} requests to Halo"));
        let entries = chapter.log_entries;
        self.expect(entries == 0, || format!("nothing made {entries} log entries"));
    }

    fn check_run(&mut self, chapter: &Chapter) {
        let run = &chapter.run;
        self.expect(run.state == RunState::Completed, || {
            let why = run.error.clone().unwrap_or_default();
            format!("{}: the run ended as {:?} {why}", chapter.title, run.state)
        });
    }
}

impl Chapter {
    /// Asks the API for an import, waits for its end, and reads what the log says of it.
    async fn play(stage: &Stage, title: &'static str, people: Option<u64>) -> anyhow::Result<Self> {
        let (client, engine) = (&stage.client, &stage.process.engine);
        let (operations, started) = (engine.store.operations(), engine.clock.now());
        let path = ["connections", stage.connection.as_str(), "imports"];
        let answer = client.write(Method::POST, &path, &json!({}), None).await?.body;
        let run = answer["run"].as_str().context("the API named no run")?;
        let (run, _) = follow(client, run, people).await?;
        let seconds = engine.clock.now().duration_since(started).as_secs_f64();
        stage.process.quiet().await;
        let store_operations = engine.store.operations() - operations;
        let entries = entries(stage, &run).await?;
        Ok(Self {
            title,
            store_operations,
            seconds,
            people: Vec::new(),
            log_entries: entries.len() as u64,
            entries,
            run,
        })
    }
}

/// All log entries of a run, oldest first.
async fn entries(stage: &Stage, run: &Run) -> anyhow::Result<Vec<Entry>> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![
            ("connection", stage.connection.clone()),
            ("run", run.run.to_string()),
            ("limit", "200".to_owned()),
        ];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let page = stage.client.get(&["inbound"], &query).await?;
        all.extend(serde_json::from_value::<Vec<Entry>>(page["entries"].clone())?);
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            all.reverse();
            return Ok(all);
        }
    }
}

/// A few people of the first run, one for each thing that can happen.
fn examples(stage: &Stage, entries: &[Entry]) -> Vec<Shown> {
    type Wanted = (&'static str, fn(&Entry) -> bool);
    let wanted: [Wanted; 7] = [
        ("new in Halo", |it| it.decision.word == "create" && !it.person.display_name.is_ascii()),
        ("found by a field", |it| it.was_found_by("fields")),
        ("found by object id", |it| it.was_found_by("object_id")),
        ("agent and user", |it| {
            it.decision.records.get("agent").is_some_and(|agent| agent.word == "create")
        }),
        ("guest", |it| it.person.user_principal_name.contains("#EXT#")),
        ("disabled account", |it| it.decision.has("account_disabled")),
        ("two candidates", |it| it.decision.word == "conflict"),
    ];
    let mut by_name: Vec<&Entry> = entries.iter().collect();
    by_name.sort_by_key(|entry| (&entry.person.display_name, &entry.person.id));
    let mut seen = BTreeSet::new();
    let mut shown = Vec::new();
    for (note, fits) in wanted {
        let found = by_name.iter().find(|entry| fits(entry) && !seen.contains(&entry.person.id));
        if let Some(entry) = found {
            seen.insert(&entry.person.id);
            shown.push(show(stage, note, entry));
        }
    }
    shown
}

fn show(stage: &Stage, note: &'static str, entry: &Entry) -> Shown {
    let (what, tone) = entry.what();
    let sites = sites(stage);
    let name = |field: &str, value: &Value| match field {
        "site_id" => sites.get(&id(value)?).cloned(),
        _ => None,
    };
    Shown {
        note,
        name: entry.person.display_name.clone(),
        user_principal_name: entry.person.user_principal_name.clone(),
        what: what.to_owned(),
        why: entry.why(),
        changes: entry.decision.changes(name),
        tone,
    }
}

/// Names of Halo's sites by their ids.
fn sites(stage: &Stage) -> BTreeMap<i64, String> {
    let sites = stage.halo.sites();
    let named =
        sites.iter().filter_map(|site| Some((id(&site["id"])?, site["name"].as_str()?.to_owned())));
    named.collect()
}

/// An id, which Halo writes as a float now and then.
#[allow(clippy::cast_possible_truncation, reason = "the ids of the sample are small")]
fn id(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|id| id as i64))
}

/// Three people and what happens to them in Entra.
struct Changes {
    mover: String,
    leaver: String,
    /// The manager of the new starter.
    manager: String,
    /// By what happens.
    ids: BTreeMap<&'static str, String>,
}

const STARTER: &str = "5eed0000-0000-4000-8000-000000000001";

impl Changes {
    /// Chooses people from whom nothing else hangs: no reports, no mapping of their own.
    fn choose(stage: &Stage, entries: &[Entry]) -> anyhow::Result<Self> {
        let users: Vec<Value> =
            stage.entra.user_ids().iter().filter_map(|id| stage.entra.user(id)).collect();
        let managers: BTreeSet<&str> =
            users.iter().filter_map(|user| user["manager"].as_str()).collect();
        let imported: BTreeSet<String> = entries
            .iter()
            .filter(|entry| entry.outcome == "done")
            .map(|entry| entry.person.id.clone())
            .collect();
        let mut plain = users.iter().filter(|user| {
            let id = user["id"].as_str().unwrap_or_default();
            imported.contains(id)
                && !managers.contains(id)
                && user["manager"].is_string()
                && user["officeLocation"] == "Leeds"
                && !["Sales", "Finance"].contains(&user["department"].as_str().unwrap_or_default())
        });
        let mut next = || -> anyhow::Result<&Value> {
            plain.next().context("the sample has too few people in Leeds")
        };
        let text = |user: &Value, name: &str| user[name].as_str().unwrap_or_default().to_owned();
        let (mover, leaver) = (next()?, next()?);
        let ids = [("moves", text(mover, "id")), ("leaves", text(leaver, "id"))];
        Ok(Self {
            mover: text(mover, "id"),
            leaver: text(leaver, "id"),
            manager: text(mover, "manager"),
            ids: ids.into_iter().chain([("starts", STARTER.to_owned())]).collect(),
        })
    }

    fn make(&self, stage: &Stage) {
        let entra = &stage.entra;
        entra.add_user(json!({
            "id": STARTER, "displayName": "Zoë O'Brien-Łukasz", "givenName": "Zoë",
            "surname": "O'Brien-Łukasz", "userPrincipalName": "zoe.obrien@contoso.example",
            "mail": "zoe.obrien@contoso.example", "jobTitle": "Designer",
            "department": "Marketing", "officeLocation": "leeds ", "employeeType": "Employee",
        }));
        entra.set_manager(STARTER, Some(&self.manager));
        entra.update_user(
            &self.mover,
            json!({ "department": "Finance", "jobTitle": "Financial Analyst" }),
        );
        entra.soft_delete(&self.leaver);
    }

    fn show(&self, stage: &Stage, entries: &[Entry]) -> Vec<Shown> {
        ["starts", "moves", "leaves"]
            .iter()
            .filter_map(|note| {
                let id = self.ids.get(note)?;
                let entry = entries.iter().find(|entry| entry.person.id == *id)?;
                Some(show(stage, note, entry))
            })
            .collect()
    }
}
