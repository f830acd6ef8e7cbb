use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use super::*;
use crate::intake::RefusedLine;
use crate::journal::SqliteJournal;
use crate::model::{ReportNo, Secret, Status, TimeMs};

const MAP: &str = r#"
[columns]
id = "no"
lng = "x"
lat = "y"
occurred_at = "at"
category = "kind"
description = "text"
status = "state"
reporter = "caller"
[time]
format = "rfc3339"
[category]
"sampah*" = "garbage"
default = "infrastructure"
[status]
"selesai" = "resolved"
"#;

fn geodata(pack: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata").join(pack)
}

/// A folder with a mapping file and a data file.
fn folder_with(name: &str, bytes: &[u8], map: &str) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (file, map_file) = (folder.path().join(name), folder.path().join("map.toml"));
    fs::write(&file, bytes).unwrap();
    fs::write(&map_file, map).unwrap();
    (folder, file, map_file)
}

fn generated_rows() -> Vec<Value> {
    let row = |i: u32| {
        json!({
            "no": format!("T-{i}"),
            "x": 127.33 + f64::from(i % 50) / 1_000.0,
            "y": 0.77 + f64::from(i % 70) / 1_000.0,
            "at": format!("2025-03-{:02}T{:02}:15:00+09:00", 1 + i % 28, i % 24),
            "kind": (["Sampah liar", "jalan rusak, \"parah\"", "water"][(i % 3) as usize]),
            "text": format!("baris {i}\nkedua; é"),
            "state": (["Selesai", "baru"][(i % 2) as usize]),
            "caller": format!("0812 3456 {:04}", i % 100),
        })
    };
    (0..120).map(row).collect()
}

fn as_csv(rows: &[Value]) -> Vec<u8> {
    let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&names).unwrap();
    for row in rows {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writer.write_record(names.iter().map(|name| text(&row[name.as_str()]))).unwrap();
    }
    writer.into_inner().unwrap()
}

fn as_geojson(rows: &[Value]) -> Vec<u8> {
    let feature = |row: &Value| {
        let mut properties = row.as_object().unwrap().clone();
        let (x, y) = (properties.remove("x").unwrap(), properties.remove("y").unwrap());
        json!({"type": "Feature", "geometry": {"type": "Point", "coordinates": [x, y]}, "properties": properties})
    };
    let features: Vec<Value> = rows.iter().map(feature).collect();
    serde_json::to_vec_pretty(&json!({"type": "FeatureCollection", "features": features})).unwrap()
}

fn as_ndjson(rows: &[Value]) -> Vec<u8> {
    rows.iter().map(|row| format!("{row}\n")).collect::<String>().into_bytes()
}

/// The reports that a file stands for, read as an import reads it.
fn reports(name: &str, bytes: &[u8], map: &str) -> Vec<Result<NewReport, String>> {
    let city = City::load(&geodata("ternate")).unwrap();
    let ids = IdKey::new(Secret([1; 32]), "TTE");
    let ctx = Context { city: &city, ids: &ids, now: TimeMs(1_795_492_800_000), ahead: Ahead::Refuse };
    let (_folder, file, map) = folder_with(name, bytes, map);
    let keys: Vec<&str> = city.categories.iter().map(|c| c.key.as_str()).collect();
    let mut mapped = MappedFile::open(&file, read_mapping(&map, &keys).unwrap()).unwrap();
    let mut found = Vec::new();
    loop {
        let batch = mapped.next_batch(50).unwrap();
        if batch.is_empty() {
            return found;
        }
        found.extend(batch.into_iter().map(|(_, record)| record?.into_report("rows", &ctx)));
    }
}

#[test]
fn the_same_rows_are_the_same_reports_whatever_the_kind_of_file() {
    let rows = generated_rows();
    let from_csv = reports("rows.csv", &as_csv(&rows), MAP);
    assert_eq!(from_csv.len(), rows.len());
    assert!(from_csv.iter().all(Result::is_ok), "{from_csv:?}");
    let without_place = MAP.replace("lng = \"x\"\nlat = \"y\"\n", "");
    assert_eq!(from_csv, reports("rows.geojson", &as_geojson(&rows), &without_place));
    assert_eq!(from_csv, reports("rows.ndjson", &as_ndjson(&rows), MAP));

    // Without an id the digest of the whole row stands in, alike where the columns are alike.
    let no_id = MAP.replace("id = \"no\"\n", "");
    assert_eq!(
        reports("rows.csv", &as_csv(&rows), &no_id),
        reports("rows.ndjson", &as_ndjson(&rows), &no_id)
    );
}

