//! Answers of Halo in all shapes: read without panic, by a bounded number of requests to Halo only, with
//! failures that are short and say nothing secret (H5).

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::clock::{Clock, Deadline, ManualClock};
use engine::halo::sites::WhenMissing;
use engine::halo::{ClientSecret, Error, Halo, NewLicence, Picker, RequestLimit, Settings};
use engine::store::Store;
use jiff::SignedDuration;
use plan::ids::{CabId, CabRoleId, ClientId, RecordId, RecordKind, SiteId, SkuId};
use plan::licences::Image;
use plan::link::{FieldChange, Fields, HaloValue, Target};
use plan::matching::MatchKey;
use serde_json::{Value, json};

use super::far::{self, Answer, Script};
use super::{choices, seed};
use crate::memory::Memory;

const HOST: &str = "halo.test";
/// What no answer can know and no failure may tell.
const SECRET: &str = "hush-hush-hush-hush";
const STATUSES: [u16; 16] =
    [200, 200, 200, 200, 200, 201, 302, 400, 401, 403, 404, 408, 409, 429, 500, 503];
const RETRY_AFTER: [Option<&str>; 4] = [None, Some("7"), Some("0.5"), Some("soon")];
/// The longest sentence about a failure: H5 cuts what Halo says to 500 characters, of four bytes at the
/// most, and a few words stand around them.
const SENTENCE: usize = 2_500;
/// How many calls there are.
const CALLS: u8 = 23;

/// An input: which call, the status, `Retry-After`, then the bodies of the answers.
pub fn run(data: &[u8]) -> bool {
    let ([call, status, retry], body) = choices(data);
    let call = u8::try_from(call % usize::from(CALLS)).unwrap();
    let status = STATUSES[status % STATUSES.len()];
    let mut script = Script::of(status, RETRY_AFTER[retry % RETRY_AFTER.len()], body);
    if call == CALLS - 1 {
        script.token = Answer { status, ..script.answers[0].clone() };
    }
    let (told, hosts) = far::with(script, async |http| {
        let (halo, clock) = client(http);
        ask(&halo, call, &clock).await
    });
    assert!(hosts.iter().all(|host| host == HOST), "asked {hosts:?}");
    if let Err(error) = &told {
        let sentence = error.to_string();
        assert!(!sentence.contains(SECRET) && !format!("{error:?}").contains(SECRET), "C4");
        assert!(sentence.len() <= SENTENCE, "{} bytes: {sentence}", sentence.len());
    }
    told.is_ok()
}

fn client(http: reqwest::Client) -> (Halo, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(sandbox::graph::START));
    let store = Store::new(Arc::new(Memory::new(clock.clone())), clock.clone());
    let url = |path: &str| format!("http://{HOST}{path}").parse().unwrap();
    let secret = ClientSecret::Given(SECRET.into());
    let mut settings = Settings::new(url("/api"), url("/auth"), "client".to_owned(), secret);
    settings.limit = RequestLimit::Unlimited;
    (Halo::new(settings, http, store), clock)
}

fn keys() -> BTreeSet<MatchKey> {
    let all = [
        ("azureoid", "87d349ed-44d7-43e1-9a83-5f2406dee5bd"),
        ("emailaddress", "a@b.example"),
        ("other1", "x"),
        ("email", "a@b.example"),
    ];
    all.iter().filter_map(|(field, value)| MatchKey::new(field, value)).collect()
}

fn fields(kind: RecordKind) -> Fields {
    let mut fields = Fields::from([
        (Target::field("name"), HaloValue::Text("Ada".to_owned())),
        (Target::Custom(plan::ids::CustomFieldId(12)), HaloValue::Text("x".to_owned())),
    ]);
    if kind == RecordKind::Agent {
        fields.remove(&Target::Custom(plan::ids::CustomFieldId(12)));
        fields.insert(Target::field("roles"), HaloValue::Ids(BTreeSet::from([5, 7])));
    }
    fields
}

