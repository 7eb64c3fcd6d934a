//! The registered application as tests change it: what it proves itself with, what it was granted, and
//! who signs in.

use jiff::Timestamp;
use serde_json::Value;

use super::Graph;
use super::login::credential::Registered;

impl Graph {
    /// Grants an application permission; tokens from now on have it.
    pub fn grant(&self, permission: &str) {
        self.lock().app.grants.insert(permission.to_owned());
    }

    /// Takes a permission away; tokens issued before keep it (see [`super::Faults::denied`]).
    pub fn revoke(&self, permission: &str) {
        self.lock().app.grants.remove(permission);
    }

    /// Consents to a delegated permission; tokens of people who sign in from now on have it.
    pub fn grant_delegated(&self, permission: &str) {
        self.lock().app.delegated.insert(permission.to_owned());
    }

    /// Takes the consent to a delegated permission back.
    pub fn revoke_delegated(&self, permission: &str) {
        self.lock().app.delegated.remove(permission);
    }

    /// Replaces the client secret, with the time at which it ends.
    pub fn set_secret(&self, secret: &str, expires: Option<Timestamp>) {
        let mut model = self.lock();
        secret.clone_into(&mut model.app.secret);
        model.app.secret_expires = expires;
    }

    /// Registers a certificate (PEM, RSA) beside those that are registered already.
    pub fn register_certificate(&self, pem: &str) {
        self.lock().app.certificates.push(Registered::of_pem(pem));
    }

    /// Removes all certificates of the registration.
    pub fn forget_certificates(&self) {
        self.lock().app.certificates.clear();
    }

    /// Registers an address to which browsers may be sent back.
    pub fn register_redirect(&self, uri: &str) {
        self.lock().app.redirect_uris.insert(uri.to_owned());
    }

    /// Who signs in from now on, by object id, where no hint names an account. No account of the directory
    /// is needed for it.
    pub fn sign_in_as(&self, user: &str) {
        user.clone_into(&mut self.lock().signs_in);
    }

    /// Signs ID tokens with another key from now on, which is published in place of the one before.
    pub fn rotate_keys(&self) {
        self.lock().keys_rotated = true;
    }

    /// Makes every refresh token so far useless, as an administrator's "revoke sessions" does.
    pub fn revoke_sessions(&self) {
        self.lock().sessions.revoke();
    }

    /// Claims of the assertions that were accepted so far, each with its header under `header`.
    pub fn assertions(&self) -> Vec<Value> {
        self.lock().assertions.clone()
    }
}
