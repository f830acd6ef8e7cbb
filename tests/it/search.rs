//! The search box of the center: what it finds, for whom, and what it never finds.

use pantau::access::Role;
use pantau::cli::chance::Chance;
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::policy::{OWN_AGENCY, OWN_AREA, spot};
use crate::support::app::{Answer, Setup, TestApp};

const PHONE: &str = "0812-7777-0001";

async fn strict() -> TestApp {
    Setup { trust_loopback: false, ..Setup::default() }.start().await
}

/// Every sign but letters and digits as an address writes it.
fn encoded(q: &str) -> String {
    q.bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

async fn ask(app: &TestApp, token: &str, q: &str) -> Answer {
    app.get(&format!("/api/v1/search?q={}", encoded(q))).bearing(token).send().await
}

async fn found(app: &TestApp, token: &str, q: &str) -> Vec<Value> {
    ask(app, token, q).await.ok()["results"].as_array().expect("results").clone()
}

/// Kind and incident or area of each.
async fn ids(app: &TestApp, token: &str, q: &str) -> Vec<(String, String)> {
    let id = |one: &Value| one["incident"].as_str().or(one["area"].as_str()).expect("an id").to_owned();
    let found = found(app, token, q).await;
    found.iter().map(|one| (one["kind"].as_str().expect("a kind").to_owned(), id(one))).collect()
}

fn told(text: &str) -> Value {
    with(report("garbage"), json!({"description": text}))
}

fn id(receipt: &Value) -> String {
    receipt["incident"].as_str().expect("a UUID").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_found_by_its_code_however_it_is_written() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let mut receipts = Vec::new();
    for _ in 0..5 {
        receipts.push(app.report(&told("sampah")).await);
    }
    for receipt in &receipts {
        let code = receipt["code"].as_str().expect("a code");
        let bare = code[4..].replace('-', "");
        for q in
            [code, &code.to_lowercase(), &code.replace('-', " "), &code.replace('-', ""), &bare, &code[..9]]
        {
            let all = found(&app, &ani, q).await;
            let one = all.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("{q}: {all:?}"));
            assert_eq!((&one["kind"], &one["incident"]), (&json!("report"), &receipt["incident"]), "{q}");
            assert_eq!(
                (&one["status"], &one["title"]["id"]),
                (&json!("new"), &all[0]["title"]["id"]),
                "{q}"
            );
        }
        assert_eq!(ids(&app, &ani, &id(receipt)).await, [("incident".to_owned(), id(receipt))]);
    }
    // Fewer signs begin too many codes, and another city's are none.
    let code = receipts[0]["code"].as_str().expect("a code");
    assert_eq!(found(&app, &ani, &code[..7]).await, Vec::<Value>::new());
    assert_eq!(found(&app, &ani, &code.replace("TTE", "JKT")).await, Vec::<Value>::new());

    // A report that counts under another incident leads to that.
    let merge = json!({"incident": receipts[1]["incident"]});
    let path = format!("/api/v1/incidents/{}/merge", id(&receipts[0]));
    app.post(&path, merge.to_string()).bearing(&ani).send().await.ok();
    let stays = if found(&app, &ani, code).await[0]["incident"] == receipts[0]["incident"] { 0 } else { 1 };
    for receipt in &receipts[..2] {
        let one = &found(&app, &ani, receipt["code"].as_str().expect("a code")).await[0];
        assert_eq!((&one["code"], &one["incident"]), (&receipt["code"], &receipts[stays]["incident"]));
        assert_eq!(ids(&app, &ani, &id(receipt)).await, [("incident".to_owned(), id(&receipts[stays]))]);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_and_words_are_found_and_what_is_open_comes_first() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let old = app.report(&told("tumpukan kasur di Jalan Melati")).await;
    let new = app.report(&told("KASUR terbakar")).await;
    let done = app.report(&told("kasur lagi")).await;
    let path = format!("/api/v1/incidents/{}/reject", id(&done));
    let body = json!({"reason": "dua kali", "disposition": "duplicate"});
    app.post(&path, body.to_string()).bearing(&ani).send().await.ok();
    let incident = |receipt: &Value| ("incident".to_owned(), id(receipt));
    assert_eq!(ids(&app, &ani, "kasur").await, [incident(&new), incident(&old), incident(&done)]);
    assert_eq!(ids(&app, &ani, "melati kasur").await, [incident(&old)]);
    assert_eq!(found(&app, &ani, "kasur").await[0]["why"]["id"], "Isi laporan");

    // A place of the name first, then what happens there.
    let by_name = found(&app, &ani, "jambula").await;
    assert_eq!((&by_name[0]["kind"], &by_name[0]["area"]), (&json!("area"), &json!("82.71.01.1001")));
    assert_eq!(by_name[0]["why"], json!({"id": "Kelurahan", "en": "Village"}));
    assert_eq!(ids(&app, &ani, "82.71.01.1001").await[0], ("area".to_owned(), "82.71.01.1001".to_owned()));
    let title = found(&app, &ani, "kasur").await[0]["title"]["en"].as_str().expect("a title").to_owned();
    let of_title = found(&app, &ani, &title).await;
    assert_eq!(of_title[0]["why"]["id"], "Nama kejadian", "{of_title:?}");
    let limited = app.get("/api/v1/search?q=kasur&limit=1").bearing(&ani).send().await.ok();
    assert_eq!(limited["results"].as_array().map(Vec::len), Some(1));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_find_what_the_lists_find() {
    let app = Setup::default().start().await;
    let mut chance = Chance::new(34);
    let words = ["air", "banjir", "kasur", "lampu", "pohon"];
    let categories = ["garbage", "water", "social", "traffic"];
    for _ in 0..60 {
        let said: Vec<&str> = (0..3).map(|_| words[chance.below(5)]).collect();
        let place = spot(&app, chance.below(2) == 0);
        let body = with(report(categories[chance.below(4)]), place);
        let receipt = app.report(&with(body, json!({"description": said.join(" ")}))).await;
        if chance.below(3) == 0 {
            app.act(&receipt["incident"], "reject", &json!({"reason": "x", "disposition": "ghost"})).await;
        }
    }
    let tokens = [
        app.token(Role::Operator, "", ""),
        app.token(Role::Agency, OWN_AGENCY, ""),
        app.token(Role::Responder, "", OWN_AREA),
    ];
    let mut n_found = 0;
    for token in &tokens {
        for q in ["air", "banjir kasur", "sampah", "lampu", "pohon air", "water", "tidak-ada"] {
            let mut expected = Vec::new();
            for statuses in ["new,verified,in_progress", "resolved,rejected"] {
                let list = format!("/api/v1/incidents?status={statuses}&q={}", encoded(q));
                let list = app.get(&list).bearing(token).send().await.ok();
                let features = list["features"].as_array().expect("features").clone();
                expected
                    .extend(features.iter().map(|f| f["id"].as_str().expect("an id").replace("i:", "")));
            }
            expected.truncate(20);
            let found = ids(&app, token, q).await;
            let found: Vec<String> =
                found.into_iter().filter(|(kind, _)| kind == "incident").map(|(_, id)| id).collect();
            let n = found.len();
            assert_eq!(found, expected[..n.min(expected.len())], "seed 34, {q}");
            assert!(n == expected.len() || n >= 15, "seed 34, {q}: places take five of twenty at most");
            n_found += n;
        }
    }
    assert!(n_found > 60, "{n_found}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_finds_what_is_not_theirs_to_see() {
    let app = strict().await;
    let own = app.report(&with(told("kanari milik"), spot(&app, true))).await;
    let foreign = with(report("water"), json!({"description": "kanari asing"}));
    let foreign = app.report(&with(foreign, spot(&app, false))).await;
    for role in [Role::Agency, Role::Responder] {
        let token = app.token(role, OWN_AGENCY, OWN_AREA);
        assert_eq!(ids(&app, &token, "kanari").await, [("incident".to_owned(), id(&own))], "{role:?}");
        let code = |receipt: &Value| receipt["code"].as_str().expect("a code").to_owned();
        assert_eq!(ids(&app, &token, &code(&own)).await, [("report".to_owned(), id(&own))], "{role:?}");
        for q in [code(&foreign), id(&foreign), "asing".to_owned()] {
            assert_eq!(found(&app, &token, &q).await, Vec::<Value>::new(), "{role:?} {q}");
        }
        let body = json!({"phone": PHONE, "reason": "x"}).to_string();
        app.post("/api/v1/search/phone", body).bearing(&token).send().await.problem(403);
    }
    let viewer = app.token(Role::Viewer, "", "");
    ask(&app, &viewer, "kanari").await.problem(403);
    app.get("/api/v1/search?q=kanari").by_the_public().send().await.problem(401);
    let operator = app.token(Role::Operator, "", "");
    let lowered = "/api/v1/search?q=kanari&projection=public";
    app.get(lowered).bearing(&operator).send().await.problem(401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_cannot_be_says_what_to_change() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    for query in ["", "?q=", "?q=a", "?q=%20%20a", "?limit=5"] {
        let answer = app.get(&format!("/api/v1/search{query}")).bearing(&ani).send().await;
        assert_eq!(answer.pointers(400), ["q"], "{query}");
    }
    for limit in ["0", "21", "x"] {
        let path = format!("/api/v1/search?q=air&limit={limit}");
        assert_eq!(app.get(&path).bearing(&ani).send().await.pointers(400), ["limit"], "{limit}");
    }
    // A phone number is not for an address; nor is it said again.
    for q in [PHONE, "+62 812 7777 0001", "sampah (0921) 312 4567", "62812 77770001"] {
        let answer = ask(&app, &ani, q).await;
        assert_eq!(answer.pointers(400), ["q"], "{q}");
        assert!(answer.text().contains("/api/v1/search/phone") && !answer.text().contains("7777"), "{q}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_finds_its_reports_for_who_says_why_and_each_look_is_in_the_audit() {
    let app = strict().await;
    let ani = app.token(Role::Operator, "", "");
    let sita = app.token(Role::Supervisor, "", "");
    let by = |phone: &str| with(told("sampah"), json!({"reporter": {"name": "Siti", "phone": phone}}));
    let first = app.report(&by("+62 812 7777 0001")).await;
    let second = app.report(&by("081277770001")).await;
    app.report(&by("0812 7777 0002")).await;
    let again = with(by(PHONE), json!({"incident": second["incident"]}));
    let again = app.report(&again).await;
    let look =
        async |body: Value| app.post("/api/v1/search/phone", body.to_string()).bearing(&ani).send().await;
    for (body, pointers) in [
        (json!({}), &["/phone", "/reason"][..]),
        (json!({"phone": PHONE}), &["/reason"]),
        (json!({"phone": "7777", "reason": "x"}), &["/phone"]),
        (json!({"phone": PHONE, "reason": "x", "name": "Siti"}), &["/name"]),
    ] {
        let answer = look(body.clone()).await;
        assert_eq!(answer.pointers(422), pointers, "{body}");
        assert!(!answer.text().contains("7777-"), "{}", answer.text());
    }
    let audit = async |query: &str| {
        let path = format!("/api/v1/audit?action=look-up{query}");
        let answer = app.get(&path).bearing(&sita).send().await.ok();
        answer["entries"].as_array().expect("entries").clone()
    };
    assert_eq!(audit("").await, Vec::<Value>::new());

    for phone in [PHONE, "+62 (812) 7777-0001", "62 812 7777 0001"] {
        let answer = look(json!({"phone": phone, "reason": "Menelepon balik"})).await.ok();
        let results = answer["results"].as_array().expect("results");
        let found: Vec<_> = results.iter().map(|one| (&one["incident"], &one["code"])).collect();
        let expected = [(&second["incident"], &again["code"]), (&first["incident"], &first["code"])];
        assert_eq!(found, expected, "{phone}");
        assert!(results.iter().all(|one| one["kind"] == "phone"), "{answer}");
        assert!(!answer.to_string().contains("7777") && !answer.to_string().contains("Siti"), "{answer}");
        // Written down before it was answered, at each incident.
        let looks = audit("").await;
        assert_eq!(looks[0]["seq"], answer["seq"], "{looks:?}");
        for (look, incident) in looks.iter().zip([&first["incident"], &second["incident"]]) {
            assert_eq!((&look["incident"], &look["note"]), (incident, &json!("Menelepon balik")));
            assert!(look["actor"].as_str().is_some_and(|actor| actor.starts_with("token:")), "{look}");
        }
    }
    assert_eq!(audit("").await.len(), 6);
    assert_eq!(audit(&format!("&incident={}", id(&first))).await.len(), 3);
    // That nothing was found is a look, too.
    let nothing = look(json!({"phone": "0812 0000 0009", "reason": "Salah sambung"})).await.ok();
    assert_eq!(nothing["results"], json!([]));
    let looks = audit("").await;
    assert_eq!(
        (looks.len(), &looks[0]["incident"], &looks[0]["note"]),
        (7, &Value::Null, &json!("Salah sambung"))
    );
    app.post("/api/v1/search/phone", "{}").by_the_public().send().await.problem(401);
    app.stop().await;
}
