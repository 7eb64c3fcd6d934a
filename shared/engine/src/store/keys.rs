//! Where each kind of record stands in the table: the whole layout on one page.
//!
//! | partition | sort key | what |
//! |---|---|---|
//! | `connections` | id | name of each connection |
//! | `connections#names` | name | the connection that has it (C1) |
//! | `connections#licences` | tenant | the connection that imports its licences (S3) |
//! | `connections#tenants` | tenant, id | a connection that imports the people of the tenant (O3) |
//! | `connections#removed` | id | a connection of which something is left to remove |
//! | `runs#RUN` | `connection` | whose run that is |
//! | `deployment` | `module`, `audit#TIME` | the module switch (C11); who changed the deployment (C10) |
//! | `sign-on` | `settings` | how people sign in here (O1, O2) |
//! | `sign-on` | `tries#WHAT` | sign-ins of a minute, counted |
//! | `sign-on` | `revoked`, `revoked#OID` | when all sessions, or those of a person, were ended |
//! | `sign-on#begun#STATE` | `begun` | a sign-in that was begun, by its state's digest; ages out |
//! | `sign-on#session#COOKIE` | `session` | a session, by its cookie's digest; ages out |
//! | `calls#CALLER` | address and key | what a call with a key was answered |
//! | `c#ID` | `document`, `state`, `lease` | what a step reads first |
//! | `c#ID` | `sign-ins`, `sign-in-lease` | the job that reads last sign-ins (D8) |
//! | `c#ID` | `licences`, `licence-lease` | the ledger of licences (S1) |
//! | `c#ID` | `assigning-lease` | the lease of whoever carries out what Halo asked for (S2) |
//! | `c#ID#holders#SKU` | OID | somebody who holds a licence, or should (S1) |
//! | `c#ID#assignments` | assignment | a licence that Halo asked for; ids sort by time (S2) |
//! | `c#ID#assigning` | assignment | one that is still to be carried out |
//! | `c#ID` | `attempt` | the newest sign-in of a person, and what came of it (C6) |
//! | `c#ID` | `audit#TIME` | who changed what; ids sort by time (C10) |
//! | `c#ID` | `group#OID` | a tracked group |
//! | `c#ID` | `run#RUN` | a run; run ids sort by time |
//! | `c#ID#run#RUN` | segment | a segment's part of a run: its lease, tally and place |
//! | `c#ID#run#RUN` | `people` | the people whom an import is about, where it names them (I2) |
//! | `c#ID#people#SEGMENT` | OID | a person: facts, link, what is pending |
//! | `c#ID#dirty#SEGMENT` | OID | somebody to look at, in the same transaction as the person |
//! | `c#ID#retry` | time, OID | somebody to look at later (T5) |
//! | `c#ID#members#GROUP` | OID | a direct member, with the round that saw it |
//! | `c#ID#reports#OID` | OID | somebody whose manager is the first |
//! | `c#ID#managers` | OID | somebody who ever had reports |
//! | `c#ID#names` | name, OID | people by user principal name and display name |
//! | `c#ID#claims` | Halo record, OID | an unlinked person who hits that Halo record (M3) |
//! | `c#ID#held` | OID | somebody whose deactivation an administrator has to release (L4) |
//! | `c#ID#conflicts` | OID | somebody for whom an administrator has to choose a record (M3) |
//! | `c#ID#parked` | OID | somebody who waits for another try, or for other data (T5) |
//! | `c#ID#seats` | CAB, OID | a seat on a board that is still to be written (R3) |
//! | `c#ID#log` | entry id | the inbound log: a sheet of entries under the oldest of their ids, which sort by time |
//! | `c#ID#log#FACET#VALUE` | entry id | the sheets with entries of a person, run, decision, outcome, mapping |
//! | `previews#PREVIEW` | `connection` | whose preview that is |
//! | `assignments#ASSIGNMENT` | `connection` | whose assignment that is |
//! | `asked#REQUEST` | `assignment` | what became of a request of Halo's, so that it is done once (S2) |
//! | `c#ID` | `preview#PREVIEW` | a preview; with all that follows it ages out after a day (I1) |
//! | `c#ID#preview#P` | `document` | the document whose rules it shows |
//! | `c#ID#preview#P` | segment | a segment's part of it: its lease, totals and place |
//! | `c#ID#preview#P#people#SEGMENT` | OID | a person as it shows them |
//! | `c#ID#preview#P#list` | mapping's rank, decision, OID | its people in order |
//! | `c#ID#preview#P#also#MAPPING` | decision, OID | people whom a second mapping places |
//! | `c#ID#preview#P#claims` | Halo record, OID | an unlinked person who hits that Halo record (M3) |
//! | `c#ID#preview#P#open#SEGMENT` | OID | somebody who is decided when all were looked at |
//! | `halo` | `budget`, `index`, `index-agents` | request budget; states of the indexes of Halo's users and agents |
//! | `halo#agents` | Halo agent | the person whose agent that is (M2) |
//! | `halo#licences` | Halo licence | the connection that imported it, and which SKU it is (S1) |
//! | `halo#chosen` | Halo user | the person whom an administrator linked to that user (M7) |
//! | `halo#index#…`, `halo#sites#…` | | the indexes; the book of sites |

