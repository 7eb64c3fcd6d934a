//! A request to AWS as the gate reads it: who sends it, which operation it is, which rights it needs
//! and what it costs.

use axum::http::HeaderMap;
use serde_json::{Map, Value};

use super::policy::Right;

/// The account of the emulator.
pub(super) const ACCOUNT: &str = "000000000000";

/// Where the name of an application stands in the user agent (`AWS_SDK_UA_APP_ID`).
const APPLICATION: &str = "app/halo-entra-";

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// The function that sent it.
    pub(super) function: String,
    /// `dynamodb`, `sqs` or `secretsmanager`.
    pub(super) service: &'static str,
    /// Such as `BatchGetItem`.
    pub(super) operation: String,
    body: Value,
}

/// What a request costs in `DynamoDB`'s units for on-demand tables: a read unit is 4 KB read with
/// consistency, a write unit 1 KB written, two in a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Read units.
    pub reads: u64,
    /// Write units.
    pub writes: u64,
}

impl Request {
    /// `Err` says what is not understood.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, String> {
        let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
        let agents = format!("{} {}", text("user-agent"), text("x-amz-user-agent"));
        let function = agents
            .split_whitespace()
            .find_map(|word| word.strip_prefix(APPLICATION))
            .ok_or_else(|| format!("no function names itself in the user agent \"{agents}\""))?;
        let target = text("x-amz-target");
        let (api, operation) =
            target.split_once('.').ok_or_else(|| format!("no operation in \"{target}\""))?;
        let service = match api {
            "DynamoDB_20120810" => "dynamodb",
            "AmazonSQS" => "sqs",
            "secretsmanager" => "secretsmanager",
            _ => return Err(format!("{target} is of no service that a function should call")),
        };
        let body = serde_json::from_slice(body).map_err(|error| format!("{target}: {error}"))?;
        Ok(Self { function: function.to_owned(), service, operation: operation.to_owned(), body })
    }

    /// All rights that it takes, as the service authorisation reference lists them.
    pub(super) fn rights(&self) -> Vec<Right> {
        match self.service {
            "dynamodb" => self.of_table(),
            "sqs" => vec![self.of_queue()],
            _ => self.of_secret(),
        }
    }

    fn of_table(&self) -> Vec<Right> {
        if self.operation == "TransactWriteItems" {
            let parts = self.body["TransactItems"].as_array().into_iter().flatten();
            return parts.flat_map(|part| fields(part).iter().map(of_part)).collect();
        }
        let one = self.body["TableName"].as_str();
        let several = fields(&self.body["RequestItems"]).keys().map(String::as_str);
        let tables = one.into_iter().chain(several);
        tables.map(|table| right("dynamodb", &self.operation, &format!("table/{table}"))).collect()
    }

    fn of_queue(&self) -> Right {
        let url = self.body["QueueUrl"].as_str().unwrap_or_default();
        let queue = url.rsplit('/').next().unwrap_or_default();
        // A batch needs the right to do it singly.
        let single = self.operation.strip_suffix("Batch").unwrap_or(&self.operation);
        right("sqs", single, queue)
    }

    fn of_secret(&self) -> Vec<Right> {
        let mut rights = Vec::new();
        let name = |key: &str| self.body[key].as_str().unwrap_or_default();
        if self.operation == "CreateSecret" {
            // Before there is a secret, its ARN has no random end.
            let resource = format!("secret:{}", name("Name"));
            rights.push(right(self.service, &self.operation, &resource));
            if self.body.get("Tags").is_some() {
                rights.push(right(self.service, "TagResource", &resource));
            }
        } else {
            let resource = format!("secret:{}-AbCdEf", name("SecretId"));
            rights.push(right(self.service, &self.operation, &resource));
        }
        rights
    }

    /// The traces that it hands on with messages: their ids.
    pub(super) fn traces(&self) -> Vec<String> {
        let entries = self.body["Entries"].as_array().into_iter().flatten();
        let header = |entry: &Value| {
            let header = &entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"];
            let mut fields = header.as_str()?.split(';');
            fields.find_map(|field| field.strip_prefix("Root=")).map(str::to_owned)
        };
        entries.filter_map(header).collect()
    }

    /// What it costs, from what was sent and what was answered. What is deleted was not seen, and
    /// counts as one unit: our items are hardly ever larger.
    pub(super) fn units(&self, answer: &Value) -> Units {
        let mut units = Units::default();
        match self.operation.as_str() {
            "Query" => {
                let items = answer["Items"].as_array().into_iter().flatten();
                units.reads = blocks(items.map(item_size).sum(), 4096);
            }
            "BatchGetItem" => {
                let asked = fields(&self.body["RequestItems"]).values();
                let asked =
                    asked.flat_map(|it| it["Keys"].as_array().into_iter().flatten()).count();
                let found = fields(&answer["Responses"]).values();
                let found: Vec<u64> = found
                    .flat_map(|it| it.as_array().into_iter().flatten())
                    .map(|item| blocks(item_size(item), 4096))
                    .collect();
                let absent = asked.saturating_sub(found.len()) as u64;
                units.reads = found.iter().sum::<u64>() + absent;
            }
            "PutItem" => units.writes = blocks(item_size(&self.body["Item"]), 1024),
            "DeleteItem" => units.writes = 1,
            "BatchWriteItem" => {
                let writes = fields(&self.body["RequestItems"]).values();
                let writes = writes.flat_map(|it| it.as_array().into_iter().flatten());
                let size = |write: &Value| blocks(item_size(&write["PutRequest"]["Item"]), 1024);
                units.writes = writes.map(size).sum();
            }
            "TransactWriteItems" => {
                let parts = self.body["TransactItems"].as_array().into_iter().flatten();
                let size = |part: &Value| 2 * blocks(item_size(&part["Put"]["Item"]), 1024);
                units.writes = parts.map(size).sum();
            }
            _ => {}
        }
        units
    }
}

