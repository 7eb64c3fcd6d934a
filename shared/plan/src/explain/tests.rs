//! Every reason and outcome has a sentence for both kinds of records.

#![allow(clippy::unwrap_used, reason = "a failed parse is the failure of the test")]

use super::*;

/// One of each reason. A variant that is not listed here does not compile.
macro_rules! reasons {
    ($($variant:ident $({ $($field:ident: $value:expr),* })?;)*) => {
        fn every_reason() -> Vec<Reason> {
            let every = vec![$(Reason::$variant $({ $($field: $value),* })?),*];
            for reason in &every {
                match reason {
                    $(Reason::$variant { .. } => {})*
                }
            }
            every
        }
    };
}

reasons! {
    PlacedBy { mapping: "sales".parse().unwrap() };
    NoMappingMatches;
    AgentOnly { mapping: "staff".parse().unwrap() };
    MappingBroken { mapping: "sales".parse().unwrap(), group: "Sales".into(), why: WhyUnknown::Gone };
    NotReadYet;
    DeletedInEntra;
    PurgedInEntra;
    MissingInEntra;
    AccountDisabled;
    LeftActive { setting: "$.sync.out_of_scope".into() };
    CreateOff;
    Linked { record: RecordId::user(7) };
    Found { record: RecordId::agent(9), how: LinkedBy::ObjectId };
    NobodyFound;
    SeveralFound { candidates: vec![RecordId::user(7), RecordId::user(8)] };
    ClaimedByOthers { record: RecordId::user(7), others: vec![ObjectId(uuid::Uuid::nil())] };
    CreateChosen;
    KeptUnlinked;
    SiteIsMade { name: "Leeds".into() };
    Moves { from: SiteId(12) };
    ValueTooLong { field: "name".into(), length: 300, limit: 255 };
    ValueNotASwitch { field: "isimportantcontact".into() };
    ValueMissing { field: "name".into() };
    AgentComesFirst;
    ManagerNotAgent { field: "linemanager".into() };
    ManagerNotRead;
    RolesGiven { roles: vec![4, 5] };
    RolesTaken { roles: vec![4] };
    RolesUnreadable;
    LicencesLinked { licences: vec![4, 5] };
    LicencesUnlinked { licences: vec![4] };
    LicencesUnreadable;
    NoManager { role: UserRoleId(9) };
    GroupUnknown { group: "Sales".into(), why: WhyUnknown::NotRead };
    InactiveRole { role: 11 };
    InactiveRoleGone;
    JoinsBoard { cab: CabId(1), role: Some(CabRoleId(2)) };
    LeavesBoard { cab: CabId(1) };
    OwnAgent;
    LastAdministrator;
    Returned;
    InactiveByOthers;
    ReactivateOff;
    NothingToChange;
    FieldsDiffer { count: 2 };
    HeldByGuard;
    Released { run: RunId(uuid::Uuid::nil()) };
    Rejected { run: RunId(uuid::Uuid::nil()) };
    ReadIncomplete;
    AlreadyInactive;
    LicenceAssigned { product: "E5".to_owned() };
    LicenceRemoved { product: "E5".to_owned() };
    LicenceStaysByGroup { groups: vec![ObjectId(uuid::Uuid::nil())] };
    LicenceHeldAlready { product: "E5".to_owned() };
    LicenceNotHeld { product: "E5".to_owned() };
    LicenceRefused { product: "E5".to_owned(), refusal: Refusal::PersonGone };
}

/// A sentence begins with a capital, a name or a field's name, ends with a full stop, and holds no
/// trace of how Rust writes things.
fn is_a_sentence(text: &str) -> bool {
    let odd = ["Some(", "None", "{", "}", "  ", "\\"];
    text.len() > 10 && text.ends_with('.') && !odd.iter().any(|odd| text.contains(odd))
}

#[test]
fn every_reason_is_a_sentence() {
    for reason in every_reason() {
        for kind in RecordKind::ALL {
            let sentence = reason.sentence(kind);
            assert!(is_a_sentence(&sentence), "{reason:?}: {sentence}");
        }
        let stored = serde_json::to_string(&reason).unwrap();
        assert_eq!(serde_json::from_str::<Reason>(&stored).unwrap(), reason, "{stored}");
    }
}

