//! What a hotspot is called and why it is there, in both languages.
//!
//! Invariant: the words are a function of the members (and, for the name, of the area that led
//! before): they carry times of day, never ages, so no sentence changes because a minute passed.

use jiff::civil;
use jiff::tz::TimeZone;

use super::hotspot::{EventKind, Hotspot, Layer};
use super::usual::Usual;
use crate::city::{Areas, City, Text};
use crate::model::{AreaId, CategoryId, DAY_MS, LngLat, TimeMs};

const MONTHS_ID: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"];
const MONTHS_EN: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What the sentence is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    pub reports: u32,
    pub reporters: u32,
    pub first_at: TimeMs,
    pub last_at: TimeMs,
    pub window_ms: i64,
    pub usual: Option<Usual>,
}

/// "62 reports from 41 reporters between 14:05 and 14:45; usually 9". Dates are named where a time of day alone
/// could be that of another day: the span is of several days, or the window longer than one.
pub(super) fn why(evidence: &Evidence, zone: &TimeZone) -> Text {
    let local = |at: TimeMs| zone.to_datetime(at.timestamp());
    let (first, last) = (local(evidence.first_at), local(evidence.last_at));
    let dated = evidence.window_ms > DAY_MS || first.date() != last.date();
    let year = first.year() != last.year();
    let (id, en) = (Words { language: &ID, dated, year }, Words { language: &EN, dated, year });
    Text { id: id.sentence(evidence, first, last), en: en.sentence(evidence, first, last) }
}

struct Language {
    report: [&'static str; 2],
    reporter: [&'static str; 2],
    from: &'static str,
    at: &'static str,
    between: &'static str,
    and: &'static str,
    hour_separator: char,
    months: &'static [&'static str; 12],
    usually: &'static str,
    none: &'static str,
    a_day: &'static str,
}

const ID: Language = Language {
    report: ["laporan", "laporan"],
    reporter: ["pelapor", "pelapor"],
    from: "dari",
    at: "pukul",
    between: "antara",
    and: "dan",
    hour_separator: '.',
    months: &MONTHS_ID,
    usually: "biasanya",
    none: "tidak ada",
    a_day: "sehari",
};

const EN: Language = Language {
    report: ["report", "reports"],
    reporter: ["reporter", "reporters"],
    from: "from",
    at: "at",
    between: "between",
    and: "and",
    hour_separator: ':',
    months: &MONTHS_EN,
    usually: "usually",
    none: "none",
    a_day: "a day",
};

struct Words {
    language: &'static Language,
    dated: bool,
    year: bool,
}

impl Words {
    fn sentence(&self, evidence: &Evidence, first: civil::DateTime, last: civil::DateTime) -> String {
        let Language { report, reporter, from, at, between, and, .. } = self.language;
        let n = |n: u32, [one, more]: &[&str; 2]| format!("{n} {}", if n == 1 { one } else { more });
        let who = format!("{} {from} {}", n(evidence.reports, report), n(evidence.reporters, reporter));
        let (first, last) = (self.moment(first), self.moment(last));
        let what = match (first == last, self.dated) {
            (true, false) => format!("{who} {at} {last}"),
            (true, true) => format!("{who}, {last}"),
            (false, _) => format!("{who} {between} {first} {and} {last}"),
        };
        what + &evidence.usual.map_or_else(String::new, |usual| self.usually(usual))
    }

    fn usually(&self, usual: Usual) -> String {
        let Language { usually, none, a_day, .. } = self.language;
        let (mean, a_day) = match usual {
            Usual::Hours(mean) => (mean, String::new()),
            Usual::Day(mean) => (mean, format!(" {a_day}")),
        };
        match mean.round() as u64 {
            0 => format!("; {usually} {none}"),
            n => format!("; {usually} {n}{a_day}"),
        }
    }

