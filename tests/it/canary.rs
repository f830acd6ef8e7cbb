//! What is private never reaches whoever must not have it: marks in every private field, and a look for
//! them in every byte that the public, an agency and a responder get.

use std::sync::Arc;

use axum::http::Method;
use pantau::access::Role;
use pantau::accounts::{Scope, hash_password, new_account};
use pantau::api::{Needs, RULES};
use pantau::clock::ManualClock;
use pantau::model::{HOUR_MS, MINUTE_MS, TimeMs};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::{report, with};
use crate::photos::{MARKER as PHOTO, jpeg, report_with};
use crate::policy::{OWN_AGENCY, OWN_AREA, spot};
use crate::sign_in::{PASSWORD, session};
use crate::support::app::{PATIENCE, Setup, TestApp, wait_for};
use crate::support::history::START;
use crate::support::socket::{Dial, Socket};

/// Nobody but the journal has these.
const CONTACTS: [&str; 5] =
    ["Kanari Nama", "812000777", "kanari@surat.example", "kanari-perangkat", "kanari-pelapor"];
/// Staff have these, of what is theirs.
const TEXTS: [&str; 4] = ["kanari cerita", "kanari catatan", "kanari alasan", "kanari bukan kami"];
/// Why somebody looked at contact data: whoever may do so has it.
const LOOK: &str = "kanari telepon balik";
/// Whoever holds the code has this.
const ANSWER: &str = "jawaban untuk pelapor";
const EVERYWHERE: &str = "bbox=-180,-90,180,90&zoom=20&status=new,verified,in_progress,resolved,rejected";

/// By the `sender`th of ten people.
fn private(sender: u8, fields: Value) -> Value {
    let phone = format!("0{}{sender}", CONTACTS[1]);
    let reporter =
        json!({"name": CONTACTS[0], "phone": phone, "email": CONTACTS[2], "device": CONTACTS[3]});
    with(with(report("social"), fields), json!({"description": TEXTS[0], "reporter": reporter}))
}

/// A center that goes on working while somebody listens.
struct Center {
    app: TestApp,
    clock: Arc<ManualClock>,
    operator: String,
    own_place: Value,
    /// In another area than theirs, exact to the last digit.
    foreign_place: Value,
}

/// What came in meanwhile.
#[derive(Default)]
struct News {
    own: Vec<String>,
    /// Another agency's, in another area; verified.
    foreign: Vec<String>,
    rejected: Vec<String>,
}

impl Center {
    async fn start() -> Center {
        let clock = Arc::new(ManualClock::at(START));
        let app = Setup { trust_loopback: false, clock: clock.clone(), ..Setup::default() }.start().await;
        let operator = app.token(Role::Operator, "", "");
        let (own_place, foreign) = (spot(&app, true), spot(&app, false));
        let off = (foreign["lng"].as_f64().unwrap() + 0.000_123_4) * 1e7;
        let foreign_place = json!({"lng": off.round() / 1e7, "lat": foreign["lat"]});
        Center { app, clock, operator, own_place, foreign_place }
    }

    async fn act(&self, incident: &str, action: &str, body: Value) {
        let path = format!("/api/v1/incidents/{incident}/{action}");
        let done = self.app.post(&path, body.to_string()).bearing(&self.operator).send().await;
        assert_eq!(done.status, 200, "{}", done.text());
    }

    async fn report(&self, sender: u8, place: &Value) -> String {
        let receipt = self.app.report(&private(sender, place.clone())).await;
        receipt["incident"].as_str().unwrap().to_owned()
    }

    /// Enough for deltas, and for alarms of a hotspot and of what is late.
    async fn goes_on(&self, news: &mut News) {
        let own = self.report(0, &self.own_place).await;
        self.act(&own, "assign", json!({"agency": OWN_AGENCY, "note": TEXTS[1]})).await;
        news.own.push(own);
        for sender in 1..5 {
            let foreign = self.report(sender, &self.foreign_place).await;
            self.act(&foreign, "verify", json!({"note": TEXTS[1]})).await;
            news.foreign.push(foreign);
        }
        let rejected = self.report(5, &self.foreign_place).await;
        self.act(&rejected, "reject", json!({"reason": TEXTS[2], "disposition": "ghost"})).await;
        news.rejected.push(rejected);
        // All of it becomes late.
        let newest = self.app.live().newest_late_alarm();
        self.clock.advance_ms(72 * HOUR_MS);
        let is_late = || self.app.live().newest_late_alarm() > newest;
        wait_for("what is late", async || is_late().then_some(())).await;
    }
}

/// Everything that somebody gets who asks every address, right and wrong.
async fn all_bytes(
    app: &TestApp,
    token: Option<&str>,
    (incidents, codes, photos): (&[&str], &[&str], &[&str]),
    at: TimeMs,
) -> String {
    let mut seen = String::new();
    let everywhere = EVERYWHERE;
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
            &format!("?at={at}"),
            &format!("?{everywhere}&at={at}"),
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
    seen
}

