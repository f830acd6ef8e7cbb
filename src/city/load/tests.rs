use std::path::Path;

use super::*;
use crate::city::{CredibilityRule, Length};
use crate::model::{Channel, Step, TimeMs};

const CATEGORIES: &str = r##"
[all]
eps_m = 200
min_reports = 4
min_reporters = 3
window_h = 24

[[category]]
key = "garbage"
name = { id = "Sampah", en = "Garbage" }
icon = "waste-basket"
colour = { dark = "#009E73", day = "#00795A" }
hotspot = { eps_m = 200, min_reports = 4, min_reporters = 3, window_h = 24 }
"##;

/// The blank pack with other files in the place of its own.
fn load(files: &[(&str, &str)]) -> Result<City, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let blank = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/blank");
    for name in ["city.toml", "agencies.toml", "categories.toml", "holidays.toml", "base.pmtiles"] {
        std::fs::copy(blank.join(name), dir.path().join(name)).unwrap();
    }
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    City::load(dir.path()).map_err(|error| {
        let told = |fault: &Fault| {
            let name = fault.file.file_name().unwrap().to_string_lossy().into_owned();
            format!("{name}:{}: {}", fault.line.unwrap_or(0), fault.message)
        };
        error.0.iter().map(told).collect()
    })
}

/// The faults of a pack whose categories go on with these lines; each begins with file and line.
fn check_categories(more: &str, expected: &[&str]) {
    check(&[("categories.toml", &format!("{CATEGORIES}{more}"))], expected);
}

fn check(files: &[(&str, &str)], expected: &[&str]) {
    let found = load(files).err().unwrap_or_default();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n does not begin with\n{expected}");
    }
}

#[test]
fn every_fault_of_a_deadline_is_named_with_its_line() {
    check_categories("deadlines = { verify = \"30m\", resolve = \"3wd\", escalate = [\"2h\"] }\n", &[]);
    check_categories(
        "[category.deadlines]\nstart = \"8\"\n",
        &["categories.toml:15: a length is a whole number"],
    );
    check_categories(
        "[category.deadlines]\nclose = \"8h\"\n",
        &["categories.toml:15: unknown field `close`"],
    );
    check_categories(
        "[category.deadlines]\nassign = \"0h\"\nwarn_percent = 100\nescalate = [\"1h\", \"soon\"]\n",
        &[
            "categories.toml:15: a length is a whole number",
            "categories.toml:16: warn_percent must be 1 to 99",
            "categories.toml:17: escalate: \"soon\" is no length",
        ],
    );
    let thrice = "[category.deadlines]\nescalate = [\"1h\", \"2h\", \"3h\"]\n";
    check_categories(thrice, &["categories.toml:15: escalate has at most two lengths"]);
    // What is said for all is faulty once, however many categories there are.
    let category = CATEGORIES.split_once("[[category]]").unwrap().1.replace("garbage", "water");
    let all = format!("[clocks]\nwarn_percent = 0\n{CATEGORIES}\n[[category]]{category}");
    check(&[("categories.toml", &all)], &["categories.toml:2: warn_percent must be 1 to 99"]);
}

#[test]
fn every_fault_of_a_calendar_is_named_with_its_line() {
    let sound = "years = [2026, 2027]\n[hours]\nmonday = [\"08:00-12:00\", \"13:00-24:00\"]\n";
    check(&[("calendar.toml", sound)], &[]);
    let hours = |text: &str| format!("[hours]\nfriday = [{text}]\n");
    for text in ["\"8:00-12:00\"", "\"08:00-08:00\"", "\"08:00-24:01\"", "\"08:60-12:00\"", "\"morning\""] {
        check(&[("calendar.toml", &hours(text))], &["calendar.toml:2: hours must be like"]);
    }
    let twice = hours("\"08:00-12:00\", \"11:00-14:00\"");
    check(&[("calendar.toml", &twice)], &["calendar.toml:2: hours must follow one another"]);
    check(&[("calendar.toml", "[hours]\n")], &["calendar.toml:1: there must be hours of work"]);
    let day = format!(
        "years = [2027, 2026]\n{}[[day]]\ndate = \"29 Dec\"\nname = \"HUT\"\n",
        hours("\"08:00-12:00\"")
    );
    check(
        &[("calendar.toml", &day)],
        &["calendar.toml:5: date must be like", "calendar.toml:1: years are the first and the last"],
    );
}

