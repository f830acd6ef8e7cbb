//! Single sign-on from the button to the session and through all that can go wrong, over the real router and against
//! a provider of our own.

mod province;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use self::province::{CLIENT, Province, SECRET, Wrong};
use super::{Back, Oidc, OidcFault, OidcSettings, Proof, Provider, Word};
use crate::access::Role;
use crate::accounts::{Accounts, Network, Scope, hash_password, new_account};
use crate::api::{Mode, build_router};
use crate::city::City;
use crate::clock::ManualClock;
use crate::journal::{EventQuestion, MemoryJournal};
use crate::model::{HOUR_MS, MINUTE_MS, Secret, TimeMs};
use crate::server::{Server, Sharing};

const NOW: TimeMs = TimeMs(1_795_000_000_000);
const HOST: &str = "127.0.0.1:8080";
const PASSWORD: &str = "tiga kata pendek";

/// A center whose province has a provider.
struct Center {
    router: Router,
    accounts: Arc<Accounts>,
    clock: Arc<ManualClock>,
    province: Province,
    /// Ends with the test.
    _server: Server,
    _secret: tempfile::TempDir,
}

impl Center {
    async fn start() -> Center {
        let clock = Arc::new(ManualClock::at(NOW));
        let province = Province::start(clock.clone());
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let flags = [
            format!("issuer={}", province.issuer()),
            format!("client={CLIENT}"),
            format!("secret-file={}", secret.display()),
            "name=akun Malut".to_owned(),
            "role=operator:pantau-operator".to_owned(),
            "role=agency/dlh:dinas-lh".to_owned(),
        ];
        let city = City::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate")).unwrap();
        let city = Arc::new(city);
        let journal = Box::new(MemoryJournal::new(city.clone(), Secret([7; 32])));
        let oidc = OidcSettings::resolve(&flags, None).unwrap();
        let sharing = Sharing { oidc, ..Sharing::default() };
        let server = Server::sharing(journal, city, clock.clone(), Mode::Live, false, sharing).unwrap();
        let accounts = server.app().accounts.clone().unwrap();
        let router = build_router(server.app().clone());
        Center { router, accounts, clock, province, _server: server, _secret: folder }
    }

    fn set(&self, wrong: Wrong) {
        self.province.state.lock().unwrap().wrong = wrong;
    }

    fn give(&self, groups: &Value) {
        self.province.state.lock().unwrap().claims["groups"] = groups.clone();
    }

    /// What happened to accounts, the oldest first: the action, to or by whom, and the detail.
    fn events(&self) -> Vec<(String, String, String)> {
        self.accounts.write_log().unwrap();
        let mut events = self.accounts.store().events(&EventQuestion::default(), 100).unwrap();
        events.reverse();
        let text = |text: Option<String>| text.unwrap_or_default();
        events.into_iter().map(|e| (e.action, text(e.actor.or(e.subject)), text(e.detail))).collect()
    }
}

struct Answer {
    status: StatusCode,
    location: String,
    cookies: Vec<String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The cookie of a name, as it was set.
    fn cookie(&self, name: &str) -> Option<&str> {
        let begin = format!("{name}=");
        self.cookies.iter().find(|cookie| cookie.starts_with(&begin)).map(String::as_str)
    }

    fn has_session(&self) -> bool {
        self.cookie("__Host-pantau").is_some()
    }
}

/// A browser: it keeps cookies, and goes where it is sent.
#[derive(Default, Clone)]
struct Browser {
    cookies: HashMap<String, String>,
}

