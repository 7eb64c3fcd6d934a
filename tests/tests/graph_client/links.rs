//! Links: followed unchanged, to the own Graph only, and given up when they expire.

use sandbox::graph::Expiry;

use super::*;

#[tokio::test]
async fn links_arrive_byte_by_byte_as_they_were_given() {
    // D2
    let world = World::new().await;
    world.add_users(7);
    world.entra.faults(|faults| (faults.page_size, faults.plus_and_slash_tokens) = (2, true));
    let graph = world.client();
    let mut given = Vec::new();
    let mut at: Option<Link> = None;
    for _ in 0..4 {
        let page = graph.users_delta(at.as_ref(), &select(), Scope::Full).await.unwrap();
        at = Some(more(&page).unwrap_or_else(|| delta(&page)));
        given.extend(at.clone());
    }
    graph.users_delta(at.as_ref(), &select(), Scope::Changes).await.unwrap();
    let odd = format!(
        "{}/v1.0/users/delta?$deltatoken=a+b%2Bc%2fd/e==&x=(y;$z='1'),~!*",
        world.served.url
    );
    given.push(Link::new(odd));
    assert_eq!(
        failure(graph.users_delta(given.last(), &select(), Scope::Changes).await),
        "graph link expired"
    );
    let log = world.served.log.all();
    let sent: Vec<&str> = log
        .iter()
        .filter(|seen| seen.path == "/v1.0/users/delta")
        .map(|seen| seen.query.as_str())
        .collect();
    let queries = given.iter().map(|link| link.expose().split_once('?').unwrap().1.to_owned());
    // A quote is the one character of them that addresses escape.
    let queries: Vec<String> = queries.map(|query| query.replace('\'', "%27")).collect();
    assert_eq!(sent[1..], queries);
    assert!(queries.iter().any(|query| query.contains('+') && query.contains('/')));
}

#[tokio::test]
async fn links_to_other_hosts_are_neither_kept_nor_followed() {
    // D2: the token would go there.
    let world = World::new().await;
    let other = World::new().await;
    world.add_users(500);
    let group = world.entra.add_group(json!({ "displayName": "Sales" }));
    let graph = world.client();
    let honest = graph.users_delta(None, &select(), Scope::Full).await.unwrap();
    world.entra.faults(|faults| faults.forged_links_to = Some(other.served.url.clone()));
    let foreign = "graph foreign link";
    assert_eq!(failure(graph.users_delta(None, &select(), Scope::Full).await), foreign);
    assert_eq!(
        failure(graph.users_delta(more(&honest).as_ref(), &select(), Scope::Full).await),
        foreign
    );
    assert_eq!(failure(graph.users_latest(&select()).await), foreign);
    assert_eq!(failure(graph.groups_delta(None, &[id(&group)]).await), foreign);
    let before = world.served.log.count();
    let forged = Link::new(format!("{}/v1.0/users/delta?$deltatoken=x", other.served.url));
    assert_eq!(failure(graph.users_delta(Some(&forged), &select(), Scope::Changes).await), foreign);
    assert_eq!(failure(graph.users_list(Some(&forged), &select()).await), foreign);
    assert_eq!(failure(graph.managers_list(Some(&forged)).await), foreign);
    assert_eq!(failure(graph.groups_delta(Some(&forged), &[]).await), foreign);
    assert_eq!(failure(graph.members_list(id(&group), Some(&forged)).await), foreign);
    assert_eq!(world.served.log.count(), before, "nothing is sent for them");
    assert_eq!(other.served.log.count(), 0);
}

#[tokio::test]
async fn expired_links_are_told_from_wrong_queries() {
    // D3: each form in which Graph refuses an old position.
    let world = World::new().await;
    world.add_users(3);
    let group = world.entra.add_group(json!({ "displayName": "Sales" }));
    let graph = world.client();
    for expiry in [Expiry::ThirtyDays, Expiry::Gone, Expiry::SyncStateNotFound] {
        world.entra.faults(|faults| faults.delta_expiry = expiry);
        let users = delta(&graph.users_delta(None, &select(), Scope::Full).await.unwrap());
        let groups = delta(&graph.groups_delta(None, &[id(&group)]).await.unwrap());
        world.entra.expire_delta_links();
        let users = graph.users_delta(Some(&users), &select(), Scope::Changes).await;
        assert_eq!(failure(users), "graph link expired", "{expiry:?}");
        let groups = graph.groups_delta(Some(&groups), &[id(&group)]).await;
        assert_eq!(failure(groups), "graph link expired", "{expiry:?}");
    }
    // By age, as after a long holiday.
    let users = delta(&graph.users_delta(None, &select(), Scope::Full).await.unwrap());
    world.advance(8 * 86_400);
    let users = graph.users_delta(Some(&users), &select(), Scope::Changes).await;
    assert_eq!(failure(users), "graph link expired");
}

#[tokio::test]
async fn expired_pages_are_refused_links_too() {
    // D3
    let world = World::new().await;
    world.add_users(1_100);
    let graph = world.client();
    let round = graph.users_delta(None, &select(), Scope::Full).await.unwrap();
    let list = graph.users_list(None, &select()).await.unwrap();
    let managers = graph.managers_list(None).await.unwrap();
    world.entra.expire_page_links();
    let link = more(&round);
    let round = graph.users_delta(link.as_ref(), &select(), Scope::Full).await;
    assert_eq!(failure(round), "graph link expired");
    let list = graph.users_list(more(&list).as_ref(), &select()).await;
    assert_eq!(failure(list), "graph link expired");
    let managers = graph.managers_list(more(&managers).as_ref()).await;
    assert_eq!(failure(managers), "graph link expired");
}

#[tokio::test]
async fn a_new_start_after_an_expired_link_needs_no_link() {
    // D3: even where every link is refused, the way out is open.
    let world = World::new().await;
    world.add_users(3);
    let graph = world.client();
    let (link, _) = Copy::default().round(&graph, None).await;
    world.entra.faults(|faults| faults.endless_gone = true);
    let refused = graph.users_delta(Some(&link), &select(), Scope::Changes).await;
    assert_eq!(failure(refused), "graph link expired");
    let mut copy = Copy::default();
    copy.round(&graph, None).await;
    copy.assert_right(&world.entra);
}

#[tokio::test]
async fn the_same_refusal_without_a_link_is_final() {
    // D3, D1: a tenant without delta is told what to do, and is not read in circles.
    let world = World::new().await;
    world.entra.faults(|faults| faults.delta_unsupported = true);
    let graph = world.client();
    let refused = graph.users_delta(None, &select(), Scope::Full).await.unwrap_err();
    assert_eq!(told(&refused), "graph refused 400 Request_UnsupportedQuery");
    assert!(refused.sentence().contains("set sync.delta to false"), "{}", refused.sentence());
}
