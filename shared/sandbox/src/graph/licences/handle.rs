//! Licences as tests change them and look at them.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::super::directory::Kind;
use super::super::model::Model;
use super::super::{Graph, find};
use super::{AppliesTo, Sku, SkuStatus, publish, settle_group};

/// What was bought.
impl Graph {
    /// Buys seats of a product and gives its id, which is made up.
    pub fn add_sku(&self, part_number: &str, seats: i64) -> String {
        let id = self.lock().random_id();
        self.add_sku_with_id(&id, part_number, seats);
        id
    }

    /// As [`Graph::add_sku`], for products whose id is known.
    pub fn add_sku_with_id(&self, id: &str, part_number: &str, seats: i64) {
        self.add(id, part_number, seats, AppliesTo::User);
    }

    /// Buys a product that is for the company as a whole: nobody can be given it.
    pub fn add_company_sku(&self, part_number: &str, seats: i64) -> String {
        let id = self.lock().random_id();
        self.add(&id, part_number, seats, AppliesTo::Company);
        id
    }

    fn add(&self, id: &str, part_number: &str, seats: i64, applies_to: AppliesTo) {
        let mut model = self.lock();
        let (plan, subscription) = (model.random_id(), model.random_id());
        let sku = Sku {
            id: guid(id),
            part_number: part_number.to_owned(),
            applies_to,
            status: SkuStatus::Enabled,
            seats,
            plan: guid(&plan),
            subscription: guid(&subscription),
        };
        assert!(model.licences.sku(sku.id).is_none(), "two products with the id {id}");
        model.licences.skus.push(sku);
    }

    /// Changes how many seats there are. Who holds one keeps it, even if there are too few then.
    pub fn set_seats(&self, sku: &str, seats: i64) {
        find_sku(&mut self.lock(), sku).seats = seats;
    }

    /// Changes whether the subscription can be used; all its seats change with it.
    pub fn set_sku_status(&self, sku: &str, status: SkuStatus) {
        find_sku(&mut self.lock(), sku).status = status;
    }

    /// Ends a subscription without a trace: nobody holds it any more.
    pub fn remove_sku(&self, sku: &str) {
        let mut model = self.lock();
        let (sku, now) = (find_sku(&mut model, sku).id, model.clock.now());
        let licences = &mut model.licences;
        licences.skus.retain(|known| known.id != sku);
        licences.groups.values_mut().for_each(|given| given.retain(|known| *known != sku));
        let mut touched = Vec::new();
        for (user, ways) in &mut licences.ways {
            let before = ways.len();
            ways.retain(|way| way.sku != sku);
            touched.extend((ways.len() < before).then_some(*user));
        }
        for user in touched {
            publish(&mut model, user, now);
        }
    }

    /// Nobody can hold both from now on.
    pub fn set_conflicting(&self, one: &str, other: &str) {
        let mut model = self.lock();
        let pair = (find_sku(&mut model, one).id, find_sku(&mut model, other).id);
        model.licences.conflicts.push(pair);
    }
}

/// Who holds it.
impl Graph {
    /// Gives a licence directly, whatever stands in the way: seats can be overdrawn so.
    pub fn give_licence(&self, user: &str, sku: &str) {
        self.change(Kind::User, user, |model, slot, now| {
            let sku = find_sku(model, sku).id;
            model.licences.give(slot, sku, Vec::new(), now);
            publish(model, slot, now);
        });
    }

    /// Takes a licence that was given directly; one from a group stays.
    pub fn take_licence(&self, user: &str, sku: &str) {
        self.change(Kind::User, user, |model, slot, now| {
            let sku = find_sku(model, sku).id;
            model.licences.take(slot, sku);
            publish(model, slot, now);
        });
    }

    /// Lets a group give a licence to its direct members, in the order in which they joined. Those for
    /// whom no seat is left have an error until [`Graph::reprocess_group`].
    pub fn give_group_licence(&self, group: &str, sku: &str) {
        self.change(Kind::Group, group, |model, slot, now| {
            let sku = find_sku(model, sku).id;
            let given = model.licences.groups.entry(slot).or_default();
            given.retain(|known| *known != sku);
            given.push(sku);
            settle_group(model, slot, now);
        });
    }

    /// Lets a group no longer give a licence.
    pub fn take_group_licence(&self, group: &str, sku: &str) {
        self.change(Kind::Group, group, |model, slot, now| {
            let sku = find_sku(model, sku).id;
            if let Some(given) = model.licences.groups.get_mut(&slot) {
                given.retain(|known| *known != sku);
            }
            settle_group(model, slot, now);
        });
    }

    /// Tries once more what a group could not give, as an administrator's "reprocess" does.
    pub fn reprocess_group(&self, group: &str) {
        self.change(Kind::Group, group, |model, slot, now| {
            for ways in model.licences.ways.values_mut() {
                ways.retain(|way| way.group != Some(slot) || way.error.is_none());
            }
            settle_group(model, slot, now);
        });
    }

    /// Sets or clears the country in which a user's licences are used.
    pub fn set_usage_location(&self, user: &str, country: Option<&str>) {
        self.update_user(user, json!({ "usageLocation": country }));
    }

    /// Ids of the products that a user holds, directly or through a group.
    pub fn licences_of(&self, user: &str) -> BTreeSet<String> {
        let model = self.lock();
        let slot = find(&model, Kind::User, user);
        model.licences.held(slot).iter().map(Uuid::to_string).collect()
    }

    /// How many people hold a product (`consumedUnits`).
    pub fn consumed(&self, sku: &str) -> i64 {
        let model = self.lock();
        model.licences.consumed(&model.directory, guid(sku))
    }
}

fn find_sku<'a>(model: &'a mut Model, id: &str) -> &'a mut Sku {
    let sku = guid(id);
    let found = model.licences.skus.iter_mut().find(|known| known.id == sku);
    found.unwrap_or_else(|| unreachable!("no product with the id {id}"))
}

fn guid(id: &str) -> Uuid {
    Uuid::parse_str(id).expect("the id of a product is a GUID")
}
