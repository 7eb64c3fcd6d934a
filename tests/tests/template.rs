//! infra/template.yaml agrees with the code: what the functions rely on is deployed, what is deployed is
//! used, and nobody may do more than their work takes.

#![allow(clippy::unwrap_used, reason = "a template that is not understood is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::telemetry::metrics::{DIMENSION, Metric, NAMESPACE};
use serde_json::{Value, json};
use tests::template::{Template, all, each, entries, referred};

/// Seconds that API Gateway waits for a function at the most.
const GATEWAY: u64 = 30;
/// Who may call the API is asked of their own settings by these.
const OVER_HTTPS: &[&str] = &["admin", "inbound-logs"];
/// Settings that the template leaves alone: of a terminal, what the secret store has instead, and files
/// that would have to be brought along.
const ELSEWHERE: &[&str] =
    &["HALO_CLIENT_SECRET", "HALO_ENTRA_TOKEN", "NO_COLOR", "SSL_CERT_DIR", "SSL_CERT_FILE"];

/// Whether Lambda sets it, or an emulator.
fn is_of_lambda(name: &str) -> bool {
    name.starts_with("AWS_") && name != "AWS_SDK_UA_APP_ID"
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    items.into_iter().collect()
}

/// Fails with all that was found wrong.
fn none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

/// T1: a hint comes back only when its worker is surely gone, often enough to outlive a bad moment, and
/// alone; who waits for it in vain is found among the dead letters for longer than it could wait.
#[test]
fn hints_come_back_when_their_worker_is_gone() {
    let template = Template::read();
    let worker = template.properties("Worker");
    let source = &worker["Events"]["Hints"]["Properties"];
    let queue = template.properties(referred(&source["Queue"]).unwrap());
    assert!(number(&queue["VisibilityTimeout"]) >= 6 * number(&worker["Timeout"]));
    assert!(number(&queue["RedrivePolicy"]["maxReceiveCount"]) >= 5);
    assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    let dead = referred(&queue["RedrivePolicy"]["deadLetterTargetArn"]).unwrap();
    let dead = template.properties(dead);
    assert!(number(&dead["MessageRetentionPeriod"]) > number(&queue["MessageRetentionPeriod"]));
}

#[test]
fn the_table_is_as_the_store_makes_it_and_outlives_the_stack() {
    let template = Template::read();
    let table = template.properties("Table");
    let store = file("shared/engine/src/store/dynamo/table.rs");
    let ours = [("pk", "HASH", "Hash"), ("sk", "RANGE", "Range")];
    for (index, (name, kind, in_code)) in ours.into_iter().enumerate() {
        assert_eq!(table["KeySchema"][index], json!({ "AttributeName": name, "KeyType": kind }));
        let attribute = json!({ "AttributeName": name, "AttributeType": "S" });
        assert_eq!(table["AttributeDefinitions"][index], attribute);
        assert!(store.contains(&format!("(\"{name}\", KeyType::{in_code})")));
    }
    let ttl = &table["TimeToLiveSpecification"];
    assert_eq!(ttl, &json!({ "AttributeName": "expires_at", "Enabled": true }));
    assert!(store.contains(".attribute_name(\"expires_at\")"));
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    let backups = &table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"];
    assert_eq!((backups, &table["DeletionProtectionEnabled"]), (&json!(true), &json!(true)));
    for kept in ["Table", "HaloSecret"] {
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            let said = template.part(&format!("/Resources/{kept}/{policy}")).as_str();
            assert!(said.is_some_and(|it| it.starts_with("Retain")), "{kept}: {said:?}");
        }
    }
}

