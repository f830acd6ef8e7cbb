//! Decoding within bounds, and drawing anew.

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Rgb, RgbImage};

use super::weigh::{fault, open};
use super::{KEPT_SIDE_MAX, PhotoFault, QUALITY, THUMB_SIDE_MAX};

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
/// them different from each other and from every other, also of the same picture. Takes tens of milliseconds and as much
/// memory as [`peak_bytes`](super::peak_bytes) says.
///
/// # Errors
/// Why it is none that is kept; what is too large is refused by its head, before a pixel is decoded.
pub fn draw_anew(bytes: &[u8], mark: [u8; 16]) -> Result<Drawn, PhotoFault> {
    let mut decoder = open(bytes)?.decoder;
    // What says it wrongly is shown as it lies.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(fault)?;
    let mut upright = fit(picture, KEPT_SIDE_MAX);
    // Not before it is small: turning takes a second picture.
    upright.apply_orientation(orientation);
    let kept = flat(upright);
    let side = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    let (width, height) = (side(kept.width()), side(kept.height()));
    let photo = encode(&kept, mark)?;
    let thumb = fit(DynamicImage::ImageRgb8(kept), THUMB_SIDE_MAX).into_rgb8();
    Ok(Drawn { photo, thumb: encode(&thumb, mark.map(|byte| !byte))?, width, height })
}

/// No side longer than `side_max`; smaller ones stay as they are. Each pixel is the mean of those that it takes the
/// place of: smoother filters hold the picture as floats, several times its size.
fn fit(picture: DynamicImage, side_max: u32) -> DynamicImage {
    if picture.width().max(picture.height()) <= side_max {
        return picture;
    }
    picture.thumbnail(side_max, side_max)
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