#[test]
fn importing_a_file_again_adds_only_what_is_new() {
    let rows = generated_rows();
    let (folder, file, map) = folder_with("rows.csv", &as_csv(&rows[..100]), MAP);
    let data = folder.path().join("var/made/here");
    let import = || {
        let summary = into_folder(&file, &map, &data, &geodata("ternate")).unwrap();
        (summary.rows, summary.new, summary.already_there, summary.refused)
    };
    assert_eq!(import(), (100, 100, 0, 0));
    assert_eq!(import(), (100, 0, 100, 0));
    fs::write(&file, as_csv(&rows)).unwrap();
    assert_eq!(import(), (120, 20, 100, 0));
    assert!(!folder.path().join("rows.csv.rejected.csv").exists());

    let city = Arc::new(City::load(&geodata("ternate")).unwrap());
    let reader = SqliteJournal::open(&data, city, FolderMode::Live).unwrap().reader();
    let first = reader.report(ReportNo(1)).unwrap().unwrap();
    assert_eq!(first.occurred_at.to_rfc3339(), "2025-02-28T15:15:00Z");
    assert_eq!(first.private.description.as_deref(), Some("baris 0\nkedua; é"));
    let incident = reader.incident(first.incident).unwrap().unwrap();
    assert_eq!((incident.status, incident.due_at, incident.imported), (Status::Resolved, None, true));
}

#[test]
fn refused_rows_are_written_beside_the_file_with_line_and_reason() {
    let text = "no,x,y,at,kind,text,state,caller\n\
        1,127.38,0.79,2025-03-01T10:00:00Z,sampah,\"a\nb\",,\n\
        2,0.79,127.38,2025-03-01T10:00:00Z,sampah,,,\n\
        3,,0.79,2125-03-01T10:00:00Z,sampah,\"c, d\",,\n\
        4,127.38\n";
    let (folder, file, map) = folder_with("rows.csv", text.as_bytes(), MAP);
    let data = folder.path().join("var");
    let summary = into_folder(&file, &map, &data, &geodata("ternate")).unwrap();
    assert_eq!((summary.rows, summary.new, summary.refused), (4, 1, 3));
    let rejected = folder.path().join("rows.csv.rejected.csv");
    assert_eq!(
        fs::read_to_string(&rejected).unwrap(),
        "no,x,y,at,kind,text,state,caller,line,reason\n\
         2,0.79,127.38,2025-03-01T10:00:00Z,sampah,,,,4,\"lng 0.79 and lat 127.38 are probably swapped: lng is the longitude (east), lat the latitude (north)\"\n\
         3,,0.79,2125-03-01T10:00:00Z,sampah,\"c, d\",,,5,\"\"\"x\"\" is empty: a row needs a place\"\n\
         4,127.38,,,,,,,6,has 2 cells where the header has 8\n"
    );

    // Repaired, the file of refused rows is imported like any other.
    let repaired = fs::read_to_string(&rejected).unwrap().replace("0.79,127.38", "127.38,0.79");
    fs::write(&rejected, repaired).unwrap();
    let summary = into_folder(&rejected, &map, &data, &geodata("ternate")).unwrap();
    assert_eq!((summary.new, summary.refused), (1, 2));
    let again = fs::read_to_string(folder.path().join("rows.csv.rejected.csv.rejected.csv")).unwrap();
    assert!(again.starts_with("no,x,y,at,kind,text,state,caller,line,reason\n3,"), "{again}");

    // A run without refused rows leaves none of an earlier run behind.
    fs::write(&file, &text[..text.find("2,0.79").unwrap()]).unwrap();
    into_folder(&file, &map, &data, &geodata("ternate")).unwrap();
    assert!(!rejected.exists());
}

#[test]
fn what_makes_a_whole_import_impossible_is_one_sentence() {
    let check = |name: &str, bytes: &[u8], map: &str, expected: &str| {
        let (folder, file, map) = folder_with(name, bytes, map);
        let data = folder.path().join("var");
        let error = into_folder(&file, &map, &data, &geodata("ternate")).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(expected), "{error}");
    };
    let rows = generated_rows();
    check(
        "rows.csv",
        &as_csv(&rows),
        &MAP.replace("\"kind\"", "\"Kind\""),
        "the file has no column \"Kind\" (for category); its columns are at, caller, kind, no, state, text, x, y",
    );
    check(
        "rows.ndjson",
        &as_ndjson(&rows),
        &MAP.replace("\"kind\"", "\"type.of\"").replace("\"no\"", "\"number\""),
        "the file has no column \"number\" (for id), \"type.of\" (for category); its columns are at, caller, kind,",
    );
    check("rows.csv", b"", MAP, "rows.csv: line 1: the file is empty");
    check("rows.geojson", b"{}", MAP, "the file has no \"features\"");
    let cut = as_geojson(&rows);
    check(
        "rows.geojson",
        &cut[..cut.len() - 100],
        &MAP.replace("lng = \"x\"\nlat = \"y\"\n", ""),
        "rows.geojson was read to row 119 only: line ",
    );
    check("rows.csv", &as_csv(&rows), "[columns]", "map.toml:1: ");
    let error =
        into_folder(Path::new("no.csv"), Path::new("no.toml"), Path::new("no"), &geodata("ternate"));
    assert!(format!("{:#}", error.unwrap_err()).starts_with("the mapping file no.toml cannot be read"));
}

