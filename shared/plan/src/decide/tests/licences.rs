//! Users are linked to the licences that they hold in Entra (S1), and a link that was asked for in Halo
//! becomes what Entra says (S2).

use super::check;

#[test]
fn users_are_linked_to_what_they_hold() {
    check(&[
        (
            "S1 without a ledger nothing is linked",
            r#"user; person.assignedLicenses=["E5"]"#,
            "user unchanged",
        ),
        ("S1 whoever holds nothing is not read", "user; ledger", "user unchanged"),
        (
            "S1 the record is read before links change",
            "user; holds",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name site_id software title",
        ),
        (
            "S1 what is held is linked",
            r#"user; holds; known.user.record={"software":[]}"#,
            "user update 7 with software=31 [our licences 31]",
        ),
        (
            "S1 beside what others linked",
            r#"user; holds; known.user.record={"software":[90]}"#,
            "user update 7 with software=31,90 [our licences 31]",
        ),
        (
            "S1 what others linked already is not ours",
            r#"user; holds; known.user.record={"software":[31]}"#,
            "user update 7",
        ),
        (
            "S1 once read it is known",
            "user; holds; link.user.image.software=[31]",
            "user unchanged",
        ),
        (
            "S1 a licence that was not imported is passed over",
            r#"user; ledger; person.assignedLicenses=["F1"]"#,
            "user unchanged",
        ),
        (
            "S1 Halo does not tell",
            r#"user; holds; known.user.record={"name":"Ada"}"#,
            "user update 7 (licences_unreadable)",
        ),
        (
            "S1 whoever is made is linked at once",
            "nobody; holds; users only",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 software=31 [our licences 31]",
        ),
        (
            "S1 whoever is found too",
            "user found; holds; users only; known.user.record.software=[90]",
            "user update 7 linked with azure_tenant_id=other azureoid=me software=31,90 [our licences 31]",
        ),
        ("S1 agents have none", "agent; agents only; holds", "agent unchanged"),
    ]);
}

#[test]
fn users_lose_the_links_to_what_they_lost() {
    check(&[
        (
            "S1 a link of ours goes",
            r#"user; ledger; link.user.image.software=[31]; link.user.licences=[31]; known.user.record={"software":[31,90]}"#,
            "user update 7 with software=90 [our licences ]",
        ),
        (
            "S1 a link of others stays",
            "user; ledger; link.user.image.software=[31]",
            "user unchanged",
        ),
        (
            "S1 one that is gone already is ours no more",
            r#"user; ledger; link.user.image.software=[31]; link.user.licences=[31]; known.user.record={"software":[]}"#,
            "user update 7 [our licences ]",
        ),
        (
            "S1 one licence for another",
            r#"user; ledger; person.assignedLicenses=["E3"]; link.user.image.software=[31]; link.user.licences=[31]; known.user.record={"software":[31]}"#,
            "user update 7 with software=32 [our licences 32]",
        ),
        (
            "S1 without the ledger ours stay",
            "user; link.user.image.software=[31]; link.user.licences=[31]",
            "user unchanged",
        ),
        (
            "S1 what the ledger does not know stays",
            "user; ledger; link.user.image.software=[77]; link.user.licences=[77]",
            "user unchanged",
        ),
        (
            "S1 whoever is deleted in Entra holds none",
            r#"user; holds; users only; presence=soft_deleted; link.user.image.software=[31]; link.user.licences=[31]; known.user.record={"software":[31,90]}"#,
            "user deactivate 7 with inactive=true software=90 [our licences ] (deleted_in_entra)",
        ),
        (
            "S1 also who is inactive already",
            r#"user; holds; users only; presence=purged; link.user.activity=inactive_by_us; link.user.image.software=[31]; link.user.licences=[31]; known.user.record={"software":[31]}"#,
            "user update 7 with software= [our licences ] (purged_in_entra already_inactive)",
        ),
        (
            "S1 L4 whoever is held keeps them",
            "user; holds; users only; held; presence=missing; link.user.image.software=[31]; link.user.licences=[31]",
            "user held (missing_in_entra held_by_guard)",
        ),
        (
            "S1 a disabled account keeps what it holds",
            "user; holds; users only; disabled; sync.deactivate_disabled_users=true; link.user.image.software=[31]; link.user.licences=[31]",
            "user deactivate 7 with inactive=true (account_disabled)",
        ),
    ]);
}

#[test]
fn a_link_that_was_asked_for_becomes_what_entra_says() {
    check(&[
        (
            "S2 it is looked at, whatever we know",
            "user; holds; link.user.image.software=[31]; link.user.licences=[31]; link.contested=[31]",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name site_id software title",
        ),
        (
            "S2 refused in Entra, the link that somebody made goes",
            r#"user; ledger; link.contested=[32]; known.user.record={"software":[32,90]}"#,
            "user update 7 with software=90",
        ),
        (
            "S2 assigned in Entra, the link that somebody made stays and is ours",
            r#"user; holds; link.contested=[31]; known.user.record={"software":[31]}"#,
            "user update 7 [our licences 31]",
        ),
        (
            "S2 not removed in Entra, the link that somebody cut is made again",
            r#"user; holds; link.user.image.software=[31]; link.user.licences=[31]; link.contested=[31]; known.user.record={"software":[]}"#,
            "user update 7 with software=31",
        ),
        (
            "S2 all is right already",
            r#"user; holds; link.user.image.linked_agent_id=; link.user.image.software=[31]; link.user.licences=[31]; link.contested=[31]; known.user.record={"software":[31]}"#,
            "user unchanged",
        ),
        (
            "S2 no licence of ours is taken for one",
            r#"user; ledger; link.contested=[90]; known.user.record={"software":[90]}"#,
            "user update 7",
        ),
    ]);
}

#[test]
fn an_interrupted_link_is_ours() {
    check(&[
        (
            "S1 T2 what is there afterwards is ours",
            r#"user; interrupted; link.intents.user.licences=[31]; holds; known.user.record={"software":[31]}"#,
            "user update 7 [our licences 31]",
        ),
        (
            "S1 T2 also where it is not held any more",
            r#"user; interrupted; link.intents.user.licences=[31]; ledger; known.user.record={"software":[31,90]}"#,
            "user update 7 with software=90",
        ),
        (
            "S1 T2 what did not happen happens now",
            r#"user; interrupted; link.intents.user.licences=[31]; holds; known.user.record={"software":[]}"#,
            "user update 7 with software=31 [our licences 31]",
        ),
    ]);
}