/// Words in quotes that look like the name of a setting.
fn settings(source: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.contains('_')
            && word.chars().all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c))
    };
    source.split('"').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn functions_find_their_settings_and_no_others() {
    let template = Template::read();
    let config = file("shared/engine/src/config.rs");
    let (config, _) = config.split_once("#[cfg(test)]").unwrap();
    let read: BTreeSet<&str> = settings(config);
    assert!(read.len() > 15, "the settings were not found in the code: {read:?}");
    // What is asked for by these two has no default.
    let calls = config.split("required(").skip(1).chain(config.split("address(").skip(1));
    let required = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    let required: BTreeSet<&str> = required.collect();
    assert!(required.contains("TABLE_NAME") && required.contains("HALO_API_URL"), "{required:?}");
    let tokens = ["HALO_ENTRA_JWT_ISSUER", "HALO_ENTRA_JWT_AUDIENCE"];

    let mut set_somewhere = BTreeSet::new();
    for (resource, function) in template.functions() {
        let found = set(template.environment(resource).into_keys());
        let unread: Vec<&&str> = found.difference(&read).collect();
        assert!(unread.is_empty(), "{function} is given {unread:?}, which nobody reads");
        let over_https = OVER_HTTPS.contains(&function).then_some(tokens);
        let missing = required.iter().copied().chain(over_https.into_iter().flatten());
        let missing = missing.filter(|name| !found.contains(name) && !is_of_lambda(name));
        let missing: Vec<&str> = missing.collect();
        assert!(missing.is_empty(), "{function} is not given {missing:?}");
        set_somewhere.extend(found);
    }
    let forgotten = read.difference(&set_somewhere);
    let forgotten = forgotten.filter(|name| !ELSEWHERE.contains(name) && !is_of_lambda(name));
    let forgotten: Vec<&&str> = forgotten.collect();
    assert!(forgotten.is_empty(), "no deployment can set {forgotten:?}");
}

/// `GET /v1/health` and the like of a document, each with whether it needs no token: what is signed is
/// checked by the function alone.
fn operations(document: &Value) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    for (path, methods) in entries(&document["paths"]) {
        for (method, operation) in entries(methods) {
            let security = &operation["security"];
            let open = *security == json!([{}]) || *security == json!([{ "signature": [] }]);
            found.insert(format!("{} {path}", method.to_uppercase()), open);
        }
    }
    found
}

/// The pages for browsers, which look at sessions themselves.
const PAGES: [&str; 4] = ["GET /", "GET /console", "GET /console/{page+}", "POST /console/{page+}"];

/// Each operation is reached by a route of its own, at the function that serves it, and without a token
/// exactly where none is needed; besides there are the pages.
#[test]
fn routes_are_the_operations_of_the_api_and_the_pages() {
    let template = Template::read();
    let of_the_log = serde_json::to_value(inbound_logs::openapi()).unwrap();
    let of_the_log = operations(&of_the_log);
    assert!(of_the_log.len() > 4);
    let mut expected: Vec<(String, &str, &str)> = Vec::new();
    for (key, open) in operations(&admin::openapi()) {
        let function = if of_the_log.contains_key(&key) { "InboundLogs" } else { "Admin" };
        expected.push((key, function, if open { "NONE" } else { "JWT" }));
    }
    expected.extend(PAGES.map(|key| (key.to_owned(), "Admin", "NONE")));
    expected.sort();
    let mut found = Vec::new();
    for name in template.of_type("AWS::ApiGatewayV2::Route") {
        let route = template.properties(name);
        let target = route["Target"]["Fn::Sub"].as_str().unwrap();
        let target = target.strip_prefix("integrations/${").unwrap().trim_end_matches('}');
        let function = referred(&template.properties(target)["IntegrationUri"]).unwrap();
        let authorised = route["AuthorizationType"].as_str().unwrap();
        let by = referred(&route["AuthorizerId"]);
        assert_eq!(by, (authorised == "JWT").then_some("Authorizer"), "{name}");
        found.push((route["RouteKey"].as_str().unwrap().to_owned(), function, authorised));
    }
    found.sort();
    assert_eq!(found, expected);
}

/// The statements of a role.
fn statements<'a>(template: &'a Template, role: &str) -> Vec<&'a Value> {
    let policies = each(&template.properties(role)["Policies"]);
    policies.into_iter().flat_map(|it| each(&it["PolicyDocument"]["Statement"])).collect()
}

fn actions<'a>(template: &'a Template, role: &str) -> BTreeSet<&'a str> {
    let statements = statements(template, role).into_iter();
    statements.flat_map(|it| each(&it["Action"])).map(|it| it.as_str().unwrap()).collect()
}

/// Whether a resource is named so loosely that it could be anything.
fn is_anything(resource: &Value) -> bool {
    let name = resource.as_str().or_else(|| resource["Fn::Sub"].as_str());
    name.is_some_and(|name| name == "*" || name.ends_with(":*"))
}

