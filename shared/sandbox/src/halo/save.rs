//! Writing: a POST creates or updates, the presence of an id decides; DELETE removes.

use serde_json::{Value, json};

use super::Write;
use super::answer::{Refusal, Reply};
use super::call::Call;
use super::fields::Set;
use super::kinds::Kind;
use super::knobs::{BadElement, EmailCollision, ManyReply, UpdateStatus};
use super::model::{Model, Row, flag, int, object, take_id, text};

/// The `licence_type` of an agent with a named licence.
const NAMED: i64 = 1;

/// One posted record.
struct Element {
    /// What was sent, for the write log.
    sent: Value,
    /// Where it stands in the body, as the paths of mistakes begin; empty for a bare object.
    place: String,
    /// Without an id it is new.
    id: Option<i64>,
    posted: Row,
}

impl Element {
    fn path(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }
}

impl Model {
    /// Answers `POST` of one or several records.
    pub(super) fn post(&mut self, kind: Kind, call: &Call) -> Reply {
        let media_type = call.media_type();
        if !(media_type.ends_with("json") && media_type.contains('/')) {
            return Reply::empty(415);
        }
        match self.save_all(kind, &call.body) {
            Ok(saved) => self.saved_reply(kind, &saved),
            Err(refusal) => refusal.reply(self.knobs.refusals),
        }
    }

    /// Saves what the body holds; ids in order, each with whether it is new.
    fn save_all(&mut self, kind: Kind, body: &[u8]) -> Result<Vec<(i64, bool)>, Refusal> {
        let elements = elements(body)?;
        if self.knobs.bad_element == BadElement::RejectsAll {
            elements.iter().try_for_each(|element| self.check(kind, element))?;
        }
        let mut saved = Vec::new();
        let mut first_mistake = None;
        for element in elements {
            match self.check(kind, &element) {
                Ok(()) => saved.push(self.save(kind, element)),
                Err(refusal) => first_mistake = first_mistake.or(Some(refusal)),
            }
        }
        first_mistake.map_or(Ok(saved), Err)
    }

    fn saved_reply(&self, kind: Kind, saved: &[(i64, bool)]) -> Reply {
        let created = saved.iter().any(|(_, created)| *created);
        let status =
            if created || self.knobs.update_status == UpdateStatus::Created { 201 } else { 200 };
        let detail = |(id, _): &(i64, bool)| self.detail(kind, *id).unwrap_or_default();
        let body = match self.knobs.many_reply {
            ManyReply::Array if saved.len() > 1 => saved.iter().map(detail).collect(),
            ManyReply::First => saved.first().map(detail).unwrap_or_default(),
            ManyReply::Last | ManyReply::Array => saved.last().map(detail).unwrap_or_default(),
        };
        Reply::json(status, &body)
    }

    fn check(&self, kind: Kind, element: &Element) -> Result<(), Refusal> {
        for (name, value) in &element.posted {
            let field = kind.field(name).filter(|field| field.set == Set::Posted);
            if let Some(mistake) =
                field.filter(|_| !value.is_null()).and_then(|it| it.holds.mistake(value))
            {
                return Err(Refusal::property(element.path(name), mistake));
            }
        }
        let before = match element.id {
            Some(id) => self.visible_row(kind, id).ok_or_else(Refusal::absent)?.clone(),
            None => Row::new(),
        };
        let mut after = before.clone();
        self.merge(kind, element.id.unwrap_or_default(), &mut after, &element.posted);
        for name in kind.required() {
            if after.get(*name).is_none_or(|value| value.as_str() == Some("") || value.is_null()) {
                let mistake = format!("The {name} field is required.");
                return Err(Refusal::property(element.path(name), mistake));
            }
        }
        self.check_references(kind, element, &after)?;
        self.check_rules(kind, element, &before, &after)
    }

    fn check_references(&self, kind: Kind, element: &Element, after: &Row) -> Result<(), Refusal> {
        if let Some((name, parent)) = kind.parent() {
            let id = int(after, name);
            if self.visible_row(parent, id).is_none() {
                return Err(Refusal::rule(format!("{} {id} does not exist", parent.path())));
            }
        }
        if !matches!(kind, Kind::Users | Kind::Agents) {
            return Ok(());
        }
        for name in ["roles", "role_ids", "add_roles"] {
            let roles = element.posted.get(name).and_then(Value::as_array);
            for role in roles.into_iter().flatten() {
                if self.find_role(kind, role).is_none() {
                    return Err(Refusal::rule(format!("Role {role} does not exist")));
                }
            }
        }
        Ok(())
    }

    fn check_rules(
        &self,
        kind: Kind,
        element: &Element,
        before: &Row,
        after: &Row,
    ) -> Result<(), Refusal> {
        let own = element.id.unwrap_or_default();
        if kind == Kind::Users && self.knobs.email_collision == EmailCollision::Refused {
            let email = text(after, "emailaddress");
            let is_new = !email.eq_ignore_ascii_case(text(before, "emailaddress"));
            if is_new && self.users.with_email(email).into_iter().any(|id| id != own) {
                return Err(Refusal::rule(format!(
                    "A user with the email address {email} already exists"
                )));
            }
        }
        if kind != Kind::Agents {
            return Ok(());
        }
        let disables = flag(after, "isdisabled") && !flag(before, "isdisabled");
        if disables && self.knobs.agents_with_open_tickets.contains(&own) {
            return Err(Refusal::rule("Please reassign the open tickets of this agent first"));
        }
        let is_named = |row: &Row| int(row, "licence_type") == NAMED && !flag(row, "isdisabled");
        if is_named(after) && !is_named(before) {
            let agents = &self.table(Kind::Agents).rows;
            let used = agents.values().filter(|row| is_named(row)).count();
            if self.knobs.named_licences.is_some_and(|bought| used >= bought) {
                return Err(Refusal::rule("There are no named licences left"));
            }
        }
        Ok(())
    }

