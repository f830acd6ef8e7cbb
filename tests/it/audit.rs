//! The center's memory of itself: the audit, looks at contact data, the shift log, the situation report.

use std::sync::Arc;

use axum::http::Method;
use pantau::access::Role;
use pantau::accounts::{AccountEvent, Scope, hash_password, new_account};
use pantau::clock::ManualClock;
use pantau::model::{HOUR_MS, MINUTE_MS};
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::support::app::{Answer, Setup, TestApp};
use crate::support::history::START;

const PHONE: &str = "0812-7777-0001";
const PASSWORD: &str = "gunung-gamalama";

async fn start() -> (TestApp, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(START));
    (Setup { clock: clock.clone(), ..Setup::default() }.start().await, clock)
}

fn reported() -> Value {
    let reporter = json!({"name": "Siti Rahma", "phone": PHONE, "email": "siti@example.id"});
    with(report("garbage"), json!({"reporter": reporter, "description": "Sampah menumpuk"}))
}

/// The actions of the audit, newest first.
async fn audit(app: &TestApp, query: &str) -> Vec<Value> {
    let answer = app.get(&format!("/api/v1/audit?{query}")).send().await.ok();
    answer["entries"].as_array().expect("entries").clone()
}

fn add_operator(app: &TestApp, name: &str) {
    let scope = Scope::new(Role::Operator, None, Vec::new(), None).expect("a scope");
    let mut account = new_account(name, None, &scope, START).expect("an account");
    account.password = Some(hash_password(PASSWORD, name).expect("a password"));
    assert!(app.accounts().store().add_account(&account).expect("a store"));
    app.accounts().look().expect("a store");
}

