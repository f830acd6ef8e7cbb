//! Photos over HTTP: taken in, drawn anew, shown to whoever may see them, kept over a restart, and gone once they
//! are erased.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pantau::access::Role;
use pantau::backup::{Opener, Sealer, ShipSettings, backup, new_key, restore};
use pantau::journal::{
    DerivedUpdate, FolderMode, Head, Journal, JournalError, Reader, SqliteJournal, verify,
};
use pantau::model::{Command, Kinds, NewErasure, Outcome, ReportNo, Secret, Seq, TimeMs};
use serde_json::{Value, json};

use crate::http::{report, with};
use crate::policy::{OWN_AGENCY, OWN_AREA, spot};
use crate::support::app::{Answer, Ask, Kept, Setup, TestApp};
use crate::support::{repo, ternate};

/// Stands in a file that is sent, and must never stand in one that is kept or served.
pub const MARKER: &str = "KANARI-EXIF-GPS";

/// A picture of one colour, with a marker where cameras write where they were.
pub fn jpeg(width: u32, height: u32, marker: &str) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(width, height, |x, _| image::Rgb([x as u8, 90, 30]));
    let mut plain = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgb8(picture).write_to(&mut plain, image::ImageFormat::Jpeg).unwrap();
    let plain = plain.into_inner();
    let payload = [b"Exif\0\0MM\0\x2A\0\0\0\x08\0\0\0\0\0\0", marker.as_bytes()].concat();
    let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], &[0xFF, 0xE1], &length, &payload, &plain[2..]].concat()
}

/// A form of parts: names and bytes.
pub fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        let head =
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n");
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(b"--b--\r\n");
    body
}

pub trait AsForm {
    fn as_form(self) -> Self;
}

impl AsForm for Ask<'_> {
    fn as_form(self) -> Self {
        self.header("content-type", "multipart/form-data; boundary=b")
    }
}