    /// Saves a checked element.
    fn save(&mut self, kind: Kind, element: Element) -> (i64, bool) {
        let created = element.id.is_none();
        let id = element.id.unwrap_or_else(|| self.next_id(kind));
        let before = self.row(kind, id).cloned().unwrap_or_default();
        let mut row = before.clone();
        self.merge(kind, id, &mut row, &element.posted);
        if let Some(name) = kind.changed_at() {
            row.insert(name.to_owned(), self.stamp());
        }
        if created && kind.field("datecreated").is_some() {
            row.insert("datecreated".to_owned(), self.stamp());
        }
        if !created {
            self.keep_history(kind, id, &before, &row);
        }
        self.put(kind, id, row);
        self.follow_up(kind, id, created);
        let path = format!("/api/{}", kind.path());
        self.writes.push(Write {
            method: "POST".to_owned(),
            path,
            body: element.sent,
            created,
            id,
        });
        (id, created)
    }

    /// What Halo does by itself after a save.
    fn follow_up(&mut self, kind: Kind, id: i64, created: bool) {
        if kind == Kind::Cabs {
            self.copy_members(id);
        } else if kind == Kind::Sites && created {
            self.ensure_general_user(id);
        } else if kind == Kind::Clients && created {
            self.add_main_site(id);
        }
    }

    fn add_main_site(&mut self, client_id: i64) {
        let mut client = self.row(Kind::Clients, client_id).cloned().unwrap_or_default();
        let asked = text(&client, "newclient_sitename");
        let name = if asked.is_empty() { "Main" } else { asked };
        let site = self.add(Kind::Sites, &json!({ "name": name, "client_id": client_id }));
        self.ensure_general_user(site);
        client.insert("main_site_id".to_owned(), json!(site));
        self.put(Kind::Clients, client_id, client);
    }

    /// `CABMember` shows the members that the CABs hold.
    pub(super) fn copy_members(&mut self, cab_id: i64) {
        let members = self.row(Kind::Cabs, cab_id).and_then(|cab| cab.get("members")).cloned();
        let members = members.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        let rows = self.table(Kind::CabMembers).rows.iter();
        let old: Vec<i64> =
            rows.filter(|(_, row)| int(row, "cab_id") == cab_id).map(|(id, _)| *id).collect();
        for id in old {
            self.remove(Kind::CabMembers, id);
        }
        for member in &members {
            let mut row = object(member);
            if let Some(id) = take_id(&mut row) {
                self.put(Kind::CabMembers, id, row);
            }
        }
    }

    fn keep_history(&mut self, kind: Kind, id: i64, before: &Row, after: &Row) {
        let kept = [
            (Kind::Users, Kind::UserChanges, "user_id"),
            (Kind::Licences, Kind::LicenceChanges, "licence_id"),
        ];
        let Some((_, history, holder)) = kept.into_iter().find(|(of, ..)| *of == kind) else {
            return;
        };
        for (name, value) in after {
            if before.get(name) == Some(value) || kind.changed_at() == Some(name.as_str()) {
                continue;
            }
            let who = self.row(Kind::Agents, self.application.agent_id);
            let change = json!({
                holder: id, "field_name": name, "old_value": before.get(name), "new_value": value,
                "who": who.map(|agent| text(agent, "name")), "change_date": self.stamp(),
            });
            self.put(history, self.next_id(history), object(&change));
        }
    }

    /// Answers `DELETE` of one record.
    pub(super) fn delete(&mut self, kind: Kind, id: i64) -> Reply {
        let Some(gone) = self.visible_row(kind, id).and_then(|_| self.detail(kind, id)) else {
            return Reply::empty(404);
        };
        if kind == Kind::Users && self.knobs.users_with_history.contains(&id) {
            let refusal = Refusal::rule("This user has history and cannot be deleted");
            return refusal.reply(self.knobs.refusals);
        }
        self.remove(kind, id);
        let path = format!("/api/{}/{id}", kind.path());
        let (method, body) = ("DELETE".to_owned(), Value::Null);
        self.writes.push(Write { method, path, body, created: false, id });
        Reply::json(200, &gone)
    }
}

/// The records in a body: an array of objects, or one bare object.
fn elements(body: &[u8]) -> Result<Vec<Element>, Refusal> {
    let mistake = || Refusal::property("", "The request body is not a list of records.");
    let body: Value = serde_json::from_slice(body).map_err(|_| mistake())?;
    let sent = match body.as_array() {
        Some(records) => {
            let place = |(at, record): (usize, &Value)| (format!("[{at}]"), record.clone());
            records.iter().enumerate().map(place).collect()
        }
        None => vec![(String::new(), body)],
    };
    if sent.is_empty() || sent.iter().any(|(_, record)| !record.is_object()) {
        return Err(mistake());
    }
    sent.into_iter().map(|(place, record)| element(place, record)).collect()
}

/// An id that is missing, `null` or 0 is none.
fn element(place: String, sent: Value) -> Result<Element, Refusal> {
    let mut posted = object(&sent);
    let mut element = Element { sent, place, id: None, posted: Row::new() };
    let id = posted.get("id").filter(|id| !id.is_null() && !id.is_string());
    if let Some(id) = id {
        let mistake = "The JSON value could not be converted to an integer.";
        let number = id.as_i64().ok_or_else(|| Refusal::property(element.path("id"), mistake))?;
        element.id = Some(number).filter(|number| *number != 0);
        posted.remove("id");
    }
    element.posted = posted;
    Ok(element)
}
