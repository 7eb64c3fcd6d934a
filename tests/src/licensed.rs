//! A company whose tenant has licences: some given to people, some to a group, and a Halo that has
//! software of its own.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use plan::ids::{ObjectId, SkuId};
use plan::licences::Book;
use serde_json::{Value, json};

use crate::helpdesk::Company;
use crate::world::{World, int};

/// Office 365 E5: 25 seats.
pub const E5: &str = "c7df2760-2c81-4ef7-b578-5b5392b571df";
/// Power Automate Free: 100 seats, given by the group Sales.
pub const FLOW: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";
/// A licence that Halo has of its own.
pub const OTHERS: i64 = 900;

/// The company: Ada holds E5, Ben is in Sales and so holds Flow, Cyd holds nothing.
pub struct Licensed {
    /// The company.
    pub company: Company,
    /// Holds E5 directly.
    pub ada: ObjectId,
    /// Holds Flow through the group.
    pub ben: ObjectId,
    /// Holds nothing.
    pub cyd: ObjectId,
}

impl Default for Licensed {
    fn default() -> Self {
        Self::new()
    }
}

impl Licensed {
    /// The company before its first import.
    pub fn new() -> Self {
        let mut company = Company::new();
        company.document["licences"] = json!({ "client_id": 3, "manage_from_halo": true });
        company.document["sync"]["entities"] = json!(["users", "agents", "licences"]);
        let ada = company.hire(0x11, "Ada", &["Staff"]);
        let ben = company.hire(0x22, "Ben", &["Sales"]);
        let cyd = company.hire(0x33, "Cyd", &["Staff"]);
        let entra = &company.entra;
        for who in [ada, ben, cyd] {
            entra.set_usage_location(&who.to_string(), Some("DK"));
        }
        entra.add_sku_with_id(E5, "ENTERPRISEPREMIUM", 25);
        entra.add_sku_with_id(FLOW, "FLOW_FREE", 100);
        entra.give_licence(&ada.to_string(), E5);
        entra.give_group_licence(&entra.groups_named("Sales")[0], FLOW);
        company.halo.add_licence(&json!({ "id": OTHERS, "name": "Their own", "client_id": 3 }));
        Self { company, ada, ben, cyd }
    }
}

/// Looking at the licences of a world.
impl World {
    /// The ledger.
    pub async fn book(&self) -> Book {
        self.engine.store.book(&self.id).await.unwrap().expect("licences were imported").value
    }

    /// The licence in Halo that a SKU is.
    pub async fn licence(&self, sku: &str) -> i64 {
        let sku: SkuId = sku.parse().unwrap();
        self.book().await.skus[&sku].halo.expect("it is in Halo").0
    }

    /// What Halo's licences show, by name.
    pub fn halo_licences(&self) -> BTreeMap<String, String> {
        let told = self.halo.licences().into_iter().map(|it| {
            let name = it["name"].as_str().unwrap().to_owned();
            let shows = format!(
                "{} of {}, client {}, {}",
                int(&it["licences_in_use"]),
                int(&it["count"]),
                int(&it["client_id"]),
                if it["is_active"] == json!(false) { "inactive" } else { "active" }
            );
            (name, shows)
        });
        told.collect()
    }

    /// The licences that somebody is linked to in Halo.
    pub async fn linked(&self, who: ObjectId) -> BTreeSet<i64> {
        linked(&self.user(who).await)
    }
}

/// The licences that a user of Halo's is linked to.
pub fn linked(user: &Value) -> BTreeSet<i64> {
    let software = user["software"].as_array();
    software.into_iter().flatten().map(|it| int(&it["licence_id"])).filter(|id| *id > 0).collect()
}

/// What Halo sends as the signature.
pub fn signature(key: &str, at: i64, body: &str) -> String {
    let key = Key::new(HMAC_SHA256, key.as_bytes());
    let tag = sign(&key, format!("{at}.{body}").as_bytes());
    tag.as_ref().iter().fold("v1=".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