#[test]
fn roles_allow_exact_actions_on_exact_resources() {
    let template = Template::read();
    let mut breaches = Vec::new();
    for role in template.of_type("AWS::IAM::Role") {
        if !template.properties(role)["ManagedPolicyArns"].is_null() {
            breaches.push(format!("{role} has managed policies"));
        }
        for statement in statements(&template, role) {
            let actions = each(&statement["Action"]).into_iter().map(|it| it.as_str().unwrap());
            let actions: Vec<&str> = actions.collect();
            let traces = actions.iter().all(|action| action.starts_with("xray:"));
            let loose = all(&statement["Resource"]).into_iter().any(is_anything);
            if actions.iter().any(|action| action.contains('*')) || loose && !traces {
                breaches.push(format!("{role}: {statement}"));
            }
        }
    }
    none(&breaches);
}

#[test]
fn each_function_has_a_role_of_its_own_that_fits_its_work() {
    let template = Template::read();
    let functions = template.functions();
    let roles: BTreeMap<&str, &str> = functions
        .iter()
        .map(|(resource, name)| (*name, referred(&template.properties(resource)["Role"]).unwrap()))
        .collect();
    assert_eq!(set(roles.values()).len(), functions.len(), "{roles:?}");

    let may = |name: &str, action: &str| actions(&template, roles[name]).contains(action);
    for (name, role) in &roles {
        let secrets = actions(&template, role).iter().any(|it| it.starts_with("secretsmanager:"));
        assert_eq!(secrets, ["worker", "admin"].contains(name), "{name} and secrets");
        let writes = ["Put", "Delete", "Update"].map(|it| format!("dynamodb:{it}Item"));
        let writes = writes.iter().any(|action| may(name, action));
        assert_eq!(writes, *name != "inbound-logs", "{name} and the table");
    }
    // Making and removing secrets is the administrators' business.
    assert!(!may("worker", "secretsmanager:CreateSecret"));
    assert!(!may("worker", "secretsmanager:DeleteSecret"));
}

#[test]
fn every_function_has_a_log_that_ends_one_day() {
    let template = Template::read();
    let groups = template.of_type("AWS::Logs::LogGroup");
    for group in &groups {
        let days = referred(&template.properties(group)["RetentionInDays"]);
        assert_eq!(days, Some("LogRetentionDays"), "{group}");
    }
    for (resource, name) in template.functions() {
        let group = referred(&template.properties(resource)["LoggingConfig"]["LogGroup"]).unwrap();
        assert!(groups.contains(&group));
        let written = format!("/aws/lambda/${{AWS::StackName}}-{name}");
        assert_eq!(template.properties(group)["LogGroupName"]["Fn::Sub"], written);
    }
}

/// The constants of this name below `directory`, in seconds.
fn seconds_of(name: &str, directory: &str) -> Vec<u64> {
    let start = format!("const {name}: SignedDuration = SignedDuration::from_secs(");
    let sources = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let sources = sources.filter(|path| path.is_file());
    let found = sources.filter_map(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.split_once(&start)?.1.split_once(')')?.0.parse().ok()
    });
    found.collect()
}

/// T3: whatever is done in portions ends before its function does, and a function before its caller
/// gives up.
#[test]
fn functions_have_the_time_that_the_code_takes() {
    let template = Template::read();
    let timeout = |name: &str| number(&template.properties(name)["Timeout"]);
    let portions = seconds_of("PORTION", "shared/engine/src/connections");
    assert!(portions.len() >= 3, "the portions were not found: {portions:?}");
    let exports = seconds_of("TIME", "shared/engine/src/inbound");
    assert_eq!(exports.len(), 1, "the time of an export was not found");
    for portion in portions {
        assert!(portion + 2 < timeout("Admin"), "{portion} s");
    }
    for function in ["Admin", "InboundLogs"] {
        assert!(exports[0] + 2 < timeout(function) && timeout(function) < GATEWAY);
    }
    // One request to Graph or Halo may take a minute, and its outcome has to be written down.
    assert!(
        file("shared/engine/src/http.rs").contains("TOTAL: Duration = Duration::from_mins(1);")
    );
    assert!(timeout("Worker") >= 90);
}

/// All `[namespace, metric, dimension, …]` of the dashboard, and those of alarms.
fn metrics(template: &Template) -> Vec<[String; 3]> {
    let body = &template.properties("Dashboard")["DashboardBody"]["Fn::Sub"][0];
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let widgets = body["widgets"].as_array().unwrap().iter();
    let lines = widgets.flat_map(|widget| each(&widget["properties"]["metrics"]));
    let mut found: Vec<_> = lines.map(|line| [0, 1, 2].map(|at| text(&line[at]))).collect();
    found.extend(
        of_alarms(template).into_iter().map(|it| {
            [&it["Namespace"], &it["MetricName"], &it["Dimensions"][0]["Name"]].map(text)
        }),
    );
    found
}

