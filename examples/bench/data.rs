//! Seeded incidents in the shape of a city, or spread evenly.

use anyhow::bail;
use pantau::city::{AreaLevel, City};
use pantau::cli::chance::Chance;
use pantau::journal::{IncidentRow, Standing};
use pantau::live::Incident;
use pantau::model::{
    CategoryId, Channel, Command, DAY_MS, ImportRow, IncidentNo, LngLat, NewReport, ReportPrivate, Seq,
    Status, TimeMs,
};

/// About 330 m: how far the reports of a village lie from its centre.
const SPREAD_DEG: f64 = 0.003;
const STATUSES: [(Status, f64); 5] = [
    (Status::New, 5.0),
    (Status::Verified, 10.0),
    (Status::InProgress, 15.0),
    (Status::Resolved, 65.0),
    (Status::Rejected, 5.0),
];
pub const DESCRIPTION: &str = "Sampah menumpuk di pinggir jalan";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Around the villages of the city pack, the n-th busiest with a share of 1/n.
    City,
    /// Evenly over half a degree around the city.
    Uniform,
}

impl Shape {
    pub fn of_name(name: &str) -> anyhow::Result<Shape> {
        Ok(match name {
            "city" => Shape::City,
            "uniform" => Shape::Uniform,
            _ => bail!("{name:?} is neither city nor uniform"),
        })
    }
}

/// One made-up incident.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub place: LngLat,
    pub category: CategoryId,
    pub status: Status,
    pub opened_at: TimeMs,
}

/// Draws samples without end; the same seed draws the same.
pub struct Samples {
    shape: Shape,
    chance: Chance,
    centres: Vec<LngLat>,
    shares: Vec<f64>,
    now: TimeMs,
    n_categories: usize,
}

impl Samples {
    pub fn new(city: &City, shape: Shape, seed: u64, now: TimeMs) -> Samples {
        let villages = city.areas.iter().filter(|(_, area)| area.level == AreaLevel::Village);
        let centres: Vec<LngLat> = villages.map(|(_, area)| area.label).collect();
        let shares = (1..=centres.len()).map(|n| 1.0 / n as f64).collect();
        let n_categories = city.categories.len();
        Samples { shape, chance: Chance::new(seed), centres, shares, now, n_categories }
    }
}

impl Iterator for Samples {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        let chance = &mut self.chance;
        let (lng, lat) = match self.shape {
            Shape::City => {
                let centre = self.centres[chance.weighted(&self.shares)];
                (centre.lng() + chance.normal() * SPREAD_DEG, centre.lat() + chance.normal() * SPREAD_DEG)
            }
            Shape::Uniform => (127.0 + chance.unit() * 0.5, 0.5 + chance.unit() * 0.5),
        };
        let ago_ms = (chance.unit() * 730.0 * DAY_MS as f64) as i64;
        Some(Sample {
            place: LngLat::new(lng, lat).expect("a place in Ternate is in the world"),
            category: CategoryId(chance.below(self.n_categories) as u8),
            status: STATUSES[chance.weighted(&STATUSES.map(|(_, weight)| weight))].0,
            opened_at: self.now.plus_ms(-ago_ms),
        })
    }
}

impl Sample {
    /// As a row of an import, the `n`-th.
    pub fn command(&self, n: u64, city: &City) -> Command {
        let category = city.category(self.category);
        let mut row_digest = [0; 16];
        row_digest[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        row_digest[8..].copy_from_slice(&n.to_be_bytes());
        Command::Report(Box::new(NewReport {
            category: self.category,
            place: self.place,
            coarse_place: category.sensitive.then(|| self.place.coarsened(city.coarse_res)),
            accuracy_m: None,
            occurred_at: Some(self.opened_at),
            area: city.areas.locate(self.place),
            incident: None,
            agency: category.agency,
            due_after_ms: None,
            sender: None,
            channel: Channel::Import,
            drill: false,
            private: ReportPrivate { description: Some(DESCRIPTION.to_owned()), ..Default::default() },
            idempotency: None,
            import: Some(ImportRow { source: "bench".to_owned(), row_digest, status: self.status }),
        }))
    }

    /// As the live map holds it, under the number `no`.
    pub fn incident(&self, no: IncidentNo, now: TimeMs, city: &City) -> Incident {
        let is_open = self.status.is_open();
        let row = IncidentRow {
            no,
            opened_seq: Seq(u64::from(no.0)),
            changed_seq: Seq(u64::from(no.0)),
            category: self.category,
            status: self.status,
            agency: city.category(self.category).agency,
            area: city.areas.locate(self.place),
            place: self.place,
            opened_at: self.opened_at,
            updated_at: self.opened_at,
            due_at: None,
            clock: None,
            closed_at: (!is_open).then_some(now),
            closed_by_import: !is_open,
            reports: 1,
            version: 1,
            drill: false,
            imported: true,
            reporters: 1,
            merged_into: None,
            standing: Standing::default(),
        };
        Incident::from_row(&row, city)
    }
}
