//! The objects of the tenant and the journal of their changes: what a delta token points into.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::properties;

/// Number of a change; each change of the directory gets the next one.
pub(super) type Seq = u64;

/// Place of an object in the arena; never reused.
pub(super) type Slot = u32;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Group,
    /// Only ever a member of groups; readers of people have to step over it.
    Device,
}

impl Kind {
    /// The type annotation of the object, `#microsoft.graph.…`.
    pub(super) fn odata_type(self) -> &'static str {
        match self {
            Kind::User => "#microsoft.graph.user",
            Kind::Group => "#microsoft.graph.group",
            Kind::Device => "#microsoft.graph.device",
        }
    }
}

/// Whether an object is there, restorable, or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Live,
    Deleted,
    Purged,
}

/// One change of an object with what it replaced, so that any earlier state can be shown again.
#[derive(Clone)]
pub(super) struct Change {
    pub(super) seq: Seq,
    pub(super) what: What,
}

#[derive(Clone)]
pub(super) enum What {
    /// `before` is `None` for a property that was never set.
    Property {
        name: Box<str>,
        before: Option<Value>,
    },
    Manager {
        before: Option<Slot>,
    },
    Life {
        before: Life,
    },
    /// Reported without any difference: a replay.
    Touched,
}

/// The direct members of a group.
#[derive(Clone, Default)]
pub(super) struct Members {
    /// In order of joining; pages point into it.
    pub(super) order: BTreeMap<Seq, Slot>,
    joined: HashMap<Slot, Seq>,
    pub(super) log: Vec<MemberChange>,
}

#[derive(Clone, Copy)]
pub(super) struct MemberChange {
    pub(super) seq: Seq,
    pub(super) slot: Slot,
    pub(super) joined: bool,
}

impl Members {
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.joined.contains_key(&slot)
    }
}

/// A user, group or device.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) id: Uuid,
    pub(super) kind: Kind,
    pub(super) life: Life,
    pub(super) born: Seq,
    pub(super) manager: Option<Slot>,
    /// Properties as JSON text: a third of the memory of a map, which counts with a million users.
    text: Box<str>,
    pub(super) changes: Vec<Change>,
    /// Groups it is a direct member of.
    pub(super) groups: Vec<Slot>,
    pub(super) members: Option<Box<Members>>,
}

impl Object {
    /// Properties now: never set = absent, cleared = null. The id is not among them.
    pub(super) fn properties(&self) -> Map<String, Value> {
        serde_json::from_str(&self.text).expect("the directory wrote it")
    }

    /// Life and properties as they were right after change `seq`; `None` before it was born.
    pub(super) fn seen_at(&self, seq: Seq) -> Option<Seen> {
        if self.born > seq {
            return None;
        }
        let mut seen =
            Seen { properties: self.properties(), life: self.life, manager: self.manager };
        for change in self.changes.iter().rev().take_while(|change| change.seq > seq) {
            match &change.what {
                What::Property { name, before: Some(value) } => {
                    seen.properties.insert(name.to_string(), value.clone());
                }
                What::Property { name, before: None } => {
                    seen.properties.remove(&**name);
                }
                What::Manager { before } => seen.manager = *before,
                What::Life { before } => seen.life = *before,
                What::Touched => {}
            }
        }
        Some(seen)
    }

    /// The changes after `since`, oldest first.
    pub(super) fn changes_after(&self, since: Seq) -> &[Change] {
        let from = self.changes.partition_point(|change| change.seq <= since);
        &self.changes[from..]
    }
}

/// An object as it was at some change.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) properties: Map<String, Value>,
    pub(super) life: Life,
    pub(super) manager: Option<Slot>,
}

/// All objects, and who changed last.
#[derive(Clone, Default)]
pub(super) struct Directory {
    objects: Vec<Object>,
    by_id: HashMap<Uuid, Slot>,
    by_upn: HashMap<Box<str>, Slot>,
    pub(super) users: Vec<Slot>,
    pub(super) groups: Vec<Slot>,
    /// The last change of each user: a later round is a range of it, however many users there are.
    pub(super) last_changes: BTreeMap<Seq, Slot>,
    last_of: HashMap<Slot, Seq>,
    pub(super) live_users: usize,
    seq: Seq,
    /// First change made at each time, in order; delayed reads look here.
    times: Vec<(Timestamp, Seq)>,
    deleted: HashMap<Slot, Timestamp>,
    /// The soft-deleted in order of time; entries of restored ones are passed over.
    purge_queue: VecDeque<(Timestamp, Slot)>,
}