use jiff::Timestamp;
use plan::ids::{
    AssignmentId, CabId, ConnectionId, LicenceId, MappingId, ObjectId, PreviewId, RecordId,
    RecordKind, RunId, Segment, SkuId, TenantId,
};

use super::Key;

/// The list of connections.
pub const CONNECTIONS: &str = "connections";

/// A connection's entry in the list.
pub fn listed(connection: &ConnectionId) -> Key {
    Key::new(CONNECTIONS, connection.as_str())
}

/// The connection that has a name (C1).
pub fn connection_name(name: &str) -> Key {
    Key::new("connections#names", folded(name))
}

/// The partition of connections by the tenants whose people they import.
pub const BY_TENANT: &str = "connections#tenants";

/// What the entries of the connections of a tenant begin with.
pub fn of_tenant(tenant: TenantId) -> String {
    format!("{tenant}#")
}

/// A connection's entry among those of its tenant (O3).
pub fn imports(tenant: TenantId, connection: &ConnectionId) -> Key {
    Key::new(BY_TENANT, format!("{}{connection}", of_tenant(tenant)))
}

const SIGN_ON: &str = "sign-on";

/// How people sign in here.
pub fn sign_on() -> Key {
    Key::new(SIGN_ON, "settings")
}

/// The sign-ins of a minute.
pub fn tries(what: &str) -> Key {
    Key::new(SIGN_ON, format!("tries#{what}"))
}

/// When all sessions were ended that had begun until then.
pub fn revoked() -> Key {
    Key::new(SIGN_ON, "revoked")
}

/// When the sessions of a person were ended that had begun until then.
pub fn revoked_of(person: ObjectId) -> Key {
    Key::new(SIGN_ON, format!("revoked#{person}"))
}

/// A sign-in that was begun, by the digest of its state.
pub fn begun(state: &str) -> Key {
    Key::new(format!("sign-on#begun#{state}"), "begun")
}

/// A session, by the digest of its cookie.
pub fn session(cookie: &str) -> Key {
    Key::new(format!("sign-on#session#{cookie}"), "session")
}

/// The mark of a connection that was removed and of which something is left.
pub fn removed(connection: &ConnectionId) -> Key {
    Key::new("connections#removed", connection.as_str())
}

/// Whose run that is.
pub fn run_pointer(run: RunId) -> Key {
    Key::new(format!("runs#{run}"), "connection")
}

/// What the sort keys of the settings audit begin with.
pub const AUDIT: &str = "audit#";

/// An entry of a connection's settings audit (C10).
pub fn audit(connection: &ConnectionId, id: uuid::Uuid) -> Key {
    Key::new(own(connection), format!("{AUDIT}{id}"))
}

/// The partition of what belongs to the deployment and to no connection.
pub const DEPLOYMENT: &str = "deployment";

/// An entry of the deployment's settings audit (C10).
pub fn deployment_audit(id: uuid::Uuid) -> Key {
    Key::new(DEPLOYMENT, format!("{AUDIT}{id}"))
}

/// What an administrator said of the module switch (C11).
pub fn module() -> Key {
    Key::new(DEPLOYMENT, "module")
}

