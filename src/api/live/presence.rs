//! Tells the staff who of them is at which incident: when that changed, and at most once a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::sockets::Sockets;
use crate::access::{Permission, Reach};
use crate::feed::Presence;
use crate::feed::presence::{frame, seen_by};

/// Between two messages to one socket, at least.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Sockets {
    /// Until the server stops.
    pub async fn tell_presence(self: Arc<Sockets>) {
        loop {
            self.presence_changed().notified().await;
            if !self.tell_people() {
                self.presence_changed().notify_one();
            }
            sleep(TELL_EVERY).await;
        }
    }

    /// Tells all who are to know; `false` where a line was full, so that one of them does not know yet.
    fn tell_people(&self) -> bool {
        let everybody = self.presence().people();
        let whole = frame(&everybody);
        let map = &self.newest().map;
        let mut all_know = true;
        for socket in self.with_pass() {
            let Some(who) = socket.pass().map(|pass| &pass.who).filter(|who| Presence::is_for(who)) else {
                continue;
            };
            all_know &= if who.reach(Permission::SeeIncident) == Reach::All {
                socket.tell_presence(&whole, everybody.is_empty())
            } else {
                let seen = seen_by(who, &everybody, map);
                socket.tell_presence(&frame(&seen), seen.is_empty())
            };
        }
        all_know
    }
}
