//! Decoding within bounds, and drawing anew.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, Limits, Rgb, RgbImage};

use super::{
    ALLOC_MAX, FILE_BYTES_MAX, Format, KEPT_SIDE_MAX, PhotoFault, QUALITY, SIDE_MAX, THUMB_SIDE_MAX,
};

/// What is kept of a photo: JPEG, upright, nothing but pixels and a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    pub photo: Vec<u8>,
    pub thumb: Vec<u8>,
    /// Pixels of the photo.
    pub width: u16,
    pub height: u16,
}

/// Decodes a file and draws it anew. Both files of the answer carry `mark`, one of them upside down, which makes
/// them different from each other and from every other, also of the same picture. Takes tens of milliseconds and up to twice [`ALLOC_MAX`].
///
/// # Errors
/// Why it is none that is kept; what is too large is refused by its head, before a pixel is decoded.
pub fn draw_anew(bytes: &[u8], mark: [u8; 16]) -> Result<Drawn, PhotoFault> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(PhotoFault::Bytes);
    }
    let cursor = Cursor::new(bytes);
    let upright = match Format::of(bytes).ok_or(PhotoFault::Format)? {
        Format::Jpeg => decode(JpegDecoder::new(cursor).map_err(fault)?)?,
        // Its sides are looked at afterwards, so that they can be told.
        Format::Png => {
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(ALLOC_MAX);
            decode(PngDecoder::with_limits(cursor, limits).map_err(fault)?)?
        }
        Format::WebP => decode(WebPDecoder::new(cursor).map_err(fault)?)?,
    };
    let kept = flat(fit(upright, KEPT_SIDE_MAX));
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let (width, height) = (side(kept.width()), side(kept.height()));
    let thumb = fit(DynamicImage::ImageRgb8(kept.clone()), THUMB_SIDE_MAX).into_rgb8();
    Ok(Drawn { photo: encode(&kept, mark)?, thumb: encode(&thumb, mark.map(|byte| !byte))?, width, height })
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(ALLOC_MAX);
    limits
}

fn fault(error: ImageError) -> PhotoFault {
    match error {
        ImageError::Limits(_) => PhotoFault::Pixels { width: 0, height: 0 },
        _ => PhotoFault::Damaged,
    }
}

/// The picture as it is meant to be looked at.
fn decode(mut decoder: impl ImageDecoder) -> Result<DynamicImage, PhotoFault> {
    let (width, height) = decoder.dimensions();
    let is_large = width > SIDE_MAX || height > SIDE_MAX || decoder.total_bytes() > ALLOC_MAX;
    if is_large || width == 0 || height == 0 {
        return Err(PhotoFault::Pixels { width, height });
    }
    decoder.set_limits(limits()).map_err(fault)?;
    // What says it wrongly is shown as it lies.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(fault)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// No side longer than `side_max`; smaller ones stay as they are.
fn fit(picture: DynamicImage, side_max: u32) -> DynamicImage {
    let (width, height) = (picture.width(), picture.height());
    let longest = width.max(height);
    if longest <= side_max {
        return picture;
    }
    // A cheap halving first: a smooth filter over forty million pixels takes a second.
    let picture =
        if longest >= 4 * side_max { picture.thumbnail(2 * side_max, 2 * side_max) } else { picture };
    picture.resize(side_max, side_max, FilterType::Triangle)
}

/// On white, where it is transparent.
fn flat(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut flat = RgbImage::new(picture.width(), picture.height());
    for (to, from) in flat.pixels_mut().zip(picture.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u16::from);
        let over = |colour: u16| ((colour * alpha + 255 * (255 - alpha)) / 255) as u8;
        *to = Rgb([over(red), over(green), over(blue)]);
    }
    flat
}

/// JPEG with the mark as a comment behind its first two bytes.
fn encode(picture: &RgbImage, mark: [u8; 16]) -> Result<Vec<u8>, PhotoFault> {
    let mut jpeg = Vec::with_capacity(256 << 10);
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    picture.write_with_encoder(encoder).map_err(|_| PhotoFault::Damaged)?;
    // A segment COM: marker, length with these two bytes, what it holds.
    let comment = [0xFF, 0xFE, 0, 18].into_iter().chain(mark);
    jpeg.splice(2..2, comment);
    Ok(jpeg)
}
