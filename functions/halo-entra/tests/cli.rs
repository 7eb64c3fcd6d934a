//! The program as people and scripts start it: its texts, its exit statuses, and whole days with it.

#![allow(clippy::unwrap_used, reason = "a step that fails is the failure of the test")]

mod started;

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use started::{Serving, program};

fn run(args: &[&str]) -> Output {
    program().args(args).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    assert!(!output.stdout.is_empty(), "{}", err(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[test]
fn help_names_every_command_and_every_status() {
    let help = run(&["--help"]);
    assert_eq!(status(&help), 0);
    let help = out(&help);
    let all = [
        "demo",
        "serve",
        "apply",
        "check",
        "schema",
        "permissions",
        "credentials",
        "authorise",
        "completions",
        "import",
        "runs",
        "inbound",
        "explain",
        "effect",
        "conflicts",
        "link",
        "unlink",
        "held",
        "release",
        "reject",
        "export",
        "audit",
        "reset-deltas",
        "module",
        "assignments",
        "licence-key",
        "list",
        "groups",
        "connections",
        "status",
    ];
    for word in all {
        assert!(help.contains(&format!("\n  {word} ")), "{word}: {help}");
        assert_eq!(status(&run(&[word, "--help"])), 0, "{word}");
    }
    for word in ["Exit status", "\n  0 ", "\n  1 ", "\n  2 ", "\n  3 ", "\n  4 ", "\n  130 "] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(out(&run(&["serve", "--help"])).contains("HALO_CLIENT_SECRET"));
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in [
        &["--colour"][..],
        &["dance"],
        &["serve"],
        &["demo", "--people", "3"],
        &[],
        &["link", "contoso", "ada@contoso.example"],
        &["link", "contoso", "ada@contoso.example", "--user", "somebody"],
        &["release", "contoso"],
        &["import", "contoso", "--entities", "software"],
        &["reset-deltas", "contoso"],
        &["module", "maybe"],
        &["licence-key", "--drop-previous"],
        &["list", "users"],
        &["export", "--format", "xml"],
    ] {
        assert_eq!(status(&run(args)), 2, "{args:?}");
    }
}

#[test]
fn shells_are_told_how_to_complete() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert_eq!(status(&script), 0);
        assert!(out(&script).contains("conflicts"), "{shell}");
    }
    assert_eq!(status(&run(&["completions", "teapot"])), 2);
}

#[test]
fn editors_get_the_schema_of_documents() {
    let printed = run(&["schema"]);
    assert_eq!(status(&printed), 0);
    let schema: serde_json::Value = serde_json::from_str(&out(&printed)).unwrap();
    assert_eq!(schema, plan::document::schema());
}

#[test]
fn without_a_token_or_an_answer_it_says_what_to_do() {
    let output = run(&["runs"]);
    assert_eq!(status(&output), 1);
    assert!(err(&output).contains("HALO_ENTRA_TOKEN"), "{}", err(&output));

    // Port 9 discards what it gets, where anybody listens there at all.
    let output = program()
        .args(["runs", "--url", "http://127.0.0.1:9"])
        .env("HALO_ENTRA_TOKEN", "x")
        .output()
        .unwrap();
    assert_eq!(status(&output), 4, "{}", err(&output));
    assert!(err(&output).contains("halo-entra serve"), "{}", err(&output));
}

fn document() -> Value {
    json!({
        "id": "contoso", "name": "Contoso", "tenant_id": "11111111-2222-3333-4444-555555555555",
        "auth": { "method": "application", "credential": "secret",
            "client_id": "66666666-7777-8888-9999-000000000000" },
        "mappings": [{ "id": "all", "sequence": 10, "target": { "type": "site", "site_id": 12 } }]
    })
}

fn write(dir: &Path, name: &str, json: &Value) {
    std::fs::write(dir.join(name), json.to_string()).unwrap();
}

fn check(dir: &Path, args: &[&str]) -> Output {
    program().current_dir(dir).arg("check").args(args).output().unwrap()
}

#[test]
fn a_good_document_passes_and_every_mistake_of_a_bad_one_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "good.json", &document());
    let good = check(dir.path(), &["good.json"]);
    assert_eq!((status(&good), out(&good).as_str()), (0, "good.json: good\n"));

    let mut bad = document();
    bad["color"] = "red".into();
    bad["tenant_id"] = "contoso.com".into();
    bad["field_mappings"] = json!({ "users": [
        { "from": "displayName", "to": "name" }, { "from": "mail", "to": "name" },
        { "from": "shoeSize", "to": "other1" } ] });
    write(dir.path(), "both.json", &json!({ "connections": [document(), bad] }));
    let both = check(dir.path(), &["both.json"]);
    assert_eq!(status(&both), 3);
    insta::assert_snapshot!(out(&both), @r#"
    both.json [0]: good
    both.json [1]: refused
     Where                            What
    ────────────────────────────────────────────────────────────────────────────────
     $.tenant_id                      Expected a tenant id (a GUID such as
                                      11111111-2222-3333-4444-555555555555), found
                                      "contoso.com".
     $.field_mappings.users[1].to     name is already the target of
                                      $.field_mappings.users[0]; keep one of the
                                      two.
     $.field_mappings.users[2].from   Unknown property "shoeSize"; expected a
                                      property of Microsoft Graph's user by its
                                      exact name, such as displayName.
     $.color                          Unknown key "color"; known here: $schema,
                                      auth, cloud, create, enabled, field_mappings,
                                      guard, id, licences, mappings, matching,
                                      name, roles, sync, tenant_id.
    "#);

    let both = check(dir.path(), &["both.json", "--json"]);
    assert_eq!(status(&both), 3);
    let both = json_of(&both);
    assert_eq!(both[0]["ok"], true);
    assert_eq!(both[1]["mistakes"].as_array().unwrap().len(), 4);
}

