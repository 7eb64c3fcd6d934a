//! Making the table, for tests and local use; a deployment makes it by `infra/template.yaml`.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};

use super::{failed, refused};
use crate::store::StoreError;

const CREATE: &str = "create the table";
/// How long a new table may take until it can be used.
const PATIENCE: Duration = Duration::from_mins(2);

/// Makes an empty table, on demand, with TTL, and waits until it can be used.
pub async fn create_table(client: &Client, name: &str) -> Result<(), StoreError> {
    let mut request =
        client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    for (attribute, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
        let (definition, element) =
            key_attribute(attribute, kind).map_err(|error| failed(CREATE, &error))?;
        request = request.attribute_definitions(definition).key_schema(element);
    }
    request.send().await.map_err(|error| refused(CREATE, &error))?;
    client
        .wait_until_table_exists()
        .table_name(name)
        .wait(PATIENCE)
        .await
        .map_err(|error| failed(CREATE, &error))?;
    let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name("expires_at").build();
    let ttl = ttl.map_err(|error| failed(CREATE, &error))?;
    let request = client.update_time_to_live().table_name(name).time_to_live_specification(ttl);
    request.send().await.map_err(|error| refused(CREATE, &error))?;
    Ok(())
}

fn key_attribute(
    name: &str,
    kind: KeyType,
) -> Result<(AttributeDefinition, KeySchemaElement), BuildError> {
    let definition = AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()?;
    let element = KeySchemaElement::builder().attribute_name(name).key_type(kind).build()?;
    Ok((definition, element))
}
