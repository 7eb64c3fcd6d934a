//! Signing in, keeping the token, and the connection test (H1).

use std::sync::Arc;

use engine::halo::{ClientSecret, ConnectedAs, Halo, Picker};
use engine::secrets::files::Files;
use engine::secrets::{SecretName, Secrets};
use plan::failure::Kind;
use plan::ids::{ClientId, RecordId, RecordKind, SiteId};
use sandbox::halo::{API_AGENT_ID, AgentList, CLIENT_ID, CLIENT_SECRET, Fault, WrongTenant};
use serde_json::json;

use super::{World, kind};

#[tokio::test]
async fn one_token_serves_until_it_is_old() {
    let world = World::new().await;
    let halo = world.client();
    let sign_ins = || world.requests("POST", "/auth/token");
    let both = tokio::join!(halo.page(RecordKind::User, 1), halo.page(RecordKind::User, 2));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(sign_ins(), 1, "asked for once, however many need it");
    world.advance(3400);
    halo.page(RecordKind::User, 1).await.unwrap();
    assert_eq!(sign_ins(), 1);
    world.advance(100);
    halo.page(RecordKind::User, 1).await.unwrap();
    assert_eq!(sign_ins(), 2, "renewed before it ends");
}

#[tokio::test]
async fn a_short_lived_token_is_still_used() {
    let world = World::new().await;
    world.halo.turn(|knobs| knobs.token_seconds = 60);
    let halo = world.client();
    halo.page(RecordKind::User, 1).await.unwrap();
    halo.page(RecordKind::User, 1).await.unwrap();
    assert_eq!(world.requests("POST", "/auth/token"), 1);
    world.advance(31);
    halo.page(RecordKind::User, 1).await.unwrap();
    assert_eq!(world.requests("POST", "/auth/token"), 2);
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once() {
    let world = World::new().await;
    let halo = world.client();
    halo.page(RecordKind::User, 1).await.unwrap();
    world.halo.revoke_tokens();
    assert!(three_at_once(&halo).await, "everybody goes on");
    assert_eq!(world.requests("POST", "/auth/token"), 2);
    let refuse = Fault::Status { code: 401, body: String::new() };
    world.halo.fail_next("/api/users", "GET", 2, refuse);
    let kind = kind(halo.page(RecordKind::User, 1).await.unwrap_err());
    assert!(matches!(kind, Kind::Credentials { code: None, .. }), "{kind:?}");
    assert_eq!(world.requests("POST", "/auth/token"), 3);
}

async fn three_at_once(halo: &Halo) -> bool {
    let (one, two, three) = tokio::join!(
        halo.page(RecordKind::User, 1),
        halo.page(RecordKind::User, 1),
        halo.page(RecordKind::User, 1)
    );
    one.is_ok() && two.is_ok() && three.is_ok()
}

#[tokio::test]
async fn a_refused_sign_in_says_what_to_check() {
    let world = World::new().await;
    let secret = world.client_with(|it| it.client_secret = ClientSecret::Given("wrong".into()));
    let scope = world.client_with(|it| it.scope = "read:users".to_owned());
    let path = world
        .client_with(|it| it.auth_url = format!("{}/nowhere", world.served.url).parse().unwrap());
    let cases = [
        (secret, "invalid_client: The client credentials are invalid."),
        (scope, "invalid_scope: Halo does not know the scope \"read:users\""),
        (path, "HTTP 404"),
    ];
    for (halo, expected) in cases {
        let Kind::Credentials { code: None, error } =
            kind(halo.page(RecordKind::User, 1).await.unwrap_err())
        else {
            panic!("{expected}")
        };
        assert!(error.starts_with(expected), "{error}");
    }
    for knob in [WrongTenant::HtmlPage, WrongTenant::Empty] {
        world.halo.turn(|knobs| knobs.wrong_tenant = knob);
        let halo = world.client_with(|it| it.tenant = Some("elsewhere".to_owned()));
        let told = halo.page(RecordKind::User, 1).await.unwrap_err().to_string();
        assert!(told.contains("check Halo's tenant"), "{told}");
    }
}

#[tokio::test]
async fn a_stored_secret_is_read_when_it_is_needed_and_again_after_it_changed() {
    // C4, H1: nothing has to be started again for a new secret.
    let world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    let secrets = Arc::new(Files::open(dir.path().join("secrets")).unwrap());
    let halo = world.client_with(|it| it.client_secret = ClientSecret::Stored(secrets.clone()));
    let told = kind(halo.page(RecordKind::User, 1).await.unwrap_err());
    let missing = "the secret halo/client-secret of Halo's API application is not set";
    assert_eq!(told, Kind::Credentials { code: None, error: missing.to_owned() });

    secrets.put(&SecretName::halo(), &CLIENT_SECRET.into()).await.unwrap();
    halo.page(RecordKind::User, 1).await.unwrap();
    world.halo.set_credentials(CLIENT_ID, "the next secret");
    world.halo.revoke_tokens();
    let told = kind(halo.page(RecordKind::User, 1).await.unwrap_err());
    assert!(matches!(told, Kind::Credentials { .. }), "{told:?}");
    secrets.put(&SecretName::halo(), &"the next secret".into()).await.unwrap();
    halo.page(RecordKind::User, 1).await.unwrap();
}

#[tokio::test]
async fn an_outage_of_the_sign_in_passes() {
    // C7: throttling and outages never look like wrong credentials.
    let world = World::new().await;
    let faults = [
        Fault::HtmlPage,
        Fault::Empty,
        Fault::ReplyLost,
        Fault::TruncatedBody,
        Fault::Throttle { retry_after: None },
        Fault::Status { code: 200, body: r#"{"token_type":"Bearer"}"#.to_owned() },
    ];
    let halo = world.client();
    for fault in faults {
        world.halo.fail_next("/auth/token", "POST", 1, fault.clone());
        let kind = kind(halo.page(RecordKind::User, 1).await.unwrap_err());
        assert!(
            !matches!(kind, Kind::Credentials { .. } | Kind::Refused { .. }),
            "{fault:?}: {kind:?}"
        );
    }
    halo.page(RecordKind::User, 1).await.unwrap();
}

#[tokio::test]
async fn addresses_are_taken_as_people_write_them() {
    let world = World::new().await;
    world.halo.set_tenant(None);
    for (api, auth) in [("/api/", "/auth/"), ("/API", "/auth/token"), ("/api", "/auth")] {
        let halo = world.client_with(|it| {
            it.api_url = format!("{}{api}", world.served.url).parse().unwrap();
            it.auth_url = format!("{}{auth}", world.served.url).parse().unwrap();
            it.tenant = None;
        });
        halo.page(RecordKind::User, 1).await.unwrap();
    }
}

#[tokio::test]
async fn the_connection_test_says_who_we_are_and_what_we_may() {
    // H1.
    for list in [AgentList::Bare, AgentList::Results, AgentList::Agents] {
        let world = World::new().await;
        world.halo.turn(|knobs| knobs.agent_list = list);
        let report = world.client().test().await;
        assert!(report.passed(), "{report:?}");
        let me = ConnectedAs {
            id: Some(RecordId::agent(API_AGENT_ID)),
            name: "Entra import".to_owned(),
        };
        assert_eq!(report.connected_as, Some(me));
        assert!(report.scopes.iter().any(|scope| scope == "edit:customers"));
    }
    let world = World::new().await;
    world.halo.set_scopes(&["read:tickets"]);
    let report = world.client().test().await;
    let failed: Vec<_> = report
        .entities
        .iter()
        .filter_map(|it| it.problem.as_ref().map(|problem| (it.entity, problem)))
        .collect();
    let names: Vec<_> = failed.iter().map(|(entity, _)| *entity).collect();
    assert_eq!(names, ["Users", "Site", "Client"]);
    assert!(failed[0].1.contains("Halo does not allow it"), "{failed:?}");
    let wrong =
        world.client_with(|it| it.client_secret = ClientSecret::Given("wrong".into())).test().await;
    assert!(wrong.problem.unwrap().contains("invalid_client") && wrong.entities.is_empty());
}

#[tokio::test]
async fn lists_to_choose_from_are_whole() {
    // F4, P6: checks on saving a document.
    let world = World::new().await;
    world.halo.add_client(&json!({ "id": 4, "name": "Fabrikam" }));
    world.halo.add_role(&json!({ "id": "a-text-id", "id_int": 7, "name": "Technician" }));
    world.halo.add_user_role(&json!({ "id": 4, "name": "Manager" }));
    world.halo.add_cab(&json!({ "id": 1, "name": "Changes" }));
    world.halo.add_custom_field(&json!({ "id": 123, "name": "CFx", "label": "X" }));
    for number in 0..120 {
        world.halo.add_site(&json!({ "name": format!("Site {number}"), "client_id": 4 }));
    }
    let halo = world.client();
    let names = async |picker| {
        let all = halo.names(picker).await.unwrap();
        all.into_iter().map(|it| format!("{} {}", it.id, it.name)).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(names(Picker::Clients).await, "3 Contoso, 4 Fabrikam");
    assert_eq!(names(Picker::AgentRoles).await, "7 Technician");
    assert_eq!(names(Picker::UserRoles).await, "4 Manager");
    assert_eq!(names(Picker::Cabs).await, "1 Changes");
    assert_eq!(names(Picker::Licences).await, "");
    let fields = halo.custom_fields().await.unwrap();
    assert_eq!((fields[0].id.0, fields[0].label.as_str()), (123, "X"));
    assert_eq!(halo.sites(Some(ClientId(4))).await.unwrap().len(), 120);
    assert_eq!(halo.sites(None).await.unwrap().len(), 122);
    assert_eq!(halo.site(SiteId(19)).await.unwrap().unwrap().name, "Leeds");
    assert_eq!(halo.site(SiteId(999_999)).await.unwrap(), None);
    assert_eq!(halo.client(ClientId(3)).await.unwrap().unwrap().name, "Contoso");
    assert_eq!(halo.client(ClientId(99)).await.unwrap(), None);
}