#[test]
fn what_is_no_document_at_all_is_said_plainly() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("broken.json"), "{ \"id\": ").unwrap();
    std::fs::write(dir.path().join("empty.json"), "[]").unwrap();
    for (file, expected) in [
        ("broken.json", "broken.json is not JSON"),
        ("empty.json", "there is no connection"),
        ("missing.json", "cannot read missing.json"),
    ] {
        let output = check(dir.path(), &[file]);
        assert_eq!(status(&output), 1, "{file}");
        assert!(err(&output).contains(expected), "{}", err(&output));
    }
}

#[test]
fn the_demo_accounts_for_everybody() {
    let output = run(&["demo", "--once", "--json", "--people", "300"]);
    let told = json_of(&output);
    assert_eq!((status(&output), &told["off"]), (0, &json!([])));
    assert_eq!(told["people"], 300);
    let sum = |run: usize| -> u64 {
        let counts = told["runs"][run]["run"]["counts"].as_object().unwrap();
        counts.values().map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!([sum(0), sum(1), sum(2)], [300, 3, 0]);
    let names: Vec<&str> = told["runs"][1]["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| person["what"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["created", "updated", "deactivated"]);
    assert_eq!(told["runs"][2]["run"]["requests"]["halo"], 0);
}

#[test]
fn the_report_of_the_demo_fits_a_terminal() {
    let output = run(&["demo", "--once"]);
    let text = out(&output);
    assert_eq!(status(&output), 0, "{text}");
    assert!(text.contains("✓ All 250 people are accounted for"), "{text}");
    assert!(text.lines().count() <= 90, "{} lines", text.lines().count());
    let wide = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None);
    assert!(!text.contains('\x1b'), "colours belong to terminals");
}

fn serve(dir: &Path) -> Command {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(dir).envs([
        ("HALO_API_URL", "http://127.0.0.1:9/api"),
        ("HALO_AUTH_URL", "http://127.0.0.1:9/auth"),
        ("HALO_CLIENT_ID", "client"),
        ("HALO_CLIENT_SECRET", "secret"),
    ]);
    command
}

#[cfg(unix)]
#[test]
fn a_directory_is_served_once_at_a_time_and_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut first = Serving::start(serve(&data));
    let url = first.after("serves on ");
    first.after("  try ");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data.join("admin-token")), 0o600);
    assert_eq!(mode(&data.join("store.redb")), 0o600);
    assert_eq!(mode(&data.join("secrets")), 0o700);

    let second = serve(&data).output().unwrap();
    assert_eq!(status(&second), 1);
    assert!(err(&second).contains("in use by another process"), "{}", err(&second));

    let data = data.display().to_string();
    let runs = run(&["runs", "--url", &url, "--data", &data]);
    assert_eq!((status(&runs), out(&runs).as_str()), (0, "There are no runs yet.\n"));
    assert_eq!(first.end(), Some(0));
}

#[test]
fn a_missing_setting_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = serve(dir.path()).env_remove("HALO_CLIENT_ID").output().unwrap();
    assert_eq!(status(&output), 1);
    assert!(err(&output).contains("HALO_CLIENT_ID is not set"), "{}", err(&output));
}

