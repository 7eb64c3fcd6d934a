//! The groups of the sample tenant.

use serde_json::{Value, json};

use super::people::{Person, Sort};
use super::stable_id;
use crate::graph::Graph;

/// Sort of ids.
const GROUP: u64 = 2;
/// Numbers of employees among whom those of IT are the helpdesk: eight, one of them disabled.
pub(super) const HELPDESK: std::ops::Range<usize> = 25..90;

/// Adds the groups and their members.
pub(super) fn add(graph: &Graph, everybody: &[Person]) {
    let mut number = 0;
    let mut group = |name: &str, more: Value| {
        let mut properties = json!({ "id": stable_id(GROUP, number), "displayName": name });
        if let (Some(all), Value::Object(more)) = (properties.as_object_mut(), more) {
            all.extend(more);
        }
        number += 1;
        graph.add_group(properties)
    };
    let fill = |group: &str, wanted: &dyn Fn(usize, &Person) -> bool| {
        for (at, person) in everybody.iter().enumerate() {
            if wanted(at, person) {
                graph.add_member(group, &person.id);
            }
        }
    };
    let sales = |person: &Person| person.department == Some("Sales");
    let american = |person: &Person| person.country == Some("US");

    // Everybody in sales is in one of the two inner groups; the outer one has only its director.
    let all_sales = group("All Sales", json!({ "description": "Both sales regions" }));
    let emea = group("Sales EMEA", Value::Null);
    let west = group("Sales Americas", Value::Null);
    graph.add_member(&all_sales, &emea);
    graph.add_member(&all_sales, &west);
    fill(&all_sales, &|_, person| sales(person) && person.level == 2);
    fill(&emea, &|_, person| sales(person) && !american(person));
    fill(&west, &|_, person| sales(person) && american(person));

    let unified = json!({ "groupTypes": ["Unified"], "mailEnabled": true, "securityEnabled": false,
        "mail": "all.staff@contoso.example", "visibility": "Public" });
    let staff = group("All Staff", unified);
    fill(&staff, &|_, person| person.sort == Sort::Employee);

    // Two projects of one name: a mapping by this name is ambiguous.
    let first = group("Project Phoenix", json!({ "description": "The relaunch" }));
    let second = group("Project Phoenix", json!({ "description": "The data centre move" }));
    fill(&first, &|at, person| person.sort == Sort::Employee && at % 21 == 2);
    fill(&second, &|at, person| person.sort == Sort::Employee && at % 34 == 5);

    let council = group("People's Council", Value::Null);
    fill(&council, &|at, person| person.sort == Sort::Employee && at % 31 == 7);

    let it = |person: &Person| person.department == Some("IT");
    let helpdesk = group("IT Helpdesk", Value::Null);
    fill(&helpdesk, &|at, person| it(person) && HELPDESK.contains(&at));
    let admins = group("IT Admins", Value::Null);
    fill(&admins, &|_, person| it(person) && matches!(person.level, 2 | 3));
    let managers = group("Managers", Value::Null);
    fill(&managers, &|_, person| person.sort == Sort::Employee && person.level <= 4);
    let approvers = group("Approvers", Value::Null);
    fill(&approvers, &|_, person| person.sort == Sort::Employee && person.level == 2);
    let partners = group("Partners", Value::Null);
    fill(&partners, &|_, person| person.sort == Sort::Guest);

    let devices = group("Meeting Room Devices", Value::Null);
    graph.add_member(&devices, &graph.add_device("Kiosk Leeds"));
    fill(&devices, &|at, person| person.sort == Sort::Resource && at % 2 == 0);
    group("Empty Group", Value::Null);
}
