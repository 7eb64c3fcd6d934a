//! Records as items, conditions as expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, DeleteRequest, Put, PutRequest, TransactWriteItem,
    WriteRequest,
};
use jiff::Timestamp;

use crate::store::limits::{expiry_second, is_expired};
use crate::store::{Expect, Key, Record, StoreError, Write};

/// An item as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A text attribute.
pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: &impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The key attributes.
pub(super) fn of_key(key: &Key) -> Item {
    Item::from([("pk".to_owned(), text(&key.pk)), ("sk".to_owned(), text(&key.sk))])
}

/// The whole item of a [`Write::Put`].
pub(super) fn of_put(write: &Write) -> Option<Item> {
    let Write::Put { key, body, expect, expires } = write else { return None };
    let mut item = of_key(key);
    item.insert("v".to_owned(), number(&expect.next_version()));
    item.insert("body".to_owned(), text(body));
    if let Some(expires) = expires {
        item.insert("expires_at".to_owned(), number(&expiry_second(*expires)));
    }
    Some(item)
}

/// The record of an item, unless it is expired.
pub(super) fn record(mut item: Item, now: Timestamp) -> Result<Option<Record>, StoreError> {
    let key = Key { pk: take_text(&mut item, "pk")?, sk: take_text(&mut item, "sk")? };
    let expiry = match item.remove("expires_at") {
        None => None,
        Some(value) => Some(integer(&value).ok_or_else(|| damaged("expires_at", &key))?),
    };
    if is_expired(expiry, now) {
        return Ok(None);
    }
    let version = item.get("v").and_then(integer).ok_or_else(|| damaged("v", &key))?;
    let expires = expiry.and_then(|second| Timestamp::from_second(second).ok());
    let body = take_text(&mut item, "body")?;
    Ok(Some(Record { key, version, body, expires }))
}

fn integer<T: std::str::FromStr>(value: &AttributeValue) -> Option<T> {
    value.as_n().ok()?.parse().ok()
}

/// Takes a text out of an item.
pub(super) fn take_text(item: &mut Item, name: &'static str) -> Result<String, StoreError> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(StoreError {
            operation: "read",
            detail: format!("an item has no text in attribute {name}"),
        }),
    }
}

fn damaged(attribute: &str, key: &Key) -> StoreError {
    let detail = format!("{}/{}: attribute {attribute} is no number", key.pk, key.sk);
    StoreError { operation: "read", detail }
}

/// A condition of a write; empty for none.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// Condition expression.
    pub(super) expression: Option<String>,
    /// The values that it names.
    pub(super) values: Option<Item>,
}

/// What [`Expect`] says, where an expired record counts as absent.
pub(super) fn condition(expect: Expect, now: Timestamp) -> Condition {
    let now = (":now".to_owned(), number(&now.as_second()));
    let (expression, values) = match expect {
        Expect::Anything => return Condition::default(),
        Expect::Absent => ("attribute_not_exists(pk) OR expires_at <= :now", Item::from([now])),
        Expect::Version(version) => (
            "v = :v AND (attribute_not_exists(expires_at) OR expires_at > :now)",
            Item::from([now, (":v".to_owned(), number(&version))]),
        ),
    };
    Condition { expression: Some(expression.to_owned()), values: Some(values) }
}

/// A write as part of a transaction.
pub(super) fn part(
    write: &Write,
    table: &str,
    now: Timestamp,
) -> Result<TransactWriteItem, BuildError> {
    let Condition { expression, values } = condition(write.expect(), now);
    let part = TransactWriteItem::builder();
    Ok(match write {
        Write::Put { .. } => part.put(
            Put::builder()
                .table_name(table)
                .set_item(of_put(write))
                .set_condition_expression(expression)
                .set_expression_attribute_values(values)
                .build()?,
        ),
        Write::Delete { key, .. } => part.delete(
            Delete::builder()
                .table_name(table)
                .set_key(Some(of_key(key)))
                .set_condition_expression(expression)
                .set_expression_attribute_values(values)
                .build()?,
        ),
        Write::Check { key, .. } => part.condition_check(
            ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(of_key(key)))
                // A check needs an expression, also one that demands nothing.
                .condition_expression(expression.unwrap_or_else(|| ANYTHING.to_owned()))
                .set_expression_attribute_values(values)
                .build()?,
        ),
    }
    .build())
}

const ANYTHING: &str = "attribute_exists(pk) OR attribute_not_exists(pk)";

/// A write without condition as part of a batch.
pub(super) fn request(write: &Write) -> Result<WriteRequest, BuildError> {
    let request = WriteRequest::builder();
    Ok(match of_put(write) {
        Some(item) => request.put_request(PutRequest::builder().set_item(Some(item)).build()?),
        None => request
            .delete_request(DeleteRequest::builder().set_key(Some(of_key(write.key()))).build()?),
    }
    .build())
}
