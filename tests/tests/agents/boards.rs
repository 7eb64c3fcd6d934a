//! Change advisory boards: one read and one write for each, the seats of others, and boards that fail.

use plan::ids::{CabId, ObjectId};
use plan::link::SeatState;
use plan::tally::{Counts, RunState};
use sandbox::halo::Fault;
use serde_json::{Value, json};
use tests::helpdesk::{APPROVER, Company, FIRST_BOARD, KEPT_BOARD};
use tests::world::{World, int};

/// Three approvers in three segments: one is an agent and a user, two are users.
fn company() -> (Company, [ObjectId; 3]) {
    let company = Company::new();
    let people = [
        company.hire(0x11, "Ada", &["IT Helpdesk", "Approvers"]),
        company.hire(0x55, "Bob", &["Staff", "Approvers"]),
        company.hire(0x99, "Cyd", &["Staff", "Approvers"]),
    ];
    (company, people)
}

async fn users(world: &World, people: &[ObjectId]) -> Vec<i64> {
    let mut users = Vec::new();
    for person in people {
        users.push(int(&world.user(*person).await["id"]));
    }
    users
}

fn seats(world: &World, cab: i64) -> Vec<i64> {
    let members = world.board(cab);
    assert!(members.iter().all(|(kind, ..)| *kind == "user"), "the user sits where there is one");
    members.into_iter().map(|(_, id, _)| id).collect()
}

fn member(world: &World, cab: i64, user: i64) -> Value {
    let cabs = world.halo.cabs();
    let board = cabs.iter().find(|board| int(&board["id"]) == cab).unwrap();
    let members = board["members"].as_array().unwrap();
    members.iter().find(|member| int(&member["user_id"]) == user).unwrap().clone()
}

#[tokio::test]
async fn several_people_are_one_read_and_one_write_of_each_board() {
    // R3, R4, H3
    let (company, people) = company();
    let chairs: Vec<i64> = {
        let users = company.halo.users().into_iter();
        let chairs = users.filter(|user| user["name"].as_str().unwrap().starts_with("Chair"));
        chairs.map(|user| int(&user["id"])).collect()
    };
    let world = company.open().await;
    let before = member(&world, KEPT_BOARD, chairs[0]);
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    let users = users(&world, &people).await;
    for (cab, chair) in [(KEPT_BOARD, chairs[0]), (FIRST_BOARD, chairs[1])] {
        let mut expected = users.clone();
        expected.push(chair);
        expected.sort_unstable();
        assert_eq!(seats(&world, cab), expected);
        assert_eq!(world.asked("GET", &format!("/api/CAB/{cab}")), 1, "one read");
        let writes = world.halo.writes();
        let boards = writes.iter().filter(|write| write.path == "/api/CAB" && write.id == cab);
        assert_eq!(boards.count(), 1, "one write");
    }
    assert_eq!(member(&world, KEPT_BOARD, chairs[0]), before, "others sit as they sat");
    assert_eq!(int(&member(&world, KEPT_BOARD, users[0])["role_id"]), APPROVER);
    assert_eq!(int(&member(&world, FIRST_BOARD, users[0])["role_id"]), 0);
    let quiet = world.sync().await;
    assert_eq!((quiet.counts, quiet.requests.halo), (Counts::default(), 0), "T4");

    // Kept in step where the row says so, and only there.
    world.leave("Approvers", people[0]);
    let run = world.sync().await;
    assert_eq!(run.counts, Counts { updated: 1, ..Counts::default() }, "{run:#?}");
    assert!(!seats(&world, KEPT_BOARD).contains(&users[0]));
    assert!(seats(&world, FIRST_BOARD).contains(&users[0]));
    world.join("Approvers", people[0]);
    world.sync().await;
    assert!(seats(&world, KEPT_BOARD).contains(&users[0]));
    assert_eq!(member(&world, KEPT_BOARD, chairs[0]), before);
}

#[tokio::test]
async fn a_seat_that_others_gave_is_never_taken() {
    // R4
    let company = Company::new();
    let bob = company.hire(0x55, "Bob", &["Staff", "Approvers"]);
    let user = company.halo.add_user(&json!({ "name": "Bob", "site_id": 12,
        "emailaddress": "bob@contoso.example" }));
    company.halo.add_cab(&json!({ "id": 3, "name": "By hand",
        "members": [{ "id": 301, "cab_id": 3, "user_id": user }] }));
    let mut company = company;
    let rows = company.document["roles"]["cabs"].as_array_mut().unwrap();
    rows.push(json!({ "group": { "name": "Approvers" }, "cab_id": 3, "keep": true }));
    let world = company.open().await;
    world.sync().await;
    assert_eq!(int(&world.user(bob).await["id"]), user, "found by mail");
    let link = world.link(bob).await;
    assert_eq!(link.seats[&CabId(3)].state, SeatState::Others);
    assert_eq!(link.seats[&CabId(KEPT_BOARD)].state, SeatState::Ours);
    world.leave("Approvers", bob);
    world.sync().await;
    assert_eq!(seats(&world, 3), [user], "by hand");
    assert!(!seats(&world, KEPT_BOARD).contains(&user));
}

#[tokio::test]
async fn a_board_that_is_gone_is_told_and_stops_nobody() {
    // R3, T5
    let (company, people) = company();
    let world = company.open().await;
    world.halo.remove_cab(FIRST_BOARD);
    let run = world.sync().await;
    assert_eq!((run.state, run.counts.created), (RunState::Completed, 3), "{run:#?}");
    let told = run.warnings.iter().filter(|told| told.contains("no CAB 2 any more")).count();
    assert_eq!(told, 1, "{run:#?}");
    let users = users(&world, &people).await;
    assert!(users.iter().all(|user| seats(&world, KEPT_BOARD).contains(user)));
    let next = world.sync().await;
    assert_eq!((next.requests.halo, next.warnings.len()), (0, 0), "nothing is left to do");
}

#[tokio::test]
async fn where_halo_fails_at_a_board_the_people_are_done_and_the_board_follows() {
    // R3, T1, T5
    let (company, people) = company();
    let world = company.open().await;
    let down = Fault::Status { code: 503, body: String::new() };
    world.halo.fail_next("/api/CAB", "*", 12, down);
    let run = world.sync().await;
    assert_eq!((run.state, run.counts.created), (RunState::Completed, 3), "{run:#?}");
    assert!(run.warnings.iter().any(|told| told.contains("CAB")), "{run:#?}");
    let users = users(&world, &people).await;
    assert!(!seats(&world, KEPT_BOARD).contains(&users[0]));
    let next = world.sync().await;
    assert_eq!(next.state, RunState::Completed, "{next:#?}");
    assert!(users.iter().all(|user| seats(&world, KEPT_BOARD).contains(user)));
    assert!(users.iter().all(|user| seats(&world, FIRST_BOARD).contains(user)));
    world.sync_until_quiet().await;
}

#[tokio::test]
async fn a_board_write_whose_answer_is_lost_is_ours_all_the_same() {
    // R4, T2
    let (company, people) = company();
    let world = company.open().await;
    world.halo.fail_next("/api/CAB", "POST", 1, Fault::ReplyLost);
    let run = world.sync().await;
    assert_eq!(run.state, RunState::Completed, "{run:#?}");
    for person in people {
        assert_eq!(world.link(person).await.seats[&CabId(KEPT_BOARD)].state, SeatState::Ours);
    }
}
