//! Cases of mappings as they meet records: order, agents and users, broken groups, sites by name, moves (P1–P4, P6, P9, I2).

use super::check;

#[test]
fn the_first_mapping_of_each_kind_decides() {
    check(&[
        (
            "P1 by sequence",
            r#"nobody; mappings.zz={"sequence":1,"target":{"type":"site","site_id":18}}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=18",
        ),
        (
            "P1 then by id",
            r#"nobody; mappings.aa={"sequence":50,"target":{"type":"site","site_id":18}}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=18",
        ),
        (
            "P1 a later one does not count",
            r#"nobody; mappings.aa={"sequence":51,"target":{"type":"site","site_id":18}}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "P1 an agent and a user",
            "staff; nobody",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (agent_comes_first) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 an agents mapping that places the user",
            "staff; nowhere; nobody; mappings.staff.target.user_site_id=18",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=18 (agent_comes_first) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 a user mapping is stronger than that",
            "staff; nobody; mappings.staff.target.user_site_id=18",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (agent_comes_first) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 only an agent",
            "staff; nowhere; nobody",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 only an agent, as the user mapping does not match",
            "staff; nobody; mappings.all.group=Sales",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 only a user",
            "staff; nobody; mappings.staff.group=Sales",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 | agent not_in_scope",
        ),
        (
            "P1 neither",
            "staff; nobody; mappings.staff.group=Sales; mappings.all.group=Sales",
            "user not_in_scope | agent not_in_scope",
        ),
        (
            "P1 the first agents mapping that matches",
            r#"staff; nowhere; nobody; mappings.staff.group=Sales; mappings.leads={"sequence":9,"target":{"type":"agents"},"licence_type":"named"}"#,
            "user not_in_scope (agent_only) | agent create with licence_type=1 name=Ada",
        ),
        (
            "P1 an agents mapping that does not match places nobody",
            "staff; nowhere; nobody; mappings.staff.target.user_site_id=18; mappings.staff.group=Sales",
            "user not_in_scope | agent not_in_scope",
        ),
        ("P4 external people", "guest; staff; nobody", "user not_in_scope | agent not_in_scope"),
        (
            "P4 external people as agents only",
            "guest; staff; nobody; mappings.staff.external_users=include",
            "user not_in_scope (agent_only) | agent create with licence_type=0 name=Ada",
        ),
        (
            "P4 external people only",
            "nobody; mappings.all.external_users=only",
            "user not_in_scope",
        ),
        (
            "P2 a condition as well",
            r#"nobody; mappings.all.conditions=[{"field":"department","op":"equals","value":"Sales"}]; person.department=IT"#,
            "user not_in_scope",
        ),
        (
            "P5 a condition that holds",
            r#"nobody; mappings.all.conditions=[{"field":"displayName","op":"equals","value":" ADA "}]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "P5 a negation holds of nothing",
            r#"nobody; mappings.all.conditions=[{"field":"department","op":"not_equals","value":"Sales"}]"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
    ]);
}

#[test]
fn the_user_record_names_the_agent() {
    check(&[
        (
            "P1 once the agent is linked",
            "user; agent",
            "user update 7 with linked_agent_id=9 | agent unchanged",
        ),
        (
            "P1 at once where the agent is found",
            "user; agent found",
            "user update 7 with linked_agent_id=9 | agent update 9 linked",
        ),
        (
            "P1 later where the agent is made",
            "user; staff; nobody",
            "user unchanged | agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 and says so",
            "user; staff; nobody; person.displayName=Eve",
            "user update 7 with name=Eve (agent_comes_first) | agent create with licence_type=0 name=Eve",
        ),
        (
            "P1 a new user of an agent",
            "agent; nobody",
            "user create with azure_tenant_id=other azureoid=me linked_agent_id=9 name=Ada site_id=12 | agent unchanged",
        ),
        (
            "P1 not while the agent is unsettled",
            "user; staff; known.agent.hits=[9,10]",
            "user unchanged | agent conflict 9 10 (several_found)",
        ),
        (
            "P1 another agent than before",
            "both; link.user.image.linked_agent_id=8",
            "user update 7 with linked_agent_id=9 | agent unchanged",
        ),
        (
            "P1 an inactive agent too",
            "both; link.agent.activity=inactive_by_others",
            "user unchanged | agent unchanged (inactive_by_others)",
        ),
        (
            "P1 an agent that is made inactive now",
            "user; agent; disabled",
            "user update 7 with linked_agent_id=9 (account_disabled) | agent deactivate 9 with isdisabled=true (account_disabled)",
        ),
        (
            "P1 in a run about users",
            "user; agent; users only",
            "user update 7 with linked_agent_id=9",
        ),
    ]);
}

#[test]
fn runs_about_one_kind() {
    check(&[
        (
            "I2 users only",
            "staff; nobody; users only",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "I2 agents only",
            "staff; nobody; agents only",
            "agent create with licence_type=0 name=Ada",
        ),
        (
            "P1 users only, placed by an agents mapping",
            "staff; nowhere; nobody; mappings.staff.target.user_site_id=18; users only",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=18",
        ),
        (
            "P1 users only, an agents mapping without a site",
            "staff; nowhere; nobody; users only",
            "user not_in_scope",
        ),
        (
            "I2 users only: the agent is left",
            "both; person.displayName=Eve; users only",
            "user update 7 with name=Eve",
        ),
        (
            "I2 agents only: the user is left",
            "both; person.displayName=Eve; agents only",
            "agent update 9 with name=Eve",
        ),
        (
            "R6 waits for a run about agents",
            "both; disabled; users only",
            "user unchanged (account_disabled)",
        ),
        ("I2 agents only, but nobody is one", "nobody; agents only", ""),
        (
            "P8 users only, kept by an agents mapping",
            "user; nowhere; staff; mappings.staff.target.user_site_id=12; users only; sync.out_of_scope=deactivate",
            "user unchanged",
        ),
    ]);
}

#[test]
fn broken_mappings_take_nothing() {
    check(&[
        ("P3 the group is gone", "user; mappings.all.group=Old", "user unchanged (mapping_broken)"),
        (
            "P3 the group is gone, whatever out_of_scope says",
            "user; mappings.all.group=Old; sync.out_of_scope=deactivate",
            "user unchanged (mapping_broken)",
        ),
        (
            "P3 the group is not read yet",
            "user; mappings.all.group=Slow; sync.out_of_scope=deactivate",
            "user unchanged (mapping_broken)",
        ),
        (
            "P3 the group was not found",
            r#"user; mappings.all.group={"name":"Ghosts"}; sync.out_of_scope=deactivate"#,
            "user unchanged (mapping_broken)",
        ),
        (
            "P3 the agents' group is gone",
            "agent; agents only; mappings.staff.group=Old; sync.out_of_scope=deactivate",
            "agent unchanged (mapping_broken)",
        ),
        (
            "P3 both groups are gone",
            "both; mappings.all.group=Old; mappings.staff.group=Old; sync.out_of_scope=deactivate",
            "user unchanged (mapping_broken) | agent unchanged (mapping_broken)",
        ),
        (
            "P3 the agents' group is gone, and it placed the user",
            "both; nowhere; link.user.mapping=staff; mappings.staff.target.user_site_id=12; mappings.staff.group=Old; sync.out_of_scope=deactivate",
            "user unchanged (mapping_broken) | agent unchanged (mapping_broken)",
        ),
        (
            "P3 so it is in a run about users",
            "both; nowhere; link.user.mapping=staff; mappings.staff.target.user_site_id=12; mappings.staff.group=Old; sync.out_of_scope=deactivate; users only",
            "user unchanged (mapping_broken)",
        ),
        (
            "P3 one that placed no user does not keep one",
            "both; nowhere; mappings.staff.group=Old; sync.out_of_scope=deactivate",
            "user deactivate 7 with inactive=true | agent unchanged (mapping_broken)",
        ),
        (
            "P3 nobody moves to the next either",
            r#"user; mappings.all.group=Old; mappings.rest={"sequence":99,"target":{"type":"site","site_id":18}}"#,
            "user unchanged (mapping_broken)",
        ),
        (
            "P3 nor is anything else written",
            "user; mappings.all.group=Old; person.displayName=Eve",
            "user unchanged (mapping_broken)",
        ),
        (
            "P3 an earlier one takes the person",
            r#"user; mappings.all.group=Old; mappings.top={"sequence":1,"target":{"type":"site","site_id":18}}"#,
            "user update 7 with site_id=18 (moves)",
        ),
        (
            "P3 another's broken one before",
            r#"user; mappings.top={"sequence":1,"group":"Old","target":{"type":"site","site_id":18}}; person.displayName=Eve"#,
            "user update 7 with name=Eve (mapping_broken)",
        ),
        (
            "P3 another's broken one behind",
            r#"user; mappings.rest={"sequence":99,"group":"Old","target":{"type":"site","site_id":18}}"#,
            "user unchanged",
        ),
        ("P3 somebody new", "nobody; mappings.all.group=Old", "user not_in_scope (mapping_broken)"),
        (
            "P3 somebody new goes on to the next",
            r#"nobody; mappings.all.group=Old; mappings.rest={"sequence":99,"target":{"type":"site","site_id":18}}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=18 (mapping_broken)",
        ),
    ]);
}

#[test]
fn sites_by_name() {
    check(&[
        (
            "P6 the site is asked for",
            "offices; nobody; person.officeLocation=  Leeds   North ",
            "asks for site Leeds North of 3",
        ),
        (
            "P6 and taken",
            "offices; nobody; person.officeLocation=Leeds; site=77",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=77",
        ),
        ("P6 nothing to go by", "offices; nobody; person.officeLocation= ", "user not_in_scope"),
        (
            "P6 the default",
            "offices; nobody; mappings.all.target.default_site_id=18",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=18",
        ),
        (
            "P6 a name is stronger than the default",
            "offices; nobody; mappings.all.target.default_site_id=18; person.officeLocation=Leeds; site=77",
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=77",
        ),
        (
            "P6 asked for a linked person too",
            "offices; user; person.officeLocation=Leeds",
            "asks for site Leeds of 3",
        ),
        (
            "P6 the same site",
            "offices; user; person.officeLocation=Leeds; site=12",
            "user unchanged",
        ),
        (
            "P6 another site",
            "offices; user; person.officeLocation=Leeds; site=77",
            "user update 7 with site_id=77 (moves)",
        ),
        (
            "P6 no site is made for a disabled newcomer",
            "offices; nobody; disabled; person.officeLocation=Leeds",
            "user not_in_scope (account_disabled)",
        ),
        (
            "P6 nor for a conflict",
            "offices; known.user.hits=[7,8]; person.officeLocation=Leeds",
            "user conflict 7 8 (several_found)",
        ),
        (
            "P6 nor for somebody who is gone",
            "offices; user; presence=missing; person.officeLocation=Leeds",
            "user deactivate 7 with inactive=true (missing_in_entra)",
        ),
        (
            "P6 nor for a record that others claim",
            r#"offices; user found; known.user.claims=["other"]; person.officeLocation=Leeds"#,
            "user conflict 7 (claimed_by_others)",
        ),
    ]);
}

#[test]
fn people_move() {
    check(&[
        (
            "P9 the mapping's site changes",
            "user; mappings.all.target.site_id=18",
            "user update 7 with site_id=18 (moves)",
        ),
        (
            "P9 another mapping",
            r#"user; mappings.north={"sequence":1,"group":"Sales","target":{"type":"site","site_id":18}}; in=["Sales"]"#,
            "user update 7 with site_id=18 (moves)",
        ),
        (
            "P9 back again",
            r#"user; link.user.mapping=north; link.user.image.site_id=18; mappings.north={"sequence":1,"group":"Sales","target":{"type":"site","site_id":18}}"#,
            "user update 7 with site_id=12 (moves)",
        ),
        (
            "P9 another mapping, the same site",
            r#"user; mappings.north={"sequence":1,"target":{"type":"site","site_id":12}}"#,
            "user unchanged",
        ),
        (
            "P9 to a site by name",
            r#"user; mappings.north={"sequence":1,"target":{"type":"organisation","client_id":3,"site_from":"city"}}; person.city=Leeds; site=77"#,
            "user update 7 with site_id=77 (moves)",
        ),
        (
            "P9 from the site of an agents mapping",
            "both; link.user.mapping=staff; link.user.image.site_id=18; mappings.staff.target.user_site_id=18",
            "user update 7 with site_id=12 (moves) | agent unchanged",
        ),
        (
            "P9 a record that is taken over moves",
            "user found; known.user.record.site_id=18",
            "user update 7 linked with azure_tenant_id=other azureoid=me site_id=12 (moves)",
        ),
        (
            "P9 agents stand on no site",
            "agent; agents only; mappings.staff.target.user_site_id=18",
            "agent unchanged",
        ),
    ]);
}
