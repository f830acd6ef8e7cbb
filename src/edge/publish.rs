//! The origin publishes its entries: after the commit, from the log, remembering nothing.
//!
//! At each start, and after each fault, it asks the stream for its end and goes on from there. A message is
//! taken by the stream only right after the one before it, so two nodes that both believe to be the origin
//! cannot mix theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishAckFuture;
use async_nats::jetstream::{self, Context};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::desk::Desk;
use super::news::Lineage;
use super::stream::{
    EXPECTED_LAST, MESSAGE_ID, Names, Place, StreamAddress, StreamEnd, end_of, message_id,
};
use crate::model::Seq;

/// So many entries are on their way at once.
const BATCH: usize = 256;
/// A sign of life comes this often, with what the newest entry is: so a message that was lost is missed.
pub const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// An acknowledgement that takes longer is taken for lost.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes until it is dropped, or the engine ends.
pub struct Publication {
    task: JoinHandle<()>,
    published: Arc<AtomicU64>,
}

impl Publication {
    /// Must be called within a runtime.
    pub fn start(address: StreamAddress, desk: Arc<Desk>) -> Publication {
        let published = Arc::new(AtomicU64::new(0));
        let publisher =
            Publisher { names: Names::of(&desk.city), address, desk, published: published.clone() };
        Publication { task: tokio::spawn(publisher.run()), published }
    }

    /// The newest entry that the stream has acknowledged.
    pub fn published(&self) -> Seq {
        Seq(self.published.load(Ordering::Relaxed))
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Publisher {
    address: StreamAddress,
    desk: Arc<Desk>,
    names: Names,
    published: Arc<AtomicU64>,
}

impl Publisher {
    async fn run(self) {
        let mut said = false;
        loop {
            match self.session(&mut said).await {
                Ok(()) => return,
                // One line a failure, however often it is tried.
                Err(why) if !said => {
                    said = true;
                    tracing::warn!("entries are not published, edges ask this node instead: {why}");
                }
                Err(why) => tracing::debug!("entries are not published: {why}"),
            }
            metrics::gauge!("pantau_stream_connected").set(0.0);
            sleep(PAUSE).await;
        }
    }

    /// Ends with the engine.
    async fn session(&self, said: &mut bool) -> Result<(), String> {
        let client = self.address.connect("pantau origin").await?;
        let context = jetstream::new(client.clone());
        let stream = timeout(ACK_TIMEOUT, context.get_or_create_stream(self.names.config())).await;
        let stream =
            stream.map_err(|_| "JetStream does not answer; is it on (nats-server -js)?".to_owned())?;
        let stream = stream.map_err(|e| format!("the stream {} cannot be made: {e}", self.names.stream))?;
        let lineage = self.desk.lineage();
        let mut place = self.place(end_of(&stream).await?, &lineage, &stream).await?;
        tracing::info!("publishing entries after {} to {}", place.entry, self.address);
        *said = false;
        metrics::gauge!("pantau_stream_connected").set(1.0);
        let mut published = self.desk.moments.published();
        let mut alive = interval(ALIVE_EVERY);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changed = tokio::select! {
                changed = published.changed() => Some(changed),
                _ = alive.tick() => None,
            };
            match changed {
                Some(Ok(())) | None if !self.desk.writes() => {}
                Some(Err(_)) => return Ok(()),
                Some(Ok(())) => {
                    while place.entry < self.desk.head() {
                        self.batch(&context, &mut place, &lineage).await?;
                    }
                }
                None => self.alive(&client, &lineage).await?,
            }
        }
    }

    /// Where to go on.
    async fn place<I>(
        &self,
        end: StreamEnd,
        lineage: &Lineage,
        stream: &jetstream::stream::Stream<I>,
    ) -> Result<Place, String> {
        let head = self.desk.head();
        if let Some(place) = end.place(&lineage.epoch, head) {
            return Ok(place);
        }
        tracing::error!(
            "the stream holds entries of this history after {head}, where the journal ends: it has lost entries; \
             the stream is emptied"
        );
        stream.purge().await.map_err(|e| format!("the stream cannot be emptied: {e}"))?;
        Ok(end.place_emptied(head))
    }

    async fn batch(&self, context: &Context, place: &mut Place, lineage: &Lineage) -> Result<(), String> {
        let (desk, after) = (self.desk.clone(), place.entry);
        let read = tokio::task::spawn_blocking(move || {
            let entries = desk.read(after, BATCH)?;
            let shared: Vec<_> = entries.iter().map(|entry| desk.share(entry)).collect();
            Ok::<_, crate::journal::JournalError>(shared)
        });
        let shared = read.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
        let mut acks: Vec<(Seq, PublishAckFuture)> = Vec::with_capacity(shared.len());
        for (i, entry) in (0..).zip(shared) {
            let seq = Seq(entry.seq);
            let mut headers = HeaderMap::new();
            headers.insert(MESSAGE_ID, message_id(&lineage.epoch, seq).as_str());
            headers.insert(EXPECTED_LAST, (place.sequence + i).to_string().as_str());
            let payload =
                serde_json::to_vec(&lineage.news(seq, vec![entry])).expect("plain structs become JSON");
            let subject = self.names.entries.clone();
            let ack = context.publish_with_headers(subject, headers, payload.into()).await;
            acks.push((seq, ack.map_err(|e| format!("entry {seq}: {e}"))?));
        }
        for (seq, ack) in acks {
            let ack = timeout(ACK_TIMEOUT, ack.into_future()).await;
            let ack = ack.map_err(|_| format!("entry {seq} was not acknowledged in time"))?;
            let ack = ack.map_err(|e| format!("entry {seq}: {e}"))?;
            *place = Place { entry: seq, sequence: ack.sequence };
            self.published.store(seq.0, Ordering::Relaxed);
            metrics::gauge!("pantau_stream_seq").set(seq.0 as f64);
        }
        Ok(())
    }

    async fn alive(&self, client: &async_nats::Client, lineage: &Lineage) -> Result<(), String> {
        if client.connection_state() != async_nats::connection::State::Connected {
            return Err(format!("{} is away", self.address));
        }
        let news = lineage.news(self.desk.head(), Vec::new());
        let news = serde_json::to_vec(&news).expect("plain structs become JSON");
        client.publish(self.names.alive.clone(), news.into()).await.map_err(|e| e.to_string())
    }
}
