use std::io::Cursor;

use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

use super::*;

/// What a camera, a phone or a joker puts into a file.
const MARKERS: [&str; 4] = ["KANARI-GPS", "KANARI-XMP", "KANARI-NOTE", "<script>kanari</script>"];

/// Left half red, right half blue.
fn halves(width: u32, height: u32) -> DynamicImage {
    let pixel = |x, _| if x < width / 2 { Rgb([200, 0, 0]) } else { Rgb([0, 0, 200]) };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel))
}

fn file(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG segment behind the first two bytes.
fn with_segment(jpeg: &[u8], marker: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
    let head = [&jpeg[..2], &[0xFF, marker], &length, payload].concat();
    [&head, &jpeg[2..]].concat()
}

/// EXIF with an orientation, and a maker's note that says where it was.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let head = [b"MM\0\x2A".as_slice(), &8_u32.to_be_bytes(), &1_u16.to_be_bytes()].concat();
    let tiff = [head, entry(0x0112, 3, 1, [0, orientation, 0, 0]), vec![0; 4]].concat();
    [b"Exif\0\0".as_slice(), &tiff, MARKERS[0].as_bytes()].concat()
}

fn loaded(jpeg: &[u8]) -> DynamicImage {
    assert_eq!(Format::of(jpeg), Some(Format::Jpeg));
    image::load_from_memory_with_format(jpeg, ImageFormat::Jpeg).unwrap()
}

fn assert_clean(bytes: &[u8]) {
    for marker in MARKERS {
        assert!(memchr::memmem::find(bytes, marker.as_bytes()).is_none(), "{marker}");
    }
    assert!(memchr::memmem::find(bytes, b"Exif").is_none());
}

#[test]
fn nothing_of_a_file_is_kept_but_its_pixels() {
    let plain = halves(64, 32);
    let jpeg = file(&plain, ImageFormat::Jpeg);
    let jpeg =
        with_segment(&jpeg, 0xE1, format!("http://ns.adobe.com/xap/1.0/\0{}", MARKERS[1]).as_bytes());
    let jpeg = with_segment(&jpeg, 0xFE, MARKERS[2].as_bytes());
    let jpeg = [with_segment(&jpeg, 0xE1, &exif(1)), MARKERS[3].as_bytes().to_vec()].concat();
    let png = [file(&plain, ImageFormat::Png), MARKERS[3].as_bytes().to_vec()].concat();
    let webp = [file(&plain, ImageFormat::WebP), MARKERS[3].as_bytes().to_vec()].concat();
    for bytes in [jpeg, png, webp] {
        let drawn = draw_anew(&bytes, [7; 16]).unwrap();
        assert_eq!((drawn.width, drawn.height), (64, 32));
        assert_ne!(drawn.photo, drawn.thumb, "two files, also of a small one");
        for kept in [&drawn.photo, &drawn.thumb] {
            assert_clean(kept);
            let picture = loaded(kept);
            assert_eq!(picture.dimensions(), (64, 32));
            let [red, _, blue, _] = picture.get_pixel(10, 16).0;
            assert!(red > 150 && blue < 80, "the left is red still");
        }
    }
}

#[test]
fn a_picture_is_kept_upright_and_small() {
    let jpeg = file(&halves(3_000, 1_000), ImageFormat::Jpeg);
    // 6: turn by a quarter clockwise.
    let drawn = draw_anew(&with_segment(&jpeg, 0xE1, &exif(6)), [0; 16]).unwrap();
    assert_eq!((drawn.width, drawn.height), (683, 2_048));
    let [red, _, blue, _] = loaded(&drawn.photo).get_pixel(300, 100).0;
    assert!(red > 150 && blue < 80, "what was left is on top");
    assert_eq!(loaded(&drawn.thumb).dimensions(), (107, 320));
    let again = draw_anew(&with_segment(&jpeg, 0xE1, &exif(6)), [1; 16]).unwrap();
    assert_ne!(again.photo, drawn.photo, "each file is one of its own");
}

#[test]
fn what_is_transparent_lies_on_white() {
    let glass = DynamicImage::ImageRgba8(RgbaImage::from_pixel(16, 16, Rgba([0, 0, 0, 0])));
    let drawn = draw_anew(&file(&glass, ImageFormat::Png), [0; 16]).unwrap();
    assert!(loaded(&drawn.photo).get_pixel(8, 8).0[..3].iter().all(|colour| *colour > 250));
}

/// A PNG's head that claims `width` × `height`, with nothing behind it.
fn claimed_png(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend([&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat());
    let crc = crc32fast::hash(&chunk).to_be_bytes();
    [b"\x89PNG\r\n\x1a\n".as_slice(), &13_u32.to_be_bytes(), &chunk, &crc, &[0, 0, 0, 0], b"IDAT", &[0; 4]]
        .concat()
}

#[test]
fn what_is_no_picture_or_too_large_a_one_is_refused_by_its_head() {
    let jpeg = file(&halves(64, 64), ImageFormat::Jpeg);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let polyglot = [b"<html><script>alert(1)</script>".as_slice(), &jpeg].concat();
    for bytes in [vec![], svg, polyglot, b"GIF89a\x01\0\x01\0".to_vec(), b"BM......".to_vec()] {
        assert_eq!(draw_anew(&bytes, [0; 16]), Err(PhotoFault::Format));
    }
    // A wall of one colour is some hundred KB as a file, and gigabytes as pixels.
    for (width, height) in [(8_193, 1), (1, 8_193), (60_000, 60_000), (8_192, 8_192)] {
        let refused = draw_anew(&claimed_png(width, height), [0; 16]);
        assert!(matches!(refused, Err(PhotoFault::Pixels { .. })), "{width}x{height}: {refused:?}");
    }
    for cut in [3, 20, jpeg.len() / 4] {
        assert_eq!(draw_anew(&jpeg[..cut], [0; 16]), Err(PhotoFault::Damaged), "{cut}");
    }
    assert_eq!(draw_anew(&vec![0xFF; FILE_BYTES_MAX + 1], [0; 16]), Err(PhotoFault::Bytes));
}

/// Some hundred KB that come to 201 MB of black.
fn bomb() -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let row = [0; 1 + 3 * 8_192];
    (0..8_192).for_each(|_| packed.write_all(&row).unwrap());
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind.as_slice(), data].concat();
        [
            &u32::try_from(data.len()).unwrap().to_be_bytes(),
            &body[..],
            &crc32fast::hash(&body).to_be_bytes(),
        ]
        .concat()
    };
    let side = 8_192_u32.to_be_bytes();
    let head = chunk(b"IHDR", &[&side[..], &side, &[8, 2, 0, 0, 0]].concat());
    let data = chunk(b"IDAT", &packed.finish().unwrap());
    [b"\x89PNG\r\n\x1a\n".as_slice(), &head, &data, &chunk(b"IEND", &[])].concat()
}

#[test]
fn a_real_bomb_is_refused_before_it_is_decoded() {
    let png = bomb();
    assert!(png.len() < 1 << 20, "{}", png.len());
    let clock = crate::clock::SystemClock::new();
    // The quickest of some: the machine may have other things to do.
    let took = (0..20).map(|_| {
        let began = crate::clock::Clock::monotonic(&clock);
        let refused = draw_anew(&png, [0; 16]);
        let took = crate::clock::Clock::monotonic(&clock) - began;
        assert_eq!(refused, Err(PhotoFault::Pixels { width: 8_192, height: 8_192 }));
        took
    });
    let took = took.min().unwrap();
    assert!(took.as_millis() < 10, "{took:?}");
}
