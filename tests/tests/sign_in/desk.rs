//! A world with a sign-in connection, and a browser in front of it.

use engine::connections::Precondition;
use engine::secrets::{ExposeSecret, SecretString};
use engine::sign_on::{Begun, Returned, Session, SignedIn, Visitor};
use engine::web::Role;
use jiff::SignedDuration;
use plan::ids::{ObjectId, RecordKind};
use plan::sign_on::Refusal;
use sandbox::graph::{Faults, Graph};
use sandbox::sample::{CLIENT_ID, CLIENT_SECRET, TENANT_ID};
use serde_json::{Value, json};
use tests::world::{Setup, Storage, World};
use url::Url;

/// Where browsers reach the deployment.
pub(crate) const PUBLIC: &str = "https://import.contoso.example";

pub(crate) struct Desk {
    pub(crate) world: World,
    /// Somebody who is an agent and a user.
    pub(crate) agent: ObjectId,
    /// Somebody who is a user alone.
    pub(crate) user: ObjectId,
    http: reqwest::Client,
}

impl Desk {
    /// With people imported, and a sign-in connection for their tenant alone.
    pub(crate) async fn new() -> Self {
        let desk = Self::bare(Storage::Memory).await;
        desk.save(json!({})).await;
        desk.enter_secret().await;
        desk
    }

    /// Enters the secret of the sample's application.
    pub(crate) async fn enter_secret(&self) {
        let secret = json!({ "client_secret": CLIENT_SECRET });
        let secret = secret.as_object().unwrap();
        self.world.engine.put_sign_on_secret("ada", secret).await.unwrap();
    }

    /// With people imported, and nothing entered for signing in.
    pub(crate) async fn bare(storage: Storage) -> Self {
        let setup = Setup { entra: tenant(), edit: few_rules, storage, ..Setup::default() };
        let mut world = World::new(setup).await;
        world.engine.policy.public_url = Some(PUBLIC.parse().unwrap());
        for path in [engine::sign_on::CALLBACK, engine::sign_on::SIGNED_OUT] {
            world.entra.register_redirect(&format!("{PUBLIC}/{path}"));
        }
        world.sync().await;
        let people = world.people().await;
        let who = |agent: bool| {
            let found = people.iter().find(|(_, person)| {
                let link = &person.value.link;
                let active = |kind| link.of(kind).is_some_and(|it| it.activity.is_active());
                active(RecordKind::User) && active(RecordKind::Agent) == agent
            });
            *found.unwrap().0
        };
        let (agent, user) = (who(true), who(false));
        let http = engine::http::client().unwrap();
        let desk = Self { world, agent, user, http };
        desk.come(user);
        desk
    }

    /// Saves settings: those of the sample tenant, published, with others in their place.
    pub(crate) async fn save(&self, others: Value) {
        let mut settings = json!({
            "tenant": { "type": "single", "id": TENANT_ID },
            "client_id": CLIENT_ID,
            "cloud": { "login": self.world.graph_served.url, "graph": self.world.graph_served.url },
            "published": true,
        });
        for (name, value) in others.as_object().unwrap() {
            settings[name] = value.clone();
        }
        let engine = &self.world.engine;
        engine.save_sign_on("ada", Precondition::Any, &settings).await.unwrap();
    }

    /// Who sits before the browser.
    pub(crate) fn come(&self, who: ObjectId) {
        self.world.entra.sign_in_as(&who.to_string());
    }

    /// The number of the agent in Halo.
    pub(crate) async fn agent_id(&self) -> i64 {
        let people = self.world.people().await;
        people[&self.agent].value.link.agent.as_ref().unwrap().record.id
    }

    /// Begins a sign-in.
    pub(crate) async fn begin(&self) -> Begun {
        self.begun().await.unwrap()
    }

    async fn begun(&self) -> Result<Begun, Refusal> {
        self.world.engine.begin_sign_in(Some("/console/runs?page=2"), None).await
    }

    /// Goes through Microsoft's page; what the browser brings back.
    pub(crate) async fn go_through(&self, begun: &Begun) -> Returned {
        let answer = self.http.get(&begun.url).send().await.unwrap();
        let place = answer.headers().get("location").expect("nobody is sent back");
        let place: Url = place.to_str().unwrap().parse().unwrap();
        assert!(place.as_str().starts_with(&format!("{PUBLIC}/{}", engine::sign_on::CALLBACK)));
        let query: std::collections::BTreeMap<String, String> =
            place.query_pairs().into_owned().collect();
        let text = |name: &str| query.get(name).cloned();
        Returned {
            state: text("state").map(SecretString::from),
            code: text("code").map(SecretString::from),
            error: text("error"),
            error_description: text("error_description"),
            browser: Some(begun.browser.clone()),
            session: None,
        }
    }

    /// Signs in.
    pub(crate) async fn sign_in(&self) -> Result<SignedIn, Refusal> {
        let begun = self.begun().await?;
        let returned = self.go_through(&begun).await;
        self.world.engine.finish_sign_in(returned).await
    }

    /// Signs in with something wrong at Microsoft, for once.
    pub(crate) async fn sign_in_with(
        &self,
        faults: impl Fn(&mut Faults),
    ) -> Result<SignedIn, Refusal> {
        self.world.entra.faults(&faults);
        let signed_in = self.sign_in().await;
        self.world.entra.faults(|faults| *faults = Faults::default());
        signed_in
    }

    pub(crate) async fn visitor(&self, cookie: &SecretString) -> Visitor {
        self.world.engine.visitor(cookie).await.unwrap()
    }

    /// Who is signed in.
    pub(crate) async fn session(&self, cookie: &SecretString) -> Option<Session> {
        match self.visitor(cookie).await {
            Visitor::SignedIn(session) => Some(*session),
            Visitor::NoLonger(_) | Visitor::Nobody => None,
        }
    }

    /// The role of whoever signs in now.
    pub(crate) async fn role(&self) -> Result<Role, Refusal> {
        let cookie = self.sign_in().await?.cookie;
        Ok(self.session(&cookie).await.expect("no session").caller.role)
    }

    pub(crate) fn pass_minutes(&self, minutes: i64) {
        self.world.pass(SignedDuration::from_mins(minutes));
    }

    /// All that the store holds, as one text.
    pub(crate) fn stored(&self) -> String {
        let records = self.world.memory.as_ref().unwrap().records();
        let texts = records.iter().map(|it| format!("{} {} {}\n", it.key.pk, it.key.sk, it.body));
        texts.collect()
    }
}

/// Two people, so that each test has them imported in a moment: Ada of the helpdesk, and Bob.
fn tenant() -> Graph {
    let entra = Graph::new(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
    let person = |name: &str, surname: &str| {
        let address = format!("{}@contoso.example", name.to_lowercase());
        entra.add_user(json!({ "displayName": format!("{name} {surname}"), "givenName": name,
            "surname": surname, "mail": address, "userPrincipalName": address }))
    };
    let (ada, _) = (person("Ada", "Lovelace"), person("Bob", "Sugar"));
    let helpdesk = entra.add_group(json!({ "displayName": "IT Helpdesk" }));
    entra.add_member(&helpdesk, &ada);
    entra
}

/// The sample's document without the rules about groups that this tenant does not have.
fn few_rules(document: &mut Value) {
    document["roles"] = json!({});
    let mappings = document["mappings"].as_array_mut().unwrap();
    mappings.retain(|it| it["id"] == "offices" || it["id"] == "helpdesk");
}

/// A text in the clear, to look for it.
pub(crate) fn clear(secret: Option<&SecretString>) -> String {
    secret.unwrap().expose_secret().to_owned()
}
