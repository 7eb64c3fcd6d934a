//! The connection test: who we are in Halo, and what we may do there (H1).

use plan::ids::RecordId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Call, Error, Halo, failed, wire};

/// What an import needs, as path and array of the list.
const ENTITIES: [(&str, &str); 7] = [
    ("Users", "users"),
    ("Site", "sites"),
    ("Client", "clients"),
    ("Agent", "agents"),
    ("Roles", "roles"),
    ("UserRoles", "roles"),
    ("FieldInfo", "fields"),
];

const OWN_AGENT: &str = "read our own agent";

/// What came of the connection test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TestReport {
    /// Why Halo gave no token, in which case nothing else was asked; `None` = it gave one.
    pub problem: Option<String>,
    /// Scopes that Halo granted: all that the application has, where `all` was asked for.
    pub scopes: Vec<String>,
    /// The agent that the application logs in as, where Halo says so.
    pub connected_as: Option<ConnectedAs>,
    /// What each needed entity answered.
    pub entities: Vec<EntityReport>,
}

impl TestReport {
    /// Whether everything answered.
    pub fn passed(&self) -> bool {
        self.problem.is_none() && self.entities.iter().all(|entity| entity.problem.is_none())
    }
}

/// The agent that the application logs in as. No import may ever disable it (R7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConnectedAs {
    /// Its id.
    pub id: Option<RecordId>,
    /// Its name.
    pub name: String,
}

/// What reading one entity came to. An agent that may see only some clients gets shorter lists without
/// any error, so that nothing here can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct EntityReport {
    /// Name of the entity in Halo's API.
    pub entity: &'static str,
    /// What went wrong and what to do; `None` = it answered.
    pub problem: Option<String>,
}

impl Halo {
    /// Tests settings and rights. Costs up to nine requests of the budget.
    pub async fn test(&self) -> TestReport {
        let token = match self.token(None).await {
            Ok(token) => token,
            Err(error) => {
                let problem = Some(error.to_string());
                return TestReport { problem, ..TestReport::default() };
            }
        };
        let mut entities = Vec::new();
        for (entity, key) in ENTITIES {
            let call = Call::get("read it", &[entity])
                .with("pageinate", true)
                .with("page_size", 1)
                .with("page_no", 1);
            let problem = self.rows(&call, key).await.err().map(|error| error.to_string());
            entities.push(EntityReport { entity, problem });
        }
        let claimed = ConnectedAs {
            id: token.claims.int("id").map(RecordId::agent),
            name: token.claims.text("name").into_owned(),
        };
        let known = claimed.id.is_some() && !claimed.name.is_empty();
        let connected_as = if known { Some(claimed) } else { self.me().await.ok().flatten() };
        TestReport { problem: None, scopes: token.scopes.clone(), connected_as, entities }
    }

    /// The agent that the application logs in as, asked for once for each token.
    pub(super) async fn own_agent(&self) -> Result<RecordId, Error> {
        let token = self.token(None).await?;
        let told = token.own_agent.get_or_try_init(|| async {
            if let Some(id) = token.claims.int("id").filter(|id| *id > 0) {
                return Ok(RecordId::agent(id));
            }
            let me = self.me().await?.and_then(|me| me.id);
            me.ok_or_else(|| failed(OWN_AGENT, wire::malformed("Halo does not say who we are")))
        });
        Ok(*told.await?)
    }

    async fn me(&self) -> Result<Option<ConnectedAs>, Error> {
        let body = self.json(&Call::get(OWN_AGENT, &["Agent", "me"])).await?;
        let record = wire::record(body).unwrap_or_default();
        let id = record.int("id").filter(|id| *id > 0).map(RecordId::agent);
        Ok(id.map(|id| ConnectedAs { id: Some(id), name: record.text("name").into_owned() }))
    }
}
