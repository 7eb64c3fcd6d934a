//! From JSON to a [`Document`], or to every mistake in it.
//!
//! Mistakes come in the order of reading, which is the order in which the type [`Document`] lists
//! its parts; keys that nobody knows come at the end of their object.

mod fields;
mod mappings;
mod nearest;
pub(crate) mod reader;
mod sources;

use serde_json::Value;
use url::{Host, Url};

use self::reader::{Node, Notes};
use super::words::{
    ASSERTIONS, CLOUDS, CREDENTIALS, ENTITIES, EVERY_MINUTES, FULL_EVERY_HOURS, GUARD_COUNT,
    GUARD_PERCENT, MAX_ADDRESS, MAX_MAPPINGS, MAX_NAME, METHODS, OUT_OF_SCOPE,
};
use super::{
    Assertion, Auth, AuthMethod, Cloud, CredentialKind, CustomClouds, Document, Entity, Guard,
    Licences, Mistake, Parsed, Reading, Roles, Sync,
};
use crate::ids::ClientId;

/// Reads a document.
///
/// # Errors
///
/// Every mistake in it, each with its path; the list is never empty.
pub fn parse(value: &Value, clouds: CustomClouds) -> Result<Parsed, Vec<Mistake>> {
    let notes = Notes::default();
    let document = document(&notes.root(value), clouds);
    let (mistakes, warnings) = notes.into_parts();
    match document {
        Some(document) if mistakes.is_empty() => Ok(Parsed { document, warnings }),
        _ => Err(mistakes),
    }
}

fn document(root: &Node<'_>, clouds: CustomClouds) -> Option<Document> {
    root.object(|o| {
        // Where the file's editor finds the schema; nothing of the document.
        let schema = o.maybe("$schema", |node| node.text(0..=MAX_ADDRESS));
        let id = o.required("id", "the connection's name in addresses", Node::id);
        let name = o.required("name", "the connection's name for people", name);
        let enabled = o.or("enabled", true, Node::bool);
        let tenant_id = o.required("tenant_id", "the id of the Entra tenant (a GUID)", Node::id);
        let cloud = o.or("cloud", Cloud::Global, |node| cloud(node, clouds));
        let auth = o.required("auth", "how to sign in, with at least a client_id", auth);
        let sync = o.or("sync", Sync::default(), sync);
        let create = o.or("create", true, Node::bool);
        // A broken `sync` must not make sources look wrong too.
        let last_sign_in = sync.as_ref().is_none_or(|sync| sync.last_sign_in);
        let scope = sources::Scope { last_sign_in };
        let field_mappings = o.or("field_mappings", fields::default_rows(), |node| {
            fields::field_mappings(node, scope)
        });
        let matching = o.or("matching", fields::default_matching(), fields::matching);
        let mappings =
            o.required("mappings", "the list of placement mappings (it may be empty)", |node| {
                mappings::mappings(node, MAX_MAPPINGS, scope)
            });
        let roles = o.or("roles", Roles::default(), mappings::roles);
        let licences = o.maybe("licences", licences);
        if licences == Some(None)
            && sync.as_ref().is_some_and(|s| s.entities.contains(&Entity::Licences))
        {
            let what = "the client that licences are imported to, as sync.entities names licences";
            o.required("licences", what, |_| Some(()));
        }
        let guard = o.or("guard", Guard::default(), guard);
        schema?;
        let (user_fields, agent_fields) = field_mappings?;
        let (user_matching, agent_matching) = matching?;
        Some(Document {
            id: id?,
            name: name?,
            enabled: enabled?,
            tenant_id: tenant_id?,
            cloud: cloud?,
            auth: auth?,
            sync: sync?,
            create: create?,
            user_fields,
            agent_fields,
            user_matching,
            agent_matching,
            mappings: mappings?,
            roles: roles?,
            licences: licences?,
            guard: guard?,
        })
    })
}

pub(crate) fn name(node: &Node<'_>) -> Option<String> {
    let name = node.words(MAX_NAME)?;
    if name.chars().any(char::is_control) {
        return node.mistake("A name stands on one line: it must not have control characters.");
    }
    Some(name.trim().to_owned())
}

pub(crate) fn cloud(node: &Node<'_>, clouds: CustomClouds) -> Option<Cloud> {
    if !node.value().is_object() {
        return node.word(CLOUDS);
    }
    if clouds == CustomClouds::Refused {
        return node.mistake(
            "This deployment allows no addresses of its own; expected one of global, us_gov, \
             us_gov_dod, china.",
        );
    }
    node.object(|o| {
        let login = o.required("login", "the base address of the login service", base_address);
        let graph = o.required("graph", "the base address of Graph", base_address);
        Some(Cloud::Custom { login: login?, graph: graph? })
    })
}

