//! Who of the staff is at which incident: told among those who signed in, to nobody else, kept nowhere.

use std::time::Duration;

use pantau::access::Role;
use pantau::accounts::{NewToken, Scope, hash_password, new_account, new_token};
use pantau::cli::Stopwatch;
use pantau::feed::presence::{PLACES_MAX, PLACES_OF_ONE_MAX};
use pantau::model::Fact;
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::policy::{OWN_AGENCY, OWN_AREA, spot};
use crate::sign_in::{PASSWORD, session};
use crate::support::app::{Setup, TestApp, patient};
use crate::support::socket::{Dial, Socket};
use crate::wire::pin;

async fn start() -> TestApp {
    Setup { trust_loopback: false, pulse: patient(), ..Setup::default() }.start().await
}

fn add(app: &TestApp, name: &str, full_name: &str, role: Role) {
    let agency = (role == Role::Agency).then(|| OWN_AGENCY.to_owned());
    let areas = if role == Role::Responder { vec![OWN_AREA.to_owned()] } else { Vec::new() };
    let scope = Scope::new(role, agency, areas, Some(&app.app.city)).unwrap();
    let mut account = new_account(name, Some(full_name), &scope, app.app.clock.now()).unwrap();
    account.password = Some(hash_password(PASSWORD, name).unwrap());
    assert!(app.accounts().store().add_account(&account).unwrap());
    app.accounts().look().unwrap();
}

async fn open(app: &TestApp, header: (&str, &str)) -> Socket {
    let ours = format!("http://{}", app.address);
    let headers = [header, ("origin", &*ours)];
    Dial { headers: &headers, ..Dial::default() }.connect(app.address).await.unwrap()
}

async fn signed_in(app: &TestApp, name: &str, full_name: &str, role: Role) -> Socket {
    add(app, name, full_name, role);
    open(app, ("cookie", &session(app, name).await)).await
}

async fn look(socket: &mut Socket, incident: Option<&str>, editing: bool) {
    socket.send(&json!({"type": "presence", "incident": incident, "editing": editing})).await;
}

/// Reads on until a message tells just this of everybody: who, at which incident, whether editing.
async fn told(socket: &mut Socket, expected: &[(&str, Option<&str>, bool)]) -> Value {
    let mut expected: Vec<Value> = expected.iter().map(|row| json!(row)).collect();
    expected.sort_by_key(Value::to_string);
    loop {
        let message = socket.until_type("presence").await;
        let people = message["people"].as_array().unwrap().iter();
        let mut rows: Vec<Value> =
            people.map(|one| json!([one["who"], one["incident"], one["editing"]])).collect();
        rows.sort_by_key(Value::to_string);
        if rows == expected {
            return message;
        }
    }
}

