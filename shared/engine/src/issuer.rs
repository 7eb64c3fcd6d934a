//! Issuers of tokens (OIDC): their keys by discovery.

use std::sync::Arc;

/// The issuers whose keys this process knows; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Issuers(#[expect(dead_code, reason = "the keys follow")] Arc<()>);