/// Sends a report with photos.
pub async fn report_with(app: &TestApp, report: &Value, photos: &[&[u8]]) -> Value {
    let json = report.to_string();
    let mut parts = vec![("report", json.as_bytes())];
    parts.extend(photos.iter().map(|photo| ("photo", *photo)));
    let answer = app.post("/api/v1/reports", form(&parts)).as_form().send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn id(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn detail(app: &TestApp, incident: &Value) -> Value {
    app.get(&format!("/api/v1/incidents/{}", id(incident))).send().await.ok()
}

fn photos(detail: &Value) -> Vec<Value> {
    detail["properties"]["photos"].as_array().expect("photos").clone()
}

async fn add(app: &TestApp, incident: &Value, parts: &[(&str, &[u8])]) -> Answer {
    let path = format!("/api/v1/incidents/{}/photos", id(incident));
    app.post(&path, form(parts)).as_form().send().await
}

async fn photo(app: &TestApp, photo: &Value, size: &str) -> Answer {
    app.get(&format!("/api/v1/photos/{}{size}", id(&photo["id"]))).send().await
}

fn assert_clean(bytes: &[u8]) {
    assert!(memchr::memmem::find(bytes, MARKER.as_bytes()).is_none(), "the marker of a file that was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reports_photos_are_kept_without_what_was_hidden_in_them_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let large = jpeg(3_000, 1_500, MARKER);
    let receipt = report_with(&app, &report("garbage"), &[&large, &jpeg(40, 30, MARKER)]).await;
    assert!(receipt.get("warnings").is_none(), "{receipt}");
    let shown = photos(&detail(&app, &receipt["incident"]).await);
    assert_eq!(shown.len(), 2);
    for (photo, size) in shown.iter().zip([(2_048, 1_024), (40, 30)]) {
        let expected = json!({"id": photo["id"], "kind": "report", "report": receipt["report"], "at": photo["at"],
            "by": null, "width": size.0, "height": size.1, "public": false});
        assert_eq!(*photo, expected);
    }
    let whole = photo(&app, &shown[0], "").await;
    assert_eq!(whole.header("content-type"), "image/jpeg");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    assert!(whole.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
    assert!(whole.header("cache-control").starts_with("private, "));
    let small = photo(&app, &shown[0], "?size=thumb").await;
    for (answer, size) in [(&whole, (2_048, 1_024)), (&small, (320, 160))] {
        assert_clean(&answer.body);
        let picture = image::load_from_memory(&answer.body).unwrap();
        assert_eq!((picture.width(), picture.height()), size);
    }
    assert_eq!(photo(&app, &shown[0], "?size=huge").await.pointers(400), ["size"]);
    app.stop().await;

    for file in files(folder.path()) {
        assert_clean(&std::fs::read(file).unwrap());
    }
    let app = Setup::in_folder(folder.path()).start().await;
    assert_eq!(photos(&detail(&app, &receipt["incident"]).await), shown);
    assert_eq!(photo(&app, &shown[0], "").await.body, whole.body);
    app.stop().await;
    let found = verify(folder.path(), &mut |_, _| {}).unwrap();
    assert_eq!((found.faults, found.photos), (vec![], 4));
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

fn kept(folder: &Path) -> BTreeSet<String> {
    let photos = folder.join("photos");
    let files = if photos.is_dir() { files(&photos) } else { Vec::new() };
    files.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_stands_whatever_its_photos_are_and_says_which_are_not_kept() {
    let app = TestApp::start().await;
    let good = jpeg(30, 30, MARKER);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let html = [b"<html><script>alert(1)</script></html>".as_slice(), &good].concat();
    let large = [good.clone(), vec![0; 12 << 20]].concat();
    let receipt = report_with(&app, &report("water"), &[&good, &svg, &html, &large, &good]).await;
    let warnings: Vec<(u64, &str)> = receipt["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| (w["photo"].as_u64().unwrap(), w["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(warnings, [(2, "format"), (3, "format"), (4, "bytes"), (5, "too-many")]);
    for warning in receipt["warnings"].as_array().unwrap() {
        assert!(warning["id"].as_str().unwrap().starts_with("Foto ke-"), "{warning}");
        assert!(warning["en"].as_str().unwrap().starts_with("photo "), "{warning}");
    }
    assert_eq!(photos(&detail(&app, &receipt["incident"]).await).len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_twice_has_its_photos_once() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let (json, photo) = (report("water").to_string(), jpeg(30, 30, MARKER));
    let send = async |photo: &[u8]| {
        let body = form(&[("photo", photo), ("report", json.as_bytes())]);
        app.post("/api/v1/reports", body).as_form().header("idempotency-key", "one").send().await
    };
    let first = send(&photo).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let files = kept(folder.path());
    assert_eq!(files.len(), 2);
    let again = send(&photo).await;
    assert_eq!((again.status, again.body), (201, first.body.clone()));
    assert_eq!(kept(folder.path()), files, "what was drawn again is gone again");
    send(&jpeg(31, 30, MARKER)).await.problem(422);
    assert_eq!(kept(folder.path()), files);
    let seen = photos(&detail(&app, &first.json()["incident"]).await);
    assert_eq!(seen.len(), 1);
    app.stop().await;
}

/// A journal in a folder that has room for photos, and once it is told so none for entries.
struct Full(SqliteJournal, Arc<AtomicBool>);

impl Journal for Full {
    fn head(&self) -> Head {
        self.0.head()
    }

    fn secret(&self) -> Secret {
        self.0.secret()
    }

    fn append(
        &mut self,
        commands: Vec<Command>,
        now: TimeMs,
        derived: Option<&DerivedUpdate>,
    ) -> Result<Vec<Outcome>, JournalError> {
        let is_full = !commands.is_empty() && self.1.load(Ordering::Relaxed);
        if is_full { Err(JournalError::Full) } else { self.0.append(commands, now, derived) }
    }

    fn folder(&self) -> Option<&Path> {
        self.0.folder()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.0.reader()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_the_disk_full_leaves_no_photo_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(folder.path(), ternate(), FolderMode::Live).unwrap();
    let is_full = Arc::new(AtomicBool::new(false));
    let journal = Box::new(Full(journal, is_full.clone()));
    let app = Setup { journal: Kept::Given(journal), ..Setup::default() }.start().await;
    let receipt = app.report(&report("garbage")).await;
    is_full.store(true, Ordering::Relaxed);
    let (json, photo) = (report("water").to_string(), jpeg(30, 30, MARKER));
    let body = form(&[("photo", &photo), ("report", json.as_bytes())]);
    app.post("/api/v1/reports", body).as_form().send().await.problem(507);
    add(&app, &receipt["incident"], &[("photo", &photo), ("kind", b"after")]).await.problem(507);
    assert_eq!(kept(folder.path()), BTreeSet::new());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_add_photos_and_decide_what_the_public_sees() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let operator = app.token(Role::Operator, "", "");
    let place = spot(&app, true);
    let receipt =
        report_with(&app, &with(report("garbage"), place.clone()), &[&jpeg(30, 20, MARKER)]).await;
    let incident = id(&receipt["incident"]).to_owned();
    let list = format!("/api/v1/incidents/{incident}/photos");
    let picture = jpeg(50, 20, MARKER);
    let after =
        form(&[("photo", &picture), ("kind", b"after"), ("note", b"sudah bersih"), ("version", b"1")]);
    app.post(&list, after.clone()).as_form().send().await.problem(401);
    let added = app.post(&list, after.clone()).as_form().bearing(&operator).send().await.ok();
    app.post(&list, after).as_form().bearing(&operator).send().await.problem(409);
    let shown = photos(&added);
    assert_eq!(shown.iter().map(|p| id(&p["kind"])).collect::<Vec<_>>(), ["report", "after"]);
    assert!(id(&shown[1]["by"]).starts_with("token:"), "{}", shown[1]);
    let line = added["properties"]["log"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&line["action"], &line["note"]), (&json!("photo"), &json!("sudah bersih")));
    assert_eq!(line["photos"], json!({"kind": "after", "n": 1}));

    let path = |photo: &Value| format!("/api/v1/photos/{}", id(&photo["id"]));
    let public = async |path: &str| app.get(path).by_the_public().send().await;
    let act = async |path: String| app.post(&path, "").bearing(&operator).send().await.ok();
    // Not yet verified, not released: to the public neither is there.
    public(&list).await.problem(404);
    let missing = public("/api/v1/photos/01910000-0000-7000-8000-000000000000").await.problem(404);
    let refused = public(&path(&shown[1])).await.problem(404);
    assert_eq!((&missing["detail"], &missing["type"]), (&refused["detail"], &refused["type"]));
    act(format!("/api/v1/incidents/{incident}/verify")).await;
    assert_eq!(public(&list).await.ok()["photos"], json!([]));
    let released = act(format!("{list}/{}/release", id(&shown[1]["id"]))).await;
    assert_eq!(photos(&released)[1]["public"], true);
    let again = act(format!("{list}/{}/release", id(&shown[1]["id"]))).await;
    assert_eq!(again["properties"]["version"], released["properties"]["version"], "no second entry");
    let seen = public(&list).await.ok();
    let expected = json!({"id": shown[1]["id"], "kind": "after", "report": null, "at": shown[1]["at"], "by": null,
        "width": 50, "height": 20, "public": true});
    assert_eq!(seen["photos"], json!([expected]));
    let told = public(&format!("/api/v1/reports/{}", id(&receipt["code"]))).await.ok();
    assert_eq!(told["photos"], json!([expected]));
    assert_eq!(public(&path(&shown[1])).await.status, 200);
    public(&path(&shown[0])).await.problem(404);
    app.get(&format!("{}?projection=public", path(&shown[0]))).bearing(&operator).send().await.problem(404);
    act(format!("{list}/{}/withdraw", id(&shown[1]["id"]))).await;
    public(&path(&shown[1])).await.problem(404);

    // A photo is of one incident, and there only.
    let other = app.report(&report("water")).await;
    let foreign =
        format!("/api/v1/incidents/{}/photos/{}/release", id(&other["incident"]), id(&shown[1]["id"]));
    app.post(&foreign, "").bearing(&operator).send().await.problem(404);
    // Who may not answer the public may not show it anything.
    let responder = app.token(Role::Responder, OWN_AGENCY, OWN_AREA);
    let own = form(&[("photo", &picture), ("kind", b"before")]);
    assert_eq!(app.post(&list, own).as_form().bearing(&responder).send().await.status, 200);
    let own = form(&[("photo", &picture), ("kind", b"before"), ("public", b"true")]);
    app.post(&list, own).as_form().bearing(&responder).send().await.problem(403);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn released_photos_of_what_is_sensitive_stay_inside() {
    let app = Setup { trust_loopback: false, ..Setup::default() }.start().await;
    let operator = app.token(Role::Operator, "", "");
    let receipt = report_with(&app, &report("accident"), &[&jpeg(30, 20, MARKER)]).await;
    let incident = id(&receipt["incident"]).to_owned();
    let act = async |action: &str| {
        app.post(&format!("/api/v1/incidents/{incident}/{action}"), "").bearing(&operator).send().await.ok()
    };
    let photo = photos(&act("verify").await)[0].clone();
    let released = act(&format!("photos/{}/release", id(&photo["id"]))).await;
    assert_eq!(photos(&released)[0]["public"], true);
    let path = format!("/api/v1/photos/{}", id(&photo["id"]));
    app.get(&path).by_the_public().send().await.problem(404);
    let list = app.get(&format!("/api/v1/incidents/{incident}/photos")).by_the_public().send().await;
    assert_eq!(list.ok()["photos"], json!([]));
    let told = app.get(&format!("/api/v1/reports/{}", id(&receipt["code"]))).by_the_public().send().await;
    assert_eq!(told.ok()["photos"], json!([]));

    // Also where it is joined with what is not: of both the public sees the photos of that alone.
    let plain = report_with(&app, &report("garbage"), &[&jpeg(40, 20, MARKER)]).await;
    let stays = format!("/api/v1/incidents/{}", id(&plain["incident"]));
    let act = async |path: String, body: Value| {
        app.post(&path, body.to_string()).bearing(&operator).send().await.ok()
    };
    let own = photos(&act(format!("{stays}/verify"), json!({})).await)[0].clone();
    act(format!("{stays}/photos/{}/release", id(&own["id"])), json!({})).await;
    act(format!("/api/v1/incidents/{incident}/merge"), json!({"incident": plain["incident"]})).await;
    for (path, bearer) in [
        (format!("{stays}/photos"), None),
        (format!("/api/v1/reports/{}", id(&plain["code"])), None),
        (format!("{stays}/photos"), Some(&operator)),
    ] {
        let ask = app.get(&path);
        let ask = if let Some(token) = bearer { ask.bearing(token) } else { ask.by_the_public() };
        let seen = ask.send().await.ok()["photos"].clone();
        let ids: Vec<&str> = seen.as_array().unwrap().iter().map(|photo| id(&photo["id"])).collect();
        match bearer {
            None => assert_eq!(ids, [id(&own["id"])], "{path}"),
            Some(_) => assert_eq!(ids, [id(&photo["id"]), id(&own["id"])], "staff see all"),
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_form_of_photos_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let receipt = app.report(&report("garbage")).await;
    let incident = &receipt["incident"];
    let picture = jpeg(20, 20, MARKER);
    assert_eq!(add(&app, incident, &[("kind", b"after")]).await.pointers(422), ["/photo"]);
    assert_eq!(
        add(&app, incident, &[("photo", &picture), ("x", b"1")]).await.pointers(422),
        ["/x", "/kind"]
    );
    let bad = add(&app, incident, &[("photo", &picture), ("photo", b"GIF89a"), ("kind", b"after")]).await;
    assert_eq!(bad.pointers(422), ["/photo/2"]);
    // However many parts there are, an answer names a handful.
    let many = vec![("photo", &b""[..]); 100];
    let refused = add(&app, incident, &many).await.problem(400);
    assert_eq!(refused["detail"], "a form takes at most 16 parts \"photo\"");
    app.post("/api/v1/reports", form(&many)).as_form().send().await.problem(400);
    let names: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    add(&app, incident, &many).await.problem(400);
    let path = format!("/api/v1/incidents/{}/photos", id(incident));
    app.post(&path, "{}").send().await.problem(400);
    let generic = format!("/api/v1/incidents/{}/photo", id(incident));
    assert_eq!(app.post(&generic, "").send().await.pointers(422), ["/photo"]);
    assert_eq!(kept(folder.path()), BTreeSet::new(), "nothing is kept of what was refused");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_photos_cannot_be_kept_for_now_staff_are_asked_to_send_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let receipt = app.report(&report("garbage")).await;
    let picture = jpeg(20, 20, MARKER);
    let send = async || add(&app, &receipt["incident"], &[("photo", &picture), ("kind", b"after")]).await;
    // A file stands where their folder is to be: as good as a disk that is full.
    let place = folder.path().join("photos");
    std::fs::write(&place, "").unwrap();
    let answer = send().await;
    assert_eq!(answer.problem(503)["type"], "/problems/busy");
    assert_eq!(photos(&detail(&app, &receipt["incident"]).await), [] as [Value; 0]);
    std::fs::remove_file(&place).unwrap();
    assert_eq!(photos(&send().await.ok()).len(), 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_go_with_incidents_that_are_joined_and_come_back() {
    let app = TestApp::start().await;
    let one = report_with(&app, &report("garbage"), &[&jpeg(21, 20, MARKER)]).await;
    let other = report_with(&app, &report("garbage"), &[&jpeg(22, 20, MARKER)]).await;
    app.act(&one["incident"], "merge", &json!({"incident": other["incident"]})).await;
    let widths = async |receipt: &Value| {
        let shown = photos(&detail(&app, &receipt["incident"]).await);
        shown.iter().map(|photo| photo["width"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let (a, b) = (widths(&one).await, widths(&other).await);
    assert_eq!(a.len() + b.len(), 3, "one has both: {a:?} {b:?}");
    app.stop().await;
}

/// Whether anything in a folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    files(folder).iter().any(|file| memchr::memmem::find(&std::fs::read(file).unwrap(), bytes).is_some())
}

/// A run that comes as far as a photo and no farther, as one does whose stick is pulled: the photo is there again
/// with the stick.
fn cut_a_backup_at(photo: &[u8], folder: &Path, target: &Path) {
    let file = files(target).into_iter().find(|file| std::fs::read(file).unwrap() == photo).unwrap();
    let aside = target.join(".aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    backup(folder, target, &Sealer::default(), &mut |_, _| {}).unwrap_err();
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_gone_from_folder_database_and_backup_and_the_rest_stays() {
    let (folder, target, again) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let app = Setup::in_folder(folder.path()).start().await;
    let one = report_with(&app, &report("garbage"), &[&jpeg(31, 20, MARKER)]).await;
    let two = report_with(&app, &report("water"), &[&jpeg(32, 20, MARKER)]).await;
    let added =
        add(&app, &two["incident"], &[("photo", &jpeg(33, 20, MARKER)), ("kind", b"after")]).await.ok();
    let [gone, stays] = [&one, &two].map(|receipt| receipt["incident"].clone());
    let photo_gone = photos(&detail(&app, &gone).await)[0].clone();
    let bytes_gone = photo(&app, &photo_gone, "").await.body;
    let staffs = photos(&added)[1].clone();
    let bytes_staffs = photo(&app, &staffs, "").await.body;
    let stay = photo(&app, &photos(&added)[0], "").await.body;
    let first = backup(folder.path(), target.path(), &Sealer::default(), &mut |_, _| {}).unwrap();
    assert_eq!((first.photos_written, first.photos_missing.len()), (6, 0));
    let none = backup(folder.path(), target.path(), &Sealer::default(), &mut |_, _| {}).unwrap();
    assert_eq!(none.photos_written, 0, "each is written once");
    assert!(holds(target.path(), &bytes_gone) && holds(target.path(), &bytes_staffs));

    let line = added["properties"]["log"].as_array().unwrap().last().unwrap();
    let notes = vec![Seq(line["seq"].as_u64().unwrap())];
    let erasure =
        NewErasure { reason: "surat 3".to_owned(), kinds: Kinds::ALL, reports: vec![ReportNo(1)], notes };
    let outcome =
        app.app.engine.submit(vec![Command::Erasure(Box::new(erasure))]).await.unwrap().pop().unwrap();
    let Outcome::Accepted { receipt, .. } = outcome else { panic!("{outcome:?}") };
    assert!(app.app.engine.wiped(receipt.seq()).await);
    assert_eq!(photos(&detail(&app, &gone).await), [] as [Value; 0]);
    photo(&app, &photo_gone, "").await.problem(404);
    photo(&app, &staffs, "?size=thumb").await.problem(404);
    assert_eq!(kept(folder.path()).len(), 2, "what stays, and its small one");
    app.stop().await;
    for erased in [&bytes_gone[..200], &bytes_staffs[..200]] {
        assert!(!holds(folder.path(), erased));
    }
    cut_a_backup_at(&bytes_gone, folder.path(), target.path());
    backup(folder.path(), target.path(), &Sealer::default(), &mut |_, _| {}).unwrap();
    for erased in [&bytes_gone[..200], &bytes_staffs[..200]] {
        assert!(!holds(target.path(), erased), "the target forgets too");
    }
    let data = again.path().join("data");
    let restored = restore(target.path(), &data, &Opener::default(), &mut |_, _, _| {}).unwrap();
    assert_eq!((restored.photos, restored.photos_missing.len()), (2, 0));
    let app = Setup::in_folder(&data).start().await;
    let seen = photos(&detail(&app, &stays).await);
    assert_eq!(seen.len(), 1);
    assert_eq!(photo(&app, &seen[0], "").await.body, stay);
    app.stop().await;
    for folder in [folder.path(), &data] {
        let found = verify(folder, &mut |_, _| {}).unwrap();
        assert_eq!((found.faults, found.photos, found.erased_by_hand), (vec![], 2, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_is_gone_or_changed_is_named_and_an_orphan_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let app = Setup::in_folder(folder.path()).start().await;
    let receipt = report_with(&app, &report("garbage"), &[&jpeg(31, 20, MARKER)]).await;
    let shown = photos(&detail(&app, &receipt["incident"]).await);
    let whole = photo(&app, &shown[0], "").await.body;
    app.stop().await;
    let named = kept(folder.path());
    // A submission that a crash cut before its entry.
    let orphan = folder.path().join("photos/ab").join(format!("{}.jpg", "ab".repeat(32)));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"orphan").unwrap();
    let city = crate::support::ternate();
    let journal =
        pantau::journal::SqliteJournal::open(folder.path(), city, pantau::journal::FolderMode::Live)
            .unwrap();
    assert_eq!(pantau::journal::sweep_photos(&*journal.reader()).unwrap(), 1);
    assert_eq!(kept(folder.path()), named, "never one that an entry names");
    drop(journal);

    let files = files(&folder.path().join("photos"));
    let large = files.iter().find(|file| std::fs::read(file).unwrap() == whole).unwrap();
    let mut changed = whole.clone();
    changed[200] ^= 1;
    std::fs::write(large, &changed).unwrap();
    let faults = |folder: &Path| {
        let found = verify(folder, &mut |_, _| {}).unwrap();
        found.faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>()
    };
    let found = faults(folder.path());
    assert!(matches!(&found[..], [one] if one.ends_with("was changed")), "{found:?}");
    let app = Setup::in_folder(folder.path()).start().await;
    assert!(photo(&app, &shown[0], "").await.status >= 500, "never another picture");
    assert_eq!(photo(&app, &shown[0], "?size=thumb").await.status, 200);
    app.stop().await;
    std::fs::remove_file(large).unwrap();
    let found = faults(folder.path());
    assert!(matches!(&found[..], [one] if one.ends_with("is not there")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_is_resolved_only_once_a_photo_of_it_is_there() {
    let app = TestApp::start().await;
    let receipt = app.report(&report("infrastructure")).await;
    let incident = &receipt["incident"];
    app.act(incident, "verify", &json!({})).await;
    let resolve = async || {
        let path = format!("/api/v1/incidents/{}/resolve", id(incident));
        app.post(&path, "{}").send().await
    };
    let wanted = async || detail(&app, incident).await["properties"]["repair_photo"].clone();
    assert_eq!((resolve().await.pointers(422), wanted().await), (vec!["/photo".to_owned()], json!(true)));
    let picture = jpeg(20, 20, MARKER);
    add(&app, incident, &[("photo", &picture), ("kind", b"before")]).await.ok();
    assert_eq!(
        (resolve().await.status, wanted().await),
        (422, json!(true)),
        "it shows what was to be repaired"
    );
    add(&app, incident, &[("photo", &picture), ("kind", b"after")]).await.ok();
    assert_eq!((wanted().await, resolve().await.status), (json!(false), 200));
    app.act(incident, "reopen", &json!({})).await;
    assert_eq!((wanted().await, resolve().await.status), (json!(true), 422), "the repair did not hold");

    let other = app.report(&report("garbage")).await;
    app.act(&other["incident"], "verify", &json!({})).await;
    assert_eq!(detail(&app, &other["incident"]).await["properties"]["repair_photo"], false);
    app.act(&other["incident"], "resolve", &json!({})).await;
    let table = app.get("/api/v1/transitions").send().await.ok();
    let resolves = table.as_array().unwrap().iter().filter(|row| row["action"] == "resolve");
    assert!(
        resolves.clone().count() > 0 && resolves.clone().all(|row| row["requires"] == json!(["photo"]))
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_backup_gives_no_photo_away_brings_them_back_and_says_which_it_lacks() {
    let (folder, target, keys) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let app = Setup::in_folder(folder.path()).start().await;
    let receipt = report_with(&app, &report("garbage"), &[&jpeg(31, 20, MARKER)]).await;
    let shown = photos(&detail(&app, &receipt["incident"]).await);
    let whole = photo(&app, &shown[0], "").await.body;
    app.stop().await;
    let key = keys.path().join("key");
    let sealer = Sealer::of(&[new_key(&key).unwrap()]).unwrap();
    let back_up = || backup(folder.path(), target.path(), &sealer, &mut |_, _| {}).unwrap();
    assert_eq!(back_up().photos_written, 2);
    assert!(holds(folder.path(), &whole[..200]) && !holds(target.path(), &whole[..200]));
    let opener = Opener::from_file(&key).unwrap();
    let restored = |name: &str| {
        let data = keys.path().join(name);
        let restored = restore(target.path(), &data, &opener, &mut |_, _, _| {}).unwrap();
        let faults = verify(&data, &mut |_, _| {}).unwrap().faults.len();
        (restored.photos, restored.photos_missing.len(), faults)
    };
    assert_eq!(restored("all"), (2, 0, 0));
    std::fs::remove_file(&files(&target.path().join("photos"))[0]).unwrap();
    assert_eq!(restored("one"), (1, 1, 1), "everything else is there");
    assert_eq!(back_up().photos_written, 1, "written anew");
    assert_eq!(restored("again"), (2, 0, 0));

    // Nobody has the key here, and a bit that the disk changed is found all the same.
    let sealed = files(&target.path().join("photos"));
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    flip(&sealed[0]);
    assert_eq!(restored("flipped"), (1, 1, 1));
    let run = back_up();
    let name = sealed[0].file_name().unwrap().to_str().unwrap();
    assert!(run.healed.len() == 1 && run.healed[0].ends_with(name), "{:?}", run.healed);
    assert_eq!((back_up().bytes_written, restored("healed")), (0, (2, 0, 0)));
    // So is a list, and a photo of before there were lists.
    let lists = || {
        let files = std::fs::read_dir(target.path()).unwrap().map(|file| file.unwrap().path());
        let is_list = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "jsonl");
        files.filter(is_list).collect::<Vec<_>>()
    };
    assert_eq!(lists().len(), 1, "what does not count any more is gone");
    flip(&lists()[0]);
    let run = back_up();
    assert!(run.healed.len() == 1 && run.healed[0].starts_with("photos-"), "{:?}", run.healed);
    assert_eq!(run.photos_written, 2, "what is in no list is written anew");
    assert_eq!((back_up().bytes_written, restored("listed")), (0, (2, 0, 0)));
    let listed = std::fs::read_to_string(&lists()[0]).unwrap();
    assert!(listed.lines().count() == 2 && listed.contains(name.trim_end_matches(".jpg.age")), "{listed}");

    // What was erased stands in no list.
    let erased = std::process::Command::new(env!("CARGO_BIN_EXE_pantau"))
        .args([
            "privacy",
            "erase",
            "--reason",
            "surat 12",
            "--code",
            receipt["code"].as_str().unwrap(),
            "--data",
        ])
        .arg(folder.path())
        .arg("--city")
        .arg(repo("geodata/ternate"))
        .output()
        .unwrap();
    assert!(erased.status.success(), "{erased:?}");
    back_up();
    assert_eq!((files(&target.path().join("photos")), lists()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_are_shipped_with_their_entries() {
    let (folder, target, again) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ship = ShipSettings { target: target.path().to_owned(), sealer: Sealer::default() };
    let app = Setup { ship: Some(ship), ..Setup::in_folder(folder.path()) }.start().await;
    report_with(&app, &report("garbage"), &[&jpeg(31, 20, MARKER)]).await;
    // The last round is over when it has stopped.
    app.stop().await;
    let data = again.path().join("data");
    let restored = restore(target.path(), &data, &Opener::default(), &mut |_, _, _| {}).unwrap();
    assert_eq!((restored.photos, restored.photos_missing.len()), (2, 0));
    assert_eq!(verify(&data, &mut |_, _| {}).unwrap().photos, 2);
}
