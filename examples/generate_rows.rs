//! Writes seeded rows in the shape of a city, for trying imports of any size:
//!
//! ```sh
//! cargo run --release --example generate_rows -- 1000000 rows.csv
//! pantau import rows.csv --map rows.csv.map.toml --data ./trial
//! ```
//!
//! The rows lie around the villages of the Ternate pack, a few of them far busier than the rest, and
//! are spread over the two years before 2026-11-01. The mapping file is written beside them.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use pantau::city::{AreaLevel, City};
use pantau::cli::chance::Chance;
use pantau::model::{DAY_MS, LngLat, SECOND_MS, TimeMs};

const SEED: u64 = 82_71;
const SPREAD_DEG: f64 = 0.003;
const END: TimeMs = TimeMs(1_793_491_200_000);

const MAP: &str = r#"[columns]
id = "id"
lng = "lng"
lat = "lat"
occurred_at = "created"
category = "kind"
description = "text"
status = "status"
reporter = "caller"

[time]
format = "%Y-%m-%d %H:%M:%S"
zone = "Asia/Jayapura"

[category]
"Sampah*" = "garbage"
"Macet*" = "traffic"
"Air *" = "water"
"Kecelakaan*" = "accident"
"Banjir*" = "disaster"
default = "infrastructure"

[status]
"Selesai" = "resolved"
"Ditolak" = "rejected"
"Diproses" = "in_progress"
default = "new"
"#;

const KINDS: [(&str, f64); 6] = [
    ("Sampah menumpuk", 35.0),
    ("Jalan rusak", 25.0),
    ("Air tidak mengalir", 18.0),
    ("Macet", 12.0),
    ("Banjir", 7.0),
    ("Kecelakaan", 3.0),
];
const STATUSES: [(&str, f64); 4] = [("Selesai", 90.0), ("Ditolak", 6.0), ("Diproses", 3.0), ("Baru", 1.0)];

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(rows), Some(path)) = (args.next().and_then(|n| n.parse().ok()), args.next()) else {
        anyhow::bail!("say how many rows and where to: generate_rows 1000000 rows.csv");
    };
    let city = City::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate"))?;
    let villages: Vec<(&str, LngLat)> = city
        .areas
        .iter()
        .filter(|(_, area)| area.level == AreaLevel::Village)
        .map(|(_, area)| (area.name.as_str(), area.label))
        .collect();
    // The n-th busiest village gets a share of 1/n.
    let shares: Vec<f64> = (1..=villages.len()).map(|n| 1.0 / n as f64).collect();
    let mut out = BufWriter::new(File::create(&path)?);
    writeln!(out, "id,created,kind,status,lng,lat,text,caller")?;
    let mut chance = Chance::new(SEED);
    for i in 0..rows {
        write_row(&mut out, i, &mut chance, &villages, &shares)?;
    }
    out.flush()?;
    fs::write(format!("{path}.map.toml"), MAP)?;
    Ok(())
}

fn write_row(
    out: &mut impl Write,
    i: u64,
    chance: &mut Chance,
    villages: &[(&str, LngLat)],
    shares: &[f64],
) -> anyhow::Result<()> {
    let (village, centre) = villages[chance.weighted(shares)];
    let lng = centre.lng() + chance.normal() * SPREAD_DEG;
    let lat = centre.lat() + chance.normal() * SPREAD_DEG;
    let ago_s = chance.between(0.0, (2 * 365 * DAY_MS / SECOND_MS) as f64) as i64;
    let at = END.plus_ms(-ago_s * SECOND_MS).timestamp().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let kind = KINDS[chance.weighted(&KINDS.map(|(_, weight)| weight))].0;
    let status = STATUSES[chance.weighted(&STATUSES.map(|(_, weight)| weight))].0;
    let caller = 81_200_000_000 + chance.below(60_000);
    writeln!(
        out,
        "TTE-{i},{at},{kind},{status},{lng:.6},{lat:.6},\"{kind} di {village}, sejak pagi\",0{caller}"
    )?;
    Ok(())
}