async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    let body = json!({"name": name, "password": password});
    app.post("/api/v1/session", body.to_string()).send().await
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["action"].as_str().expect("an action")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_are_shown_to_who_says_why_and_nowhere_else() {
    let (app, clock) = start().await;
    let receipt = app.report(&reported()).await;
    let id = receipt["incident"].as_str().expect("a UUID").to_owned();
    let path = format!("/api/v1/incidents/{id}/contacts");
    let operator = app.token(Role::Operator, "dlh", "82.71.01");
    let agency = app.token(Role::Agency, "dlh", "82.71.01");

    for (body, pointers) in [("{}", ["/reason"]), (r#"{"reason":"  "}"#, ["/reason"])] {
        let answer = app.post(&path, body).bearing(&operator).send().await;
        assert_eq!(answer.pointers(422), pointers, "{body}");
    }
    app.post(&path, r#"{"reason":"x"}"#).bearing(&agency).send().await.problem(403);
    app.post(&path, r#"{"reason":"x"}"#).by_the_public().send().await.problem(401);
    assert_eq!(actions(&audit(&app, "action=look-up").await), Vec::<&str>::new());

    clock.advance_ms(MINUTE_MS);
    let reason = r#"{"reason":"Menelepon balik soal lokasi"}"#;
    let answer = app.post(&path, reason).bearing(&operator).send().await.ok();
    let contact = &answer["contacts"][0];
    assert_eq!((&contact["name"], &contact["phone"]), (&json!("Siti Rahma"), &json!(PHONE)));
    assert_eq!((&contact["email"], &contact["code"]), (&json!("siti@example.id"), &receipt["code"]));
    let looks = audit(&app, &format!("incident={id}&action=look-up")).await;
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0]["note"], "Menelepon balik soal lokasi");
    assert!(looks[0]["actor"].as_str().is_some_and(|actor| actor.starts_with("token:")), "{}", looks[0]);
    assert_eq!(looks[0]["incident"], id.as_str());
    // A look changes nothing of the incident.
    let seen = app.get(&format!("/api/v1/incidents/{id}")).send().await.ok();
    assert_eq!(seen["properties"]["version"], 1, "{seen}");

    for path in [
        format!("/api/v1/incidents/{id}"),
        "/api/v1/incidents?status=new&include=archive".to_owned(),
        "/api/v1/hotspots?members=true".to_owned(),
        "/api/v1/clusters?bbox=127,0,128,1&zoom=13".to_owned(),
        "/api/v1/audit".to_owned(),
        "/api/v1/audit.csv".to_owned(),
        "/api/v1/shift-log".to_owned(),
        "/api/v1/sitrep".to_owned(),
        "/api/v1/statistics".to_owned(),
        format!("/api/v1/reports/{}", receipt["code"].as_str().expect("a code")),
    ] {
        let text = app.get(&path).send().await.text();
        for private in ["Siti", "7777", "siti@"] {
            assert!(!text.contains(private), "{path} gives away {private}: {text}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_tells_who_did_what_and_who_was_refused() {
    let (app, clock) = start().await;
    let store = app.accounts().store();
    add_operator(&app, "ani");
    let sign_in = async |name: &str, password: &str| sign_in(&app, name, password).await;
    sign_in("ani", "wrong-wrong-wrong").await.problem(401);
    // Whoever tries on and on is told of once a minute; a name that none can be is no guess.
    for _ in 0..40 {
        sign_in("gunung-api-rahasia-yang-panjang-sekali", "wrong-wrong-wrong").await.problem(401);
    }
    clock.advance_ms(MINUTE_MS);
    assert_eq!(sign_in("ani", PASSWORD).await.status, 200);
    let incident = app.report(&reported()).await["incident"].clone();
    clock.advance_ms(MINUTE_MS);
    app.act(&incident, "verify", &json!({"note": "sudah dilihat"})).await;
    clock.advance_ms(MINUTE_MS);
    let operator = app.token(Role::Operator, "dlh", "82.71.01");
    for _ in 0..3 {
        app.get("/api/v1/audit").bearing(&operator).send().await.problem(403);
    }

    let all = audit(&app, "").await;
    assert_eq!(actions(&all), ["denied", "verify", "sign-in", "sign-in-refused", "sign-in-refused"]);
    assert_eq!(all[0]["note"], "GET /api/v1/audit", "told once a minute");
    let verified = &all[1];
    assert_eq!((&verified["actor"], &verified["note"]), (&json!("loopback"), &json!("sudah dilihat")));
    assert_eq!((&verified["from"], &verified["to"]), (&json!("new"), &json!("verified")));
    assert_eq!((&verified["incident"], &all[2]["incident"]), (&incident, &Value::Null));
    assert_eq!((&all[2]["actor"], &all[2]["network"]), (&json!("ani"), &json!("127.0.0.1")));
    // What somebody typed as a name may be a password.
    let refused: Vec<&Value> = all[3..].iter().map(|entry| &entry["actor"]).collect();
    assert_eq!(refused, [&Value::Null, &json!("ani")]);
    assert!(!all.iter().any(|entry| entry.to_string().contains("rahasia")));

    assert_eq!(actions(&audit(&app, "actor=ani").await), ["sign-in", "sign-in-refused"]);
    assert_eq!(actions(&audit(&app, "action=verify").await), ["verify"]);
    let since = START.plus_ms(2 * MINUTE_MS);
    assert_eq!(actions(&audit(&app, &format!("since={since}")).await), ["denied", "verify"]);
    assert_eq!(actions(&audit(&app, &format!("until={since}")).await)[0], "sign-in");

    // Pages, whatever they are cut at, add up to the whole.
    for limit in 1..4 {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("/api/v1/audit?limit={limit}{cursor}")).send().await.ok();
            let entries = page["entries"].as_array().expect("entries");
            assert!(entries.len() <= limit);
            pages.extend(entries.clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(pages, all, "{limit}");
    }

    app.act(&incident, "note", &json!({"note": "=HYPERLINK(1)"})).await;
    let table = app.get("/api/v1/audit.csv?action=note").send().await;
    assert!(table.text().contains("'=HYPERLINK(1)"), "{}", table.text());
    for (query, pointer) in [
        ("action=dance", "action"),
        ("incident=7", "incident"),
        ("cursor=x", "cursor"),
        ("limit=0", "limit"),
        ("since=now", "since"),
        ("who=ani", "who"),
    ] {
        let answer = app.get(&format!("/api/v1/audit?{query}")).send().await;
        assert_eq!(answer.pointers(400), [pointer], "{query}");
    }
    let event = AccountEvent { actor: Some("command"), action: "account-role", ..AccountEvent::default() };
    store.add_events(&[event.row(START)]).expect("a store");
    assert_eq!(actions(&audit(&app, "action=account-role").await), ["account-role"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_logged_handed_over_and_reported() {
    let (app, clock) = start().await;
    let first = app.report(&report("garbage")).await["incident"].clone();
    clock.advance_ms(MINUTE_MS);
    let write = async |body: Value| app.post("/api/v1/shift-log", body.to_string()).send().await;
    assert_eq!(write(json!({"text": "Genset dinyalakan"})).await.status, 201);
    clock.advance_ms(MINUTE_MS);
    let handover = write(json!({"text": "Semua tenang", "kind": "handover"})).await.json();
    assert_eq!((&handover["kind"], &handover["actor"]), (&json!("handover"), &json!("loopback")));
    clock.advance_ms(MINUTE_MS);
    app.act(&first, "verify", &json!({})).await;
    app.act(&first, "resolve", &json!({"note": "diangkut"})).await;
    let second = app.report(&report("accident")).await["incident"].clone();
    assert_eq!(write(json!({"text": "Kecelakaan di pelabuhan"})).await.status, 201);
    clock.advance_ms(3 * HOUR_MS);
    app.report(&with(report("garbage"), json!({"drill": true}))).await;

    let log = app.get("/api/v1/shift-log").send().await.ok();
    let texts = |log: &Value| {
        let entries = log["entries"].as_array().expect("entries");
        entries.iter().map(|entry| entry["text"].as_str().expect("a text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&log), ["Kecelakaan di pelabuhan", "Semua tenang", "Genset dinyalakan"]);
    let page = app.get("/api/v1/shift-log?limit=1").send().await.ok();
    let next = page["next"].as_str().expect("another page");
    let rest = app.get(&format!("/api/v1/shift-log?cursor={next}")).send().await.ok();
    assert_eq!((texts(&rest).len(), &rest["next"]), (2, &Value::Null));

    let sitrep = app.get("/api/v1/sitrep").send().await.ok();
    assert_eq!(sitrep["since"], handover["at"], "it begins with the last handover");
    assert_eq!((&sitrep["now"]["total"], &sitrep["before"]["total"]), (&json!(1), &json!(1)));
    assert_eq!(sitrep["open"]["total"], 1);
    assert_eq!(sitrep["open"]["incidents"][0]["id"], format!("i:{}", second.as_str().expect("a UUID")));
    assert_eq!(sitrep["overdue"]["total"], 1, "an accident is due after two hours: {sitrep}");
    let changes = &sitrep["changes"];
    assert_eq!((&changes["opened"]["total"], &changes["resolved"]["total"]), (&json!(1), &json!(1)));
    assert_eq!(changes["newly_overdue"]["total"], 1);
    assert_eq!((&changes["actions"]["verify"], &changes["actions"]["reject"]), (&json!(1), &json!(0)));
    assert_eq!(
        sitrep["log"].as_array().map(Vec::len),
        Some(2),
        "the handover that it begins with, and one"
    );
    assert_eq!(sitrep["people"][0]["name"], "loopback");
    assert!(
        sitrep["summary"]["id"].as_str().is_some_and(|text| text.contains("1 terbuka, 1 terlambat")),
        "{sitrep}"
    );
    assert!(
        sitrep["summary"]["en"].as_str().is_some_and(|text| text.contains("1 open, 1 overdue")),
        "{sitrep}"
    );
    let drills = app.get("/api/v1/sitrep?drill=true").send().await.ok();
    assert_eq!(drills["open"]["total"], 1);

    // What the report said then is what it says of then.
    let until = START.plus_ms(3 * MINUTE_MS + 1);
    let then = app.get(&format!("/api/v1/sitrep?until={until}")).send().await.ok();
    assert_eq!((&then["open"]["total"], &then["overdue"]["total"]), (&json!(1), &json!(0)), "{then}");
    for query in ["until=2099-01-01T00:00:00Z", "until=soon"] {
        let answer = app.get(&format!("/api/v1/sitrep?{query}")).send().await;
        assert_eq!(answer.pointers(400), ["until"], "{query}");
    }
    let backwards = format!("/api/v1/sitrep?since={}&until={START}", START.plus_ms(MINUTE_MS));
    assert_eq!(app.get(&backwards).send().await.pointers(400), ["since"]);
    let answer = app.ask(Method::POST, "/api/v1/shift-log").body(r#"{"kind":"party"}"#).send().await;
    assert_eq!(answer.pointers(422), ["/text", "/kind"]);
    app.stop().await;
}

/// Who a report names: since when they are signed in, and how often they acted.
fn people(sitrep: &Value) -> Vec<(&str, bool, u64)> {
    let people = sitrep["people"].as_array().expect("people").iter();
    people
        .map(|one| {
            let acts = one["acts"].as_u64().expect("a number");
            (one["name"].as_str().expect("a name"), one["since"].is_string(), acts)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_counts_acts_of_its_kind_alone_and_names_who_was_there() {
    let (app, clock) = start().await;
    add_operator(&app, "ani");
    let drilled = with(report("water"), json!({"drill": true}));
    let (real, drill) = (app.report(&report("garbage")).await, app.report(&drilled).await);
    for (action, body) in
        [("verify", json!({})), ("assign", json!({"agency": "dlh"})), ("start", json!({}))]
    {
        app.act(&real["incident"], action, &body).await;
    }
    app.act(&drill["incident"], "verify", &json!({})).await;
    clock.advance_ms(HOUR_MS);
    assert_eq!(sign_in(&app, "ani", PASSWORD).await.status, 200);

    let sitrep = async |query: &str| app.get(&format!("/api/v1/sitrep{query}")).send().await.ok();
    let now = sitrep("").await;
    assert_eq!(people(&now), [("ani", true, 0), ("loopback", false, 3)]);
    assert_eq!(now["changes"]["actions"]["verify"], 1);
    let exercise = sitrep("?drill=true").await;
    assert_eq!(people(&exercise), [("ani", true, 0), ("loopback", false, 1)]);
    assert_eq!(exercise["changes"]["actions"]["assign"], 0);
    // Whoever is signed in now was not there then, however quiet it was since.
    clock.advance_ms(HOUR_MS);
    let then = START.plus_ms(HOUR_MS + MINUTE_MS);
    assert_eq!(people(&sitrep(&format!("?until={then}")).await), [("loopback", false, 3)]);
    assert_eq!(people(&sitrep("").await)[0], ("ani", true, 0));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sentence_of_a_report_says_what_its_sections_say() {
    let (app, _) = start().await;
    let told = async |resolved: u64| {
        let sitrep = app.get("/api/v1/sitrep").send().await.ok();
        assert_eq!(sitrep["changes"]["resolved"]["total"], resolved, "{sitrep}");
        for (lang, words) in [("id", "selesai"), ("en", "resolved")] {
            let sentence = sitrep["summary"][lang].as_str().expect("a sentence");
            assert!(sentence.contains(&format!(" {resolved} {words}")), "{sentence}");
        }
        sitrep["changes"]["actions"]["resolve"].clone()
    };
    let incident = app.report(&report("garbage")).await["incident"].clone();
    app.act(&incident, "verify", &json!({})).await;
    app.act(&incident, "resolve", &json!({"note": "diangkut"})).await;
    assert_eq!(told(1).await, 1);
    // What was opened again is not resolved; that somebody thought so was an act all the same.
    app.act(&incident, "reopen", &json!({"note": "masih ada"})).await;
    assert_eq!(told(0).await, 1);
    app.act(&incident, "resolve", &json!({"note": "diangkut"})).await;
    assert_eq!(told(1).await, 2);
    app.stop().await;
}
