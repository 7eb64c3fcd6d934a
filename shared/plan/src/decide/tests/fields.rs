//! Cases of field rows as they meet records (F1–F8, D8).

use super::check;

#[test]
fn rows_of_users_and_agents() {
    check(&[
        (
            "F1 users' rows are not agents'",
            "both; field_mappings.users.0.from=mail; person.displayName=Eve",
            "user update 7 with name=ada@x.example | agent update 9 with name=Eve",
        ),
        (
            "F1 all rows can go",
            "user; field_mappings.users=[]; person.displayName=Eve",
            "user unchanged",
        ),
        (
            "F1 one can go",
            r#"user; field_mappings.users=[{"from":"displayName","to":"name"}]; person.department=IT"#,
            "user unchanged",
        ),
        (
            "F8 a new record needs a name",
            "nobody; field_mappings.users=[]",
            "user failed (value_missing)",
        ),
        (
            "F8 so does an agent",
            "agents only; staff; nobody; field_mappings.agents=[]",
            "agent failed (value_missing)",
        ),
        ("F8 a blank name is none", "nobody; person.displayName= ", "user failed (value_missing)"),
        (
            "F7 the usual rows",
            r#"nobody; field_mappings={}; person.givenName=A; person.surname=L; person.userPrincipalName=upn; person.jobTitle=Boss; person.businessPhones=["1","2"]; person.mobilePhone="3"; person.department=IT; managed"#,
            "user create with admanager=Grace azure_tenant_id=other azureoid=me department=IT emailaddress=ada@x.example firstname=A login=upn mobilenumber=3 name=Ada phonenumber=1 site_id=12 surname=L title=Boss",
        ),
        (
            "F7 the usual rows of agents",
            "agents only; staff; nobody; field_mappings={}; person.givenName=A; person.surname=L; person.jobTitle=Boss",
            "agent create with email=ada@x.example firstname=A jobtitle=Boss licence_type=0 name=Ada surname=L",
        ),
        (
            "F7 the ids are always written",
            "user; link.user.image.azureoid=; link.user.image.azure_tenant_id=x",
            "user update 7 with azure_tenant_id=other azureoid=me",
        ),
        (
            "F7 whatever the rows say",
            "user; field_mappings.users=[]; link.user.image.azureoid=x",
            "user update 7 with azureoid=me",
        ),
        (
            "F7 agents have no field for them",
            "agents only; staff; nobody; field_mappings={}",
            "agent create with email=ada@x.example licence_type=0 name=Ada",
        ),
        (
            "F2 one property feeds two fields",
            r#"nobody; field_mappings.users.2={"from":"displayName","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Ada site_id=12",
        ),
        (
            "F4 a switch is switched on",
            r#"user; field_mappings.users=[{"from":"city","to":"isimportantcontact"}]; person.city=Yes"#,
            "user update 7 with isimportantcontact=true",
        ),
        (
            "F4 a switch is off where Halo says nothing",
            r#"user; field_mappings.users=[{"from":"city","to":"isimportantcontact"}]; person.city="0""#,
            "user unchanged",
        ),
        (
            "F4 a switch is switched off",
            r#"user; field_mappings.users=[{"from":"city","to":"neversendemails"}]; person.city=no; link.user.image.neversendemails=true"#,
            "user update 7 with neversendemails=false",
        ),
        (
            "F5 no value leaves a switch",
            r#"user; field_mappings.users=[{"from":"city","to":"neversendemails"}]; link.user.image.neversendemails=true"#,
            "user unchanged",
        ),
        (
            "F8 a switch takes yes and no",
            r#"user; field_mappings.users=[{"from":"city","to":"isimportantcontact"}]; person.city=York"#,
            "user failed (value_not_a_switch)",
        ),
        (
            "F4 a custom field by its id",
            r#"nobody; field_mappings.users.2={"from":"city","to":"customfield:123"}; person.city=Leeds"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 customfield:123=Leeds",
        ),
        (
            "F4 a custom field by its pinned name",
            r#"nobody; field_mappings.users.2={"from":"city","to":"customfield:Town","custom_field_id":123}; person.city=Leeds"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 customfield:123=Leeds",
        ),
        (
            "F4 a custom field that is not pinned yet",
            r#"nobody; field_mappings.users.2={"from":"city","to":"customfield:Town"}; person.city=Leeds"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12",
        ),
        (
            "F4 other custom fields stay",
            r#"user; field_mappings.users.2={"from":"city","to":"customfield:123"}; person.city=Leeds; link.user.image.customfield:123=York; link.user.image.customfield:9=x"#,
            "user update 7 with customfield:123=Leeds",
        ),
    ]);
}