impl Directory {
    pub(super) fn seq(&self) -> Seq {
        self.seq
    }

    pub(super) fn object(&self, slot: Slot) -> &Object {
        &self.objects[slot as usize]
    }

    fn object_mut(&mut self, slot: Slot) -> &mut Object {
        &mut self.objects[slot as usize]
    }

    /// An object by its id in any spelling, whatever its life.
    pub(super) fn find(&self, id: &str) -> Option<Slot> {
        let id = Uuid::parse_str(id).ok()?;
        self.by_id.get(&id).copied()
    }

    /// An object of the kind by its id, or a user also by user principal name.
    pub(super) fn find_kind(&self, kind: Kind, key: &str) -> Option<Slot> {
        let upn = || match kind {
            Kind::User => self.by_upn.get(key.to_lowercase().as_str()).copied(),
            Kind::Group | Kind::Device => None,
        };
        self.find(key).or_else(upn).filter(|slot| self.object(*slot).kind == kind)
    }

    /// The last change made at or before `time`.
    pub(super) fn seq_at(&self, time: Timestamp) -> Seq {
        let later = self.times.partition_point(|(at, _)| *at <= time);
        self.times.get(later).map_or(self.seq, |(_, first)| first - 1)
    }

    fn tick(&mut self, now: Timestamp) -> Seq {
        self.seq += 1;
        if self.times.last().is_none_or(|(at, _)| *at < now) {
            self.times.push((now, self.seq));
        }
        self.seq
    }

    fn record(&mut self, slot: Slot, now: Timestamp, what: What) {
        let seq = self.tick(now);
        self.object_mut(slot).changes.push(Change { seq, what });
        self.moved(slot, seq);
    }

    fn moved(&mut self, slot: Slot, seq: Seq) {
        if self.object(slot).kind != Kind::User {
            return;
        }
        let born = self.object(slot).born;
        let before = self.last_of.insert(slot, seq).unwrap_or(born);
        self.last_changes.remove(&before);
        self.last_changes.insert(seq, slot);
    }

