//! Requests as data: each cause of refusal, and what is done where nothing speaks against it.

#![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

use std::collections::BTreeSet;

use super::*;
use crate::licences::Seats;

const SKU: &str = "c7df2760-2c81-4ef7-b578-5b5392b571df";
const OTHER: &str = "f30db892-07e9-47e9-837c-80727f46fd3d";
const GROUP: &str = "02bd9fd6-8f93-4758-87c3-1fb73740a315";

fn sku() -> SkuId {
    SKU.parse().unwrap()
}

fn group() -> ObjectId {
    GROUP.parse().unwrap()
}

/// A person and a SKU in words, separated by `;`: where they differ from somebody in Germany who holds
/// nothing, and from a SKU with one free seat of five.
fn read(words: &str) -> (Option<Holder>, Option<SubscribedSku>) {
    let mut holder = Holder {
        id: GROUP.parse().unwrap(),
        usage_location: Some("DE".to_owned()),
        assigned: Some(BTreeSet::from([OTHER.parse().unwrap()])),
        states: vec![state(OTHER, AssignedBy::Direct, HoldState::Active, None)],
    };
    let seats = Seats { enabled: 4, warning: 1, suspended: 7, locked_out: 7 };
    let mut subscribed = SubscribedSku {
        id: sku(),
        part_number: "ENTERPRISEPREMIUM".to_owned(),
        applies_to: AppliesTo::User,
        standing: Standing::Enabled,
        seats,
        used: 4,
    };
    let (mut nobody, mut gone) = (false, false);
    for word in words.split(';').map(str::trim).filter(|word| !word.is_empty()) {
        let mut holds = |by, state, error| {
            holder.states.push(self::state(SKU, by, state, error));
            holder.assigned.as_mut().unwrap().insert(sku());
        };
        match word {
            "nobody" => nobody = true,
            "gone" => gone = true,
            "no location" => holder.usage_location = None,
            "blank location" => holder.usage_location = Some(" ".to_owned()),
            "direct" => holds(AssignedBy::Direct, HoldState::Active, None),
            "inherited" => holds(AssignedBy::Group(group()), HoldState::Active, None),
            "untold" => drop(holder.assigned.as_mut().unwrap().insert(sku())),
            "no list" => holder.assigned = None,
            "failed" => holder.states.push(self::state(
                SKU,
                AssignedBy::Direct,
                HoldState::Error,
                Some("CountViolation"),
            )),
            "exclusive" | "dependent" => holder.states.push(self::state(
                SKU,
                AssignedBy::Group(group()),
                HoldState::Error,
                Some(match word {
                    "exclusive" => "MutuallyExclusiveViolation",
                    _ => "DependencyViolation",
                }),
            )),
            "full" => subscribed.used = 5,
            "overfull" => subscribed.used = 9,
            "company" => subscribed.applies_to = AppliesTo::Company,
            "unknown" => {
                subscribed.applies_to = AppliesTo::Unknown;
                subscribed.standing = Standing::Unknown;
            }
            "warning" => subscribed.standing = Standing::Warning,
            "suspended" => subscribed.standing = Standing::Suspended,
            "deleted" => subscribed.standing = Standing::Deleted,
            "locked" => subscribed.standing = Standing::LockedOut,
            other => panic!("{other}"),
        }
    }
    ((!nobody).then_some(holder), (!gone).then_some(subscribed))
}

fn state(sku: &str, by: AssignedBy, state: HoldState, error: Option<&str>) -> AssignmentState {
    AssignmentState { sku: sku.parse().unwrap(), by, state, error: error.map(str::to_owned) }
}

fn judged(action: Action, words: &str) -> String {
    let (holder, subscribed) = read(words);
    match judge(action, sku(), holder.as_ref(), subscribed.as_ref()) {
        Judgement::Call(LicenceChange::Assign(it)) if it == sku() => "assign".to_owned(),
        Judgement::Call(LicenceChange::Remove(it)) if it == sku() => "remove".to_owned(),
        Judgement::Call(other) => format!("{other:?}"),
        Judgement::Already => "already".to_owned(),
        Judgement::Refused(refusal) => {
            let name = refusal.name();
            if let Refusal::NoFreeSeats { bought, used } = refusal {
                format!("{name} {used}/{bought}")
            } else if let Refusal::NotAssignable { why } = refusal {
                format!("{name} {why:?}")
            } else {
                name.to_owned()
            }
        }
    }
}

#[test]
fn a_request_to_give_is_judged_before_graph_is_asked() {
    // S2
    let cases = [
        ("", "assign"),
        ("warning", "assign"),
        ("unknown", "assign"),
        ("no list", "assign"),
        ("failed", "assign"),
        ("direct", "already"),
        ("direct; full; no location", "already"),
        ("direct; inherited", "already"),
        ("untold", "already"),
        // Given directly what came through a group: Graph allows it, and no further seat is taken.
        ("inherited", "assign"),
        ("inherited; full", "assign"),
        ("nobody", "person_gone"),
        ("no location", "usage_location_missing"),
        ("blank location", "usage_location_missing"),
        ("full", "no_free_seats 5/5"),
        ("overfull", "no_free_seats 9/5"),
        ("exclusive", "conflicting_plans"),
        ("dependent", "conflicting_plans"),
        ("company", "not_assignable CompanyWide"),
        ("suspended", "not_assignable Suspended"),
        ("deleted", "not_assignable Cancelled"),
        ("locked", "not_assignable LockedOut"),
        ("gone", "not_assignable Gone"),
        // The cause that lasts longest comes first.
        ("suspended; no location; full", "not_assignable Suspended"),
        ("no location; full", "usage_location_missing"),
    ];
    for (words, expected) in cases {
        assert_eq!(judged(Action::Assign, words), expected, "{words}");
    }
}

