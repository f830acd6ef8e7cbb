//! One list: box, category, status, the newest 200.

use std::time::Instant;

use anyhow::{Context, ensure};
use pantau::cli::chance::Chance;
use pantau::live::{Filter, IdSet, Sort, StatusSet, Where};
use pantau::model::{Bbox, CategoryId, Projection, Status};
use serde_json::Value;

use crate::data::Sample;
use crate::fixture::{Bench, Folder, SEED};
use crate::ingest::copy_lines;
use crate::ours::Ours;
use crate::peers::postgres::{self, Postgres};
use crate::table::{AtLeast, Better, Row, grouped, median, quantile};

const LIMIT: usize = 200;
/// Half the width of a question's box, in degrees: a quarter of a town, a town, the island.
const REACHES_DEG: [f64; 3] = [0.004, 0.012, 0.05];
const STATUSES: [Status; 2] = [Status::New, Status::Verified];
/// It is no peer until a released version of it can be built.
const TILE38: &str =
    "Tile38: skipped, its released module could not be had from the module proxy, so nothing here asks it";

struct Question {
    bbox: Bbox,
    category: usize,
}

pub fn newest(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let folder = bench.million()?;
    let questions = questions(bench, &folder.samples)?;
    let postgres = Postgres::start()?;
    if let Some(postgres) = &postgres {
        fill(postgres, &folder.samples)?;
    }
    let server = Ours::serve(bench, &folder.path)?;
    let (mut ours, mut p99s, mut peer, mut peer_p99s) = (vec![], vec![], vec![], vec![]);
    for _ in 0..bench.runs() {
        let (times_ms, answers) = ask_ours(bench, &server, &questions)?;
        ours.push(median(&times_ms));
        p99s.push(quantile(&times_ms, 0.99));
        for (question, answer) in questions.iter().zip(&answers) {
            let expected: Vec<String> =
                recount(question, &folder.samples).into_iter().map(|n| folder.uuid(n)).collect();
            ensure!(*answer == expected, "the list differs from a naive recount at {:?}", question.bbox);
        }
        if let Some(postgres) = &postgres {
            let (times_ms, answers) = ask_postgis(postgres, &questions)?;
            peer.push(median(&times_ms));
            peer_p99s.push(quantile(&times_ms, 0.99));
            for (question, answer) in questions.iter().zip(&answers) {
                let same = *answer == recount(question, &folder.samples);
                ensure!(same, "PostGIS differs from a naive recount at {:?}", question.bbox);
            }
        }
    }
    server.stop()?;
    let found_us = find_in_process(bench, folder, &questions)?;
    let p99 = median(&p99s);
    let mut notes = vec![
        format!(
            "{} questions over {} incidents, one client, one after the other; boxes 0.9, 2.7 and 11 km wide around places where something is",
            questions.len(),
            grouped(folder.samples.len() as f64)
        ),
        format!(
            "p99 {} ms; finding and counting takes {} µs of the p50 (in process), the rest is JSON and HTTP; the answer holds whole features and numberMatched, PostGIS's the ids alone",
            grouped(p99),
            grouped(found_us)
        ),
    ];
    if !peer_p99s.is_empty() {
        notes.push(format!("PostGIS's p99 is {} ms", grouped(median(&peer_p99s))));
    }
    notes.push(TILE38.to_owned());
    let mut row = Row {
        reason: "by samples half of the server's time is finding and counting (leaves on the way to the newest 15 %, leaves on the rim of the box 13 %, the rest spread thin); the other half is 200 whole features as JSON over HTTP (keyed ids 7 %, the kernel 10 %, 0.1 MB in all), where PostGIS answers with ids",
        name: "query-newest".to_owned(),
        what: "box + category + status, newest 200, 1M city, over HTTP",
        unit: "ms p50",
        better: Better::Smaller,
        ours,
        peer,
        peer_is: format!("{}; a prepared select of the ids, analysed, all in its cache", postgres::NAME),
        at_least: AtLeast::Times(50.0),
        aim: "200 x, p99 <= 2 ms",
        aim_met: None,
        guard:
            "after each run every list, ours and PostGIS's, equals a scan of all rows: same ids, same order"
                .to_owned(),
        notes,
    };
    row.aim_met = row.ratio().map(|ratio| ratio >= 200.0 && p99 <= 2.0);
    Ok(vec![row])
}

fn questions(bench: &Bench, samples: &[Sample]) -> anyhow::Result<Vec<Question>> {
    let mut chance = Chance::new(SEED);
    (0..if bench.quick { 15 } else { 60 })
        .map(|n| {
            let (place, reach) = (chance.pick(samples).place, REACHES_DEG[n % REACHES_DEG.len()]);
            let (lng, lat) = (place.lng(), place.lat());
            // Borders between two places of the grid of 1e-7 degrees: no doubt what lies inside.
            let edge = |degrees: f64| (degrees * 1e7).round() / 1e7 + 5e-8;
            let bbox =
                Bbox::new(edge(lng - reach), edge(lat - reach), edge(lng + reach), edge(lat + reach))?;
            Ok(Question { bbox, category: n % bench.city.categories.len() })
        })
        .collect()
}

