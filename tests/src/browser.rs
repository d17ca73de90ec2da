//! A visitor in a real browser: headless Chromium, driven through chromedriver.

use crate::{PATIENCE, until, within};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// What Chromium is started with, besides its profile.
const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// The device that a visitor sits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A window of 1000 by 700 pixels.
    Desk,
    /// The same without JavaScript.
    DeskWithoutScript,
    /// A telephone of 390 by 844 pixels.
    Phone,
    /// The window of a desk with the visitor's wish for dark colours.
    DeskInTheDark,
}

/// A browser with a fresh profile. It ends, and the profile is removed, on drop.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Child,
    profile: TempDir,
}

impl Browser {
    /// Starts chromedriver on a free port, and Chromium.
    ///
    /// # Panics
    /// When one of them is not installed or does not start.
    pub fn new(look: Look) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let profile = tempfile::Builder::new().prefix("browser-").tempdir().unwrap();
        let (driver, port) = start_driver(profile.path());
        let address = format!("http://127.0.0.1:{port}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(look, profile.path()));
        let client = runtime.block_on(builder.connect(&address)).expect("chromedriver starts Chromium");
        Self { runtime, client, driver, profile }
    }

    /// Opens an address and waits until the page has loaded.
    pub fn open(&self, url: &str) {
        self.does(self.client.goto(url));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.does(self.client.refresh());
    }

    /// Where the browser is.
    pub fn address(&self) -> String {
        self.does(self.client.current_url()).to_string()
    }

    /// The page's title.
    pub fn title(&self) -> String {
        self.does(self.client.title())
    }

    /// The text that can be seen on the page.
    pub fn text(&self) -> String {
        // The page may be turning over just now.
        until("the page can be read", || {
            self.runtime.block_on(async { self.client.find(Locator::Css("body")).await?.text().await }).ok()
        })
    }

    /// The visible text of the first element that a CSS selector names.
    pub fn text_of(&self, css: &str) -> String {
        self.does(self.find(css).text())
    }

    /// The first element that a CSS selector names, as soon as it is there.
    pub fn find(&self, css: &str) -> Element {
        until(&format!("the page has {css}"), || self.look_for(css))
    }

    /// Whether some element is there now that a CSS selector names.
    pub fn has(&self, css: &str) -> bool {
        self.look_for(css).is_some()
    }

    fn look_for(&self, css: &str) -> Option<Element> {
        self.runtime.block_on(self.client.find(Locator::Css(css))).ok()
    }

    /// Clicks what a CSS selector names.
    pub fn click(&self, css: &str) {
        self.does(self.find(css).click());
    }

    /// Clicks the link or button with this text.
    pub fn click_text(&self, text: &str) {
        let path = format!("//*[self::a or self::button or self::summary][normalize-space(.)='{text}']");
        let element = until(&format!("the page has {text:?} to click"), || {
            self.runtime.block_on(self.client.find(Locator::XPath(&path))).ok()
        });
        self.does(element.click());
    }

    /// Types into what a CSS selector names.
    pub fn fill(&self, css: &str, text: &str) {
        self.does(self.find(css).send_keys(text));
    }

    /// Presses keys wherever the focus is: characters, or [`fantoccini::key::Key`] as `char`.
    pub fn press(&self, keys: &str) {
        self.does(async { self.client.active_element().await?.send_keys(keys).await });
    }

    /// The current value of a property of what a CSS selector names, such as `value`.
    pub fn property(&self, css: &str, name: &str) -> String {
        self.does(self.find(css).prop(name)).unwrap_or_default()
    }

