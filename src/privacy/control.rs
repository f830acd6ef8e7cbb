//! How a command on this machine asks the server that has the folder open: a socket in the folder, which
//! nobody but its owner can open. One line of JSON there, one back.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::erase::{Erased, Request, commands, entries};
use crate::engine::Engine;
use crate::model::Seq;

const SOCKET: &str = "control.sock";
/// A line holds the numbers of some ten thousand reports.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// How long the server waits until what was erased is gone from the disk before it answers that it is not.
const WIPE_PATIENCE: Duration = Duration::from_secs(30);
/// How long the command waits for the answer: longer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Ask {
    Erase(Request),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Answer {
    Erased(Erased),
    Refused(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No server listens there.
    #[error("no server listens in {folder} ({source})")]
    Nobody {
        folder: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Refused(String),
    #[error("the server's answer was lost ({0}); ask again, what was erased stays so")]
    Lost(String),
}

/// Listens in a data folder for as long as the value lives.
pub struct Control {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

impl Control {
    /// Must be called within a runtime, and only by who has the folder locked.
    ///
    /// # Errors
    /// Where the socket cannot be made, for instance because the folder's name is too long for one.
    pub fn listen(folder: &Path, engine: Engine) -> std::io::Result<Control> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let task = tokio::spawn(async move {
            // One at a time: they are few, and each is an answer that somebody waits for.
            while let Ok((stream, _)) = listener.accept().await {
                if let Err(error) = serve(stream, &engine).await {
                    tracing::debug!(%error, "a command at the control socket went away");
                }
            }
        });
        Ok(Control { path, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // With the task its engine goes, which must end.
        self.task.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: tokio::net::UnixStream, engine: &Engine) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LINE_BYTES_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Ask::Erase(request)) => match erase(&request, engine).await {
            Ok(erased) => Answer::Erased(erased),
            Err(why) => Answer::Refused(why),
        },
        Err(e) => {
            Answer::Refused(format!("the server does not understand ({e}); is it of another version?"))
        }
    };
    let mut line = serde_json::to_string(&answer).map_err(std::io::Error::other)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await
}

async fn erase(request: &Request, engine: &Engine) -> Result<Erased, String> {
    let outcomes = engine.submit(commands(request)?).await.map_err(|e| e.to_string())?;
    let seqs = entries(outcomes)?;
    tracing::info!(reports = request.reports.len(), notes = request.notes.len(), "erased on request");
    let newest = seqs.last().copied().unwrap_or(Seq(0));
    let wiped = tokio::time::timeout(WIPE_PATIENCE, engine.wiped(newest)).await.unwrap_or(false);
    Ok(Erased { entries: seqs.iter().map(|seq| seq.0).collect(), wiped })
}

/// Asks the server that has the folder open to erase.
///
/// # Errors
/// [`ControlError::Nobody`] where there is no such server; else nothing is known, or it said why not.
pub fn ask_to_erase(folder: &Path, request: &Request) -> Result<Erased, ControlError> {
    let nobody = |source| ControlError::Nobody { folder: folder.display().to_string(), source };
    let mut stream = UnixStream::connect(folder.join(SOCKET)).map_err(nobody)?;
    let lost = |e: std::io::Error| ControlError::Lost(e.to_string());
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).map_err(lost)?;
    let mut line = serde_json::to_string(&Ask::Erase(request.clone())).expect("numbers become JSON");
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(lost)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(lost)?;
    match serde_json::from_str(&answer) {
        Ok(Answer::Erased(erased)) => Ok(erased),
        Ok(Answer::Refused(why)) => Err(ControlError::Refused(why)),
        Err(e) => Err(ControlError::Lost(e.to_string())),
    }
}
