//! Reading groups: rounds with members, plain member lists.

use engine::graph::{GroupChange, GroupNews, Member};
use sandbox::graph::{Deletion, Reason};

use super::*;

/// Members and names as a run would keep them.
#[derive(Default)]
struct Groups {
    members: BTreeMap<ObjectId, BTreeSet<ObjectId>>,
    names: BTreeMap<ObjectId, String>,
    gone: BTreeSet<ObjectId>,
}

impl Groups {
    fn merge(&mut self, change: GroupChange) {
        let members = self.members.entry(change.id).or_default();
        for removed in &change.removed {
            members.remove(removed);
        }
        members.extend(change.added.iter().map(|member| match member {
            Member::User(id) | Member::Group(id) => *id,
        }));
        self.names.extend(change.name.map(|name| (change.id, name)));
        if change.news == GroupNews::Gone {
            self.gone.insert(change.id);
        }
    }

    async fn round(
        &mut self,
        graph: &Graph,
        link: Option<&Link>,
        ids: &[ObjectId],
    ) -> (Link, usize) {
        let mut at = link.cloned();
        let mut entries = 0;
        loop {
            let page = graph.groups_delta(at.as_ref(), ids).await.unwrap();
            entries += page.items.len();
            at = more(&page);
            let end = at.is_none().then(|| delta(&page));
            page.items.into_iter().for_each(|item| self.merge(item));
            if let Some(link) = end {
                return (link, entries);
            }
        }
    }

    /// Fails unless the direct members of the groups are those of the directory.
    fn assert_right(&self, entra: &Simulator, groups: &[ObjectId]) {
        for group in groups {
            let truth: BTreeSet<ObjectId> =
                entra.members(&group.to_string(), false).iter().map(|member| id(member)).collect();
            assert_eq!(self.members.get(group).cloned().unwrap_or_default(), truth, "{group}");
        }
    }
}

fn group(world: &World, name: &str, members: &[String]) -> ObjectId {
    let group = world.entra.add_group(json!({ "displayName": name }));
    for member in members {
        world.entra.add_member(&group, member);
    }
    id(&group)
}

#[tokio::test]
async fn members_are_followed_through_rounds() {
    // D1, D2
    let world = World::new().await;
    let users = world.add_users(6);
    let sales = group(&world, "Sales", &users[..3]);
    let empty = group(&world, "Empty", &[]);
    group(&world, "Not asked for", &users);
    let (graph, mut groups) = (world.client(), Groups::default());
    let ids = [sales, empty];
    let (link, entries) = groups.round(&graph, None, &ids).await;
    assert_eq!(entries, 2, "only the groups that were asked for");
    groups.assert_right(&world.entra, &ids);

    let (link, entries) = groups.round(&graph, Some(&link), &ids).await;
    assert_eq!(entries, 0);
    world.entra.remove_member(&sales.to_string(), &users[0]);
    world.entra.add_member(&sales.to_string(), &users[5]);
    world.entra.add_member(&empty.to_string(), &users[4]);
    world.entra.rename_group(&sales.to_string(), "Sales EMEA");
    let (link, _) = groups.round(&graph, Some(&link), &ids).await;
    groups.assert_right(&world.entra, &ids);
    assert_eq!(groups.names[&sales], "Sales EMEA");

    world.entra.delete_group(&empty.to_string(), Deletion::Hard);
    groups.round(&graph, Some(&link), &ids).await;
    assert_eq!(groups.gone, BTreeSet::from([empty]));
}

