//! A headless Chromium, driven over WebDriver (W3C Recommendation, 2018): only the commands that the tests need.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A browser with one window; ends with its driver when dropped.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
    _profile: tempfile::TempDir,
}

/// Where a program is, among the folders of PATH.
fn find(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file())
}

impl Browser {
    /// Starts one; `None`, after a line that says so, where Chromium or its driver is not installed.
    pub fn start() -> Option<Browser> {
        let chromium = find(&["chromium", "chromium-browser", "google-chrome"]);
        let (Some(chromium), Some(driver)) = (chromium, find(&["chromedriver"])) else {
            println!("skipped: needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut driver =
            Command::new(driver).arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "chromedriver ended without naming its port");
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                break rest.trim().trim_end_matches('.').parse::<u16>().unwrap();
            }
        };
        // A pipe that nobody reads would stop the driver in the end.
        std::thread::spawn(move || std::io::copy(&mut lines.take(u64::MAX), &mut std::io::sink()));
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
        ];
        let arguments: Vec<String> = arguments
            .iter()
            .map(ToString::to_string)
            .chain([format!("--user-data-dir={}", profile.path().display())])
            .collect();
        let options = json!({ "binary": chromium, "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" }, "timeouts": { "script": 30_000 },
        } } });
        let mut browser = Browser { driver, session: String::new(), agent, _profile: profile };
        let base = format!("http://127.0.0.1:{port}/session");
        let answer = browser.send(ureq::http::Method::POST, &base, Some(wanted));
        browser.session = format!("{base}/{}", answer["sessionId"].as_str().unwrap());
        Some(browser)
    }

    fn send(&self, method: ureq::http::Method, address: &str, body: Option<Value>) -> Value {
        let answer = match (method, body) {
            (ureq::http::Method::POST, body) => self.agent.post(address).send_json(body.unwrap_or(json!({}))),
            (ureq::http::Method::DELETE, _) => self.agent.delete(address).call(),
            _ => self.agent.get(address).call(),
        };
        let mut answer: Value = answer.unwrap().body_mut().with_config().limit(64 << 20).read_json().unwrap();
        let value = answer["value"].take();
        assert!(value.get("error").is_none(), "{address}: {value:#}");
        value
    }

    fn post(&self, command: &str, body: Value) -> Value {
        self.send(ureq::http::Method::POST, &format!("{}/{command}", self.session), Some(body))
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, address: &str) {
        self.post("url", json!({ "url": address }));
    }

    /// The value of a JavaScript expression.
    pub fn value(&self, expression: &str) -> Value {
        self.post("execute/sync", json!({ "script": format!("return ({expression});"), "args": [] }))
    }

    /// Waits in the page, 20 s at most, until a JavaScript expression is true.
    pub fn wait_until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[0], end = Date.now() + 20000;
             (function look() {{ if ({expression}) done(true); else if (Date.now() > end) done(false); else setTimeout(look, 25); }})();"
        );
        let held = self.post("execute/async", json!({ "script": script, "args": [] }));
        assert_eq!(held, true, "never true: {expression}\npage: {}", self.value("document.body.innerText"));
    }

    /// The element that a CSS selector finds first.
    fn element(&self, selector: &str) -> String {
        let found = self.post("element", json!({ "using": "css selector", "value": selector }));
        let (_, id) = found.as_object().unwrap().iter().next().unwrap();
        format!("element/{}", id.as_str().unwrap())
    }

    /// Clicks it as a person would.
    pub fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("{element}/click"), json!({}));
    }

    /// Types into it.
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("{element}/value"), json!({ "text": text }));
    }

    /// What the page wrote to the console, errors of the security policy included.
    pub fn console(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "browser" }));
        log.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Shows pages as a screen of this width would, light or dark.
    pub fn screen(&self, width: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!([{ "name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" } }]);
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": scheme }));
    }

    /// The whole page as a PNG.
    pub fn screenshot(&self, path: &Path) {
        let shot = self.cdp("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        std::fs::write(path, base64(shot["data"].as_str().unwrap())).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Best effort: the driver's end ends the browser too.
            let _ = self.agent.delete(&self.session).call();
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Decodes base64 (RFC 4648, clause 4), in which screenshots come.
fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => u32::from(letter - b'A'),
        b'a'..=b'z' => u32::from(letter - b'a') + 26,
        b'0'..=b'9' => u32::from(letter - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').collect();
    let decode = |four: &[u8]| {
        let word = four.iter().enumerate().fold(0, |word, (place, letter)| word | value(*letter) << (18 - 6 * place));
        word.to_be_bytes()[1..four.len()].to_vec()
    };
    letters.chunks(4).flat_map(decode).collect()
}