#[test]
fn days_off_are_those_of_the_land_and_those_of_the_city() {
    let holidays = "[[holiday]]\ndate = \"2026-11-30\"\nname = \"A\"\nkind = \"joint_leave\"\n";
    let calendar = "[hours]\nmonday = [\"08:00-16:00\"]\ntuesday = [\"08:00-16:00\"]\n\
                    [[day]]\ndate = \"2026-12-01\"\nname = \"B\"\n";
    let city = load(&[("holidays.toml", holidays), ("calendar.toml", calendar)]).unwrap();
    assert_eq!(city.calendar.years(), Some(&(2026..=2026)), "those of the holidays");
    let friday = TimeMs::parse_rfc3339("2026-11-27T12:00:00Z").unwrap();
    let next = TimeMs::parse_rfc3339("2026-12-07T16:00:00Z").unwrap();
    assert_eq!(city.calendar.add(friday, Length::WorkingDays(1)), next);
}

#[test]
fn a_pack_of_before_there_were_clocks_opens_with_its_one_deadline() {
    let old = load(&[("categories.toml", &format!("{CATEGORIES}deadline_h = 72\n"))]).unwrap();
    let category = &old.categories[0];
    assert_eq!((category.deadline_ms, &category.deadlines), (Some(72 * HOUR_MS), &Default::default()));
    assert_eq!(old.calendar.years(), None, "nobody expects holidays where there never were any");
    let at = TimeMs(0);
    let whole = Some(at.plus_ms(72 * HOUR_MS));
    let clock = category.deadlines.begin(&old.calendar, Step::Verify, at, whole).unwrap();
    assert_eq!((Some(clock.due_at), clock.warn_at, clock.escalate_at), (whole, None, [None; 2]));
}

#[test]
fn ternate_has_a_time_for_every_step_and_a_ladder() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate");
    let city = City::load(&pack).unwrap();
    for category in &city.categories {
        let deadlines = &category.deadlines;
        assert!(deadlines.steps.iter().all(Option::is_some), "{}", category.key);
        assert!(deadlines.warn_percent.is_some() && deadlines.escalate.iter().all(Option::is_some));
    }
    // Idulfitri 2026, with its joint leave: from the Wednesday before Nyepi to the Wednesday after.
    let at = TimeMs::parse_rfc3339("2026-03-17T10:00:00+09:00").unwrap();
    let next = TimeMs::parse_rfc3339("2026-03-25T16:00:00+09:00").unwrap();
    assert_eq!(city.calendar.add(at, Length::WorkingDays(1)), next);
}

#[test]
fn channels_count_as_the_pack_says_and_every_fault_of_it_is_named() {
    let blank = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/blank/city.toml");
    let blank = std::fs::read_to_string(blank).unwrap();
    let city = |weighs: &str, more: &str| {
        let whole = format!("{weighs}\n{blank}\n{more}");
        load(&[("city.toml", &whole)]).map(|city| city.credibility)
    };
    assert_eq!(city("", "").unwrap(), None);
    assert_eq!(city("weigh_senders = true", "").unwrap(), Some(CredibilityRule::default()));
    let more = "[credibility]\nchannel_weights = { sms = 0.25, web = 1.0 }\nanonymous_as_one = [\"app\"]";
    let rule = city("weigh_senders = true", more).unwrap().unwrap();
    assert_eq!([Channel::Sms, Channel::Web, Channel::App].map(|of| rule.halvings(of)), [2, 0, 0]);
    assert_eq!(
        [Channel::Sms, Channel::Web, Channel::App].map(|of| rule.takes_as_one(of)),
        [false, false, true]
    );

    let more = "[credibility]\nchannel_weights = { fax = 0.5, sms = 0.4 }\nanonymous_as_one = [\"post\"]";
    let faults = city("weigh_senders = true", more).unwrap_err();
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].contains("\"fax\" is no channel; there are web, app"), "{faults:?}");
    assert!(faults[1].contains("a channel's weight is 1, 0.5 or 0.25"), "{faults:?}");
    assert!(faults[2].contains("\"post\" is no channel"), "{faults:?}");
    let faults = city("", "[credibility]\nanonymous_as_one = []").unwrap_err();
    assert!(faults[0].contains("has no effect without weigh_senders = true"), "{faults:?}");
}

#[test]
fn in_ternate_social_media_count_half_and_who_leaves_no_mark_on_the_web_is_one() {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate");
    let rule = City::load(&pack).unwrap().credibility.unwrap();
    let halvings = Channel::ALL.map(|channel| (rule.halvings(channel), rule.takes_as_one(channel)));
    let plain = (0, false);
    assert_eq!(halvings, [(0, true), (0, true), plain, plain, (1, false), plain, plain, plain]);
}