async fn ask(halo: &Halo, call: u8, clock: &Arc<ManualClock>) -> Result<(), Error> {
    let kind = if call.is_multiple_of(2) { RecordKind::User } else { RecordKind::Agent };
    let id = RecordId { kind, id: 7 };
    let targets: BTreeSet<Target> = fields(kind).into_keys().collect();
    let deadline = Deadline(clock.now() + SignedDuration::from_secs(45));
    let matched: BTreeSet<String> = ["emailaddress", "email"].map(str::to_owned).into();
    match call {
        0 | 1 => drop(halo.page(kind, 1).await?),
        2 | 3 => {
            if let Some(record) = halo.record(id, &targets).await? {
                let change = |(field, after): (Target, HaloValue)| FieldChange {
                    field,
                    before: None,
                    after,
                };
                let changes: Vec<FieldChange> = fields(kind).into_iter().map(change).collect();
                drop(halo.update(id, &changes, Some(&record.kept)).await?);
            }
        }
        4 | 5 => drop(halo.create(kind, &fields(kind)).await?),
        6 | 7 => drop(halo.find(kind, &keys()).await?),
        8 | 9 => {
            let index = halo.index(kind);
            for _ in 0..3 {
                drop(index.build_step(&matched, deadline).await?);
            }
            let live = index.live(&matched, engine::halo::index::Freshness::Any).await?;
            if let Some(live) = live {
                drop(index.lookup(&live, &keys()).await?);
            }
        }
        10 => drop(halo.sites(Some(ClientId(3))).await?),
        11 => drop(halo.standing(RecordId::agent(7)).await?),
        12 => drop(halo.site(SiteId(18)).await?),
        13 => drop(halo.client(ClientId(3)).await?),
        14 => drop(halo.custom_fields().await?),
        15 => drop(halo.names(Picker::AgentRoles).await?),
        16 => drop(halo.choices(Picker::Sites, "lee", 1, 50).await?),
        17 => drop(halo.choices(Picker::Cabs, "lee", 2, 50).await?),
        18 => {
            let sites = halo.sites_by_name(plan::placement::site_key);
            let _ = sites.resolve(ClientId(3), "Leeds", WhenMissing::Make).await?;
        }
        19 => {
            let image = Image { client: ClientId(3), count: 25, in_use: 3, is_active: true };
            let sku: SkuId = crate::licensed::E5.parse().unwrap();
            let tenant = sandbox::sample::TENANT_ID.parse().unwrap();
            drop(halo.licences(ClientId(3)).await?);
            let made = halo.create_licence(NewLicence { name: "E5", sku, tenant, image }).await?;
            drop(halo.update_licence(made, image).await?);
        }
        20 | 21 => {
            if let Some(cab) = halo.cab(CabId(1)).await? {
                let joins = [(id, Some(CabRoleId(6))), (RecordId::agent(8), None)];
                drop(halo.save_cab(&cab, &joins, &[RecordId::agent(9)]).await?);
            }
        }
        _ => drop(halo.test().await),
    }
    Ok(())
}

/// Answers of each call in several shapes, and refusals.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (call, body) in successes() {
        seeds.push(seed(&[call, 0, 0], body));
    }
    let refusals = [
        (13, "{\"retry_after\": \"30\"}"),
        (7, "\"Site is required\""),
        (7, "{\"ClassName\":\"Exception\",\"Message\":\"No access\",\"id\":-1}"),
        (14, "<html><body><h1>Error</h1></body></html>"),
        (9, ""),
        (8, "{\"error\":\"invalid_client\"}"),
    ];
    for (status, body) in refusals {
        for call in [0, 4, 18, CALLS - 1] {
            seeds.push(seed(&[call, status, 1], body));
        }
    }
    seeds
}

fn successes() -> Vec<(u8, String)> {
    let user = json!({ "id": 7.0, "name": "Ada", "firstname": "Ada", "surname": "L", "emailaddress": "a@b.example",
        "login": "a@b.example", "site_id": 18.0, "site_name": "Leeds", "client_id": 3, "inactive": false,
        "azureoid": "87d349ed-44d7-43e1-9a83-5f2406dee5bd", "isserviceaccount": false, "other1": "x",
        "dateofbirth": "1900-01-01T00:00:00", "customfields": [{ "id": 12, "name": "CFx", "value": "y" }],
        "software": [{ "id": 1, "licence_id": 4 }] });
    let agent = json!({ "id": 7, "name": "Ada", "email": "a@b.example", "isdisabled": false, "isapiagent": false,
        "is_admin": true, "roles": [{ "id_int": 7, "name": "Administrator" }], "role_ids": [7] });
    let role = json!({ "id": "role-7", "id_int": 7, "name": "Administrator", "normalizedName": "ADMINISTRATOR" });
    let named = json!({ "id": 18, "name": "Leeds", "client_id": 3, "inactive": false });
    let licence = json!({ "id": 4, "name": "E5", "client_id": 3, "product_sku": crate::licensed::E5,
        "tenant_id": sandbox::sample::TENANT_ID, "count": 25, "licences_in_use": 3, "is_active": true });
    let cab = json!({ "id": 1, "name": "Board", "roles": [{ "id": 6, "cab_id": 1, "name": "Approver" }],
        "members": [{ "id": 100, "cab_id": 1, "user_id": 7, "role_id": null, "is_mandatory": true }] });
    let listed = |key: &str, row: &Value| {
        json!({ "record_count": 1, "page_no": 1, "page_size": 100, key: [row] }).to_string()
    };
    let two = |a: String, b: String| format!("{a}\n--\n{b}");
    vec![
        (0, listed("users", &user)),
        (1, json!([agent]).to_string()),
        (2, two(user.to_string(), json!([user]).to_string())),
        (3, two(agent.to_string(), json!([role]).to_string())),
        (4, json!([user]).to_string()),
        (5, two(json!([role]).to_string(), agent.to_string())),
        (6, listed("users", &user)),
        (7, listed("agents", &agent)),
        (8, two(listed("users", &user), json!({ "users": [] }).to_string())),
        (9, json!([agent]).to_string()),
        (10, listed("sites", &named)),
        (11, listed("agents", &agent)),
        (12, named.to_string()),
        (13, named.to_string()),
        (14, json!([{ "id": 12, "name": "CFx", "label": "X" }]).to_string()),
        (15, json!([role]).to_string()),
        (16, listed("sites", &named)),
        (17, json!([cab]).to_string()),
        (18, two(json!({ "sites": [] }).to_string(), named.to_string())),
        (19, two(listed("softwarelicences", &licence), licence.to_string())),
        (20, cab.to_string()),
        (21, cab.to_string()),
        (22, json!({ "access_token": "e.e30.e", "expires_in": 3600, "scope": "all" }).to_string()),
    ]
}