/// A conflict is settled, a link is cut, and nothing is held.
fn decide_on_people(ask: &dyn Fn(&[&str]) -> Output) {
    let conflicts = ask(&["conflicts", "contoso"]);
    let shown = out(&conflicts);
    assert!(shown.contains("user 1049: "), "{shown}");
    assert_eq!(shown.lines().find(|line| line.chars().count() > 80), None, "{shown}");
    let conflicts = json_of(&ask(&["conflicts", "contoso", "--json"]));
    let who = conflicts["conflicts"][0]["person"]["user_principal_name"].as_str().unwrap();
    let linked = ask(&["link", "contoso", who, "--user", "1049"]);
    assert!(out(&linked).contains("1049 (active, set by an administrator)"), "{}", err(&linked));
    let again = json_of(&ask(&["link", "contoso", who, "--user", "1049", "--json"]));
    assert_eq!(again["link"]["user"]["id"], 1049);
    let zoe = "zoe.obrien@contoso.example";
    let refused = ask(&["link", "contoso", zoe, "--user", "1049"]);
    assert_eq!(status(&refused), 3);
    assert!(err(&refused).contains("Cut that link first"), "{}", err(&refused));
    let cut = ask(&["unlink", "contoso", zoe, "--user"]);
    assert!(out(&cut).contains("none, as an administrator chose"), "{}", err(&cut));
    let explained = out(&ask(&["explain", "contoso", zoe]));
    assert!(explained.contains("An administrator cut the link"), "{explained}");
    assert_eq!(status(&ask(&["link", "contoso", zoe, "--user", "auto"])), 0);
    assert_eq!(out(&ask(&["held", "contoso"])), "Nothing is held.\n");
    let run = "01930000-0000-7000-8000-000000000001";
    for verb in ["release", "reject"] {
        let nobody = ask(&[verb, "contoso", "--run", run]);
        assert_eq!(status(&nobody), 3);
        assert!(err(&nobody).contains("Nobody is held by run"), "{}", err(&nobody));
    }
}

/// The deployment is looked at, switched off and on, and reset; what is there is listed and exported.
fn operate(ask: &dyn Fn(&[&str]) -> Output) {
    let health = ask(&["status"]);
    assert_eq!(status(&health), 0, "{}", err(&health));
    assert!(out(&health).contains("dead letters    0"), "{}", out(&health));
    let listed = out(&ask(&["connections"]));
    assert!(listed.contains(" contoso ") && listed.contains("authorised"), "{listed}");
    let sites = out(&ask(&["list", "sites", "leeds"]));
    assert!(sites.contains("Leeds") && sites.contains("client 3 (Contoso)"), "{sites}");
    let groups = out(&ask(&["groups", "contoso", "All S"]));
    assert!(groups.contains("microsoft 365") && groups.contains("All Sales"), "{groups}");

    let unasked = ask(&["reset-deltas", "contoso", "--mode", "clear"]);
    assert_eq!(status(&unasked), 1, "nobody can be asked");
    assert!(err(&unasked).contains("--yes"), "{}", err(&unasked));
    let off = ask(&["module", "off"]);
    assert!(
        out(&off).starts_with("The integration is off: administrator token, "),
        "{}",
        err(&off)
    );
    let refused = ask(&["reset-deltas", "contoso", "--mode", "latest", "--yes"]);
    assert_eq!(status(&refused), 3, "{}", err(&refused));
    assert!(out(&ask(&["connections"])).contains("switched off"));
    assert!(out(&ask(&["module", "on"])).starts_with("The integration is on: "));
    let mut reset = ask(&["reset-deltas", "contoso", "--mode", "latest", "--yes"]);
    // A run of the schedule may read at this moment.
    while err(&reset).contains("is being read at this moment") {
        reset = ask(&["reset-deltas", "contoso", "--mode", "latest", "--yes"]);
    }
    assert!(out(&reset).contains(" users "), "{}{}", out(&reset), err(&reset));
    let audit = out(&ask(&["audit", "contoso"]));
    assert!(audit.contains("deltas reset (latest)"), "{audit}");
    assert_eq!(audit.lines().find(|line| line.chars().count() > 80), None, "{audit}");
    assert!(out(&ask(&["audit"])).contains("module switched off"));

    assert_eq!(out(&ask(&["assignments", "contoso"])), "Halo asked for nothing.\n");
    assert!(out(&ask(&["licence-key"])).starts_with("No key is set"));
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, format!("{}\n", "k".repeat(40))).unwrap();
    let set = ask(&["licence-key", "--key-file", &key.display().to_string()]);
    assert!(out(&set).starts_with("A key is set since "), "{}", err(&set));
    std::fs::write(&key, "short").unwrap();
    let refused = ask(&["licence-key", "--key-file", &key.display().to_string()]);
    assert_eq!(status(&refused), 3);
    assert!(err(&refused).contains("$.key"), "{}", err(&refused));
    let file = dir.path().join("log.csv");
    let path = file.display().to_string();
    let exported = ask(&["export", &path, "--format", "csv", "--decision", "create"]);
    assert_eq!(status(&exported), 0, "{}", err(&exported));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("time,connection,run,") && text.contains(",create,done,"), "{text}");
    let lines = out(&ask(&["export", "--decision", "conflict"]));
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["decision"], "conflict");
    let zoe = "zoe.obrien@contoso.example";
    let never = ask(&["explain", "contoso", zoe, "--at", "2020-01-01T00:00:00Z"]);
    assert!(out(&never).contains("does not reach back to this time"), "{}", out(&never));
    let then = ask(&["explain", "contoso", zoe, "--at", "2100-01-01T00:00:00Z"]);
    assert!(out(&then).contains("places this person"), "{}", out(&then));
    assert_eq!(status(&ask(&["explain", "contoso", zoe, "--at", "noon"])), 3);
}

