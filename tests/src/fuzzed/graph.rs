//! Answers of Graph and of the login service: read without panic, by requests to the connection's own
//! hosts only, with links that lead nowhere else, and with failures that say nothing secret.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::clock::ManualClock;
use engine::graph::{Access, Behalf, Credential, Graph, Hosts, Page, Tokens};
use engine::meter::Meter;
use engine::random::Random;
use engine::secrets::SecretString;
use plan::cursor::{Link, Next, Scope};
use plan::facts::{Facts, PersonChange};
use plan::failure::Failure;
use plan::ids::{ObjectId, SkuId};
use plan::licences::LicenceChange;
use sandbox::sample::{CLIENT_ID, TENANT_ID};
use serde_json::{Value, json};

use super::far::{self, Answer, Script};
use super::{choices, seed};

/// The connection's own hosts.
const GRAPH: &str = "graph.test";
const LOGIN: &str = "login.test";
/// What no answer can know and no failure may tell.
const SECRET: &str = "hush-hush-hush-hush";
/// Statuses of answers; successes more than once, as most answers are.
const STATUSES: [u16; 16] =
    [200, 200, 200, 200, 200, 400, 401, 403, 404, 409, 410, 412, 429, 500, 501, 503];
const RETRY_AFTER: [Option<&str>; 4] = [None, Some("7"), Some("0.5"), Some("soon")];
/// The longest sentence about a failure; what services say in it is cut.
const SENTENCE: usize = 2_000;

/// The calls of the client, by what they are called in seeds.
#[derive(Clone, Copy, Debug)]
enum Call {
    UsersDelta,
    UsersChanges,
    UsersLatest,
    UsersList,
    Managers,
    Count,
    Select,
    GroupsDelta,
    GroupsLatest,
    Members,
    FindGroups,
    GroupsById,
    SearchGroups,
    SignIns,
    Skus,
    Holders,
    Holder,
    Assign,
    Permissions,
    SignIn,
}

const CALLS: [Call; 20] = [
    Call::UsersDelta,
    Call::UsersChanges,
    Call::UsersLatest,
    Call::UsersList,
    Call::Managers,
    Call::Count,
    Call::Select,
    Call::GroupsDelta,
    Call::GroupsLatest,
    Call::Members,
    Call::FindGroups,
    Call::GroupsById,
    Call::SearchGroups,
    Call::SignIns,
    Call::Skus,
    Call::Holders,
    Call::Holder,
    Call::Assign,
    Call::Permissions,
    Call::SignIn,
];

/// An input: which call, the status, `Retry-After`, then the bodies of the answers.
pub fn run(data: &[u8]) -> bool {
    let ([call, status, retry], body) = choices(data);
    let call = CALLS[call % CALLS.len()];
    let status = STATUSES[status % STATUSES.len()];
    let mut script = Script::of(status, RETRY_AFTER[retry % RETRY_AFTER.len()], body);
    if matches!(call, Call::SignIn) {
        script.token = Answer { status, ..script.answers[0].clone() };
    }
    let (told, hosts) = far::with(script, async |http| ask(&client(http), call).await);
    let own = BTreeSet::from([GRAPH.to_owned(), LOGIN.to_owned()]);
    assert!(hosts.is_subset(&own), "asked {hosts:?}");
    if let Err(failure) = &told {
        let sentence = failure.sentence();
        let debug = format!("{failure:?}");
        assert!(!sentence.contains(SECRET) && !debug.contains(SECRET), "C4: {sentence}");
        assert!(sentence.len() <= SENTENCE, "{} bytes: {sentence}", sentence.len());
    }
    told.is_ok()
}

fn client(http: reqwest::Client) -> Graph {
    let hosts = Hosts { login: format!("http://{LOGIN}"), graph: format!("http://{GRAPH}") };
    let access = Access {
        hosts,
        tenant: TENANT_ID.parse().unwrap(),
        client: CLIENT_ID.parse().unwrap(),
        credential: Credential::Secret(SecretString::from(SECRET)),
        behalf: Behalf::Application,
    };
    let clock = Arc::new(ManualClock::new(sandbox::graph::START));
    let (meter, random) = (Arc::new(Meter::default()), Arc::new(Random::seeded(7)));
    Graph::new(access, http, Tokens::default(), meter, clock, random)
}

fn who() -> ObjectId {
    crate::helpdesk::id(0x11)
}

