//! Who may do what, over HTTP: every role at every address, to what is its own and to what is not. The
//! addresses come from the table of rules, which is held against the router and its description here.

use std::collections::BTreeSet;

use axum::http::Method;
use pantau::access::{Permission, Reach, Role, reach};
use pantau::api::{Needs, RULES, Rule};
use pantau::model::{Action, LngLat};
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::photos::{AsForm, form, jpeg};
use crate::support::app::{Setup, TestApp};
use crate::support::repo;

/// The agency and the area that roles of a part have.
pub const OWN_AGENCY: &str = "dlh";
pub const OWN_AREA: &str = "82.71.01";

/// The addresses that `api/mod.rs` gives to handlers.
fn routes() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repo("src/api/mod.rs")).unwrap();
    let routes = text.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    // What is nested stands first.
    let nested = text.split(".route(\"").take_while(|part| !part.contains(".nest(")).count();
    routes
        .enumerate()
        .map(|(i, path)| if i < nested { format!("/api/v1{path}") } else { path.to_owned() })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_has_a_rule_and_every_rule_an_address() {
    let ruled: BTreeSet<String> = RULES.iter().map(|rule| rule.path.to_owned()).collect();
    assert_eq!(routes(), ruled, "api/mod.rs and api/rules.rs");

    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let described = app.get("/openapi.json").send().await.ok();
    let described: BTreeSet<(String, String)> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (path.clone(), method.to_uppercase())).collect::<Vec<_>>()
        })
        .collect();
    let of_api = |rule: &&Rule| rule.path.starts_with("/api/");
    let ruled: BTreeSet<(String, String)> =
        RULES.iter().filter(of_api).map(|rule| (rule.path.to_owned(), rule.method.to_owned())).collect();
    let described: BTreeSet<_> =
        described.into_iter().filter(|(path, _)| path.starts_with("/api/")).collect();
    assert_eq!(described, ruled, "the description of the API and api/rules.rs");
    app.stop().await;
}

/// A place in the own area, or in another.
pub fn spot(app: &TestApp, own: bool) -> Value {
    let areas = &app.app.city.areas;
    let area = areas.by_code(OWN_AREA).unwrap();
    let places = (0..40)
        .flat_map(|x| (0..40).map(move |y| (127.28 + f64::from(x) / 250.0, 0.74 + f64::from(y) / 220.0)));
    let fits = |(lng, lat): &(f64, f64)| {
        let located = areas.locate(LngLat::new(*lng, *lat).unwrap());
        located.is_some_and(|id| areas.with_ancestors(id).any(|id| id == area) == own)
    };
    let (lng, lat) = places.into_iter().find(fits).expect("the city has such a place");
    json!({"lng": lng, "lat": lat})
}

/// What an incident is to a role.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Object {
    Own,
    Foreign,
    Missing,
}

/// A question to one address, with what it needs.
struct Question {
    method: Method,
    path: String,
    needs: Option<Permission>,
    object: Option<Object>,
}