impl Browser {
    async fn send(&mut self, center: &Center, method: Method, path: &str, body: &str) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST)
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, cookies.join("; "));
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = center.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text =
            |name| parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
        let cookies: Vec<String> = text(header::SET_COOKIE).collect();
        for cookie in &cookies {
            let (key, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => drop(self.cookies.remove(key)),
                value => drop(self.cookies.insert(key.to_owned(), value.to_owned())),
            }
        }
        let location = text(header::LOCATION).next().unwrap_or_default();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Answer { status: parts.status, location, cookies, body }
    }

    async fn get(&mut self, center: &Center, path: &str) -> Answer {
        self.send(center, Method::GET, path, "").await
    }

    /// Presses the button, signs in at the provider, and holds the address that it is sent back to.
    async fn go_out(&mut self, center: &Center) -> String {
        let begun = self.get(center, "/api/v1/session/oidc?next=/console").await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER);
        assert!(begun.location.starts_with(&center.province.issuer()), "{}", begun.location);
        let address = begun.location;
        let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).proxy(None).build().into();
        let answer =
            tokio::task::spawn_blocking(move || agent.get(&address).call().unwrap()).await.unwrap();
        let back = answer.headers()[header::LOCATION].to_str().unwrap();
        back.strip_prefix(&format!("http://{HOST}")).expect("our own address").to_owned()
    }

    /// All of it.
    async fn sign_in(&mut self, center: &Center) -> Answer {
        let back = self.go_out(center).await;
        self.get(center, &back).await
    }

    async fn who(&mut self, center: &Center) -> Value {
        self.get(center, "/api/v1/session").await.json()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_province_knows_signs_in_and_is_what_the_table_says() {
    let center = Center::start().await;
    let mut browser = Browser::default();
    let nobody = browser.who(&center).await;
    assert_eq!((&nobody["signed_in"], &nobody["oidc"]), (&json!(false), &json!({"name": "akun Malut"})));
    // Whoever cannot sign in there has no button either.
    let begun = browser.clone().get(&center, "/api/v1/session/oidc").await;
    let sso = begun.cookie("__Host-pantau-oidc").expect("a cookie");
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(sso.contains(part), "{sso}");
    }

    let arrived = browser.sign_in(&center).await;
    assert_eq!((arrived.status, &*arrived.location), (StatusCode::SEE_OTHER, "/console"));
    let session = arrived.cookie("__Host-pantau").expect("a session");
    assert!(session.contains("SameSite=Strict") && session.contains("HttpOnly"), "{session}");
    assert!(session.contains(&format!("Max-Age={}", 13 * 3_600)), "{session}");
    assert!(!browser.cookies.contains_key("__Host-pantau-oidc"), "it has done its work");
    let me = browser.who(&center).await;
    assert_eq!((&me["name"], &me["full_name"]), (&json!("ani"), &json!("Ani Wijaya")));
    assert_eq!(
        (&me["role"], &me["agency"], &me["via"]),
        (&json!("agency"), &json!("dlh"), &json!("session"))
    );
    assert_eq!(me["own_password"], false);
    let expected = [("account-added", "ani", "agency"), ("sign-in-by-oidc", "ani", "")];
    let expected = expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()));
    assert_eq!(center.events(), expected);

    // It is a session as any other: it ends everywhere at once, and after 13 hours.
    assert!(center.accounts.store().end_sessions("ani").unwrap());
    center.accounts.look().unwrap();
    assert_eq!(browser.who(&center).await["ended"], true);
    browser.sign_in(&center).await;
    assert_eq!(browser.who(&center).await["name"], "ani", "the same account");
    center.clock.advance_ms(13 * HOUR_MS);
    assert_eq!(browser.who(&center).await["signed_in"], false);
    // No password opens it.
    let body = json!({"name": "ani", "password": PASSWORD}).to_string();
    let refused = browser.send(&center, Method::POST, "/api/v1/session", &body).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(
        !center
            .accounts
            .store()
            .set_password("ani", &hash_password(PASSWORD, "ani").unwrap(), None)
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_right_in_everything_signs_nobody_in() {
    let center = Center::start().await;
    let all_wrong = [
        Wrong::Nonce,
        Wrong::NoNonce,
        Wrong::Audience,
        Wrong::SecondAudience,
        Wrong::Issuer,
        Wrong::Expired,
        Wrong::Ahead,
        Wrong::Key,
        Wrong::Unsigned,
        Wrong::Shared,
        Wrong::Changed,
        Wrong::NoToken,
    ];
    for (n, wrong) in all_wrong.into_iter().enumerate() {
        // The same refusal is told of once a minute.
        center.clock.advance_ms(MINUTE_MS);
        center.set(wrong);
        let mut browser = Browser::default();
        let answer = browser.sign_in(&center).await;
        assert_eq!(
            (answer.status, &*answer.location),
            (StatusCode::SEE_OTHER, "/login?sso=wrong"),
            "{wrong:?}"
        );
        assert!(!answer.has_session() && browser.cookies.is_empty(), "{wrong:?}");
        let events = center.events();
        assert_eq!(events.len(), n + 1, "{wrong:?}");
        let (action, _, detail) = events.last().unwrap();
        assert_eq!((&**action, &**detail), ("sign-in-refused", "single sign-on: wrong"), "{wrong:?}");
    }
    assert_eq!(center.accounts.store().load().unwrap().accounts, []);
    // The same way with nothing wrong leads in.
    center.set(Wrong::Nothing);
    assert!(Browser::default().sign_in(&center).await.has_session());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_or_from_another_browser_is_no_answer() {
    let center = Center::start().await;
    let mut browser = Browser::default();
    let refused = async |browser: &mut Browser, path: &str, key: &str| {
        let answer = browser.get(&center, path).await;
        assert_eq!(answer.location, format!("/login?sso={key}"), "{path}");
        assert!(!answer.has_session(), "{path}");
    };
    // Nobody began.
    refused(&mut browser, "/api/v1/session/oidc/back?code=code-1&state=x", "over").await;
    // Another browser began.
    let back = browser.go_out(&center).await;
    refused(&mut Browser::default(), &back, "over").await;
    let mut other = Browser::default();
    other.go_out(&center).await;
    refused(&mut other, &back, "over").await;
    // It counts once.
    let kept = browser.clone();
    assert!(browser.get(&center, &back).await.has_session());
    refused(&mut kept.clone(), &back, "over").await;
    // A code that was used, under a state that is good.
    let code = |back: &str| back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let mut again = Browser::default();
    let fresh = again.go_out(&center).await;
    refused(&mut again, &fresh.replace(&code(&fresh), &code(&back)), "wrong").await;
    // Somebody else's code: it is bound to what only their sign-in knows.
    let (mut ours, mut theirs) = (Browser::default(), Browser::default());
    let (own, stolen) = (ours.go_out(&center).await, theirs.go_out(&center).await);
    refused(&mut ours, &own.replace(&code(&own), &code(&stolen)), "wrong").await;
    // Of another state than was drawn.
    let mut browser = Browser::default();
    let back = browser.go_out(&center).await;
    refused(&mut browser, &format!("{}x", back), "over").await;
    // Ten minutes are over.
    let mut late = Browser::default();
    let back = late.go_out(&center).await;
    center.clock.advance_ms(10 * MINUTE_MS);
    refused(&mut late, &back, "over").await;
    // Somebody pressed cancel.
    let mut browser = Browser::default();
    let back = browser.go_out(&center).await;
    let cancelled = back.replace(&format!("code={}", code(&back)), "error=access_denied");
    refused(&mut browser, &cancelled, "refused").await;
    // Another provider says that it answered (RFC 9207).
    let mut browser = Browser::default();
    let back = browser.go_out(&center).await;
    refused(&mut browser, &format!("{back}&iss=https%3A%2F%2Fevil.example"), "wrong").await;
    // Anybody may come back from nowhere: that fills no audit.
    let told: Vec<String> = center.events().into_iter().map(|(_, _, detail)| detail).collect();
    assert!(!told.iter().any(|detail| detail.ends_with("over")), "{told:?}");
    assert_eq!(
        told.iter().filter(|detail| detail.ends_with("wrong")).count(),
        2,
        "once a minute: {told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_role_of_the_table_is_not_let_in_and_who_lost_it_is_out() {
    let center = Center::start().await;
    let mut browser = Browser::default();
    for groups in [json!(["staf"]), json!([]), json!("Dinas-LH"), json!(null)] {
        center.give(&groups);
        let answer = browser.sign_in(&center).await;
        assert_eq!((&*answer.location, answer.has_session()), ("/login?sso=role", false), "{groups}");
    }
    assert_eq!(center.accounts.store().load().unwrap().accounts, []);
    // The first line of the table that holds counts.
    center.give(&json!(["dinas-lh", "pantau-operator"]));
    browser.sign_in(&center).await;
    assert_eq!(browser.who(&center).await["role"], "operator");
    let mut elsewhere = Browser::default();
    center.give(&json!("dinas-lh"));
    elsewhere.sign_in(&center).await;
    assert_eq!(browser.who(&center).await["role"], "agency", "on every screen");
    center.give(&json!(["staf"]));
    elsewhere.sign_in(&center).await;
    for browser in [&mut browser, &mut elsewhere] {
        assert_eq!(browser.who(&center).await["signed_in"], false);
    }
    // Whom the center itself shut out stays out, whatever the province says.
    center.give(&json!(["pantau-operator"]));
    browser.sign_in(&center).await;
    assert!(center.accounts.store().disable("ani", NOW).unwrap());
    let answer = browser.sign_in(&center).await;
    assert_eq!((&*answer.location, answer.has_session()), ("/login?sso=disabled", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_provider_the_page_says_so_and_accounts_of_the_center_go_on() {
    let center = Center::start().await;
    let scope = Scope::new(Role::Operator, None, Vec::new(), None).unwrap();
    let mut budi = new_account("budi", None, &scope, NOW).unwrap();
    budi.password = Some(hash_password(PASSWORD, "budi").unwrap());
    assert!(center.accounts.store().add_account(&budi).unwrap());
    center.accounts.look().unwrap();
    // It goes away while somebody is on the way.
    let mut browser = Browser::default();
    let back = browser.go_out(&center).await;
    center.province.stop().await;
    let answer = browser.get(&center, &back).await;
    assert_eq!((&*answer.location, answer.has_session()), ("/login?sso=away", false));
    // And is still away for whoever comes next, after what is known of it is old.
    center.clock.advance_ms(11 * MINUTE_MS);
    let answer = Browser::default().get(&center, "/api/v1/session/oidc").await;
    assert_eq!(answer.location, "/login?sso=away");
    assert!(answer.cookies.is_empty());
    let body = json!({"name": "budi", "password": PASSWORD}).to_string();
    let signed_in = browser.send(&center, Method::POST, "/api/v1/session", &body).await;
    assert_eq!((signed_in.status, signed_in.json()["name"].clone()), (StatusCode::OK, json!("budi")));
    assert_eq!(browser.who(&center).await["own_password"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_change_its_keys_at_any_time() {
    let center = Center::start().await;
    let n_looks = || center.province.state.lock().unwrap().n_looks;
    assert!(Browser::default().sign_in(&center).await.has_session());
    assert!(Browser::default().sign_in(&center).await.has_session());
    assert_eq!(n_looks(), 1, "it is not asked for them each time");
    center.province.state.lock().unwrap().change_key();
    assert!(Browser::default().sign_in(&center).await.has_session());
    assert_eq!(n_looks(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_private_line_and_a_page_of_ours_begin() {
    let center = Center::start().await;
    let mut browser = Browser::default();
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let answer = browser.get(&center, &format!("/api/v1/session/oidc?next={next}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{next}");
    }
    let mut request = Request::builder().uri("/api/v1/session/oidc").header(header::HOST, "peta.example");
    request = request.method(Method::GET);
    let mut request = request.body(Body::empty()).unwrap();
    let peer: SocketAddr = "192.0.2.1:40000".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = center.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN, "over plain HTTP from elsewhere");
}

/// Looks, while it is asked, whether others may begin.
struct Watching(Weak<Oidc>);

impl Provider for Watching {
    fn begin(&self, redirect: &str) -> Result<(String, Proof), OidcFault> {
        let [state, nonce, verifier] = ["state", "nonce", "verifier"].map(str::to_owned);
        Ok((redirect.to_owned(), Proof { state, nonce, verifier }))
    }

    fn finish(&self, _: Proof, _: &str, _: &str) -> Result<Word, OidcFault> {
        let is_free = self.0.upgrade().unwrap().started.try_lock().is_ok();
        Err(OidcFault::Refused(if is_free { "free" } else { "held" }.to_owned()))
    }
}

#[test]
fn others_begin_while_the_provider_is_asked() {
    let oidc = Arc::new_cyclic(|oidc| Oidc {
        name: String::new(),
        issuer: String::new(),
        rules: Vec::new(),
        provider: Box::new(Watching(oidc.clone())),
        started: Mutex::default(),
        clock: Arc::new(ManualClock::at(NOW)),
    });
    let begun = oidc.begin(Network::of([127, 0, 0, 1].into()), HOST, "back", None).unwrap();
    let (cookie, state, code) = (Some(begun.cookie.as_str()), Some("state"), Some("code"));
    let back = Back { cookie, host: HOST, state, code, error: None, issuer: None };
    assert!(matches!(oidc.finish(&back), Err(OidcFault::Refused(word)) if word == "free"));
}
