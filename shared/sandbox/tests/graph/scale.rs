//! The cost of a page follows the page and not the directory.

use serde_json::json;

use super::client::Setup;

#[tokio::test]
async fn a_quiet_round_of_a_large_tenant_is_one_empty_page() {
    let setup = Setup::of(sandbox::sample::large(25_000, 1)).await;
    let mut setup = setup;
    setup.renew().await;
    let got = setup.get("/users/delta?$select=displayName&$deltatoken=latest").await;
    let first = setup.graph.user_ids().remove(0);
    setup.graph.update_user(&first, json!({ "displayName": "Changed" }));
    let round = setup.round(&got.delta().unwrap()).await;
    assert_eq!(round.ids(), [first]);
    let full = setup.round("/users/delta?$select=displayName,mail").await;
    assert_eq!((full.items.len(), full.pages.len()), (25_000, 125));
}
