//! Photos that come through an edge, of which the origin keeps all and the edge nothing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::photos::{MARKER, form, jpeg};
use crate::photos_sent::{files, incident_in, text};
use crate::policy::OWN_AGENCY;
use crate::support::app::wait_for;
use crate::support::nodes::{Node, Plan, are_equal, free_address};
use crate::support::repo;

/// A question to a node, by whoever has the token.
struct Asks<'a> {
    node: &'a Node,
    token: Option<&'a str>,
}

/// Status, headers and all bytes of an answer.
struct Told {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Asks<'_> {
    fn agent() -> ureq::Agent {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        config.timeout_global(Some(Duration::from_secs(30))).build().into()
    }

    fn told(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Told {
        let mut answer = answer.expect("the node answers");
        let body = answer.body_mut().read_to_vec().expect("a whole answer");
        Told { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
    }

    fn get(&self, path: &str) -> Told {
        let mut request = Asks::agent().get(format!("http://{}{path}", self.node.address));
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        Asks::told(request.call())
    }

    fn post(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Told {
        let mut request = Asks::agent().post(format!("http://{}{path}", self.node.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        Asks::told(request.send(body))
    }

    fn photos(&self, incident: &str, form: &[u8], key: Option<&str>) -> Told {
        let mut headers = vec![("content-type", "multipart/form-data; boundary=b")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.post(&format!("/api/v1/incidents/{incident}/photos"), form, &headers)
    }
}

/// The secret of a token that is made beside the server.
fn token(folder: &Path, role: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pantau"));
    command.args(["token", "create", "--role"]).args(role).arg("--data").arg(folder);
    let made = command.arg("--city").arg(repo("geodata/ternate")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_comes_through_an_edge_is_kept_by_the_origin_and_seen_at_both() {
    let folder = tempfile::tempdir().unwrap();
    let (program, city) = (Path::new(env!("CARGO_BIN_EXE_pantau")), repo("geodata/ternate"));
    let mut plan = Plan::new(program, &city, free_address());
    plan.args = ["--data", folder.path().to_str().unwrap(), "--trusted-proxy", "127.0.0.1"]
        .map(str::to_owned)
        .to_vec();
    let origin = plan.start().unwrap();
    let edge = Plan::new(program, &city, free_address()).edge(origin.address, None).start().unwrap();
    let operator = token(folder.path(), &["operator"]);
    let agency = if OWN_AGENCY == "bpbd" { "dlh" } else { "bpbd" };
    let elsewhere = token(folder.path(), &["agency", "--agency", agency]);
    wait_for("the tokens to be known", async || {
        let asks = Asks { node: &origin, token: Some(&elsewhere) };
        (asks.get("/api/v1/session").json()["signed_in"] == true).then_some(())
    })
    .await;
    let of = |node, token| Asks { node, token };
    let nodes = [&edge, &origin];

    // A reporter's photo, at the edge.
    let picture = jpeg(60, 40, MARKER);
    let said = json!({"category": "garbage", "lng": 127.38, "lat": 0.79}).to_string();
    let body = form(&[("report", said.as_bytes()), ("photo", &picture)]);
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    let receipt = of(&edge, None).post("/api/v1/reports", &body, &headers);
    assert_eq!(receipt.status, 201, "{}", String::from_utf8_lossy(&receipt.body));
    let receipt = receipt.json();
    assert!(receipt.get("warnings").is_none(), "{receipt}");
    let incident = text(&receipt["incident"]);

    // And one of staff, whose answer was lost on the way: sent again, to the edge and to the origin.
    let after = form(&[("photo", &picture), ("kind", b"after")]);
    assert_eq!(of(&edge, None).photos(incident, &after, Some("k")).status, 401);
    let first = of(&edge, Some(&operator)).photos(incident, &after, Some("k"));
    assert_eq!(first.status, 200, "{}", String::from_utf8_lossy(&first.body));
    for node in nodes {
        let again = of(node, Some(&operator)).photos(incident, &after, Some("k"));
        assert_eq!((again.status, incident_in(&again.json())), (200, incident_in(&first.json())));
        let other = form(&[("photo", &picture), ("kind", b"before")]);
        assert_eq!(of(node, Some(&operator)).photos(incident, &other, Some("k")).status, 422);
    }
    assert_eq!(files(folder.path()), 4, "two photos, large and small");
    let photos = first.json()["properties"]["photos"].as_array().unwrap().clone();
    let kinds: Vec<&str> = photos.iter().map(|photo| text(&photo["kind"])).collect();
    assert_eq!(kinds, ["report", "after"]);

    let list = format!("/api/v1/incidents/{incident}/photos");
    let address = |photo: &Value| format!("/api/v1/photos/{}", text(&photo["id"]));
    for size in ["", "?size=thumb"] {
        let path = format!("{}{size}", address(&photos[1]));
        let seen = nodes.map(|node| of(node, Some(&operator)).get(&path));
        for told in &seen {
            assert_eq!((told.status, told.header("content-type")), (200, "image/jpeg"));
            assert_eq!(told.header("x-content-type-options"), "nosniff");
            assert!(told.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
            assert!(told.header("cache-control").starts_with("private, "));
        }
        assert_eq!(seen[0].body, seen[1].body);
        assert!(memchr::memmem::find(&seen[0].body, MARKER.as_bytes()).is_none());
    }
    // The public, and staff of others, see none of it at either.
    for node in nodes {
        let listed = of(node, Some(&operator)).get(&list).json();
        assert_eq!(listed["photos"], json!(photos));
        for asks in [of(node, None), of(node, Some(&elsewhere))] {
            assert_eq!(asks.get(&list).status, 404);
            assert_eq!(asks.get(&address(&photos[1])).status, 404);
        }
    }
    // Released by way of the edge it is there for all at both.
    let by_way_of_the_edge = of(&edge, Some(&operator));
    let json = [("content-type", "application/json")];
    for action in ["verify".to_owned(), format!("photos/{}/release", text(&photos[1]["id"]))] {
        let done = by_way_of_the_edge.post(&format!("/api/v1/incidents/{incident}/{action}"), b"{}", &json);
        assert_eq!(done.status, 200, "{action}: {}", String::from_utf8_lossy(&done.body));
    }
    for node in nodes {
        let shown = of(node, None).get(&list).json()["photos"].clone();
        assert_eq!(shown.as_array().unwrap().len(), 1, "{shown}");
        assert_eq!((&shown[0]["id"], &shown[0]["by"]), (&photos[1]["id"], &Value::Null));
        assert_eq!(of(node, None).get(&address(&photos[1])).status, 200);
        assert_eq!(of(node, None).get(&address(&photos[0])).status, 404);
    }
    wait_for("both to be equal", async || are_equal(&nodes)).await;
}
