//! A tour through the table of transitions, and all else that people at the console do, on two incidents of one's own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use pantau::city::City;
use serde_json::{Value, json};

use crate::center::Desk;
use crate::data::Sample;
use crate::load::body_of;
use crate::tally::Took;

/// Somebody at work, and the supervisor who confirms what they resolved.
pub struct Worker<'w> {
    pub operator: &'w Desk,
    pub supervisor: &'w Desk,
    pub city: &'w City,
    /// A pause before each act, as a person needs one.
    pub think: Duration,
    pub took: Vec<Took>,
    /// How many entries of the audit each must have in the end.
    pub acts: u64,
    pub confirmed: u64,
    /// Of the work, as a phone sends it.
    photo: Vec<u8>,
    next: Instant,
}

/// An incident as somebody last saw it.
struct Seen {
    id: String,
    version: u64,
}

impl<'w> Worker<'w> {
    pub fn new(
        operator: &'w Desk,
        supervisor: &'w Desk,
        city: &'w City,
        think: Duration,
    ) -> anyhow::Result<Worker<'w>> {
        let (took, next, photo) = (Vec::new(), Instant::now(), photo()?);
        Ok(Worker { operator, supervisor, city, think, took, acts: 0, confirmed: 0, photo, next })
    }

    /// Stories on `samples`, two neighbours for each, until it is enough.
    pub fn work(&mut self, samples: &[Sample], stop: &AtomicBool) -> anyhow::Result<()> {
        for (n, sample) in samples.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            self.story(sample, n)?;
        }
        Ok(())
    }

    fn story(&mut self, sample: &Sample, n: usize) -> anyhow::Result<()> {
        let (mut a, mut b) = (self.report(sample, n)?, self.report(sample, n)?);
        self.ask("GET the queue", "/api/v1/incidents?status=new&limit=50")?;
        self.ask("GET an incident", &format!("/api/v1/incidents/{}", a.id))?;
        self.ask("GET suggestions", &format!("/api/v1/incidents/{}/suggestions", a.id))?;
        self.act("merge", &mut b, "merge", json!({"incident": a.id}))?;
        // The answer is about the one that stays.
        a.version = b.version;
        self.act("split", &mut a, "split", json!({"incident": b.id}))?;
        (a.version, b.version) = (self.version(&a)?, self.version(&b)?);
        self.act("verify", &mut a, "verify", json!({}))?;
        self.act("note", &mut a, "note", json!({"note": "pelapor ditelepon"}))?;
        self.act("answer", &mut a, "note", json!({"note": "Petugas menuju lokasi.", "public": true}))?;
        if let Some(step) = self.city.category(sample.category).checklist.first() {
            self.act("check", &mut a, "check", json!({"step": step.key, "done": true}))?;
        }
        self.act("pause", &mut a, "pause", json!({"note": "menunggu alat berat"}))?;
        self.act("resume", &mut a, "resume", json!({}))?;
        self.act("assign", &mut a, "assign", json!({"agency": "dlh"}))?;
        self.act("return", &mut a, "return", json!({"note": "bukan wewenang kami", "agency": "pupr"}))?;
        self.act("assign", &mut a, "assign", json!({"agency": "pupr"}))?;
        self.act("start", &mut a, "start", json!({}))?;
        self.contacts(&a)?;
        self.photos(&mut a)?;
        self.act("resolve", &mut a, "resolve", json!({"note": "selesai"}))?;
        self.confirm(&mut a)?;
        self.act("reopen", &mut a, "reopen", json!({"note": "kambuh"}))?;
        let reason = json!({"reason": "tidak ada di lokasi", "disposition": "ghost"});
        self.act("reject", &mut a, "reject", reason.clone())?;
        self.act("reject", &mut b, "reject", reason)?;
        self.log()
    }

    /// One's own hand is as quick as one's thought, whatever the server took before.
    fn pause(&mut self) {
        std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = Instant::now() + self.think;
    }

    fn report(&mut self, sample: &Sample, n: usize) -> anyhow::Result<Seen> {
        self.pause();
        let (receipt, _) = self.operator.timed("/api/v1/reports", Some(&body_of(sample, self.city, n)))?;
        let id = receipt["incident"].as_str().context("a receipt names its incident")?.to_owned();
        Ok(Seen { id, version: 1 })
    }

    fn ask(&mut self, name: &'static str, path: &str) -> anyhow::Result<()> {
        self.pause();
        let (_, took) = self.operator.timed(path, None)?;
        self.took.push((name, took));
        Ok(())
    }

    fn version(&self, seen: &Seen) -> anyhow::Result<u64> {
        let (incident, _) = self.operator.timed(&format!("/api/v1/incidents/{}", seen.id), None)?;
        version_of(&incident)
    }

    /// With the version that was seen, as the console sends it.
    fn act(
        &mut self,
        name: &'static str,
        seen: &mut Seen,
        verb: &str,
        mut body: Value,
    ) -> anyhow::Result<()> {
        self.pause();
        body["version"] = seen.version.into();
        let path = format!("/api/v1/incidents/{}/{verb}", seen.id);
        let (incident, took) = self.operator.timed(&path, Some(&body))?;
        seen.version = version_of(&incident)?;
        self.took.push((name, took));
        self.acts += 1;
        Ok(())
    }

    /// Adds a photo of the work, shows it to the public and takes it back.
    fn photos(&mut self, seen: &mut Seen) -> anyhow::Result<()> {
        self.pause();
        let (path, version) = (format!("/api/v1/incidents/{}/photos", seen.id), seen.version.to_string());
        let parts: [(&str, &[u8]); 3] =
            [("photo", &self.photo), ("kind", b"after"), ("version", version.as_bytes())];
        let (incident, took) = self.operator.timed_form(&path, &parts)?;
        seen.version = version_of(&incident)?;
        self.took.push(("photo", took));
        self.acts += 1;
        let photos = incident["properties"]["photos"].as_array().context("an incident has photos")?;
        let id = photos.last().and_then(|photo| photo["id"].as_str()).context("a photo has an id")?;
        for verb in ["release", "withdraw"] {
            self.pause();
            let (incident, took) = self.operator.timed(&format!("{path}/{id}/{verb}"), Some(&json!({})))?;
            seen.version = version_of(&incident)?;
            self.took.push((verb, took));
            self.acts += 1;
        }
        Ok(())
    }

    fn confirm(&mut self, seen: &mut Seen) -> anyhow::Result<()> {
        self.pause();
        let path = format!("/api/v1/incidents/{}/confirm", seen.id);
        let body = json!({"version": seen.version});
        let (incident, took) = self.supervisor.timed(&path, Some(&body))?;
        seen.version = version_of(&incident)?;
        self.took.push(("confirm", took));
        self.confirmed += 1;
        Ok(())
    }

    fn contacts(&mut self, seen: &Seen) -> anyhow::Result<()> {
        self.pause();
        let path = format!("/api/v1/incidents/{}/contacts", seen.id);
        let (answer, took) = self.operator.timed(&path, Some(&json!({"reason": "memberi kabar"})))?;
        anyhow::ensure!(answer["contacts"][0]["phone"].is_string(), "no phone: {answer}");
        self.took.push(("contacts", took));
        self.acts += 1;
        Ok(())
    }

    fn log(&mut self) -> anyhow::Result<()> {
        self.pause();
        let body = json!({"kind": "note", "text": "malam tenang"});
        let (_, took) = self.operator.timed("/api/v1/shift-log", Some(&body))?;
        self.took.push(("shift log", took));
        self.acts += 1;
        Ok(())
    }
}

/// A picture of two megapixels, with specks so that it is no easy one.
fn photo() -> anyhow::Result<Vec<u8>> {
    let speck = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)) >> 27;
    let picture = image::RgbImage::from_fn(1_600, 1_200, |x, y| {
        image::Rgb([(x / 8 + speck(x, y)) as u8, (y / 6) as u8, (90 + speck(y, x)) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::ImageRgb8(picture).write_to(&mut bytes, image::ImageFormat::Jpeg)?;
    Ok(bytes.into_inner())
}

fn version_of(incident: &Value) -> anyhow::Result<u64> {
    incident["properties"]["version"]
        .as_u64()
        .with_context(|| format!("an incident has a version: {incident}"))
}
