//! Photos that are sent again for want of an answer.

use std::path::Path;

use serde_json::Value;

use crate::http::report;
use crate::photos::{AsForm, MARKER, form, jpeg};
use crate::support::app::{Answer, Setup, TestApp};

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// What an answer says of its incident; a tick may have passed since another.
pub fn incident_in(answer: &Value) -> [&Value; 3] {
    ["photos", "version", "log"].map(|key| &answer["properties"][key])
}

/// How many files of photos there are in a data folder.
pub fn files(folder: &Path) -> usize {
    let photos = folder.join("photos");
    let Ok(folders) = std::fs::read_dir(photos) else { return 0 };
    folders.map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

async fn send(app: &TestApp, incident: &Value, key: &str, parts: &[(&str, &[u8])]) -> Answer {
    let path = format!("/api/v1/incidents/{}/photos", text(incident));
    app.post(&path, form(parts)).as_form().header("idempotency-key", key).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_of_staff_that_are_sent_again_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let (one, other) = (app.report(&report("garbage")).await, app.report(&report("water")).await);
    let incident = &one["incident"];
    let picture = jpeg(30, 20, MARKER);
    let after: [(&str, &[u8]); 3] = [("photo", &picture), ("kind", b"after"), ("version", b"1")];
    let first = send(&app, incident, "one", &after).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(files(folder.path()), 2);
    // The version is another by now, and the order of the parts says nothing.
    let [photo, kind, version] = after;
    for parts in [[photo, kind, version], [version, kind, photo]] {
        let again = send(&app, incident, "one", &parts).await;
        assert_eq!((again.status, incident_in(&again.json())), (200, incident_in(&first.json())));
    }
    // At once, too: both are drawn and kept before either is decided.
    let late: [(&str, &[u8]); 2] = [("photo", &picture), ("kind", b"before")];
    let (a, b) = tokio::join!(send(&app, incident, "two", &late), send(&app, incident, "two", &late));
    assert_eq!((a.status, b.status), (200, 200), "{} {}", a.text(), b.text());
    assert_eq!(a.json()["properties"]["photos"].as_array().unwrap().len(), 2);
    assert_eq!(files(folder.path()), 4, "what was drawn again is gone again");

    for parts in [
        [("photo", &*jpeg(31, 20, MARKER)), kind, version],
        [photo, ("kind", b"before"), version],
        [photo, kind, ("version", b"2")],
        [photo, kind, ("note", b"1")],
    ] {
        let refused = send(&app, incident, "one", &parts).await.problem(422);
        assert_eq!(refused["type"], "/problems/key-reused");
        assert!(text(&refused["detail"]).contains("use a new key"), "{refused}");
    }
    send(&app, incident, "", &after).await.problem(400);
    assert_eq!(files(folder.path()), 4);
    // A key is of one incident.
    assert_eq!(send(&app, &other["incident"], "one", &after).await.status, 200);
    let detail =
        async |app: &TestApp| app.get(&format!("/api/v1/incidents/{}", text(incident))).send().await.ok();
    let before = detail(&app).await;
    assert_eq!(before["properties"]["version"], 3, "one entry for each key");
    app.stop().await;

    let app = Setup::in_folder(folder.path()).start().await;
    assert_eq!(send(&app, incident, "one", &after).await.status, 200);
    let later = detail(&app).await;
    assert_eq!(later["properties"]["photos"], before["properties"]["photos"]);
    app.stop().await;
    let found = pantau::journal::verify(folder.path(), &mut |_, _| {}).unwrap();
    assert_eq!((found.faults, found.photos), (vec![], 6));
}