/// The keys of an object, none of anything else.
fn fields(value: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    value.as_object().unwrap_or(&NONE)
}

/// The right that a part of a transaction takes.
fn of_part((kind, part): (&String, &Value)) -> Right {
    let action =
        if kind == "ConditionCheck" { "ConditionCheckItem" } else { &format!("{kind}Item") };
    let table = part["TableName"].as_str().unwrap_or_default();
    right("dynamodb", action, &format!("table/{table}"))
}

fn right(service: &str, action: &str, resource: &str) -> Right {
    let region = crate::aws::REGION;
    Right {
        action: format!("{service}:{action}"),
        resource: format!("arn:aws:{service}:{region}:{ACCOUNT}:{resource}"),
    }
}

/// Begun blocks of a size, at least one.
fn blocks(bytes: u64, size: u64) -> u64 {
    bytes.div_ceil(size).max(1)
}

/// The size of an item as it is charged: names and values of its attributes.
fn item_size(item: &Value) -> u64 {
    fields(item).iter().map(|(name, value)| name.len() as u64 + value_size(value)).sum()
}

fn value_size(value: &Value) -> u64 {
    let of = |(kind, value): (&String, &Value)| match (kind.as_str(), value) {
        ("S", Value::String(text)) => text.len() as u64,
        // Two digits to a byte, and one more.
        ("N", Value::String(digits)) => digits.len() as u64 / 2 + 1,
        ("M", Value::Object(_)) => 3 + item_size(value),
        ("L", Value::Array(values)) => 3 + values.iter().map(value_size).sum::<u64>(),
        _ => 1,
    };
    fields(value).iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(target: &str, body: &Value) -> Request {
        let mut headers = HeaderMap::new();
        let agent = "aws-sdk-rust/1.3 ua/2.1 api/dynamodb/1.1 os/linux app/halo-entra-worker";
        headers.insert("user-agent", agent.parse().unwrap());
        headers.insert("x-amz-target", target.parse().unwrap());
        Request::read(&headers, body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn each_request_needs_what_the_reference_says() {
        const TABLE: &str = "arn:aws:dynamodb:eu-west-1:000000000000:table/t";
        const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000000:hints";
        const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:p/a";
        let secret = format!("{SECRET}-AbCdEf");
        let queue = "http://127.0.0.1:4566/000000000000/hints";
        let part = json!({ "TableName": "t", "Key": {} });
        for (target, body, expected) in [
            (
                "DynamoDB_20120810.Query",
                json!({ "TableName": "t" }),
                vec![("dynamodb:Query", TABLE)],
            ),
            (
                "DynamoDB_20120810.BatchWriteItem",
                json!({ "RequestItems": { "t": [] } }),
                vec![("dynamodb:BatchWriteItem", TABLE)],
            ),
            (
                "DynamoDB_20120810.TransactWriteItems",
                json!({ "TransactItems": [{ "Put": part }, { "Delete": part }, { "ConditionCheck": part }] }),
                vec![
                    ("dynamodb:PutItem", TABLE),
                    ("dynamodb:DeleteItem", TABLE),
                    ("dynamodb:ConditionCheckItem", TABLE),
                ],
            ),
            (
                "AmazonSQS.SendMessageBatch",
                json!({ "QueueUrl": queue }),
                vec![("sqs:SendMessage", QUEUE)],
            ),
            (
                "secretsmanager.GetSecretValue",
                json!({ "SecretId": "p/a" }),
                vec![("secretsmanager:GetSecretValue", secret.as_str())],
            ),
            (
                "secretsmanager.CreateSecret",
                json!({ "Name": "p/a", "Tags": [] }),
                vec![
                    ("secretsmanager:CreateSecret", SECRET),
                    ("secretsmanager:TagResource", SECRET),
                ],
            ),
        ] {
            let rights = request(target, &body).rights();
            let rights: Vec<(&str, &str)> =
                rights.iter().map(|it| (it.action.as_str(), it.resource.as_str())).collect();
            assert_eq!(rights, expected, "{target}");
        }
    }

    #[test]
    fn units_are_counted_as_they_are_charged() {
        let item = |size: usize| json!({ "pk": { "S": "x".repeat(size - 2) } });
        let units = |reads, writes| Units { reads, writes };
        for (target, body, answer, expected) in [
            ("DynamoDB_20120810.PutItem", json!({ "Item": item(1024) }), json!({}), units(0, 1)),
            ("DynamoDB_20120810.PutItem", json!({ "Item": item(1025) }), json!({}), units(0, 2)),
            (
                "DynamoDB_20120810.TransactWriteItems",
                json!({ "TransactItems": [{ "Put": { "Item": item(1025) } }, { "Delete": {} }] }),
                json!({}),
                units(0, 6),
            ),
            (
                "DynamoDB_20120810.Query",
                json!({}),
                json!({ "Items": [item(3000), item(3000)] }),
                units(2, 0),
            ),
            (
                "DynamoDB_20120810.BatchGetItem",
                json!({ "RequestItems": { "t": { "Keys": [1, 2, 3] } } }),
                json!({ "Responses": { "t": [item(100), item(5000)] } }),
                units(4, 0),
            ),
        ] {
            assert_eq!(request(target, &body).units(&answer), expected, "{target}");
        }
    }

    #[test]
    fn a_caller_without_a_name_is_refused() {
        let refused = Request::read(&HeaderMap::new(), b"{}").unwrap_err();
        assert!(refused.contains("no function names itself"), "{refused}");
    }
}
