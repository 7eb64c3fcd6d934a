//! Cases of people who are gone from Entra, or out of scope (D5, L1, L6, P8).

use super::check;

#[test]
fn those_who_are_gone_are_made_inactive() {
    check(&[
        (
            "D5 missing",
            "both; presence=missing",
            "user deactivate 7 with inactive=true (missing_in_entra) | agent deactivate 9 with isdisabled=true (missing_in_entra)",
        ),
        (
            "D5 soft-deleted",
            "both; presence=soft_deleted",
            "user deactivate 7 with inactive=true (deleted_in_entra) | agent deactivate 9 with isdisabled=true (deleted_in_entra)",
        ),
        (
            "D5 purged",
            "both; presence=purged",
            "user deactivate 7 with inactive=true (purged_in_entra) | agent deactivate 9 with isdisabled=true (purged_in_entra)",
        ),
        (
            "D5 not read yet",
            "both; presence=unread",
            "user unchanged (not_read_yet) | agent unchanged (not_read_yet)",
        ),
        (
            "D5 only a user",
            "user; presence=missing",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "D5 only an agent",
            "agent; presence=missing",
            "user not_in_scope (missing_in_entra) | agent deactivate 9 with isdisabled=true (missing_in_entra)",
        ),
        ("D5 nobody, missing", "presence=missing", "user not_in_scope (missing_in_entra)"),
        (
            "D5 nobody, soft-deleted",
            "presence=soft_deleted",
            "user not_in_scope (deleted_in_entra)",
        ),
        ("D5 nobody, purged", "staff; presence=purged", "user not_in_scope (purged_in_entra)"),
        ("D5 nobody, not read yet", "presence=unread", "user not_in_scope (not_read_yet)"),
        (
            "D5 off, missing",
            "both; presence=missing; sync.deactivate_missing=false",
            "user unchanged (missing_in_entra left_active) | agent unchanged (missing_in_entra left_active)",
        ),
        (
            "D5 off, soft-deleted",
            "both; presence=soft_deleted; sync.deactivate_missing=false",
            "user unchanged (deleted_in_entra left_active) | agent unchanged (deleted_in_entra left_active)",
        ),
        (
            "D5 off, purged",
            "both; presence=purged; sync.deactivate_missing=false",
            "user unchanged (purged_in_entra left_active) | agent unchanged (purged_in_entra left_active)",
        ),
        (
            "L1 inactive by us",
            "both; presence=purged; link.user.activity=inactive_by_us; link.agent.activity=inactive_by_us",
            "user unchanged (purged_in_entra already_inactive) | agent unchanged (purged_in_entra already_inactive)",
        ),
        (
            "L1 inactive by others",
            "both; presence=missing; link.user.activity=inactive_by_others; link.agent.activity=inactive_by_others",
            "user unchanged (missing_in_entra already_inactive) | agent unchanged (missing_in_entra already_inactive)",
        ),
        (
            "L1 an agent inactive by a role",
            "agent; agents only; presence=missing; link.agent.activity=inactive_by_role",
            "agent unchanged (missing_in_entra already_inactive)",
        ),
        (
            "L1 nothing else is written",
            "user; presence=missing; person.displayName=Eve; link.user.image.site_id=18",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "D5 in a run about users",
            "both; presence=missing; users only",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "D5 in a run about agents",
            "both; presence=missing; agents only",
            "agent deactivate 9 with isdisabled=true (missing_in_entra)",
        ),
        (
            "D5 without mappings",
            "user; presence=missing; nowhere",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "D5 disabled before",
            "both; disabled; presence=soft_deleted",
            "user deactivate 7 with inactive=true (deleted_in_entra) | agent deactivate 9 with isdisabled=true (deleted_in_entra)",
        ),
        (
            "M7 a choice about somebody who is gone",
            "presence=missing; link.choices.user=create",
            "user not_in_scope (missing_in_entra)",
        ),
    ]);
}

#[test]
fn those_out_of_scope_follow_the_setting() {
    check(&[
        ("P8 nobody is imported", "guest; nobody", "user not_in_scope"),
        ("P8 left", "user; guest", "user unchanged (left_active)"),
        (
            "P8 deactivated",
            "user; guest; sync.out_of_scope=deactivate",
            "user deactivate 7 with inactive=true",
        ),
        (
            "P8 an agent, left",
            "agent; agents only; mappings.staff.group=Sales",
            "agent unchanged (left_active)",
        ),
        (
            "P8 an agent, deactivated",
            "agent; agents only; mappings.staff.group=Sales; sync.out_of_scope=deactivate",
            "agent deactivate 9 with isdisabled=true",
        ),
        (
            "P8 both, left",
            "both; guest",
            "user unchanged (left_active) | agent unchanged (left_active)",
        ),
        (
            "P8 both, deactivated",
            "both; guest; sync.out_of_scope=deactivate",
            "user deactivate 7 with inactive=true | agent deactivate 9 with isdisabled=true",
        ),
        (
            "P8 the user goes, the agent stays",
            "both; mappings.all.group=Sales; sync.out_of_scope=deactivate",
            "user deactivate 7 with inactive=true | agent unchanged",
        ),
        (
            "P8 the agent goes, the user stays",
            "both; mappings.staff.group=Sales; sync.out_of_scope=deactivate",
            "user unchanged | agent deactivate 9 with isdisabled=true",
        ),
        (
            "P8 an agent whom no mapping makes any more",
            "both; mappings.staff=null; sync.out_of_scope=deactivate",
            "user unchanged | agent deactivate 9 with isdisabled=true",
        ),
        (
            "P8 inactive already",
            "user; guest; sync.out_of_scope=deactivate; link.user.activity=inactive_by_us",
            "user unchanged (already_inactive)",
        ),
        (
            "P8 fields are left as they are",
            "user; guest; person.displayName=Eve",
            "user unchanged (left_active)",
        ),
        ("P8 no mappings at all", "user; nowhere", "user unchanged (left_active)"),
        (
            "L3 back in scope",
            "user; link.user.activity=inactive_by_us; sync.out_of_scope=deactivate",
            "user reactivate 7 with inactive=false (returned)",
        ),
        (
            "L4 out of scope and held",
            "user; guest; sync.out_of_scope=deactivate; held",
            "user held (held_by_guard)",
        ),
        (
            "L5 out of scope in an incomplete read",
            "user; guest; sync.out_of_scope=deactivate; incomplete",
            "user held (read_incomplete)",
        ),
    ]);
}