/// What a call of somebody with a key was answered.
pub fn keyed_call(caller: &str, path: &str, key: &str) -> Key {
    Key::new(format!("calls#{}", folded(caller)), format!("{path}#{key}"))
}

/// The partition of a connection's own records.
pub fn own(connection: &ConnectionId) -> String {
    format!("c#{connection}")
}

/// The connection's document.
pub fn document(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "document")
}

/// Where the connection stands.
pub fn state(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "state")
}

/// The lease of the connection's reader.
pub fn lease(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "lease")
}

/// The newest sign-in of a person on whose behalf the connection is to read (C6).
pub fn attempt(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "attempt")
}

/// The connection's ledger of licences (S1).
pub fn licences(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "licences")
}

/// The lease of the worker that brings Halo's licences up to date.
pub fn licence_lease(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "licence-lease")
}

/// The partition of the people who hold a SKU.
pub fn holders_of(connection: &ConnectionId, sku: SkuId) -> String {
    format!("c#{connection}#holders#{sku}")
}

/// Somebody who holds a SKU.
pub fn holder(connection: &ConnectionId, sku: SkuId, id: ObjectId) -> Key {
    Key::new(holders_of(connection, sku), id.to_string())
}

/// The connection that imports the licences of a tenant (S3).
pub fn licence_source(tenant: TenantId) -> Key {
    Key::new("connections#licences", tenant.to_string())
}

/// The connection that imported a licence of Halo's (S1).
pub fn licence_owner(licence: LicenceId) -> Key {
    Key::new("halo#licences", licence.to_string())
}

/// The partition of what Halo asked for about a connection's licences (S2).
pub fn assignments_of(connection: &ConnectionId) -> String {
    format!("c#{connection}#assignments")
}

/// A licence that Halo asked for.
pub fn assignment(connection: &ConnectionId, id: AssignmentId) -> Key {
    Key::new(assignments_of(connection), id.to_string())
}

/// The partition of what is still to be carried out of that.
pub fn assigning_of(connection: &ConnectionId) -> String {
    format!("c#{connection}#assigning")
}

/// The mark of an assignment that is still to be carried out.
pub fn assigning(connection: &ConnectionId, id: AssignmentId) -> Key {
    Key::new(assigning_of(connection), id.to_string())
}

/// The lease of whoever carries out assignments: one at a time, so that no seat is given twice.
pub fn assigning_lease(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "assigning-lease")
}

/// Whose assignment that is.
pub fn assignment_pointer(id: AssignmentId) -> Key {
    Key::new(format!("assignments#{id}"), "connection")
}

/// What became of a request of Halo's.
pub fn asked(request: &str) -> Key {
    Key::new(format!("asked#{request}"), "assignment")
}

/// Where the job that reads last sign-ins stands (D8).
pub fn sign_ins(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "sign-ins")
}

/// The lease of the job that reads last sign-ins.
pub fn sign_in_lease(connection: &ConnectionId) -> Key {
    Key::new(own(connection), "sign-in-lease")
}

/// A tracked group.
pub fn group(connection: &ConnectionId, group: ObjectId) -> Key {
    Key::new(own(connection), format!("group#{group}"))
}

/// A run.
pub fn run(connection: &ConnectionId, run: RunId) -> Key {
    Key::new(own(connection), format!("run#{run}"))
}

/// The partition of a run's segments; `run` as it stands in a key.
pub fn segments_of(connection: &ConnectionId, run: &str) -> String {
    format!("c#{connection}#run#{run}")
}

/// A segment's part of a run.
pub fn segment(connection: &ConnectionId, run: RunId, segment: Segment) -> Key {
    Key::new(segments_of(connection, &run.to_string()), segment.to_string())
}

/// The partition of a segment's people.
pub fn people(connection: &ConnectionId, segment: Segment) -> String {
    format!("c#{connection}#people#{segment}")
}

/// A person.
pub fn person(connection: &ConnectionId, id: ObjectId) -> Key {
    Key::new(people(connection, id.segment()), id.to_string())
}

/// The partition of a segment's dirty people.
pub fn dirty_of(connection: &ConnectionId, segment: Segment) -> String {
    format!("c#{connection}#dirty#{segment}")
}

