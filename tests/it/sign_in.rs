//! Signing in and out: passwords, links, cookies, guesses; and that what ends, ends everywhere at once.

use futures_util::future::join_all;
use pantau::access::{Permission, Permissions, Role};
use pantau::accounts::{
    NewToken, Scope, Totp, first_link, hash_password, link_for, new_account, new_token,
};
use pantau::backup::{Opener, Sealer, backup, restore};
use pantau::cli::Stopwatch;
use pantau::model::TimeMs;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::report;
use crate::support::app::{Answer, Ask, PATIENCE, Setup, TestApp, patient, wait_for};
use crate::support::socket::{Dial, End, Socket};

pub const PASSWORD: &str = "tiga kata pendek";

async fn start() -> TestApp {
    Setup { trust_loopback: false, ..Setup::default() }.start().await
}

fn now(app: &TestApp) -> TimeMs {
    app.app.clock.now()
}

fn scope(role: Role) -> Scope {
    Scope::new(role, None, Vec::new(), None).unwrap()
}

fn add(app: &TestApp, name: &str, role: Role) {
    let mut account = new_account(name, Some("Ani Wijaya"), &scope(role), now(app)).unwrap();
    account.password = Some(hash_password(PASSWORD, name).unwrap());
    // As `pantau user` beside the server does: who is new can sign in at once.
    assert!(app.accounts().store().add_account(&account).unwrap());
}

async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/api/v1/session", json!({"name": name, "password": password}).to_string()).send().await
}

/// The value of a cookie that an answer sets, after a look at what stands beside it.
fn cookie(answer: &Answer, name: &str) -> String {
    let all = answer.headers.get_all("set-cookie").iter();
    let all: Vec<&str> = all.map(|value| value.to_str().unwrap()).collect();
    let set = all.iter().find(|cookie| cookie.starts_with(&format!("{name}=")));
    let set = set.unwrap_or_else(|| panic!("{name} in {all:?}"));
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    set.split(['=', ';']).nth(1).unwrap().to_owned()
}

