//! Tables of sign-ins: settings, tokens, people, times.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is the failure of the test")]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::document::CustomClouds;
use crate::facts::{Facts, Presence};
use crate::ids::RecordId;
use crate::link::{Activity, Link, Linked, LinkedBy};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "99999999-2222-3333-4444-555555555555";
const CLIENT: &str = "22222222-3333-4444-5555-666666666666";
const OID: &str = "87d349ed-44d7-43e1-9a83-5f2406dee5bd";
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
const LOGIN: &str = "https://login.microsoftonline.com";
const NOW: i64 = 1_793_606_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

#[test]
fn settings_are_read_with_every_mistake() {
    let single = json!({ "type": "single", "id": TENANT });
    let cases = [
        ("O1 nothing", json!({}), vec![]),
        (
            "O1 one tenant",
            json!({ "tenant": single, "client_id": CLIENT, "published": true }),
            vec![],
        ),
        (
            "O1 several tenants",
            json!({ "tenant": { "type": "multi", "allowed": [TENANT, OTHER] } }),
            vec![],
        ),
        (
            "O1 no tenant of several",
            json!({ "tenant": { "type": "multi", "allowed": [] } }),
            vec!["$.tenant.allowed"],
        ),
        (
            "O1 a tenant twice",
            json!({ "tenant": { "type": "multi", "allowed": [TENANT, TENANT] } }),
            vec!["$.tenant.allowed[1]"],
        ),
        (
            "O1 no such type",
            json!({ "tenant": { "type": "common", "id": TENANT } }),
            vec!["$.tenant.type"],
        ),
        (
            "O1 of the other type",
            json!({ "tenant": { "type": "single", "allowed": [TENANT] } }),
            vec!["$.tenant.id", "$.tenant.allowed"],
        ),
        ("O2 published too early", json!({ "published": true }), vec!["$.tenant", "$.client_id"]),
        (
            "O2 words",
            json!({ "allow": "agent", "auto_redirect": "yes", "administrator_roles": ["7"],
                "force_sso": [0], "force": [1], "name": " " }),
            vec![
                "$.name",
                "$.allow",
                "$.auto_redirect",
                "$.administrator_roles[0]",
                "$.force_sso[0]",
                "$.force",
            ],
        ),
        ("O2 no object", json!([]), vec!["$"]),
        ("C2 addresses", json!({ "cloud": { "login": LOGIN, "graph": LOGIN } }), vec!["$.cloud"]),
    ];
    for (case, body, expected) in cases {
        let found = parse(&body, CustomClouds::Refused);
        let paths: Vec<String> = match &found {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.iter().map(|it| it.path.clone()).collect(),
        };
        assert_eq!(paths, expected, "{case}");
        if let Ok(settings) = found {
            let again: Settings = serde_json::from_value(json!(settings)).unwrap();
            assert_eq!(again, settings, "{case}");
        }
    }
    assert_eq!(parse(&json!({}), CustomClouds::Refused), Ok(Settings::default()));
}

#[test]
fn links_of_some_clients_lead_to_microsoft_at_once() {
    // O2
    let settings = |auto_redirect| Settings {
        auto_redirect,
        force_sso: BTreeSet::from([12]),
        ..Settings::default()
    };
    let cases = [
        ("O2 nobody", false, None, false),
        ("O2 a forced client", false, Some(12), true),
        ("O2 another client", false, Some(13), false),
        ("O2 everybody", true, None, true),
        ("O2 everybody, by a link", true, Some(13), true),
    ];
    for (case, auto_redirect, client, expected) in cases {
        assert_eq!(settings(auto_redirect).sends_at_once(client), expected, "{case}");
    }
}

fn claims(tenant: &str) -> Value {
    json!({ "iss": format!("{LOGIN}/{tenant}/v2.0"), "tid": tenant, "aud": CLIENT, "oid": OID,
        "nonce": "n", "iat": NOW, "nbf": NOW, "exp": NOW + 3600 })
}