#[test]
fn sentences_name_what_they_are_about() {
    let rows = [
        (
            "P1 who is placed",
            Reason::PlacedBy { mapping: "sales".parse().unwrap() },
            "Mapping \"sales\" places this person.",
            "Mapping \"sales\" makes this person an agent.",
        ),
        (
            "P8 who is not",
            Reason::NoMappingMatches,
            "No mapping matches this person.",
            "No agents mapping matches this person.",
        ),
        (
            "L3 who returns",
            Reason::Returned,
            "Returned, so the Halo user is made active again.",
            "Returned, so the Halo agent is made active again.",
        ),
        (
            "R1 one role",
            Reason::RolesGiven { roles: vec![4] },
            "Gets user role 4.",
            "Gets agent role 4.",
        ),
        (
            "R4 two roles",
            Reason::RolesTaken { roles: vec![4, 5] },
            "Loses user roles 4, 5, which this product gave.",
            "Loses agent roles 4, 5, which this product gave.",
        ),
        (
            "R3 a seat with a role",
            Reason::JoinsBoard { cab: CabId(1), role: Some(CabRoleId(2)) },
            "Joins CAB 1 in role 2; boards are written at the end of the run.",
            "Joins CAB 1 in role 2; boards are written at the end of the run.",
        ),
        (
            "R3 a seat without",
            Reason::JoinsBoard { cab: CabId(1), role: None },
            "Joins CAB 1; boards are written at the end of the run.",
            "Joins CAB 1; boards are written at the end of the run.",
        ),
        (
            "H3 one field",
            Reason::FieldsDiffer { count: 1 },
            "One field differs.",
            "One field differs.",
        ),
        (
            "H3 two fields",
            Reason::FieldsDiffer { count: 2 },
            "2 fields differ.",
            "2 fields differ.",
        ),
        (
            "M3 several",
            Reason::SeveralFound { candidates: vec![RecordId::user(7), RecordId::user(8)] },
            "Several Halo users fit (user 7, user 8); an administrator has to choose.",
            "Several Halo agents fit (user 7, user 8); an administrator has to choose.",
        ),
    ];
    for (name, reason, user, agent) in rows {
        assert_eq!(reason.sentence(RecordKind::User), user, "{name}");
        assert_eq!(reason.sentence(RecordKind::Agent), agent, "{name}");
    }
}

#[test]
fn outcomes_say_which_part_failed() {
    let condition = |saw: &str| Outcome::Condition {
        index: 0,
        field: "department".into(),
        test: "equals \"Sales\"".into(),
        saw: saw.into(),
    };
    let unknown = |why| Outcome::GroupUnknown { group: "Sales".into(), why };
    let rows = [
        ("P2 matched", Outcome::Matched, "matches"),
        (
            "P3 no member",
            Outcome::NotInGroup { group: "Sales".into() },
            "not a member of \"Sales\"",
        ),
        (
            "P3 not resolved",
            unknown(WhyUnknown::NotResolved),
            "Entra has no group \"Sales\", or several; name it by its object id",
        ),
        ("P3 not read", unknown(WhyUnknown::NotRead), "the group \"Sales\" has not been read yet"),
        ("P3 gone", unknown(WhyUnknown::Gone), "the group \"Sales\" was deleted in Entra"),
        ("P4 external", Outcome::External, "external people are excluded"),
        ("P4 not external", Outcome::NotExternal, "only external people are taken"),
        ("P8 another value", condition("IT"), "department equals \"Sales\" fails: it is \"IT\""),
        ("P8 no value", condition(""), "department equals \"Sales\" fails: there is no value"),
        (
            "P6 no site",
            Outcome::NoSite { field: "city".into() },
            "city is empty and there is no default site",
        ),
    ];
    for (name, outcome, expected) in rows {
        assert_eq!(outcome.sentence(), expected, "{name}");
    }
}
