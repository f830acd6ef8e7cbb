//! What is private never reaches whoever must not have it: marks in every private field, and a look for
//! them in every byte that the public, an agency and a responder get.

use axum::http::Method;
use pantau::access::Role;
use pantau::accounts::{hash_password, new_account};
use pantau::api::{Needs, RULES};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{report, with};
use crate::photos::{MARKER as PHOTO, jpeg, report_with};
use crate::policy::{OWN_AGENCY, OWN_AREA, spot};
use crate::support::app::{PATIENCE, Setup, TestApp};
use crate::support::socket::Dial;

/// Nobody but the journal has these.
const CONTACTS: [&str; 5] =
    ["Kanari Nama", "08120007771", "kanari@surat.example", "kanari-perangkat", "kanari-pelapor"];
/// Staff have these, of what is theirs.
const TEXTS: [&str; 4] = ["kanari cerita", "kanari catatan", "kanari alasan", "kanari bukan kami"];
/// Why somebody looked at contact data: whoever may do so has it.
const LOOK: &str = "kanari telepon balik";
/// Whoever holds the code has this.
const ANSWER: &str = "jawaban untuk pelapor";

fn private(fields: Value) -> Value {
    let reporter =
        json!({"name": CONTACTS[0], "phone": CONTACTS[1], "email": CONTACTS[2], "device": CONTACTS[3]});
    with(with(report("social"), fields), json!({"description": TEXTS[0], "reporter": reporter}))
}

/// Everything that somebody gets who asks every address, right and wrong.
async fn all_bytes(
    app: &TestApp,
    token: Option<&str>,
    (incidents, codes, photos): (&[&str], &[&str], &[&str]),
) -> String {
    let mut seen = String::new();
    let everywhere = "bbox=-180,-90,180,90&zoom=20&status=new,verified,in_progress,resolved,rejected";
    let mut paths = Vec::new();
    for rule in
        RULES.iter().filter(|rule| rule.method == "GET" && rule.needs != Needs::Node && !rule.is_stream())
    {
        for query in [
            "",
            "?limit=1000&include=archive&status=new,verified,in_progress,resolved,rejected",
            &format!("?{everywhere}"),
            "?q=kanari",
            "?members=true",
        ] {
            for ((id, code), photo) in incidents.iter().zip(codes).zip(photos) {
                let path = rule
                    .path
                    .replace("{photo}", photo)
                    .replace("{id}", id)
                    .replace("{file}", "x")
                    .replace("{*path}", "x");
                paths.push(format!("{}{query}", path.replace("{code}", code)));
            }
        }
    }
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 60, "{}", paths.len());
    let actions = incidents.iter().map(|id| (Method::POST, format!("/api/v1/incidents/{id}/verify")));
    let asked = paths.into_iter().map(|path| (Method::GET, path)).chain(actions);
    for (method, path) in asked {
        let ask = app.ask(method, &path).body("{}");
        let answer = match token {
            Some(token) => ask.bearing(token),
            None => ask.by_the_public(),
        };
        let answer = answer.send().await;
        seen += &format!("{:?}\n{}\n", answer.headers, answer.text());
    }
    seen + &streams(app, token, everywhere).await
}