#[test]
fn tokens_are_judged_claim_by_claim() {
    let several = Tenants::Multi { allowed: BTreeSet::from([TENANT.parse().unwrap()]) };
    let one = Tenants::Single { id: TENANT.parse().unwrap() };
    let template = format!("{LOGIN}/{{tenantid}}/v2.0");
    let own = format!("{LOGIN}/{TENANT}/v2.0");
    let foreign = format!("{LOGIN}/{OTHER}/v2.0");
    let guest = json!(foreign);
    let cases = [
        ("O3 right", json!({}), Some(&template), Ok(false)),
        ("O3 right by its own key", json!({}), Some(&own), Ok(false)),
        ("O3 a guest", json!({ "idp": guest }), Some(&template), Ok(true)),
        ("O3 at home", json!({ "idp": own }), Some(&template), Ok(false)),
        (
            "O3 at home, in the older form",
            json!({ "idp": format!("https://sts.windows.net/{TENANT}/") }),
            Some(&template),
            Ok(false),
        ),
        ("O3 within the skew", json!({ "exp": NOW - 299 }), Some(&template), Ok(false)),
        (
            "O3 issued within the skew",
            json!({ "iat": NOW + 300, "nbf": NOW + 300 }),
            Some(&template),
            Ok(false),
        ),
        ("O3 without nbf", json!({ "nbf": null }), Some(&template), Ok(false)),
        ("O3 the key of another issuer", json!({}), Some(&foreign), Err("token_key_issuer")),
        ("O3 too old", json!({ "exp": NOW - 300 }), Some(&template), Err("token_expired")),
        ("O3 too new", json!({ "iat": NOW + 301 }), Some(&template), Err("token_not_yet")),
        ("O3 not before", json!({ "nbf": NOW + 301 }), Some(&template), Err("token_not_yet")),
        ("O3 no time", json!({ "iat": null }), Some(&template), Err("token_not_yet")),
        ("O3 a time in words", json!({ "exp": "soon" }), Some(&template), Err("token_expired")),
        (
            "O3 times out of range",
            json!({ "exp": i64::MIN }),
            Some(&template),
            Err("token_expired"),
        ),
        (
            "O3 times out of range",
            json!({ "nbf": i64::MAX }),
            Some(&template),
            Err("token_not_yet"),
        ),
        (
            "O3 several audiences",
            json!({ "aud": [CLIENT] }),
            Some(&template),
            Err("token_audience"),
        ),
        (
            "O3 a slash more",
            json!({ "iss": format!("{own}/") }),
            Some(&template),
            Err("token_issuer"),
        ),
        (
            "O3 version 1",
            json!({ "iss": format!("https://sts.windows.net/{TENANT}/") }),
            Some(&template),
            Err("token_issuer"),
        ),
        ("O3 another nonce", json!({ "nonce": "m" }), Some(&template), Err("token_nonce")),
        ("O3 no tenant", json!({ "tid": null }), Some(&template), Err("token_tenant")),
        ("O3 nobody", json!({ "oid": null }), Some(&template), Err("token_object_id")),
        ("O1 another tenant", claims(OTHER), Some(&template), Err("other_tenant")),
        ("O1 a personal account", claims(PERSONAL), Some(&template), Err("personal_account")),
    ];
    for tenants in [&one, &several] {
        let application =
            Application { tenants, client_id: CLIENT.parse().unwrap(), cloud: &Cloud::Global };
        let expected = Expected { application: &application, login: LOGIN, nonce: "n", now: NOW };
        for (case, others, key, outcome) in &cases {
            let mut said = claims(TENANT);
            for (name, value) in others.as_object().unwrap() {
                said[name] = value.clone();
            }
            let found = identify(&said, key.map(String::as_str), &expected);
            let found = found.map_err(|refusal| refusal.name()).map(|it| it.guest);
            assert_eq!(found, *outcome, "{case} {tenants:?}");
        }
        // A set for all tenants has to say for whom each of its keys signs.
        let unsaid = identify(&claims(TENANT), None, &expected).map_err(|it| it.name());
        assert_eq!(unsaid.is_ok(), *tenants == one, "O3 {unsaid:?}");
    }
    assert_eq!(issuer_of(LOGIN, &one), (own.clone(), own));
    assert_eq!(issuer_of(LOGIN, &several), (format!("{LOGIN}/organizations/v2.0"), template));
}

