//! A server of one's own with accounts, and somebody's keep-alive connection to it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::nodes::{Node, Plan, free_address};

const PASSWORD: &str = "kopi pagi di pelabuhan";
/// In no photo: letters of it are no JPEG.
const BOUNDARY: &str = "pantau-center-speed";

pub struct Center {
    pub node: Node,
    program: PathBuf,
    city: PathBuf,
    data: PathBuf,
}

impl Center {
    /// The program beside this example, on `data`. Nobody is trusted for where they come from.
    pub fn start(data: &Path) -> anyhow::Result<Center> {
        let city = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate");
        let program = std::env::current_exe()?;
        let program = program.ancestors().nth(2).context("the example lies in a target folder")?;
        let program = std::env::var_os("PANTAU_BIN").map_or(program.join("pantau"), PathBuf::from);
        ensure!(program.exists(), "{} is missing: cargo build --release", program.display());
        let args = vec!["--data".to_owned(), data.display().to_string()];
        let plan = Plan { args, ..Plan::new(&program, &city, free_address()) };
        let node = plan.start().map_err(anyhow::Error::msg)?;
        Ok(Center { node, program, city, data: data.to_owned() })
    }

    /// A new account, signed in.
    pub fn sign_in(&self, name: &str, role: &str) -> anyhow::Result<Desk> {
        let mut command = Command::new(&self.program);
        command.args(["user", "add", name, "--role", role, "--password-stdin", "--city"]).arg(&self.city);
        command.arg("--data").arg(&self.data).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        writeln!(child.stdin.take().context("its input is piped")?, "{PASSWORD}")?;
        ensure!(child.wait()?.success(), "no account for {name}");
        let desk = self.stranger();
        // The server notices new accounts within a second.
        let began = Instant::now();
        loop {
            let body = json!({"name": name, "password": PASSWORD});
            let mut answer = desk
                .agent
                .post(format!("{}/api/v1/session", desk.base))
                .header("origin", &desk.base)
                .header("content-type", "application/json")
                .send(body.to_string().as_bytes())?;
            let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
            let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
            let text = answer.body_mut().read_to_string()?;
            match cookie {
                Some(cookie) if answer.status() == 200 => {
                    return Ok(Desk { cookie: Some(cookie), name: name.to_owned(), ..desk });
                }
                _ => ensure!(began.elapsed() < Duration::from_secs(10), "{name}: {text}"),
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// Whoever comes by.
    pub fn stranger(&self) -> Desk {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = config.timeout_global(Some(Duration::from_secs(120))).build().into();
        Desk { agent, base: format!("http://{}", self.node.address), cookie: None, name: String::new() }
    }
}

/// Somebody's line to the server.
pub struct Desk {
    agent: ureq::Agent,
    base: String,
    pub cookie: Option<String>,
    pub name: String,
}

impl Desk {
    /// Status and body; `None` asks, a body is posted.
    pub fn ask(&self, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, String)> {
        let url = format!("{}{path}", self.base);
        let cookie = self.cookie.as_deref().unwrap_or_default();
        let mut answer = match body {
            None => self.agent.get(url).header("cookie", cookie).call()?,
            Some(body) => self
                .agent
                .post(url)
                .header("cookie", cookie)
                .header("origin", &self.base)
                .header("content-type", "application/json")
                .send(body.to_string().as_bytes())?,
        };
        Ok((answer.status().as_u16(), answer.body_mut().with_config().limit(256 << 20).read_to_string()?))
    }

    /// Posts a form; the answer, and how long it took to its last byte.
    ///
    /// # Errors
    /// Where it is no success.
    pub fn timed_form(&self, path: &str, parts: &[(&str, &[u8])]) -> anyhow::Result<(Value, Duration)> {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n"
            );
            body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
        }
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        let began = Instant::now();
        let mut answer = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("cookie", self.cookie.as_deref().unwrap_or_default())
            .header("origin", &self.base)
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .send(&body[..])?;
        let (status, text) = (answer.status(), answer.body_mut().read_to_string()?);
        let took = began.elapsed();
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok((serde_json::from_str(&text).with_context(|| path.to_owned())?, took))
    }

    /// The answer, and how long it took to its last byte.
    ///
    /// # Errors
    /// Where it is no success.
    pub fn timed(&self, path: &str, body: Option<&Value>) -> anyhow::Result<(Value, Duration)> {
        let began = Instant::now();
        let (status, text) = self.ask(path, body)?;
        let took = began.elapsed();
        ensure!((200..300).contains(&status), "{path}: {status} {text}");
        Ok((serde_json::from_str(&text).with_context(|| path.to_owned())?, took))
    }
}
