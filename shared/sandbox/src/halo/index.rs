//! Finding users by object id, e-mail address or a piece of text without reading all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{GENERAL_USER, Row, int, text};

/// The properties that `search` looks at; `azureoid` is not among them.
const SEARCHED: [&str; 7] =
    ["name", "firstname", "surname", "emailaddress", "email2", "email3", "login"];

/// What is kept beside each user.
#[derive(Clone, Default)]
struct Entry {
    azureoid: String,
    emailaddress: String,
    /// All searched text in lower case, one line for each property.
    searched: String,
    general_user_of: Option<i64>,
}

/// Users by what they are looked for. All comparisons ignore case, as the database does.
#[derive(Clone, Default)]
pub(super) struct UserIndex {
    entries: BTreeMap<i64, Entry>,
    by_azureoid: BTreeMap<String, BTreeSet<i64>>,
    by_email: BTreeMap<String, BTreeSet<i64>>,
    general_users: BTreeMap<i64, BTreeSet<i64>>,
}

impl UserIndex {
    pub(super) fn put(&mut self, id: i64, row: &Row) {
        self.remove(id);
        let entry = Entry::of(row);
        add(&mut self.by_azureoid, &entry.azureoid, id);
        add(&mut self.by_email, &entry.emailaddress, id);
        if let Some(site) = entry.general_user_of {
            self.general_users.entry(site).or_default().insert(id);
        }
        self.entries.insert(id, entry);
    }

    pub(super) fn remove(&mut self, id: i64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        drop_from(&mut self.by_azureoid, &entry.azureoid, id);
        drop_from(&mut self.by_email, &entry.emailaddress, id);
        if let Some(users) =
            entry.general_user_of.and_then(|site| self.general_users.get_mut(&site))
        {
            users.remove(&id);
        }
    }

    /// Users with this object id, in any case; none for an empty one.
    pub(super) fn with_azureoid(&self, azureoid: &str) -> Vec<i64> {
        found(&self.by_azureoid, azureoid)
    }

    /// Users whose first e-mail address is this one, in any case; none for an empty one.
    pub(super) fn with_email(&self, email: &str) -> Vec<i64> {
        found(&self.by_email, email)
    }

    /// Whether the searched text of the user contains `needle`, which is in lower case.
    pub(super) fn contains(&self, id: i64, needle: &str) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.searched.contains(needle))
    }

    pub(super) fn is_general_user(&self, id: i64) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.general_user_of.is_some())
    }

    pub(super) fn general_user_of(&self, site_id: i64) -> bool {
        self.general_users.get(&site_id).is_some_and(|users| !users.is_empty())
    }
}

impl Entry {
    fn of(row: &Row) -> Self {
        let mut searched = String::new();
        for name in SEARCHED {
            searched.push_str(&text(row, name).to_lowercase());
            searched.push('\n');
        }
        let is_general = text(row, "name") == GENERAL_USER;
        Self {
            azureoid: text(row, "azureoid").to_lowercase(),
            emailaddress: text(row, "emailaddress").to_lowercase(),
            searched,
            general_user_of: is_general.then(|| int(row, "site_id")),
        }
    }
}

fn add(index: &mut BTreeMap<String, BTreeSet<i64>>, key: &str, id: i64) {
    if !key.is_empty() {
        index.entry(key.to_owned()).or_default().insert(id);
    }
}

fn drop_from(index: &mut BTreeMap<String, BTreeSet<i64>>, key: &str, id: i64) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

fn found(index: &BTreeMap<String, BTreeSet<i64>>, key: &str) -> Vec<i64> {
    index.get(&key.to_lowercase()).into_iter().flatten().copied().collect()
}
