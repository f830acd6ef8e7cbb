//! Photos as they come in and as they are kept: read with bounds, drawn anew, nothing of the file left.
//!
//! What is kept is never what was sent. The pixels are decoded, turned upright, made smaller and encoded again,
//! so no camera, place, thumbnail, comment or second file that hid in the first is in it. Values only: no I/O,
//! no chance; whoever calls gives the mark that makes each file one of its own.

mod reencode;
#[cfg(test)]
mod tests;
mod weigh;

pub use reencode::{Drawn, draw_anew};
pub use weigh::peak_bytes;

/// A file larger than this is refused, in bytes: twice what the largest phones write.
pub const FILE_BYTES_MAX: usize = 12 << 20;
/// A picture wider or higher than this is refused, in pixels.
pub const SIDE_MAX: u32 = 8_192;
/// A picture whose pixels need more is refused before one is decoded, in bytes.
pub const ALLOC_MAX: u64 = 128 << 20;
/// Whatever is decoded at one time takes at most this, in bytes, the files themselves not counted; a picture that takes
/// more by itself is refused.
pub const DRAWN_BYTES_MAX: u64 = 192 << 20;
/// The longer side of what is kept, in pixels, and of the small one beside it.
pub const KEPT_SIDE_MAX: u32 = 2_048;
pub const THUMB_SIDE_MAX: u32 = 320;
/// JPEG quality of both.
pub const QUALITY: u8 = 82;

/// The formats that are read; the file's first bytes decide, not its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    WebP,
}

/// Why a file is not kept, in words for who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhotoFault {
    #[error("it is no JPEG, PNG or WebP")]
    Format,
    #[error("it has more than {} MiB", FILE_BYTES_MAX >> 20)]
    Bytes,
    #[error(
        "it is {width} × {height} pixels; the most is {SIDE_MAX} a side and {} MiB decoded, \
         and less of a progressive JPEG or a WebP, which take more while they are unpacked",
        ALLOC_MAX >> 20
    )]
    Pixels { width: u32, height: u32 },
    #[error("it is damaged or cut short")]
    Damaged,
}

impl Format {
    /// By the first bytes.
    pub fn of(bytes: &[u8]) -> Option<Format> {
        if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
            Some(Format::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Format::Png)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Format::WebP)
        } else {
            None
        }
    }
}
