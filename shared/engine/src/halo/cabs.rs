//! Change advisory boards: who sits on one, joining and leaving without a change for the others (R3, R4).

use std::collections::BTreeMap;

use plan::ids::{CabId, CabRoleId, RecordId, RecordKind};
use serde_json::{Map, Value, json};

use super::lists::named;
use super::records::about_another;
use super::wire::{self, Record, int, member};
use super::{Call, Error, Halo, Named, Updated, failed};

/// A change advisory board with its members.
#[derive(Clone, Debug, PartialEq)]
pub struct Cab {
    /// Which board.
    pub id: CabId,
    /// Its name.
    pub name: String,
    /// Its members as they came, because they go back that way.
    pub members: Vec<Value>,
    /// The roles that its members can have.
    pub roles: Vec<Named>,
}

/// A member's place on a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The role that the member has there, if any.
    pub role: Option<CabRoleId>,
}

impl Cab {
    /// The seat of a user or an agent; `None` for whoever has none.
    pub fn seat(&self, record: RecordId) -> Option<Seat> {
        self.members.iter().find(|member| is(member, record)).map(seat)
    }

    /// The members after some left and some joined; whoever does both joins.
    fn merged(
        &self,
        joins: &BTreeMap<RecordId, Option<CabRoleId>>,
        leaves: &[RecordId],
    ) -> Vec<Value> {
        let leaves = || leaves.iter().filter(|record| !joins.contains_key(record));
        let mut members = self.members.clone();
        members.retain(|member| !leaves().any(|record| is(member, *record)));
        for (record, role) in joins {
            let mut seats = members.iter_mut().filter(|member| is(member, *record)).peekable();
            if seats.peek().is_none() {
                drop(seats);
                members.push(newcomer(self.id, *record, *role));
                continue;
            }
            seats.for_each(|member| give_role(member, *role));
        }
        members
    }
}

impl Halo {
    /// A board; `None` when there is none. An answer without its members is an error, because whatever
    /// is saved replaces all of them.
    pub async fn cab(&self, id: CabId) -> Result<Option<Cab>, Error> {
        const OPERATION: &str = "read a Halo CAB";
        let call = Call::get(OPERATION, &["CAB", &id.to_string()])
            .with("includemembers", true)
            .with("includedetails", true);
        let Some(body) = self.json_if_found(&call).await? else { return Ok(None) };
        let record = wire::record(body).map_err(|kind| failed(OPERATION, kind))?;
        if record.int("id") != Some(id.0) {
            return Err(about_another(OPERATION));
        }
        let Some(members) = record.get("members").and_then(Value::as_array) else {
            return Err(failed(OPERATION, wire::malformed("a CAB without its members")));
        };
        let roles = record.array("roles").iter().cloned().filter_map(Record::new);
        Ok(Some(Cab {
            id,
            name: record.text("name").into_owned(),
            members: members.clone(),
            roles: roles.filter_map(|role| named(&role, "id")).collect(),
        }))
    }

    /// Lets records join a board, each with a role if one is named, and others leave it. Whoever sits
    /// there already gets the named role, or keeps the present one; all other members stay as they were
    /// in `cab`, which must have been read just now. Sends nothing when nothing changes. Safe to repeat.
    pub async fn save_cab(
        &self,
        cab: &Cab,
        joins: &[(RecordId, Option<CabRoleId>)],
        leaves: &[RecordId],
    ) -> Result<Updated, Error> {
        let members = cab.merged(&joins.iter().copied().collect(), leaves);
        if members == cab.members {
            return Ok(Updated::Done { warning: None });
        }
        let payload = Map::from_iter([
            ("id".to_owned(), json!(cab.id.0)),
            ("members".to_owned(), Value::Array(members)),
        ]);
        self.save_again("change the members of a Halo CAB", "CAB", cab.id.0, payload).await
    }
}

/// Where a member's number stands.
const fn place(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::User => "user_id",
        RecordKind::Agent => "agent_id",
    }
}

fn is(cab_member: &Value, record: RecordId) -> bool {
    member(cab_member, place(record.kind)).and_then(int) == Some(record.id)
}

fn seat(cab_member: &Value) -> Seat {
    let role = member(cab_member, "role_id").and_then(int).filter(|role| *role > 0);
    Seat { role: role.map(CabRoleId) }
}

fn newcomer(cab: CabId, record: RecordId, role: Option<CabRoleId>) -> Value {
    let mut newcomer = json!({ "cab_id": cab.0, place(record.kind): record.id });
    if let Some(role) = role {
        newcomer["role_id"] = json!(role.0);
    }
    newcomer
}

/// Gives a member another role. The old one's name goes with it; Halo writes the new one.
fn give_role(cab_member: &mut Value, role: Option<CabRoleId>) {
    let Some(role) = role.filter(|role| seat(cab_member).role != Some(*role)) else { return };
    if let Some(properties) = cab_member.as_object_mut() {
        let is_old =
            |name: &str| ["role_id", "role_name"].iter().any(|it| name.eq_ignore_ascii_case(it));
        properties.retain(|name, _| !is_old(name));
        properties.insert("role_id".to_owned(), json!(role.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Joins<'a> = &'a [(RecordId, Option<CabRoleId>)];

    #[test]
    fn a_merge_touches_only_who_joins_or_leaves() {
        // R3, R4: joins, leaves, and the members afterwards.
        let ada =
            json!({"id": 1, "cab_id": 1, "user_id": 5.0, "agent_id": null, "member_name": "Ada"});
        let tess = json!({"id": 2, "cab_id": 1, "agent_id": 5, "user_id": 0, "role_id": 2,
            "role_name": "Chair", "is_mandatory": true, "module_id": 7});
        let chair = Some(CabRoleId(2));
        let scribe = Some(CabRoleId(3));
        let (user, agent) = (RecordId::user(5), RecordId::agent(5));
        let cases: [(&str, Joins<'_>, &[RecordId], Value); 9] = [
            ("nothing", &[], &[], json!([ada, tess])),
            ("there already", &[(user, None), (agent, chair)], &[], json!([ada, tess])),
            ("a role is kept", &[(agent, None)], &[], json!([ada, tess])),
            ("absent already", &[], &[RecordId::user(6)], json!([ada, tess])),
            ("same number, other kind", &[], &[agent], json!([ada])),
            (
                "join",
                &[(RecordId::user(6), None), (RecordId::agent(6), chair)],
                &[],
                json!([ada, tess, {"cab_id": 1, "user_id": 6}, {"cab_id": 1, "agent_id": 6, "role_id": 2}]),
            ),
            (
                "another role",
                &[(agent, scribe)],
                &[],
                json!([ada, {"id": 2, "cab_id": 1, "agent_id": 5, "user_id": 0, "role_id": 3,
                    "is_mandatory": true, "module_id": 7}]),
            ),
            ("join and leave", &[(agent, chair)], &[agent, user], json!([tess])),
            ("all leave", &[], &[agent, user], json!([])),
        ];
        let members = vec![ada.clone(), tess.clone()];
        let cab = Cab { id: CabId(1), name: "CAB".to_owned(), members, roles: Vec::new() };
        assert_eq!(
            (cab.seat(user), cab.seat(agent)),
            (Some(Seat { role: None }), Some(Seat { role: chair }))
        );
        assert_eq!(cab.seat(RecordId::user(6)), None);
        for (name, joins, leaves, expected) in cases {
            let merged = cab.merged(&joins.iter().copied().collect(), leaves);
            assert_eq!(Value::Array(merged), expected, "{name}");
        }
    }
}
