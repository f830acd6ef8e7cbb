//! The API as its callers meet it: what is refused and how, what is answered once, who may do what.

use axum::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::app::{PATIENCE, Setup, TestApp, wait_for};
use crate::support::repo;

/// A place in the middle of Ternate.
pub const LNG: f64 = 127.38;
pub const LAT: f64 = 0.79;

pub fn report(category: &str) -> Value {
    json!({"category": category, "lng": LNG, "lat": LAT})
}

/// The report with some fields set or, where null, taken away.
pub fn with(mut report: Value, fields: Value) -> Value {
    for (key, value) in fields.as_object().expect("fields") {
        report[key] = value.clone();
    }
    report
}

/// The server is none the worse for what it was just sent.
async fn still_answers(app: &TestApp, after: &str) {
    let answer = app.post("/api/v1/reports", report("garbage").to_string()).send().await;
    assert_eq!(answer.status, 201, "after {after}: {}", answer.text());
    assert_eq!(app.get("/readyz").send().await.status, 200, "after {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_report_is_named_and_the_server_goes_on() {
    let app = TestApp::start().await;
    let check = async |name: &str, body: Vec<u8>, status: u16, pointers: &[&str]| {
        let answer = app.post("/api/v1/reports", body).send().await;
        assert_eq!(answer.pointers(status), pointers, "{name}: {}", answer.text());
        still_answers(&app, name).await;
    };
    let good = || report("garbage");
    let fields = |fields| with(good(), fields).to_string().into_bytes();
    let text = |text: &str| text.as_bytes().to_vec();
    let whole = &[""][..];

    check("nothing", Vec::new(), 400, whole).await;
    check("broken JSON", text(r#"{"category":"garbage","lng":127"#), 400, whole).await;
    check("no JSON", text("category=garbage"), 400, whole).await;
    check("a list", text("[]"), 400, whole).await;
    check("two documents", text("{}{}"), 400, whole).await;
    check("NaN", text(r#"{"category":"garbage","lng":NaN,"lat":0.79}"#), 400, whole).await;
    check("Infinity", text(r#"{"category":"garbage","lng":Infinity,"lat":0.79}"#), 400, whole).await;
    check(
        "wrong UTF-8",
        b"{\"category\":\"garb\xFFage\",\"lng\":127.38,\"lat\":0.79}".to_vec(),
        400,
        whole,
    )
    .await;
    check(
        "half a surrogate",
        text(r#"{"category":"garbage","lng":127.38,"lat":0.79,"description":"\ud800"}"#),
        422,
        &["/description"],
    )
    .await;
    check("1e999", text(r#"{"category":"garbage","lng":1e999,"lat":0.79}"#), 422, &["/lng"]).await;
    check(
        "-1e999 and a huge lat",
        text(r#"{"category":"garbage","lng":-1e999,"lat":1e308}"#),
        422,
        &["/lng"],
    )
    .await;
    check(
        "a long number",
        text(&format!(r#"{{"category":"garbage","lng":{},"lat":0.79}}"#, "9".repeat(5_000))),
        422,
        &["/lng"],
    )
    .await;
    check("only braces", text("{}"), 422, &["/category", "/lng", "/lat"]).await;
    check(
        "null for all",
        text(r#"{"category":null,"lng":null,"lat":null}"#),
        422,
        &["/category", "/lng", "/lat"],
    )
    .await;
    check(
        "wrong types",
        text(r#"{"category":7,"lng":"east","lat":[0.79],"drill":"yes","reporter":"Ani"}"#),
        422,
        &["/category", "/lng", "/lat", "/reporter", "/drill"],
    )
    .await;
    check(
        "unknown fields",
        fields(json!({"colour": "red", "reporter": {"age": 7}})),
        422,
        &["/colour", "/reporter/age"],
    )
    .await;
    check(
        "a field twice",
        text(r#"{"category":"garbage","lng":127.38,"lng":127.38,"lat":0.79}"#),
        422,
        &["/lng"],
    )
    .await;
    check("unknown category", fields(json!({"category": "kebakaran"})), 422, &["/category"]).await;
    check("swapped", fields(json!({"lng": LAT, "lat": LNG})), 422, &["/lng"]).await;
    check("out of range", fields(json!({"lng": 181, "lat": -91})), 422, &["/lng", "/lat"]).await;
    check("outside the city", fields(json!({"lng": 106.8, "lat": -6.2})), 422, &["/lng"]).await;
    check("tomorrow", fields(json!({"occurred_at": "2999-01-01T00:00:00Z"})), 422, &["/occurred_at"]).await;
    check("long ago", fields(json!({"occurred_at": "1066-10-14T09:00:00Z"})), 422, &["/occurred_at"]).await;
    check("no offset", fields(json!({"occurred_at": "2026-01-01T00:00:00"})), 422, &["/occurred_at"]).await;
    check("year 99999", fields(json!({"occurred_at": "+99999-01-01T00:00:00Z"})), 422, &["/occurred_at"])
        .await;
    check("negative accuracy", fields(json!({"accuracy_m": -1})), 422, &["/accuracy_m"]).await;
    check(
        "unknown incident",
        fields(json!({"incident": "01890000-0000-7000-8000-000000000000"})),
        422,
        &["/incident"],
    )
    .await;
    check("no UUID", fields(json!({"incident": "7"})), 422, &["/incident"]).await;
    check("import as channel", fields(json!({"channel": "import"})), 422, &["/channel"]).await;
    check("a control character", fields(json!({"description": "a\u{0}b"})), 422, &["/description"]).await;
    check(
        "contact",
        fields(json!({"reporter": {"name": "A\nB", "phone": "call me", "email": "at home"}})),
        422,
        &["/reporter/name", "/reporter/phone", "/reporter/email"],
    )
    .await;
    check("5,000 signs", fields(json!({"description": "ß".repeat(5_000)})), 422, &["/description"]).await;
    check("100 kB", fields(json!({"description": "x".repeat(100_000)})), 413, &[]).await;
    check("10 MB", fields(json!({"description": "x".repeat(10_000_000)})), 413, &[]).await;
    check(
        "deep nesting",
        format!(r#"{{"category":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000)).into_bytes(),
        422,
        &["/category", "/lng", "/lat"],
    )
    .await;
    check("deep and open", "[".repeat(60_000).into_bytes(), 400, whole).await;
    let many: Vec<String> = (0..1_000).map(|i| format!(r#""f{i}":1"#)).collect();
    check("a thousand fields", format!("{{{}}}", many.join(",")).into_bytes(), 400, whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_question_is_refused_by_the_name_of_the_parameter() {
    let app = TestApp::start().await;
    let check = async |path: &str, pointers: &[&str]| {
        let path = path.replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        let answer = app.get(&format!("/api/v1/{path}")).send().await;
        assert_eq!(answer.pointers(400), pointers, "{path}: {}", answer.text());
    };
    let circle = |n: usize| {
        let point = |i: usize| {
            let angle = std::f64::consts::TAU * (i % n) as f64 / n as f64;
            format!("{:.7}%20{:.7}", LNG + angle.cos(), LAT + angle.sin())
        };
        format!("POLYGON(({}))", (0..=n).map(point).collect::<Vec<_>>().join(","))
    };
    check("incidents?colour=red&size=2", &["colour", "size"]).await;
    check("incidents?limit=-1", &["limit"]).await;
    check("incidents?limit=0", &["limit"]).await;
    check("incidents?limit=1001", &["limit"]).await;
    check("incidents?limit=99999999999999999999", &["limit"]).await;
    check("incidents?limit=ten&limit=20", &["limit", "limit"]).await;
    check("incidents?bbox=1,2,3", &["bbox"]).await;
    check("incidents?bbox=NaN,0,1,1", &["bbox"]).await;
    check("incidents?bbox=1e999,0,1,1", &["bbox"]).await;
    check("incidents?bbox=127,0.9,128,0.7", &["bbox"]).await;
    check("incidents?bbox=-181,0,1,1", &["bbox"]).await;
    check("incidents?bbox=0,0,1,91", &["bbox"]).await;
    check("incidents?near=127.38,0.79", &["radius_m"]).await;
    check("incidents?radius_m=100", &["near"]).await;
    check("incidents?near=127.38&radius_m=100", &["near"]).await;
    check("incidents?near=0.79,127.38&radius_m=100", &["near"]).await;
    check("incidents?near=127.38,0.79&radius_m=-1", &["radius_m"]).await;
    check("incidents?near=127.38,0.79&radius_m=NaN", &["radius_m"]).await;
    check("incidents?near=NaN,0.79&radius_m=inf", &["near", "radius_m"]).await;
    check("incidents?category=garbage,kebakaran", &["category"]).await;
    check("incidents?status=open", &["status"]).await;
    check("incidents?agency=fire", &["agency"]).await;
    check("incidents?area=82.72", &["area"]).await;
    check("incidents?category=", &["category"]).await;
    check("incidents?since=yesterday&until=2026-01-01", &["since", "until"]).await;
    check("incidents?overdue=1&drill=both", &["overdue", "drill"]).await;
    check("incidents?q=%20", &["q"]).await;
    check(&format!("incidents?q={}", "x".repeat(300)), &["q"]).await;
    check("incidents?q=%FF", &["q"]).await;
    check("incidents?sort=loudness", &["sort"]).await;
    check("incidents?include=trash", &["include"]).await;
    check("incidents?cell=c:99/0/0", &["cell"]).await;
    check("incidents?cell=c:3/8/0", &["cell"]).await;
    check("incidents?cursor=abc", &["cursor"]).await;
    check("incidents?cursor=1.2.opened_at", &["cursor"]).await;
    check("incidents?cursor=1.2.-opened_at&sort=opened_at", &["cursor"]).await;
    check("incidents?cursor=99999999999999999999.2.-opened_at", &["cursor"]).await;
    check("incidents?within=POLYGON((127%200,128%201,128%200,127%201,127%200))", &["within"]).await;
    check("incidents?within=POINT(127%200)", &["within"]).await;
    check("incidents?within=POLYGON((0%2091,1%2092,1%2091,0%2091))", &["within"]).await;
    check("incidents?within=POLYGON((0%200,NaN%201,1%200,0%200))", &["within"]).await;
    check("incidents?within=POLYGON%20EMPTY", &["within"]).await;
    check("incidents?within={\"type\":\"Polygon\"}", &["within"]).await;
    check("incidents?within={\"type\":\"Polygon\",\"coordinates\":[[[0,0],[1,1]]]}", &["within"]).await;
    check(&format!("incidents?within={}", circle(1_500)), &["within"]).await;
    let deep = "GEOMETRYCOLLECTION(".repeat(3_000);
    check(&format!("incidents?within={deep}"), &["within"]).await;
    check(
        &format!("incidents?within={}{}", "{\"geometries\":[".repeat(1_000), "]}".repeat(1_000)),
        &["within"],
    )
    .await;
    check("clusters", &["bbox", "zoom"]).await;
    check("clusters?bbox=0,0,1,1&zoom=21", &["zoom"]).await;
    check("clusters?bbox=0,0,1,1&zoom=3.5", &["zoom"]).await;
    check("clusters?bbox=0,0,1&zoom=-1&limit=3", &["bbox", "zoom", "limit"]).await;
    check("hotspots?zoom=3", &["zoom"]).await;
    check("hotspots?members=yes", &["members"]).await;
    check("stats?bbox=0,0,1,1", &["bbox"]).await;
    check("areas?level=village", &["level"]).await;
    check("city?lang=id", &["lang"]).await;
    still_answers(&app, "faulty questions").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_nowhere_ends_the_list_or_begins_it_but_never_the_server() {
    let app = TestApp::start().await;
    app.report(&report("garbage")).await;
    for sort in ["-opened_at", "opened_at", "-updated_at", "-reports", "due_at"] {
        for value in [i64::MIN, -1, 0, 1, i64::MAX] {
            for no in [0, 1, u32::MAX] {
                let path = format!("/api/v1/incidents?sort={sort}&cursor={value}.{no}.{sort}");
                let answer = app.get(&path).send().await;
                assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_whatever_the_address_or_method() {
    let app = TestApp::start().await;
    let receipt = app.report(&report("garbage")).await;
    let incident = receipt["incident"].as_str().unwrap();
    let act = format!("/api/v1/incidents/{incident}/verify");
    let check = async |method: Method, path: &str, status: u16| {
        let answer = app.ask(method.clone(), path).send().await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        answer.problem(status);
    };
    for path in
        ["/nothing", "/api", "/api/v1", "/api/v1/", "/api/v2/incidents", "/wall/", "/assets/nothing.js"]
    {
        check(Method::GET, path, 404).await;
    }
    check(Method::GET, "/api/v1/areas/82.72", 404).await;
    check(Method::GET, "/api/v1/areas/%FF", 400).await;
    for code in ["TTE-0000-00000", "x", "TTE-7K3M-9QXAC", "%00", "%F0%9F%94%A5"] {
        check(Method::GET, &format!("/api/v1/reports/{code}"), 404).await;
    }
    for id in ["7", "01890000-0000-7000-8000-000000000000", "i:", "%2e%2e"] {
        check(Method::GET, &format!("/api/v1/incidents/{id}"), 404).await;
        check(Method::POST, &format!("/api/v1/incidents/{id}/verify"), 404).await;
    }
    check(Method::POST, &format!("/api/v1/incidents/{incident}/delete"), 404).await;
    for (method, path) in [
        (Method::DELETE, "/api/v1/reports"),
        (Method::GET, "/api/v1/reports"),
        (Method::POST, "/api/v1/incidents"),
        (Method::PUT, "/api/v1/clusters"),
        (Method::PATCH, "/wall"),
        (Method::POST, "/healthz"),
        (Method::OPTIONS, "/api/v1/stats"),
        (Method::GET, &*act),
    ] {
        check(method, path, 405).await;
    }
    check(Method::GET, "/api/v1/live", 426).await;
    check(Method::POST, "/api/v1/clock", 409).await;
    check(Method::POST, "/api/v1/import", 400).await;
    let answer = app.ask(Method::DELETE, "/api/v1/reports").send().await;
    assert_eq!(answer.header("allow"), "POST");
    let answer = app.post("/api/v1/import?source=x", vec![b'x'; 5_000_000]).send().await;
    answer.problem(413);
    still_answers(&app, "wrong addresses").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multipart_takes_the_report_and_refuses_what_is_not_one() {
    let app = TestApp::start().await;
    let send = async |kind: &str, body: &str| {
        app.post("/api/v1/reports", body).header("content-type", kind).send().await
    };
    let form = "multipart/form-data; boundary=b";
    let part = |name: &str, text: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let good = report("garbage").to_string();
    let taken = send(form, &format!("{}--b--\r\n", part("report", &good))).await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    let photo = send(form, &format!("{}{}--b--\r\n", part("photo", "JFIF"), part("report", &good))).await;
    assert_eq!(photo.status, 201, "{}", photo.text());
    assert_eq!(photo.json()["warnings"][0]["reason"], "format");

    for (name, kind, body) in [
        ("no boundary", "multipart/form-data", String::new()),
        ("nothing", form, String::new()),
        ("no parts", form, "--b--\r\n".to_owned()),
        ("not a form", form, good.clone()),
        ("cut off", form, part("report", &good)),
        ("cut off in the middle", form, "--b\r\nContent-Disposition: form-data; name=\"rep".to_owned()),
        ("no report", form, format!("{}--b--\r\n", part("note", "x"))),
        ("twice", form, format!("{0}{0}--b--\r\n", part("report", &good))),
        ("no name", form, "--b\r\n\r\nx\r\n--b--\r\n".to_owned()),
    ] {
        let answer = send(kind, &body).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        answer.problem(400);
    }
    let faulty = send(form, &format!("{}--b--\r\n", part("report", "{}"))).await;
    assert_eq!(faulty.pointers(422), ["/category", "/lng", "/lat"]);
    let large = send(form, &format!("{}--b--\r\n", part("report", &"x".repeat(2_000_000)))).await;
    large.problem(413);
    still_answers(&app, "multipart").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_stored_once_and_answered_alike_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let body = report("garbage").to_string();
    let send = async |app: &TestApp, key: &str, body: &str| {
        app.post("/api/v1/reports", body).header("idempotency-key", key).send().await
    };
    let first = send(&app, "k-1", &body).await;
    assert_eq!(first.status, 201);
    let location = first.header("location").to_owned();
    let again = send(&app, "k-1", &body).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("location"), location);
    send(&app, "k-1", &report("water").to_string()).await.problem(422);
    assert_ne!(send(&app, "k-2", &body).await.body, first.body, "another key is another report");
    let without = [app.report(&report("garbage")).await, app.report(&report("garbage")).await];
    assert_ne!(without[0], without[1], "without a key nothing is merged");
    for key in [&b""[..], &[b'k'; 256], b"k\xFC"] {
        let answer = app.post("/api/v1/reports", &*body).header("idempotency-key", key).send().await;
        answer.problem(400);
    }
    app.stop().await;

    let app = Setup::in_folder(folder.path()).start().await;
    let after = send(&app, "k-1", &body).await;
    assert_eq!((after.status, &after.body), (201, &first.body));
    send(&app, "k-1", &report("water").to_string()).await.problem(422);
    let found = app.get(&location).send().await.ok();
    assert_eq!(found["code"], first.json()["code"]);
    let matched = &app.get("/api/v1/incidents").send().await.ok()["numberMatched"];
    assert_eq!(*matched, 4, "k-1, k-2 and two without");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_found_by_its_code_and_joins_the_incident_it_names() {
    let app = TestApp::start().await;
    let answer = app.post("/api/v1/reports", report("water").to_string()).send().await;
    let receipt = answer.json();
    let code = receipt["code"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/reports/{code}"));
    assert_eq!(answer.header("cache-control"), "no-store");

    let spoken = code.to_lowercase().replace('-', "%20");
    for written in [code, &spoken] {
        let found = app.get(&format!("/api/v1/reports/{written}")).by_the_public().send().await.ok();
        assert_eq!(found["code"], code);
        assert_eq!(found["category"], "water");
        assert_eq!(found["status"], "new");
        assert!(found["seq"].as_u64() >= receipt["seq"].as_u64());
        let keys: Vec<&String> = found.as_object().unwrap().keys().collect();
        let expected = [
            "agency",
            "answers",
            "category",
            "code",
            "drill",
            "joined",
            "photos",
            "received_at",
            "seq",
            "status",
            "steps",
            "updated_at",
        ];
        assert_eq!(keys, expected);
    }
    let joined = app.report(&with(report("water"), json!({"incident": receipt["incident"]}))).await;
    assert_eq!(joined["incident"], receipt["incident"]);
    assert_ne!(joined["code"], receipt["code"]);
    app.act(&receipt["incident"], "verify", &json!({})).await;
    let incident = app
        .get(&format!("/api/v1/incidents/i:{}", receipt["incident"].as_str().unwrap()))
        .send()
        .await
        .ok();
    assert_eq!(incident["properties"]["reports"], 2);
    assert_eq!(incident["properties"]["log"].as_array().unwrap().len(), 3);
    let found = app.get(&format!("/api/v1/reports/{}", joined["code"].as_str().unwrap())).send().await.ok();
    assert_eq!(found["status"], "verified");

    let join = async |fields: Value| {
        let body = with(with(report("water"), json!({"incident": receipt["incident"]})), fields);
        app.post("/api/v1/reports", body.to_string()).send().await
    };
    let mismatch = join(json!({"drill": true})).await.problem(409);
    assert_eq!(mismatch["type"], "/problems/drill-mismatch");
    app.act(&receipt["incident"], "resolve", &json!({})).await;
    assert_eq!(join(json!({})).await.problem(409)["type"], "/problems/incident-closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_marked_wherever_it_shows_and_public_only_when_asked_for() {
    let app = TestApp::start().await;
    let drill = app.report(&with(report("garbage"), json!({"drill": true}))).await;
    let real = app.report(&report("garbage")).await;
    for receipt in [&drill, &real] {
        app.act(&receipt["incident"], "verify", &json!({})).await;
    }
    let matched = async |query: &str, public: bool| {
        let ask = app.get(&format!("/api/v1/incidents{query}"));
        let answer = if public { ask.by_the_public() } else { ask }.send().await.ok();
        answer["features"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["properties"]["drill"].as_bool().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(matched("", false).await, [false, true]);
    assert_eq!(matched("?drill=true", false).await, [true]);
    assert_eq!(matched("?drill=false", false).await, [false]);
    assert_eq!(matched("", true).await, [false]);
    assert_eq!(matched("?drill=false", true).await, [false]);
    assert_eq!(matched("?drill=true", true).await, [true]);
    let code = drill["code"].as_str().unwrap();
    assert_eq!(app.get(&format!("/api/v1/reports/{code}")).send().await.ok()["drill"], true);
    let stats = app.get("/api/v1/stats").by_the_public().send().await.ok();
    assert_eq!((&stats["total"], &stats["by_status"]["verified"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_action_does_what_the_table_of_transitions_says() {
    let app = TestApp::start().await;
    let ways = [
        ("new", &[][..]),
        ("verified", &["verify"][..]),
        ("in_progress", &["verify", "start"][..]),
        ("resolved", &["verify", "resolve"][..]),
        ("rejected", &["reject"][..]),
    ];
    let body = |action: &str| match action {
        "assign" => json!({"agency": "pupr"}),
        "reject" => json!({"note": "seen", "disposition": "duplicate"}),
        "note" | "answer" | "return" => json!({"note": "seen"}),
        "check" => json!({"step": "measure"}),
        _ => json!({}),
    };
    // Action, and the status that it leads to from each of the five; "" where it is refused.
    let table = [
        ("verify", ["verified", "", "", "", ""]),
        ("reject", ["rejected", "rejected", "rejected", "", ""]),
        ("assign", ["new", "verified", "in_progress", "", ""]),
        ("start", ["", "in_progress", "", "", ""]),
        ("resolve", ["", "resolved", "resolved", "", ""]),
        ("reopen", ["", "", "", "verified", "new"]),
        ("note", ["new", "verified", "in_progress", "resolved", "rejected"]),
        ("answer", ["new", "verified", "in_progress", "resolved", "rejected"]),
        ("return", ["new", "verified", "verified", "", ""]),
        ("check", ["new", "verified", "in_progress", "resolved", ""]),
    ];
    for (action, leads_to) in table {
        for ((from, way), to) in ways.iter().zip(leads_to) {
            let incident = app.report(&report("garbage")).await["incident"].clone();
            for step in *way {
                app.act(&incident, step, &body(step)).await;
            }
            let path = format!("/api/v1/incidents/{}/{action}", incident.as_str().unwrap());
            let answer = app.post(&path, body(action).to_string()).send().await;
            if to.is_empty() {
                assert_eq!(answer.problem(409)["type"], "/problems/transition", "{action} from {from}");
                continue;
            }
            let after = answer.ok();
            assert_eq!(after["properties"]["status"], to, "{action} from {from}");
            let version = after["properties"]["version"].as_u64().unwrap();
            assert_eq!(version, way.len() as u64 + 2, "{action} from {from}");
            if action == "assign" {
                assert_eq!(after["properties"]["agency"], "pupr");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_names_an_old_version_is_refused() {
    let app = TestApp::start().await;
    let incident = app.report(&report("garbage")).await["incident"].clone();
    let id = incident.as_str().unwrap();
    app.act(&incident, "verify", &json!({"version": 1})).await;
    let answer = app.post(&format!("/api/v1/incidents/{id}/start"), r#"{"version":1}"#).send().await;
    assert_eq!(answer.problem(409)["type"], "/problems/version");
    app.act(&incident, "start", &json!({"version": 2})).await;
    for (action, body, pointers) in [
        ("start", r#"{"version":0}"#, &["/version"][..]),
        ("assign", r#"{"agency":"fire"}"#, &["/agency"][..]),
        ("assign", "", &["/agency"][..]),
        ("note", r#"{"note":7,"colour":"red"}"#, &["/colour", "/note"][..]),
    ] {
        let answer = app.post(&format!("/api/v1/incidents/{id}/{action}"), body).send().await;
        assert_eq!(answer.pointers(422), pointers, "{action} {body}");
    }
    app.post(&format!("/api/v1/incidents/{id}/note"), "[").send().await.problem(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_staff_learns_nothing_from_an_action() {
    let app = TestApp::start().await;
    let incident = app.report(&report("garbage")).await["incident"].clone();
    let id = incident.as_str().unwrap();
    let paths = [id, "nonsense", "01890000-0000-7000-8000-000000000000"];
    for id in paths {
        for (action, body) in [("verify", ""), ("dance", "{"), ("note", "\u{1}")] {
            let answer =
                app.post(&format!("/api/v1/incidents/{id}/{action}"), body).by_the_public().send().await;
            assert_eq!(answer.problem(401)["type"], "/problems/unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        app.get(&format!("/api/v1/incidents/{id}")).by_the_public().send().await.problem(401);
    }
    for path in ["/api/v1/clock", "/api/v1/import", "/api/v1/import?source=x"] {
        app.post(path, "x").by_the_public().send().await.problem(401);
    }
    app.get("/api/v1/hotspots?members=true").by_the_public().send().await.problem(401);
    app.get("/api/v1/hotspots?members=true").send().await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_straight_visit_from_this_machine_is_staff() {
    for trust_loopback in [true, false] {
        let app = Setup { trust_loopback, ..Setup::default() }.start().await;
        let own = format!("http://{}", app.address);
        let check = async |name: &str, headers: &[(&str, &str)], peer: &str, query: &str, trusted: bool| {
            let mut ask = app.get(&format!("/api/v1/city{query}")).coming_from(peer);
            for (name, value) in headers {
                ask = if value.is_empty() { ask.without(name) } else { ask.header(name, value) };
            }
            let projection = ask.send().await.ok()["projection"].clone();
            let expected = if trusted && trust_loopback { "staff" } else { "public" };
            assert_eq!(projection, expected, "{name}, trust {trust_loopback}");
        };
        let here = "127.0.0.1:5";
        check("straight", &[], here, "", true).await;
        check("IPv6", &[("host", "[::1]:8080")], "[::1]:5", "", true).await;
        check("mapped", &[], "[::ffff:127.0.0.1]:5", "", true).await;
        check("by name", &[("host", "localhost")], here, "", true).await;
        check("our page", &[("origin", &own)], here, "", true).await;
        check("lowered", &[], here, "?projection=public", false).await;
        check("lowered and raised", &[], here, "?projection=public&projection=staff", false).await;
        check("from elsewhere", &[], "192.0.2.1:5", "", false).await;
        check("foreign host", &[("host", "pantau.example")], here, "", false).await;
        check("host that begins like ours", &[("host", "127.0.0.1.example")], here, "", false).await;
        check("no host", &[("host", "")], here, "", false).await;
        check("forwarded", &[("forwarded", "for=192.0.2.1")], here, "", false).await;
        check("x-forwarded-for", &[("x-forwarded-for", "127.0.0.1")], here, "", false).await;
        check("x-forwarded-host", &[("x-forwarded-host", "localhost")], here, "", false).await;
        check("foreign page", &[("origin", "http://evil.example")], here, "", false).await;
        check("no page at all", &[("origin", "null")], here, "", false).await;
        check("page on another port", &[("origin", "http://127.0.0.1:1")], here, "", false).await;
        for raised in ["staff", "responder", "Public", ""] {
            let answer = app.get(&format!("/api/v1/city?projection={raised}")).send().await;
            answer.problem(400);
        }
        app.get("/api/v1/city").header("authorization", "Bearer x").send().await.problem(401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_can_change_nothing() {
    let app = TestApp::start().await;
    let incident = app.report(&report("garbage")).await["incident"].clone();
    let body = report("garbage").to_string();
    let foreign = app.post("/api/v1/reports", body).header("origin", "http://evil.example").send().await;
    assert_eq!(foreign.problem(403)["type"], "/problems/foreign-origin");
    let path = format!("/api/v1/incidents/{}/verify", incident.as_str().unwrap());
    app.post(&path, "").header("origin", "http://evil.example").send().await.problem(403);
    app.get("/api/v1/live").header("origin", "http://evil.example").send().await.problem(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_list_visit_each_incident_once_while_others_come() {
    let app = TestApp::start().await;
    let mut before = Vec::new();
    for _ in 0..97 {
        before.push(app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned());
    }
    before.sort();
    for sort in ["-opened_at", "opened_at", "-reports", "due_at"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page =
                app.get(&format!("/api/v1/incidents?limit=10&sort={sort}{cursor}")).send().await.ok();
            let features = page["features"].as_array().unwrap();
            assert_eq!(page["numberReturned"], features.len());
            seen.extend(
                features.iter().map(|f| f["id"].as_str().unwrap().trim_start_matches("i:").to_owned()),
            );
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
            app.report(&report("garbage")).await;
        }
        let n_seen = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), n_seen, "{sort}: none twice");
        let found = seen.iter().filter(|id| before.binary_search(id).is_ok()).count();
        assert_eq!(found, before.len(), "{sort}: each once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_of_clusters_add_up_to_what_matches_at_every_zoom_and_filter() {
    let app = Setup { city: crate::support::blank(), ..Setup::default() }.start().await;
    let categories = ["garbage", "traffic", "water", "accident"];
    let places = [
        (127.38, 0.79),
        (127.381, 0.79),
        (127.3801, 0.7901),
        (106.8, -6.2),
        (180.0, 0.0),
        (-180.0, 0.0),
        (179.9999, -16.0),
        (0.0, 90.0),
        (0.0, -90.0),
        (10.0, 86.0),
    ];
    for (i, (lng, lat)) in places.iter().cycle().take(60).enumerate() {
        let fields = json!({"lng": lng, "lat": lat, "drill": i % 7 == 0, "description": "Banjir"});
        let incident = app.report(&with(report(categories[i % 4]), fields)).await["incident"].clone();
        let acts: &[&str] =
            [&[][..], &["verify"], &["verify", "start"], &["verify", "resolve"], &["verify", "reject"]]
                [i % 5];
        for act in acts {
            let body = match *act {
                "reject" => json!({"note": "x", "disposition": "ghost"}),
                _ => json!({"note": "x"}),
            };
            app.act(&incident, act, &body).await;
        }
    }
    let filters = [
        "",
        "category=garbage",
        "category=garbage,accident&drill=false",
        "status=resolved,rejected",
        "drill=true",
        "status=new,verified,in_progress,resolved,rejected",
        "q=banjir",
        "overdue=false&projection=public",
        "projection=public&status=resolved",
        "within=POLYGON((100%20-10,130%20-10,130%2010,100%2010,100%20-10))",
    ];
    for filter in filters {
        let number =
            async |path: String, key: &str| app.get(&path).send().await.ok()[key].as_u64().unwrap();
        let matched = number(format!("/api/v1/incidents?{filter}"), "numberMatched").await;
        assert_eq!(number(format!("/api/v1/stats?{filter}"), "total").await, matched, "{filter}");
        if filter.is_empty() {
            assert_eq!(matched, 36);
        }
        for zoom in 0..=20 {
            let path = format!("/api/v1/clusters?bbox=-180,-90,180,90&zoom={zoom}&{filter}");
            let clusters = app.get(&path).send().await.ok();
            let count = |feature: &Value| feature["properties"]["count"].as_u64().unwrap_or(1);
            let sum: u64 = clusters["features"].as_array().unwrap().iter().map(count).sum();
            assert_eq!(sum, matched, "{path}");
        }
    }
}

/// What the public must never see, each with a mark that nothing else has.
const MARKS: [&str; 7] =
    ["KANARI", "08123777999", "8123777999", "kanari@", "127.3812345", "127.38123", "0.79876"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_reaches_the_public_by_any_way() {
    let app = TestApp::start().await;
    let reporter = |i: usize| json!({"name": "KANARI Nama", "phone": "08123777999", "email": format!("kanari@n{i}.example")});
    let mut socket = crate::support::socket::Socket::connect(app.address, "?projection=public").await;
    socket
        .subscribe(
            json!({"bbox": [-180, -90, 180, 90], "zoom": 20, "layers": ["incidents", "hotspots", "stats"]}),
        )
        .await;
    let mut codes = Vec::new();
    for i in 0..10 {
        for category in ["accident", "social", "garbage"] {
            let mut fields = json!({"description": "KANARI teks", "lng": 127.3812345, "lat": 0.79876543,
                "reporter": {"name": "KANARI Nama", "device": format!("KANARI-{i}")}});
            if category == "garbage" {
                // Not sensitive: its place is public, so it has no mark.
                fields = with(fields, json!({"lng": 127.39, "lat": 0.8, "reporter": reporter(i)}));
            }
            let receipt = app.report(&with(report(category), fields)).await;
            app.act(&receipt["incident"], "verify", &json!({"note": "KANARI catatan"})).await;
            codes.push(receipt["code"].as_str().unwrap().to_owned());
        }
    }
    let unverified =
        app.report(&with(report("garbage"), json!({"lng": 127.3812345, "lat": 0.79876543}))).await;
    let drill = app.report(&with(report("garbage"), json!({"drill": true, "lng": 127.3812345}))).await;
    app.act(&drill["incident"], "verify", &json!({})).await;
    wait_for("public hotspots", async || {
        let hotspots = app.get("/api/v1/hotspots").by_the_public().send().await.ok();
        (hotspots["features"].as_array()?.len() >= 3).then_some(())
    })
    .await;

    let mut paths: Vec<String> = [
        "incidents?status=new,verified,resolved,rejected",
        "incidents?limit=1000",
        "hotspots",
        "stats",
        "city",
        "areas",
    ]
    .map(|path| format!("/api/v1/{path}"))
    .to_vec();
    paths.extend((0..=20).map(|zoom| format!("/api/v1/clusters?bbox=-180,-90,180,90&zoom={zoom}")));
    paths.extend(codes.iter().map(|code| format!("/api/v1/reports/{code}")));
    paths.extend(["/healthz", "/readyz", "/metrics", "/openapi.json"].map(str::to_owned));
    let mut seen = String::new();
    for path in &paths {
        let answer = app.get(path).by_the_public().send().await;
        assert_eq!(answer.status, 200, "{path}");
        seen += &answer.text();
    }
    let target = app.live().seq().0;
    socket.until("the public's socket to be in step", |client| client.seq >= target).await;
    seen += &socket.seen;
    for mark in MARKS {
        let at = seen.find(mark);
        assert!(at.is_none(), "{mark}: …{}…", at.map_or("", |at| &seen[at.saturating_sub(200)..at + 100]));
    }
    let unverified = unverified["incident"].as_str().unwrap();
    assert!(!seen.contains(unverified), "an unverified incident is not public, not even its name");
    // A delta may say that a drill left its cell; no frame shows it.
    let drill = format!("\"id\":\"i:{}", drill["incident"].as_str().unwrap());
    assert!(!seen.contains(&drill), "a drill is not public unless asked for");

    // Nor does a question find what an answer must not hold.
    let matched = async |query: &str| {
        let path = format!("/api/v1/incidents?status=new,verified,in_progress,resolved,rejected&{query}");
        app.get(&path).by_the_public().send().await.ok()["numberMatched"].as_u64().unwrap()
    };
    assert_eq!(matched("").await, 30);
    let questions = [
        "q=kanari",
        "q=08123777999",
        "near=127.3812345,0.79876543&radius_m=5",
        "bbox=127.3812,0.7987,127.3813,0.7988",
    ];
    for query in questions {
        assert_eq!(matched(query).await, 0, "{query}");
    }
    let new = app.get("/api/v1/incidents?status=new").by_the_public().send().await.ok();
    assert_eq!(new["numberMatched"], 0);
    // The marks are there for staff, or this test would prove nothing.
    let staff = app.get("/api/v1/incidents?limit=1000&q=kanari").send().await;
    assert_eq!(staff.json()["numberMatched"], 30);
    assert!(staff.text().contains("127.3812345"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_every_route_of_the_router_and_no_other() {
    // Pages and files are for browsers; what describes itself need not describe that.
    let for_browsers = [
        "/",
        "/wall",
        "/console",
        "/field",
        "/embed",
        "/login",
        "/statistics",
        "/sitrep",
        "/handover",
        "/audit",
        "/replay",
        "/assets/",
        "/favicon.svg",
        "/tiles/",
        "/openapi.json",
        "/docs",
    ];
    let source = std::fs::read_to_string(repo("src/api/mod.rs")).unwrap();
    let mut routes = Vec::new();
    let (api, rest) = source.split_once(".nest(\"/api/v1\"").expect("the API is nested");
    for (prefix, part) in [("/api/v1", api), ("", rest)] {
        for piece in part.split(".route(\"").skip(1) {
            let path = piece.split('"').next().unwrap();
            let is_page = for_browsers.iter().any(|page| {
                path == *page || page.len() > 1 && page.ends_with('/') && path.starts_with(page)
            });
            if !prefix.is_empty() || !is_page {
                routes.push(format!("{prefix}{path}"));
            }
        }
    }
    assert!(routes.len() > 10, "{routes:?}");
    routes.sort();
    let app = TestApp::start().await;
    let openapi = app.get("/openapi.json").send().await.ok();
    let mut described: Vec<&String> = openapi["paths"].as_object().unwrap().keys().collect();
    described.sort();
    assert_eq!(routes.iter().collect::<Vec<_>>(), described);
}

/// Sends bytes as they are and reads what comes back until the server is done.
async fn over_tcp(app: &TestApp, head: &str, body: &[u8]) -> String {
    let tcp = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let (mut read, mut write) = tcp.into_split();
    let sending = async {
        // The server may refuse before it has read all.
        let _ = write
            .write_all(format!("{head}\r\nHost: {}\r\nConnection: close\r\n", app.address).as_bytes())
            .await;
        let _ = write.write_all(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()).await;
        let _ = write.write_all(body).await;
    };
    let mut answer = Vec::new();
    let reading = async {
        let _ = read.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(sending, reading) })
        .await
        .expect("an answer in time");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_read_and_in_words() {
    let app = TestApp::start().await;
    let json = "POST /api/v1/reports HTTP/1.1\r\nContent-Type: application/json";
    let large = with(report("garbage"), json!({"description": "x".repeat(10_000_000)})).to_string();
    let answer = over_tcp(&app, json, large.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:.200}");
    assert!(answer.contains("/problems/too-large"), "{answer:.900}");

    let import = "POST /api/v1/import?source=x HTTP/1.1\r\nContent-Type: application/x-ndjson";
    let answer = over_tcp(&app, import, &vec![b'x'; 30_000_000]).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:.200}");

    // A polygon of 100,000 points does not fit into an address; the library says so, without our words.
    let points = vec!["127.38%200.79"; 100_000].join(",");
    let answer =
        over_tcp(&app, &format!("GET /api/v1/incidents?within=POLYGON(({points})) HTTP/1.1"), b"").await;
    assert!(answer.starts_with("HTTP/1.1 414 ") || answer.starts_with("HTTP/1.1 431 "), "{answer:.200}");
    let answer = over_tcp(&app, &format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(1_000_000)), b"").await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:.200}");
    for garbage in ["\u{16}\u{3}\u{1}", "GET", "GET / HTTP/9.9", "BREW /pot HTTP/1.1\r\nContent-Length: -1"]
    {
        let answer = over_tcp(&app, garbage, b"").await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{garbage}: {answer:.200}");
    }
    still_answers(&app, "what is too large").await;
}
