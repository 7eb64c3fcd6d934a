//! Cases of roles: what is given, what is ours, what is taken back (R1, R2, R4, P3, P7, P9).

use super::check;

#[test]
fn roles_of_new_records() {
    check(&[
        (
            "P7 the mapping's role of a new user",
            "nobody; mappings.all.user_role_id=3",
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=3 site_id=12 [ours 3]",
        ),
        (
            "P7 the mapping's role of a new agent",
            "staff; nowhere; nobody; mappings.staff.agent_role_id=5",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada roles=5 [ours 5]",
        ),
        (
            "P7 both roles of a mapping that makes both",
            "staff; nowhere; nobody; mappings.staff.target.user_site_id=18; mappings.staff.user_role_id=3; mappings.staff.agent_role_id=5",
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=3 site_id=18 [ours 3] (agent_comes_first) | agent create with licence_type=0 name=Ada roles=5 [ours 5]",
        ),
        (
            "P7 a user mapping gives no agent's role",
            "staff; nobody; mappings.all.agent_role_id=5; users only",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R1 a group's role",
            r#"sales role; in=["Sales"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=4 site_id=12 [ours 4]",
        ),
        (
            "R1 on top of the mapping's own",
            r#"sales role; in=["Sales"]; nobody; mappings.all.user_role_id=3"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=3,4 site_id=12 [ours 3,4]",
        ),
        (
            "R1 not a member",
            "sales role; nobody",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R1 several groups",
            r#"roles.user_roles=[{"group":"Sales","role_id":4},{"group":"Admins","role_id":6}]; in=["Sales","Admins"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=4,6 site_id=12 [ours 4,6]",
        ),
        (
            "R1 one of several groups",
            r#"roles.user_roles=[{"group":"Sales","role_id":4},{"group":"Admins","role_id":6}]; in=["Admins"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=6 site_id=12 [ours 6]",
        ),
        (
            "R1 two groups, one role",
            r#"roles.user_roles=[{"group":"Sales","role_id":4},{"group":"Admins","role_id":4}]; in=["Sales","Admins"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=4 site_id=12 [ours 4]",
        ),
        (
            "R1 one group, two roles",
            r#"roles.user_roles=[{"group":"Sales","role_id":4},{"group":"Sales","role_id":6}]; in=["Sales"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=4,6 site_id=12 [ours 4,6]",
        ),
        (
            "R1 the mapping's role and a group's are one",
            r#"sales role; in=["Sales"]; nobody; mappings.all.user_role_id=4"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=4 site_id=12 [ours 4]",
        ),
        (
            "R1 a new agent",
            r#"admins role; in=["Admins"]; nobody; staff; nowhere"#,
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada roles=7 [ours 7]",
        ),
        (
            "R1 agents' groups give users nothing",
            r#"admins role; in=["Admins"]; nobody"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R1 users' groups give agents nothing",
            r#"sales role; in=["Sales"]; nobody; staff; nowhere"#,
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "R2 nobody manages",
            "nobody; roles.no_manager_user_role_id=9",
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=9 site_id=12 [ours 9] (no_manager)",
        ),
        (
            "R2 on top of the mapping's own",
            "nobody; roles.no_manager_user_role_id=9; mappings.all.user_role_id=3",
            "user create with azure_tenant_id=other azureoid=me name=Ada roles=3,9 site_id=12 [ours 3,9] (no_manager)",
        ),
        (
            "R2 somebody manages",
            "nobody; managed; roles.no_manager_user_role_id=9",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R2 a manager who was not read yet manages too",
            "nobody; manager=unread; roles.no_manager_user_role_id=9",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "R2 not for agents",
            "staff; nowhere; nobody; roles.no_manager_user_role_id=9",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P3 a group that nobody knows gives nothing",
            r#"nobody; roles.user_roles=[{"group":"Old","role_id":4}]; in=["Old"]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (group_unknown)",
        ),
    ]);
}