fn ask_ours(
    bench: &Bench,
    server: &Ours,
    questions: &[Question],
) -> anyhow::Result<(Vec<f64>, Vec<Vec<String>>)> {
    let mut http = server.http()?;
    let (mut times_ms, mut answers) = (Vec::new(), Vec::new());
    let statuses = STATUSES.map(Status::key).join(",");
    for Question { bbox, category } in questions {
        let path = format!(
            "/api/v1/incidents?bbox={},{},{},{}&category={}&status={statuses}&limit={LIMIT}",
            bbox.west(),
            bbox.south(),
            bbox.east(),
            bbox.north(),
            bench.city.categories[*category].key
        );
        http.get(&path)?;
        let began = Instant::now();
        let body = http.get(&path)?;
        times_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let answer: Value = serde_json::from_slice(&body)?;
        let features = answer["features"].as_array().context("features")?;
        let id = |feature: &Value| {
            feature["id"].as_str().unwrap_or_default().trim_start_matches("i:").to_owned()
        };
        answers.push(features.iter().map(id).collect());
    }
    Ok((times_ms, answers))
}

/// What the same lists take without HTTP and JSON: microseconds, p50.
fn find_in_process(bench: &Bench, folder: &Folder, questions: &[Question]) -> anyhow::Result<f64> {
    let writer = folder.open(&bench.city)?;
    let times_us = questions.iter().map(|Question { bbox, category }| {
        let filter = Filter {
            categories: Some(IdSet::of_categories([CategoryId(*category as u8)])),
            statuses: StatusSet::of(STATUSES),
            ..Filter::default()
        };
        let place = Where { bbox: Some(*bbox), ..Where::default() };
        let ask =
            || writer.map().incidents(Projection::Staff, &filter, &place, Sort::NewestFirst, None, LIMIT);
        std::hint::black_box(ask());
        let began = Instant::now();
        std::hint::black_box(ask());
        began.elapsed().as_secs_f64() * 1e6
    });
    Ok(median(&times_us.collect::<Vec<_>>()))
}

/// All rows at PostGIS, ready to be asked.
fn fill(postgres: &Postgres, samples: &[Sample]) -> anyhow::Result<()> {
    let mut link = postgres.link()?;
    link.query(postgres::SCHEMA)?;
    let chunks: Vec<Vec<u8>> = samples.chunks(10_000).map(copy_lines).collect();
    let copy = "copy incident (geom, category, status, opened_at, description) from stdin";
    link.copy(copy, chunks.iter().map(Vec::as_slice))?;
    link.query("vacuum analyze incident").map(|_| ())
}

fn ask_postgis(postgres: &Postgres, questions: &[Question]) -> anyhow::Result<(Vec<f64>, Vec<Vec<usize>>)> {
    let mut link = postgres.link()?;
    let statuses = STATUSES.map(|status| (status as u8).to_string()).join(",");
    // Custom plans: the planner sees each box, which is to PostGIS's advantage.
    link.query("set plan_cache_mode = force_custom_plan")?;
    link.prepare(
        "newest",
        &format!(
            "select id from incident
             where st_intersects(geom, st_makeenvelope($1, $2, $3, $4, 4326))
               and category = $5 and status in ({statuses})
             order by opened_at desc, id desc limit {LIMIT}"
        ),
    )?;
    let (mut times_ms, mut answers) = (Vec::new(), Vec::new());
    for Question { bbox, category } in questions {
        let edges = [bbox.west(), bbox.south(), bbox.east(), bbox.north()].map(|edge| edge.to_string());
        let category = category.to_string();
        let parameters = [&*edges[0], &*edges[1], &*edges[2], &*edges[3], &*category];
        link.execute("newest", &parameters)?;
        let began = Instant::now();
        let rows = link.execute("newest", &parameters)?;
        times_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let index = |row: Vec<String>| Ok(row.first().context("an id")?.parse::<usize>()? - 1);
        answers.push(rows.into_iter().map(index).collect::<anyhow::Result<_>>()?);
    }
    Ok((times_ms, answers))
}

/// The naive answer: look at everything, sort, take the first.
fn recount(question: &Question, samples: &[Sample]) -> Vec<usize> {
    let matches = |(_, sample): &(usize, &Sample)| {
        usize::from(sample.category.0) == question.category
            && STATUSES.contains(&sample.status)
            && question.bbox.contains(sample.place)
    };
    let mut found: Vec<_> =
        samples.iter().enumerate().filter(matches).map(|(n, sample)| (sample.opened_at, n)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().take(LIMIT).map(|(_, n)| n).collect()
}