pub async fn session(app: &TestApp, name: &str) -> String {
    let answer = sign_in(app, name, PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    format!("__Host-pantau={}", cookie(&answer, "__Host-pantau"))
}

async fn who(app: &TestApp, cookie: &str) -> Value {
    app.get("/api/v1/session").header("cookie", cookie).send().await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_password_become_a_session_that_ends_when_it_is_told_to() {
    let app = start().await;
    add(&app, "ani", Role::Operator);
    let nobody = app.get("/api/v1/session").send().await.ok();
    assert_eq!((&nobody["signed_in"], &nobody["can_sign_in"]), (&json!(false), &json!(true)));
    for (name, password) in [("ani", "tiga kata"), ("budi", PASSWORD), ("", "")] {
        assert_eq!(sign_in(&app, name, password).await.problem(401)["type"], "/problems/wrong-password");
    }
    let cookie = session(&app, " ANI ").await;
    let me = who(&app, &cookie).await;
    assert_eq!(
        (&me["name"], &me["full_name"], &me["role"]),
        (&json!("ani"), &json!("Ani Wijaya"), &json!("operator"))
    );
    assert_eq!((&me["may"]["verify"], &me["may"]["import"]), (&json!("all"), &Value::Null));
    assert_eq!(me["projection"], "staff");

    // What the operator does is remembered as hers.
    let incident = app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/incidents/{incident}/verify");
    let ours = format!("http://{}", app.address);
    let act = |origin: Option<&str>| {
        let ask = app.post(&path, "{}").header("cookie", &cookie);
        match origin {
            Some(origin) => ask.header("origin", origin),
            None => ask,
        }
    };
    // A browser that acts with a cookie says whose page it shows; one that does not say is not believed.
    assert_eq!(act(None).send().await.problem(403)["type"], "/problems/foreign-origin");
    let done = act(Some(&ours)).send().await.ok();
    assert_eq!(done["properties"]["log"][1]["actor"], "ani");

    let out = app.ask(axum::http::Method::DELETE, "/api/v1/session");
    let out = out.header("cookie", &cookie).header("origin", &ours).send().await;
    assert_eq!(out.status, 204);
    let me = who(&app, &cookie).await;
    assert_eq!((&me["signed_in"], &me["ended"]), (&json!(false), &json!(true)));
    let refused = app.post(&path, "{}").header("cookie", &cookie).header("origin", &ours).send().await;
    assert!(refused.problem(401)["detail"].as_str().unwrap().contains("ended"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_taken_over_a_private_line_only() {
    let app = Setup {
        trust_loopback: false,
        trusted_proxies: vec!["10.0.0.4".parse().unwrap()],
        ..Setup::default()
    };
    let app = app.start().await;
    add(&app, "ani", Role::Operator);
    let token = app.token(Role::Operator, "", "");
    let cookie = session(&app, "ani").await;
    let body = json!({"name": "ani", "password": PASSWORD}).to_string();
    let ways: [Way; 7] = [
        ("this machine", "127.0.0.1:5", &[], true),
        ("the network", "192.0.2.1:5", &[], false),
        (
            "a proxy that nobody listed",
            "127.0.0.1:5",
            &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")],
            false,
        ),
        ("this machine, by another name", "127.0.0.1:5", &[("host", "peta.example")], false),
        (
            "a listed proxy with TLS",
            "10.0.0.4:5",
            &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")],
            true,
        ),
        (
            "a listed proxy without",
            "10.0.0.4:5",
            &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "http")],
            false,
        ),
        ("one who plays a proxy", "192.0.2.1:5", &[("x-forwarded-proto", "https")], false),
    ];
    for (name, peer, headers, is_private) in ways {
        let tried = dressed(app.post("/api/v1/session", body.clone()), peer, headers).send().await;
        let shown = dressed(app.get("/api/v1/stats"), peer, headers).bearing(&token).send().await;
        let me =
            dressed(app.get("/api/v1/session"), peer, headers).header("cookie", &cookie).send().await.ok();
        let link =
            dressed(app.post("/api/v1/session/link", json!({"link": "x"}).to_string()), peer, headers)
                .send()
                .await;
        assert_eq!(me["signed_in"], is_private, "{name}");
        assert_eq!(me["can_sign_in"], is_private || me["signed_in"] == true, "{name}");
        if is_private {
            assert_eq!(
                (tried.status, shown.status, link.status),
                (200, 200, 410),
                "{name}: {}",
                tried.text()
            );
        } else {
            for refused in [tried, shown, link] {
                let problem = refused.problem(403);
                assert_eq!(problem["type"], "/problems/needs-tls", "{name}");
                assert!(problem["detail"].as_str().unwrap().contains("--tls-cert"), "{problem}");
            }
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_guesses_few_are_checked_and_nobody_is_shut_out() {
    let app = Setup {
        trust_loopback: false,
        trusted_proxies: vec!["10.0.0.4".parse().unwrap()],
        ..Setup::default()
    };
    let app = app.start().await;
    add(&app, "ani", Role::Operator);
    let known = sign_in(&app, "ani", PASSWORD).await;
    let device = format!("__Host-pantau-device={}", cookie(&known, "__Host-pantau-device"));
    let from = |network: &str, password: &str, cookie: &str| {
        let body = json!({"name": "ani", "password": password}).to_string();
        app.post("/api/v1/session", body)
            .coming_from("10.0.0.4:5")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", network)
            .header("cookie", cookie)
    };
    let (mut checked, mut delayed) = (0, 0);
    for n in 0..10_000 {
        let answer = from("203.0.113.7", &format!("guess number {n}"), "").send().await;
        match answer.status {
            401 => checked += 1,
            429 => {
                assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
                delayed += 1;
            }
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(checked < 20 && checked + delayed == 10_000, "{checked} checked");
    // The right one is not even looked at from there; elsewhere, and where she sat before, it opens.
    assert_eq!(from("203.0.113.8", PASSWORD, "").send().await.status, 429);
    assert_eq!(from("198.51.100.1", PASSWORD, "").send().await.status, 200);
    assert_eq!(from("203.0.113.7", PASSWORD, &device).send().await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_made_once_with_a_link_that_is_good_once() {
    let app = start().await;
    assert!(app.accounts().lacks_admin());
    let redeem = async |link: &str, fields: Value| {
        let mut body = json!({"link": link});
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        app.post("/api/v1/session/link", body.to_string()).send().await
    };
    let store = app.accounts().store();
    let over = first_link(store, now(&app).plus_ms(-3_600_000)).unwrap();
    assert_eq!(redeem(&over, json!({})).await.status, 410);
    let earlier = first_link(store, now(&app)).unwrap();
    let link = first_link(store, now(&app)).unwrap();
    assert_eq!(redeem(&earlier, json!({})).await.status, 410);
    assert_eq!(redeem("", json!({})).await.status, 410);
    assert_eq!(redeem(&link, json!({})).await.ok(), json!({"account": null, "first": true}));
    // What is not taken leaves the link as it was.
    assert_eq!(redeem(&link, json!({"password": PASSWORD})).await.pointers(422), ["/name"]);
    assert_eq!(redeem(&link, json!({"name": "A B", "password": PASSWORD})).await.pointers(422), ["/name"]);
    assert_eq!(
        redeem(&link, json!({"name": "ani", "password": "short"})).await.pointers(422),
        ["/password"]
    );
    let made = redeem(&link, json!({"name": "Ani", "password": PASSWORD})).await;
    let cookie = format!("__Host-pantau={}", cookie(&made, "__Host-pantau"));
    assert_eq!(made.ok()["role"], "admin");
    assert_eq!(who(&app, &cookie).await["name"], "ani");
    assert!(!app.accounts().lacks_admin());
    assert_eq!(redeem(&link, json!({"name": "budi", "password": PASSWORD})).await.status, 410);
    assert_eq!(sign_in(&app, "ani", PASSWORD).await.status, 200);

    // A colleague's link sets her password, ends her sessions, and is good once, too.
    add(&app, "budi", Role::Viewer);
    let before = session(&app, "budi").await;
    let link = link_for(store, "budi", now(&app)).unwrap();
    assert_eq!(redeem(&link, json!({})).await.ok(), json!({"account": "budi", "first": false}));
    assert_eq!(redeem(&link, json!({"password": "budi kata pendek"})).await.pointers(422), ["/password"]);
    assert_eq!(redeem(&link, json!({"password": "empat kata lebih panjang"})).await.status, 200);
    assert_eq!(who(&app, &before).await["signed_in"], false);
    assert_eq!(redeem(&link, json!({"password": PASSWORD})).await.status, 410);
    assert_eq!(sign_in(&app, "budi", PASSWORD).await.status, 401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_password_and_a_second_factor_are_changed_by_whoever_knows_the_password() {
    let app = start().await;
    add(&app, "ani", Role::Operator);
    assert_eq!(who(&app, &session(&app, "ani").await).await["head"], false);
    assert!(app.accounts().store().set_head("ani", true).unwrap());
    app.accounts().look().unwrap();
    let (cookie, other) = (session(&app, "ani").await, session(&app, "ani").await);
    let ours = format!("http://{}", app.address);
    let ask = async |method: &str, path: &str, body: Value| {
        let ask = app.ask(method.parse().unwrap(), path).body(body.to_string());
        ask.header("cookie", &cookie).header("origin", &ours).send().await
    };
    let new = "empat kata lebih panjang";
    let path = "/api/v1/session/password";
    assert_eq!(ask("POST", path, json!({"old": "wrong", "new": new})).await.status, 401);
    assert_eq!(
        ask("POST", path, json!({"old": PASSWORD, "new": "short"})).await.pointers(422),
        ["/password"]
    );
    assert_eq!(ask("POST", path, json!({"old": PASSWORD, "new": new})).await.status, 204);
    assert_eq!(who(&app, &cookie).await["head"], true);
    assert_eq!(who(&app, &cookie).await["signed_in"], true);
    assert_eq!(who(&app, &other).await["signed_in"], false);
    assert_eq!(sign_in(&app, "ani", PASSWORD).await.status, 401);

    let path = "/api/v1/session/totp";
    let drawn = ask("POST", path, json!({"password": new})).await.ok();
    let totp = Totp::of_base32(drawn["secret"].as_str().unwrap()).unwrap();
    let set = |code: String| json!({"password": new, "secret": drawn["secret"], "code": code});
    assert_eq!(ask("POST", path, set("000000".into())).await.problem(401)["type"], "/problems/wrong-code");
    let code = totp.code_at(now(&app));
    assert_eq!(ask("POST", path, set(code.clone())).await.status, 204);
    assert_eq!(who(&app, &cookie).await["second_factor"], true);
    let sign_in = async |code: Option<&str>| {
        let body = json!({"name": "ani", "password": new, "code": code});
        app.post("/api/v1/session", body.to_string()).send().await
    };
    assert_eq!(sign_in(None).await.problem(401)["type"], "/problems/code-needed");
    // The one that set it up does not count twice; the next one does.
    assert_eq!(sign_in(Some(&code)).await.problem(401)["type"], "/problems/wrong-code");
    let next = totp.code_at(now(&app).plus_ms(30_000));
    assert_eq!(sign_in(Some(&next)).await.status, 200);
    let kept = app.accounts().store().load().unwrap().accounts.remove(0).totp;
    assert_eq!(ask("DELETE", path, json!({"password": new})).await.status, 204);
    assert_eq!(sign_in(None).await.status, 200);

    // Whoever has the password, and guesses the code, is slowed down however often they begin anew.
    add(&app, "budi", Role::Operator);
    app.accounts().store().set_totp("budi", kept.as_deref(), 0).unwrap();
    let mut answers = Vec::new();
    for code in [None, Some("000000")].into_iter().cycle().take(16) {
        let body = json!({"name": "budi", "password": PASSWORD, "code": code});
        answers.push(app.post("/api/v1/session", body.to_string()).send().await.status);
    }
    assert_eq!(answers[..6], [401; 6]);
    assert!(answers.contains(&429), "{answers:?}");
    app.stop().await;
}

/// A name, the peer, headers, and whether secrets may come that way.
type Way<'w> = (&'w str, &'w str, &'w [(&'w str, &'w str)], bool);

/// A question as it comes in some way.
fn dressed<'a>(ask: Ask<'a>, peer: &str, headers: &[(&str, &str)]) -> Ask<'a> {
    headers.iter().fold(ask.coming_from(peer), |ask, (key, value)| ask.header(key, value))
}

/// Open screens of one account. `PANTAU_SOCKETS=n` opens n, and needs two files for each.
fn n_sockets() -> usize {
    std::env::var("PANTAU_SOCKETS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

/// What takes somebody's rights away.
#[derive(Debug, Clone, Copy)]
enum Loss {
    SignOut,
    Role,
    Disabled,
    Password,
    ByAnotherProcess,
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_a_right_loses_every_open_socket_within_two_seconds() {
    for way in [Loss::SignOut, Loss::Role, Loss::Disabled, Loss::Password, Loss::ByAnotherProcess] {
        let folder = tempfile::tempdir().unwrap();
        let app = Setup { trust_loopback: false, pulse: patient(), ..Setup::in_folder(folder.path()) };
        let app = app.start().await;
        add(&app, "ani", Role::Operator);
        add(&app, "budi", Role::Operator);
        let (ani, budi) = (session(&app, "ani").await, session(&app, "budi").await);
        let ours = format!("http://{}", app.address);
        let dial = async |cookie: &str| {
            let headers = [("cookie", cookie), ("origin", &*ours)];
            let mut socket =
                Dial { headers: &headers, ..Dial::default() }.connect(app.address).await.unwrap();
            assert_eq!(socket.hello["projection"], "staff");
            socket.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 3})).await;
            socket
        };
        let mut lost: Vec<Socket> = Vec::new();
        for _ in 0..n_sockets() {
            lost.push(dial(&ani).await);
        }
        let mut kept = dial(&budi).await;
        let mut events = events(&app, &ani).await;
        let mut stranger = Socket::connect(app.address, "").await;
        stranger.subscribe(json!({"bbox": [-180, -90, 180, 90], "zoom": 3})).await;

        let fresh = hash_password("empat kata lebih panjang", "ani").unwrap();
        let began = Stopwatch::start();
        let store = app.accounts().store();
        match way {
            Loss::SignOut => {
                let out = app.ask(axum::http::Method::DELETE, "/api/v1/session").header("cookie", &ani);
                assert_eq!(out.header("origin", &ours).send().await.status, 204);
            }
            Loss::Role => assert!(store.set_role("ani", "viewer", None, &[]).unwrap()),
            Loss::Disabled => assert!(store.disable("ani", now(&app)).unwrap()),
            Loss::Password => assert!(store.set_password("ani", &fresh, None).unwrap()),
            Loss::ByAnotherProcess => {
                let elsewhere = pantau::journal::AccountStore::in_folder(folder.path()).unwrap();
                assert!(elsewhere.end_sessions("ani").unwrap());
            }
        }
        let ends =
            join_all(lost.iter_mut().map(async |socket| (socket.end().await, began.elapsed()))).await;
        let mut rest = Vec::new();
        timeout(PATIENCE, events.read_to_end(&mut rest)).await.expect("the stream ends").unwrap();
        let stream_took = began.elapsed();
        assert!(ends.iter().all(|(end, _)| *end == End::Code(4401)), "{way:?}");
        let mut took_ms: Vec<u128> = ends.iter().map(|(_, took)| took.as_millis()).collect();
        took_ms.sort_unstable();
        let (n, max_ms) = (took_ms.len(), took_ms[took_ms.len() - 1].max(stream_took.as_millis()));
        println!(
            "{way:?}: sockets={n} ended_ms_p50={} p99={} max={max_ms}",
            took_ms[n / 2],
            took_ms[n * 99 / 100]
        );
        assert!(max_ms < 2_000, "{way:?}: {max_ms} ms");
        // The others go on.
        app.report(&report("garbage")).await;
        kept.until("a report", |client| client.held.features.len() == 1).await;
        drop((lost, kept, stranger));
        app.stop().await;
    }
}

/// The open stream of events of somebody with a cookie, after its head.
async fn events(app: &TestApp, cookie: &str) -> TcpStream {
    let mut tcp = TcpStream::connect(app.address).await.unwrap();
    let head = format!(
        "GET /api/v1/live.sse?bbox=-180,-90,180,90&zoom=3 HTTP/1.0\r\nHost: {0}\r\nOrigin: http://{0}\r\nCookie: {cookie}\r\n\r\n",
        app.address
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    while !seen.contains("\"staff\"") {
        let mut bytes = [0; 4096];
        let n = timeout(PATIENCE, tcp.read(&mut bytes)).await.expect("a hello").unwrap();
        assert!(n > 0, "{seen}");
        seen += &String::from_utf8_lossy(&bytes[..n]);
    }
    tcp
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_for_what_they_say_until_they_are_over() {
    let app = start().await;
    let make = |only: Option<Permissions>, kiosk: bool, for_ms: Option<i64>| {
        let role = if kiosk { Role::Viewer } else { Role::Supervisor };
        let expires_at = for_ms.map(|ms| now(&app).plus_ms(ms));
        let new = NewToken { label: "test".into(), scope: scope(role), kiosk, only, expires_at };
        let (secret, row) = new_token(new, now(&app)).unwrap();
        assert!(app.accounts().store().add_token(&row).unwrap());
        app.accounts().look().unwrap();
        (secret, row.id)
    };
    let incident = app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned();
    let act = async |token: &str, action: &str| {
        app.post(&format!("/api/v1/incidents/{incident}/{action}"), "{}").bearing(token).send().await
    };
    // For less than the role: it acts, and is not told what it may not see.
    let (narrow, _) = make(Some(Permissions::of([Permission::Verify])), false, None);
    let done = act(&narrow, "verify").await.ok();
    assert_eq!(done["properties"]["log"], Value::Null);
    assert!(act(&narrow, "start").await.problem(403)["detail"].as_str().unwrap().contains("scope"));
    let seen = app.get("/api/v1/session").bearing(&narrow).send().await.ok();
    assert_eq!((&seen["may"], &seen["projection"]), (&json!({"verify": "all"}), &json!("public")));

    let (whole, id) = make(None, false, None);
    let done = act(&whole, "start").await.ok();
    assert_eq!(done["properties"]["log"][2]["actor"], format!("token:{id}"));
    // A token is no cookie, but a wall's is: it looks, and keeps looking.
    assert_eq!(who(&app, &format!("__Host-pantau={whole}")).await["signed_in"], false);
    let (wall, wall_id) = make(None, true, None);
    let welcome = app.post("/api/v1/session", json!({"token": whole}).to_string()).send().await;
    assert_eq!(welcome.problem(401)["type"], "/problems/wrong-token");
    let welcome = app.post("/api/v1/session", json!({"token": wall}).to_string()).send().await;
    let on_the_wall = format!("__Host-pantau={}", cookie(&welcome, "__Host-pantau"));
    let seen = who(&app, &on_the_wall).await;
    assert_eq!((&seen["via"], &seen["may"]), (&json!("kiosk"), &json!({"see-map": "all"})));

    assert!(app.accounts().store().revoke_token(&wall_id, now(&app)).unwrap());
    app.accounts().look().unwrap();
    assert_eq!(who(&app, &on_the_wall).await["signed_in"], false);
    let (short, _) = make(None, false, Some(300));
    let headers = [("authorization", &*format!("Bearer {short}"))];
    let mut socket = Dial { headers: &headers, ..Dial::default() }.connect(app.address).await.unwrap();
    assert_eq!(socket.end().await, End::Code(4401));
    for token in [&*short, "pantau_0", ""] {
        let refused = app.get("/api/v1/stats").bearing(token).send().await;
        assert_eq!(refused.problem(401)["type"], "/problems/unauthorized");
        let headers = [("authorization", &*format!("Bearer {token}"))];
        let dialled = Dial { headers: &headers, ..Dial::default() }.connect(app.address).await;
        assert_eq!(dialled.err(), Some(401));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_outlive_the_server_and_are_seen_by_one_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup { trust_loopback: false, ..Setup::in_folder(folder.path()) }.start().await;
    add(&app, "ani", Role::Operator);
    let cookie = session(&app, "ani").await;
    app.stop().await;
    let app = Setup { trust_loopback: false, ..Setup::in_folder(folder.path()) }.start().await;
    assert_eq!(who(&app, &cookie).await["name"], "ani");
    let elsewhere = pantau::journal::AccountStore::in_folder(folder.path()).unwrap();
    assert!(elsewhere.set_role("ani", "viewer", None, &[]).unwrap());
    wait_for("the new role", async || (who(&app, &cookie).await["role"] == "viewer").then_some(())).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_carries_accounts_and_tokens_and_no_session() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [data, target, restored] = [0, 1, 2].map(|i| folders[i].path());
    let app = Setup { trust_loopback: false, ..Setup::in_folder(data) }.start().await;
    app.report(&report("garbage")).await;
    add(&app, "ani", Role::Operator);
    let (cookie, token) = (session(&app, "ani").await, app.token(Role::Viewer, "", ""));
    app.stop().await;
    let sealer = Sealer::of(&[]).unwrap();
    let files = || {
        let names = std::fs::read_dir(target).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("accounts-"));
        names
    };
    backup(data, target, &sealer, &mut |_, _| ()).unwrap();
    let first = files();
    backup(data, target, &sealer, &mut |_, _| ()).unwrap();
    assert_eq!((files(), first.len()), (first.clone(), 1), "what did not change is not written again");
    // A file that was damaged is written anew, under another name.
    std::fs::write(target.join(&first[0]), "{}").unwrap();
    backup(data, target, &sealer, &mut |_, _| ()).unwrap();
    assert_ne!(files(), first);
    restore(target, restored, &Opener::default(), &mut |_, _, _| ()).unwrap();
    let app = Setup { trust_loopback: false, ..Setup::in_folder(restored) }.start().await;
    assert_eq!(who(&app, &cookie).await["signed_in"], false);
    assert_eq!(sign_in(&app, "ani", PASSWORD).await.status, 200);
    let seen = app.get("/api/v1/session").bearing(&token).send().await.ok();
    assert_eq!(seen["role"], "viewer");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_needs_a_name_and_is_asked_for_alike_whoever_asks() {
    let app = start().await;
    add(&app, "ani", Role::Operator);
    let port = app.address.port();
    let at = |path: &str, body: &Value| {
        let ask = app.post(path, body.to_string()).header("host", format!("localhost:{port}"));
        ask.header("origin", format!("http://localhost:{port}"))
    };
    let by_address =
        app.post("/api/v1/session/passkey", "{}").header("origin", format!("http://{}", app.address));
    assert_eq!(by_address.send().await.problem(409)["type"], "/problems/passkeys-need-a-name");
    let question = at("/api/v1/session/passkey", &json!({})).send().await.ok();
    let options = &question["options"]["publicKey"];
    assert_eq!((&options["rpId"], &options["userVerification"]), (&json!("localhost"), &json!("required")));
    assert_eq!(options["allowCredentials"], json!([]), "no name, no list: {options}");
    let other = at("/api/v1/session/passkey", &json!({})).send().await.ok();
    assert_ne!(options["challenge"], other["options"]["publicKey"]["challenge"]);

    let shown = json!({"id": "AAAA", "rawId": "AAAA", "type": "public-key", "extensions": {}, "response":
        {"authenticatorData": "AAAA", "clientDataJSON": "AAAA", "signature": "AAAA", "userHandle": "AAAA"}});
    let answer = json!({"id": question["id"], "credential": shown});
    assert_eq!(
        at("/api/v1/session/passkey", &answer).send().await.problem(401)["type"],
        "/problems/wrong-passkey"
    );
    let again = at("/api/v1/session/passkey", &answer).send().await;
    assert_eq!(again.problem(410)["type"], "/problems/passkey-over", "a question is good once");

    // One is added by whoever knows the password of the account.
    let cookie = session(&app, "ani").await;
    let add = |body: &Value| at("/api/v1/session/passkeys", body).header("cookie", &cookie);
    assert_eq!(at("/api/v1/session/passkeys", &json!({"password": PASSWORD})).send().await.status, 401);
    assert_eq!(
        add(&json!({"password": "another one"})).send().await.problem(401)["type"],
        "/problems/wrong-password"
    );
    assert_eq!(add(&json!({})).send().await.problem(422)["errors"][0]["pointer"], "/password");
    let question = add(&json!({"password": PASSWORD})).send().await.ok();
    let options = &question["options"]["publicKey"];
    assert_eq!((&options["user"]["name"], &options["attestation"]), (&json!("ani"), &json!("none")));
    let selection = &options["authenticatorSelection"];
    assert_eq!(
        (&selection["residentKey"], &selection["userVerification"]),
        (&json!("required"), &json!("required"))
    );
    let made = json!({"id": question["id"], "credential": {}, "label": "telepon"});
    assert_eq!(add(&made).send().await.problem(401)["type"], "/problems/wrong-passkey");
    let own = app.get("/api/v1/session/passkeys").header("cookie", &cookie).send().await.ok();
    assert_eq!(own["passkeys"], json!([]));
    let gone = app.ask(axum::http::Method::DELETE, "/api/v1/session/passkeys/00");
    let gone =
        gone.header("cookie", &cookie).header("origin", format!("http://{}", app.address)).send().await;
    assert_eq!(gone.status, 404);
    app.stop().await;
}