/// What both streams tell somebody, from the snapshot on, while the center goes on working.
async fn streams(center: &Center, token: Option<&str>, news: &mut News) -> String {
    let app = &center.app;
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
        "GET /api/v1/live.sse?{EVERYWHERE}&layers=incidents,hotspots,stats HTTP/1.0\r\nHost: {}\r\n{bearer}\r\n",
        app.address
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut events = Vec::new();
    read_until(&mut tcp, &mut events, |message| message["type"] == "snapshot").await;

    center.goes_on(news).await;
    let seq = app.live().seq().0;
    socket.until("what came in meanwhile", |client| client.seq >= seq).await;
    read_until(&mut tcp, &mut events, |message| message["seq"].as_u64() >= Some(seq)).await;
    let events = String::from_utf8(events).unwrap();
    for told in [&socket.seen, &events] {
        assert!(told.contains("\"type\":\"delta\""), "{told}");
        // The public is told of no lateness.
        let is_late = told.contains("\"kind\":\"overdue\"");
        assert_eq!(is_late, token.is_some(), "{told}");
    }
    socket.seen.clone() + &events
}

/// Reads on until an event is as it should be.
async fn read_until(tcp: &mut TcpStream, events: &mut Vec<u8>, is_it: impl Fn(&Value) -> bool) {
    loop {
        let text = String::from_utf8_lossy(events);
        let messages = text.lines().filter_map(|line| line.strip_prefix("data: "));
        // The last line may not be all there yet.
        if messages.filter_map(|data| serde_json::from_str(data).ok()).any(|message| is_it(&message)) {
            return;
        }
        let n = timeout(PATIENCE, tcp.read_buf(events)).await.expect("an event").unwrap();
        assert!(n > 0, "{}", String::from_utf8_lossy(events));
    }
}

/// All but the lists of what deltas take away.
fn without_removals(seen: &str) -> String {
    const REMOVE: &str = "\"remove\":[";
    let mut parts = seen.split(REMOVE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| shown + part.split_once(']').map_or("", |(_, rest)| rest))
}

/// A window of whoever has the cookie.
async fn window(app: &TestApp, cookie: &str) -> Socket {
    let origin = format!("http://{}", app.address);
    let headers = [("cookie", cookie), ("origin", &*origin)];
    Dial { headers: &headers, ..Dial::default() }.connect(app.address).await.unwrap()
}

fn add_account(app: &TestApp, name: &str, full_name: &str, role: Role) {
    let agency = (role == Role::Agency).then(|| OWN_AGENCY.to_owned());
    let areas = if role == Role::Responder { vec![OWN_AREA.to_owned()] } else { Vec::new() };
    let scope = Scope::new(role, agency, areas, Some(&app.app.city)).unwrap();
    let mut account = new_account(name, Some(full_name), &scope, app.app.clock.now()).unwrap();
    account.password = Some(hash_password(PASSWORD, name).unwrap());
    assert!(app.accounts().store().add_account(&account).unwrap());
    app.accounts().look().unwrap();
}