    fn moment(&self, at: civil::DateTime) -> String {
        let time = format!("{:02}{}{:02}", at.hour(), self.language.hour_separator, at.minute());
        if !self.dated {
            return time;
        }
        let month = self.language.months[usize::from(at.month().unsigned_abs()) - 1];
        let year = if self.year { format!(" {}", at.year()) } else { String::new() };
        format!("{} {month}{year} {time}", at.day())
    }
}

/// The area that gives a hotspot its name: the one with most members (`areas` has it first). The one
/// that led before goes on leading until another has a quarter more, so that a label does not jump.
pub(super) fn lead(areas: &[(AreaId, u32)], before: Option<AreaId>) -> Option<AreaId> {
    let (best, most) = *areas.first().filter(|(_, n)| *n > 0)?;
    let kept = areas.iter().find(|(id, n)| Some(*id) == before && n * 5 >= most * 4 && *n > 0);
    Some(kept.map_or(best, |(id, _)| *id))
}

/// The leading area and how many others have members; without areas, where the middle is.
pub(super) fn name(areas: &Areas, with_members: u32, lead: Option<AreaId>, centroid: LngLat) -> Text {
    let Some(lead) = lead else { return coordinates(centroid) };
    let name = &areas.get(lead).name;
    match with_members.saturating_sub(1) {
        0 => Text { id: name.clone(), en: name.clone() },
        others => {
            Text { id: format!("{name} dan {others} lainnya"), en: format!("{name} and {others} more") }
        }
    }
}

/// What an event is called in an alarm and in the history: "New hotspot: Water, Gamalama and 2 more".
pub(super) fn title(kind: EventKind, hotspot: &Hotspot, city: &City) -> Text {
    let (id, en) = match kind {
        EventKind::Born => ("Titik panas baru", "New hotspot"),
        EventKind::Doubled { .. } => ("Titik panas membesar", "Hotspot growing"),
        EventKind::Merged { .. } => ("Titik panas bergabung", "Hotspot merged"),
        EventKind::Split { .. } => ("Titik panas terpecah", "Hotspot split"),
        EventKind::Ended => ("Titik panas berakhir", "Hotspot ended"),
    };
    let (category_id, category_en) = match hotspot.layer {
        Layer::Category(category) => {
            let Text { id, en } = &city.category(category).name;
            (id.as_str(), en.as_str())
        }
        Layer::All => ("semua kategori", "all categories"),
    };
    let Text { id: name_id, en: name_en } = &hotspot.name;
    Text { id: format!("{id}: {category_id}, {name_id}"), en: format!("{en}: {category_en}, {name_en}") }
}

/// "Surge of water reports in Kalumata: 18 today, usually 4".
pub(super) fn surge_title(
    category: CategoryId,
    area: AreaId,
    reports: u32,
    usual: f64,
    city: &City,
) -> Text {
    let Text { id, en } = &city.category(category).name;
    let (id, en, area) = (inside(id), inside(en), &city.areas.get(area).name);
    let usually = |none: &str| match usual.round() as u64 {
        0 => none.to_owned(),
        n => n.to_string(),
    };
    let (usually_id, usually_en) = (usually(ID.none), usually(EN.none));
    Text {
        id: format!("Lonjakan laporan {id} di {area}: {reports} hari ini, biasanya {usually_id}"),
        en: format!("Surge of {en} reports in {area}: {reports} today, usually {usually_en}"),
    }
}

/// A category's name as it stands inside a sentence; an abbreviation stays as it is.
pub(super) fn inside(name: &str) -> String {
    let mut chars = name.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => name.to_owned(),
    }
}