async fn ask(graph: &Graph, call: Call) -> Result<(), Failure> {
    let select: BTreeSet<String> =
        ["userPrincipalName", "displayName", "manager"].into_iter().map(str::to_owned).collect();
    let names = ["Sales".to_owned(), "IT Helpdesk".to_owned()];
    match call {
        Call::UsersDelta => {
            let page = graph.users_delta(None, &select, Scope::Full).await?;
            let next = people(page);
            if let Some(link) = next {
                people(graph.users_delta(Some(&link), &select, Scope::Full).await?);
            }
        }
        Call::UsersChanges => drop(people(graph.users_delta(None, &select, Scope::Changes).await?)),
        Call::UsersLatest => own(&graph.users_latest(&select).await?),
        Call::UsersList => drop(people(graph.users_list(None, &select).await?)),
        Call::Managers => drop(people(graph.managers_list(None).await?)),
        Call::Count => drop(graph.users_count().await?),
        Call::Select => drop(graph.select_works(&select).await?),
        Call::GroupsDelta => drop(next(&graph.groups_delta(None, &[who()]).await?)),
        Call::GroupsLatest => own(&graph.groups_latest(&[who()]).await?),
        Call::Members => drop(graph.members_list(who(), None).await?.as_ref().map(next)),
        Call::FindGroups => assert_eq!(graph.find_groups(&names).await?.len(), names.len()),
        Call::GroupsById => assert_eq!(graph.groups_by_id(&[who(), who()]).await?.len(), 2),
        Call::SearchGroups => drop(graph.search_groups("Sa'les").await?),
        Call::SignIns => signed_in(graph.sign_ins_page(None, 500).await?),
        Call::Skus => drop(graph.subscribed_skus().await?),
        Call::Holders => holders(graph.holders_page(None).await?),
        Call::Holder => drop(graph.holder(who()).await?),
        Call::Assign => graph.assign_license(who(), LicenceChange::Assign(sku())).await?,
        Call::Permissions => drop(graph.permissions().await?),
        Call::SignIn => graph.sign_in().await?,
    }
    Ok(())
}

fn sku() -> SkuId {
    crate::licensed::E5.parse().unwrap()
}

/// A link that is handed out leads to the connection's own Graph.
fn own(link: &Link) {
    let url = url::Url::parse(link.expose()).unwrap();
    assert_eq!(url.origin().ascii_serialization(), format!("http://{GRAPH}"), "D2");
    assert!(url.username().is_empty() && url.password().is_none(), "D2");
}

fn next<T>(page: &Page<T>) -> Option<Link> {
    let (Next::Page(link) | Next::End(Some(link))) = &page.next else { return None };
    own(link);
    Some(link.clone())
}

/// Merges a page as a run does; facts come back from the store as they were.
fn people(page: Page<PersonChange>) -> Option<Link> {
    let link = next(&page);
    let mut all: BTreeMap<ObjectId, Facts> = BTreeMap::new();
    for change in page.items {
        let facts = all.entry(change.id).or_default();
        let _ = facts.merge(change.news.clone());
        let once = facts.clone();
        let _ = facts.merge(change.news);
        assert_eq!(*facts, once, "T2: merged twice");
    }
    all.values().for_each(super::comes_back);
    link
}

fn signed_in(page: Page<engine::graph::SignIn>) {
    let _ = next(&page);
    for row in page.items {
        if let Some(at) = row.at {
            let _ = Facts::default().signed_in(&at);
        }
    }
}

fn holders(page: Page<plan::licences::Holder>) {
    let _ = next(&page);
    for holder in page.items {
        let mut facts = Facts::default();
        let _ = facts.holds(&holder);
        super::comes_back(&facts);
    }
}

/// A page with a link to the next one, and the page without.
fn page(items: &Value) -> [String; 2] {
    let link = |name: &str| format!("http://{GRAPH}/v1.0/{name}?$skiptoken=a%2Bb");
    let more = json!({ "value": items, "@odata.nextLink": link("next") });
    let last = json!({ "value": items, "@odata.deltaLink": link("delta") });
    [more.to_string(), last.to_string()]
}

