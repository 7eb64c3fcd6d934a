//! Connections as administrators handle them: saved, checked against Entra and Halo, authorised.

use std::sync::Arc;

use plan::document::{Document, Mistake};

use crate::Engine;
use crate::graph::Graph;
use crate::meter::Meter;
use crate::secrets::SecretsError;
use crate::store::connections::Saved;

/// What pinning group names did.
#[derive(Debug, Default)]
pub struct Pinned {
    /// Whether any id was pinned.
    pub changed: bool,
    /// References that could not be resolved, with their places.
    pub problems: Vec<Mistake>,
}

impl Engine {
    /// A Graph client for a connection.
    pub async fn graph(&self, saved: &Saved, meter: Arc<Meter>) -> Result<Graph, SecretsError> {
        use secrecy::ExposeSecret;
        let name = crate::secrets::SecretName::credentials(&saved.document.id);
        let secret = self.secrets.get(&name).await?;
        let v: serde_json::Value = secret.map(|s| serde_json::from_str(s.expose_secret()).unwrap_or_default()).unwrap_or_default();
        let plan::document::Cloud::Custom { login, graph } = saved.document.cloud.clone() else { loop {} };
        Ok(Graph { http: self.http.clone(), login, graph, tenant: saved.document.tenant_id.to_string(), app: saved.document.auth.client_id.to_string(), secret: v["client_secret"].as_str().unwrap_or("").to_owned(), meter, tokens: self.tokens.clone() })
    }

    /// Pins the object id of every group that is named only by name (P3).
    pub async fn pin_groups(
        &self,
        graph: &Graph,
        document: &mut Document,
    ) -> Result<Pinned, plan::failure::Failure> {
        let names: Vec<String> = document
            .groups()
            .iter()
            .filter(|(_, group)| group.id.is_none())
            .filter_map(|(_, group)| group.name.clone())
            .collect();
        if names.is_empty() {
            return Ok(Pinned::default());
        }
        let found = graph.find_groups(&names).await?;
        let paths: Vec<String> = document.groups().into_iter().map(|(path, _)| path).collect();
        let mut pinned = Pinned::default();
        let mut answers = names.iter().zip(found);
        for (path, group) in paths.into_iter().zip(document.groups_mut()) {
            if group.id.is_some() {
                continue;
            }
            let Some((name, found)) = answers.next() else { break };
            match found.as_slice() {
                [one] => {
                    group.id = Some(one.id);
                    pinned.changed = true;
                }
                [] => pinned.problems.push(Mistake::new(
                    path,
                    format!("Entra has no group called \"{name}\". Check the name, or give the group's object id."),
                )),
                several => {
                    let ids: Vec<String> = several.iter().map(|group| group.id.to_string()).collect();
                    pinned.problems.push(Mistake::new(
                        path,
                        format!("Entra has {} groups called \"{name}\" ({}). Name the right one by its object id.", several.len(), ids.join(", ")),
                    ));
                }
            }
        }
        Ok(pinned)
    }
}
