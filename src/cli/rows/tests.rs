use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// All rows of a file with these bytes as `line: cells` or `line! fault`, and how reading ended.
fn read(name: &str, bytes: &[u8], columns: &[&str]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let mut file = match RowFile::open(&path) {
        Ok(file) => file,
        Err(e) => return vec![format!("error {e}")],
    };
    let header = file.header().map(<[String]>::to_vec);
    let columns = header.unwrap_or_else(|| columns.iter().map(|c| (*c).to_owned()).collect());
    let mut found = Vec::new();
    loop {
        match file.next_row() {
            Ok(Some(row)) => found.push(match row.parse(&columns) {
                Ok(_) => format!("{}: {}", row.line, row.cells(&columns).join("/")),
                Err(fault) => format!("{}! {fault}", row.line),
            }),
            Ok(None) => return found,
            Err(e) => {
                found.push(format!("error {e}"));
                return found;
            }
        }
    }
}

fn check(name: &str, bytes: impl AsRef<[u8]>, expected: &[&str]) {
    let found = read(name, bytes.as_ref(), &["a", "b"]);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found:?} is not {expected:?}");
    }
}

#[test]
fn csv_is_read_as_people_save_it() {
    check("x.csv", "a,b\n1,2\n3,4", &["2: 1/2", "3: 3/4"]);
    check(
        "x.csv",
        "\u{feff}a,b\r\n1,2\r\n\r\n3,\"4\r\n5\"\r\n6,7\r\n",
        &["2: 1/2", "4: 3/4\r\n5", "6: 6/7"],
    );
    check("x.csv", "a;b\n1,5;2\n", &["2: 1,5/2"]);
    check("x.tsv", "a\tb\n1\t\"x\ty\"\n", &["2: 1/x\ty"]);
    check("x.csv", "\"a, c, d\";b\n1;2\n", &["2: 1/2"]);
    check("x.csv", "a,b\n\"say \"\"hi\"\"\",é\n", &["2: say \"hi\"/é"]);
    check("x.csv", "a,b\n", &[]);
    check("x.csv", "", &["error line 1: the file is empty"]);
    check("x.csv", b"\xff\xfea\0", &["error the file cannot be read on after line 1"]);
}

#[test]
fn one_damaged_csv_row_does_not_spoil_the_next() {
    check(
        "x.csv",
        b"a,b\n1,\xff\n1\n1,2,3\n4,5\n",
        &["2! is not UTF-8", "3! has 1 cells", "4! has 3 cells", "5: 4/5"],
    );
    let long = "x".repeat(2 * ROW_BYTES_MAX);
    check("x.csv", format!("a,b\n1,{long}\n4,5\n"), &["2! is larger than 1024 KiB", "3: 4/5"]);
    check("x.csv", format!("a,b\n{}\n4,5\n", ",".repeat(10_000)), &["2! is larger than", "3: 4/5"]);
    check(
        "x.csv",
        format!("a,b\n1,\"open\n{long}\n4,5\n"),
        &["2! is larger than 1024 KiB, or has more than 4096 cells; is a quote not closed?"],
    );
}

#[test]
fn ndjson_is_read_line_by_line() {
    check(
        "x.ndjson",
        "{\"a\":1,\"b\":\"x\"}\n\n{\"a\":{\"c\":2}}\r\n\u{1e}{\"b\":null}",
        &["1: 1/x", "3: {\"c\":2}/", "4: /"],
    );
    let feature = r#"{"type":"Feature","id":9,"geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":1,"b":2}}"#;
    check("x.jsonl", feature, &["1: 1/2"]);
    check(
        "x.jsonl",
        b"{\n[]\n{\"a\":\"\xff\"}\n{\"a\":3}",
        &["1! is not JSON", "2! is not a JSON object", "3! is not UTF-8", "4: 3/"],
    );
    let long = format!("{{\"a\":\"{}\"}}\n{{\"a\":1}}", "x".repeat(3 * ROW_BYTES_MAX));
    check("x.ndjson", long, &["1! is larger than 1024 KiB", "2: 1/"]);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    check("x.ndjson", deep, &["1! is not JSON: recursion limit exceeded"]);
    check("x.ndjson", "", &[]);
}

#[test]
fn geojson_features_are_cut_out_one_by_one() {
    let feature = |a: &str| format!(r#"{{"type":"Feature","geometry":null,"properties":{{"a":{a}}}}}"#);
    let file = format!(
        "{{\"type\":\"FeatureCollection\",\"crs\":{{\"features\":[1]}},\n\"features\": [\n{},\n{} , {}\n],\"more\":[{{}}]}}",
        feature("1"),
        feature(r#""}]\\\"{""#),
        feature("3")
    );
    check("x.geojson", &file, &["3: 1/", "4: }]\\\"{/", "4: 3/"]);
    check("x.json", &file, &["3: 1/", "4:", "4:"]);
    check("x", &file, &["3:", "4:", "4:"]);
    check("x.geojson", r#"{"features":[]}"#, &[]);
    check(
        "x.geojson",
        format!("{{\"features\":[{},7,null,{{\"a\":}},{}]}}", feature("1"), feature("2")),
        &["1: 1/", "1! is not a JSON object", "1! is not a JSON object", "1! is not JSON", "1: 2/"],
    );
    let long = format!(
        "{{\"features\":[{},{}]}}",
        feature(&format!("\"{}\"", "x".repeat(2 * ROW_BYTES_MAX))),
        feature("2")
    );
    check("x.geojson", long, &["1! feature 1 is larger than 1024 KiB", "1: 2/"]);
    check(
        "x.geojson",
        format!("{{\"features\":[{}", feature("1")),
        &["1: 1/", "error line 1: the file ends in the middle"],
    );
    check(
        "x.geojson",
        format!("{{\"features\":[{},{{\"a\":\"", feature("1")),
        &["1: 1/", "error line 1: the file ends in the middle"],
    );
    check("x.geojson", r#"{"type":"Feature"}"#, &["error line 1: the file has no \"features\""]);
    check("x.geojson", "[1]", &["error line 1: the file must begin with {"]);
    check("x.geojson", "", &["error line 1: the file must begin with {"]);
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        RowFile::open(&folder.path().join("x.csv"))
            .is_err_and(|e| e.to_string().ends_with("x.csv cannot be read"))
    );
    assert!(RowFile::open(folder.path()).is_err());
}

proptest! {
    #[test]
    fn no_file_panics(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:;\n\r\\ax1 \xff\xc3".to_vec()), 0..80)) {
        for name in ["x.csv", "x.geojson", "x.ndjson", "x"] {
            read(name, &bytes, &["a"]);
            read(name, &[b"{\"features\":[", &bytes[..]].concat(), &["a"]);
        }
    }

    #[test]
    fn quoted_cells_come_back_as_they_were(cells in prop::collection::vec(("[a,;\"\n é]{0,6}", "[a,\"\n]{0,6}"), 1..8)) {
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let mut file = "a,b\n".to_owned();
        for (a, b) in &cells {
            writeln!(file, "{},{}", quoted(a), quoted(b)).unwrap();
        }
        let found: Vec<String> = read("x.csv", file.as_bytes(), &[]);
        let found: Vec<&str> = found.iter().map(|row| row.split_once(": ").unwrap().1).collect();
        let expected: Vec<String> = cells.iter().map(|(a, b)| format!("{a}/{b}")).collect();
        prop_assert_eq!(found, expected);
    }
}
