//! What was hot at a time can be answered later.

use pantau::engine::last_before;
use pantau::feed::{hotspot_features, past_hotspot_features};
use pantau::live::Filter;
use pantau::live::hotspots::read_states;
use pantau::model::{Projection, Seq, TimeMs};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::http::{LAT, LNG, report, with};
use crate::support::app::{TestApp, wait_for};
use crate::support::history::{History, Step, any_step};
use crate::support::ternate;

fn shown(history: &History, projection: Projection) -> Value {
    json!(hotspot_features(history.map(), projection, &Filter::everything(), None, false))
}

fn shown_then(history: &History, projection: Projection, seq: Seq) -> Value {
    let rows = history.journal.reader().hotspots_at(projection, seq).unwrap();
    let past = read_states(&rows, &history.city).unwrap();
    json!(past_hotspot_features(&past, &Filter::everything(), None, &history.city))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_moment_of_the_past_shows_the_hotspots_that_it_showed(
        steps in prop::collection::vec(any_step(&ternate()), 1..200),
    ) {
        let mut history = History::new(ternate());
        let mut seen: Vec<(Seq, TimeMs, [Value; 2])> = Vec::new();
        let both = [Projection::Staff, Projection::Public];
        for step in &steps {
            history.step(step);
            let (seq, at) = (history.map().seq(), history.map().now());
            seen.push((seq, at, both.map(|projection| shown(&history, projection))));
        }
        // The last tick's states go with the next commit.
        history.step(&Step::Tick);
        history.step(&Step::Tick);
        let reader = history.journal.reader();
        for (seq, at, expected) in &seen {
            prop_assert_eq!(both.map(|projection| shown_then(&history, projection, *seq)), expected.clone());
            let newest = seen.iter().filter(|(_, a, _)| a <= at).map(|(seq, ..)| *seq).max();
            let found = last_before(&*reader, Seq(0), history.map().seq().next(), at.plus_ms(1)).unwrap();
            prop_assert!(Some(found) >= newest);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_what_was_hot_then() {
    let app = TestApp::start().await;
    let ask =
        async |query: &str| app.get(&format!("/api/v1/hotspots?category=water{query}")).send().await.json();
    for n in 0..6 {
        let sender = json!({"device": format!("device {n}")});
        let place = json!({"lng": LNG + f64::from(n) * 0.0002, "lat": LAT, "reporter": sender});
        app.report(&with(report("water"), place)).await;
    }
    let born = wait_for("a hotspot", async || {
        let now = ask("").await;
        (now["features"].as_array().unwrap().len() == 1).then_some(now)
    });
    let born = born.await;
    let then = app.live().now().to_rfc3339();
    let long_before = "2001-01-01T00:00:00%2B09:00";
    assert_eq!(ask(&format!("&at={long_before}")).await["features"], json!([]));
    let past = ask(&format!("&at={then}")).await;
    assert_eq!(past["features"], born["features"], "as it stands still");

    // It grows; then is still as it was.
    for n in 0..6 {
        let sender = json!({"device": format!("device {}", n + 6)});
        let place = json!({"lng": LNG + f64::from(n) * 0.0002, "lat": LAT + 0.0003, "reporter": sender});
        app.report(&with(report("water"), place)).await;
    }
    wait_for("a larger hotspot", async || {
        let now = ask("").await;
        (now["features"][0]["properties"]["reports"] == 12).then_some(())
    })
    .await;
    app.report(&report("garbage")).await;
    assert_eq!(ask(&format!("&at={then}")).await["features"], born["features"]);

    for query in ["at=2999-01-01T00:00:00Z", "at=yesterday", &format!("at={then}&members=true")] {
        assert_eq!(app.get(&format!("/api/v1/hotspots?{query}")).send().await.status, 400, "{query}");
    }
    app.stop().await;
}
