//! `$batch`: limits, order, dependencies, and failures inside.

use serde_json::{Value, json};

use super::client::{Got, Setup};

fn requests(paths: &[String]) -> Value {
    let request =
        |(i, url): (usize, &String)| json!({ "id": i.to_string(), "method": "GET", "url": url });
    json!({ "requests": paths.iter().enumerate().map(request).collect::<Vec<_>>() })
}

fn status(got: &Got, id: &str) -> Value {
    let body = got.json();
    let responses = body["responses"].as_array().unwrap();
    let found = responses.iter().find(|response| response["id"] == id);
    found.map_or(Value::Null, |response| response["status"].clone())
}

#[tokio::test]
async fn answers_come_in_any_order_with_their_own_status() {
    let setup = Setup::new().await;
    let ids = setup.add_users(20);
    setup.graph.set_manager(&ids[0], Some(&ids[1]));
    let paths: Vec<String> =
        ids.iter().map(|id| format!("/users/{id}/manager?$select=id")).collect();
    let got = setup.post("/$batch", &requests(&paths)).await;
    assert_eq!(got.status, 200);
    assert_eq!((status(&got, "0"), status(&got, "1")), (json!(200), json!(404)));
    let body = got.json();
    let order: Vec<&str> = body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|response| response["id"].as_str().unwrap())
        .collect();
    assert_eq!(order.len(), 20);
    assert_ne!(order, (0..20).map(|i| i.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn malformed_batches_are_refused() {
    let setup = Setup::new().await;
    let many = requests(&vec!["/users".to_owned(); 21]);
    assert_eq!(setup.post("/$batch", &many).await.status, 400);
    let request = |id: &str| json!({ "id": id, "method": "GET", "url": "/users" });
    let twice = json!({ "requests": [request("a"), request("A")] });
    assert_eq!(setup.post("/$batch", &twice).await.status, 400);
    let no_type = json!({ "requests": [{ "id": "1", "method": "POST", "url": "/x", "body": {} }] });
    assert_eq!(setup.post("/$batch", &no_type).await.status, 400);
}

#[tokio::test]
async fn a_request_fails_with_the_one_it_depends_on() {
    let setup = Setup::new().await;
    let batch = json!({ "requests": [
        { "id": "1", "method": "GET", "url": "/users/nobody" },
        { "id": "2", "method": "GET", "url": "/users", "dependsOn": ["1"] } ] });
    let got = setup.post("/$batch", &batch).await;
    assert_eq!((got.status, status(&got, "2")), (200, json!(424)));
    setup.graph.faults(|faults| faults.batch_failed_outside = 1);
    assert_eq!(setup.post("/$batch", &batch).await.status, 424);
}

#[tokio::test]
async fn inner_requests_are_throttled_and_lost_one_by_one() {
    let setup = Setup::new().await;
    let paths = vec!["/users".to_owned(), "/groups".to_owned()];
    setup.graph.faults(|faults| faults.batch_throttled = 1);
    let got = setup.post("/$batch", &requests(&paths)).await;
    assert_eq!((status(&got, "0"), status(&got, "1")), (json!(429), json!(200)));
    setup.graph.faults(|faults| faults.batch_missing = 1);
    let got = setup.post("/$batch", &requests(&paths)).await;
    assert_eq!(got.json()["responses"].as_array().unwrap().len(), 1);
}
