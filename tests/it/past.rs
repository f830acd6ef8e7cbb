//! What is asked of the past, over HTTP: statistics for the center and for the city, and what was known when.

use std::sync::Arc;

use pantau::clock::ManualClock;
use pantau::model::{HOUR_MS, MINUTE_MS, TimeMs};
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::support::app::{Setup, TestApp};
use crate::support::history::START;

async fn start() -> (TestApp, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START));
    (Setup { clock: clock.clone(), ..Setup::default() }.start().await, clock)
}

/// An incident that is verified after 10 minutes and resolved after an hour more.
async fn worked(app: &TestApp, clock: &ManualClock, category: &str) -> Value {
    let incident = app.report(&report(category)).await["incident"].clone();
    clock.advance_ms(10 * MINUTE_MS);
    app.act(&incident, "verify", &json!({})).await;
    clock.advance_ms(HOUR_MS);
    app.act(&incident, "resolve", &json!({"note": "selesai"})).await;
    incident
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_tell_how_long_steps_took() {
    let (app, clock) = start().await;
    worked(&app, &clock, "garbage").await;
    worked(&app, &clock, "water").await;
    app.report(&report("water")).await;
    let by_category = app.get("/api/v1/statistics?by=category").send().await.ok();
    assert_eq!(by_category["by"], "category");
    let group = |key: &str| {
        let groups = by_category["groups"].as_array().expect("groups");
        groups.iter().find(|group| group["key"] == key).cloned().unwrap_or(Value::Null)
    };
    let garbage = group("garbage");
    assert_eq!(garbage["name"]["en"], "Garbage");
    // Its steps have deadlines, and the whole has none: nobody can say that it was in time.
    let counts = |group: &Value| {
        ["incidents", "resolved", "on_time", "late", "with_deadline"]
            .map(|key| group[key].as_u64().unwrap())
    };
    assert_eq!(counts(&garbage), [1, 1, 0, 0, 0]);
    assert_eq!(counts(&group("water")), [2, 1, 1, 0, 2]);
    assert_eq!(
        garbage["median_s"],
        json!({"verify": 600, "assign": null, "start": null, "resolve": 4_200})
    );
    assert_eq!(garbage["n"], json!({"verify": 1, "assign": 0, "start": 0, "resolve": 1}));
    assert_eq!(group("water")["open"], 1);
    assert_eq!(by_category["total"]["incidents"], 3);

    let by_month = app.get("/api/v1/statistics?by=month").send().await.ok();
    assert_eq!(by_month["groups"][0]["key"], "2026-11");
    assert_eq!(by_month["groups"][0]["name"]["id"], "November 2026");
    let table = app.get("/api/v1/statistics.csv?by=area").send().await;
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    let text = table.text();
    let (head, row) = text.split_once('\n').expect("two lines");
    assert!(
        head.starts_with("key,name_id,name_en,incidents,open,resolved,on_time,late,verify_n"),
        "{head}"
    );
    assert!(head.ends_with(",resolve_p90_s,with_deadline") && row.trim_end().ends_with(",2"), "{text}");
    assert!(row.starts_with("82.71."), "{row}");

    for (query, pointer) in [
        ("by=street", "by"),
        ("level=village", "level"),
        ("by=area&level=city", "level"),
        ("since=yesterday", "since"),
        ("status=new", "status"),
        ("category=fire", "category"),
    ] {
        let answer = app.get(&format!("/api/v1/statistics?{query}")).send().await;
        assert_eq!(answer.pointers(400), [pointer], "{query}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_learns_of_no_single_sensitive_incident() {
    let (app, clock) = start().await;
    let accidents = async || {
        let path = "/api/v1/statistics?by=category";
        let public = app.get(path).by_the_public().send().await.ok();
        let groups = public["groups"].as_array().expect("groups").clone();
        let accident = groups.into_iter().find(|group| group["key"] == "accident");
        (accident.map(|group| group["incidents"].clone()), public["total"]["incidents"].clone())
    };
    for n in 1..5 {
        worked(&app, &clock, "accident").await;
        assert_eq!(accidents().await, (None, json!(0)), "{n}");
    }
    worked(&app, &clock, "accident").await;
    assert_eq!(accidents().await, (Some(json!(5)), json!(5)));
    // Not by the day, nor by the village: single ones would come out.
    let zone = "%2B09:00";
    for query in [
        format!("by=category&since=2026-11-20T00:00:00{zone}"),
        format!("by=category&until=2026-11-30T00:00:00{zone}"),
        "by=area&level=village".to_owned(),
    ] {
        let path = format!("/api/v1/statistics?{query}");
        let public = app.get(&path).by_the_public().send().await.ok();
        assert_eq!(public["total"]["incidents"], 0, "{query}");
        assert_eq!(app.get(&path).send().await.ok()["total"]["incidents"], 5, "{query}");
    }
    // What is not verified the public does not know of at all.
    app.report(&report("garbage")).await;
    assert_eq!(accidents().await.1, json!(5));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_moment_only_what_was_known_then_is_answered() {
    let (app, clock) = start().await;
    let first = app.report(&report("garbage")).await["incident"].clone();
    let opened = app.live().now();
    clock.advance_ms(10 * MINUTE_MS);
    app.act(&first, "verify", &json!({})).await;
    let verified = app.live().now();
    clock.advance_ms(10 * MINUTE_MS);
    app.report(&with(report("water"), json!({"description": "Pipa bocor"}))).await;

    let at = |path: &str, at: TimeMs| {
        let and = if path.contains('?') { '&' } else { '?' };
        format!("/api/v1/{path}{and}at={at}")
    };
    let list = async |moment| app.get(&at("incidents", moment)).send().await.ok();
    let then = list(opened).await;
    assert_eq!(then["numberMatched"], 1);
    assert_eq!(then["features"][0]["properties"]["status"], "new");
    assert_eq!(then["at"], opened.to_string());
    let between = list(verified.plus_ms(MINUTE_MS)).await;
    assert_eq!(between["numberMatched"], 1);
    assert_eq!(between["features"][0]["properties"]["status"], "verified");
    assert!(between["seq"].as_u64() > then["seq"].as_u64(), "{between}");
    assert_eq!(list(opened.plus_ms(-1)).await["numberMatched"], 0);
    assert_eq!(list(opened.plus_ms(-1)).await["seq"], 0);
    assert_eq!(list(app.live().now()).await["numberMatched"], 2);

    let stats = app.get(&at("stats", verified)).send().await.ok();
    assert_eq!((&stats["total"], &stats["by_status"]["verified"]), (&json!(1), &json!(1)), "{stats}");
    let clusters = app.get(&at("clusters?bbox=127,0,128,1&zoom=13", opened)).send().await.ok();
    assert_eq!(clusters["features"].as_array().map(Vec::len), Some(1));
    let hotspots = app.get(&at("hotspots", opened)).send().await.ok();
    assert_eq!((&hotspots["at"], &hotspots["features"]), (&json!(opened.to_string()), &json!([])));
    let found = app.get(&at("incidents?q=bocor", verified)).send().await.ok();
    assert_eq!(found["numberMatched"], 0);

    // The public saw nothing before it was verified, and sees no more of then now.
    let public = async |moment| {
        let answer =
            app.get(&at("incidents?status=new,verified", moment)).by_the_public().send().await.ok();
        answer["numberMatched"].clone()
    };
    assert_eq!((public(opened).await, public(verified).await), (json!(0), json!(1)));

    let ahead = at("incidents", clock_now(&clock).plus_ms(HOUR_MS));
    assert_eq!(app.get(&ahead).send().await.pointers(400), ["at"]);
    for path in
        ["incidents?at=noon", "clusters?bbox=127,0,128,1&zoom=13&at=2026", "stats?at=", "hotspots?at=x"]
    {
        assert_eq!(app.get(&format!("/api/v1/{path}")).send().await.pointers(400), ["at"], "{path}");
    }
    app.stop().await;
}

fn clock_now(clock: &ManualClock) -> TimeMs {
    pantau::clock::Clock::now(clock)
}
