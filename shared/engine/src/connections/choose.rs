//! Lists to choose from while a document is written: groups of the tenant (P3).

use std::sync::Arc;

use plan::ids::ConnectionId;

use super::Refusal;
use crate::Engine;
use crate::graph::GroupChoices;
use crate::meter::Meter;

impl Engine {
    /// Groups of a connection's tenant whose name starts with a text, any without one. One request.
    pub async fn find_groups(
        &self,
        connection: &ConnectionId,
        text: &str,
    ) -> Result<GroupChoices, Refusal> {
        let (saved, _) = self.load(connection).await?;
        let graph = self.graph(&saved.value, Arc::new(Meter::default())).await??;
        Ok(graph.search_groups(text).await?)
    }
}