fn person(presence: Presence, user: Option<Activity>, agent: Option<Activity>) -> (Facts, Link) {
    let linked = |record| {
        move |activity| Linked {
            record,
            how: LinkedBy::ObjectId,
            activity,
            image: crate::link::Fields::default(),
            mapping: None,
            granted: BTreeSet::new(),
            licences: BTreeSet::new(),
        }
    };
    let user = user.map(linked(RecordId::user(1)));
    let agent = agent.map(linked(RecordId::agent(2)));
    (Facts { presence, ..Facts::default() }, Link { user, agent, ..Link::default() })
}

#[test]
fn links_say_as_whom_somebody_comes_in() {
    use Activity::{Active, InactiveByOthers, InactiveByRole, InactiveByUs};
    use Presence::{Missing, Present, Purged, SoftDeleted, Unread};
    let id: ConnectionId = "contoso".parse().unwrap();
    let oid: ObjectId = OID.parse().unwrap();
    let cases = [
        ("O2 a user", Allow::Both, Present, Some(Active), None, Ok("user")),
        ("O2 an agent", Allow::Both, Present, None, Some(Active), Ok("agent")),
        ("O2 both", Allow::Both, Present, Some(Active), Some(Active), Ok("agent or user")),
        ("O2 both, agents let in", Allow::Agents, Present, Some(Active), Some(Active), Ok("agent")),
        ("O2 both, users let in", Allow::Users, Present, Some(Active), Some(Active), Ok("user")),
        (
            "O2 a user among agents",
            Allow::Agents,
            Present,
            Some(Active),
            None,
            Err(Unfit::AgentsOnly),
        ),
        (
            "O2 an agent among users",
            Allow::Users,
            Present,
            None,
            Some(Active),
            Err(Unfit::UsersOnly),
        ),
        ("O3 made inactive", Allow::Both, Present, Some(InactiveByUs), None, Err(Unfit::Inactive)),
        (
            "O3 inactive by a role",
            Allow::Both,
            Present,
            None,
            Some(InactiveByRole),
            Err(Unfit::Inactive),
        ),
        (
            "O3 the agent inactive",
            Allow::Both,
            Present,
            Some(Active),
            Some(InactiveByOthers),
            Ok("user"),
        ),
        ("O3 nobody", Allow::Both, Present, None, None, Err(Unfit::NotLinked)),
        ("O3 not read", Allow::Both, Unread, Some(Active), None, Err(Unfit::Unknown)),
        ("O3 deleted", Allow::Both, SoftDeleted, Some(Active), None, Err(Unfit::Deleted)),
        ("O3 purged", Allow::Both, Purged, Some(Active), None, Err(Unfit::Deleted)),
        ("O3 missing", Allow::Both, Missing, Some(Active), Some(Active), Err(Unfit::Deleted)),
    ];
    for (case, allow, presence, user, agent, expected) in cases {
        let (facts, link) = person(presence, user, agent);
        let known = Known {
            connection: &id,
            facts: &facts,
            link: &link,
            in_conflict: false,
            parked: false,
        };
        let found = standing(oid, &[known], allow).map(|standing| match standing {
            Standing::Agent { otherwise: Some(_), .. } => "agent or user",
            Standing::Agent { otherwise: None, .. } => "agent",
            Standing::User(_) => "user",
        });
        assert_eq!(found, expected, "{case}");
    }
    assert_eq!(standing(oid, &[], Allow::Both), Err(Unfit::Unknown), "O3");
    // What is in the way of somebody who is nobody yet; whoever is linked comes in all the same.
    for (in_conflict, parked, expected) in [
        (true, false, Unfit::InConflict),
        (false, true, Unfit::Parked),
        (true, true, Unfit::InConflict),
    ] {
        let (facts, link) = person(Present, None, None);
        let known = Known { connection: &id, facts: &facts, link: &link, in_conflict, parked };
        assert_eq!(standing(oid, &[known], Allow::Both), Err(expected), "O3");
        let (facts, link) = person(Present, Some(Active), None);
        let known = Known { connection: &id, facts: &facts, link: &link, in_conflict, parked };
        assert!(standing(oid, &[known], Allow::Both).is_ok(), "O3");
    }
}