/// Each metric that an alarm watches.
fn of_alarms(template: &Template) -> Vec<&Value> {
    let alarms = template.of_type("AWS::CloudWatch::Alarm").into_iter();
    let parts = alarms.flat_map(|alarm| all(template.properties(alarm)));
    parts.filter(|part| part["MetricName"].is_string()).collect()
}

/// All metrics of our own are on the dashboard or under an alarm, by the names under which they are counted.
#[test]
fn alarms_and_dashboard_show_what_is_counted() {
    let template = Template::read();
    let own = metrics(&template).into_iter().filter(|[namespace, ..]| namespace == NAMESPACE);
    let shown: BTreeSet<(String, String)> = own.map(|[_, name, by]| (name, by)).collect();
    let counted = Metric::ALL.iter().map(|it| (it.name().to_owned(), DIMENSION.to_owned()));
    assert_eq!(shown, counted.collect());
}

/// README.md shows what the arithmetic comes to, and it counts the metrics that there are.
#[test]
fn the_cost_in_the_readme_is_that_of_the_arithmetic() {
    let script = root().join("infra/scripts/cost.py");
    let output = Command::new("python3").arg(&script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(file("README.md").contains(&table), "the table of README.md should be:\n{table}");
    let template = Template::read();
    let watched = of_alarms(&template).len();
    let script = fs::read_to_string(script).unwrap();
    for (name, count) in [("METRICS", Metric::ALL.len()), ("ALARM_METRICS", watched)] {
        assert!(script.contains(&format!("\n{name} = {count}\n")), "{name} is {count}");
    }
}

/// Each alarm says what happened and what to do, and README.md has a row for it.
#[test]
fn every_alarm_says_what_to_do() {
    let template = Template::read();
    let readme = file("README.md");
    let (_, section) = readme.split_once("\n### Alarms\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let told: BTreeSet<&str> = rows.map(|(name, _)| name).collect();
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    let names: BTreeSet<&str> = alarms.iter().map(|it| it.strip_suffix("Alarm").unwrap()).collect();
    assert_eq!(told, names);
    for (alarm, name) in alarms.iter().zip(&names) {
        let alarm = template.properties(alarm);
        let description = alarm["AlarmDescription"].as_str().unwrap();
        assert!(description.ends_with(&format!("README, \"{name}\".")), "{description}");
        assert!(
            alarm["TreatMissingData"].is_string() && alarm["AlarmActions"].is_object(),
            "{name}"
        );
    }
}

#[test]
fn every_suppressed_finding_is_explained() {
    let template = Template::read();
    let mut found = 0;
    for (name, resource) in template.resources() {
        for skip in each(&resource["Metadata"]["checkov"]["skip"]) {
            let Some(id) = skip["id"].as_str() else { continue };
            let comment = skip["comment"].as_str().unwrap_or_default();
            assert!(comment.len() > 30 && comment.ends_with('.'), "{name}: {id}: {comment}");
            found += 1;
        }
    }
    assert!(found > 5);
}

#[test]
fn every_parameter_is_explained_used_and_found_by_a_reader() {
    let template = Template::read();
    let groups = template.part("/Metadata/AWS::CloudFormation::Interface/ParameterGroups");
    let grouped = each(groups).into_iter().flat_map(|group| each(&group["Parameters"]));
    let grouped = set(grouped.map(|it| it.as_str().unwrap()));
    let parameters = entries(template.part("/Parameters"));
    assert_eq!(grouped, set(parameters.keys().copied()));
    let readme = file("README.md");
    let used = ["/Resources", "/Globals", "/Conditions"].map(|part| all(template.part(part)));
    let used: Vec<&Value> = used.into_iter().flatten().collect();
    for (name, parameter) in parameters {
        assert!(parameter["Description"].as_str().is_some_and(|it| it.len() > 20), "{name}");
        assert!(used.iter().any(|it| it["Ref"] == name), "{name} is used nowhere");
        assert!(readme.contains(&format!("`{name}`")), "README.md does not tell of {name}");
    }
}
