//! Hears the stream, from the entry after the newest that is shown.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::follow::Word;
use super::news::News;
use super::status::{EdgeStatus, Standing};
use super::stream::{Names, StreamAddress, end_of};
use crate::city::City;

/// The origin gives a sign of life each second; a stream that is silent for longer is opened anew.
const SILENCE_MAX: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Listener {
    pub address: StreamAddress,
    pub city: Arc<City>,
    pub status: Arc<EdgeStatus>,
    pub words: mpsc::Sender<Word>,
}

impl Listener {
    /// Until nobody takes the words any more.
    pub async fn run(self) {
        while !self.words.is_closed() {
            if let Err(why) = self.session().await {
                self.status.set_stream(Standing::Away(why));
            }
            sleep(PAUSE).await;
        }
    }

    async fn session(&self) -> Result<(), String> {
        let names = Names::of(&self.city);
        let client = self.address.connect("pantau edge").await?;
        let alive = client.subscribe(names.alive.clone()).await.map_err(|e| e.to_string())?;
        let messages = timeout(ANSWER_TIMEOUT, self.open(&client, &names)).await;
        let messages = messages.map_err(|_| "JetStream does not answer".to_owned())??;
        self.status.set_stream(Standing::Up);
        self.hear(alive, messages).await
    }

    async fn open(&self, client: &Client, names: &Names) -> Result<Ordered, String> {
        let context = jetstream::new(client.clone());
        let stream = context.get_stream(&names.stream).await;
        let stream = stream
            .map_err(|e| format!("there is no stream {} yet ({e}); the origin makes it", names.stream))?;
        let start_sequence = end_of(&stream).await?.start_after(self.status.seq());
        let deliver_policy = DeliverPolicy::ByStartSequence { start_sequence };
        let config = OrderedConfig { deliver_policy, ..OrderedConfig::default() };
        let consumer = stream.create_consumer(config).await.map_err(|e| e.to_string())?;
        consumer.messages().await.map_err(|e| e.to_string())
    }

    async fn hear(&self, mut alive: Subscriber, mut messages: Ordered) -> Result<(), String> {
        loop {
            let next = async {
                tokio::select! {
                    message = messages.next() => match message {
                        Some(Ok(message)) => Ok(message.payload.clone()),
                        Some(Err(e)) => Err(e.to_string()),
                        None => Err("the stream ended".to_owned()),
                    },
                    sign = alive.next() => {
                        sign.map(|sign| sign.payload).ok_or_else(|| "the line was cut".to_owned())
                    }
                }
            };
            let payload = timeout(SILENCE_MAX, next).await;
            let payload =
                payload.map_err(|_| format!("nothing came for {} s", SILENCE_MAX.as_secs()))??;
            let told = News::read(&payload, &self.city)?;
            if self.words.send(Word::Heard(told)).await.is_err() {
                return Ok(());
            }
        }
    }
}
