//! Cases of when a row writes: the three modes, a new record and an old one, values that went away (F5).

use super::check;

#[test]
fn modes_and_clearing() {
    check(&[
        (
            "F5 always: a new record",
            r#"nobody; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Leeds site_id=12",
        ),
        (
            "F5 always: a field that is empty",
            r#"user; link.user.image.other1=; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user update 7 with other1=Leeds",
        ),
        (
            "F5 always: a field that holds something",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user update 7 with other1=Leeds",
        ),
        (
            "F5 always: a field that holds the same",
            r#"user; link.user.image.other1=Leeds; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 always: a field that was never read",
            r#"user; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user update 7 with other1=Leeds",
        ),
        (
            "F5 always: a record that is taken over, empty",
            r#"user found; known.user.record.other1=; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me other1=Leeds",
        ),
        (
            "F5 always: a record that is taken over, not empty",
            r#"user found; known.user.record.other1=York; field_mappings.users.2={"from":"city","to":"other1"}; person.city=Leeds"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me other1=Leeds",
        ),
        (
            "F5 always: no value",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1"}"#,
            "user unchanged",
        ),
        (
            "F5 always: no value, to be cleared",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","clear":true}"#,
            "user update 7 with other1=",
        ),
        (
            "F5 always: no value, cleared already",
            r#"user; link.user.image.other1=; field_mappings.users.2={"from":"city","to":"other1","clear":true}"#,
            "user unchanged",
        ),
        (
            "F5 on_create: a new record",
            r#"nobody; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Leeds site_id=12",
        ),
        (
            "F5 on_create: a field that is empty",
            r#"user; link.user.image.other1=; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 on_create: a field that holds something",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 on_create: a field that holds the same",
            r#"user; link.user.image.other1=Leeds; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 on_create: a field that was never read",
            r#"user; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 on_create: a record that is taken over, empty",
            r#"user found; known.user.record.other1=; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "F5 on_create: a record that is taken over, not empty",
            r#"user found; known.user.record.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}; person.city=Leeds"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "F5 on_create: no value",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"on_create"}"#,
            "user unchanged",
        ),
        (
            "F5 on_create: no value, to be cleared",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"on_create","clear":true}"#,
            "user unchanged",
        ),
        (
            "F5 on_create: no value, cleared already",
            r#"user; link.user.image.other1=; field_mappings.users.2={"from":"city","to":"other1","write":"on_create","clear":true}"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: a new record",
            r#"nobody; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "user create with azure_tenant_id=other azureoid=me name=Ada other1=Leeds site_id=12",
        ),
        (
            "F5 if_empty: a field that is empty",
            r#"user; link.user.image.other1=; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "user update 7 with other1=Leeds",
        ),
        (
            "F5 if_empty: a field that holds something",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: a field that holds the same",
            r#"user; link.user.image.other1=Leeds; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: a field that was never read",
            r#"user; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "asks for user 7: azure_tenant_id azureoid linked_agent_id name other1 site_id title",
        ),
        (
            "F5 if_empty: a record that is taken over, empty",
            r#"user found; known.user.record.other1=; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me other1=Leeds",
        ),
        (
            "F5 if_empty: a record that is taken over, not empty",
            r#"user found; known.user.record.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds"#,
            "user update 7 linked with azure_tenant_id=other azureoid=me",
        ),
        (
            "F5 if_empty: no value",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: no value, to be cleared",
            r#"user; link.user.image.other1=York; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty","clear":true}"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: no value, cleared already",
            r#"user; link.user.image.other1=; field_mappings.users.2={"from":"city","to":"other1","write":"if_empty","clear":true}"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: read, and it holds something",
            r#"field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds; user; known.user.record={"other1":"York"}"#,
            "user update 7",
        ),
        (
            "T4 which is not asked for again",
            r#"field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds; user; link.user.image.other1=York"#,
            "user unchanged",
        ),
        (
            "F5 if_empty: read, and it holds nothing",
            r#"field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds; user; known.user.record={"other1":""}"#,
            "user update 7 with other1=Leeds",
        ),
        (
            "F5 if_empty: read, and it is not there",
            r#"field_mappings.users.2={"from":"city","to":"other1","write":"if_empty"}; person.city=Leeds; user; known.user.record={}"#,
            "user update 7 with other1=Leeds",
        ),
        (
            "F5 agents have modes too",
            r#"agent; agents only; field_mappings.agents=[{"from":"displayName","to":"name","write":"on_create"}]; person.displayName=Eve"#,
            "agent unchanged",
        ),
    ]);
}