/// A dirty mark.
pub fn dirty(connection: &ConnectionId, id: ObjectId) -> Key {
    Key::new(dirty_of(connection, id.segment()), id.to_string())
}

/// The partition of people to look at later.
pub fn retries(connection: &ConnectionId) -> String {
    format!("c#{connection}#retry")
}

/// What the keys of people to look at until `now` are smaller than.
pub fn retries_until(now: Timestamp) -> String {
    format!("{:020}", now.as_millisecond().saturating_add(1).max(0))
}

/// Somebody to look at later; the time comes first and is written so that it sorts.
pub fn retry(connection: &ConnectionId, at: Timestamp, id: ObjectId) -> Key {
    Key::new(retries(connection), format!("{:020}#{id}", at.as_millisecond().max(0)))
}

/// The partition of a group's direct members.
pub fn members_of(connection: &ConnectionId, group: ObjectId) -> String {
    format!("c#{connection}#members#{group}")
}

/// A direct member of a group: a person or a group.
pub fn member(connection: &ConnectionId, group: ObjectId, id: ObjectId) -> Key {
    Key::new(members_of(connection, group), id.to_string())
}

/// The partition of somebody's reports.
pub fn reports_of(connection: &ConnectionId, manager: ObjectId) -> String {
    format!("c#{connection}#reports#{manager}")
}

/// Somebody who reports to `manager`.
pub fn report(connection: &ConnectionId, manager: ObjectId, id: ObjectId) -> Key {
    Key::new(reports_of(connection, manager), id.to_string())
}

/// The partition of those who ever had reports.
pub fn managers(connection: &ConnectionId) -> String {
    format!("c#{connection}#managers")
}

/// The mark of somebody who ever had reports.
pub fn manager(connection: &ConnectionId, id: ObjectId) -> Key {
    Key::new(managers(connection), id.to_string())
}

/// The partition of people by name.
pub fn names(connection: &ConnectionId) -> String {
    format!("c#{connection}#names")
}

/// A name made comparable: trimmed, in lower case, cut to 200 characters.
pub fn folded(name: &str) -> String {
    name.trim().to_lowercase().chars().take(200).collect()
}

/// A person by a folded name.
pub fn name(connection: &ConnectionId, folded: &str, id: ObjectId) -> Key {
    Key::new(names(connection), format!("{folded}#{id}"))
}

/// The partition of claims.
pub fn claims(connection: &ConnectionId) -> String {
    format!("c#{connection}#claims")
}

/// The prefix of the claims on a Halo user.
pub fn claims_on(user: RecordId) -> String {
    format!("{}#{:020}#", user.kind, user.id)
}

/// A person's claim on a Halo user.
pub fn claim(connection: &ConnectionId, user: RecordId, id: ObjectId) -> Key {
    Key::new(claims(connection), format!("{}{id}", claims_on(user)))
}

/// Whose agent a Halo agent is.
pub fn agent_owner(agent: RecordId) -> Key {
    Key::new("halo#agents", format!("{:020}", agent.id))
}

/// Where it stands whose Halo record that is, as far as our own records have to say it.
pub fn owner(record: RecordId) -> Key {
    match record.kind {
        RecordKind::User => chosen(record),
        RecordKind::Agent => agent_owner(record),
    }
}

/// Whom an administrator linked to a Halo user: all others are told by the object id that it carries.
pub fn chosen(user: RecordId) -> Key {
    Key::new("halo#chosen", format!("{:020}", user.id))
}

/// The partition of people whose deactivation is held (L4).
pub fn held_of(connection: &ConnectionId) -> String {
    format!("c#{connection}#held")
}

/// Somebody whose deactivation is held.
pub fn held(connection: &ConnectionId, id: ObjectId) -> Key {
    Key::new(held_of(connection), id.to_string())
}

/// The partition of people for whom an administrator has to choose (M3).
pub fn conflicts_of(connection: &ConnectionId) -> String {
    format!("c#{connection}#conflicts")
}

/// Somebody for whom an administrator has to choose.
pub fn conflict(connection: &ConnectionId, id: ObjectId) -> Key {
    Key::new(conflicts_of(connection), id.to_string())
}

