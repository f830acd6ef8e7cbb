//! The stream between the nodes: where it is, what it is called, how a message names its entry.

use std::fmt;
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::{self, stream};

use crate::city::City;
use crate::model::Seq;

/// A connection that is not there after this long is tried again.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The stream forgets the oldest above this many bytes; what an edge misses it gets from the origin.
const BYTES_MAX: i64 = 128 << 20;
/// And what is older than this.
const AGE_MAX: Duration = Duration::from_secs(6 * 3_600);
/// A message that comes twice within this time is kept once.
const DUPLICATES: Duration = Duration::from_secs(120);
/// A stream that is empty or of another epoch gets this much of the tail; edges that need more ask the origin.
const BACK: u64 = 1_000;
/// The header by which JetStream knows a message again.
pub(super) const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The header by which JetStream takes a message only right after the one that is named.
pub(super) const EXPECTED_LAST: &str = "Nats-Expected-Last-Sequence";

/// `nats://[user:password@]host[:port]`, or `tls://…`.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamAddress(String);

impl StreamAddress {
    /// # Errors
    /// Says how it must look.
    pub fn new(url: &str) -> Result<StreamAddress, String> {
        let url = url.trim().trim_end_matches('/');
        let rest = ["nats://", "tls://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let is_one = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains([',', ' ']))
            && url.parse::<async_nats::ServerAddr>().is_ok();
        if is_one {
            Ok(StreamAddress(url.to_owned()))
        } else {
            Err("write nats://host:4222, or nats://user:password@host:4222, or tls://host:4222".to_owned())
        }
    }

    /// Connects, or says why not.
    pub(super) async fn connect(&self, name: &str) -> Result<async_nats::Client, String> {
        let options = ConnectOptions::new().name(name).connection_timeout(CONNECT_TIMEOUT);
        options.connect(&self.0).await.map_err(|e| format!("{self} does not answer: {e}"))
    }
}

impl fmt::Display for StreamAddress {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("nats", &self.0));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        write!(f, "{scheme}://{host}")
    }
}

impl fmt::Debug for StreamAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamAddress({self})")
    }
}

/// What a city's stream and its subjects are called.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub stream: String,
    /// One message an entry, kept by the stream.
    pub entries: String,
    /// Signs of life of the origin, kept by nobody.
    pub alive: String,
}

impl Names {
    pub fn of(city: &City) -> Names {
        let plain = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '-' };
        let key: String = city.key.chars().map(plain).collect();
        Names {
            stream: format!("pantau-{key}"),
            entries: format!("pantau.{key}.entries"),
            alive: format!("pantau.{key}.alive"),
        }
    }

    /// In memory: the stream is no place to keep things, and what is in it is on no disk.
    pub fn config(&self) -> stream::Config {
        stream::Config {
            name: self.stream.clone(),
            subjects: vec![self.entries.clone()],
            storage: stream::StorageType::Memory,
            max_bytes: BYTES_MAX,
            max_age: AGE_MAX,
            discard: stream::DiscardPolicy::Old,
            duplicate_window: DUPLICATES,
            ..stream::Config::default()
        }
    }
}

/// `epoch:seq`.
pub(super) fn message_id(epoch: &str, seq: Seq) -> String {
    format!("{epoch}:{seq}")
}

pub(super) fn read_message_id(id: &str) -> Option<(&str, Seq)> {
    let (epoch, seq) = id.rsplit_once(':')?;
    Some((epoch, Seq(seq.parse().ok()?)))
}

/// The end of the stream: the sequence of its newest message, and the epoch and entry that it names, if
/// there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEnd {
    pub sequence: u64,
    pub first_sequence: u64,
    pub newest: Option<(String, Seq)>,
}

/// Where publishing stands: this entry is in this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub entry: Seq,
    pub sequence: u64,
}

impl StreamEnd {
    /// Where an origin goes on that has entries of `epoch` up to `head`; `None` where the stream holds later
    /// ones, which the journal has lost: then it is to be emptied first.
    pub fn place(&self, epoch: &str, head: Seq) -> Option<Place> {
        let back = Seq(head.0.saturating_sub(BACK));
        let entry = match &self.newest {
            Some((of, seq)) if of == epoch && *seq > head => return None,
            Some((of, seq)) if of == epoch => (*seq).max(back),
            _ => back,
        };
        Some(Place { entry, sequence: self.sequence })
    }

    /// Where it goes on once the stream was emptied.
    pub fn place_emptied(&self, head: Seq) -> Place {
        Place { entry: Seq(head.0.saturating_sub(BACK)), sequence: self.sequence }
    }

    /// The sequence of the message with the entry after `seq`, as far as one can tell: a message an entry,
    /// without a gap, up to the stream's end. Where that is wrong there is a hole, and holes are filled.
    pub fn start_after(&self, seq: Seq) -> u64 {
        let newest = self.newest.as_ref().map_or(seq, |(_, newest)| *newest);
        let missing = newest.0.saturating_sub(seq.0);
        (self.sequence + 1).saturating_sub(missing).max(self.first_sequence).max(1)
    }
}

/// # Errors
/// A sentence, where the stream does not answer.
pub(super) async fn end_of<I>(stream: &jetstream::stream::Stream<I>) -> Result<StreamEnd, String> {
    let state = stream.get_info().await.map_err(|e| format!("the stream does not answer: {e}"))?.state;
    let (sequence, first_sequence) = (state.last_sequence, state.first_sequence);
    if state.messages == 0 {
        return Ok(StreamEnd { sequence, first_sequence, newest: None });
    }
    let message = stream.get_raw_message(sequence).await;
    let message = message.map_err(|e| format!("the stream's newest message cannot be read: {e}"))?;
    let id = message.headers.get(MESSAGE_ID).map(|id| id.as_str().to_owned());
    let newest = id.and_then(|id| read_message_id(&id).map(|(epoch, seq)| (epoch.to_owned(), seq)));
    Ok(StreamEnd { sequence, first_sequence, newest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_must_be_one_and_never_shows_its_password() {
        for url in ["nats://127.0.0.1:4222", "nats://a", "tls://u:p@nats.example:4222", " nats://u:p@h "] {
            let address = StreamAddress::new(url).unwrap();
            assert!(!address.to_string().contains("p@"), "{address}");
        }
        for url in ["", "127.0.0.1:4222", "http://a", "nats://", "nats://a,nats://b"] {
            assert!(StreamAddress::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_message_names_its_entry() {
        let id = message_id("0198-a", Seq(7));
        assert_eq!(read_message_id(&id), Some(("0198-a", Seq(7))));
        assert_eq!(read_message_id("seven"), None);
    }
}
