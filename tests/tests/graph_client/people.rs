//! Reading people: rounds, lists, managers, the count, and the check of properties.

use plan::cursor::{Cursor, Progress};
use plan::facts::{Absent, ManagerNews, News, Presence};
use sandbox::graph::{Endless, Removals};

use super::*;

#[tokio::test]
async fn a_full_round_brings_everybody_and_later_ones_what_changed() {
    // D1, D2
    let world = World::new().await;
    let users = world.add_users(450);
    let graph = world.client();
    let mut copy = Copy::default();
    let (link, pages) = copy.round(&graph, None).await;
    assert_eq!(pages, [200, 200, 50]);
    copy.assert_right(&world.entra);

    let (link, pages) = copy.round(&graph, Some(&link)).await;
    assert_eq!(pages, [0], "nothing changed");

    world.entra.update_user(&users[0], json!({ "department": null, "accountEnabled": false }));
    world.entra.set_manager(&users[1], Some(&users[0]));
    world.entra.soft_delete(&users[2]);
    world.entra.purge(&users[3]);
    let (link, pages) = copy.round(&graph, Some(&link)).await;
    assert_eq!(pages, [4]);
    copy.assert_right(&world.entra);
    assert_eq!(copy.0[&id(&users[2])].presence, Presence::SoftDeleted);
    assert_eq!(copy.0[&id(&users[3])].presence, Presence::Purged);

    world.entra.set_manager(&users[1], Some(&users[5]));
    world.entra.restore(&users[2]);
    let (link, _) = copy.round(&graph, Some(&link)).await;
    assert_eq!(copy.0[&id(&users[2])].presence, Presence::Present);
    copy.assert_right(&world.entra);

    world.entra.set_manager(&users[1], None);
    copy.round(&graph, Some(&link)).await;
    copy.assert_right(&world.entra);
}

#[tokio::test]
async fn rounds_survive_everything_that_delta_has_been_seen_to_do() {
    // D2: each fault alone, over a full round and one of changes.
    type Change = fn(&mut sandbox::graph::Faults);
    let faults: [(&str, Change); 10] = [
        ("one item a page", |f| f.page_size = 1),
        ("three items a page", |f| f.page_size = 3),
        ("tokens with + and /", |f| f.plus_and_slash_tokens = true),
        ("repeats over pages", |f| (f.page_size, f.repeat_over_pages) = (3, true)),
        ("a replay of the round before", |f| f.replay_last_round = true),
        ("old after new", |f| f.old_after_new = true),
        ("empty pages", |f| f.empty_pages = 7),
        ("the new manager before the old", |f| f.manager_addition_first = true),
        ("minimal answers ignored", |f| f.ignore_minimal = true),
        ("another reason", |f| f.member_removed_reason = sandbox::graph::Reason::Changed),
    ];
    for (name, change) in faults {
        let world = World::new().await;
        let users = world.add_users(10);
        world.entra.set_manager(&users[4], Some(&users[9]));
        world.entra.faults(change);
        let (graph, mut copy) = (world.client(), Copy::default());
        let (link, _) = copy.round(&graph, None).await;
        copy.assert_right(&world.entra);
        world.entra.update_user(&users[1], json!({ "displayName": "New", "department": null }));
        world.entra.set_manager(&users[4], Some(&users[0]));
        let (link, _) = copy.round(&graph, Some(&link)).await;
        copy.assert_right(&world.entra);
        world.entra.update_user(&users[2], json!({ "displayName": "Newer" }));
        copy.round(&graph, Some(&link)).await;
        copy.assert_right(&world.entra);
        println!("survived: {name}");
    }
}

