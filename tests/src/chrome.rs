//! Chromium under test: what it shows, whom it keeps out, and pictures of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// Widths of the pictures: a desk, and a telephone.
const WIDTHS: [u32; 2] = [1280, 390];
/// The least and the most that is fitted into.
const EXTREMES: [u32; 2] = [2560, 360];

/// A browser of a test's own.
pub struct Chrome {
    driver: Client,
    process: Child,
    _profile: TempDir,
    axe: String,
    base: String,
    /// What is wrong with pages that were looked at.
    pub wrong: Vec<String>,
    /// Pages that were looked at: name, address, bytes that the page and what it loads take on the way.
    pub seen: Vec<(String, String, u64)>,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where pictures are put.
pub fn pictures() -> PathBuf {
    let dir = project().join("target/console");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

impl Chrome {
    /// Starts it. Pages are asked for below `base`.
    pub async fn start(base: &str) -> Self {
        let cache = project().join(".cache/browser");
        let missing = "run infra/scripts/browser.sh prepare first";
        let mut scripts = std::fs::read_dir(cache).expect(missing).map(|it| it.unwrap().path());
        let axe = scripts.find(|it| it.extension().is_some_and(|it| it == "js")).expect(missing);
        let port = free_port();
        let process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(missing);
        let profile = tempfile::tempdir().unwrap();
        let driver = Self::connect(port, profile.path()).await;
        Self {
            driver,
            process,
            _profile: profile,
            axe: std::fs::read_to_string(axe).unwrap(),
            base: base.to_owned(),
            wrong: Vec::new(),
            seen: Vec::new(),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "waits for a real process, in real time")]
    async fn connect(port: u16, profile: &Path) -> Client {
        let profile = format!("--user-data-dir={}", profile.display());
        let options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--lang=en-GB", "--hide-scrollbars", "--no-first-run", profile,
            // Without these it looks for its maker's hosts.
            "--disable-quic", "--disable-background-networking", "--disable-component-update",
            "--disable-sync",
        ] });
        let capabilities = Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let address = format!("http://127.0.0.1:{port}");
        let mut last = None;
        for _ in 0..100 {
            match builder.connect(&address).await {
                Ok(driver) => return driver,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        unreachable!("the browser's driver does not answer: {last:?}")
    }

    /// Ends it.
    pub async fn end(mut self) {
        self.driver.clone().close().await.unwrap();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Opens an address of ours.
    pub async fn open(&self, path: &str) {
        self.driver.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    /// The path and query of the page that is open.
    pub async fn path(&self) -> String {
        let url = self.driver.current_url().await.unwrap();
        url.as_str().trim_start_matches(&self.base).to_owned()
    }

    /// What a reader reads.
    pub async fn text(&self) -> String {
        self.driver.find(Locator::Css("body")).await.unwrap().text().await.unwrap()
    }

    /// Fails unless the page says something.
    pub async fn says(&self, words: &str) {
        let text = self.text().await;
        assert!(text.contains(words), "{words} is not on {}:\n{text}", self.path().await);
    }

    /// Fills in the field with a label, as a person does: what stood there is replaced.
    pub async fn fill(&self, label: &str, value: &str) {
        let field = self.labelled(label).await;
        field.clear().await.unwrap();
        field.send_keys(value).await.unwrap();
    }

    /// Fills in the field of an id.
    pub async fn fill_id(&self, id: &str, value: &str) {
        self.driver.find(Locator::Id(id)).await.unwrap().send_keys(value).await.unwrap();
    }

    /// Presses the last of several buttons with these words.
    pub async fn press_last(&self, words: &str) {
        let path = format!("//button[normalize-space(.)={}]", quoted(words));
        let found = self.driver.find_all(Locator::XPath(&path)).await.unwrap();
        self.settled(found.last().unwrap()).await;
    }

    /// Ticks, or takes the tick away.
    pub async fn tick(&self, label: &str) {
        let field = self.labelled(label).await;
        self.show(&field).await;
        field.click().await.unwrap();
    }

    /// Chooses the option with these words.
    pub async fn choose(&self, label: &str, words: &str) {
        let field = self.labelled(label).await;
        let option = format!(".//option[contains(normalize-space(.), {})]", quoted(words));
        field.find(Locator::XPath(&option)).await.unwrap().click().await.unwrap();
    }

    /// The field that a label is for, the last one where several are called so.
    async fn labelled(&self, label: &str) -> Element {
        let path = format!("//label[normalize-space(.)={}]", quoted(label));
        let found = self.driver.find_all(Locator::XPath(&path)).await.unwrap();
        let last = found.last().unwrap_or_else(|| unreachable!("no field is called {label}"));
        let id = last.attr("for").await.unwrap().unwrap();
        self.driver.find(Locator::Id(&id)).await.unwrap()
    }

    /// Presses a button, or follows a link, and waits until it led somewhere.
    pub async fn press(&self, words: &str) {
        let words = quoted(words);
        let path = format!(
            "//main//*[self::button or self::a or self::summary][normalize-space(.)={words}] \
             | //*[self::button or self::a][normalize-space(.)={words}]"
        );
        let found = self.driver.wait().for_element(Locator::XPath(&path)).await.unwrap();
        self.settled(&found).await;
    }

    /// Presses the first one whose words begin like this.
    pub async fn press_first(&self, beginning: &str) {
        let beginning = quoted(beginning);
        let path = format!(
            "//main//*[self::button or self::a or self::summary][starts-with(normalize-space(.), {beginning})]"
        );
        let found = self.driver.wait().for_element(Locator::XPath(&path)).await.unwrap();
        self.settled(&found).await;
    }

    async fn settled(&self, element: &Element) {
        self.show(element).await;
        element.click().await.unwrap();
        // A form that the script sends says so while it is under way.
        if self.driver.find(Locator::Css("form[aria-busy]")).await.is_ok() {
            let calm = Locator::Css("form:not([aria-busy])");
            let _ = self.driver.wait().for_element(calm).await;
        }
    }

    async fn show(&self, element: &Element) {
        let script = "arguments[0].scrollIntoView({ block: 'center' })";
        let element = serde_json::to_value(element).unwrap();
        self.driver.execute(script, vec![element]).await.unwrap();
    }

    /// Waits until the page says something, looking again as a reader would.
    #[allow(clippy::disallowed_methods, reason = "waits for a real process, in real time")]
    pub async fn until(&self, words: &str) {
        for _ in 0..300 {
            if self.text().await.contains(words) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        self.says(words).await;
    }

    /// Looks at the page that is open, at both widths: a picture of each, nothing that sticks out, no
    /// serious barrier, and not too heavy.
    pub async fn look(&mut self, name: &str) {
        for width in EXTREMES.into_iter().chain(WIDTHS) {
            self.wide(width, 900, "light").await;
            let out = self.ask("document.documentElement.scrollWidth - innerWidth").await;
            if out.as_i64().unwrap() > 0 {
                self.wrong.push(format!("{name} sticks out by {out} at {width}"));
            }
            if WIDTHS.contains(&width) {
                self.picture(&format!("{name}-{width}"), width).await;
            }
        }
        self.barriers(name).await;
        self.wide(1280, 900, "dark").await;
        self.barriers(name).await;
        self.wide(1280, 900, "light").await;
        let heavy = "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')
            .filter((it) => it.name.includes('/assets/')))
            .reduce((sum, it) => sum + (it.encodedBodySize || 0), 0)";
        let bytes = self.ask(heavy).await.as_f64().unwrap_or_default();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bytes of a page"
        )]
        let bytes = bytes as u64;
        if bytes >= 100_000 {
            self.wrong.push(format!("{name} weighs {bytes} bytes"));
        }
        self.seen.push((name.to_owned(), self.path().await, bytes));
    }

    async fn wide(&self, width: u32, height: i64, scheme: &str) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tools("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tools("Emulation.setEmulatedMedia", media).await;
    }

    /// Keeps a picture of the whole page, in a window as high as it is.
    async fn picture(&self, name: &str, width: u32) {
        let height = self.ask("document.documentElement.scrollHeight").await.as_i64().unwrap();
        self.wide(width, height, "light").await;
        let shot = self.tools("Page.captureScreenshot", json!({})).await;
        let data = shot["data"].as_str().unwrap();
        let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        std::fs::write(pictures().join(format!("{name}.png")), data).unwrap();
    }

    async fn tools(&self, command: &str, parameters: Value) -> Value {
        let command = Tools(json!({ "cmd": command, "params": parameters }));
        let answer: Result<Value, CmdError> = self.driver.issue_cmd(command).await;
        answer.unwrap()
    }

    /// No serious barrier for people who use a keyboard or a screen reader.
    async fn barriers(&mut self, name: &str) {
        self.driver.execute(&self.axe, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations
                .filter((it) => ['serious', 'critical'].includes(it.impact))
                .map((it) => ({ id: it.id, help: it.help, where: it.nodes.slice(0, 3).map((node) => node.html) }))));";
        let found = self.driver.execute_async(script, Vec::new()).await.unwrap();
        let found = found.as_array().into_iter().flatten();
        self.wrong.extend(found.map(|it| format!("a barrier on {name}: {it}")));
    }

    /// Goes to live in another time zone.
    pub async fn move_to(&self, zone: &str) {
        self.tools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
    }

    /// What a script says.
    pub async fn ask(&self, script: &str) -> Value {
        self.driver.execute(&format!("return {script}"), Vec::new()).await.unwrap()
    }
}

/// A command of Chrome's own tools.
#[derive(Debug)]
struct Tools(Value);

impl WebDriverCompatibleCommand for Tools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (axum::http::Method, Option<String>) {
        (axum::http::Method::POST, Some(self.0.to_string()))
    }
}

/// A text inside an `XPath`.
fn quoted(text: &str) -> String {
    if text.contains('\'') { format!("\"{text}\"") } else { format!("'{text}'") }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // Only where a test failed; otherwise it has ended. Asked to end, the driver takes its browser along.
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}
