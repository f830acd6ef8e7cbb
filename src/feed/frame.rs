//! One message on its way out: encoded once, compressed at most once, shared by all who get it.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::wire::ServerMessage;

/// A smaller message is not worth the reader's work of opening it.
const DEFLATE_BYTES_MIN: usize = 400;

/// A message as JSON text. Clones share it.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Encoded>);

#[derive(Debug)]
struct Encoded {
    json: Bytes,
    deflated: OnceLock<Option<Bytes>>,
}

impl Frame {
    pub(crate) fn of(message: &ServerMessage<'_>) -> Frame {
        let json = serde_json::to_vec(message).expect("our own messages are plain JSON").into();
        Frame(Arc::new(Encoded { json, deflated: OnceLock::new() }))
    }

    /// UTF-8.
    pub fn json(&self) -> &Bytes {
        &self.0.json
    }

    /// The JSON as raw DEFLATE (RFC 1951); `None` where that gains nothing.
    pub fn deflated(&self) -> Option<&Bytes> {
        self.0.deflated.get_or_init(|| deflate(&self.0.json)).as_ref()
    }
}

fn deflate(json: &[u8]) -> Option<Bytes> {
    if json.len() < DEFLATE_BYTES_MIN {
        return None;
    }
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(json.len() / 4), Compression::fast());
    encoder.write_all(json).ok()?;
    let deflated = encoder.finish().ok()?;
    (deflated.len() < json.len()).then(|| deflated.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::wire::ServerMessage;
    use std::io::Read;

    #[test]
    fn a_large_frame_is_smaller_deflated_and_inflates_to_itself() {
        let large = Frame::of(&ServerMessage::Pong { t: Some("tanah longsor ".repeat(100).into()) });
        let deflated = large.deflated().unwrap();
        assert!(deflated.len() * 10 < large.json().len());
        let mut json = Vec::new();
        flate2::read::DeflateDecoder::new(&deflated[..]).read_to_end(&mut json).unwrap();
        assert_eq!(json, large.json()[..]);
        assert!(Frame::of(&ServerMessage::Pong { t: None }).deflated().is_none());
    }
}