/// The real sets are not part of the project; a clone that stands alone passes this over and says so.
#[test]
fn the_real_sets_are_taken_whole() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    for (name, map, rows) in [
        ("petabencana_jakarta_2017-02.geojson", "petabencana_jakarta.toml", 1_204),
        ("bmkg_north_maluku_2008_2015.csv", "bmkg_north_maluku.toml", 3_111),
    ] {
        let original = shared.join(name);
        if !original.exists() {
            let skipped =
                format!("skipped: {name} is not in {}, so it is not imported\n", shared.display());
            // Past the runner, which keeps to itself what a passing test prints.
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::copy(&original, &file).unwrap();
        let summary = into_folder(
            &file,
            &geodata("mappings").join(map),
            &folder.path().join("var"),
            &geodata("blank"),
        );
        let summary = summary.unwrap();
        assert_eq!((summary.rows, summary.new, summary.refused), (rows, rows, 0), "{name}");
    }
}

#[test]
fn a_chunk_holds_no_more_than_a_request_may() {
    let lines: Vec<String> = (0..10).map(|_| "x".repeat(IMPORT_BODY_BYTES_MAX / 3)).collect();
    let (body, n) = chunk(&lines);
    assert!(n == 2 && body.len() <= IMPORT_BODY_BYTES_MAX);
    assert_eq!(percent_encoded("a b&ü.csv"), "a%20b%26%C3%BC.csv");
}

#[test]
fn rows_go_through_a_running_server_and_its_refusals_come_back_to_their_rows() {
    use crate::cli::stub::{Stub, city, problem};
    let rows = generated_rows();
    let (folder, file, map) = folder_with("täglich.csv", &as_csv(&rows), MAP);
    let stub = Stub::start(|asked, before| match before {
        0 => (200, city("live")),
        1 => problem(503, "starting"),
        _ if asked.body.is_empty() => (200, serde_json::to_value(ImportAnswer::default()).unwrap()),
        _ => {
            let lines = asked.body.split(|b| *b == b'\n').count() - 1;
            let refused = [RefusedLine { line: 7, reason: "not here".to_owned() }].to_vec();
            let answer = ImportAnswer { accepted: lines as u64 - 11, repeated: 10, refused };
            (200, serde_json::to_value(answer).unwrap())
        }
    });
    let summary = into_server(&file, &map, stub.client.base(), &Stop::default()).unwrap();
    assert_eq!((summary.rows, summary.new, summary.already_there, summary.refused), (120, 109, 10, 1));
    let rejected = fs::read_to_string(folder.path().join("täglich.csv.rejected.csv")).unwrap();
    assert!(rejected.contains(",T-6,") && rejected.ends_with("not here\n"), "{rejected}");

    // What was sent is read by intake as what a folder would have got.
    let sent = stub.asked_for("POST /api/v1/import?source=t%C3%A4glich.csv");
    assert_eq!(sent.len(), 3);
    let pack = City::load(&geodata("ternate")).unwrap();
    let ids = IdKey::new(Secret([1; 32]), "TTE");
    let ctx = Context { city: &pack, ids: &ids, now: TimeMs(1_795_492_800_000), ahead: Ahead::Refuse };
    let read = crate::intake::parse_import(&sent[2].body, "rows", &ctx).unwrap();
    assert_eq!(read, reports("rows.csv", &as_csv(&rows), MAP));
}

#[test]
fn only_staff_may_import_through_a_server() {
    use crate::cli::stub::{Stub, city, problem};
    let (_folder, file, map) = folder_with("rows.csv", &as_csv(&generated_rows()), MAP);
    let stub =
        Stub::start(|_, before| if before == 0 { (200, city("live")) } else { problem(403, "staff only") });
    let error = into_server(&file, &map, stub.client.base(), &Stop::default()).unwrap_err();
    assert!(format!("{error:#}").contains("--trust-loopback"), "{error:#}");
}