#[tokio::test]
async fn large_groups_come_in_pieces_and_are_whole_in_the_end() {
    // D2: first and later rounds, in pieces of any size, with removals of strangers in between.
    for size in [1, 3, 500] {
        let world = World::new().await;
        let users = world.add_users(40);
        world.entra.faults(|faults| {
            faults.members_per_entry = size;
            faults.unknown_member_removed = true;
            faults.member_removed_reason = Reason::Changed;
        });
        let staff = group(&world, "All staff", &users[..30]);
        let (graph, mut groups) = (world.client(), Groups::default());
        let (link, _) = groups.round(&graph, None, &[staff]).await;
        groups.assert_right(&world.entra, &[staff]);
        for user in &users[..10] {
            world.entra.remove_member(&staff.to_string(), user);
        }
        for user in &users[30..] {
            world.entra.add_member(&staff.to_string(), user);
        }
        groups.round(&graph, Some(&link), &[staff]).await;
        groups.assert_right(&world.entra, &[staff]);
    }
}

#[tokio::test]
async fn fifty_groups_fit_into_one_stream() {
    // D1
    let world = World::new().await;
    let users = world.add_users(2);
    let ids: Vec<ObjectId> = (0..50).map(|n| group(&world, &format!("G{n}"), &users)).collect();
    let (graph, mut groups) = (world.client(), Groups::default());
    groups.round(&graph, None, &ids).await;
    groups.assert_right(&world.entra, &ids);
}

#[tokio::test]
async fn groups_inside_groups_are_told_from_people_and_devices_are_left_out() {
    // P3
    let world = World::new().await;
    let users = world.add_users(1);
    let inner = group(&world, "Inner", &[]);
    let outer = group(&world, "Outer", &[users[0].clone(), inner.to_string()]);
    world.entra.add_member(&outer.to_string(), &world.entra.add_device("Printer"));
    let graph = world.client();
    let expected = BTreeSet::from([Member::User(id(&users[0])), Member::Group(inner)]);
    let page = graph.groups_delta(None, &[outer]).await.unwrap();
    assert_eq!(page.items[0].added.iter().copied().collect::<BTreeSet<_>>(), expected);
    let page = graph.members_list(outer, None).await.unwrap().unwrap();
    assert_eq!(page.items.iter().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!(page.skipped, 1);
}

#[tokio::test]
async fn hidden_groups_keep_their_names() {
    // D2
    let world = World::new().await;
    let users = world.add_users(1);
    let (sales, empty) = (group(&world, "Sales", &users), group(&world, "Empty", &[]));
    world.entra.faults(|faults| faults.null_groups = true);
    let page = world.client().groups_delta(None, &[sales, empty]).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|item| (item.id, item.name.clone())).collect();
    assert_eq!(names, [(sales, None)]);
    assert_eq!(page.skipped, 1);
}

#[tokio::test]
async fn a_position_from_now_on_skips_what_is_waiting() {
    // D4
    let world = World::new().await;
    let users = world.add_users(2);
    let sales = group(&world, "Sales", &users[..1]);
    let (graph, mut groups) = (world.client(), Groups::default());
    let link = graph.groups_latest(&[sales]).await.unwrap();
    world.entra.add_member(&sales.to_string(), &users[1]);
    groups.round(&graph, Some(&link), &[sales]).await;
    assert_eq!(groups.members[&sales], BTreeSet::from([id(&users[1])]));
}

#[tokio::test]
async fn members_are_listed_page_by_page_where_there_is_no_delta() {
    // D1
    let world = World::new().await;
    let users = world.add_users(1_100);
    let staff = group(&world, "All staff", &users);
    let graph = world.client();
    let first = graph.members_list(staff, None).await.unwrap().unwrap();
    let link = more(&first).unwrap();
    let second = graph.members_list(staff, Some(&link)).await.unwrap().unwrap();
    assert_eq!(second.next, Next::End(None));
    let listed: BTreeSet<Member> = first.items.into_iter().chain(second.items).collect();
    assert_eq!(listed, users.iter().map(|user| Member::User(id(user))).collect());

    world.entra.delete_group(&staff.to_string(), Deletion::Hard);
    assert!(graph.members_list(staff, None).await.unwrap().is_none(), "it is gone");
    assert!(graph.members_list(staff, Some(&link)).await.unwrap().is_none(), "it went meanwhile");
}
