//! What needs AWS itself, against LocalStack. One test binary, so that one emulator is enough.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use tests::aws::localstack;

#[tokio::test]
async fn a_table_keeps_an_item() {
    let emulator = localstack().await;
    let dynamodb = aws_sdk_dynamodb::Client::new(&emulator.sdk_config().await);
    let table = emulator.unique_name("smoke");
    dynamodb
        .create_table()
        .table_name(&table)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("pk")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("pk")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        )
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();

    let item = [
        ("pk".to_owned(), AttributeValue::S("person".into())),
        ("n".to_owned(), AttributeValue::N("7".into())),
    ];
    let put = dynamodb.put_item().table_name(&table).set_item(Some(item.clone().into()));
    put.send().await.unwrap();
    let got = dynamodb
        .get_item()
        .table_name(&table)
        .key("pk", AttributeValue::S("person".into()))
        .send()
        .await
        .unwrap();

    assert_eq!(got.item, Some(item.into()));
}

#[tokio::test]
async fn a_queue_hands_on_a_message() {
    let emulator = localstack().await;
    let sqs = aws_sdk_sqs::Client::new(&emulator.sdk_config().await);
    let created = sqs.create_queue().queue_name(emulator.unique_name("smoke")).send().await;
    let url = created.unwrap().queue_url.unwrap();

    sqs.send_message().queue_url(&url).message_body("look").send().await.unwrap();
    let received = sqs.receive_message().queue_url(&url).wait_time_seconds(5).send().await.unwrap();

    let bodies: Vec<_> = received.messages().iter().filter_map(|message| message.body()).collect();
    assert_eq!(bodies, ["look"]);
}

#[tokio::test]
async fn a_secret_can_be_read_back() {
    let emulator = localstack().await;
    let secrets = aws_sdk_secretsmanager::Client::new(&emulator.sdk_config().await);
    let name = emulator.unique_name("smoke");

    secrets.create_secret().name(&name).secret_string("value").send().await.unwrap();
    let got = secrets.get_secret_value().secret_id(&name).send().await.unwrap();

    assert_eq!(got.secret_string(), Some("value"));
}
