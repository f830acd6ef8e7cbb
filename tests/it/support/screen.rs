//! A screen at a node, which comes back whenever it is sent away and checks all that it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::fold::{Client, Held};
use super::socket::{Dial, Socket};
use super::wait::wait_for;

/// What screens saw at each seq of an epoch: the first that is there says what the others must have.
pub type Seen = Arc<Mutex<HashMap<(String, u64), Held>>>;

/// A screen that comes back whenever it is sent away, and checks what it is told.
pub struct Screen {
    task: JoinHandle<()>,
    place: Arc<Mutex<(String, u64)>>,
}

impl Screen {
    pub fn open(address: SocketAddr, query: &'static str, seen: &Seen) -> Screen {
        let place = Arc::new(Mutex::new((String::new(), 0)));
        let (seen, at) = (seen.clone(), place.clone());
        let task = tokio::spawn(async move {
            let (mut kept, mut held_epoch) = (Client::default(), String::new());
            let mut often = tokio::time::interval(Duration::from_millis(20));
            loop {
                often.tick().await;
                let Ok(mut socket) = (Dial { query, ..Dial::default() }).connect(address).await else {
                    continue;
                };
                let mut ask = json!({"type": "subscribe", "id": "main", "bbox": [127.2, 0.6, 127.5, 1.0],
                    "zoom": 14, "layers": ["incidents", "hotspots", "stats"]});
                if !kept.view.is_empty() {
                    // It goes on with what it holds.
                    ask["resume"] = json!({"epoch": held_epoch, "seq": kept.seq, "view": kept.view});
                    kept.epoch = std::mem::take(&mut socket.client.epoch);
                    socket.client = kept.clone();
                }
                if socket.try_send(Message::text(ask.to_string())).await {
                    let mut answered = false;
                    while let Ok(message) = socket.next().await {
                        answered |= message["type"] == "snapshot" || message["type"] == "delta";
                        if answered {
                            held_epoch.clone_from(&socket.client.epoch);
                            look(&socket, &at, &seen);
                        }
                    }
                }
                kept = socket.client;
            }
        });
        Screen { task, place }
    }

    /// Waits until it shows the seq, in any epoch.
    pub async fn until(&self, seq: u64) {
        wait_for("a screen", async || (self.place().1 >= seq).then_some(())).await;
        assert!(self.is_right(), "a screen saw something wrong");
    }

    /// Epoch and seq of what it shows.
    pub fn place(&self) -> (String, u64) {
        self.place.lock().expect("nobody panics with it").clone()
    }

    /// Whether all that it saw was as it must be.
    pub fn is_right(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Never back within an epoch, and at a seq what everybody sees there.
fn look(socket: &Socket, at: &Mutex<(String, u64)>, seen: &Seen) {
    let client = &socket.client;
    if client.view.is_empty() {
        return;
    }
    let now = (client.epoch.clone(), client.seq);
    let mut at = at.lock().expect("nobody panics with it");
    assert!(at.0 != now.0 || at.1 <= now.1, "a screen went back from {at:?} to {now:?}");
    *at = now.clone();
    let mut seen = seen.lock().expect("nobody panics with it");
    let held = seen.entry(now.clone()).or_insert_with(|| client.held.clone());
    let differences = client.held.differences(held);
    assert!(differences.is_empty(), "two screens differ at {now:?}:\n{}", differences.join("\n"));
}