/// Each rule as it is asked: for each action, about each object.
fn questions(own: &Value, foreign: &Value, photos: [&str; 2]) -> Vec<Question> {
    let id = |object| match object {
        Object::Own => own.as_str().unwrap(),
        Object::Foreign => foreign.as_str().unwrap(),
        Object::Missing => "01910000-0000-7000-8000-000000000000",
    };
    let mut questions = Vec::new();
    for rule in RULES.iter().filter(|rule| !matches!(rule.needs, Needs::Node | Needs::SignedIn)) {
        let actions: Vec<Option<Action>> = match rule.needs {
            Needs::PermissionOfAction => Action::ALL.into_iter().map(Some).collect(),
            _ => vec![None],
        };
        let objects = match rule.path.contains("{id}") {
            true => vec![Some(Object::Own), Some(Object::Foreign), Some(Object::Missing)],
            false => vec![None],
        };
        for (action, object) in actions.iter().flat_map(|a| objects.iter().map(move |o| (*a, *o))) {
            let needs = match (rule.needs, action) {
                (Needs::Permission(permission), _) => Some(permission),
                (_, Some(action)) => Some(Permission::of_action(action)),
                _ => None,
            };
            let path = rule
                .path
                .replace("{id}", object.map_or("", id))
                .replace("{photo}", photos[usize::from(object == Some(Object::Foreign))])
                .replace("{action}", action.map_or("", Action::key))
                .replace("{code}", OWN_AREA)
                .replace("{file}", "x.pmtiles")
                .replace("{*path}", "x.js");
            questions.push(Question { method: rule.method.parse().unwrap(), path, needs, object });
        }
    }
    questions
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_what_the_table_says_and_nothing_else() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let operator = app.token(Role::Operator, OWN_AGENCY, OWN_AREA);
    // Own to the agency and to the responder alike; foreign to both.
    let own = app.report(&with(report("garbage"), spot(&app, true))).await;
    let foreign = app.report(&with(report("water"), spot(&app, false))).await;
    for (incident, expected) in [(&own, true), (&foreign, false)] {
        let path = format!("/api/v1/incidents/{}", incident["incident"].as_str().unwrap());
        let seen = app.get(&path).bearing(&operator).send().await.ok();
        assert_eq!(seen["properties"]["agency"] == OWN_AGENCY, expected, "{seen}");
        let in_area = seen["properties"]["area"].as_str().unwrap().starts_with(OWN_AREA);
        assert_eq!(in_area, expected, "{seen}");
    }

    let photos = [&own, &foreign].map(|receipt| receipt["incident"].as_str().unwrap());
    let mut ids = Vec::new();
    for incident in photos {
        let body = form(&[("photo", &jpeg(20, 20, "")), ("kind", b"before")]);
        let path = format!("/api/v1/incidents/{incident}/photos");
        let added = app.post(&path, body).as_form().bearing(&operator).send().await.ok();
        ids.push(added["properties"]["photos"][0]["id"].as_str().unwrap().to_owned());
    }
    let photos = [&*ids[0], &*ids[1]];
    let callers = [None].into_iter().chain(Role::ALL.map(Some));
    let mut asked = 0;
    for role in callers {
        let token = role.map(|role| app.token(role, OWN_AGENCY, OWN_AREA));
        for Question { method, path, needs, object } in
            questions(&own["incident"], &foreign["incident"], photos)
        {
            // Wrong on purpose: whoever may not is told so before it is looked at.
            for body in ["{}", "not JSON"] {
                let mut ask = app.ask(method.clone(), &path).body(body);
                ask = match &token {
                    Some(token) => ask.bearing(token),
                    None => ask,
                };
                let answer = ask.send().await;
                let name = format!("{role:?} {method} {path} {object:?}: {}", answer.text());
                let reach = needs.zip(role).map(|(permission, role)| reach(role, permission));
                let expected = match (needs, reach, object) {
                    (None, ..) => None,
                    (Some(_), None, _) => Some(401),
                    (_, Some(Reach::No), _) => Some(403),
                    (_, _, Some(Object::Missing)) | (_, Some(Reach::Own), Some(Object::Foreign)) => {
                        Some(404)
                    }
                    // Of what is about no incident in particular, their part is answered.
                    (_, Some(Reach::All | Reach::Own), _) => None,
                };
                match expected {
                    Some(status) => assert_eq!(answer.status, status, "{name}"),
                    None => {
                        let is_refused = matches!(answer.status, 401 | 403);
                        // Signing in with no name at all is no matter of rights.
                        assert!(!is_refused && answer.status != 500, "{name}");
                        // What needs nothing may be hidden: it is for whom it is public.
                        let is_hidden = needs.is_some() && object.is_some() && answer.status == 404;
                        assert!(!is_hidden, "{name}");
                    }
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 500, "{asked}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_and_own_accounts_are_for_nobodys_token() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let admin = app.token(Role::Admin, OWN_AGENCY, OWN_AREA);
    for rule in RULES.iter().filter(|rule| matches!(rule.needs, Needs::Node | Needs::SignedIn)) {
        let method: Method = rule.method.parse().unwrap();
        let ask = || app.ask(method.clone(), rule.path).body("{}");
        assert_eq!(ask().by_the_public().send().await.status, 401, "{}", rule.path);
        let expected = if rule.needs == Needs::Node { 401 } else { 403 };
        assert_eq!(ask().bearing(&admin).send().await.status, expected, "{}", rule.path);
    }
    app.stop().await;
}

/// What a role sees of a list: the categories, sorted.
async fn seen(app: &TestApp, token: Option<&str>, path: &str) -> Vec<String> {
    let ask = app.get(path);
    let ask = match token {
        Some(token) => ask.bearing(token),
        None => ask.by_the_public(),
    };
    let answer = ask.send().await.ok();
    let features = answer["features"].as_array().unwrap().iter();
    let mut seen: Vec<String> =
        features.map(|f| f["properties"]["category"].as_str().unwrap_or("cluster").to_owned()).collect();
    seen.sort();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_city_is_all_that_its_people_see() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let (there, elsewhere) = (spot(&app, true), spot(&app, false));
    // Three that nobody has confirmed: two of the agency, of these one in the area; one more in the area.
    app.report(&with(report("garbage"), there.clone())).await;
    app.report(&with(report("garbage"), elsewhere)).await;
    let beside = json!({"lng": there["lng"].as_f64().unwrap() + 0.000_1, "lat": there["lat"]});
    app.report(&with(report("water"), beside)).await;
    let [agency, responder, viewer] =
        [Role::Agency, Role::Responder, Role::Viewer].map(|role| app.token(role, OWN_AGENCY, OWN_AREA));
    let lists = [
        "/api/v1/incidents",
        "/api/v1/clusters?bbox=127.2,0.6,127.5,1&zoom=20",
        "/api/v1/incidents?include=archive",
    ];
    for list in lists {
        assert_eq!(seen(&app, None, list).await, Vec::<String>::new(), "{list}");
        assert_eq!(seen(&app, Some(&agency), list).await, ["garbage", "garbage"], "{list}");
        assert_eq!(seen(&app, Some(&responder), list).await, ["garbage", "water"], "{list}");
        assert_eq!(seen(&app, Some(&viewer), list).await, ["garbage", "garbage", "water"], "{list}");
    }
    // Asking for what is not theirs gives what is in both.
    let foreign = "/api/v1/incidents?agency=ake_gaale";
    assert_eq!(seen(&app, Some(&agency), foreign).await, Vec::<String>::new());
    assert_eq!(seen(&app, Some(&responder), foreign).await, ["water"]);
    let elsewhere = "/api/v1/incidents?area=82.71.02,82.71.01";
    assert_eq!(seen(&app, Some(&responder), elsewhere).await, ["garbage", "water"]);
    for (token, total) in [(&agency, 2), (&responder, 2), (&viewer, 3)] {
        let stats = app.get("/api/v1/stats").bearing(token).send().await.ok();
        assert_eq!(stats["total"], total, "{stats}");
    }
    // A wall does not search in what people wrote.
    let searched = app.get("/api/v1/incidents?q=budi").bearing(&viewer).send().await;
    assert_eq!(searched.pointers(400), ["q"]);
    assert_eq!(app.get("/api/v1/incidents?q=budi").bearing(&agency).send().await.status, 200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lowers_an_address_is_answered_as_nobody_is() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let admin = app.token(Role::Admin, OWN_AGENCY, OWN_AREA);
    let receipt = app.report(&with(report("social"), json!({"description": "kanari"}))).await;
    let id = receipt["incident"].as_str().unwrap().to_owned();
    app.report(&report("garbage")).await;
    let verify = app.post(&format!("/api/v1/incidents/{id}/verify"), "{}").bearing(&admin).send().await;
    assert_eq!(verify.status, 200, "{}", verify.text());
    let mut n_lowered = 0;
    for rule in RULES.iter().filter(|rule| rule.method == "GET" && !rule.is_stream()) {
        let path = rule.path.replace("{id}", &id).replace("{file}", "x").replace("{*path}", "x");
        let code = if path.contains("/areas/") { OWN_AREA } else { receipt["code"].as_str().unwrap() };
        let path = path.replace("{code}", code);
        for query in
            ["", "q=kanari&", "members=true&", "status=new,verified&", "bbox=-180,-90,180,90&zoom=9&"]
        {
            let path = format!("{path}?{query}projection=public");
            let lowered = app.get(&path).bearing(&admin).send().await;
            let nobody = app.get(&path).send().await;
            assert_eq!(lowered.status, nobody.status, "{path}: {} / {}", lowered.text(), nobody.text());
            if rule.path.starts_with("/api/") && !rule.path.ends_with(".csv") {
                let told = [&lowered, &nobody].map(|answer| {
                    let mut told = answer.json();
                    // A tick may come between the two.
                    for moving in ["seq", "request_id"] {
                        told.as_object_mut().and_then(|told| told.remove(moving));
                    }
                    told
                });
                assert_eq!(told[0], told[1], "{path}");
                n_lowered += 1;
            }
        }
    }
    assert!(n_lowered > 80, "{n_lowered}");
    app.stop().await;

    // And whoever is a node, or staff for coming from this machine.
    let trusted = TestApp::start().await;
    for path in ["/api/v1/nodes/state", "/api/v1/audit", "/api/v1/sitrep"] {
        assert_eq!(trusted.get(path).send().await.status, 200, "{path}");
        let lowered = trusted.get(&format!("{path}?projection=public")).send().await;
        assert_eq!(lowered.status, 401, "{path}: {}", lowered.text());
    }
    trusted.stop().await;
}
