//! Cases of activity: inactive by account, by role, by us; active again; never inactive (R5–R7, L1, L3).

use super::check;

#[test]
fn disabled_accounts_make_agents_inactive() {
    check(&[
        (
            "R6 disabled",
            "agent; agents only; disabled",
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "R6 whatever the settings say",
            "agent; agents only; disabled; sync.deactivate_missing=false; sync.reactivate=false",
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "R6 also where no mapping matches",
            "agent; agents only; disabled; mappings.staff.group=Sales",
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "R6 also where a mapping is broken",
            "agent; agents only; disabled; mappings.staff.group=Old",
            "agent deactivate 9 with isdisabled=true (mapping_broken account_disabled)",
        ),
        (
            "R6 also where no mapping makes agents",
            "agent; agents only; disabled; mappings.staff=null",
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "R6 also with values that Halo refuses",
            r#"agent; agents only; disabled; field_mappings.agents.0={"from":"displayName","to":"initials"}; person.displayName=Lovelace"#,
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "F8 which an enabled account must have right",
            r#"agent; agents only; field_mappings.agents.0={"from":"displayName","to":"initials"}; person.displayName=Lovelace"#,
            "agent failed (value_too_long)",
        ),
        (
            "R6 nothing else is sent",
            "agent; agents only; disabled; person.displayName=Eve",
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "R6 roles wait too",
            r#"agent; agents only; disabled; admins role; in=["Admins"]"#,
            "agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "R6 inactive already, by us",
            "agent; agents only; disabled; link.agent.activity=inactive_by_us",
            "agent unchanged (account_disabled already_inactive)",
        ),
        (
            "R6 inactive already, by others",
            "agent; agents only; disabled; link.agent.activity=inactive_by_others",
            "agent unchanged (account_disabled already_inactive)",
        ),
        (
            "R6 inactive already, by a role",
            "agent; agents only; disabled; link.agent.activity=inactive_by_role",
            "agent unchanged (account_disabled already_inactive)",
        ),
        (
            "R6 a state that was not read is no disabled one",
            "agent; agents only; person.accountEnabled=null",
            "agent unchanged",
        ),
        (
            "L2 the user stays",
            "both; disabled",
            "user unchanged (account_disabled) | agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "L2 the user too where asked",
            "both; disabled; sync.deactivate_disabled_users=true",
            "user deactivate 7 with inactive=true (account_disabled) | agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        ("L2 a user alone stays", "user; disabled", "user unchanged (account_disabled)"),
        (
            "L2 a user alone where asked",
            "user; disabled; sync.deactivate_disabled_users=true",
            "user deactivate 7 with inactive=true (account_disabled)",
        ),
        (
            "L2 fields of a disabled user are kept right",
            "user; disabled; person.displayName=Eve",
            "user update 7 with name=Eve (account_disabled)",
        ),
        (
            "L2 a disabled user where asked, also out of scope",
            "user; disabled; guest; sync.deactivate_disabled_users=true",
            "user deactivate 7 with inactive=true (account_disabled)",
        ),
    ]);
}

#[test]
fn those_who_come_back_are_made_active() {
    check(&[
        (
            "L3 a user",
            "user; link.user.activity=inactive_by_us",
            "user reactivate 7 with inactive=false (returned)",
        ),
        (
            "L3 an agent",
            "agent; agents only; link.agent.activity=inactive_by_us",
            "agent reactivate 9 with isdisabled=false (returned)",
        ),
        (
            "L3 both",
            "both; link.user.activity=inactive_by_us; link.agent.activity=inactive_by_us",
            "user reactivate 7 with inactive=false (returned) | agent reactivate 9 with isdisabled=false (returned)",
        ),
        (
            "L3 with what changed meanwhile",
            "user; link.user.activity=inactive_by_us; person.displayName=Eve",
            "user reactivate 7 with inactive=false name=Eve (returned)",
        ),
        (
            "L3 off",
            "user; link.user.activity=inactive_by_us; sync.reactivate=false",
            "user unchanged (reactivate_off)",
        ),
        (
            "L3 off for agents",
            "agent; agents only; link.agent.activity=inactive_by_us; sync.reactivate=false",
            "agent unchanged (reactivate_off)",
        ),
        (
            "L3 off, but fields go on",
            "user; link.user.activity=inactive_by_us; sync.reactivate=false; person.displayName=Eve",
            "user update 7 with name=Eve (reactivate_off)",
        ),
        (
            "L3 inactive by others",
            "user; link.user.activity=inactive_by_others",
            "user unchanged (inactive_by_others)",
        ),
        (
            "L3 an agent inactive by others",
            "agent; agents only; link.agent.activity=inactive_by_others",
            "agent unchanged (inactive_by_others)",
        ),
        (
            "L3 back, but disabled",
            "user; disabled; link.user.activity=inactive_by_us",
            "user unchanged (account_disabled)",
        ),
        (
            "L3 back, but disabled, and those are inactive",
            "user; disabled; link.user.activity=inactive_by_us; sync.deactivate_disabled_users=true",
            "user unchanged (account_disabled already_inactive)",
        ),
        (
            "L3 not while the mapping is broken",
            "user; link.user.activity=inactive_by_us; mappings.all.group=Old",
            "user unchanged (mapping_broken)",
        ),
        (
            "L3 not out of scope",
            "user; link.user.activity=inactive_by_us; guest",
            "user unchanged (left_active)",
        ),
        (
            "L6 restored with the groups that it had",
            r#"user; link.user.activity=inactive_by_us; mappings.all.group=Sales; in=["Sales"]"#,
            "user reactivate 7 with inactive=false (returned)",
        ),
        (
            "L6 restored after a purge, without groups",
            "user; link.user.activity=inactive_by_us; mappings.all.group=Sales",
            "user unchanged (left_active)",
        ),
        (
            "L3 whatever the guard says",
            "user; link.user.activity=inactive_by_us; held",
            "user reactivate 7 with inactive=false (returned)",
        ),
        (
            "L3 a user who was found inactive",
            "user found; known.user.record.inactive=true; person.displayName=Eve",
            "user update 7 linked with azure_tenant_id=other azureoid=me name=Eve (inactive_by_others)",
        ),
    ]);
}

#[test]
fn roles_make_agents_inactive_and_active() {
    check(&[
        (
            "R5 holds such a role",
            "agent; agents only; licensed; link.agent.image.roles=[5,11]",
            "agent deactivate 9 with isdisabled=true (inactive_role)",
        ),
        (
            "R5 is given such a role by a group",
            r#"agent; agents only; licensed; sleepers role; in=["Sleepers"]; known.agent.record={"roles":[5]}"#,
            "agent deactivate 9 with isdisabled=true roles=5,11 [ours 11] (inactive_role)",
        ),
        (
            "R5 is given such a role by the mapping",
            r#"agent; agents only; licensed; mappings.staff.agent_role_id=11; known.agent.record={"roles":[]}"#,
            "agent deactivate 9 with isdisabled=true roles=11 [ours 11] (inactive_role)",
        ),
        (
            "R5 was given such a role by hand",
            r#"agent; agents only; licensed; link.agent.how={"by":"object_id"}; known.agent.record={"roles":[11]}"#,
            "agent deactivate 9 with isdisabled=true (inactive_role)",
        ),
        (
            "R5 roles that were never seen are asked for",
            r#"agent; agents only; licensed; link.agent.how={"by":"object_id"}"#,
            "asks for agent 9: licence_type name roles",
        ),
        ("R5 what we made holds what we gave", "agent; agents only; licensed", "agent unchanged"),
        (
            "R5 another role",
            "agent; agents only; licensed; link.agent.image.roles=[5]",
            "agent unchanged",
        ),
        (
            "R5 off",
            "agent; agents only; licensed; roles.licence_management=false; link.agent.image.roles=[11]",
            "agent unchanged",
        ),
        (
            "R5 off, and the role is given all the same",
            r#"agent; agents only; licensed; roles.licence_management=false; sleepers role; in=["Sleepers"]; known.agent.record={"roles":[]}"#,
            "agent update 9 with roles=11 [ours 11]",
        ),
        (
            "R5 no such roles",
            "agent; agents only; roles.licence_management=true; link.agent.image.roles=[11]",
            "agent unchanged",
        ),
        (
            "R5 a new agent",
            "agents only; staff; nobody; licensed; mappings.staff.agent_role_id=11",
            "agent create with isdisabled=true licence_type=0 name=Ada roles=11 [ours 11] (inactive_role)",
        ),
        (
            "R5 an agent that is taken over",
            "agents only; agent found; licensed; known.agent.record.roles=[11]",
            "agent deactivate 9 linked with isdisabled=true (inactive_role)",
        ),
        (
            "R5 not users",
            "user; licensed; mappings.all.user_role_id=11; link.user.image.roles=[11]; link.user.granted=[11]",
            "user unchanged",
        ),
        (
            "R5 the user of such an agent stays",
            "both; licensed; link.agent.image.roles=[11]",
            "user unchanged | agent deactivate 9 with isdisabled=true (inactive_role)",
        ),
        (
            "R5 holds no such role any more",
            "agent; agents only; licensed; link.agent.activity=inactive_by_role; link.agent.image.roles=[5]",
            "agent reactivate 9 with isdisabled=false (inactive_role_gone)",
        ),
        (
            "R5 whatever reactivate says",
            "agent; agents only; licensed; link.agent.activity=inactive_by_role; link.agent.image.roles=[5]; sync.reactivate=false",
            "agent reactivate 9 with isdisabled=false (inactive_role_gone)",
        ),
        (
            "R5 leaves the group",
            r#"agent; agents only; licensed; sleepers role; link.agent.activity=inactive_by_role; link.agent.image.roles=[5,11]; link.agent.granted=[11]; known.agent.record={"roles":[5,11]}"#,
            "agent reactivate 9 with isdisabled=false roles=5 [ours ] (inactive_role_gone)",
        ),
        (
            "R5 leaves the group of a role that others gave",
            "agent; agents only; licensed; sleepers role; link.agent.activity=inactive_by_role; link.agent.image.roles=[11]",
            "agent unchanged (inactive_role)",
        ),
        (
            "R5 the role is not in the list any more",
            "agent; agents only; licensed; roles.inactive_agent_role_ids=[12]; link.agent.activity=inactive_by_role; link.agent.image.roles=[11]",
            "agent reactivate 9 with isdisabled=false (inactive_role_gone)",
        ),
        (
            "R5 the list is empty",
            "agent; agents only; roles.licence_management=true; link.agent.activity=inactive_by_role; link.agent.image.roles=[11]",
            "agent reactivate 9 with isdisabled=false (inactive_role_gone)",
        ),
        (
            "R5 switched off, agents stay as they are",
            "agent; agents only; link.agent.activity=inactive_by_role; link.agent.image.roles=[11]",
            "agent unchanged (left_active)",
        ),
        (
            "R5 still holds the role",
            "agent; agents only; licensed; link.agent.activity=inactive_by_role; link.agent.image.roles=[11]",
            "agent unchanged (inactive_role)",
        ),
        (
            "P3 the role of an unknown group stays, and the agent inactive",
            r#"agent; agents only; licensed; roles.agent_roles=[{"group":"Old","role_id":11}]; link.agent.activity=inactive_by_role; link.agent.image.roles=[11]; link.agent.granted=[11]"#,
            "agent unchanged (group_unknown inactive_role)",
        ),
        (
            "R5 back, but with such a role",
            "agent; agents only; licensed; link.agent.activity=inactive_by_us; link.agent.image.roles=[11]",
            "agent unchanged (inactive_role)",
        ),
        (
            "R5 inactive by others, such a role",
            "agent; agents only; licensed; link.agent.activity=inactive_by_others; link.agent.image.roles=[11]",
            "agent unchanged (inactive_by_others)",
        ),
        (
            "R5 inactive by others, no such role",
            "agent; agents only; licensed; link.agent.activity=inactive_by_others; link.agent.image.roles=[5]",
            "agent unchanged (inactive_by_others)",
        ),
        (
            "R6 not active again while disabled",
            "agent; agents only; disabled; licensed; link.agent.activity=inactive_by_role; link.agent.image.roles=[5]",
            "agent unchanged (account_disabled already_inactive)",
        ),
    ]);
}

#[test]
fn some_agents_are_never_made_inactive() {
    check(&[
        (
            "R7 our own agent",
            "agent; agents only; disabled; known.agent.standing=own",
            "agent unchanged (account_disabled own_agent)",
        ),
        (
            "R7 the last administrator",
            "agent; agents only; disabled; known.agent.standing=last",
            "agent unchanged (account_disabled last_administrator)",
        ),
        (
            "R7 it is asked before",
            "agent; agents only; disabled; known.agent.standing=null",
            "asks for the standing of agent 9",
        ),
        (
            "R7 not while the guard holds it",
            "agent; agents only; disabled; held; known.agent.standing=null",
            "agent held (account_disabled held_by_guard)",
        ),
        (
            "R7 not of an incomplete read",
            "agent; agents only; disabled; incomplete; known.agent.standing=null",
            "agent held (account_disabled read_incomplete)",
        ),
        (
            "R7 not where it was rejected",
            "agent; agents only; disabled; rejected; known.agent.standing=null",
            "agent unchanged (account_disabled rejected)",
        ),
        (
            "R7 but where it was released",
            "agent; agents only; disabled; held; released; known.agent.standing=null",
            "asks for the standing of agent 9",
        ),
        (
            "R7 a release does not help",
            "agent; agents only; disabled; held; released; known.agent.standing=own",
            "agent unchanged (account_disabled released own_agent)",
        ),
        (
            "R7 not of one who is inactive",
            "agent; agents only; disabled; link.agent.activity=inactive_by_us; known.agent.standing=null",
            "agent unchanged (account_disabled already_inactive)",
        ),
        (
            "R7 not of one who stays",
            "agent; agents only; known.agent.standing=null",
            "agent unchanged",
        ),
        (
            "R7 by a role",
            "agent; agents only; licensed; link.agent.image.roles=[11]; known.agent.standing=last",
            "agent unchanged (inactive_role last_administrator)",
        ),
        (
            "R7 by a role, and the rest goes on",
            "agent; agents only; licensed; link.agent.image.roles=[11]; known.agent.standing=own; person.displayName=Eve",
            "agent update 9 with name=Eve (inactive_role own_agent)",
        ),
        (
            "R7 asked after the record",
            "agent; agents only; licensed; mappings.staff.agent_role_id=11; known.agent.standing=null",
            "asks for agent 9: licence_type name roles",
        ),
        (
            "R7 gone from Entra",
            "agent; agents only; presence=soft_deleted; known.agent.standing=own",
            "agent unchanged (deleted_in_entra own_agent)",
        ),
        (
            "R7 out of scope",
            "agent; agents only; mappings.staff.group=Sales; sync.out_of_scope=deactivate; known.agent.standing=last",
            "agent unchanged (last_administrator)",
        ),
        (
            "R7 users are not protected",
            "user; presence=missing; known.user.standing=own",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "R7 the user of our own agent goes",
            "both; presence=missing; known.agent.standing=own",
            "user deactivate 7 with inactive=true (missing_in_entra) | agent unchanged (missing_in_entra own_agent)",
        ),
    ]);
}