/// Scheme, host and port, nothing else: paths are ours, and plain HTTP never leaves the machine.
fn base_address(node: &Node<'_>) -> Option<Url> {
    let text = node.text(1..=MAX_ADDRESS)?;
    let Ok(url) = Url::parse(text) else {
        return node.expected("an address such as https://graph.example");
    };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return node.expected("an https address (http only for this machine)");
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The message must not repeat what may be a password.
        return node.mistake("An address must not have a user name or password.");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return node.expected("an address without path and query");
    }
    Some(url)
}

fn auth(node: &Node<'_>) -> Option<Auth> {
    node.object(|o| {
        let method = o.or("method", AuthMethod::Application, |node| node.word(METHODS));
        let credential = o.or("credential", CredentialKind::Secret, |node| node.word(CREDENTIALS));
        let assertion = o.or("assertion", Assertion::Ps256, |node| {
            let word = node.word(ASSERTIONS)?;
            if word == Assertion::Rs256 && credential == Some(CredentialKind::Secret) {
                return node
                    .mistake("Only a certificate signs: with \"secret\" there is no such key.");
            }
            Some(word)
        });
        let client_id =
            o.required("client_id", "the id of the app registration (a GUID)", Node::id);
        Some(Auth {
            method: method?,
            credential: credential?,
            assertion: assertion?,
            client_id: client_id?,
        })
    })
}

fn sync(node: &Node<'_>) -> Option<Sync> {
    let usual = Sync::default();
    node.object(|o| {
        let entities = o.or("entities", usual.entities, entities);
        let every_minutes =
            o.or("every_minutes", usual.every_minutes, |node| node.count(EVERY_MINUTES));
        let reading = o.or("delta", usual.reading, |node| {
            node.bool().map(|delta| if delta { Reading::Delta } else { Reading::Full })
        });
        let full =
            o.or("full_every_hours", usual.full_every_hours, |node| node.count(FULL_EVERY_HOURS));
        let missing = o.or("deactivate_missing", usual.deactivate_missing, Node::bool);
        let disabled =
            o.or("deactivate_disabled_users", usual.deactivate_disabled_users, Node::bool);
        let out_of_scope = o.or("out_of_scope", usual.out_of_scope, |node| node.word(OUT_OF_SCOPE));
        let reactivate = o.or("reactivate", usual.reactivate, Node::bool);
        let create_disabled = o.or("create_disabled", usual.create_disabled, Node::bool);
        let last_sign_in = o.or("last_sign_in", usual.last_sign_in, Node::bool);
        Some(Sync {
            entities: entities?,
            every_minutes: every_minutes?,
            reading: reading?,
            full_every_hours: full?,
            deactivate_missing: missing?,
            deactivate_disabled_users: disabled?,
            out_of_scope: out_of_scope?,
            reactivate: reactivate?,
            create_disabled: create_disabled?,
            last_sign_in: last_sign_in?,
        })
    })
}

fn entities(node: &Node<'_>) -> Option<Vec<Entity>> {
    let mut seen = Vec::new();
    node.each(1..=ENTITIES.len(), |node| {
        let entity = node.word(ENTITIES)?;
        if seen.contains(&entity) {
            return node.mistake("This entity stands in the list already; name each once.");
        }
        seen.push(entity);
        Some(entity)
    })
}

fn licences(node: &Node<'_>) -> Option<Licences> {
    node.object(|o| {
        let client_id =
            o.required("client_id", "the client that licences are imported to", |node| {
                node.halo_id().map(ClientId)
            });
        let manage_from_halo = o.or("manage_from_halo", false, Node::bool);
        Some(Licences { client_id: client_id?, manage_from_halo: manage_from_halo? })
    })
}

fn guard(node: &Node<'_>) -> Option<Guard> {
    let usual = Guard::default();
    node.object(|o| {
        o.or("max_deactivations", usual, |node| {
            node.object(|o| {
                let count = o.or("count", usual.count, |node| node.count(GUARD_COUNT));
                let percent = o.or("percent", usual.percent, |node| node.count(GUARD_PERCENT));
                let absolute = o.or("absolute", usual.absolute, |node| node.count(GUARD_COUNT));
                Some(Guard { count: count?, percent: percent?, absolute: absolute? })
            })
        })
    })
}

#[cfg(test)]
pub(super) mod mistakes;
#[cfg(test)]
pub(super) mod tests;
