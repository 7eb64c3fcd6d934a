//! Cases of finding people in Halo, and of making them there (M1–M7, L2, H3).

use super::check;

const NEW: &str = "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12";

#[test]
fn somebody_unlinked_is_looked_for() {
    check(&[
        ("M2 the index is asked first", "", "asks for matching users"),
        ("M2 agents are looked for before users", "staff", "asks for matching agents"),
        ("M2 users next", "staff; known.agent.hits=[]", "asks for matching users"),
        ("M4 general users and service accounts are not in the index", "nobody", NEW),
        ("M3 nobody fits", "nobody", NEW),
        (
            "M3 nobody fits and nobody is made",
            "nobody; create=false",
            "user not_in_scope (create_off)",
        ),
        (
            "M3 nobody fits, nor any agent",
            "staff; nobody; create=false",
            "user not_in_scope (create_off) | agent not_in_scope (create_off)",
        ),
        (
            "M3 who else claims the record is asked",
            "user found; known.user.claims=null",
            "asks who claims user 7",
        ),
        (
            "M3 who else claims the agent is asked",
            "agent found; known.agent.claims=null",
            "asks who claims agent 9",
        ),
        (
            "M3 somebody else claims it too",
            r#"user found; known.user.claims=["other"]"#,
            "user conflict 7 (claimed_by_others)",
        ),
        (
            "M3 somebody else claims the agent",
            r#"agent found; nobody; known.agent.hits=[9]; known.agent.claims=["other"]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | agent conflict 9 (claimed_by_others)",
        ),
        ("M3 several", "known.user.hits=[7,8]", "user conflict 7 8 (several_found)"),
        (
            "M3 several agents, and the user goes on",
            "staff; nobody; known.agent.hits=[9,10]",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | agent conflict 9 10 (several_found)",
        ),
        ("M2 another's record is nobody's", "known.user.hits=[]; known.user.others=[7]", NEW),
        (
            "M2 another's agent is nobody's",
            "staff; nobody; known.agent.others=[9]; nowhere",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "M2 another's record does not make it several",
            "user found; known.user.others=[8]",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M2 by object id",
            "user found; known.user.hits=[]; known.user.carriers=[7]; known.user.record.azureoid=me; known.user.record.azure_tenant_id=tenant",
            "user update 7 linked",
        ),
        (
            "M2 by object id before other fields",
            "user found; known.user.hits=[8]; known.user.carriers=[7]",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M3 several with the object id",
            "known.user.hits=[]; known.user.carriers=[7,8]",
            "user conflict 7 8 (several_found)",
        ),
        (
            "M2 our own links know the object id of agents",
            "staff; nowhere; nobody; known.agent.carriers=[9]",
            "asks for agent 9: licence_type name",
        ),
        (
            "M5 the address in capitals",
            "user found; person.mail= ADA@X.Example ",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        ("M5 no address compares with nothing", "nobody; person.mail= ", NEW),
        (
            "M2 without matching rows only the object id counts",
            "matching.users=[]; user found",
            NEW,
        ),
        (
            "M2 agents are found among agents only",
            "agent found; nowhere; known.user.hits=[9]",
            "user not_in_scope (agent_only) | agent update 9 linked",
        ),
        (
            "H3 the record is read before it is taken",
            "user found; known.user.record=null",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name site_id title",
        ),
        (
            "H3 so is the agent",
            "agent found; known.agent.record=null",
            "asks for agent 9: licence_type name",
        ),
        (
            "R4 with the roles where rules name some",
            "user found; known.user.record=null; mappings.all.user_role_id=3",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name roles site_id title",
        ),
        (
            "H3 only what differs",
            "user found; known.user.record.name=Old",
            "user update 7 linked with azure_tenant_id=other azureoid=me name=Ada",
        ),
        (
            "M2 a link alone",
            "user found; known.user.record.azureoid=me; known.user.record.azure_tenant_id=tenant",
            "user update 7 linked",
        ),
        (
            "M2 both",
            "user found; agent found",
            "user update 7 linked with azure_tenant_id=other azureoid=me linked_agent_id=9 | agent update 9 linked",
        ),
        (
            "L3 inactive by others stays so",
            "user found; known.user.record.inactive=true",
            "user update 7 linked with azure_tenant_id=other azureoid=me (inactive_by_others)",
        ),
        (
            "L3 an agent inactive by others stays so",
            "agent found; nobody; known.agent.hits=[9]; nowhere; known.agent.record.isdisabled=true",
            "user not_in_scope (agent_only) | agent update 9 linked (inactive_by_others)",
        ),
    ]);
}

#[test]
fn somebody_linked_is_not_looked_for() {
    check(&[
        ("M1 by the link alone", "user", "user unchanged"),
        ("M1 both by the link alone", "both", "user unchanged | agent unchanged"),
        (
            "M1 whatever else fits",
            "user; known.user.hits=[8]; known.user.carriers=[10]",
            "user unchanged",
        ),
        (
            "M1 another name, another address",
            "user; person.displayName=Eve; person.mail=eve@x.example",
            "user update 7 with name=Eve",
        ),
        (
            "M1 the agent under another name",
            "both; person.displayName=Eve",
            "user update 7 with name=Eve | agent update 9 with name=Eve",
        ),
        (
            "M7 a link that an administrator set",
            r#"user; link.user.how={"by":"administrator"}; link.user.image.name=Old"#,
            "user update 7 with name=Ada",
        ),
    ]);
}

#[test]
fn an_administrators_choice_is_kept() {
    check(&[
        (
            "M3 a new record, whoever fits",
            "user found; link.choices.user=create",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (create_chosen)",
        ),
        (
            "M3 a new record although several fit",
            "known.user.hits=[7,8]; link.choices.user=create",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (create_chosen)",
        ),
        (
            "M3 a new record although the connection makes none",
            "link.choices.user=create; create=false",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (create_chosen)",
        ),
        (
            "M3 a new agent, whoever fits",
            "agent found; nowhere; link.choices.agent=create",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada (create_chosen)",
        ),
        (
            "M7 a cut link stays cut",
            "user found; link.choices.user=unlinked",
            "user not_in_scope (kept_unlinked)",
        ),
        (
            "M7 a cut link of an agent",
            "agent found; user found; link.choices.agent=unlinked",
            "user update 7 linked with azure_tenant_id=other azureoid=me | agent not_in_scope (kept_unlinked)",
        ),
        (
            "M7 cut for the user only",
            "agent found; link.choices.user=unlinked",
            "user not_in_scope (kept_unlinked) | agent update 9 linked",
        ),
        ("M7 a choice about nobody", "nowhere; link.choices.user=create", "user not_in_scope"),
        (
            "M7 a link is stronger than a choice",
            "user; link.choices.user=unlinked",
            "user unchanged",
        ),
        (
            "L2 not for a disabled account",
            "disabled; link.choices.user=create",
            "user not_in_scope (create_chosen account_disabled)",
        ),
        (
            "L2 unless those are wanted",
            "disabled; link.choices.user=create; sync.create_disabled=true",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (create_chosen)",
        ),
    ]);
}

#[test]
fn a_record_that_was_made_before_is_not_made_again() {
    check(&[
        (
            "M6 made and not recorded",
            "known.user.made=7",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name site_id title",
        ),
        (
            "M6 it is taken",
            "user found; known.user.made=7; known.user.hits=null",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 whatever else fits",
            "user found; known.user.made=7; known.user.hits=[7,8]",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 whoever else claims it",
            r#"user found; known.user.made=7; known.user.claims=["other"]"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 nobody has to be asked",
            "user found; known.user.made=7; known.user.claims=null",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 although the connection makes nobody",
            "user found; known.user.made=7; create=false",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 an agent",
            "agent found; nowhere; known.agent.made=9; known.agent.hits=null",
            "user not_in_scope (agent_only) | agent update 9 linked",
        ),
        (
            "M6 made for a choice",
            "user found; known.user.made=7; link.choices.user=create",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 made inactive, it is ours to make active",
            "agent found; nowhere; known.agent.made=9; interrupted; link.intents.agent.creates=true; known.agent.record.isdisabled=true",
            "user not_in_scope (agent_only) | agent reactivate 9 linked with isdisabled=false (returned)",
        ),
        (
            "L3 found and made inactive by a worker that was killed, it is ours to make active",
            "user found; interrupted; link.intents.user.deactivates=true; known.user.record.inactive=true",
            "user reactivate 7 linked with azure_tenant_id=other azureoid=me inactive=false (returned)",
        ),
        (
            "R4 its roles are ours",
            "agent found; nowhere; known.agent.made=9; interrupted; link.intents.agent.creates=true; link.intents.agent.grants=[5]; mappings.staff.agent_role_id=5; known.agent.record.roles=[5]",
            "user not_in_scope (agent_only) | agent update 9 linked [ours 5]",
        ),
        (
            "R4 others' roles on it are not",
            "agent found; nowhere; known.agent.made=9; interrupted; link.intents.agent.creates=true; link.intents.agent.grants=[5]; mappings.staff.agent_role_id=5; known.agent.record.roles=[5,6]",
            "user not_in_scope (agent_only) | agent update 9 linked [ours 5]",
        ),
    ]);
}

#[test]
fn what_was_made_is_theirs_although_nobody_wants_it_any_more() {
    check(&[
        (
            "M6 asked for before somebody is made",
            "nobody; interrupted; link.intents.user.creates=true",
            "asks for a lost user",
        ),
        (
            "M6 not there",
            "nobody; interrupted; link.intents.user.creates=true; known.user.made=0",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "M6 asked for before somebody is left alone",
            "nowhere; interrupted; link.intents.user.creates=true",
            "asks for a lost user",
        ),
        ("M6 nobody was to be made", "nowhere; interrupted", "user not_in_scope"),
        (
            "M7 an administrator wants none",
            "interrupted; link.intents.user.creates=true; link.choices.user=unlinked",
            "user not_in_scope (kept_unlinked)",
        ),
        (
            "M6 gone from Entra",
            "user found; interrupted; link.intents.user.creates=true; known.user.made=7; presence=purged",
            "user deactivate 7 linked with inactive=true (purged_in_entra)",
        ),
        (
            "M6 gone from Entra, an agent",
            "agent found; agents only; interrupted; link.intents.agent.creates=true; known.agent.made=9; presence=missing",
            "agent deactivate 9 linked with isdisabled=true (missing_in_entra)",
        ),
        (
            "M6 L4 gone from Entra, but held",
            "user found; interrupted; link.intents.user.creates=true; known.user.made=7; presence=purged; held",
            "user update 7 linked (purged_in_entra held_by_guard)",
        ),
        (
            "M6 gone from Entra, and left",
            "user found; interrupted; link.intents.user.creates=true; known.user.made=7; presence=purged; sync.deactivate_missing=false",
            "user update 7 linked (purged_in_entra left_active)",
        ),
        (
            "M6 P8 out of scope, and left",
            "user found; nowhere; interrupted; link.intents.user.creates=true; known.user.made=7",
            "user update 7 linked (left_active)",
        ),
        (
            "M6 P8 out of scope",
            "user found; nowhere; interrupted; link.intents.user.creates=true; known.user.made=7; sync.out_of_scope=deactivate",
            "user deactivate 7 linked with inactive=true",
        ),
        (
            "M6 R6 out of scope and disabled",
            "agent found; agents only; mappings.staff=null; disabled; interrupted; link.intents.agent.creates=true; known.agent.made=9",
            "agent deactivate 9 linked with isdisabled=true (account_disabled)",
        ),
        (
            "M6 L2 disabled meanwhile",
            "user found; disabled; interrupted; link.intents.user.creates=true; known.user.made=7",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "M6 R4 what it was to get is ours",
            "user found; interrupted; link.intents.user.creates=true; link.intents.user.grants=[4,5]; known.user.made=7; known.user.record.roles=[4,6]; presence=purged",
            "user deactivate 7 linked with inactive=true [ours 4] (purged_in_entra)",
        ),
        (
            "M6 before others are asked about",
            "user found; interrupted; link.intents.user.creates=true; known.user.hits=[7,8]",
            "asks for a lost user",
        ),
        (
            "M6 before a claim is a conflict",
            r#"user found; interrupted; link.intents.user.creates=true; known.user.claims=["other"]"#,
            "asks for a lost user",
        ),
    ]);
}

#[test]
fn disabled_accounts_are_taken_but_not_made() {
    check(&[
        ("L2 nobody fits", "disabled; nobody", "user not_in_scope (account_disabled)"),
        (
            "L2 nobody fits, nor any agent",
            "disabled; staff; nobody",
            "user not_in_scope (account_disabled) | agent not_in_scope (account_disabled)",
        ),
        ("L2 made where wanted", "disabled; nobody; sync.create_disabled=true", NEW),
        (
            "L2 made inactive where disabled users are",
            "disabled; nobody; sync.create_disabled=true; sync.deactivate_disabled_users=true",
            "user create with azure_tenant_id=other azureoid=me inactive=true name=Ada site_id=12 (account_disabled)",
        ),
        (
            "R6 an agent made where wanted is inactive",
            "disabled; staff; nowhere; nobody; sync.create_disabled=true",
            "user not_in_scope (agent_only) | agent create with isdisabled=true licence_type=0 name=Ada (account_disabled)",
        ),
        (
            "L2 one fits: taken over as it is",
            "disabled; user found",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "L2 one fits: taken over and made inactive",
            "disabled; user found; sync.deactivate_disabled_users=true",
            "user deactivate 7 linked with azure_tenant_id=other azureoid=me inactive=true (account_disabled)",
        ),
        (
            "R6 an agent fits: taken over and made inactive",
            "disabled; agent found; nowhere",
            "user not_in_scope (agent_only) | agent deactivate 9 linked with isdisabled=true (account_disabled)",
        ),
        (
            "R6 an agent fits that is inactive already",
            "disabled; agent found; nowhere; known.agent.record.isdisabled=true",
            "user not_in_scope (agent_only) | agent update 9 linked (inactive_by_others)",
        ),
        (
            "L2 several fit: nobody has to choose",
            "disabled; known.user.hits=[7,8]",
            "user not_in_scope (several_found account_disabled)",
        ),
        (
            "L2 claimed by others: nobody has to choose",
            r#"disabled; user found; known.user.claims=["other"]"#,
            "user not_in_scope (claimed_by_others account_disabled)",
        ),
        (
            "L2 several agents fit",
            "disabled; staff; nobody; known.agent.hits=[9,10]",
            "user not_in_scope (account_disabled) | agent not_in_scope (several_found account_disabled)",
        ),
        (
            "L2 a state that was not read is no disabled one",
            "nobody; person.accountEnabled=null",
            NEW,
        ),
        (
            "R7 the last administrator is taken over and stays active",
            "disabled; agent found; nowhere; known.agent.standing=last",
            "user not_in_scope (agent_only) | agent update 9 linked (account_disabled last_administrator)",
        ),
    ]);
}