/// Answers of each call as Graph gives them, links to foreign hosts, and refusals.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (call, body) in successes() {
        seeds.push(seed(&[call as u8, 0, 0], body));
    }
    let foreign =
        ["https://graph.microsoft.com.example/v1.0/x", "http://graph.test:81/", "//graph.test"];
    for link in foreign.into_iter().chain(["http://a:b@graph.test/", "file:///graph.test"]) {
        let body = json!({ "value": [], "@odata.nextLink": link }).to_string();
        seeds.push(seed(&[Call::UsersDelta as u8, 0, 0], body));
    }
    let codes = [
        "syncStateNotFound",
        "resyncRequired",
        "Request_ResourceNotFound",
        "Authorization_RequestDenied",
        "Request_UnsupportedQuery",
        "InvalidAuthenticationToken",
    ];
    for (number, code) in codes.iter().enumerate() {
        let inner = json!({ "code": code, "request-id": "a", "date": "2026-11-02T08:00:00" });
        let body = json!({ "error": { "code": code, "message": "No.", "innerError": inner } });
        let status = 5 + u8::try_from(number).unwrap();
        seeds.push(seed(&[Call::UsersDelta as u8, status, 1], body.to_string()));
        seeds.push(seed(&[Call::Holder as u8, status, 0], body.to_string()));
    }
    let refused = json!({ "error": "invalid_client", "error_codes": [7_000_215],
        "error_description": "AADSTS7000215: Invalid client secret." });
    seeds.push(seed(&[Call::SignIn as u8, 5, 0], refused.to_string()));
    seeds
}

/// A body that is right for each call.
fn successes() -> Vec<(Call, String)> {
    let id = who().to_string();
    let entra = sandbox::sample::tenant();
    let mut users: Vec<Value> =
        entra.user_ids().iter().take(3).filter_map(|user| entra.user(user)).collect();
    users.push(json!({ "id": id, "manager@delta": [{ "@odata.type": "#microsoft.graph.user", "id": id }] }));
    users.push(json!({ "id": id, "@removed": { "reason": "changed" } }));
    users.push(json!({ "id": id, "userPrincipalName": "a@b", "manager": { "id": id },
        "onPremisesExtensionAttributes": { "extensionAttribute3": "x" },
        "identities": [{ "issuerAssignedId": "x" }], "employeeOrgData": { "division": "d" } }));
    let [more, last] = page(&Value::Array(users));
    let member = json!({ "@odata.type": "#microsoft.graph.user", "id": id, "@removed": { "reason": "deleted" } });
    let group = json!({ "id": id, "displayName": "Sales", "groupTypes": ["Unified", "DynamicMembership"],
        "securityEnabled": true, "members@delta": [member] });
    let [_, groups] = page(&json!([group]));
    let listed = json!({ "value": [group] });
    let inner = |n: usize, body: &Value| json!({ "id": n.to_string(), "status": 200, "headers": {}, "body": body });
    let batch =
        |body: &Value| json!({ "responses": [inner(0, body), inner(1, body), inner(2, body)] });
    let held = json!({ "id": id, "usageLocation": "DK", "assignedLicenses": [{ "skuId": crate::licensed::E5 }],
        "licenseAssignmentStates": [{ "skuId": crate::licensed::E5, "assignedByGroup": id, "state": "Active", "error": "None" }] });
    let sku = json!({ "skuId": crate::licensed::E5, "skuPartNumber": "ENTERPRISEPREMIUM", "appliesTo": "User",
        "capabilityStatus": "Enabled", "consumedUnits": 3,
        "prepaidUnits": { "enabled": 25, "suspended": 0, "warning": 1, "lockedOut": 0 } });
    let signed =
        json!({ "id": id, "signInActivity": { "lastSignInDateTime": "2026-01-10T12:24:11Z" } });
    let token = json!({ "access_token": "e.e30.e", "token_type": "Bearer", "expires_in": "3599" });
    vec![
        (Call::UsersDelta, format!("{more}\n--\n{last}")),
        (Call::UsersChanges, last.clone()),
        (Call::UsersLatest, last),
        (Call::UsersList, more.clone()),
        (Call::Managers, more),
        (Call::Count, "250".to_owned()),
        (Call::Select, "{}".to_owned()),
        (Call::GroupsDelta, groups.clone()),
        (Call::GroupsLatest, groups),
        (Call::Members, json!({ "value": [member] }).to_string()),
        (Call::FindGroups, batch(&listed).to_string()),
        (Call::GroupsById, batch(&group).to_string()),
        (Call::SearchGroups, listed.to_string()),
        (Call::SignIns, json!({ "value": [signed] }).to_string()),
        (Call::Skus, json!({ "value": [sku] }).to_string()),
        (Call::Holders, json!({ "value": [held] }).to_string()),
        (Call::Holder, held.to_string()),
        (Call::Assign, held.to_string()),
        (Call::Permissions, batch(&listed).to_string()),
        (Call::SignIn, token.to_string()),
    ]
}
