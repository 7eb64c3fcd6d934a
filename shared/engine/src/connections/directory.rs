//! What only Entra can tell of a document: whether its groups exist (P3) and its properties can be
//! read (F3).

use std::collections::BTreeMap;

use plan::catalogue;
use plan::document::{Document, Mistake, Source};
use plan::failure::Failure;
use plan::ids::ObjectId;

use super::check::Findings;
use crate::Engine;
use crate::graph::Graph;
use crate::store::keys::folded;

/// What pinning group names did.
#[derive(Debug, Default)]
pub struct Pinned {
    /// Whether any id was pinned.
    pub changed: bool,
    /// References that could not be resolved, with their places.
    pub problems: Vec<Mistake>,
}

impl Engine {
    /// Pins the object id of every group that is named only by name (P3).
    pub async fn pin_groups(
        &self,
        graph: &Graph,
        document: &mut Document,
    ) -> Result<Pinned, Failure> {
        let places = document.groups();
        let unpinned = places.iter().filter(|(_, group)| group.id.is_none());
        let names: Vec<String> = unpinned.filter_map(|(_, group)| group.name.clone()).collect();
        if names.is_empty() {
            return Ok(Pinned::default());
        }
        let paths: Vec<String> = places.into_iter().map(|(path, _)| path).collect();
        let mut answers = names.iter().zip(graph.find_groups(&names).await?);
        let mut pinned = Pinned::default();
        for (path, group) in paths.into_iter().zip(document.groups_mut()) {
            if group.id.is_some() || group.name.is_none() {
                continue;
            }
            let Some((name, found)) = answers.next() else { break };
            let wrong = match found.as_slice() {
                [one] => {
                    group.id = Some(one.id);
                    pinned.changed = true;
                    continue;
                }
                [] => format!(
                    "Entra has no group called \"{name}\". Check the name, or give the group's object id."
                ),
                several => {
                    let ids: Vec<String> = several.iter().map(|it| it.id.to_string()).collect();
                    format!(
                        "Entra has {} groups called \"{name}\" ({}). Name the right one by its object id.",
                        several.len(),
                        ids.join(", ")
                    )
                }
            };
            pinned.problems.push(Mistake::new(format!("{path}.name"), wrong));
        }
        Ok(pinned)
    }

    /// Checks groups and properties, and pins the groups. `old` = the document that this one
    /// replaces: what was right there and is not any more is only warned of, so that one deleted
    /// group does not keep everything else from being saved.
    pub(super) async fn check_directory(
        &self,
        graph: &Graph,
        document: &mut Document,
        old: Option<&Document>,
    ) -> Result<Findings, Failure> {
        let mut findings = Findings::default();
        let carried = carry_pins(document, old);
        check_ids(graph, document, old, &carried, &mut findings).await?;
        let pinned = self.pin_groups(graph, document).await?;
        findings.mistakes.extend(pinned.problems);
        if let Err(said) = graph.select_works(&catalogue::selected(document)).await? {
            findings.mistakes.extend(refused_properties(document, &said));
        }
        Ok(findings)
    }
}

/// Gives a reference by name the id that the same name was pinned to before, so that a document
/// from a file keeps its groups when they are renamed in Entra. Returns what was given.
pub(crate) fn carry_pins(document: &mut Document, old: Option<&Document>) -> Vec<ObjectId> {
    let Some(old) = old else { return Vec::new() };
    let pinned: BTreeMap<String, ObjectId> = old
        .groups()
        .into_iter()
        .filter_map(|(_, group)| Some((folded(group.name.as_deref()?), group.id?)))
        .collect();
    let mut carried = Vec::new();
    for group in document.groups_mut() {
        let known = group.name.as_deref().and_then(|name| pinned.get(&folded(name)));
        if let (None, Some(id)) = (group.id, known) {
            group.id = Some(*id);
            carried.push(*id);
        }
    }
    carried
}

/// Looks up the groups that have an id. One that was carried over and is gone is looked for by its
/// name again.
async fn check_ids(
    graph: &Graph,
    document: &mut Document,
    old: Option<&Document>,
    carried: &[ObjectId],
    findings: &mut Findings,
) -> Result<(), Failure> {
    let ids: Vec<ObjectId> = document.groups().iter().filter_map(|(_, group)| group.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let found = graph.groups_by_id(&ids).await?;
    let found: BTreeMap<ObjectId, String> =
        ids.into_iter().zip(found).filter_map(|(id, group)| Some((id, group?.name))).collect();
    let before: Vec<ObjectId> = old
        .map(|old| old.groups().iter().filter_map(|(_, group)| group.id).collect())
        .unwrap_or_default();
    let paths: Vec<String> = document.groups().into_iter().map(|(path, _)| path).collect();
    for (path, group) in paths.into_iter().zip(document.groups_mut()) {
        let Some(id) = group.id else { continue };
        match (found.get(&id), group.name.as_deref()) {
            (Some(real), Some(name)) if folded(real) != folded(name) => findings.warn(
                format!("{path}.name"),
                format!("The group \"{name}\" is called \"{real}\" in Entra. It is followed by its object id."),
            ),
            (Some(_), _) => {}
            (None, Some(_)) if carried.contains(&id) => group.id = None,
            (None, _) if before.contains(&id) => findings.warn(
                format!("{path}.id"),
                "Entra has no group of this object id any more. Nothing is taken from anybody because of it; name another group or remove the mapping.",
            ),
            (None, _) => {
                findings.mistake(format!("{path}.id"), "Entra has no group of this object id.");
            }
        }
    }
    Ok(())
}

/// Which rows are meant by what Graph says of a property; all of them where it cannot be told.
fn refused_properties(document: &Document, said: &str) -> Vec<Mistake> {
    let message = format!("Graph does not take this property: {said}");
    let lower = said.to_lowercase();
    let is_named = |name: &str| lower.contains(&name.to_lowercase());
    let mut places = Vec::new();
    for (list, rows) in [("users", &document.user_fields), ("agents", &document.agent_fields)] {
        for (index, row) in rows.iter().enumerate() {
            for source in &row.from {
                places.push((format!("$.field_mappings.{list}[{index}].from"), source));
            }
        }
    }
    for (index, mapping) in document.mappings.iter().enumerate() {
        for (condition, tested) in mapping.conditions.iter().enumerate() {
            let path = format!("$.mappings[{index}].conditions[{condition}].field");
            places.push((path, &tested.field));
        }
    }
    let mut mistakes: Vec<Mistake> = places
        .into_iter()
        .filter(|(_, source)| matches!(source, Source::Property(name) if is_named(name)))
        .map(|(path, _)| Mistake::new(path, message.clone()))
        .collect();
    let matching = [("users", &document.user_matching), ("agents", &document.agent_matching)];
    for (list, rows) in matching {
        let rows = rows.iter().enumerate().filter(|(_, row)| is_named(&row.entra));
        mistakes.extend(rows.map(|(index, _)| {
            Mistake::new(format!("$.matching.{list}[{index}].entra"), message.clone())
        }));
    }
    if mistakes.is_empty() {
        mistakes.push(Mistake::new("$.field_mappings", message));
    }
    mistakes
}
