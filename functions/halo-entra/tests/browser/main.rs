//! The console in a real browser: from an empty install to an explained import, and every screen looked
//! at, at two widths. Pictures are in `target/console`.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step that fails is the failure of the test"
)]

#[path = "../started/mod.rs"]
mod started;

use sandbox::{halo, sample};
use serde_json::json;
use started::{Serving, program};
use tests::chrome::Chrome;

/// Somebody whom no story moves.
const PRIYA: &str = "priya.evans@contoso.example";

/// An empty install, with a tenant and a Halo that it has never seen.
struct Install {
    serving: Serving,
    url: String,
    token: String,
    entra: sandbox::graph::Graph,
    entra_url: String,
    _served: (sandbox::server::Served, sandbox::server::Served),
    _dir: tempfile::TempDir,
}

impl Install {
    async fn new() -> Self {
        let (entra, halo) = (sample::tenant(), sample::halo());
        entra.use_system_clock();
        halo.use_system_clock();
        let entra_served = entra.serve(None, None).await.unwrap();
        let halo_served = halo.serve(None, None).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut command = program();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(dir.path())
            .env("HALO_API_URL", format!("{}/api", halo_served.url))
            .env("HALO_AUTH_URL", format!("{}/auth", halo_served.url))
            .env("HALO_TENANT", halo::TENANT)
            .env("HALO_CLIENT_ID", halo::CLIENT_ID)
            .env("HALO_CLIENT_SECRET", halo::CLIENT_SECRET)
            .env("HALO_REQUESTS_PER_5_MINUTES", "unlimited")
            .env("HALO_ENTRA_OPERATOR_SIGN_IN", "on")
            .env("HALO_ENTRA_LOG", "warn");
        let mut serving = Serving::start(command);
        let url = serving.after("serves on").replace("127.0.0.1", "localhost");
        let token = std::fs::read_to_string(dir.path().join("admin-token")).unwrap();
        let entra_url = entra_served.url.clone();
        Self {
            serving,
            url,
            token: token.trim().to_owned(),
            entra,
            entra_url,
            _served: (entra_served, halo_served),
            _dir: dir,
        }
    }