    /// Waits until the page's visible text has this in it; the text.
    ///
    /// # Panics
    /// After [`PATIENCE`], with the page's text.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_within(PATIENCE, text)
    }

    /// [`Browser::wait_for`] with another deadline.
    ///
    /// # Panics
    /// After `time`.
    pub fn wait_within(&self, time: Duration, text: &str) -> String {
        let mut last = String::new();
        let deadline = std::time::Instant::now() + time;
        loop {
            if last.contains(text) {
                return last;
            }
            assert!(std::time::Instant::now() < deadline, "not on the page within {time:?}: {text}\n{last}");
            std::thread::sleep(Duration::from_millis(20));
            last = self.text();
        }
    }

    /// Runs a script's body in the page; what it returns.
    pub fn script(&self, script: &str) -> Value {
        self.does(self.client.execute(script, Vec::new()))
    }

    /// Runs a script's body in the page; what it passes to the function `arguments[0]`, whenever that is.
    pub fn script_with_answer(&self, script: &str) -> Value {
        self.does(self.client.execute_async(script, Vec::new()))
    }

    /// A command of the Chrome DevTools Protocol.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        let command = DevTools { body: json!({ "cmd": command, "params": parameters }).to_string() };
        self.does(self.client.issue_cmd(command))
    }

    /// Writes a picture of the whole page.
    pub fn screenshot(&self, path: &Path) {
        use base64::Engine as _;
        let shot = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A picture of the whole page as `NAME.png` in the folder that `TESTS_PICTURES` names, if it does.
    pub fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("TESTS_PICTURES") {
            fs::create_dir_all(&folder).unwrap();
            self.screenshot(&PathBuf::from(folder).join(format!("{name}.png")));
        }
    }

    /// Waits for a file that the browser saves, complete: its name and bytes. The file is removed, for the next one.
    pub fn saved(&self) -> (String, Vec<u8>) {
        let folder = self.profile.path().join("saved");
        within(PATIENCE, "the browser saves a file", || {
            let files: Vec<PathBuf> = fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path()).collect();
            // Unfinished ones have names of Chromium's own.
            let unfinished = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.ends_with(".crdownload") || name.starts_with(".org.chromium")
            };
            if files.len() != 1 || files.iter().any(unfinished) {
                return None;
            }
            let bytes = fs::read(&files[0]).ok()?;
            fs::remove_file(&files[0]).ok()?;
            Some((files[0].file_name()?.to_string_lossy().into_owned(), bytes))
        })
    }

    fn does<T>(&self, act: impl Future<Output = Result<T, CmdError>>) -> T {
        self.runtime.block_on(act).unwrap_or_else(|error| panic!("the browser cannot do that: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.runtime.block_on(async { self.client.find(Locator::Css("body")).await?.text().await });
            eprintln!("--- the visitor's page ---\n{}", text.unwrap_or_else(|error| error.to_string()));
        }
        // Chromium ends with its session; what remains is ended by its own profile's name.
        drop(self.runtime.block_on(self.client.clone().close()));
        drop(self.driver.kill());
        drop(self.driver.wait());
        end_remains(self.profile.path());
    }
}

fn start_driver(profile: &Path) -> (Child, u16) {
    let mut command = Command::new("chromedriver");
    // What it and the browser leave lying about goes with the profile.
    command.arg("--port=0").env("TMPDIR", profile).env("HOME", profile);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("chromedriver is installed (Debian: apt install chromium-driver)");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
    // Its later words are taken, so that it never waits for a reader.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (child, port.expect("chromedriver says its port"))
}

fn capabilities(look: Look, profile: &Path) -> Capabilities {
    let mut arguments: Vec<String> = ARGUMENTS.iter().map(ToString::to_string).collect();
    arguments.push("--window-size=1000,700".into());
    arguments.push(format!("--user-data-dir={}", profile.join("profile").display()));
    let saved = profile.join("saved");
    fs::create_dir(&saved).unwrap();
    let mut options =
        json!({ "prefs": { "download.default_directory": saved, "download.prompt_for_download": false } });
    match look {
        Look::Desk => {}
        Look::DeskInTheDark => arguments.push("--force-dark-mode".into()),
        Look::DeskWithoutScript => options["prefs"]["profile.managed_default_content_settings.javascript"] = json!(2),
        Look::Phone => {
            let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 1, "mobile": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
    }
    options["args"] = json!(arguments);
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), options);
    capabilities
}

/// Ends every process whose command line names this profile.
fn end_remains(profile: &Path) {
    use std::os::unix::ffi::OsStrExt as _;
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let id = process.file_name().to_string_lossy().parse().ok().and_then(rustix::process::Pid::from_raw);
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if let Some(id) = id.filter(|_| crate::tools::contains(&line, profile.as_os_str().as_bytes())) {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
        }
    }
}

/// chromedriver's own way to the Chrome DevTools Protocol.
#[derive(Debug)]
struct DevTools {
    body: String,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as std::str::FromStr>::Err> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.clone()))
    }
}
