//! What drawing a file anew takes of memory, by its head alone: a small file can unpack to a picture of gigabytes, and
//! some formats hold more than the picture while they are unpacked.

use std::io::Cursor;

use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{ImageDecoder, ImageError, Limits};

use super::{ALLOC_MAX, DRAWN_BYTES_MAX, FILE_BYTES_MAX, Format, KEPT_SIDE_MAX, PhotoFault, SIDE_MAX};

/// What a PNG may unpack beside its pixels: a colour profile.
const BESIDE_BYTES_MAX: u64 = 8 << 20;
/// Bytes of what is kept, while it is made.
const KEPT_BYTES: u64 = 4 * (KEPT_SIDE_MAX as u64) * (KEPT_SIDE_MAX as u64);

/// A file of which the head was read and found small enough.
pub(super) struct Opened<'f> {
    pub decoder: Box<dyn ImageDecoder + 'f>,
    /// The most that it takes until it is drawn, in bytes; the file itself is not counted.
    pub peak_bytes: u64,
}

/// The most that drawing a file takes, in bytes, the file itself not counted; at most [`DRAWN_BYTES_MAX`].
///
/// # Errors
/// Why it is none that is kept; what is too large is refused before a pixel is decoded.
pub fn peak_bytes(bytes: &[u8]) -> Result<u64, PhotoFault> {
    open(bytes).map(|opened| opened.peak_bytes)
}

pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>, PhotoFault> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(PhotoFault::Bytes);
    }
    let cursor = Cursor::new(bytes);
    match Format::of(bytes).ok_or(PhotoFault::Format)? {
        Format::Jpeg => {
            let decoder = JpegDecoder::new(cursor).map_err(fault)?;
            checked(Box::new(decoder), |pixels| jpeg_beside(bytes) * pixels)
        }
        // Its sides are looked at afterwards, so that they can be told.
        Format::Png => {
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(BESIDE_BYTES_MAX);
            let decoder = PngDecoder::with_limits(cursor, limits).map_err(fault)?;
            checked(Box::new(decoder), |_| BESIDE_BYTES_MAX)
        }
        Format::WebP => {
            let decoder = WebPDecoder::new(cursor).map_err(fault)?;
            let largest = webp_frames(bytes)?;
            // At most: what is unpacked with its transparency, a frame, and the canvas that it lies on.
            checked(Box::new(decoder), |pixels| 8 * pixels.max(largest))
        }
    }
}

pub(super) fn fault(error: ImageError) -> PhotoFault {
    match error {
        ImageError::Limits(_) => PhotoFault::Pixels { width: 0, height: 0 },
        _ => PhotoFault::Damaged,
    }
}

/// `beside`: bytes that are held beside the picture while it is unpacked, by its pixels.
fn checked<'f>(
    mut decoder: Box<dyn ImageDecoder + 'f>,
    beside: impl Fn(u64) -> u64,
) -> Result<Opened<'f>, PhotoFault> {
    let (width, height) = decoder.dimensions();
    let is_large = width > SIDE_MAX || height > SIDE_MAX || decoder.total_bytes() > ALLOC_MAX;
    if is_large || width == 0 || height == 0 {
        return Err(PhotoFault::Pixels { width, height });
    }
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE_MAX), Some(SIDE_MAX));
    limits.max_alloc = Some(ALLOC_MAX);
    decoder.set_limits(limits).map_err(fault)?;
    let beside = beside(u64::from(width) * u64::from(height));
    let peak_bytes = decoder.total_bytes() + beside.max(KEPT_BYTES);
    if peak_bytes > DRAWN_BYTES_MAX {
        return Err(PhotoFault::Pixels { width, height });
    }
    Ok(Opened { decoder, peak_bytes })
}

/// Bytes a pixel that a JPEG holds beside its picture. One that comes in several passes, or colour by colour, is held
/// as two bytes of each colour until the last has come; where it cannot be read it is believed to be the largest.
fn jpeg_beside(bytes: &[u8]) -> u64 {
    let (mut colours, mut in_passes, mut at) = (0, false, 2);
    while let Some(&[0xFF, marker, high, low]) = bytes.get(at..at + 4) {
        let length = usize::from(u16::from_be_bytes([high, low]));
        match marker {
            // What fills up, and what stands alone.
            0xFF => {
                at += 1;
                continue;
            }
            0x01 | 0xD0..=0xD8 => {
                at += 2;
                continue;
            }
            // The frame: all codings but tables (C4, C8, CC).
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                colours = colours.max(bytes.get(at + 9).copied().map_or(4, u64::from).clamp(1, 4));
                in_passes |= !matches!(marker, 0xC0 | 0xC1);
            }
            // The first scan says how many of them come together.
            0xDA if colours > 0 => {
                let together = bytes.get(at + 4).copied().map_or(0, u64::from);
                return if in_passes || together < colours { 2 * colours } else { 0 };
            }
            0xDA => break,
            _ => {}
        }
        at += 2 + length;
    }
    2 * 4
}

