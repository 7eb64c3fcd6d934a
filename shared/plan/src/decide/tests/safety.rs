//! Cases of the guard, rulings and incomplete reads (L4, L5).

use super::check;

#[test]
fn the_guard_holds_each_kind_apart() {
    check(&[
        (
            "L4 users held, agents pass",
            "both; presence=missing; guard.user=held",
            "user held (missing_in_entra held_by_guard) | agent deactivate 9 with isdisabled=true (missing_in_entra)",
        ),
        (
            "L4 agents held, users pass",
            "both; presence=missing; guard.agent=held",
            "user deactivate 7 with inactive=true (missing_in_entra) | agent held (missing_in_entra held_by_guard)",
        ),
        (
            "L4 both held",
            "both; presence=missing; held",
            "user held (missing_in_entra held_by_guard) | agent held (missing_in_entra held_by_guard)",
        ),
        (
            "L4 disabled agents",
            "agent; agents only; disabled; held",
            "agent held (account_disabled held_by_guard)",
        ),
        (
            "L4 disabled users",
            "user; disabled; sync.deactivate_disabled_users=true; held",
            "user held (account_disabled held_by_guard)",
        ),
        (
            "L4 agents by a role",
            "agent; agents only; licensed; link.agent.image.roles=[11]; held",
            "agent held (inactive_role held_by_guard)",
        ),
        (
            "L4 an agent that is taken over is held from then on",
            "agents only; agent found; disabled; held",
            "agent update 9 linked (account_disabled held_by_guard)",
        ),
        (
            "L4 one who is inactive already",
            "user; presence=missing; held; link.user.activity=inactive_by_us",
            "user unchanged (missing_in_entra already_inactive)",
        ),
        (
            "L4 one who is left active",
            "user; presence=missing; held; sync.deactivate_missing=false",
            "user unchanged (missing_in_entra left_active)",
        ),
        (
            "L4 creates go on",
            "nobody; held",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "L4 creates of inactive agents go on",
            "agents only; staff; nobody; disabled; sync.create_disabled=true; held",
            "agent create with isdisabled=true licence_type=0 name=Ada (account_disabled)",
        ),
        ("L4 updates go on", "user; held; person.displayName=Eve", "user update 7 with name=Eve"),
        (
            "L4 links go on",
            "user found; held",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "L4 the user of a held agent goes on",
            "both; disabled; held; person.displayName=Eve",
            "user update 7 with name=Eve (account_disabled) | agent held (account_disabled held_by_guard)",
        ),
    ]);
}

#[test]
fn rulings_hold_until_they_expire() {
    check(&[
        (
            "L4 released",
            "user; presence=missing; held; released",
            "user deactivate 7 with inactive=true (missing_in_entra released)",
        ),
        (
            "L4 released for both",
            "both; presence=missing; held; released",
            "user deactivate 7 with inactive=true (missing_in_entra released) | agent deactivate 9 with isdisabled=true (missing_in_entra released)",
        ),
        (
            "L4 released, though nothing holds it",
            "user; presence=missing; released",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "L4 a release that expired",
            "user; presence=missing; held; released; expired",
            "user held (missing_in_entra held_by_guard)",
        ),
        ("L4 a release about somebody who is back", "user; held; released", "user unchanged"),
        (
            "L4 rejected",
            "user; presence=missing; held; rejected",
            "user unchanged (missing_in_entra rejected)",
        ),
        (
            "L4 rejected, though the guard passes",
            "user; presence=missing; rejected",
            "user unchanged (missing_in_entra rejected)",
        ),
        (
            "L4 rejected for both",
            "both; presence=missing; held; rejected",
            "user unchanged (missing_in_entra rejected) | agent unchanged (missing_in_entra rejected)",
        ),
        (
            "L4 a rejection that expired",
            "user; presence=missing; rejected; expired",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "L4 a rejection that expired, held again",
            "user; presence=missing; held; rejected; expired",
            "user held (missing_in_entra held_by_guard)",
        ),
        (
            "L4 rejected, and the rest goes on",
            "agent; agents only; licensed; link.agent.image.roles=[11]; rejected; person.displayName=Eve",
            "agent update 9 with name=Eve (inactive_role rejected)",
        ),
        (
            "L4 released by a role",
            "agent; agents only; licensed; link.agent.image.roles=[11]; held; released",
            "agent deactivate 9 with isdisabled=true (inactive_role released)",
        ),
        (
            "L4 a rejection makes nobody active",
            "user; rejected; presence=missing; link.user.activity=inactive_by_us",
            "user unchanged (missing_in_entra already_inactive)",
        ),
    ]);
}

#[test]
fn incomplete_reads_deactivate_nobody() {
    check(&[
        (
            "L5 missing",
            "both; presence=missing; incomplete",
            "user held (missing_in_entra read_incomplete) | agent held (missing_in_entra read_incomplete)",
        ),
        (
            "L5 soft-deleted",
            "user; presence=soft_deleted; incomplete",
            "user held (deleted_in_entra read_incomplete)",
        ),
        (
            "L5 disabled agents",
            "agent; agents only; disabled; incomplete",
            "agent held (account_disabled read_incomplete)",
        ),
        (
            "L5 by a role",
            "agent; agents only; licensed; link.agent.image.roles=[11]; incomplete",
            "agent held (inactive_role read_incomplete)",
        ),
        (
            "L5 a release does not help",
            "user; presence=missing; incomplete; released",
            "user held (missing_in_entra read_incomplete)",
        ),
        (
            "L5 nor for both",
            "both; presence=missing; incomplete; released",
            "user held (missing_in_entra read_incomplete) | agent held (missing_in_entra read_incomplete)",
        ),
        (
            "L5 a rejection stays one",
            "user; presence=missing; incomplete; rejected",
            "user unchanged (missing_in_entra rejected)",
        ),
        (
            "L5 users only",
            "both; presence=missing; guard.user=read_incomplete",
            "user held (missing_in_entra read_incomplete) | agent deactivate 9 with isdisabled=true (missing_in_entra)",
        ),
        (
            "L5 creates go on",
            "nobody; incomplete",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "L5 updates go on",
            "user; incomplete; person.displayName=Eve",
            "user update 7 with name=Eve",
        ),
        (
            "L5 returns go on",
            "user; incomplete; link.user.activity=inactive_by_us",
            "user reactivate 7 with inactive=false (returned)",
        ),
    ]);
}