/// The partition of people who wait for another try, or for other data (T5).
pub fn parked_of(connection: &ConnectionId) -> String {
    format!("c#{connection}#parked")
}

/// Somebody who waits so.
pub fn parked(connection: &ConnectionId, id: ObjectId) -> Key {
    Key::new(parked_of(connection), id.to_string())
}

/// The partition of seats on boards that are still to be written (R3).
pub fn seats(connection: &ConnectionId) -> String {
    format!("c#{connection}#seats")
}

/// The prefix of the open seats on one board.
pub fn seats_on(cab: CabId) -> String {
    format!("{:020}#", cab.0)
}

/// Somebody whose seat on a board is still to be written.
pub fn seat(connection: &ConnectionId, cab: CabId, id: ObjectId) -> Key {
    Key::new(seats(connection), format!("{}{id}", seats_on(cab)))
}

/// The lease of whoever writes a board: its record holds all members, so writers take turns.
pub fn cab_lease(cab: CabId) -> Key {
    Key::new("halo", format!("cab-lease#{cab}"))
}

/// The lease of whoever deactivates an agent, so that two workers never take the last two
/// administrators (R7).
pub fn agents_lease() -> Key {
    Key::new("halo", "agents-lease")
}

/// The lease of whoever builds the index of Halo's users.
pub fn index_lease() -> Key {
    Key::new("halo", "index-lease")
}

/// The partition of the inbound log.
pub fn log(connection: &ConnectionId) -> String {
    format!("c#{connection}#log")
}

/// The partition of the sheets with entries that share a value.
pub fn log_by(connection: &ConnectionId, facet: &str, value: &str) -> String {
    format!("c#{connection}#log#{facet}#{value}")
}

/// The people whom a run is about, where it names them (I2).
pub fn named(connection: &ConnectionId, run: RunId) -> Key {
    Key::new(segments_of(connection, &run.to_string()), "people")
}

/// Whose preview that is.
pub fn preview_pointer(preview: PreviewId) -> Key {
    Key::new(format!("previews#{preview}"), "connection")
}

/// A preview.
pub fn preview(connection: &ConnectionId, preview: PreviewId) -> Key {
    Key::new(own(connection), format!("preview#{preview}"))
}

/// The partition of a preview's document and parts; `c#ID#preview#P` also begins the names of its
/// other partitions.
pub fn preview_own(connection: &ConnectionId, preview: PreviewId) -> String {
    format!("c#{connection}#preview#{preview}")
}

/// The document whose rules a preview shows.
pub fn preview_document(connection: &ConnectionId, preview: PreviewId) -> Key {
    Key::new(preview_own(connection, preview), "document")
}

/// A segment's part of a preview.
pub fn preview_part(connection: &ConnectionId, preview: PreviewId, segment: Segment) -> Key {
    Key::new(preview_own(connection, preview), segment.to_string())
}

/// The partition of a segment's people as a preview shows them.
pub fn preview_people(connection: &ConnectionId, preview: PreviewId, segment: Segment) -> String {
    format!("{}#people#{segment}", preview_own(connection, preview))
}

/// A person as a preview shows them.
pub fn preview_person(connection: &ConnectionId, preview: PreviewId, id: ObjectId) -> Key {
    Key::new(preview_people(connection, preview, id.segment()), id.to_string())
}

/// The partition of a preview's list.
pub fn preview_list(connection: &ConnectionId, preview: PreviewId) -> String {
    format!("{}#list", preview_own(connection, preview))
}

/// The partition of people whom a mapping places besides the one that they are listed under.
pub fn preview_also(connection: &ConnectionId, preview: PreviewId, mapping: &MappingId) -> String {
    format!("{}#also#{mapping}", preview_own(connection, preview))
}

/// The partition of claims that a preview foresees (M3).
pub fn preview_claims(connection: &ConnectionId, preview: PreviewId) -> String {
    format!("{}#claims", preview_own(connection, preview))
}

/// The partition of a segment's people who are decided when all were looked at.
pub fn preview_open(connection: &ConnectionId, preview: PreviewId, segment: Segment) -> String {
    format!("{}#open#{segment}", preview_own(connection, preview))
}