#[test]
fn values_of_all_sources() {
    check(&[
        (
            "F3 a property",
            r#"nobody; person.city=Leeds; field_mappings.users.2={"from":"city","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Leeds site_id=12",
        ),
        (
            "F3 the first of a list",
            r#"nobody; person.businessPhones=["1","2"]; field_mappings.users.2={"from":"businessPhones","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=1 site_id=12",
        ),
        (
            "F3 the primary address",
            r#"nobody; person.proxyAddresses=["smtp:b@x","SMTP:a@x"]; field_mappings.users.2={"from":"proxyAddresses:primary","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=a@x site_id=12",
        ),
        (
            "F3 all addresses",
            r#"nobody; person.proxyAddresses=["smtp:b@x","SMTP:a@x"]; field_mappings.users.2={"from":"proxyAddresses:all","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=b@x, a@x site_id=12",
        ),
        (
            "F3 an extension attribute",
            r#"nobody; person.extensionAttribute3=x; field_mappings.users.2={"from":"extensionAttribute3","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=x site_id=12",
        ),
        (
            "F3 a directory extension",
            r#"nobody; person.extension_0123456789abcdef0123456789abcdef_x=y; field_mappings.users.2={"from":"extension_0123456789abcdef0123456789abcdef_x","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=y site_id=12",
        ),
        (
            "F3 a constant",
            r#"nobody; field_mappings.users.2={"from":"const:x","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=x site_id=12",
        ),
        (
            "F3 a switch",
            r#"nobody; field_mappings.users.2={"from":"accountEnabled","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=true site_id=12",
        ),
        (
            "F3 the type of the account",
            r#"nobody; person.userType=Member; field_mappings.users.2={"from":"userType","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Member site_id=12",
        ),
        (
            "F3 how the account came to be",
            r#"nobody; person.creationType=Invitation; field_mappings.users.2={"from":"creationType","to":"other1"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Invitation site_id=12",
        ),
        (
            "F8 transforms in their order",
            r#"nobody; person.city= leeds ; field_mappings.users.2={"from":"city","to":"other1","transforms":["trim","upper",{"prefix":"X-"}]}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=X-LEEDS site_id=12",
        ),
        (
            "F8 several sources",
            r#"nobody; person.city=Leeds; person.country=UK; field_mappings.users.2={"from":["city","state","country"],"to":"other1","transforms":[{"join":", "}]}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Leeds, UK site_id=12",
        ),
        (
            "F8 the first of several that has a value",
            r#"nobody; person.country=UK; field_mappings.users.2={"from":["city","country"],"to":"other1","transforms":["first_non_empty"]}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=UK site_id=12",
        ),
        (
            "F8 a table",
            r#"nobody; person.country=UK; field_mappings.users.2={"from":"country","to":"other1","transforms":[{"map":{"uk":"Britain"}}]}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Britain site_id=12",
        ),
        (
            "F8 cut where asked",
            r#"user; person.displayName=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; field_mappings.users.0.transforms=[{"max_length":3}]"#,
            "user update 7 with name=xxx",
        ),
        (
            "F8 never cut unasked",
            "user; person.displayName=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "user failed (value_too_long)",
        ),
        (
            "F8 nor for a new record",
            "nobody; person.displayName=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "user failed (value_too_long)",
        ),
        (
            "F8 nor for one that is taken over",
            "user found; person.displayName=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "user failed (value_too_long)",
        ),
        (
            "F8 the agent of such a user goes on",
            "both; person.displayName=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "user failed (value_too_long) | agent update 9 with name=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
    ]);
}

#[test]
fn managers() {
    check(&[
        (
            "F6 known",
            r#"user; managed; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user update 7 with admanager=Grace",
        ),
        (
            "F6 known, as before",
            r#"user; managed; link.user.image.admanager=Grace; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user unchanged",
        ),
        (
            "F6 renamed",
            r#"user; managed; link.user.image.admanager=Gracie; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user update 7 with admanager=Grace",
        ),
        (
            "F6 not read yet",
            r#"user; manager=unread; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user unchanged (manager_not_read)",
        ),
        (
            "F6 not read yet is not cleared",
            r#"user; manager=unread; link.user.image.admanager=Old; field_mappings.users.2={"from":"manager.displayName","to":"admanager","clear":true}"#,
            "user unchanged (manager_not_read)",
        ),
        (
            "F6 none",
            r#"user; link.user.image.admanager=Old; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user unchanged",
        ),
        (
            "F6 none, cleared",
            r#"user; link.user.image.admanager=Old; field_mappings.users.2={"from":"manager.displayName","to":"admanager","clear":true}"#,
            "user update 7 with admanager=",
        ),
        (
            "F6 a manager without that property",
            r#"user; link.user.image.admanager=Old; manager={"is":{"properties":{},"agent":null}}; field_mappings.users.2={"from":"manager.displayName","to":"admanager","clear":true}"#,
            "user update 7 with admanager=",
        ),
        (
            "F6 a new user, not read yet",
            r#"nobody; manager=unread; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada site_id=12 (manager_not_read)",
        ),
        (
            "F6 two rows wait, one reason",
            r#"user; manager=unread; field_mappings.users.1={"from":"manager.mail","to":"other1"}; field_mappings.users.2={"from":"manager.displayName","to":"admanager"}"#,
            "user unchanged (manager_not_read)",
        ),
        (
            "F6 an agent's line manager",
            r#"agent; agents only; managed; manager.is.agent=5; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager"}]"#,
            "agent update 9 with linemanager=5",
        ),
        (
            "F6 who is the same",
            r#"agent; agents only; managed; manager.is.agent=5; link.agent.image.linemanager=5; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager"}]"#,
            "agent unchanged",
        ),
        (
            "F6 who is no agent yet",
            r#"agent; agents only; managed; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager"}]"#,
            "agent unchanged (manager_not_agent)",
        ),
        (
            "F6 who is no agent any more stays",
            r#"agent; agents only; managed; link.agent.image.linemanager=5; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager","clear":true}]"#,
            "agent unchanged (manager_not_agent)",
        ),
        (
            "F6 who is not read yet",
            r#"agent; agents only; manager=unread; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager"}]"#,
            "agent unchanged (manager_not_agent)",
        ),
        (
            "F6 none, left",
            r#"agent; agents only; link.agent.image.linemanager=5; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager"}]"#,
            "agent unchanged",
        ),
        (
            "F6 none, cleared",
            r#"agent; agents only; link.agent.image.linemanager=5; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager","clear":true}]"#,
            "agent update 9 with linemanager=0",
        ),
        (
            "F6 none, cleared already",
            r#"agent; agents only; link.agent.image.linemanager=0; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager","clear":true}]"#,
            "agent unchanged",
        ),
        (
            "F6 their own manager: cycles are harmless",
            r#"agent; agents only; managed; manager.is.agent=9; field_mappings.agents=[{"from":"displayName","to":"name"},{"from":"manager.displayName","to":"linemanager"}]"#,
            "agent update 9 with linemanager=9",
        ),
    ]);
}

#[test]
fn the_last_sign_in() {
    check(&[
        (
            "D8 written as Halo writes it",
            "user; sync.last_sign_in=true; person.lastSignInDateTime=2026-01-15T10:17:06Z",
            "user update 7 with azure_last_login_date=2026-01-15T10:17:06",
        ),
        (
            "D8 the same",
            "user; sync.last_sign_in=true; person.lastSignInDateTime=2026-01-15T10:17:06Z; link.user.image.azure_last_login_date=2026-01-15T10:17:06",
            "user unchanged",
        ),
        ("D8 off", "user; person.lastSignInDateTime=2026-01-15T10:17:06Z", "user unchanged"),
        (
            "D8 never",
            "user; sync.last_sign_in=true; link.user.image.azure_last_login_date=2026-01-15T10:17:06",
            "user unchanged",
        ),
        (
            "D8 Halo's never",
            "user; sync.last_sign_in=true; person.lastSignInDateTime=1900-01-01T00:00:00Z",
            "user unchanged",
        ),
        (
            "D8 no moment",
            "user; sync.last_sign_in=true; person.lastSignInDateTime=yesterday",
            "user unchanged",
        ),
        (
            "D8 agents have no field for it",
            "agent; agents only; sync.last_sign_in=true; person.lastSignInDateTime=2026-01-15T10:17:06Z",
            "agent unchanged",
        ),
        (
            "D8 in a row as Graph writes it",
            r#"nobody; sync.last_sign_in=true; person.lastSignInDateTime=2026-01-15T10:17:06Z; field_mappings.users.2={"from":"lastSignInDateTime","to":"other1"}"#,
            "user create with azure_last_login_date=2026-01-15T10:17:06 azure_tenant_id=other azureoid=me name=Ada other1=2026-01-15T10:17:06Z site_id=12",
        ),
    ]);
}
