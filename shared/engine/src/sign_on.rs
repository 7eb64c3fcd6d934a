//! Stub.
use crate::Engine;
use crate::secrets::SecretString;
use crate::web::{Caller, Problem, Role};
/// S.
#[derive(Debug, Clone)]
pub struct Session {
    /// c
    pub caller: Caller,
    /// c
    pub csrf: SecretString,
}
impl Engine {
    /// S.
    pub async fn session(&self, cookie: &str) -> Result<Option<Session>, Problem> {
        Ok((cookie.len() > 10).then(|| Session {
            caller: Caller { role: Role::Administrator, name: "admin".into() },
            csrf: "x".into(),
        }))
    }
}
