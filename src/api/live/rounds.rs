//! The rounds: one thread goes from socket to socket at each beat.
//!
//! It never waits for a client, and a line takes a frame with one call of the kernel, so what a round
//! costs is nearly all the kernel's sending. A moment that comes while a round is on its way goes to
//! the sockets that are still to be visited; the others get it with the next round.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::CloseReason;
use super::beats::Beats;
use super::socket::{Desk, Socket};
use super::sockets::Sockets;
use crate::clock::{Clock, SystemClock};
use crate::engine::Moments;
use crate::feed::{Beat, Pace};
use crate::model::Seq;

/// A round looks for a newer moment when it is this old …
const STALE: Duration = Duration::from_millis(10);
/// … after every so many sockets.
const LOOK_EVERY: usize = 64;

/// What the rounds go by.
pub struct Rounds {
    pub moments: Moments,
    pub beats: Arc<Beats>,
    pub sockets: Arc<Sockets>,
    /// Brings the next heartbeat early.
    pub nudge: Arc<Notify>,
    /// In the long run one round in this long.
    pub frame: Duration,
    pub heartbeat: Duration,
    /// Turns true when the server is to stop.
    pub stopping: watch::Receiver<bool>,
    /// Done with each heartbeat.
    pub upkeep: Box<dyn Fn() + Send>,
    /// Whether what is shown is as new as it can be; no heartbeat says so where it is not.
    pub in_touch: Box<dyn Fn() -> bool + Send>,
}

impl Rounds {
    /// Starts the thread; it ends with the engine, or when the server is to stop. Each round's beat is
    /// told to whoever watches.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(self) -> std::io::Result<watch::Receiver<Arc<Beat>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let first = self.beats.newest();
        let told = first.map.seq();
        let (tell, beats) = watch::channel(first);
        let clock = SystemClock::new();
        let round = Round { told, tell, members: Vec::new(), desk: Desk::default(), clock };
        std::thread::Builder::new()
            .name("feed".to_owned())
            .spawn(move || runtime.block_on(self.run(round)))?;
        Ok(beats)
    }

    async fn run(mut self, mut round: Round) {
        let mut published = self.moments.published();
        let mut heartbeat = interval(self.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.tick().await;
        let mut pace = Pace::new(self.frame, Duration::ZERO);
        loop {
            tokio::select! {
                changed = published.changed() => if changed.is_err() {
                    return round.send_all_away(&self.sockets);
                },
                _ = heartbeat.tick() => {
                    if (self.in_touch)() {
                        self.beats.begin_heartbeat();
                    }
                    (self.upkeep)();
                }
                () = self.nudge.notified() => self.beats.begin_heartbeat(),
                _ = self.stopping.wait_for(|stop| *stop) => return round.send_all_away(&self.sockets),
            }
            let wait = pace.wait(round.clock.monotonic());
            if !wait.is_zero() {
                sleep(wait).await;
            }
            published.mark_unchanged();
            let began = round.clock.monotonic();
            let n_entries = round.go(&self.sockets);
            let ended = round.clock.monotonic();
            pace.beat(began, ended, n_entries);
            metrics::histogram!("pantau_round_seconds").record(ended.saturating_sub(began).as_secs_f64());
        }
    }
}

struct Round {
    /// The newest moment of the last round.
    told: Seq,
    tell: watch::Sender<Arc<Beat>>,
    members: Vec<Weak<Socket>>,
    desk: Desk,
    /// Its own: how long sending takes is a matter of the machine, whatever time the center has.
    clock: SystemClock,
}

impl Round {
    /// Visits all; answers how many entries that brought.
    fn go(&mut self, sockets: &Sockets) -> u64 {
        self.members.extend(sockets.newcomers());
        let (mut beat, mut taken) = (sockets.newest(), self.clock.monotonic());
        self.tell.send_replace(beat.clone());
        let mut n = 0;
        self.members.retain(|socket| {
            n += 1;
            if n % LOOK_EVERY == 0 && self.clock.monotonic().saturating_sub(taken) > STALE {
                (beat, taken) = (sockets.newest(), self.clock.monotonic());
            }
            let Some(socket) = socket.upgrade() else { return false };
            let desk = &mut self.desk;
            // A fault in one subscriber stays there.
            if catch_unwind(AssertUnwindSafe(|| socket.beat(&beat, desk))).is_err() {
                tracing::error!("a socket could not be told what changed, and was cut");
                self.desk = Desk::default();
                socket.cut();
            }
            true
        });
        let before = std::mem::replace(&mut self.told, beat.map.seq());
        self.told.0.saturating_sub(before.0)
    }

    fn send_all_away(&mut self, sockets: &Sockets) {
        self.members.extend(sockets.close());
        for socket in self.members.drain(..).filter_map(|socket| socket.upgrade()) {
            socket.send_away(CloseReason::GoingAway);
        }
    }
}