    /// Adds an object; nulls among the properties mean never set.
    pub(super) fn insert(
        &mut self,
        kind: Kind,
        id: Uuid,
        properties: &Map<String, Value>,
        now: Timestamp,
    ) -> Slot {
        let set: Map<String, Value> = properties
            .iter()
            .filter(|(name, value)| *name != "id" && !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let born = self.tick(now);
        let slot = Slot::try_from(self.objects.len()).expect("fewer than four billion objects");
        assert!(self.by_id.insert(id, slot).is_none(), "two objects with the id {id}");
        self.index_upn(slot, &set);
        self.objects.push(Object {
            id,
            kind,
            life: Life::Live,
            born,
            manager: None,
            text: write(&set),
            changes: Vec::new(),
            groups: Vec::new(),
            members: (kind == Kind::Group).then(Box::default),
        });
        match kind {
            Kind::User => {
                self.users.push(slot);
                self.last_changes.insert(born, slot);
                self.live_users += 1;
            }
            Kind::Group => self.groups.push(slot),
            Kind::Device => {}
        }
        slot
    }

    fn index_upn(&mut self, slot: Slot, properties: &Map<String, Value>) {
        if let Some(upn) = properties.get("userPrincipalName").and_then(Value::as_str) {
            self.by_upn.insert(upn.to_lowercase().into(), slot);
        }
    }

    fn unindex_upn(&mut self, slot: Slot, properties: &Map<String, Value>) {
        let upn = properties.get("userPrincipalName").and_then(Value::as_str);
        let Some(upn) = upn.map(str::to_lowercase) else { return };
        if self.by_upn.get(upn.as_str()) == Some(&slot) {
            self.by_upn.remove(upn.as_str());
        }
    }

    /// Sets properties; null clears. A value that is there already changes nothing.
    pub(super) fn patch(&mut self, slot: Slot, patch: &Map<String, Value>, now: Timestamp) {
        self.set(slot, patch, now, properties::tracked);
    }

    /// As [`Self::patch`], where delta reports changes of the `tracked` properties only.
    pub(super) fn set(
        &mut self,
        slot: Slot,
        patch: &Map<String, Value>,
        now: Timestamp,
        tracked: impl Fn(&str) -> bool,
    ) {
        let before = self.object(slot).properties();
        let mut after = before.clone();
        for (name, value) in patch {
            let old = before.get(name);
            if old == Some(value) || (old.is_none() && value.is_null()) {
                continue;
            }
            after.insert(name.clone(), value.clone());
            if tracked(name) {
                let what = What::Property {
                    name: name.as_str().into(),
                    before: before.get(name).cloned(),
                };
                self.record(slot, now, what);
            }
        }
        self.unindex_upn(slot, &before);
        self.index_upn(slot, &after);
        self.object_mut(slot).text = write(&after);
    }

    pub(super) fn touch(&mut self, slot: Slot, now: Timestamp) {
        self.record(slot, now, What::Touched);
    }

    pub(super) fn set_manager(&mut self, slot: Slot, manager: Option<Slot>, now: Timestamp) {
        let before = std::mem::replace(&mut self.object_mut(slot).manager, manager);
        if before != manager {
            self.record(slot, now, What::Manager { before });
        }
    }

    /// Deletes, restores or purges. A purged object leaves its groups; a deleted one stays in them.
    pub(super) fn set_life(&mut self, slot: Slot, life: Life, now: Timestamp) {
        let before = std::mem::replace(&mut self.object_mut(slot).life, life);
        if before == life {
            return;
        }
        assert!(before != Life::Purged, "a purged object never comes back");
        if self.object(slot).kind == Kind::User {
            match (before, life) {
                (Life::Live, _) => self.live_users -= 1,
                (_, Life::Live) => self.live_users += 1,
                _ => {}
            }
        }
        self.deleted.remove(&slot);
        if life == Life::Deleted {
            self.deleted.insert(slot, now);
            self.purge_queue.push_back((now, slot));
        }
        self.record(slot, now, What::Life { before });
        if life == Life::Purged {
            let properties = self.object(slot).properties();
            self.unindex_upn(slot, &properties);
            for group in self.object(slot).groups.clone() {
                self.leave(group, slot, now);
            }
        }
    }

    /// Purges what was soft-deleted at or before `time`.
    pub(super) fn purge_deleted_until(&mut self, time: Timestamp, now: Timestamp) {
        while let Some((at, slot)) = self.purge_queue.front().copied().filter(|(at, _)| *at <= time)
        {
            self.purge_queue.pop_front();
            if self.deleted.get(&slot) == Some(&at) {
                self.set_life(slot, Life::Purged, now);
            }
        }
    }

    /// The members of a group.
    pub(super) fn members(&self, group: Slot) -> &Members {
        self.object(group).members.as_ref().expect("a group")
    }

    fn members_mut(&mut self, group: Slot) -> &mut Members {
        self.object_mut(group).members.as_mut().expect("a group")
    }

    pub(super) fn join(&mut self, group: Slot, member: Slot, now: Timestamp) {
        if self.members(group).contains(member) {
            return;
        }
        let seq = self.tick(now);
        let members = self.members_mut(group);
        members.joined.insert(member, seq);
        members.order.insert(seq, member);
        members.log.push(MemberChange { seq, slot: member, joined: true });
        self.object_mut(member).groups.push(group);
    }

    pub(super) fn leave(&mut self, group: Slot, member: Slot, now: Timestamp) {
        let Some(joined) = self.members_mut(group).joined.remove(&member) else { return };
        let seq = self.tick(now);
        let members = self.members_mut(group);
        members.order.remove(&joined);
        members.log.push(MemberChange { seq, slot: member, joined: false });
        self.object_mut(member).groups.retain(|other| *other != group);
    }

    /// Everything inside the group at any depth, each once, in order of discovery.
    pub(super) fn transitive_members(&self, group: Slot) -> Vec<Slot> {
        self.reach(group, |directory, slot| {
            let members = directory.object(slot).members.as_ref();
            members.map_or_else(Vec::new, |members| members.order.values().copied().collect())
        })
    }

    /// Every group the object is in at any depth.
    pub(super) fn transitive_groups(&self, slot: Slot) -> Vec<Slot> {
        self.reach(slot, |directory, slot| directory.object(slot).groups.clone())
    }

    fn reach(&self, from: Slot, next: impl Fn(&Self, Slot) -> Vec<Slot>) -> Vec<Slot> {
        let mut found = Vec::new();
        let mut known = HashSet::from([from]);
        let mut waiting = VecDeque::from([from]);
        while let Some(slot) = waiting.pop_front() {
            for other in next(self, slot) {
                if self.object(other).life == Life::Live && known.insert(other) {
                    found.push(other);
                    waiting.push_back(other);
                }
            }
        }
        found
    }
}

fn write(properties: &Map<String, Value>) -> Box<str> {
    serde_json::to_string(properties).expect("JSON values can be written").into()
}