fn coordinates(place: LngLat) -> Text {
    let (lat, lng) = (format!("{:.2}", place.lat().abs()), format!("{:.2}", place.lng().abs()));
    let (south, west) = (place.lat() < 0.0, place.lng() < 0.0);
    let (ns_id, ns_en) = if south { ("LS", "S") } else { ("LU", "N") };
    let (we_id, we_en) = if west { ("BB", "W") } else { ("BT", "E") };
    Text {
        id: format!("{}° {ns_id} {}° {we_id}", lat.replace('.', ","), lng.replace('.', ",")),
        en: format!("{lat}° {ns_en} {lng}° {we_en}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::hotspots::testing::place;
    use crate::model::HOUR_MS;

    fn check_why(reports: u32, reporters: u32, first: &str, last: &str, window_h: i64, id: &str, en: &str) {
        let at = |text| TimeMs::parse_rfc3339(text).unwrap();
        let (first_at, last_at) = (at(first), at(last));
        let window_ms = window_h * HOUR_MS;
        let evidence = Evidence { reports, reporters, first_at, last_at, window_ms, usual: None };
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(why(&evidence, &zone), Text { id: id.to_owned(), en: en.to_owned() });
    }

    #[test]
    fn why_counts_and_names_times_of_day_in_the_citys_zone() {
        let (a, b) = ("2026-02-21T14:05:59+09:00", "2026-02-21T05:45:00Z");
        let id = "62 laporan dari 41 pelapor antara 14.05 dan 14.45";
        check_why(62, 41, a, b, 3, id, "62 reports from 41 reporters between 14:05 and 14:45");
        check_why(
            1,
            1,
            a,
            a,
            3,
            "1 laporan dari 1 pelapor pukul 14.05",
            "1 report from 1 reporter at 14:05",
        );
        let id = "4 laporan dari 3 pelapor antara 21 Feb 14.05 dan 21 Feb 14.45";
        check_why(4, 3, a, b, 336, id, "4 reports from 3 reporters between 21 Feb 14:05 and 21 Feb 14:45");
    }

    #[test]
    fn why_names_the_date_where_the_span_has_several_days() {
        let (a, b) = ("2026-04-30T23:50:00+09:00", "2026-05-01T00:10:00+09:00");
        let id = "4 laporan dari 3 pelapor antara 30 Apr 23.50 dan 1 Mei 00.10";
        check_why(4, 3, a, b, 3, id, "4 reports from 3 reporters between 30 Apr 23:50 and 1 May 00:10");
        let b = "2027-12-01T00:10:00+09:00";
        let id = "4 laporan dari 3 pelapor antara 30 Apr 2026 23.50 dan 1 Des 2027 00.10";
        let en = "4 reports from 3 reporters between 30 Apr 2026 23:50 and 1 Dec 2027 00:10";
        check_why(4, 3, a, b, 3, id, en);
    }

    #[test]
    fn why_says_what_is_usual_where_that_is_known() {
        let at = TimeMs::parse_rfc3339("2026-02-21T14:05:00+09:00").unwrap();
        let said = |usual| {
            let evidence = Evidence {
                reports: 62,
                reporters: 41,
                first_at: at,
                last_at: at.plus_ms(40 * 60_000),
                window_ms: HOUR_MS,
                usual,
            };
            let Text { id, en } = why(&evidence, &TimeZone::fixed(jiff::tz::offset(9)));
            let after =
                |text: &str| text.split_once("14.45").or(text.split_once("14:45")).unwrap().1.to_owned();
            (after(&id), after(&en))
        };
        let pair = |id: &str, en: &str| (id.to_owned(), en.to_owned());
        assert_eq!(said(None), pair("", ""));
        assert_eq!(said(Some(Usual::Hours(9.4))), pair("; biasanya 9", "; usually 9"));
        assert_eq!(said(Some(Usual::Hours(0.2))), pair("; biasanya tidak ada", "; usually none"));
        assert_eq!(said(Some(Usual::Day(12.0))), pair("; biasanya 12 sehari", "; usually 12 a day"));
        assert_eq!(said(Some(Usual::Day(0.0))), pair("; biasanya tidak ada", "; usually none"));
    }

    #[test]
    fn without_areas_a_hotspot_is_named_by_its_coordinates() {
        let name = |lng, lat| name(&Areas::default(), 0, None, place(lng, lat));
        let text = |id: &str, en: &str| Text { id: id.to_owned(), en: en.to_owned() };
        assert_eq!(name(127.38, 0.79), text("0,79° LU 127,38° BT", "0.79° N 127.38° E"));
        assert_eq!(name(-70.004, -6.2), text("6,20° LS 70,00° BB", "6.20° S 70.00° W"));
    }

    #[test]
    fn the_leading_area_changes_only_when_another_clearly_leads() {
        let (a, b) = (AreaId(1), AreaId(2));
        assert_eq!(lead(&[(a, 5), (b, 4)], None), Some(a));
        assert_eq!(lead(&[(a, 5), (b, 4)], Some(b)), Some(b));
        assert_eq!(lead(&[(a, 6), (b, 4)], Some(b)), Some(a));
        assert_eq!(lead(&[(a, 0)], None), None);
        assert_eq!(lead(&[], Some(b)), None);
    }
}