    /// Forty people of the staff who are no agents.
    fn leaving(&self) -> Vec<String> {
        let of = |group: &str| self.entra.members(&self.entra.groups_named(group)[0], true);
        let agents = of("IT Helpdesk");
        let others = of("All Staff").into_iter().filter(|person| {
            let upn = &self.entra.user(person).unwrap()["userPrincipalName"];
            !agents.contains(person) && upn != PRIYA
        });
        others.take(40).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_empty_install_to_an_explained_import() {
    let install = Install::new().await;
    let mut browser = Chrome::start(&install.url).await;
    sign_in(&mut browser, &install).await;
    connect(&mut browser, &install).await;
    map(&mut browser).await;
    import(&mut browser, &install).await;
    explain(&mut browser).await;
    departures(&mut browser, &install).await;
    deployment(&mut browser).await;
    microsoft(&mut browser, &install).await;
    for (name, address, bytes) in &browser.seen {
        println!("{bytes:>7} bytes  {name:<24} {address}");
    }
    assert!(browser.wrong.is_empty(), "{:#?}", browser.wrong);
    browser.end().await;
    assert_eq!(install.serving.end(), Some(0));
}

/// O4: the way in without Entra.
async fn sign_in(browser: &mut Chrome, install: &Install) {
    browser.open("/").await;
    browser.says("Sign in").await;
    browser.look("sign-in").await;
    browser.fill("Operator's token", "wrong").await;
    browser.press("Sign in as the operator").await;
    browser.says("You are not signed in").await;
    browser.look("sign-in-refused").await;
    browser.press("To the sign-in page").await;
    browser.fill("Operator's token", &install.token).await;
    browser.press("Sign in as the operator").await;
    browser.says("No connection yet.").await;
    browser.look("connections-empty").await;
}

/// C1–C8: a tenant is connected; what is wrong stands beside its field, and nothing filled in is lost.
async fn connect(browser: &mut Chrome, install: &Install) {
    browser.press("Connect a tenant").await;
    browser.fill("Name", "Contoso").await;
    browser.fill("Short name", "Not A Name").await;
    browser.press("Make the connection").await;
    browser.look("new-connection-mistakes").await;
    let wrong = browser.ask("document.querySelectorAll('[aria-invalid]').length").await;
    assert!(wrong.as_u64() >= Some(2), "{wrong} fields are marked");
    let kept = browser.ask("document.querySelector('[name=\"doc.name\"]').value").await;
    assert_eq!(kept, "Contoso");
    browser.fill("Short name", "contoso").await;
    browser.fill("Directory (tenant) ID", sample::TENANT_ID).await;
    browser.fill("Application (client) ID", sample::CLIENT_ID).await;
    browser.press("Addresses of your own").await;
    browser.fill("Login service", &install.entra_url).await;
    browser.fill("Graph", &install.entra_url).await;
    browser.press("Make the connection").await;
    browser.says("unauthorised").await;
    browser.fill("Client secret", "wrong").await;
    browser.press("Test and keep").await;
    browser.says("AADSTS").await;
    browser.look("credentials-refused").await;
    browser.fill("Client secret", sample::CLIENT_SECRET).await;
    browser.press("Test and keep").await;
    browser.says("entered").await;
    browser.press("Authorise application").await;
    browser.says("Authorised.").await;
    browser.look("details").await;
}

/// P1–P8, I4: a mapping is made, its group searched for, and what would change is shown before saving.
async fn map(browser: &mut Chrome) {
    browser.press("Agent/user mappings").await;
    browser.says("No mapping yet").await;
    browser.press("Add a mapping").await;
    browser.until("Mapping without a name").await;
    browser.press("Save").await;
    browser.until("The document has mistakes").await;
    browser.look("mappings-mistakes").await;
    // Everybody goes where their office is; members of a group go to a site.
    browser.fill("Name", "offices").await;
    browser.fill("Sequence", "20").await;
    browser.choose("People become or go to", "a client").await;
    browser.press("Apply").await;
    browser.until("Sites are looked for").await;
    browser.choose("Client", "Contoso").await;
    browser.fill("Site's name comes from", "officeLocation").await;
    browser.press("Add a mapping").await;
    browser.until("Mapping without a name").await;
    browser.fill("Name", "sales").await;
    browser.fill("Sequence", "10").await;
    browser.choose("Site", "Sales").await;
    browser.fill("Group", "Sales E").await;
    browser.press_last("Search groups").await;
    browser.until("Sales EMEA").await;
    browser.press("Sales EMEA").await;
    browser.until("Pinned to").await;
    browser.press("Add a mapping").await;
    browser.until("Mapping without a name").await;
    browser.fill("Name", "helpdesk").await;
    browser.choose("People become or go to", "agents").await;
    browser.fill("Group", "IT Helpdesk").await;
    browser.choose("Role of the agent", "Helpdesk").await;
    browser.press("What would change?").await;
    browser.until("What saving would change").await;
    browser.look("mappings").await;
    browser.press("Save").await;
    browser.until("Saved.").await;
    transform(browser).await;
    browser.press("Licences").await;
    browser.look("licences-empty").await;
    browser.press("Advanced").await;
    browser.look("advanced").await;
    browser.choose("Client that licences are imported to", "Contoso").await;
    browser.press("Save").await;
    browser.until("Saved.").await;
    browser.press("Imports").await;
    browser.look("imports").await;
    browser.tick("Agents").await;
    browser.tick("Licences").await;
    browser.press("Save").await;
    browser.until("Saved.").await;
}

/// F8: a transform is chosen with what it takes; a mistake stands beside the field that it is in.
async fn transform(browser: &mut Chrome) {
    browser.press("Field mappings").await;
    browser.press_first("Add a transform").await;
    browser.until("Transforms, in order").await;
    browser.choose("Transform", "max length").await;
    browser.press("Apply").await;
    browser.until("Characters").await;
    browser.fill("Characters", "0").await;
    browser.press("Save").await;
    browser.until("The document has mistakes").await;
    let wrong = "document.querySelector('[aria-invalid]').name";
    assert_eq!(
        browser.ask(wrong).await,
        "doc.field_mappings.users[0].transforms[0].max_length:number"
    );
    browser.look("fields").await;
    browser.fill("Characters", "200").await;
    browser.press("Save").await;
    browser.until("Saved.").await;
}

/// I1, I2: everybody is looked at before, and exactly that is imported. Somebody is set aside, because their
/// first name is longer than Halo takes.
async fn import(browser: &mut Chrome, install: &Install) {
    let long = "Hubert Blaine ".repeat(20);
    install.entra.update_user(&install.leaving()[0], json!({ "givenName": long.trim() }));
    browser.press("Preview").await;
    browser.until("Preview complete").await;
    browser.look("preview").await;
    browser.press_first("Import all").await;
    browser.until("completed").await;
    browser.look("run").await;
    for (tab, name) in [
        ("Overview", "overview"),
        ("Inbound log", "log"),
        ("Held", "held-empty"),
        ("Conflicts", "conflicts"),
        ("Runs", "runs"),
        ("Audit", "audit"),
    ] {
        browser.press(tab).await;
        if name == "conflicts" {
            browser.says("firstname").await;
        }
        browser.look(name).await;
    }
}

/// B3: from the first page to why somebody is where they are, in five clicks at the most.
async fn explain(browser: &mut Chrome) {
    browser.open("/console").await;
    browser.look("connections").await;
    browser.press("Contoso").await;
    browser.fill_id("who", PRIYA).await;
    browser.press("Explain").await;
    browser.says("Why").await;
    browser.says("Mapping").await;
    browser.look("person").await;
    // B3: a time is typed in the reader's own zone, which is not ours.
    browser.move_to("Asia/Kolkata").await;
    browser.open(&browser.path().await).await;
    browser.ask("document.getElementById('at').value = '2040-01-02T08:00'").await;
    browser.press("Explain").await;
    browser.says("Before").await;
    let path = browser.path().await;
    assert!(path.contains("at=2040-01-02T02%3A30%3A00.000Z"), "{path}");
    assert_eq!(browser.ask("document.getElementById('at').value").await, "2040-01-02T08:00");
}

/// L4: so many leave at once that somebody is asked.
async fn departures(browser: &mut Chrome, install: &Install) {
    for person in install.leaving() {
        install.entra.soft_delete(&person);
    }
    browser.open("/console/connections/contoso/imports").await;
    browser.press("Import now").await;
    browser.until("Release or reject what is held").await;
    browser.press("Release or reject what is held").await;
    browser.look("held").await;
    browser.press("Leave all of this run active…").await;
    browser.says("active in Halo?").await;
    browser.look("held-question").await;
    // S1: that run read the licences, too.
    browser.press("Licences").await;
    browser.look("licences").await;
    browser.press("Office 365 E5").await;
    browser.look("licence").await;
}

/// The pages of the whole deployment.
async fn deployment(browser: &mut Chrome) {
    for (section, name) in
        [("Halo", "halo"), ("Settings audit", "settings-audit"), ("Sign-in", "sign-in-settings")]
    {
        browser.press(section).await;
        browser.look(name).await;
    }
    browser.open("/console/problems/not_authorised").await;
    browser.look("problem").await;
    browser.open("/console/nothing-here").await;
    browser.says("There is nothing at this address").await;
}

/// O1–O3: signing in with Microsoft is set up and published; an agent administrates, a user sees
/// themselves alone.
async fn microsoft(browser: &mut Chrome, install: &Install) {
    let Install { entra, .. } = install;
    for path in ["console/sign-in/callback", "console/signed-out"] {
        entra.register_redirect(&format!("{}/{path}", install.url));
    }
    let helpdesk = entra.groups_named("IT Helpdesk").remove(0);
    let agents = entra.members(&helpdesk, true);
    let others = entra.user_ids();
    let user = others.iter().find(|id| {
        let upn = entra.user(id).unwrap()["userPrincipalName"].clone();
        upn == PRIYA
    });
    browser.open("/console/sign-in-settings").await;
    browser.fill("Directory (tenant) ID", sample::TENANT_ID).await;
    browser.fill("Application (client) ID", sample::CLIENT_ID).await;
    browser.press("Addresses of your own").await;
    browser.fill("Login service", &install.entra_url).await;
    browser.fill("Graph", &install.entra_url).await;
    browser.tick("Published").await;
    browser.tick("Helpdesk (5)").await;
    browser.press("Save").await;
    browser.until("Saved.").await;
    browser.fill("Client secret", sample::CLIENT_SECRET).await;
    browser.press("Keep it").await;
    browser.until("entered").await;
    browser.look("sign-in-published").await;
    browser.press("Sign out").await;
    browser.says("You are signed out").await;
    browser.look("signed-out").await;

    entra.sign_in_as(&agents[0]);
    browser.press("Sign in again").await;
    browser.press("Sign in with Microsoft").await;
    browser.says("New connection").await;
    // Another agent may look, and has no button that changes anything.
    browser.open("/console/sign-in-settings").await;
    browser.tick("Helpdesk (5)").await;
    browser.press("Save").await;
    browser.until("Saved.").await;
    browser.press("Sign out").await;
    browser.press("Sign in again").await;
    browser.press("Sign in with Microsoft").await;
    browser.says("(may look)").await;
    for page in ["details", "mappings", "imports", "held", "conflicts", "log"] {
        browser.open(&format!("/console/connections/contoso/{page}")).await;
        let buttons = "document.querySelectorAll('main form[method=post] button:enabled').length";
        assert_eq!(browser.ask(buttons).await, 0, "a button on {page}");
    }
    browser.look("reader").await;
    browser.press("Sign out").await;

    entra.sign_in_as(user.unwrap());
    browser.press("Sign in again").await;
    browser.press("Sign in with Microsoft").await;
    browser.says("Priya Evans").await;
    browser.look("oneself").await;
    browser.open("/console/connections/contoso/log").await;
    let others = browser.text().await;
    assert!(!others.contains("Grace Nguyen"), "{others}");
}