#[test]
fn several_connections_of_a_tenant_count_together() {
    // C1, O3
    let ids = ["a", "b"].map(|id| id.parse::<ConnectionId>().unwrap());
    let oid: ObjectId = OID.parse().unwrap();
    let people = [
        person(Presence::Present, Some(Activity::Active), None),
        person(Presence::Present, None, Some(Activity::Active)),
    ];
    let known = |index: usize| Known {
        connection: &ids[index],
        facts: &people[index].0,
        link: &people[index].1,
        in_conflict: false,
        parked: false,
    };
    let both = standing(oid, &[known(0), known(1)], Allow::Both).unwrap();
    let oneself = Oneself { connection: ids[0].clone(), person: oid };
    let agent = RecordId::agent(2);
    assert_eq!(both, Standing::Agent { agent, otherwise: Some(oneself.clone()) });
    assert_eq!(standing(oid, &[known(1), known(0)], Allow::Users), Ok(Standing::User(oneself)));
}

#[test]
fn halo_says_what_an_agent_may_do() {
    let now = |active, administrator, roles: &[i64]| AgentNow {
        active,
        administrator,
        roles: roles.iter().copied().collect(),
    };
    let oneself = || Oneself { connection: "a".parse().unwrap(), person: OID.parse().unwrap() };
    let cases = [
        ("O3 no roles set, none", &[][..], Some(now(true, false, &[5, 7])), Ok("reader")),
        ("O3 no roles set, Halo's word", &[], Some(now(true, true, &[])), Ok("administrator")),
        ("O3 a role", &[7, 8], Some(now(true, false, &[5, 7])), Ok("administrator")),
        ("O3 another role", &[8], Some(now(true, true, &[5, 7])), Ok("reader")),
        ("O3 disabled", &[7], Some(now(false, true, &[7])), Err(Unfit::Inactive)),
        ("O3 no such agent", &[7], None, Err(Unfit::Inactive)),
    ];
    for (case, roles, said, expected) in cases {
        let administrator_roles = roles.iter().copied().collect();
        let settings = Settings { administrator_roles, ..Settings::default() };
        let found = agent_role(&settings, said.as_ref(), None);
        assert_eq!(found.as_ref().map(Role::name).map_err(|it| *it), expected, "{case}");
        let found = agent_role(&settings, said.as_ref(), Some(oneself()));
        let expected = expected.unwrap_or("person");
        assert_eq!(found.as_ref().map(Role::name), Ok(expected), "{case}");
    }
}

#[test]
fn sessions_are_looked_at_again() {
    // O3
    let oneself =
        |id: &str| Oneself { connection: id.parse().unwrap(), person: OID.parse().unwrap() };
    let agent = |otherwise| Standing::Agent { agent: RecordId::agent(2), otherwise };
    let asks = |otherwise, trusted| Review::Ask { agent: RecordId::agent(2), otherwise, trusted };
    let minutes = |minutes: i64| at(minutes * 60);
    let (reader, person) = (Role::Reader, Role::Person(oneself("a")));
    let cases = [
        ("O3 a user", &person, Standing::User(oneself("a")), true, 60, Review::Keep),
        (
            "O3 a user elsewhere",
            &person,
            Standing::User(oneself("b")),
            true,
            0,
            Review::Set(Role::Person(oneself("b"))),
        ),
        (
            "O3 an agent no more",
            &Role::Administrator,
            Standing::User(oneself("a")),
            true,
            0,
            Review::Set(person.clone()),
        ),
        ("O3 an agent", &reader, agent(None), true, 14, Review::Keep),
        ("O3 an agent after a while", &reader, agent(None), true, 15, asks(None, true)),
        ("O3 an agent after an hour", &reader, agent(None), true, 60, asks(None, false)),
        ("O3 an agent, other settings", &reader, agent(None), false, 1, asks(None, false)),
        ("O3 a user who became an agent", &person, agent(None), true, 1, asks(None, false)),
        (
            "O3 an agent whom Halo calls none",
            &person,
            agent(Some(oneself("a"))),
            true,
            14,
            Review::Keep,
        ),
    ];
    for (case, role, standing, same_settings, after, expected) in cases {
        let times = Times::new(at(0));
        let found = review(role, standing, &times, same_settings, minutes(after));
        assert_eq!(found, expected, "{case}");
    }
}