/// What the agency, the responder and an operator are told while somebody edits the foreign incident.
async fn presence(app: &TestApp, (foreign, own): (&str, &str)) -> [String; 3] {
    let look = |incident| json!({"type": "presence", "incident": incident, "editing": true});
    // Passwords take a while, and whoever says nothing meanwhile is let go: all sign in first.
    let mut people = Vec::new();
    for (name, role) in [("ada", Role::Agency), ("riri", Role::Responder), ("oki", Role::Operator)] {
        add_account(app, name, name, role);
        people.push((name, session(app, name).await));
    }
    let mut there = window(app, &session(app, "kanari-akun").await).await;
    there.send(&look(foreign)).await;
    while !there.until_type("presence").await.to_string().contains(foreign) {}
    let mut told = Vec::new();
    for (name, cookie) in people {
        let mut socket = window(app, &cookie).await;
        socket.send(&look(own)).await;
        while !socket.until_type("presence").await.to_string().contains(&format!("\"who\":\"{name}\"")) {}
        // Who is there is still listening.
        there.send(&json!({"type": "ping", "t": 1})).await;
        there.until_type("pong").await;
        told.push(socket.seen.clone());
    }
    told.try_into().expect("one for each")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mark_of_what_is_private_reaches_whoever_must_not_have_it() {
    let center = Center::start().await;
    let (app, operator) = (&center.app, &center.operator);
    add_account(app, "kanari-akun", "Kanari Akun", Role::Admin);

    // Sensitive, and assigned to another agency, in another area: foreign to both, and coarse for the public.
    let with_photo = async |place: &Value, width| {
        let receipt = report_with(app, &private(9, place.clone()), &[&jpeg(width, 20, PHOTO)]).await;
        ["incident", "code"].map(|key| receipt[key].as_str().unwrap().to_owned())
    };
    let (own_place, foreign_place) = (&center.own_place, &center.foreign_place);
    let [foreign, foreign_code] = with_photo(foreign_place, 211).await;
    center.act(&foreign, "return", json!({"note": TEXTS[3], "agency": "bpbd"})).await;
    center.act(&foreign, "assign", json!({"agency": "dinsos"})).await;
    center.act(&foreign, "verify", json!({"note": TEXTS[1]})).await;
    center.act(&foreign, "note", json!({"note": TEXTS[1], "public": false})).await;
    center.act(&foreign, "note", json!({"note": ANSWER, "public": true})).await;
    let [rejected, rejected_code] = with_photo(foreign_place, 212).await;
    center.act(&rejected, "reject", json!({"reason": TEXTS[2], "disposition": "ghost"})).await;
    let [own, own_code] = with_photo(own_place, 213).await;
    center.act(&own, "assign", json!({"agency": OWN_AGENCY, "note": TEXTS[1]})).await;
    for incident in [&foreign, &own] {
        center.act(incident, "contacts", json!({"reason": LOOK})).await;
    }
    // What is asked of this moment is asked of the past.
    let at = app.live().now();
    center.clock.advance_ms(MINUTE_MS);
    center.act(&own, "note", json!({"note": TEXTS[1]})).await;
    assert!(at < app.live().now());
    let (ids, codes) = ([&*foreign, &*rejected, &*own], [&*foreign_code, &*rejected_code, &*own_code]);
    let mut photos = Vec::new();
    for id in ids {
        let seen = app.get(&format!("/api/v1/incidents/{id}")).bearing(operator).send().await.ok();
        photos.push(seen["properties"]["photos"][0]["id"].as_str().unwrap().to_owned());
    }
    let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
    let exact_lng = foreign_place["lng"].to_string();

    let [agency, responder] =
        [Role::Agency, Role::Responder].map(|role| app.token(role, OWN_AGENCY, OWN_AREA));
    // Staff last: what they do is seen afterwards.
    let (all, mut news) = ((&ids[..], &codes[..], &photos[..]), News::default());
    let mut parts = Vec::new();
    let readers = [
        ("public", None),
        ("agency", Some(&agency)),
        ("responder", Some(&responder)),
        ("staff", Some(operator)),
    ];
    for (name, token) in readers {
        let token = token.map(String::as_str);
        let asked = all_bytes(app, token, all, at).await;
        assert!(asked.contains(&format!("\"at\":\"{at}\"")), "{name} is answered of the past");
        parts.push((name, asked + &streams(&center, token, &mut news).await));
    }
    let of = |name: &str| &parts.iter().find(|(known, _)| *known == name).unwrap().1;
    // Each photo is of its own width, so that it is known again.
    let width = |n: usize| format!("\"width\":{}", 211 + n);
    assert!((0..3).all(|n| of("staff").contains(&width(n))), "staff see all photos");
    assert!(!(0..3).any(|n| of("public").contains(&width(n))), "none was released");
    for seen in [of("agency"), of("responder")] {
        assert!(seen.contains(&width(2)) && !seen.contains(&width(0)) && !seen.contains(&width(1)));
    }
    // They are there for staff, or this test would prove nothing.
    let last = [news.own.last(), news.foreign.last(), news.rejected.last()].map(|id| &**id.unwrap());
    for mark in TEXTS.iter().chain([&LOOK, &&*exact_lng]).chain(&last) {
        assert!(of("staff").contains(mark), "{mark}");
    }
    let [to_agency, to_responder, to_staff] = presence(app, (&foreign, &own)).await;
    assert!(to_staff.contains("Kanari Akun") && to_staff.contains(&*foreign), "{to_staff}");
    parts.extend([("agency", to_agency), ("responder", to_responder)]);
    for (n, (name, seen)) in parts.iter().enumerate() {
        let is_asked = n < readers.len();
        assert!(!is_asked || seen.contains(ANSWER), "{name} reads the answer");
        let mut marks: Vec<&str> = CONTACTS.to_vec();
        marks.push(PHOTO);
        marks.extend(["kanari-akun", "Kanari Akun", "argon2", PASSWORD]);
        if *name != "staff" {
            // Of what is foreign: not where it is, nor that it was rejected, nor why. Its public side has its id.
            marks.extend([&*exact_lng, &*rejected, TEXTS[2], TEXTS[3], LOOK, "look-up"]);
        }
        if *name == "public" {
            marks.extend(news.rejected.iter().map(String::as_str));
            marks.extend(TEXTS);
            marks.extend([&*own, &**operator, "token:"]);
            marks.extend(news.own.iter().map(String::as_str));
        } else if *name != "staff" {
            marks.push(&foreign);
            assert!(seen.contains(&*own), "{name} sees its own");
            assert!(!is_asked || seen.contains(TEXTS[1]), "{name} reads of its own");
            assert!(!is_asked || news.own.iter().any(|id| seen.contains(id)), "{name} is told of its own");
        }
        // Deltas to an agency or a responder still take away, by its id, what they never showed of others.
        if *name == "agency" || *name == "responder" {
            let shown = without_removals(seen);
            for id in news.foreign.iter().chain(&news.rejected) {
                assert!(!shown.contains(id), "{id} for {name}");
            }
        }
        for mark in marks {
            let at = seen.find(mark);
            let around = at.map_or("", |at| &seen[at.saturating_sub(200)..(at + 100).min(seen.len())]);
            assert!(at.is_none(), "{mark} for {name}: …{around}…");
        }
    }
    center.app.stop().await;
}