/// After this, everything that was to be told to the socket at its last messages has been.
async fn errors(socket: &mut Socket) -> Vec<Value> {
    socket.send(&json!({"type": "ping", "t": 1})).await;
    socket.until_type("pong").await;
    std::mem::take(&mut socket.client.errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn colleagues_see_who_is_where_at_once_and_that_they_left() {
    let app = start().await;
    let incident = app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned();
    let seq = app.live().seq();
    let mut ani = signed_in(&app, "ani", "Ani Wijaya", Role::Operator).await;
    let mut budi = signed_in(&app, "budi", "Budi Santoso", Role::Supervisor).await;
    assert_eq!(ani.hello["presence"], true);

    look(&mut ani, Some(&incident), false).await;
    let message = told(&mut budi, &[("ani", Some(&incident), false)]).await;
    assert_eq!(message["people"][0]["name"], "Ani Wijaya");
    // Whoever edits says so; the others stand beside it. The id of the feature is good, too.
    look(&mut ani, Some(&format!("i:{incident}")), true).await;
    look(&mut budi, Some(&incident), false).await;
    let both = [("ani", Some(&*incident), true), ("budi", Some(&*incident), false)];
    let edited = told(&mut budi, &both).await;
    assert_eq!(edited["people"][0]["since"], message["people"][0]["since"], "she was there before");
    told(&mut ani, &both).await;
    // Whoever comes later is told how it stands.
    let mut citra = signed_in(&app, "citra", "Citra", Role::Admin).await;
    told(&mut citra, &both).await;

    look(&mut budi, None, false).await;
    told(&mut citra, &[("ani", Some(&incident), true), ("budi", None, false)]).await;
    // Two windows at one incident are one row; it edits while one of them does.
    let cookie = session(&app, "ani").await;
    let mut second = open(&app, ("cookie", &cookie)).await;
    look(&mut second, Some(&incident), false).await;
    look(&mut budi, Some(&incident), true).await;
    let all = [("ani", Some(&*incident), true), ("budi", Some(&*incident), true)];
    told(&mut second, &all).await;

    let began = Stopwatch::start();
    drop((ani, second));
    told(&mut citra, &[("budi", Some(&incident), true)]).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // So does a session that ended elsewhere.
    assert!(app.accounts().store().end_sessions("budi").unwrap());
    told(&mut citra, &[]).await;
    let since = app.app.engine.reader().entries(seq, 100).unwrap();
    assert!(
        since.iter().all(|entry| matches!(entry.fact, Fact::Tick)),
        "nothing of it is an entry: {since:?}"
    );
    assert_eq!(errors(&mut citra).await, Vec::<Value>::new());
    drop((budi, citra));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_much_changes_a_socket_is_told_once_a_second() {
    let app = start().await;
    let incident = app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned();
    let mut ani = signed_in(&app, "ani", "Ani", Role::Operator).await;
    let mut budi = signed_in(&app, "budi", "Budi", Role::Operator).await;
    let (began, mut messages) = (Stopwatch::start(), 0);
    for round in 0..3 {
        for n in 0..20 {
            look(&mut ani, Some(&incident), n % 2 == 0).await;
        }
        let last = (round % 2 == 0).then_some(&*incident);
        look(&mut ani, last, false).await;
        loop {
            let message = budi.until_type("presence").await;
            messages += 1;
            if message["people"][0]["incident"] == json!(last) && message["people"][0]["editing"] == false {
                break;
            }
        }
    }
    let most = began.elapsed().as_secs_f64() + 2.0;
    assert!(f64::from(messages) <= most, "{messages} messages, and at most {most} were due");
    drop((ani, budi));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_walls_programs_and_viewers_learn_nothing_and_are_on_no_board() {
    let app = start().await;
    let incident = app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned();
    let scope = Scope::new(Role::Viewer, None, Vec::new(), None).unwrap();
    let new = NewToken { label: "wall".into(), scope, kiosk: true, only: None, expires_at: None };
    let (wall, row) = new_token(new, app.app.clock.now()).unwrap();
    assert!(app.accounts().store().add_token(&row).unwrap());
    let operator = app.token(Role::Operator, "", "");
    let mut ani = signed_in(&app, "ani", "Ani", Role::Operator).await;
    add(&app, "dina", "Dina", Role::Viewer);
    let mut others = vec![
        Socket::connect(app.address, "").await,
        open(&app, ("authorization", &format!("Bearer {operator}"))).await,
        open(&app, ("authorization", &format!("Bearer {wall}"))).await,
        open(&app, ("cookie", &format!("__Host-pantau={wall}"))).await,
        open(&app, ("cookie", &session(&app, "dina").await)).await,
    ];
    for other in &mut others {
        assert_eq!(other.hello.get("presence"), None);
        look(other, Some(&incident), true).await;
        let errors = errors(other).await;
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0]["problem"]["type"], "/problems/no-presence");
    }
    look(&mut ani, Some(&incident), true).await;
    told(&mut ani, &[("ani", Some(&incident), true)]).await;
    for other in &mut others {
        errors(other).await;
        assert!(!other.seen.contains("\"people\""), "{}", other.seen);
    }
    drop((ani, others));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_and_a_responder_see_only_who_is_at_what_is_theirs() {
    let app = start().await;
    let (there, elsewhere) = (spot(&app, true), spot(&app, false));
    let filed = async |category: &str, place: &Value| {
        let receipt = app.report(&with(report(category), place.clone())).await;
        receipt["incident"].as_str().unwrap().to_owned()
    };
    // The agency's, elsewhere; another's, in the responder's area.
    let (of_agency, of_area) = (filed("garbage", &elsewhere).await, filed("water", &there).await);
    let mut ani = signed_in(&app, "ani", "Ani", Role::Operator).await;
    let mut budi = signed_in(&app, "budi", "Budi", Role::Operator).await;
    let mut agency = signed_in(&app, "dlh", "DLH", Role::Agency).await;
    let mut responder = signed_in(&app, "riri", "Riri", Role::Responder).await;
    look(&mut ani, Some(&of_agency), true).await;
    look(&mut budi, Some(&of_area), false).await;
    told(&mut agency, &[("ani", Some(&of_agency), true)]).await;
    told(&mut responder, &[("budi", Some(&of_area), false)]).await;
    // Nobody is shown at what they may not see, and is not told whether it is there.
    look(&mut agency, Some(&of_area), true).await;
    look(&mut responder, Some(&of_area), true).await;
    let all = [
        ("ani", Some(&*of_agency), true),
        ("budi", Some(&*of_area), false),
        ("dlh", None, false),
        ("riri", Some(&*of_area), true),
    ];
    told(&mut ani, &all).await;
    assert_eq!(errors(&mut agency).await, Vec::<Value>::new());
    told(&mut responder, &[("budi", Some(&of_area), false), ("riri", Some(&of_area), true)]).await;
    for foreign in [of_area.as_str(), "dlh", "riri", "budi"] {
        assert!(!agency.seen.contains(foreign), "{foreign} in {}", agency.seen);
    }
    drop((ani, budi, agency, responder));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_is_bounded_and_what_cannot_be_taken_is_answered() {
    let app = start().await;
    let incident = app.report(&report("garbage")).await["incident"].as_str().unwrap().to_owned();
    add(&app, "ani", "Ani", Role::Operator);
    let cookie = session(&app, "ani").await;
    let mut windows = Vec::new();
    for n in 0..=PLACES_OF_ONE_MAX {
        let mut window = open(&app, ("cookie", &cookie)).await;
        look(&mut window, None, false).await;
        let refused = errors(&mut window).await;
        if n < PLACES_OF_ONE_MAX {
            assert_eq!(refused, Vec::<Value>::new());
        } else {
            assert_eq!(refused[0]["problem"]["type"], "/problems/too-many-present");
        }
        windows.push(window);
    }
    const { assert!(PLACES_MAX > PLACES_OF_ONE_MAX) };
    // A place that is given up is free.
    windows.remove(0);
    let last = windows.last_mut().unwrap();
    loop {
        look(last, Some(&incident), false).await;
        if errors(last).await.is_empty() {
            break;
        }
    }
    for wrong in [json!("here"), json!(""), json!(7), json!({"id": 1})] {
        last.send(&json!({"type": "presence", "incident": wrong})).await;
        let errors = errors(last).await;
        assert_eq!(errors[0]["problem"]["type"], "/problems/invalid-message", "{wrong}");
    }
    // What is no incident here is none; it is not told apart from what one may not see.
    look(last, Some("01890000-0000-7000-8000-000000000000"), true).await;
    told(last, &[("ani", None, false)]).await;
    drop(windows);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_as_published() {
    let app = start().await;
    let mut ani = signed_in(&app, "ani", "Ani Wijaya", Role::Operator).await;
    let mut ask =
        json!({"type": "presence", "incident": "019ab6a1-3c00-7abc-8def-0123456789ab", "editing": true});
    pin("presence_ask.json", &ask);
    let incident = app.report(&report("garbage")).await["incident"].clone();
    ask["incident"] = incident.clone();
    ani.send(&ask).await;
    let mut message = told(&mut ani, &[("ani", incident.as_str(), true)]).await;
    let since = message["people"][0]["since"].as_str().unwrap();
    assert!(pantau::model::TimeMs::parse_rfc3339(since).is_some());
    message["people"][0]["since"] = "2026-11-24T05:05:00Z".into();
    message["people"][0]["incident"] = "019ab6a1-3c00-7abc-8def-0123456789ab".into();
    pin("presence.json", &message);
    drop(ani);
    app.stop().await;
}