/// Pixels of the largest picture inside a WebP, whatever its head says of the whole.
fn webp_frames(bytes: &[u8]) -> Result<u64, PhotoFault> {
    let (mut largest, mut at) = (0, 12);
    while let Some((kind, payload)) = webp_chunk(bytes, at) {
        let length = payload.len();
        let sides = |a: usize, mask: u32, shift: u32, one: u32| {
            let word = payload.get(a..a + 4)?;
            let word = u32::from_le_bytes(word.try_into().ok()?);
            Some(((word & mask) + one, ((word >> shift) & mask) + one))
        };
        let found = match kind {
            b"VP8 " => sides(6, 0x3FFF, 16, 0),
            b"VP8L" => sides(1, 0x3FFF, 14, 1),
            _ => None,
        };
        if let Some((width, height)) = found {
            if width > SIDE_MAX || height > SIDE_MAX {
                return Err(PhotoFault::Pixels { width, height });
            }
            largest = largest.max(u64::from(width) * u64::from(height));
        }
        // A frame of an animation holds chunks of its own, behind 16 bytes.
        at += 8 + if kind == b"ANMF" { 16 } else { length + length % 2 };
    }
    Ok(largest)
}

/// Four letters, and as much as is there of what they head.
fn webp_chunk(bytes: &[u8], at: usize) -> Option<(&[u8; 4], &[u8])> {
    let (kind, rest) = bytes.get(at..)?.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some((kind, rest.get(..length).unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat};

    fn file(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_file_is_weighed_by_its_head() {
        let mib = |bytes: u64| bytes / (1 << 20);
        let jpeg = file(4_000, 3_000, ImageFormat::Jpeg);
        let picture = 3 * 4_000 * 3_000;
        assert_eq!(peak_bytes(&jpeg), Ok(picture + KEPT_BYTES));
        assert_eq!(peak_bytes(&file(4_000, 3_000, ImageFormat::Png)), Ok(picture + KEPT_BYTES));
        let webp = file(4_000, 3_000, ImageFormat::WebP);
        assert_eq!(peak_bytes(&webp), Ok(picture + 8 * 4_000 * 3_000));
        // The same JPEG in passes, and colour by colour.
        let frame = jpeg.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
        let mut passes = jpeg.clone();
        passes[frame + 1] = 0xC2;
        assert_eq!(peak_bytes(&passes), Ok(picture + 6 * 4_000 * 3_000));
        let scan = jpeg.windows(2).position(|two| two == [0xFF, 0xDA]).unwrap();
        let mut apart = jpeg.clone();
        apart[scan + 4] = 1;
        assert_eq!(jpeg_beside(&apart), 6);
        // No phone's photo is refused for it; what takes more than all together may is.
        assert!(mib(peak_bytes(&passes).unwrap()) < mib(DRAWN_BYTES_MAX));
        let mut larger = passes;
        for (at, side) in [(frame + 5, 5_000_u16), (frame + 7, 6_000)] {
            larger[at..at + 2].copy_from_slice(&side.to_be_bytes());
        }
        assert_eq!(peak_bytes(&larger), Err(PhotoFault::Pixels { width: 6_000, height: 5_000 }));
    }

    #[test]
    fn a_webp_that_hides_a_larger_picture_is_weighed_by_that() {
        let mut webp = file(64, 64, ImageFormat::WebP);
        let mut whole = |side: u32| {
            // The sides behind a signature of one byte, 14 bits each, less one.
            let at = webp.windows(4).position(|four| four == b"VP8L").unwrap() + 9;
            let kept = u32::from_le_bytes(webp[at..at + 4].try_into().unwrap()) & !0x0FFF_FFFF;
            webp[at..at + 4].copy_from_slice(&(kept | (side - 1) << 14 | (side - 1)).to_le_bytes());
            webp_frames(&webp)
        };
        assert_eq!(whole(64), Ok(64 * 64));
        assert_eq!(whole(8_192), Ok(8_192 * 8_192));
        assert_eq!(whole(16_384), Err(PhotoFault::Pixels { width: 16_384, height: 16_384 }));
        // In a frame of an animation, behind a chunk of an odd length.
        let chunk = |kind: &[u8; 4], payload: &[u8]| {
            [
                kind,
                &u32::try_from(payload.len()).unwrap().to_le_bytes()[..],
                payload,
                &vec![0; payload.len() % 2],
            ]
            .concat()
        };
        let frame = [0, 0, 0, 0x9D, 0x01, 0x2A, 0x40, 0x1F, 0x10, 0x27];
        let inner = chunk(b"VP8 ", &frame);
        let still = [b"RIFF\0\0\0\0WEBP".as_slice(), &chunk(b"EXIF", b"odd"), &inner].concat();
        let moving = chunk(b"ANMF", &[&[0; 16][..], &inner].concat());
        let moving = [b"RIFF\0\0\0\0WEBP".as_slice(), &chunk(b"EXIF", b"odd"), &moving].concat();
        for file in [still, moving] {
            assert_eq!(webp_frames(&file), Err(PhotoFault::Pixels { width: 8_000, height: 10_000 }));
        }
    }
}