#[tokio::test]
async fn removals_that_are_not_told_are_no_news() {
    // D5: what delta is silent about is found by a full read.
    for (removals, expected) in [
        (Removals::Documented, [Presence::SoftDeleted, Presence::Purged]),
        (Removals::OnlyPurge, [Presence::Present, Presence::Purged]),
        (Removals::Silent, [Presence::Present, Presence::Present]),
    ] {
        let world = World::new().await;
        let users = world.add_users(2);
        world.entra.faults(|faults| faults.removals = removals);
        let (graph, mut copy) = (world.client(), Copy::default());
        let (link, _) = copy.round(&graph, None).await;
        world.entra.soft_delete(&users[0]);
        world.entra.purge(&users[1]);
        copy.round(&graph, Some(&link)).await;
        let told = [&users[0], &users[1]].map(|user| copy.0[&id(user)].presence);
        assert_eq!(told, expected, "{removals:?}");
    }
}

#[tokio::test]
async fn a_link_goes_on_from_any_step_and_any_process() {
    // T2: the same page twice, with another client in between.
    let world = World::new().await;
    world.add_users(5);
    world.entra.faults(|faults| faults.page_size = 2);
    let first = world.client().users_delta(None, &select(), Scope::Full).await.unwrap();
    let link = more(&first).unwrap();
    let ids = |page: Page<PersonChange>| page.items.iter().map(|i| i.id).collect::<Vec<_>>();
    let once = ids(world.client().users_delta(Some(&link), &select(), Scope::Full).await.unwrap());
    let twice = ids(world.client().users_delta(Some(&link), &select(), Scope::Full).await.unwrap());
    assert_eq!(once, twice);
    assert_eq!(once.len(), 2);
}

#[tokio::test]
async fn only_full_rounds_may_be_trusted_on_what_they_leave_out() {
    // D2
    let world = World::new().await;
    let users = world.add_users(1);
    let graph = world.client();
    let first = graph.users_delta(None, &select(), Scope::Full).await.unwrap();
    let absent = |page: &Page<PersonChange>| match &page.items[0].news {
        News::Seen(seen) => seen.absent,
        other @ (News::SoftDeleted | News::Purged | News::Missing) => panic!("{other:?}"),
    };
    assert_eq!(absent(&first), Absent::NeverSet);
    world.entra.touch_user(&users[0]);
    let later = graph.users_delta(Some(&delta(&first)), &select(), Scope::Changes).await.unwrap();
    assert_eq!(absent(&later), Absent::Unsaid);
}

#[tokio::test]
async fn a_position_from_now_on_skips_what_is_waiting() {
    // D4
    let world = World::new().await;
    let users = world.add_users(3);
    let graph = world.client();
    let link = graph.users_latest(&select()).await.unwrap();
    let mut copy = Copy::default();
    let (link, pages) = copy.round(&graph, Some(&link)).await;
    assert_eq!(pages, [0]);
    world.entra.update_user(&users[2], json!({ "department": "Legal" }));
    copy.round(&graph, Some(&link)).await;
    assert_eq!(copy.0.len(), 1);
    assert_eq!(copy.0[&id(&users[2])].text("department"), Some("Legal"));
}

#[tokio::test]
async fn endless_rounds_are_noticed_by_their_links() {
    // D7
    for endless in [Endless::SameLink, Endless::FreshLinks] {
        let world = World::new().await;
        world.add_users(5);
        world.entra.faults(|faults| (faults.page_size, faults.endless) = (2, Some(endless)));
        let graph = world.client();
        let (mut cursor, mut known) = (Cursor::Start, BTreeSet::new());
        let pages = loop {
            let page = graph.users_delta(cursor.link(), &select(), Scope::Full).await.unwrap();
            let fresh = page.items.iter().filter(|item| known.insert(item.id)).count();
            match cursor.advance(page.next, fresh as u64, START) {
                Progress::More => {}
                Progress::Complete(_) => panic!("it ended"),
                Progress::Endless => break world.requests("/users/delta"),
            }
        };
        assert!(pages <= 1_010, "{endless:?}: {pages}");
        assert_eq!(known.len(), 5);
    }
}

