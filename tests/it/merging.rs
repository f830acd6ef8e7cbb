//! Incidents that staff join and split, over HTTP.

use pantau::access::Role;
use serde_json::{Value, json};

use crate::http::{LAT, LNG, report, with};
use crate::policy::{OWN_AGENCY, OWN_AREA};
use crate::support::app::{Setup, TestApp};

async fn post(app: &TestApp, incident: &Value, action: &str, body: Value) -> crate::support::app::Answer {
    let path = format!("/api/v1/incidents/{}/{action}", incident.as_str().unwrap());
    app.post(&path, body.to_string()).send().await
}

async fn get(app: &TestApp, incident: &Value) -> Value {
    app.get(&format!("/api/v1/incidents/{}", incident.as_str().unwrap())).send().await.ok()
}

/// The kinds of what a reporter is told of.
fn steps(told: &Value) -> Vec<&str> {
    told["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

/// What a reader finds: ids of the list, sorted, the reports of all clusters, and the total.
async fn found(app: &TestApp) -> (Vec<String>, u64, Value) {
    let list = app.get("/api/v1/incidents").send().await.ok();
    let mut ids: Vec<String> = list["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["id"].as_str().unwrap()[2..].to_owned())
        .collect();
    ids.sort();
    let clusters = app.get("/api/v1/clusters?bbox=127.2,0.6,127.5,1&zoom=20").send().await.ok();
    let reports = clusters["features"].as_array().unwrap().iter();
    let reports = reports.map(|f| f["properties"]["reports"].as_u64().unwrap()).sum();
    let stats = app.get("/api/v1/stats").send().await.ok();
    (ids, reports, stats["total"].clone())
}

fn from(phone: &str, text: &str) -> Value {
    with(report("garbage"), json!({"description": text, "reporter": {"phone": phone}}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absorbed_incident_is_nowhere_but_where_it_went_and_comes_back_whole() {
    let app = TestApp::start().await;
    let first = app.report(&from("0812 1111", "tumpukan sampah di pasar")).await;
    let second = app.report(&with(from("0812 2222", "bau sekali"), json!({"lng": LNG + 0.001}))).await;
    let (a, b) = (first["incident"].clone(), second["incident"].clone());
    app.act(&b, "verify", &json!({})).await;
    app.act(&b, "assign", &json!({"agency": "pupr"})).await;
    let before = get(&app, &b).await;
    let both = found(&app).await;

    let stays = post(&app, &b, "merge", json!({"incident": a, "version": 3, "note": "sama"})).await.ok();
    assert_eq!(stays["incident"], a);
    let of = &stays["properties"];
    assert_eq!((&of["reports"], &of["reporters"]), (&json!(2), &json!(2)), "{of}");
    assert_eq!(of["merged"][0]["incident"], b);
    assert_eq!((&of["merged"][0]["reports"], &of["merged"][0]["by"]), (&json!(1), &json!("loopback")));
    assert!(of["merged_into"].is_null());
    let (ids, reports, total) = found(&app).await;
    assert_eq!((ids, reports, total), (vec![a.as_str().unwrap().to_owned()], 2, json!(1)));
    let log = of["log"].as_array().unwrap();
    let lines: Vec<_> =
        log.iter().map(|l| l["description"].as_str().or(l["action"].as_str()).unwrap()).collect();
    assert_eq!(lines, ["tumpukan sampah di pasar", "bau sekali", "verify", "assign", "merge"]);
    assert_eq!((&log[1]["incident"], &log[4]["absorbed"], &log[4]["into"]), (&b, &b, &a));

    // Its address says where it went, and acting on it too.
    let absorbed = get(&app, &b).await;
    assert_eq!(absorbed["properties"]["merged_into"], a);
    assert_eq!(absorbed["properties"]["log"].as_array().unwrap().last().unwrap()["action"], "merge");
    for action in ["start", "note", "merge", "split"] {
        let answer = post(&app, &b, action, json!({"note": "x", "incident": a})).await;
        if matches!(action, "start" | "note") {
            // A field that is not theirs is named before.
            assert_eq!(answer.pointers(422), ["/incident"]);
            let problem = post(&app, &b, action, json!({"note": "x"})).await.problem(409);
            assert_eq!(problem["type"], "/problems/merged");
            assert!(problem["detail"].as_str().unwrap().contains(a.as_str().unwrap()), "{problem}");
        } else {
            assert_eq!(answer.problem(409)["type"], "/problems/merged");
        }
    }
    // Who reported it is told, and who reports it again joins the one that stays.
    let told = app.get(&format!("/api/v1/reports/{}", second["code"].as_str().unwrap())).send().await.ok();
    assert_eq!((&told["joined"], &told["status"]), (&json!(true), &json!("new")));
    assert!(told["joined_words"]["id"].as_str().unwrap().contains("digabung"), "{told}");
    assert_eq!(steps(&told), ["received", "verified", "assigned", "joined"], "{told}");
    let third = app.report(&with(from("0812 2222", "masih bau"), json!({"incident": b}))).await;
    assert_eq!(third["incident"], a);
    let stays = get(&app, &a).await;
    let of = &stays["properties"];
    assert_eq!((&of["reports"], &of["reporters"]), (&json!(3), &json!(2)));

    let stale = post(&app, &a, "split", json!({"incident": b, "version": 2})).await;
    assert_eq!(stale.problem(409)["type"], "/problems/version");
    let freed = post(&app, &a, "split", json!({"incident": b, "version": of["version"]})).await.ok();
    assert_eq!(freed["incident"], b);
    for key in ["status", "agency", "due_at", "reports", "reporters", "title", "area", "opened_at"] {
        assert_eq!(freed["properties"][key], before["properties"][key], "{key}");
    }
    assert_eq!(freed["geometry"], before["geometry"]);
    assert_eq!(freed["properties"]["version"], 5);
    let after = found(&app).await;
    assert_eq!((after.0, after.1, after.2), (both.0, both.1 + 1, both.2));
    let told = app.get(&format!("/api/v1/reports/{}", second["code"].as_str().unwrap())).send().await.ok();
    assert_eq!((&told["joined"], &told["status"]), (&json!(false), &json!("verified")));
    assert_eq!(steps(&told), ["received", "verified", "assigned", "joined", "freed"], "{told}");
    let last = told["steps"].as_array().unwrap().last().unwrap();
    assert!(last["text"]["id"].as_str().unwrap().contains("kembali ditangani tersendiri oleh"), "{last}");
    assert!(last["text"]["en"].as_str().unwrap().contains("is on its own again, with the"), "{last}");
    let again = post(&app, &a, "split", json!({"incident": b})).await;
    assert_eq!(again.problem(409)["type"], "/problems/not-merged");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_joined_is_refused_with_what_to_do() {
    let app = TestApp::start().await;
    let mut incidents = Vec::new();
    for fields in [json!({}), json!({}), json!({"drill": true}), json!({})] {
        incidents.push(app.report(&with(report("garbage"), fields)).await["incident"].clone());
    }
    let [a, b, drill, closed] = &incidents[..] else { panic!("four were made") };
    app.act(closed, "reject", &json!({"reason": "prank", "disposition": "prank"})).await;
    let kind = async |incident: &Value, body: Value| {
        post(&app, incident, "merge", body).await.problem(409)["type"].as_str().unwrap().to_owned()
    };
    assert_eq!(kind(a, json!({"incident": drill})).await, "/problems/drill-mismatch");
    assert_eq!(kind(a, json!({"incident": closed})).await, "/problems/incident-closed");
    assert_eq!(kind(closed, json!({"incident": a})).await, "/problems/incident-closed");
    assert_eq!(kind(a, json!({"incident": b, "version": 9})).await, "/problems/version");
    let unknown = "01910000-0000-7000-8000-000000000000";
    for (body, pointer) in [
        (json!({"incident": a}), "/incident"),
        (json!({"incident": unknown}), "/incident"),
        (json!({"incident": "7"}), "/incident"),
        (json!({}), "/incident"),
        (json!({"incident": b, "agency": "dlh"}), "/agency"),
    ] {
        let answer = post(&app, a, "merge", body.clone()).await;
        assert_eq!(answer.pointers(422), [pointer], "{body}");
    }
    post(&app, &json!(unknown), "merge", json!({"incident": a})).await.problem(404);
    // Neither of a chain's lower ones can be split off before the upper one is.
    post(&app, a, "merge", json!({"incident": b})).await.ok();
    let c = app.report(&report("garbage")).await["incident"].clone();
    post(&app, b, "merge", json!({"incident": c})).await.ok();
    assert_eq!(
        post(&app, b, "split", json!({"incident": a})).await.problem(409)["type"],
        "/problems/merged"
    );
    assert_eq!(
        post(&app, &c, "split", json!({"incident": a})).await.problem(409)["type"],
        "/problems/not-merged"
    );
    post(&app, &c, "split", json!({"incident": b})).await.ok();
    let freed = post(&app, b, "split", json!({"incident": a})).await.ok();
    assert_eq!(freed["properties"]["reports"], 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_learns_of_no_sender_and_of_nothing_that_was_joined() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let operator = app.token(Role::Operator, OWN_AGENCY, OWN_AREA);
    let mut incidents = Vec::new();
    for lat in [LAT, LAT + 0.001] {
        let incident = app.report(&with(report("garbage"), json!({"lat": lat}))).await["incident"].clone();
        let path = format!("/api/v1/incidents/{}/verify", incident.as_str().unwrap());
        assert_eq!(app.post(&path, "{}").bearing(&operator).send().await.status, 200);
        incidents.push(incident);
    }
    let seen = async || {
        let list = app.get("/api/v1/incidents").by_the_public().send().await.ok();
        let features = list["features"].as_array().unwrap().clone();
        assert!(features.iter().all(|f| f["properties"]["reporters"].is_null()), "{list}");
        features.iter().map(|f| f["properties"]["reports"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(seen().await, [1, 1]);
    let path = format!("/api/v1/incidents/{}/merge", incidents[0].as_str().unwrap());
    let body = json!({"incident": incidents[1]}).to_string();
    assert_eq!(app.post(&path, body.clone()).by_the_public().send().await.status, 401);
    assert_eq!(app.post(&path, body).bearing(&operator).send().await.status, 200);
    assert_eq!(seen().await, [2]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_learns_that_its_incident_was_joined_but_nothing_of_anothers() {
    let app = TestApp::start().await;
    let agency = app.token(Role::Agency, OWN_AGENCY, "");
    let own = app.report(&report("garbage")).await["incident"].clone();
    let foreign = app.report(&report("water")).await["incident"].clone();
    post(&app, &own, "merge", json!({"incident": foreign, "note": "sama"})).await.ok();
    let path = format!("/api/v1/incidents/{}", own.as_str().unwrap());
    let name = foreign.as_str().unwrap();
    let seen = async || app.get(&path).bearing(&agency).send().await.ok();
    let last = |seen: &Value| seen["properties"]["log"].as_array().unwrap().last().unwrap().clone();

    let hidden = seen().await;
    assert!(!hidden.to_string().contains(name), "{hidden}");
    assert_eq!(
        (&hidden["properties"]["joined"], &hidden["properties"]["merged_into"]),
        (&json!(true), &Value::Null)
    );
    let line = last(&hidden);
    assert_eq!((&line["action"], &line["absorbed"], &line["into"]), (&json!("merge"), &own, &Value::Null));
    assert_eq!(line["note"], "sama");
    for (action, body) in [("note", json!({"note": "x"})), ("start", json!({}))] {
        let answer = app.post(&format!("{path}/{action}"), body.to_string()).bearing(&agency).send().await;
        assert_eq!(answer.problem(409)["type"], "/problems/merged");
        assert!(!answer.text().contains(name), "{}", answer.text());
    }
    // Whoever may see the one that stays is told which one it is.
    let staff = get(&app, &own).await;
    assert_eq!((&staff["properties"]["merged_into"], &last(&staff)["into"]), (&foreign, &foreign));
    app.act(&foreign, "assign", &json!({"agency": OWN_AGENCY})).await;
    let told = seen().await;
    assert_eq!(
        (&told["properties"]["merged_into"], &told["properties"]["joined"]),
        (&foreign, &json!(true))
    );
    // What it has by now absorbed itself is its own; what was split off and given away is not.
    let stays = app.get(&format!("/api/v1/incidents/{name}")).bearing(&agency).send().await.ok();
    assert_eq!(stays["properties"]["merged"][0]["incident"], own);
    post(&app, &foreign, "split", json!({"incident": own})).await.ok();
    app.act(&foreign, "assign", &json!({"agency": "ake_gaale"})).await;
    let freed = seen().await;
    assert_eq!((&freed["properties"]["joined"], &last(&freed)["action"]), (&Value::Null, &json!("split")));
    assert!(!freed.to_string().contains(name), "{freed}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_the_same_is_suggested_with_the_reason_and_the_best_is_first() {
    let app = TestApp::start().await;
    let made = async |lng: f64, category: &str, text: Option<&str>| {
        let fields = json!({"lng": LNG + lng, "description": text, "category": category});
        app.report(&with(report("garbage"), fields)).await["incident"].clone()
    };
    let asked = made(0.0, "garbage", Some("tumpukan sampah di depan pasar Bastiong")).await;
    let beside = made(0.000_1, "garbage", Some("lampu mati")).await;
    let alike = made(0.000_4, "garbage", Some("ada sampah menumpuk dekat pasar bastiong")).await;
    let silent = made(0.000_8, "garbage", None).await;
    // Too far, of another category, closed.
    made(0.002, "garbage", Some("tumpukan sampah di depan pasar Bastiong")).await;
    made(0.0, "water", Some("tumpukan sampah di depan pasar Bastiong")).await;
    let closed = made(0.0, "garbage", Some("tumpukan sampah di depan pasar Bastiong")).await;
    app.act(&closed, "reject", &json!({"reason": "prank", "disposition": "prank"})).await;

    let path = |of: &Value| format!("/api/v1/incidents/{}/suggestions", of.as_str().unwrap());
    let answer = app.get(&path(&asked)).send().await.ok();
    assert!(answer["seq"].as_u64().is_some_and(|seq| seq >= 8), "{answer}");
    let found = answer["suggestions"].as_array().unwrap();
    let ids: Vec<&str> = found.iter().map(|one| &one["incident"]["id"].as_str().unwrap()[2..]).collect();
    assert_eq!(ids, [&alike, &beside, &silent].map(|id| id.as_str().unwrap()), "{answer}");
    let first = &found[0];
    assert!((first["distance_m"].as_f64().unwrap() - 44.5).abs() < 1.0, "{first}");
    assert!(
        first["likeness"].as_f64().unwrap() > 0.3 && found[1]["likeness"].as_f64().unwrap() < 0.1,
        "{answer}"
    );
    assert_eq!((&first["minutes_apart"], &found[2]["likeness"]), (&json!(0), &json!(0.0)));
    let why = first["why"]["en"].as_str().unwrap();
    assert!(why.contains(" m away, at the same time") && why.contains("alike in words"), "{why}");
    assert!(first["why"]["id"].as_str().unwrap().contains("dari sini"));
    for pair in found.windows(2) {
        assert!(pair[0]["score"].as_f64() >= pair[1]["score"].as_f64(), "{answer}");
    }
    // What was joined is not suggested again, and what is not open has none.
    post(&app, &alike, "merge", json!({"incident": asked})).await.ok();
    let left = app.get(&path(&asked)).send().await.ok()["suggestions"].as_array().unwrap().len();
    assert_eq!(left, 2);
    for none in [&alike, &closed] {
        assert_eq!(app.get(&path(none)).send().await.ok()["suggestions"], json!([]));
    }
    app.stop().await;
}
