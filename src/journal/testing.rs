//! A small city and small commands for the tests of both stores.

use std::sync::{Arc, OnceLock};

use crate::city::City;
use crate::model::{
    Action, ActionMore, AddedPhotos, AgencyId, CategoryId, Channel, CheckedStep, Command, Disposition,
    Idempotency, ImportRow, IncidentNo, LngLat, NewAction, NewMerge, NewReport, Outcome, Photo, PhotoKind,
    PhotoName, PhotoNo, Receipt, ReportPrivate, Secret, SentPhotos, Seq, Status, TimeMs,
};

pub const SECRET: Secret = Secret([7; 32]);

/// Two categories (the second sensitive), two agencies, two villages side by side: west and east
/// of 127.4 E.
pub fn city() -> Arc<City> {
    static CITY: OnceLock<Arc<City>> = OnceLock::new();
    Arc::clone(
        CITY.get_or_init(|| Arc::new(city_with("testville", &["garbage", "accident"], &["01", "02"]))),
    )
}

pub fn city_with(key: &str, categories: &[&str], areas: &[&str]) -> City {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| std::fs::write(dir.path().join(name), text).unwrap();
    let name = r#"name = { id = "N", en = "N" }"#;
    write(
        "city.toml",
        format!(
            "key = {key:?}\n{name}\ncode_prefix = \"TST\"\ncentre = [127.4, 0.8]\n\
             zoom = {{ min = 0, start = 10, max = 18 }}\ntime_zone = \"UTC\"\ntime_zone_label = \"UTC\"\n\
             languages = [\"id\", \"en\"]\nkeep_closed_days = 0\ncoarse_h3_res = 9\nattribution = \"\"\n"
        ),
    );
    let hotspot = "eps_m = 200\nmin_reports = 4\nmin_reporters = 3\nwindow_h = 24\n";
    let category = |key: &&str| {
        format!(
            "[[category]]\nkey = {key:?}\n{name}\nicon = \"x\"\n\
             colour = {{ dark = \"#009E73\", day = \"#00795A\" }}\nagency = \"cleaning\"\n\
             sensitive = {}\n[category.hotspot]\n{hotspot}",
            *key == "accident"
        )
    };
    write(
        "categories.toml",
        format!("[all]\n{hotspot}") + &categories.iter().map(category).collect::<String>(),
    );
    let agency = |key| format!("[[agency]]\nkey = {key:?}\n{name}\nshort = {{ id = \"S\", en = \"S\" }}\n");
    write("agencies.toml", ["cleaning", "police"].map(agency).concat());
    let area = |(i, code): (usize, &&str)| {
        let (west, east) = (127.3 + 0.1 * i as f64, 127.4 + 0.1 * i as f64);
        serde_json::json!({
            "type": "Feature",
            "properties": {"code": code, "name": code, "level": "village"},
            "geometry": {"type": "Polygon", "coordinates":
                [[[west, 0.7], [east, 0.7], [east, 0.9], [west, 0.9], [west, 0.7]]]},
        })
    };
    let features: Vec<_> = areas.iter().enumerate().map(area).collect();
    let collection = serde_json::json!({"type": "FeatureCollection", "features": features});
    write("areas.geojson", collection.to_string());
    City::load(dir.path()).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A plain garbage report in the western village, sent under no key.
pub fn new_report() -> NewReport {
    let place = LngLat::new(127.35, 0.8).unwrap();
    NewReport {
        category: CategoryId(0),
        place,
        coarse_place: None,
        accuracy_m: Some(12),
        occurred_at: None,
        area: city().areas.locate(place),
        incident: None,
        agency: Some(AgencyId(0)),
        due_after_ms: Some(3_600_000),
        sender: None,
        channel: Channel::Web,
        drill: false,
        private: ReportPrivate {
            description: Some("sampah \"menumpuk\"\n\u{1F5D1}".to_owned()),
            ..ReportPrivate::default()
        },
        idempotency: None,
        import: None,
    }
}

/// A photo of which there is no file.
pub fn photo(n: u8) -> Photo {
    let (name, thumb) = (PhotoName([n; 32]), PhotoName([n + 1; 32]));
    Photo { name, thumb, width: 640, height: 480 }
}

/// A photo with the bytes of its two files.
pub fn kept_photo(n: u32) -> (Photo, [Vec<u8>; 2]) {
    let files = ["photo", "thumb"].map(|size| format!("{size} {n}").into_bytes());
    let [name, thumb] = [0, 1].map(|i: usize| super::photo_name(&files[i]));
    (Photo { name, thumb, width: 1, height: 2 }, files)
}

/// A report of the sensitive category.
pub fn sensitive_report() -> NewReport {
    let mut report = new_report();
    report.category = CategoryId(1);
    report.coarse_place = Some(report.place.coarsened(city().coarse_res));
    report
}

pub fn report(change: impl FnOnce(&mut NewReport)) -> Command {
    let mut report = new_report();
    change(&mut report);
    Command::Report(Box::new(report))
}

pub fn key(key: &str, body: u8) -> Option<Idempotency> {
    Some(Idempotency { key: key.to_owned(), body_digest: [body; 32] })
}

pub fn sent_photos(key: u8, content: u8) -> Option<SentPhotos> {
    Some(SentPhotos { key: [key; 16], content: Some([content; 32]) })
}

pub fn import_row(source: &str, row: u8, status: Status) -> Option<ImportRow> {
    Some(ImportRow { source: source.to_owned(), row_digest: [row; 16], status })
}

/// With all that the table of transitions wants.
pub fn act(incident: u32, action: Action) -> Command {
    Command::Action(Box::new(NewAction {
        incident: IncidentNo(incident),
        action,
        agency: (action == Action::Assign).then_some(AgencyId(0)),
        note: Some("catatan".to_owned()),
        version: None,
        due_after_ms: Some(7_200_000),
        actor: "budi".to_owned(),
        more: ActionMore {
            disposition: (action == Action::Reject).then_some(Disposition::Ghost),
            step: (action == Action::Check).then(|| CheckedStep { key: "look".to_owned(), done: true }),
            photos: (action == Action::Photo).then(|| {
                let photos = vec![photo(1)];
                Box::new(AddedPhotos { kind: PhotoKind::Before, public: false, n: 1, photos, sent: None })
            }),
            photo: matches!(action, Action::Release | Action::Withdraw)
                .then_some(PhotoNo { seq: Seq(2), n: 0 }),
            ..ActionMore::default()
        },
    }))
}

fn new_merge(absorbed: u32, into: u32) -> Box<NewMerge> {
    let (absorbed, into) = (IncidentNo(absorbed), IncidentNo(into));
    Box::new(NewMerge {
        absorbed,
        into,
        version: None,
        note: Some("sama".to_owned()),
        actor: "ani".to_owned(),
    })
}

pub fn merge(absorbed: u32, into: u32) -> Command {
    Command::Merge(new_merge(absorbed, into))
}

pub fn split(absorbed: u32, into: u32) -> Command {
    Command::Split(new_merge(absorbed, into))
}

/// The receipt of an outcome that is accepted or a repeat.
pub fn receipt(outcome: &Outcome) -> Receipt {
    match outcome {
        Outcome::Accepted { receipt, .. } | Outcome::Repeat { receipt } => *receipt,
        Outcome::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

pub const NOW: TimeMs = TimeMs(1_764_000_000_000);
