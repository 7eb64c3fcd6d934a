//! Connections as administrators handle them: saved, checked against Entra and Halo, authorised.

use std::sync::Arc;

use plan::document::{Document, Mistake};

use crate::Engine;
use crate::graph::{Access, Credential, Graph, Hosts};
use crate::meter::Meter;
use crate::secrets::{ExposeSecret, SecretName, SecretString, SecretsError};
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
        let document = &saved.document;
        let name = SecretName::credentials(&document.id);
        let secret = self.secrets.get(&name).await?;
        // Nothing, or nothing that can be read, is refused by the login service with its own advice.
        let secret = secret.and_then(|secret| {
            let fields: serde_json::Value = serde_json::from_str(secret.expose_secret()).ok()?;
            fields.get("client_secret")?.as_str().map(SecretString::from)
        });
        let access = Access {
            hosts: Hosts::of(&document.cloud),
            tenant: document.tenant_id,
            client: document.auth.client_id,
            credential: Credential::Secret(secret.unwrap_or_default()),
        };
        let (http, tokens) = (self.http.clone(), self.tokens.clone());
        let (clock, random) = (self.clock.clone(), self.random.clone());
        Ok(Graph::new(access, http, tokens, meter, clock, random))
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
