//! Which open incidents may be the same as one: near it, opened at about the same time, told in like words.
//!
//! The rule is Lapor Bunda's (same category, near, lately opened, still open) with FixMyStreet's radius for
//! each category; it only suggests. Pure; texts are read by whoever asks, of the nearest few.

use super::filter::Filter;
use super::incident::Incident;
use super::keys::IdSet;
use super::likeness::Trigrams;
use super::map::LiveMap;
use super::place::{Circle, Where};
use super::sight::Sight;
use super::sort::Sort;
use crate::city::Text;
use crate::model::{IncidentNo, MINUTE_MS, Projection, great_circle_m};

/// So many of the newest within radius and time are looked at.
const CANDIDATES_MAX: usize = 500;
/// The texts of so many of the nearest are compared.
const READ_MAX: usize = 30;
/// Of each incident so many of its first texts are compared.
pub const TEXTS_MAX: usize = 5;
/// Answers hold at most so many.
pub const SUGGESTIONS_MAX: usize = 10;

/// How much place and time say together, where words say something too.
const CLOSENESS_SHARE: f64 = 0.55;
/// How much of that is the place.
const PLACE_SHARE: f64 = 0.6;
/// Less than this is called other words.
const ALIKE_MIN: f64 = 0.15;

/// An incident that may be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub incident: Incident,
    pub distance_m: f64,
    /// When it was opened, after the one that is asked about; negative: before.
    pub later_ms: i64,
    /// 1 at the same place and time, 0 where radius and hours end.
    pub closeness: f64,
}

/// A candidate, and how much speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub candidate: Candidate,
    /// From 0 to 1; `None` where one of the two has no words to compare.
    pub likeness: Option<f64>,
    /// From 0 to 1.
    pub score: f64,
    pub why: Text,
}

impl LiveMap {
    /// The nearest that may be the same as an incident, of what `sight` shows, the best first; none where it
    /// is not open or was absorbed.
    pub fn candidates(&self, no: IncidentNo, sight: &Sight) -> Vec<Candidate> {
        let Some(asked) = self.incident(no).filter(|incident| incident.status.is_open()) else {
            return Vec::new();
        };
        let rule = self.city.category(asked.category).join;
        let filter = sight.narrow(Filter {
            categories: Some(IdSet::of_categories([asked.category])),
            since: Some(asked.opened_at.plus_ms(-rule.within_ms)),
            until: Some(asked.opened_at.plus_ms(rule.within_ms + 1)),
            drill: Some(asked.drill),
            ..Filter::default()
        });
        let centre = asked.spot(Projection::Staff, &self.city).place;
        let circle = Some(Circle { centre, radius_m: rule.radius_m });
        let place = Where { circle, ..Where::default() };
        let found =
            self.incidents(Projection::Staff, &filter, &place, Sort::NewestFirst, None, CANDIDATES_MAX);
        let others = found.incidents.into_iter().filter(|incident| incident.no != no);
        let mut candidates: Vec<Candidate> = others
            .map(|incident| {
                let distance_m = great_circle_m(centre, incident.spot(Projection::Staff, &self.city).place);
                let later_ms = incident.opened_at.since(asked.opened_at);
                let far = (distance_m / rule.radius_m).min(1.0);
                let long = (later_ms.abs() as f64 / rule.within_ms as f64).min(1.0);
                let closeness = PLACE_SHARE * (1.0 - far) + (1.0 - PLACE_SHARE) * (1.0 - long);
                Candidate { incident, distance_m, later_ms, closeness }
            })
            .collect();
        candidates
            .sort_by(|a, b| b.closeness.total_cmp(&a.closeness).then(a.incident.no.cmp(&b.incident.no)));
        candidates.truncate(READ_MAX);
        candidates
    }
}

/// Puts the candidates in the order of what speaks for them, each with its first texts.
pub fn suggestions(asked: &[String], candidates: Vec<(Candidate, Vec<String>)>) -> Vec<Suggestion> {
    let trigrams = |texts: &[String]| -> Vec<Trigrams> {
        texts.iter().map(|text| Trigrams::of(text)).filter(|trigrams| !trigrams.is_empty()).collect()
    };
    let asked = trigrams(asked);
    let suggestion = |(candidate, texts): (Candidate, Vec<String>)| {
        let texts = trigrams(&texts);
        let pairs = asked.iter().flat_map(|one| texts.iter().map(|other| one.likeness(other)));
        let likeness = pairs.max_by(f64::total_cmp);
        let closeness = candidate.closeness;
        let score = likeness
            .map_or(closeness, |likeness| CLOSENESS_SHARE * closeness + (1.0 - CLOSENESS_SHARE) * likeness);
        Suggestion { candidate, likeness, score, why: why(&candidate, likeness) }
    };
    let mut suggestions: Vec<Suggestion> = candidates.into_iter().map(suggestion).collect();
    suggestions.sort_by(|a, b| {
        let nearer = a.candidate.distance_m.total_cmp(&b.candidate.distance_m);
        b.score.total_cmp(&a.score).then(nearer).then(a.candidate.incident.no.cmp(&b.candidate.incident.no))
    });
    suggestions.truncate(SUGGESTIONS_MAX);
    suggestions
}

