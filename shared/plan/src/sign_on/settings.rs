//! The settings of single sign-on from JSON, with every mistake and its path (O1, O2).

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Allow, Settings, Tenants};
use crate::document::parse::reader::{Node, Notes};
use crate::document::parse::{cloud, name};
use crate::document::{Cloud, CustomClouds, Mistake};

/// The most tenants that are let in.
const MAX_TENANTS: usize = 1000;
/// The most roles, and the most clients.
const MAX_IDS: usize = 200;
const ALLOW: &[(&str, Allow)] =
    &[("agents", Allow::Agents), ("users", Allow::Users), ("both", Allow::Both)];

/// Reads the settings; what is left out is as in [`Settings::default`].
///
/// # Errors
///
/// Every mistake in them, each with its path; the list is never empty.
pub fn parse(value: &Value, clouds: CustomClouds) -> Result<Settings, Vec<Mistake>> {
    let notes = Notes::default();
    let settings = settings(&notes.root(value), clouds);
    let (mistakes, _) = notes.into_parts();
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(settings),
        _ => Err(mistakes),
    }
}

fn settings(root: &Node<'_>, clouds: CustomClouds) -> Option<Settings> {
    let usual = Settings::default();
    root.object(|o| {
        let name = o.or("name", usual.name, name);
        let tenant = o.maybe("tenant", tenant);
        let client_id = o.maybe("client_id", Node::id);
        let cloud = o.or("cloud", Cloud::Global, |node| cloud(node, clouds));
        let published = o.or("published", usual.published, Node::bool);
        if published == Some(true) {
            let whose = "whose people sign in, as settings that are published have to say";
            o.required("tenant", whose, |_| Some(()));
            let what = "the id of the application that people sign in to, as settings that are published have to say (a GUID)";
            o.required("client_id", what, |_| Some(()));
        }
        let allow = o.or("allow", usual.allow, |node| node.word(ALLOW));
        let auto_redirect = o.or("auto_redirect", usual.auto_redirect, Node::bool);
        let administrator_roles = o.or("administrator_roles", BTreeSet::new(), halo_ids);
        let force_sso = o.or("force_sso", BTreeSet::new(), halo_ids);
        Some(Settings {
            name: name?,
            tenant: tenant?,
            client_id: client_id?,
            cloud: cloud?,
            published: published?,
            allow: allow?,
            auto_redirect: auto_redirect?,
            administrator_roles: administrator_roles?,
            force_sso: force_sso?,
        })
    })
}

fn tenant(node: &Node<'_>) -> Option<Tenants> {
    const TYPES: &[(&str, bool)] = &[("single", true), ("multi", false)];
    node.object(|o| match o.required("type", "single or multi", |node| node.word(TYPES)) {
        Some(true) => {
            let id = o.required("id", "the id of the Entra tenant (a GUID)", Node::id);
            Some(Tenants::Single { id: id? })
        }
        Some(false) => {
            let allowed = o.required("allowed", "the ids of the tenants that are let in", |node| {
                once_each(node, 1..=MAX_TENANTS, Node::id)
            });
            Some(Tenants::Multi { allowed: allowed? })
        }
        None => {
            o.let_others_be(&["id", "allowed"]);
            None
        }
    })
}

fn halo_ids(node: &Node<'_>) -> Option<BTreeSet<i64>> {
    once_each(node, 0..=MAX_IDS, Node::halo_id)
}

/// A list in which nothing stands twice.
fn once_each<'a, T: Ord>(
    node: &Node<'a>,
    length: std::ops::RangeInclusive<usize>,
    read: impl Fn(&Node<'a>) -> Option<T>,
) -> Option<BTreeSet<T>> {
    let mut found = BTreeSet::new();
    node.each(length, |node| {
        let one = read(&node)?;
        if !found.insert(one) {
            return node.mistake("This stands in the list already; name each once.");
        }
        Some(())
    })?;
    Some(found)
}

impl<'de> Deserialize<'de> for Settings {
    /// Reads what was stored, by the same rules; the clouds were checked when it was saved.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(from)?;
        parse(&value, CustomClouds::Allowed).map_err(|mistakes| {
            let first = mistakes.first().map(|it| format!("{}: {}", it.path, it.message));
            serde::de::Error::custom(first.unwrap_or_default())
        })
    }
}
