//! The subscriptions of the sample tenant, and who holds their licences.

use serde_json::json;

use super::people::{Person, Sort};
use crate::graph::{Graph, SkuStatus};

/// Office 365 E5: every employee whose account is not disabled holds it.
const SUITE: &str = "c7df2760-2c81-4ef7-b578-5b5392b571df";

/// Microsoft Entra ID P2: given by a group that has more members than there are seats.
const IDENTITY: &str = "84a661c4-e949-4bd2-a560-ed7766fcaf2b";

/// A free product, as most tenants have one.
const REPORTS: &str = "a403ebcc-fae0-4ca2-8c8c-7a907fd6c235";

/// A product that nobody pays for any more.
const ENDED: &str = "d17b27af-3f49-4822-99f9-56a661538792";

/// Buys the licences and gives them to people.
pub(super) fn add(graph: &Graph, everybody: &[Person]) {
    graph.add_sku_with_id(SUITE, "ENTERPRISEPREMIUM", 250);
    graph.add_sku_with_id(IDENTITY, "AAD_PREMIUM_P2", 25);
    graph.add_sku_with_id(REPORTS, "POWER_BI_STANDARD", 1_000_000);
    graph.add_sku_with_id(ENDED, "CRMSTANDARD", 25);
    graph.set_sku_status(ENDED, SkuStatus::Suspended);
    graph.add_company_sku("WINDOWS_STORE", 25);
    let employees = everybody.iter().filter(|person| person.sort == Sort::Employee);
    let enabled = |person: &&Person| person.properties["accountEnabled"] == json!(true);
    for person in employees.filter(enabled) {
        graph.give_licence(&person.id, SUITE);
        if person.department == Some("Finance") {
            graph.give_licence(&person.id, REPORTS);
        }
    }
    for group in graph.groups_named("Managers") {
        graph.give_group_licence(&group, IDENTITY);
    }
}