/// "120 m away, 35 minutes earlier, 62% alike in words."
fn why(candidate: &Candidate, likeness: Option<f64>) -> Text {
    let metres = candidate.distance_m.round();
    let minutes = candidate.later_ms.abs() / MINUTE_MS;
    let (n, id, one, many) = match minutes {
        0..120 => (minutes, "menit", "minute", "minutes"),
        120..2_880 => (minutes / 60, "jam", "hour", "hours"),
        _ => (minutes / 1_440, "hari", "day", "days"),
    };
    let en = if n == 1 { one } else { many };
    let (time_id, time_en) = match candidate.later_ms {
        _ if minutes == 0 => ("pada saat yang sama".to_owned(), "at the same time".to_owned()),
        ..0 => (format!("{n} {id} sebelumnya"), format!("{n} {en} earlier")),
        _ => (format!("{n} {id} sesudahnya"), format!("{n} {en} later")),
    };
    let (words_id, words_en) = match likeness.map(|likeness| (likeness, (likeness * 100.0).round())) {
        Some((likeness, percent)) if likeness >= ALIKE_MIN => {
            (format!(", teksnya {percent}% mirip"), format!(", {percent}% alike in words"))
        }
        Some(_) => (", dengan kata-kata yang berbeda".to_owned(), ", told in different words".to_owned()),
        None => (String::new(), String::new()),
    };
    Text {
        id: format!("{metres} m dari sini, {time_id}{words_id}"),
        en: format!("{metres} m away, {time_en}{words_en}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{IncidentRow, Standing};
    use crate::live::hotspots::testing_city;
    use crate::model::{CategoryId, LngLat, Seq, Status, TimeMs};

    fn candidate(no: u32, distance_m: f64, later_min: i64) -> Candidate {
        let row = IncidentRow {
            no: IncidentNo(no),
            opened_seq: Seq(1),
            changed_seq: Seq(1),
            category: CategoryId(0),
            status: Status::New,
            agency: None,
            area: None,
            place: LngLat::new(127.38, 0.79).unwrap(),
            opened_at: TimeMs(0),
            updated_at: TimeMs(0),
            due_at: None,
            clock: None,
            closed_at: None,
            closed_by_import: false,
            reports: 1,
            version: 1,
            drill: false,
            imported: false,
            reporters: 1,
            merged_into: None,
            standing: Standing::default(),
        };
        let incident = Incident::from_row(&row, &testing_city());
        let closeness = 1.0 - distance_m / 1_000.0;
        Candidate { incident, distance_m, later_ms: later_min * MINUTE_MS, closeness }
    }

    fn order(asked: &str, candidates: &[(u32, f64, &str)]) -> Vec<u32> {
        let with_texts = |(no, distance_m, text): &(u32, f64, &str)| {
            let texts = if text.is_empty() { Vec::new() } else { vec![(*text).to_owned()] };
            (candidate(*no, *distance_m, 5), texts)
        };
        let found = suggestions(&[asked.to_owned()], candidates.iter().map(with_texts).collect());
        found.iter().map(|suggestion| suggestion.candidate.incident.no.0).collect()
    }

    #[test]
    fn like_words_go_before_a_few_metres_and_without_words_the_nearest_is_first() {
        let asked = "pohon tumbang menutup jalan";
        let there = [(1, 20.0, "lampu jalan mati"), (2, 60.0, "ada pohon tumbang, jalan tertutup")];
        assert_eq!(order(asked, &there), [2, 1]);
        assert_eq!(order("", &[(1, 20.0, ""), (2, 60.0, "pohon tumbang")]), [1, 2]);
        let many: Vec<(u32, f64, &str)> = (1..=12).map(|no| (no, f64::from(no), "")).collect();
        assert_eq!(order(asked, &many), (1..=10).collect::<Vec<u32>>());
    }

    #[test]
    fn why_says_how_far_how_long_and_how_alike_in_both_languages() {
        let check = |distance_m, later_min, likeness, id: &str, en: &str| {
            let text = why(&candidate(1, distance_m, later_min), likeness);
            assert_eq!((text.id.as_str(), text.en.as_str()), (id, en));
        };
        check(
            120.4,
            -35,
            Some(0.62),
            "120 m dari sini, 35 menit sebelumnya, teksnya 62% mirip",
            "120 m away, 35 minutes earlier, 62% alike in words",
        );
        check(0.0, 0, None, "0 m dari sini, pada saat yang sama", "0 m away, at the same time");
        check(5.0, 1, None, "5 m dari sini, 1 menit sesudahnya", "5 m away, 1 minute later");
        check(
            90.0,
            150,
            Some(0.1),
            "90 m dari sini, 2 jam sesudahnya, dengan kata-kata yang berbeda",
            "90 m away, 2 hours later, told in different words",
        );
        check(90.0, -2_880, None, "90 m dari sini, 2 hari sebelumnya", "90 m away, 2 days earlier");
    }
}