#[test]
fn sessions_end() {
    let times = Times::new(at(0));
    let seen = |seconds: i64| Times { seen: at(seconds), ..times };
    let cases = [
        ("O3 new", times, 0, vec![], false),
        ("O3 unused", times, 1799, vec![], false),
        ("O3 unused too long", times, 1800, vec![], true),
        ("O3 busy", seen(8 * 3600 - 60), 8 * 3600 - 1, vec![], false),
        ("O3 busy too long", seen(8 * 3600 - 60), 8 * 3600, vec![], true),
        ("O3 ended before it began", times, 60, vec![at(-1)], false),
        ("O3 ended in the same instant", times, 60, vec![at(0)], true),
        ("O3 ended by somebody", times, 60, vec![at(-9), at(30)], true),
    ];
    for (case, times, now, revoked, expected) in cases {
        assert_eq!(times.is_over(at(now), revoked), expected, "{case}");
    }
    assert_eq!(times.ends(), at(0) + SignedDuration::from_hours(8));
    assert!(!times.is_to_be_noted(at(179)) && times.is_to_be_noted(at(180)));
}

#[test]
fn a_sign_in_leads_to_the_console_and_nowhere_else() {
    let cases = [
        ("O3 the console", "/console", true),
        ("O3 a page", "/console/connections/contoso?tab=log&at=2026-11-02", true),
        ("O3 with a query alone", "/console?client=12", true),
        ("O3 another host", "https://evil.example/console", false),
        ("O3 another host without a scheme", "//evil.example/console", false),
        ("O3 by a backslash", "/console\\..\\evil", false),
        ("O3 a name that only begins so", "/console.evil.example", false),
        ("O3 the API", "/v1/connections", false),
        ("O3 climbing", "/console/../v1/connections", false),
        ("O3 climbing, encoded", "/console/%2e%2E/v1", false),
        ("O3 two slashes", "/console//evil.example", false),
        ("O3 a line break", "/console\r\nset-cookie: a=b", false),
        ("O3 the sign-in", "/console/sign-in?to=/console", false),
        ("O3 the way back", "/console/sign-in/callback?state=a", false),
        ("O3 signed out", "/console/signed-out", false),
        ("O3 nothing", "", false),
    ];
    for (case, path, is_kept) in cases {
        let expected = if is_kept { path } else { "/console" };
        assert_eq!(landing(Some(path)), expected, "{case}");
    }
    assert_eq!(landing(Some(&format!("/console/{}", "a".repeat(500)))), "/console");
    assert_eq!(landing(None), "/console");
}

#[test]
fn so_many_are_taken_in_a_minute() {
    // O3, O4
    for (what, limit) in [(Try::Begin, 120), (Try::Finish, 240), (Try::Operator, 5)] {
        let mut tries = Tries::default();
        for _ in 0..limit {
            tries = tries.one_more(what, at(10)).unwrap();
        }
        assert_eq!(tries.one_more(what, at(10)), Err(50), "{what:?}");
        assert_eq!(tries.one_more(what, at(59)), Err(1));
        assert!(tries.one_more(what, at(60)).is_ok(), "the next minute");
        // A clock that is behind opens no minute of its own.
        assert!(tries.one_more(what, at(-30)).is_err());
    }
}

#[test]
fn every_refusal_has_a_rule_and_words_of_its_own() {
    let all = [
        Refusal::NotPublished,
        Refusal::NoPublicUrl,
        Refusal::SecretMissing,
        Refusal::TooMany { retry_after: 3 },
        Refusal::StateMissing,
        Refusal::StateUnknown,
        Refusal::OtherBrowser,
        Refusal::SettingsChanged,
        Refusal::Microsoft { code: None, error: "access_denied".to_owned() },
        Refusal::NoCode,
        Refusal::MicrosoftUnavailable,
        Refusal::Token(TokenFault::Nonce),
        Refusal::Person(Unfit::Parked),
        Refusal::HaloUnavailable,
        Refusal::OperatorOff,
        Refusal::OperatorToken,
        Refusal::OurStorage,
    ];
    let names: BTreeSet<&str> = all.iter().map(Refusal::name).collect();
    assert_eq!(names.len(), all.len());
    for refusal in &all {
        assert!(["O1", "O2", "O3", "O4"].contains(&refusal.rule()), "{refusal:?}");
        assert!(refusal.sentence().ends_with('.') && refusal.advice().ends_with('.'));
    }
    let refused = Refusal::Microsoft { code: Some(65_004), error: "access_denied".to_owned() };
    assert!(refused.sentence().contains("(access_denied, AADSTS65004)"), "{}", refused.sentence());
    assert_eq!(all[3].retry_after(), Some(3));
}