#[test]
fn roles_are_given_and_taken() {
    check(&[
        (
            "R4 what the record holds is asked first",
            r#"user; sales role; in=["Sales"]"#,
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name roles site_id title",
        ),
        (
            "R4 of agents too",
            r#"agent; agents only; admins role; in=["Admins"]"#,
            "asks for agent 9: licence_type name roles",
        ),
        (
            "R1 given to somebody who has none",
            r#"user; sales role; in=["Sales"]; known.user.record={"roles":[]}"#,
            "user update 7 with roles=4 [ours 4]",
        ),
        (
            "R1 given to an agent",
            r#"agent; agents only; admins role; in=["Admins"]; known.agent.record={"roles":[]}"#,
            "agent update 9 with roles=7 [ours 7]",
        ),
        (
            "R1 given to both",
            r#"both; admins role; sales role; in=["Admins","Sales"]; known.user.record={"roles":[]}; known.agent.record={"roles":[]}"#,
            "user update 7 with roles=4 [ours 4] | agent update 9 with roles=7 [ours 7]",
        ),
        (
            "R4 roles that Halo does not tell stay",
            r#"user; sales role; in=["Sales"]; known.user.record={}"#,
            "user update 7 (roles_unreadable)",
        ),
        (
            "R4 also what was read earlier",
            r#"user; sales role; in=["Sales"]; link.user.image.roles=[6]; known.user.record={}"#,
            "user update 7 (roles_unreadable)",
        ),
        (
            "R4 others' roles stay",
            r#"user; sales role; in=["Sales"]; known.user.record={"roles":[6]}"#,
            "user update 7 with roles=4,6 [ours 4]",
        ),
        (
            "R4 what others gave does not become ours",
            r#"user; sales role; in=["Sales"]; known.user.record={"roles":[4]}"#,
            "user update 7",
        ),
        (
            "T4 and is not asked for again",
            r#"user; sales role; in=["Sales"]; link.user.image.roles=[4]"#,
            "user unchanged",
        ),
        (
            "R1 as it should be",
            r#"user; sales role; in=["Sales"]; link.user.image.roles=[4]; link.user.granted=[4]"#,
            "user unchanged",
        ),
        (
            "R4 ours is taken back",
            r#"user; sales role; link.user.image.roles=[4]; link.user.granted=[4]; known.user.record={"roles":[4]}"#,
            "user update 7 with roles= [ours ]",
        ),
        (
            "R4 not before the record was read",
            "user; sales role; link.user.image.roles=[4]; link.user.granted=[4]",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name roles site_id title",
        ),
        (
            "R4 an agent's is taken back",
            r#"agent; agents only; admins role; link.agent.image.roles=[7]; link.agent.granted=[7]; known.agent.record={"roles":[7]}"#,
            "agent update 9 with roles= [ours ]",
        ),
        (
            "R4 what others gave is not taken",
            "user; sales role; link.user.image.roles=[4]",
            "user unchanged",
        ),
        (
            "R4 what others gave meanwhile stays",
            r#"user; sales role; link.user.image.roles=[4]; link.user.granted=[4]; known.user.record={"roles":[4,6]}"#,
            "user update 7 with roles=6 [ours ]",
        ),
        (
            "R4 of two roles only ours goes",
            r#"user; sales role; link.user.image.roles=[4,5]; link.user.granted=[4]; known.user.record={"roles":[4,5]}"#,
            "user update 7 with roles=5 [ours ]",
        ),
        (
            "R4 what others took is not ours any more",
            r#"user; sales role; link.user.image.roles=[4]; link.user.granted=[4]; known.user.record={"roles":[]}"#,
            "user update 7 [ours ]",
        ),
        (
            "R1 one group for another",
            r#"user; roles.user_roles=[{"group":"Sales","role_id":4},{"group":"Admins","role_id":6}]; in=["Admins"]; link.user.image.roles=[4]; link.user.granted=[4]; known.user.record={"roles":[4]}"#,
            "user update 7 with roles=6 [ours 6]",
        ),
        (
            "P7 the mapping's role changes",
            r#"user; mappings.all.user_role_id=5; link.user.image.roles=[3]; link.user.granted=[3]; known.user.record={"roles":[3]}"#,
            "user update 7 with roles=5 [ours 5]",
        ),
        (
            "P7 the mapping's role goes",
            r#"user; link.user.image.roles=[3]; link.user.granted=[3]; known.user.record={"roles":[3]}"#,
            "user update 7 with roles= [ours ]",
        ),
        (
            "R4 others' roles stay where no rule names roles any more",
            r#"user; link.user.image.roles=[3]; link.user.granted=[3]; known.user.record={"roles":[3,6]}"#,
            "user update 7 with roles=6 [ours ]",
        ),
        (
            "R4 nor are they taken from a stale list",
            "user; link.user.image.roles=[3]; link.user.granted=[3]",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name roles site_id title",
        ),
        (
            "R2 gets a manager",
            r#"user; managed; roles.no_manager_user_role_id=9; link.user.image.roles=[9]; link.user.granted=[9]; known.user.record={"roles":[9]}"#,
            "user update 7 with roles= [ours ]",
        ),
        (
            "R2 loses the manager",
            r#"user; roles.no_manager_user_role_id=9; link.user.image.roles=[]; known.user.record={"roles":[]}"#,
            "user update 7 with roles=9 [ours 9] (no_manager)",
        ),
        (
            "R2 still without a manager",
            "user; roles.no_manager_user_role_id=9; link.user.image.roles=[9]; link.user.granted=[9]",
            "user unchanged (no_manager)",
        ),
        (
            "R4 the same role given by others stays",
            "user; managed; roles.no_manager_user_role_id=9; link.user.image.roles=[9]",
            "user unchanged",
        ),
        (
            "R2 a manager who is not read yet takes the role",
            r#"user; manager=unread; roles.no_manager_user_role_id=9; link.user.image.roles=[9]; link.user.granted=[9]; known.user.record={"roles":[9]}"#,
            "user update 7 with roles= [ours ]",
        ),
        (
            "R2 a role that a group gives too stays",
            r#"user; managed; sales role; roles.no_manager_user_role_id=4; in=["Sales"]; link.user.image.roles=[4]; link.user.granted=[4]"#,
            "user unchanged",
        ),
        (
            "P9 roles follow the mapping",
            r#"user; mappings.north={"sequence":10,"target":{"type":"site","site_id":18},"user_role_id":5}; mappings.all.user_role_id=3; link.user.image.roles=[3,6]; link.user.granted=[3]; known.user.record={"roles":[3,6]}"#,
            "user update 7 with roles=5,6 site_id=18 [ours 5] (moves)",
        ),
        (
            "P9 roles and licence follow the agents mapping",
            r#"agent; agents only; mappings.leads={"sequence":1,"target":{"type":"agents"},"agent_role_id":5,"licence_type":"named"}; known.agent.record={"roles":[]}"#,
            "agent update 9 with licence_type=1 roles=5 [ours 5]",
        ),
        (
            "P9 the first agents mapping's role is taken",
            r#"agent; agents only; mappings.staff.agent_role_id=3; mappings.leads={"sequence":1,"target":{"type":"agents"},"agent_role_id":5}; link.agent.image.roles=[3]; link.agent.granted=[3]; known.agent.record={"roles":[3]}"#,
            "agent update 9 with roles=5 [ours 5]",
        ),
        (
            "R4 nothing is taken from somebody out of scope",
            "user; guest; sales role; link.user.image.roles=[4]; link.user.granted=[4]",
            "user unchanged (left_active)",
        ),
        (
            "R4 nor from somebody who is gone",
            "user; presence=missing; sales role; link.user.image.roles=[4]; link.user.granted=[4]",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "R1 a record that is taken over",
            r#"user found; sales role; in=["Sales"]; known.user.record.roles=[6]"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me roles=4,6 [ours 4]",
        ),
        (
            "R4 the role that it holds already is not ours",
            r#"user found; sales role; in=["Sales"]; known.user.record.roles=[4]"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "R4 a role of its own stays",
            "user found; sales role; known.user.record.roles=[4]",
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
    ]);
}

#[test]
fn unknown_groups_take_nothing() {
    check(&[
        (
            "P3 deleted",
            r#"user; roles.user_roles=[{"group":"Old","role_id":4}]; link.user.image.roles=[4]; link.user.granted=[4]"#,
            "user unchanged (group_unknown)",
        ),
        (
            "P3 not read yet",
            r#"user; roles.user_roles=[{"group":"Slow","role_id":4}]; link.user.image.roles=[4]; link.user.granted=[4]"#,
            "user unchanged (group_unknown)",
        ),
        (
            "P3 not found",
            r#"user; roles.user_roles=[{"group":{"name":"Ghosts"},"role_id":4}]; link.user.image.roles=[4]; link.user.granted=[4]"#,
            "user unchanged (group_unknown)",
        ),
        (
            "P3 an agent's",
            r#"agent; agents only; roles.agent_roles=[{"group":"Old","role_id":7}]; link.agent.image.roles=[7]; link.agent.granted=[7]"#,
            "agent unchanged (group_unknown)",
        ),
        (
            "P3 it gives nothing either",
            r#"user; roles.user_roles=[{"group":"Old","role_id":4}]; in=["Old"]"#,
            "user unchanged (group_unknown)",
        ),
        (
            "P3 other groups go on",
            r#"user; roles.user_roles=[{"group":"Old","role_id":4},{"group":"Sales","role_id":5}]; in=["Sales"]; link.user.image.roles=[4]; link.user.granted=[4]; known.user.record={"roles":[4]}"#,
            "user update 7 with roles=4,5 [ours 4,5] (group_unknown)",
        ),
        (
            "P3 other roles of ours go",
            r#"user; roles.user_roles=[{"group":"Old","role_id":4},{"group":"Sales","role_id":5}]; link.user.image.roles=[4,5]; link.user.granted=[4,5]; known.user.record={"roles":[4,5]}"#,
            "user update 7 with roles=4 [ours 4] (group_unknown)",
        ),
        (
            "P3 a role that a known group would take stays too",
            r#"user; roles.user_roles=[{"group":"Old","role_id":4},{"group":"Sales","role_id":4}]; link.user.image.roles=[4]; link.user.granted=[4]"#,
            "user unchanged (group_unknown)",
        ),
    ]);
}

#[test]
fn what_an_interrupted_write_gave_is_ours() {
    check(&[
        (
            "R4 it was given",
            r#"user; sales role; in=["Sales"]; interrupted; link.intents.user.grants=[4]; known.user.record={"roles":[4]}"#,
            "user update 7 [ours 4]",
        ),
        (
            "R4 it was not given",
            r#"user; sales role; in=["Sales"]; interrupted; link.intents.user.grants=[4]; known.user.record={"roles":[]}"#,
            "user update 7 with roles=4 [ours 4]",
        ),
        (
            "R4 it was given and is not wished any more",
            r#"user; sales role; interrupted; link.intents.user.grants=[4]; known.user.record={"roles":[4]}"#,
            "user update 7 with roles=",
        ),
        (
            "R4 nor does any rule name roles",
            r#"user; interrupted; link.intents.user.grants=[4]; known.user.record={"roles":[4]}"#,
            "user update 7 with roles=",
        ),
        (
            "R4 others' roles stay",
            r#"user; sales role; interrupted; link.intents.user.grants=[4]; known.user.record={"roles":[4,6]}"#,
            "user update 7 with roles=6",
        ),
        (
            "R4 the record is read first",
            "user; sales role; interrupted; link.intents.user.grants=[4]",
            "asks for user 7: azure_tenant_id azureoid department linked_agent_id name roles site_id title",
        ),
        (
            "R4 not for an interrupted write without roles",
            "user; sales role; interrupted",
            "user unchanged",
        ),
        (
            "R4 the agent's write says nothing of the user",
            r#"both; sales role; admins role; interrupted; link.intents.agent.grants=[4]; known.agent.record={"roles":[]}"#,
            "user unchanged | agent update 9",
        ),
        (
            "R4 with what was ours before",
            r#"user; sales role; roles.no_manager_user_role_id=9; in=["Sales"]; link.user.image.roles=[9]; link.user.granted=[9]; interrupted; link.intents.user.grants=[4]; known.user.record={"roles":[4,9]}"#,
            "user update 7 [ours 4,9] (no_manager)",
        ),
    ]);
}

#[test]
fn licences_of_agents() {
    check(&[
        (
            "P7 a new agent is concurrent",
            "staff; nowhere; nobody",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P7 or named",
            "staff; nowhere; nobody; mappings.staff.licence_type=named",
            "user not_in_scope (agent_only) | agent create with licence_type=1 name=Ada",
        ),
        (
            "P7 or concurrent in so many words",
            "staff; nowhere; nobody; mappings.staff.licence_type=concurrent",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P7 no_change leaves an agent that is taken over",
            "agent found; nowhere; known.agent.record.licence_type=1",
            "user not_in_scope (agent_only) | agent update 9 linked",
        ),
        (
            "P7 named changes one",
            "agent found; nowhere; mappings.staff.licence_type=named",
            "user not_in_scope (agent_only) | agent update 9 linked with licence_type=1",
        ),
        (
            "P7 no_change leaves an agent of ours",
            "agent; agents only; link.agent.image.licence_type=1",
            "agent unchanged",
        ),
        (
            "P7 from named to concurrent",
            "agent; agents only; link.agent.image.licence_type=1; mappings.staff.licence_type=concurrent",
            "agent update 9 with licence_type=0",
        ),
        (
            "P7 from concurrent to named",
            "agent; agents only; mappings.staff.licence_type=named",
            "agent update 9 with licence_type=1",
        ),
        (
            "P7 users have no licence",
            "nobody; mappings.all.licence_type=named",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "P7 the first agents mapping says",
            r#"agent; agents only; mappings.leads={"sequence":9,"target":{"type":"agents"},"licence_type":"named"}"#,
            "agent unchanged",
        ),
    ]);
}
