//! Sources of values, and the properties that matching rows and site names read (F3).

use super::nearest::nearest;
use super::reader::{Node, cut};
use crate::catalogue::{Kind, Lookup, PROPERTIES, look_up};
use crate::document::Source;
use crate::document::words::{MANAGER, MAX_SOURCE, OTHER_SOURCES};

/// What the rest of the document means for sources.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// Whether the last sign-in is read at all (D8).
    pub(super) last_sign_in: bool,
}

/// What a bare `proxyAddresses` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A value for one field: the primary address.
    Value,
    /// A condition, which looks at every value (P5): all addresses. Constants are refused.
    Condition,
}

/// Reads a source.
pub(super) fn source(node: &Node<'_>, purpose: Purpose, scope: Scope) -> Option<Source> {
    let name = node.text(1..=MAX_SOURCE)?;
    if let Some(text) = name.strip_prefix("const:") {
        return match purpose {
            Purpose::Condition => {
                node.mistake("A condition looks at a property, not at a constant.")
            }
            Purpose::Value if text.is_empty() => {
                node.mistake("Missing: the text after \"const:\".")
            }
            Purpose::Value => Some(Source::Const(text.to_owned())),
        };
    }
    if MANAGER.contains(&name) {
        return name.strip_prefix("manager.").map(|part| Source::Manager(part.to_owned()));
    }
    match (name, purpose) {
        ("proxyAddresses", Purpose::Value) | ("proxyAddresses:primary", _) => {
            Some(Source::PrimaryAddress)
        }
        ("proxyAddresses", Purpose::Condition) | ("proxyAddresses:all", _) => {
            Some(Source::AllAddresses)
        }
        ("lastSignInDateTime", _) if scope.last_sign_in => Some(Source::LastSignIn),
        ("lastSignInDateTime", _) => {
            node.mistake("lastSignInDateTime is read only with sync.last_sign_in set to true.")
        }
        _ => property(node, name).map(|_| Source::Property(name.to_owned())),
    }
}

/// Reads the property whose value names a site (P6).
pub(super) fn site_name(node: &Node<'_>) -> Option<String> {
    let name = node.text(1..=MAX_SOURCE)?;
    match property(node, name)? {
        Some(Kind::Text) | None => Some(name.to_owned()),
        Some(Kind::Bool | Kind::Timestamp | Kind::List) => {
            node.expected("a property with one text, such as officeLocation")
        }
    }
}

/// Reads the property of a matching row (M2).
pub(super) fn matched(node: &Node<'_>) -> Option<String> {
    let name = node.text(1..=MAX_SOURCE)?;
    if name == "proxyAddresses" {
        return node.mistake(
            "proxyAddresses cannot be matched, as its values have a prefix; use mail or otherMails.",
        );
    }
    match property(node, name)? {
        Some(Kind::Text | Kind::List) | None => Some(name.to_owned()),
        Some(Kind::Bool | Kind::Timestamp) => {
            node.expected("a property with text, such as userPrincipalName or mail")
        }
    }
}

/// What kind of property a name is; `Some(None)` for a directory extension, which may be any.
#[expect(clippy::option_option, reason = "the outer one says whether a mistake was noted")]
fn property(node: &Node<'_>, name: &str) -> Option<Option<Kind>> {
    match look_up(name) {
        Lookup::Known(property) => {
            if let Some(caution) = property.caution {
                node.warning(format!("Take care with {name}: {caution}."));
            }
            Some(Some(property.kind))
        }
        Lookup::DirectoryExtension => Some(None),
        Lookup::Refused(why) => node.mistake(format!("{name} {why}.")),
        Lookup::Unknown => unknown(node, name),
    }
}

fn unknown<T>(node: &Node<'_>, name: &str) -> Option<T> {
    let known = PROPERTIES.iter().map(|property| property.name).chain(MANAGER).chain(OTHER_SOURCES);
    let shown = cut(name);
    if let Some(meant) = nearest(name, known) {
        return node.mistake(format!("Unknown property \"{shown}\"; did you mean \"{meant}\"?"));
    }
    let better = if name.starts_with("manager.") {
        "of a manager there are displayName, mail and userPrincipalName"
    } else if name.starts_with("extension_") {
        "a directory extension is extension_, its app's id as 32 hexadecimal digits, _ and its name"
    } else if name.starts_with("ext") && name.contains('_') {
        "schema extensions cannot be followed; directory extensions (extension_...) can"
    } else {
        "expected a property of Microsoft Graph's user by its exact name, such as displayName"
    };
    node.mistake(format!("Unknown property \"{shown}\"; {better}."))
}