#[test]
fn a_request_to_take_is_judged_before_graph_is_asked() {
    // S2
    let cases = [
        ("", "already"),
        ("failed", "already"),
        ("direct", "remove"),
        ("untold", "remove"),
        // Whatever stands in the way of giving.
        ("direct; gone", "remove"),
        ("direct; no location; full; suspended", "remove"),
        ("direct; inherited", "remove"),
        ("inherited", "inherited_from_group"),
        ("nobody", "person_gone"),
    ];
    for (words, expected) in cases {
        assert_eq!(judged(Action::Remove, words), expected, "{words}");
    }
}

#[test]
fn entras_text_chooses_the_advice() {
    // S2; the texts are those of the table in Microsoft's documentation and threads.
    let cases = [
        (
            "License assignment cannot be done for user with invalid usage location.",
            "usage_location_missing",
        ),
        (
            "Subscription with SKU c7df2760-2c81-4ef7-b578-5b5392b571df does not have any available licenses.",
            "no_free_seats",
        ),
        (
            "User license is inherited from a group membership and it cannot be removed directly from the user.",
            "inherited_from_group",
        ),
        ("Cannot convert a primitive value to the expected type 'Edm.Guid'.", "refused_by_entra"),
        ("", "refused_by_entra"),
    ];
    let (holder, subscribed) = read("inherited");
    for (text, expected) in cases {
        let refusal = refused_by_entra(text, sku(), holder.as_ref().unwrap(), subscribed.as_ref());
        assert_eq!(refusal.name(), expected, "{text}");
    }
    let long = "x".repeat(2000);
    let Refusal::RefusedByEntra { text } =
        refused_by_entra(&long, sku(), holder.as_ref().unwrap(), None)
    else {
        panic!("it says nothing known");
    };
    assert_eq!(text.len(), 500);
}

#[test]
fn what_was_done_is_found_done() {
    // T2: judged again by what Graph says after the change, there is nothing left to do.
    for (action, words) in [
        (Action::Assign, ""),
        (Action::Assign, "no list"),
        (Action::Assign, "inherited"),
        (Action::Remove, "direct"),
        (Action::Remove, "untold"),
    ] {
        let (holder, subscribed) = read(words);
        let after = after(&holder.unwrap(), action.change(sku()));
        let again = judge(action, sku(), Some(&after), subscribed.as_ref());
        assert_eq!(again, Judgement::Already, "{action:?} {words}");
    }
    let (holder, _) = read("direct; inherited");
    let left = after(&holder.unwrap(), LicenceChange::Remove(sku()));
    assert_eq!(groups(&left, sku()), [group()], "what comes through a group stays");
    assert!(left.assigned.unwrap().contains(&sku()));
}

#[test]
fn seats_are_counted_as_they_are_given() {
    for (words, action, used) in [
        ("", Action::Assign, 5),
        ("direct", Action::Remove, 3),
        ("inherited", Action::Assign, 4),
        ("direct; inherited", Action::Remove, 4),
    ] {
        let (holder, subscribed) = read(words);
        let mut subscribed = subscribed.unwrap();
        count(&mut subscribed, &holder.unwrap(), action.change(sku()));
        assert_eq!(subscribed.used, used, "{words} {action:?}");
    }
}

#[test]
fn each_refusal_says_what_to_do() {
    let groups = vec![group()];
    let reason = "Could not sign in.".to_owned();
    let text = "No.".to_owned();
    let all = [
        Refusal::UserNotKnown { why: WhyUnknown::NotInHalo },
        Refusal::UserNotKnown { why: WhyUnknown::NotLinked },
        Refusal::UserOfAnotherConnection,
        Refusal::PersonGone,
        Refusal::UsageLocationMissing { location: None },
        Refusal::UsageLocationMissing { location: Some("XX".to_owned()) },
        Refusal::NoFreeSeats { bought: 5, used: 5 },
        Refusal::InheritedFromGroup { groups },
        Refusal::NotAssignable { why: WhyNot::CompanyWide },
        Refusal::NotAssignable { why: WhyNot::Suspended },
        Refusal::NotAssignable { why: WhyNot::Cancelled },
        Refusal::NotAssignable { why: WhyNot::LockedOut },
        Refusal::NotAssignable { why: WhyNot::Gone },
        Refusal::ConflictingPlans { error: "DependencyViolation".to_owned() },
        Refusal::PermissionMissing { permission: Permission::Assignment },
        Refusal::RefusedByEntra { text },
        Refusal::Reauthorise { reason: reason.clone() },
        Refusal::Unavailable { reason },
        Refusal::ManagingIsOff,
    ];
    for refusal in all {
        let written = serde_json::to_value(&refusal).unwrap();
        assert_eq!(written["type"], refusal.name());
        assert_eq!(serde_json::from_value::<Refusal>(written).unwrap(), refusal);
        let sentence = refusal.sentence();
        let to_do = ["then ask again", "Check", "Import", "Choose", "Take the person", "ask again"];
        let company = sentence.contains("Leave it out");
        assert!(company || to_do.iter().any(|it| sentence.contains(it)), "{sentence}");
        assert!(!sentence.contains(".."), "{sentence}");
    }
}