/// The snapshots of both streams.
async fn streams(app: &TestApp, token: Option<&str>, everywhere: &str) -> String {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", &**bearer)).collect();
    let mut socket = Dial { headers: &headers, ..Dial::default() }.connect(app.address).await.unwrap();
    let filter = json!({"status": ["new", "verified", "in_progress", "resolved", "rejected"]});
    let layers = ["incidents", "hotspots", "stats"];
    socket
        .subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 20, "filter": filter, "layers": layers}))
        .await;
    socket.until_type("snapshot").await;
    let mut tcp = TcpStream::connect(app.address).await.unwrap();
    let bearer = bearer.map_or(String::new(), |bearer| format!("Authorization: {bearer}\r\n"));
    let head = format!(
        "GET /api/v1/live.sse?{everywhere}&layers=incidents,hotspots,stats HTTP/1.0\r\nHost: {}\r\n{bearer}\r\n",
        app.address
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("\"snapshot\"") {
        let n = timeout(PATIENCE, tcp.read_buf(&mut seen)).await.expect("a snapshot").unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(&seen));
    }
    socket.seen.clone() + &String::from_utf8_lossy(&seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mark_of_what_is_private_reaches_whoever_must_not_have_it() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let operator = app.token(Role::Operator, "", "");
    let mut account = new_account(
        "kanari-akun",
        Some("Kanari Akun"),
        &pantau::accounts::Scope::new(Role::Admin, None, Vec::new(), None).unwrap(),
        app.app.clock.now(),
    )
    .unwrap();
    account.password = Some(hash_password("tiga kata pendek", "kanari-akun").unwrap());
    assert!(app.accounts().store().add_account(&account).unwrap());
    app.accounts().look().unwrap();

    let act = async |incident: &Value, action: &str, body: Value| {
        let path = format!("/api/v1/incidents/{}/{action}", incident.as_str().unwrap());
        let done = app.post(&path, body.to_string()).bearing(&operator).send().await;
        assert_eq!(done.status, 200, "{}", done.text());
    };
    // Sensitive, and assigned to another agency, in another area: foreign to both, and coarse for the public.
    let (own_place, foreign_place) = (spot(&app, true), spot(&app, false));
    let off = (foreign_place["lng"].as_f64().unwrap() + 0.000_123_4) * 1e7;
    let exact = json!({"lng": off.round() / 1e7, "lat": foreign_place["lat"]});
    let with_photo =
        async |report: Value, width| report_with(&app, &report, &[&jpeg(width, 20, PHOTO)]).await;
    let foreign = with_photo(private(exact.clone()), 211).await;
    act(&foreign["incident"], "return", json!({"note": TEXTS[3], "agency": "bpbd"})).await;
    act(&foreign["incident"], "assign", json!({"agency": "dinsos"})).await;
    act(&foreign["incident"], "verify", json!({"note": TEXTS[1]})).await;
    act(&foreign["incident"], "note", json!({"note": TEXTS[1], "public": false})).await;
    act(&foreign["incident"], "note", json!({"note": ANSWER, "public": true})).await;
    let rejected = with_photo(private(exact.clone()), 212).await;
    act(&rejected["incident"], "reject", json!({"reason": TEXTS[2], "disposition": "ghost"})).await;
    let own = with_photo(private(own_place), 213).await;
    act(&own["incident"], "assign", json!({"agency": OWN_AGENCY, "note": TEXTS[1]})).await;
    for incident in [&foreign, &own] {
        act(&incident["incident"], "contacts", json!({"reason": LOOK})).await;
    }
    let id = |receipt: &Value| receipt["incident"].as_str().unwrap().to_owned();
    let code = |receipt: &Value| receipt["code"].as_str().unwrap().to_owned();
    let ids = [id(&foreign), id(&rejected), id(&own)];
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let codes = [code(&foreign), code(&rejected), code(&own)];
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let mut photos = Vec::new();
    for id in &ids {
        let seen = app.get(&format!("/api/v1/incidents/{id}")).bearing(&operator).send().await.ok();
        photos.push(seen["properties"]["photos"][0]["id"].as_str().unwrap().to_owned());
    }
    let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
    let exact_lng = exact["lng"].to_string();

    let [agency, responder] =
        [Role::Agency, Role::Responder].map(|role| app.token(role, OWN_AGENCY, OWN_AREA));
    // Staff last: what they do is seen afterwards.
    let all = (&ids[..], &codes[..], &photos[..]);
    let public = all_bytes(&app, None, all).await;
    let of_agency = all_bytes(&app, Some(&agency), all).await;
    let of_responder = all_bytes(&app, Some(&responder), all).await;
    let staff = all_bytes(&app, Some(&operator), all).await;
    // Each photo is of its own width, so that it is known again.
    let width = |n: usize| format!("\"width\":{}", 211 + n);
    assert!((0..3).all(|n| staff.contains(&width(n))), "staff see all photos");
    assert!(!(0..3).any(|n| public.contains(&width(n))), "none was released");
    for seen in [&of_agency, &of_responder] {
        assert!(seen.contains(&width(2)) && !seen.contains(&width(0)) && !seen.contains(&width(1)));
    }
    // They are there for staff, or this test would prove nothing.
    for mark in TEXTS.iter().chain([&LOOK, &&*exact_lng]) {
        assert!(staff.contains(mark), "{mark}");
    }
    let parts =
        [("public", &public), ("agency", &of_agency), ("responder", &of_responder), ("staff", &staff)];
    for (name, seen) in parts {
        assert!(seen.contains(ANSWER), "{name} reads the answer");
        let mut marks: Vec<&str> = CONTACTS.to_vec();
        marks.push(PHOTO);
        marks.extend(["kanari-akun", "Kanari Akun", "argon2", "tiga kata pendek"]);
        if name != "staff" {
            // Of what is foreign: not where it is, nor that it was rejected, nor why. Its public side has its id.
            marks.extend([&*exact_lng, ids[1], TEXTS[2], TEXTS[3], LOOK, "look-up"]);
        }
        if name == "public" {
            marks.extend(TEXTS);
            marks.extend([ids[2], &*operator, "token:"]);
        } else if name != "staff" {
            marks.push(ids[0]);
            assert!(seen.contains(ids[2]) && seen.contains(TEXTS[1]), "{name} sees its own");
        }
        for mark in marks {
            let at = seen.find(mark);
            let around = at.map_or("", |at| &seen[at.saturating_sub(200)..(at + 100).min(seen.len())]);
            assert!(at.is_none(), "{mark} for {name}: …{around}…");
        }
    }
    app.stop().await;
}
