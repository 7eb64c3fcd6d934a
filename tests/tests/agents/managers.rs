//! Line managers: a field that names another person's agent, made good by itself in whatever order.

use plan::ids::ObjectId;
use tests::helpdesk::Company;
use tests::world::{World, int};

/// Whether somebody's agent names the other one's as its line manager.
async fn reports(world: &World, report: ObjectId, manager: ObjectId) -> bool {
    let manager = world.agent(manager).await;
    int(&world.agent(report).await["linemanager"]) == int(&manager["id"])
}

#[tokio::test]
async fn a_report_names_its_manager_whoever_comes_first() {
    // F6: in different segments and in the same one, the report before the manager and behind.
    for (report, manager) in [(0x11, 0x55), (0x55, 0x11), (0x11, 0x12), (0x12, 0x11)] {
        let company = Company::new();
        let report = company.hire(report, "Report", &["IT Helpdesk"]);
        let manager = company.hire(manager, "Manager", &["IT Leads"]);
        company.entra.set_manager(&report.to_string(), Some(&manager.to_string()));
        let world = company.open().await;
        world.sync_until_quiet().await;
        assert!(reports(&world, report, manager).await, "{report} under {manager}");
        let writes = world.halo.writes();
        let own = int(&world.agent(report).await["id"]);
        let own = writes.iter().filter(|it| it.path == "/api/Agent" && it.id == own).count();
        assert!(own <= 2, "{own} writes for {report} under {manager}");
    }
}

#[tokio::test]
async fn two_who_lead_each_other_do_no_harm() {
    // F6
    for (one, other) in [(0x11, 0x12), (0x11, 0x99)] {
        let company = Company::new();
        let one = company.hire(one, "One", &["IT Helpdesk"]);
        let other = company.hire(other, "Other", &["IT Helpdesk"]);
        company.entra.set_manager(&one.to_string(), Some(&other.to_string()));
        company.entra.set_manager(&other.to_string(), Some(&one.to_string()));
        let world = company.open().await;
        world.sync_until_quiet().await;
        assert!(reports(&world, one, other).await && reports(&world, other, one).await);
    }
}

#[tokio::test]
async fn a_report_in_a_large_segment_is_repaired_too() {
    // F6: people of one segment are written in several transactions.
    let company = Company::new();
    let manager = company.hire(0x15, "Manager", &["IT Leads"]);
    let mut people = Vec::new();
    for number in (0x10..0x1f).filter(|number| *number != 0x15) {
        let person = company.hire(number, &format!("Agent {number}"), &["IT Helpdesk"]);
        company.entra.set_manager(&person.to_string(), Some(&manager.to_string()));
        people.push(person);
    }
    let world = company.open().await;
    world.sync_until_quiet().await;
    for person in people {
        assert!(reports(&world, person, manager).await, "{person}");
    }
}

#[tokio::test]
async fn a_manager_who_becomes_an_agent_later_is_named_by_then() {
    // F6
    let company = Company::new();
    let report = company.hire(0x11, "Report", &["IT Helpdesk"]);
    let manager = company.hire(0x55, "Manager", &["Staff"]);
    company.entra.set_manager(&report.to_string(), Some(&manager.to_string()));
    let world = company.open().await;
    world.sync_until_quiet().await;
    assert_eq!(int(&world.agent(report).await["linemanager"]), 0);
    world.join("IT Leads", manager);
    world.sync_until_quiet().await;
    assert!(reports(&world, report, manager).await);
}