/// The commands one after the other against the demo, which goes on serving.
#[cfg(unix)]
#[test]
fn a_day_with_the_commands() {
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let mut demo = Serving::start(command);
    let url = demo.after("halo-entra's API");
    let token = demo.after("HALO_ENTRA_TOKEN=$(cat ");
    let token = std::fs::read_to_string(token.trim_end_matches(')')).unwrap();
    let ask = |args: &[&str]| {
        let mut command = program();
        command.args(args).args(["--url", &url]).env("HALO_ENTRA_TOKEN", token.trim());
        command.output().unwrap()
    };

    let runs = ask(&["runs", "--json"]);
    let runs = json_of(&runs);
    // Three of the report, and perhaps one of the schedule, which begins behind it.
    let runs = runs["runs"].as_array().unwrap();
    assert!((3..=4).contains(&runs.len()), "{runs:?}");
    let first = runs.last().unwrap()["run"].as_str().unwrap();
    assert!(out(&ask(&["runs", first])).contains("created"), "{first}");

    let conflicts = ask(&["inbound", "--decision", "conflict"]);
    assert!(out(&conflicts).contains("(user 1049,"), "{}", out(&conflicts));
    assert_eq!(status(&ask(&["inbound", "--decision", "dance"])), 3);

    let explained = ask(&["explain", "contoso", "zoe.obrien@contoso.example"]);
    assert!(out(&explained).contains("✓   offices"), "{}", out(&explained));
    let nobody = ask(&["explain", "contoso", "nobody@contoso.example"]);
    assert_eq!(status(&nobody), 3);

    decide_on_people(&ask);
    operate(&ask);

    let import = ask(&["import", "contoso", "--entities", "users", "--read", "full", "--wait"]);
    assert_eq!(status(&import), 0, "{}", err(&import));
    assert!(out(&import).contains("completed"), "{}", out(&import));

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("connections.json");
    let given = |document: &Value, args: &[&str]| {
        std::fs::write(&file, document.to_string()).unwrap();
        let file = file.display().to_string();
        ask(&[args, &[file.as_str()]].concat())
    };
    let apply = |document: &Value| given(document, &["apply", "--yes"]);
    let mut fabrikam = document();
    fabrikam["id"] = "fabrikam".into();
    fabrikam["name"] = "Fabrikam".into();
    for word in ["created", "the same already"] {
        let applied = apply(&fabrikam);
        assert!(out(&applied).contains(word), "{}{}", out(&applied), err(&applied));
    }
    fabrikam["mappings"][0]["sequence"] = 20.into();
    let unasked = given(&fabrikam, &["apply"]);
    assert_eq!(status(&unasked), 1, "nobody can be asked");
    let shown = err(&unasked);
    for line in ["-       \"sequence\": 10", "+       \"sequence\": 20", "--yes"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(out(&apply(&fabrikam)).contains("updated"));
    fabrikam["mappings"][0]["target"]["site_id"] = 4711.into();
    assert_eq!(status(&given(&fabrikam, &["check"])), 0, "Halo is not asked");
    let checked = given(&fabrikam, &["check", "--online"]);
    assert_eq!(status(&checked), 3, "{}", err(&checked));
    assert!(out(&checked).contains("Halo has no site 4711"), "{}", out(&checked));
    let refused = apply(&fabrikam);
    assert_eq!(status(&refused), 3);
    assert!(err(&refused).contains("$.mappings[0].target.site_id"), "{}", err(&refused));
    assert_eq!(status(&ask(&["import", "fabrikam"])), 3, "it is not authorised");

    let mut draft = document();
    draft["mappings"] = json!([]);
    std::fs::write(&file, json!([draft]).to_string()).unwrap();
    let told = ask(&["effect", &file.display().to_string()]);
    assert_eq!(status(&told), 0, "{}", err(&told));
    let told = out(&told);
    assert!(told.contains("people would change"), "{told}");
    assert_eq!(told.lines().find(|line| line.chars().count() > 80), None, "{told}");

    assert_eq!(demo.end(), Some(0));
}
