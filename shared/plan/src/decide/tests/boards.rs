//! Cases of seats on boards (R3, R4, P3).

use super::check;

#[test]
fn newcomers_join() {
    check(&[
        (
            "R3 a new user",
            r#"board; in=["Board"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | user joins 1 as 2",
        ),
        (
            "R3 not a member",
            "board; nobody",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R3 without a role on the board",
            r#"board; roles.cabs.0.cab_role_id=null; in=["Board"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | user joins 1",
        ),
        (
            "R3 a new agent who is no user",
            r#"board; in=["Board"]; staff; nowhere; nobody"#,
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada | agent joins 1 as 2",
        ),
        (
            "R3 the user before the agent",
            r#"board; in=["Board"]; staff; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (agent_comes_first) | agent create with licence_type=0 name=Ada | user joins 1 as 2",
        ),
        (
            "R3 a new agent whose user is there already",
            r#"user; board; in=["Board"]; staff; nobody"#,
            "user unchanged | agent create with licence_type=0 name=Ada",
        ),
        (
            "R3 two boards",
            r#"roles.cabs=[{"group":"Board","cab_id":1},{"group":"Sales","cab_id":5,"cab_role_id":2}]; in=["Board","Sales"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | user joins 1 | user joins 5 as 2",
        ),
        ("R3 not somebody who is there already", r#"user; board; in=["Board"]"#, "user unchanged"),
        (
            "R3 not a record that is taken over",
            r#"user found; board; in=["Board"]"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "R3 but one that was made and not recorded",
            r#"user found; known.user.made=7; board; in=["Board"]"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me | user joins 1 as 2",
        ),
        ("R3 nobody in Halo", r#"guest; board; kept; in=["Board"]"#, "user not_in_scope"),
        (
            "R3 a conflict",
            r#"known.user.hits=[7,8]; board; kept; in=["Board"]"#,
            "user conflict 7 8 (several_found)",
        ),
        (
            "R3 wrong data",
            r#"nobody; person.displayName= ; board; in=["Board"]"#,
            "user failed (value_missing)",
        ),
        (
            "P3 a group that nobody knows",
            r#"roles.cabs=[{"group":"Old","cab_id":1}]; in=["Old"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | (group_unknown)",
        ),
    ]);
}

#[test]
fn kept_boards_are_in_step() {
    check(&[
        (
            "R3 joins later",
            r#"user; board; kept; in=["Board"]"#,
            "user unchanged | user joins 1 as 2",
        ),
        (
            "R3 an agent joins later",
            r#"agent; nowhere; board; kept; in=["Board"]"#,
            "user not_in_scope (agent_only) | agent unchanged | agent joins 1 as 2",
        ),
        (
            "R3 a record that is taken over",
            r#"user found; board; kept; in=["Board"]"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me | user joins 1 as 2",
        ),
        ("R3 sits", r#"user; board; kept; in=["Board"]; seat"#, "user unchanged"),
        ("R3 leaves", "user; board; kept; seat", "user unchanged | leaves 1"),
        ("R3 stays without keep", "user; board; seat", "user unchanged"),
        (
            "R4 a seat that others gave stays",
            "user; board; kept; seat; link.seats.1.state=others",
            "user unchanged",
        ),
        (
            "R4 and keeps its role",
            r#"user; board; kept; in=["Board"]; seat; link.seats.1.state=others; link.seats.1.role=3"#,
            "user unchanged",
        ),
        (
            "R3 another role",
            r#"user; board; kept; in=["Board"]; seat; link.seats.1.role=3"#,
            "user unchanged | user joins 1 as 2",
        ),
        (
            "R3 no role any more",
            r#"user; board; kept; roles.cabs.0.cab_role_id=null; in=["Board"]; seat"#,
            "user unchanged | user joins 1",
        ),
        (
            "R3 another role without keep",
            r#"user; board; in=["Board"]; seat; link.seats.1.role=3"#,
            "user unchanged",
        ),
        (
            "R3 about to join",
            r#"user; board; kept; in=["Board"]; seat; link.seats.1.state=joining"#,
            "user unchanged",
        ),
        (
            "R3 about to join, without keep",
            r#"user; board; in=["Board"]; seat; link.seats.1.state=joining_ours"#,
            "user unchanged",
        ),
        (
            "R3 about to join in another role",
            r#"user; board; in=["Board"]; seat; link.seats.1.state=joining; link.seats.1.role=3"#,
            "user unchanged | user joins 1 as 2",
        ),
        (
            "R3 about to join, and leaves the group",
            "user; board; kept; seat; link.seats.1.state=joining",
            "user unchanged | leaves 1",
        ),
        (
            "R3 about to leave",
            "user; board; kept; seat; link.seats.1.state=leaving",
            "user unchanged",
        ),
        (
            "R3 about to leave, and comes back",
            r#"user; board; kept; in=["Board"]; seat; link.seats.1.state=leaving"#,
            "user unchanged | user joins 1 as 2",
        ),
        ("R4 a board that no row names", "user; seat", "user unchanged"),
        (
            "P3 a group that nobody knows takes nothing",
            r#"user; roles.cabs=[{"group":"Old","cab_id":1,"cab_role_id":2,"keep":true}]; seat"#,
            "user unchanged | (group_unknown)",
        ),
        (
            "P3 nor does it give anything",
            r#"user; roles.cabs=[{"group":"Slow","cab_id":1,"keep":true}]; in=["Slow"]"#,
            "user unchanged | (group_unknown)",
        ),
        (
            "R3 somebody who is gone keeps the seat",
            "user; presence=missing; board; kept; seat",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "R3 a held deactivation leaves the seat",
            r#"user; guest; sync.out_of_scope=deactivate; held; board; kept; in=["Board"]; seat"#,
            "user held (held_by_guard)",
        ),
        (
            "R3 in a run about agents the user sits",
            r#"both; agents only; board; kept; in=["Board"]"#,
            "agent unchanged | user joins 1 as 2",
        ),
    ]);
}

#[test]
fn several_rows_for_one_board() {
    check(&[
        (
            "R3 the first row that seats says the role",
            r#"nobody; in=["Board","Sales"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Sales","cab_id":1,"cab_role_id":3}]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | user joins 1 as 2",
        ),
        (
            "R3 the second where the first does not seat",
            r#"nobody; in=["Sales"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Sales","cab_id":1,"cab_role_id":3}]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | user joins 1 as 3",
        ),
        (
            "R3 none seats",
            r#"nobody; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Sales","cab_id":1,"cab_role_id":3}]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R3 none seats, and one is kept",
            r#"user; seat; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Sales","cab_id":1,"cab_role_id":3,"keep":true}]"#,
            "user unchanged | leaves 1",
        ),
        (
            "R3 none seats, and none is kept",
            r#"user; seat; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Sales","cab_id":1,"cab_role_id":3}]"#,
            "user unchanged",
        ),
        (
            "R3 both seat, and the second is kept",
            r#"user; in=["Board","Sales"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Sales","cab_id":1,"cab_role_id":3,"keep":true}]"#,
            "user unchanged | user joins 1 as 2",
        ),
        (
            "R3 both seat, and the first is kept",
            r#"user; in=["Board","Sales"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2,"keep":true},{"group":"Sales","cab_id":1,"cab_role_id":3}]"#,
            "user unchanged | user joins 1 as 2",
        ),
        (
            "R3 only a row without keep seats",
            r#"user; in=["Sales"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2,"keep":true},{"group":"Sales","cab_id":1,"cab_role_id":3}]"#,
            "user unchanged",
        ),
        (
            "R3 leaves one group of two",
            r#"user; seat; link.seats.1.role=2; in=["Sales"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2,"keep":true},{"group":"Sales","cab_id":1,"cab_role_id":3,"keep":true}]"#,
            "user unchanged | user joins 1 as 3",
        ),
        (
            "P3 one is not known, the other seats",
            r#"nobody; in=["Board"]; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2},{"group":"Old","cab_id":1,"cab_role_id":3}]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | user joins 1 as 2 | (group_unknown)",
        ),
        (
            "P3 one is not known, the other does not seat",
            r#"user; seat; roles.cabs=[{"group":"Board","cab_id":1,"cab_role_id":2,"keep":true},{"group":"Old","cab_id":1,"cab_role_id":3,"keep":true}]"#,
            "user unchanged | (group_unknown)",
        ),
    ]);
}
