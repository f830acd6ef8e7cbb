//! Small files that decode to huge pictures, many at once, against the real server: what they may take of its memory.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::photos::{form, jpeg};
use crate::support::nodes::{Node, Plan, free_address};
use crate::support::repo;

/// That are sent at the same moment.
const BOMBS: usize = 50;
/// Beside what the server takes at rest, in MiB: the files that wait, and the pictures that are drawn.
const GROWTH_MIB_MAX: u64 = 300;

fn png_chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length, &body[..], &crc32fast::hash(&body).to_be_bytes()].concat()
}

/// 128 MiB of nothing, which a camera is said to have held on its side.
fn png() -> Vec<u8> {
    let (width, height) = (8_192_u32, 4_096_u32);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    let row = vec![0; 1 + 4 * width as usize];
    (0..height).for_each(|_| packed.write_all(&row).unwrap());
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    // One entry: orientation 6.
    let turned = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    [
        b"\x89PNG\r\n\x1a\n".as_slice(),
        &png_chunk(b"IHDR", &head),
        &png_chunk(b"eXIf", turned),
        &png_chunk(b"IDAT", &packed.finish().unwrap()),
        &png_chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A grey picture of which every block is a bit or two; in one pass, or in a first pass of several.
fn grey_jpeg(width: u16, height: u16, is_progressive: bool) -> Vec<u8> {
    let segment = |marker: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], &length[..], payload].concat()
    };
    let quantities = [&[0][..], &[1; 64]].concat();
    let components = [1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0];
    let frame = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[3], &components].concat();
    // One code, of one bit, that says: nothing.
    let table = |class: u8| segment(0xC4, &[&[class << 4][..], &[1], &[0; 15], &[0]].concat());
    let last = if is_progressive { 0 } else { 63 };
    let scan = [3, 1, 0, 2, 0, 3, 0, 0, last, 0];
    let blocks = usize::from(width).div_ceil(8) * usize::from(height).div_ceil(8) * 3;
    let bits = if is_progressive { blocks } else { 2 * blocks };
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &quantities),
        segment(if is_progressive { 0xC2 } else { 0xC0 }, &frame),
        table(0),
        table(1),
        segment(0xDA, &scan),
        vec![0; bits.div_ceil(8) + 1],
        vec![0xFF, 0xD9],
    ]
    .concat()
}

fn webp() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::DynamicImage::ImageRgba8(image::RgbaImage::new(8_192, 4_096));
    picture.write_to(&mut bytes, image::ImageFormat::WebP).unwrap();
    bytes.into_inner()
}

fn bombs() -> Vec<Vec<u8>> {
    let kinds = [
        png(),
        grey_jpeg(8_192, 5_456, false),
        grey_jpeg(8_192, 5_456, true),
        grey_jpeg(4_096, 4_096, true),
        webp(),
    ];
    for kind in &kinds {
        assert!(kind.len() < 1 << 20, "{} bytes are no small file", kind.len());
    }
    kinds.into_iter().cycle().take(BOMBS).collect()
}

/// Memory of a process, in MiB: what it has, or the most that it had since that was asked to be forgotten.
fn mib(node: &Node, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1_024
}

/// A report with one photo; its receipt.
fn send(node: &Node, photo: &[u8]) -> Value {
    let said = json!({"category": "garbage", "lng": 127.38, "lat": 0.79}).to_string();
    let body = form(&[("report", said.as_bytes()), ("photo", photo)]);
    let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
    let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(300))).build().into();
    let request = agent.post(format!("http://{}/api/v1/reports", node.address));
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    let mut answer = request.send(&body[..]).expect("the server answers");
    let text = answer.body_mut().read_to_string().unwrap();
    assert_eq!(answer.status().as_u16(), 201, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn fifty_pictures_that_burst_when_they_are_unpacked_take_a_bounded_part_of_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_pantau"));
    let mut plan = Plan::new(program, &repo("geodata/ternate"), free_address());
    plan.args = vec!["--data".to_owned(), folder.path().display().to_string()];
    let mut node = plan.start().unwrap();
    // What every server has once it has seen a photo.
    let small = jpeg(64, 48, "");
    assert!(send(&node, &small).get("warnings").is_none());
    let bombs = bombs();
    std::fs::write(format!("/proc/{}/clear_refs", node.process.id()), "5").unwrap();
    let before_mib = mib(&node, "VmRSS:");
    let all_at_once = std::sync::Barrier::new(BOMBS);
    let receipts: Vec<Value> = std::thread::scope(|threads| {
        let sent = bombs.iter().map(|bomb| {
            threads.spawn(|| {
                all_at_once.wait();
                send(&node, bomb)
            })
        });
        let sent: Vec<_> = sent.collect();
        sent.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let grown_mib = mib(&node, "VmHWM:").saturating_sub(before_mib);
    let refused = receipts.iter().filter(|receipt| receipt.get("warnings").is_some()).count();
    println!(
        "{BOMBS} bombs at once: {before_mib} MiB before, {grown_mib} MiB more at most, {refused} refused"
    );
    assert!(grown_mib < GROWTH_MIB_MAX, "{grown_mib} MiB, {receipts:?}");
    // Every report stands, and who comes after has its photo kept.
    assert_eq!(receipts.len(), BOMBS);
    assert!(send(&node, &small).get("warnings").is_none());
    node.process.stop();
}
