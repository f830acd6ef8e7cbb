use std::fs;

use super::*;
use crate::cli::stub::{Asked, Stub, city, problem};

const MAP: &str = "[columns]\nid = \"no\"\nlng = \"x\"\nlat = \"y\"\noccurred_at = \"at\"\nreporter = \"who\"\n\
    [time]\nformat = \"rfc3339\"\n[category]\ndefault = \"disaster\"\n";
/// Out of order, one row without a place, and one that the server refuses.
const ROWS: &str = "no,x,y,at,who\n\
    c,3,0,2017-02-21T00:00:20Z,0812 1\n\
    a,1,0,2017-02-21T00:00:00Z,\n\
    bad,,0,2017-02-21T00:00:00Z,\n\
    b,2,0,2017-02-21T00:00:10Z,\n\
    out,9,0,2017-02-21T00:00:15Z,\n";

struct Played {
    summary: Summary,
    asked: Vec<Asked>,
    rejected: String,
}

fn play(
    mode: &'static str,
    answer: impl Fn(&Asked, usize) -> Option<(u16, Value)> + Send + Sync + 'static,
) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let (file, map) = (folder.path().join("rows.csv"), folder.path().join("map.toml"));
    fs::write(&file, ROWS).unwrap();
    fs::write(&map, MAP).unwrap();
    let stub = Stub::start(move |asked, before| {
        if let Some(answer) = answer(asked, before) {
            return answer;
        }
        match asked.what.as_str() {
            "GET /api/v1/city" => (200, city(mode)),
            "POST /api/v1/clock" if mode == "live" => problem(404, "there is no such path"),
            "POST /api/v1/clock" => (200, json!({})),
            _ if asked.json()["lng"] == 9.0 => problem(422, "outside"),
            _ => (201, json!({"code": "T", "incident": "0", "report": "0", "seq": before})),
        }
    });
    let summary = replay(&stub.client, &file, &map, 1_000.0, &Stop::default()).unwrap();
    let rejected = fs::read_to_string(folder.path().join("rows.csv.rejected.csv")).unwrap_or_default();
    Played { summary, asked: stub.asked(), rejected }
}

fn reports(asked: &[Asked]) -> Vec<Value> {
    asked.iter().filter(|asked| asked.what == "POST /api/v1/reports").map(Asked::json).collect()
}

#[test]
fn rows_are_sent_in_the_order_of_their_time_and_happen_now_on_a_live_server() {
    let played = play("live", |_, _| None);
    let sent = reports(&played.asked);
    let places: Vec<f64> = sent.iter().map(|body| body["lng"].as_f64().unwrap()).collect();
    assert_eq!(places, [1.0, 2.0, 9.0, 3.0]);
    assert!(sent.iter().all(|body| body["occurred_at"].is_null() && body["category"] == "disaster"));
    assert_eq!(
        (sent[0]["reporter"].clone(), sent[3]["reporter"]["device"].as_str()),
        (Value::Null, Some("0812 1"))
    );
    let Summary { rows, sent, refused, seconds, .. } = played.summary;
    assert_eq!((rows, sent, refused), (5, 3, 2));
    assert!(seconds >= 0.02, "the spacing is kept: {seconds}");
    let lines: Vec<&str> = played.rejected.lines().collect();
    assert_eq!(lines[0], "no,x,y,at,who,line,reason");
    assert_eq!(lines[1], "bad,,0,2017-02-21T00:00:00Z,,4,\"\"\"x\"\" is empty: a row needs a place\"");
    assert_eq!(lines[2], "out,9,0,2017-02-21T00:00:15Z,,6,outside");
}

#[test]
fn on_a_replay_server_the_clock_is_set_first_and_rows_keep_their_times() {
    let played = play("replay", |_, _| None);
    assert_eq!(played.asked[1].what, "POST /api/v1/clock");
    assert_eq!(played.asked[1].json(), json!({"at": "2017-02-21T00:00:00Z", "speed": 1_000.0}));
    let times: Vec<Value> = reports(&played.asked).iter().map(|body| body["occurred_at"].clone()).collect();
    assert_eq!(times[0], "2017-02-21T00:00:00Z");
    assert_eq!(times[3], "2017-02-21T00:00:20Z");
}

#[test]
fn a_row_has_the_same_key_in_every_replay_and_is_sent_again_while_the_server_is_away() {
    let keys = |played: &Played| {
        let reports = played.asked.iter().filter(|asked| asked.what == "POST /api/v1/reports");
        reports.map(|asked| asked.key.clone().unwrap()).collect::<Vec<_>>()
    };
    let first = play("replay", |_, _| None);
    let second = play("replay", |asked, before| {
        (asked.what == "POST /api/v1/reports" && before == 3).then(|| problem(503, "starting"))
    });
    let (mut once, twice) = (keys(&first), keys(&second));
    once.insert(1, once[1].clone());
    assert_eq!(once, twice);
    assert_eq!(second.summary.sent, 3);
    // The clock is set going again after the pause.
    let clocks: Vec<Value> =
        second.asked.iter().filter(|asked| asked.what == "POST /api/v1/clock").map(Asked::json).collect();
    assert_eq!(clocks.len(), 2);
    assert_eq!(clocks[1]["at"], "2017-02-21T00:00:10Z");
}

#[test]
fn a_replay_server_that_does_not_take_us_for_staff_ends_the_replay_with_a_sentence() {
    let stub = Stub::start(|asked, _| match asked.what.as_str() {
        "POST /api/v1/clock" => problem(403, "staff only"),
        _ => (200, city("replay")),
    });
    let error = set_clock(&stub.client, &city("replay"), TimeMs(0), 2.0).unwrap_err();
    assert!(format!("{error:#}").contains("--trust-loopback"), "{error:#}");
    assert_eq!(set_clock(&stub.client, &city("live"), TimeMs(0), 2.0).unwrap(), Clock::Now);
}