#[tokio::test]
async fn the_list_brings_everybody_with_managers_and_nulls() {
    // D1: without delta.
    let world = World::new().await;
    let users = world.add_users(1_200);
    world.entra.set_manager(&users[7], Some(&users[1_100]));
    world.entra.update_user(&users[8], json!({ "department": null }));
    let graph = world.client();
    let mut copy = Copy::default();
    let mut at = None;
    let mut sizes = Vec::new();
    loop {
        let page = graph.users_list(at.as_ref(), &select()).await.unwrap();
        sizes.push(page.items.len());
        at = more(&page);
        copy.merge(page.items);
        if at.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [999, 201]);
    copy.assert_right(&world.entra);

    world.entra.set_manager(&users[7], None);
    copy.merge(graph.users_list(None, &select()).await.unwrap().items);
    assert_eq!(copy.0[&id(&users[7])].manager, None, "a manager who is not there is none");
}

#[tokio::test]
async fn managers_that_delta_leaves_out_are_repaired_by_the_list() {
    // F6
    let world = World::new().await;
    let users = world.add_users(4);
    world.entra.faults(|faults| faults.manager_missing = true);
    for user in &users[1..] {
        world.entra.set_manager(user, Some(&users[0]));
    }
    let (graph, mut copy) = (world.client(), Copy::default());
    copy.round(&graph, None).await;
    assert!(copy.0.values().all(|facts| facts.manager.is_none()));
    let page = graph.managers_list(None).await.unwrap();
    for item in &page.items {
        let News::Seen(seen) = &item.news else { panic!("{item:?}") };
        assert!(seen.properties.is_empty() && seen.absent == Absent::Unsaid, "{item:?}");
        assert_eq!(seen.manager == ManagerNews::None, item.id == id(&users[0]));
    }
    copy.merge(page.items);
    copy.assert_right(&world.entra);
}

#[tokio::test]
async fn objects_that_may_not_be_read_are_skipped_and_counted() {
    // D2: nulls of a missing permission do not overwrite.
    let world = World::new().await;
    world.add_users(3);
    let (graph, mut copy) = (world.client(), Copy::default());
    copy.round(&graph, None).await;
    world.entra.faults(|faults| faults.null_users = true);
    for page in [
        graph.users_delta(None, &select(), Scope::Full).await.unwrap(),
        graph.users_list(None, &select()).await.unwrap(),
    ] {
        assert_eq!((page.items.len(), page.skipped), (0, 3));
    }
    copy.assert_right(&world.entra);
}

#[tokio::test]
async fn people_are_counted() {
    // D6
    let world = World::new().await;
    let users = world.add_users(12);
    world.entra.soft_delete(&users[0]);
    let graph = world.client();
    assert_eq!(graph.users_count().await.unwrap(), 11);
    world.entra.faults(|faults| faults.user_count = Some(123_456));
    assert_eq!(graph.users_count().await.unwrap(), 123_456);
}

#[tokio::test]
async fn properties_are_checked_against_graph_itself() {
    // F3
    let world = World::new().await;
    world.add_users(1);
    let graph = world.client();
    let check = async |more: &[&str]| {
        let mut names = select();
        names.extend(more.iter().map(|name| (*name).to_owned()));
        graph.select_works(&names).await.unwrap()
    };
    assert_eq!(check(&["onPremisesExtensionAttributes", "employeeOrgData"]).await, Ok(()));
    for bad in ["shoeSize", "signInActivity", "extension_0123456789abcdef0123456789abcdef_x"] {
        let message = check(&[bad]).await.unwrap_err();
        assert!(message.contains(bad), "{message}");
    }
    // In a tenant without delta the list is asked.
    world.entra.faults(|faults| faults.delta_unsupported = true);
    assert_eq!(check(&[]).await, Ok(()));
    assert!(check(&["shoeSize"]).await.unwrap_err().contains("shoeSize"));
    world.entra.revoke("User.Read.All");
    world.entra.revoke("Directory.Read.All");
    graph.sign_in().await.unwrap();
    let refused = failure(graph.select_works(&select()).await);
    assert_eq!(refused, "graph forbidden Authorization_RequestDenied", "that is no bad property");
}
