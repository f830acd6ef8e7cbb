//! Worlds that are told reports by hand.

use super::*;
use crate::model::HOUR_MS;

/// A world that is told reports by hand.
fn told(world: &mut World, count: u64, east: i32, imported: bool) {
    for sender in 1..=count {
        says(world, sender, east, PLAIN);
        if imported {
            let report = world.reports.last_mut().unwrap();
            let rejected = Standing { counts: false, rejected: true };
            world.engine.set_standing(report.incident, rejected);
            world.rejected.insert(report.incident, true);
            let again =
                HotspotReport { imported, incident: IncidentNo(9_000 + report.incident.0), ..*report };
            let again = HotspotReport { root: again.incident, ..again };
            world.seq = world.seq.next();
            let again = HotspotReport { seq: world.seq, ..again };
            world.reports.push(again);
            world.engine.add_report(again, Standing { counts: true, rejected: false });
        }
    }
}

fn of_water(changes: &TickChanges) -> Vec<(EventKind, bool)> {
    let water = changes.events.iter().filter(|e| e.hotspot.layer == Layer::Category(CategoryId(0)));
    water.map(|event| (event.kind, event.alarm)).collect()
}

fn tick(world: &mut World) -> Vec<(EventKind, bool)> {
    world.tick().unwrap();
    of_water(world.ticks.last().unwrap())
}

#[test]
fn a_birth_and_each_doubling_alarm_and_shrinking_does_not_make_them_alarm_again() {
    let mut world = World::new(OutlineStyle::Exact);
    told(&mut world, 4, 0, false);
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
    told(&mut world, 3, 0, false);
    assert_eq!(tick(&mut world), []);
    told(&mut world, 1, 0, false);
    assert_eq!(tick(&mut world), [(EventKind::Doubled { level: 1 }, true)]);
    for incident in 5..=8 {
        world.step(&Step::Counts { incident, counts: false }).unwrap();
    }
    assert_eq!(tick(&mut world), []);
    told(&mut world, 4, 0, false);
    assert_eq!(tick(&mut world), []);
    told(&mut world, 8, 0, false);
    assert_eq!(tick(&mut world), [(EventKind::Doubled { level: 2 }, true)]);
    let alarm = world.engine.board().alarms_since(Seq(0)).next().unwrap();
    assert_eq!(alarm.title().en, "New hotspot: water, 0.79° N 127.38° E");
    assert_eq!(alarm.title().id, "Titik panas baru: water, 0,79° LU 127,38° BT");
}

#[test]
fn imported_reports_alone_raise_no_alarm() {
    let mut world = World::new(OutlineStyle::Exact);
    told(&mut world, 4, 0, true);
    assert_eq!(tick(&mut world), [(EventKind::Born, false)]);
    told(&mut world, 4, 0, false);
    assert_eq!(tick(&mut world), [(EventKind::Doubled { level: 1 }, true)]);
}

#[test]
fn a_hotspot_at_the_threshold_does_not_cry_each_time_it_comes_back() {
    let mut world = World::new(OutlineStyle::Exact);
    told(&mut world, 3, 0, false);
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
    world.step(&Step::Counts { incident: 3, counts: false }).unwrap();
    assert_eq!(tick(&mut world), [(EventKind::Ended, false)]);
    let mut world = World { engine: world.reopened(), ..world };
    world.step(&Step::Counts { incident: 3, counts: true }).unwrap();
    assert_eq!(tick(&mut world), [(EventKind::Born, false)]);
    world.now = world.now.plus_ms(2 * HOUR_MS);
    assert_eq!(tick(&mut world), [(EventKind::Ended, false)]);
    told(&mut world, 3, 0, false);
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
}

#[test]
fn merges_and_splits_are_recorded_and_a_part_is_no_new_alarm() {
    let mut world = World::new(OutlineStyle::Exact);
    told(&mut world, 4, 0, false);
    told(&mut world, 5, 3, false);
    assert_eq!(tick(&mut world), [(EventKind::Born, true), (EventKind::Born, true)]);
    let first = world.seq;
    let (small, large) = (HotspotId { born: first, n: 0 }, HotspotId { born: first, n: 2 });
    told(&mut world, 3, 1, false);
    told(&mut world, 3, 2, false);
    let merged = tick(&mut world);
    assert_eq!(merged[0], (EventKind::Merged { into: large }, false));
    assert!(world.engine.board().get(small).is_none() && world.engine.board().get(large).is_some());
    for incident in 10..=15 {
        world.step(&Step::Counts { incident, counts: false }).unwrap();
    }
    let split = tick(&mut world);
    assert_eq!(split, [(EventKind::Born, false), (EventKind::Split { from: large }, false)]);
}

#[test]
fn a_part_that_breaks_off_an_announced_hotspot_is_no_new_alarm() {
    let mut world = World::new(OutlineStyle::Exact);
    for (east, count) in [(0, 4), (1, 3), (2, 3), (3, 5)] {
        told(&mut world, count, east, false);
    }
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
    let whole = HotspotId { born: world.seq, n: 0 };
    for incident in 5..=10 {
        world.step(&Step::Counts { incident, counts: false }).unwrap();
    }
    assert_eq!(tick(&mut world), [(EventKind::Born, false), (EventKind::Split { from: whole }, false)]);
}

#[test]
fn a_report_too_old_for_every_window_is_neither_kept_nor_makes_work() {
    let mut world = World::new(OutlineStyle::Exact);
    world.tick().unwrap();
    let old = Step::Report {
        east: 0,
        north: 0,
        garbage: false,
        sender: 1,
        joins: false,
        age_min: 24 * 60,
        drill: false,
        voice: PLAIN,
    };
    world.step(&old).unwrap();
    assert!(!world.engine.is_dirty());
    assert!(world.engine.incidents.is_empty());
}

/// What one sender says from now on, in a world with areas, `times` times at one place.
fn one_says(world: &mut World, sender: u64, east: i32, times: usize) {
    for _ in 0..times {
        says(world, sender, east, PLAIN);
    }
}

fn says(world: &mut World, sender: u64, east: i32, voice: Voice) {
    let (north, garbage, joins, age_min, drill) = (0, false, false, 0, false);
    world.step(&Step::Report { east, north, garbage, sender, joins, age_min, drill, voice }).unwrap();
}

fn water(world: &World) -> Vec<(u32, f64)> {
    let live = world.engine.board().live().filter(|h| h.layer == Layer::Category(CategoryId(0)));
    live.map(|hotspot| (hotspot.reports, hotspot.weight)).collect()
}

#[test]
fn a_pranksters_twenty_reports_make_no_hotspot_and_do_not_swell_one() {
    let mut world = World::weighing();
    one_says(&mut world, 1, 0, 20);
    one_says(&mut world, 2, 0, 1);
    assert_eq!(tick(&mut world), [], "two reporters, and less than three reports");
    one_says(&mut world, 3, 0, 1);
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
    assert_eq!(water(&world), [(22, 3.97)]);
    one_says(&mut world, 1, 0, 40);
    assert_eq!(tick(&mut world), [], "it has not doubled");
    assert_eq!(water(&world), [(62, 3.97)]);
}

#[test]
fn who_reports_far_apart_repeats_nothing() {
    let mut world = World::weighing();
    for east in [0, 8] {
        one_says(&mut world, 1, east, 1);
        one_says(&mut world, 2, east, 1);
        one_says(&mut world, 3, east, 1);
    }
    assert_eq!(tick(&mut world), [(EventKind::Born, true), (EventKind::Born, true)]);
    assert_eq!(water(&world), [(3, 3.0), (3, 3.0)]);
}

#[test]
fn a_rejected_report_lowers_the_weight_of_its_senders_others_until_it_is_old() {
    let mut world = World::weighing();
    one_says(&mut world, 1, 8, 1);
    world.now = world.now.plus_ms(90 * MINUTE_MS);
    one_says(&mut world, 1, 0, 1);
    // Nobody who could take that back.
    one_says(&mut world, 0, 0, 3);
    tick(&mut world);
    assert_eq!(water(&world), [(4, 4.0)]);
    world.step(&Step::Counts { incident: 1, counts: false }).unwrap();
    tick(&mut world);
    assert_eq!(water(&world), [(4, 3.5)]);
    let doubted: Vec<_> = world.engine.board().live().flat_map(|h| h.members.iter()).collect();
    let why: Vec<&str> = doubted.iter().flat_map(|member| member.doubts.keys()).collect();
    assert_eq!(why, ["rejected_before", "rejected_before"], "in its category and over all");
    world.now = world.now.plus_ms(30 * MINUTE_MS - 1);
    tick(&mut world);
    assert_eq!(water(&world), [(4, 3.5)]);
    world.now = world.now.plus_ms(1);
    assert_eq!(world.engine.due_at(), Some(world.now), "the rejected one is two hours old");
    tick(&mut world);
    assert_eq!(water(&world), [(4, 4.0)]);
}

const SOCIAL: Voice = Voice { channel: Channel::Social, ..PLAIN };

/// `(weight, keys)` of each member of the hotspot of water, by seq.
fn weighed(world: &World) -> Vec<(f64, Vec<&'static str>)> {
    let live = world.engine.board().live().filter(|h| h.layer == Layer::Category(CategoryId(0)));
    let members = live.flat_map(|hotspot| hotspot.members.iter());
    members.map(|member| (member.doubts.weight(), member.doubts.keys().collect())).collect()
}

#[test]
fn who_clears_his_traces_on_the_web_is_still_one() {
    let mut world = World::weighing();
    for _ in 0..20 {
        says(&mut world, 0, 0, Voice { channel: Channel::Web, ..PLAIN });
    }
    assert_eq!(tick(&mut world), [], "twenty senders, and less than two reports");
    one_says(&mut world, 1, 0, 1);
    one_says(&mut world, 2, 0, 1);
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
    assert_eq!(water(&world), [(22, 3.97)], "beside two others it counts as one more who repeats himself");
}

#[test]
fn a_crowd_counts_in_full_whatever_speaks_against_each() {
    let mut world = World::weighing();
    says(&mut world, 1, 0, SOCIAL);
    says(&mut world, 2, 0, SOCIAL);
    says(&mut world, 3, 0, Voice { accuracy_m: Some(900), ..SOCIAL });
    assert_eq!(tick(&mut world), [(EventKind::Born, true)]);
    let agreed = |more: &'static [&str]| (1.0, [&["channel"], more, &["agreement"]].concat());
    assert_eq!(weighed(&world), [agreed(&[]), agreed(&[]), agreed(&["vague"])]);
}

#[test]
fn two_pranksters_do_not_vouch_for_each_other() {
    let mut world = World::weighing();
    for sender in [1, 2] {
        one_says(&mut world, sender, 8, 1);
        let incident = world.reports.len() as u32;
        world.step(&Step::Counts { incident, counts: false }).unwrap();
        one_says(&mut world, sender, 0, 1);
    }
    tick(&mut world);
    assert_eq!(water(&world), [], "a half and a half");
    (3..=4).for_each(|sender| one_says(&mut world, sender, 0, 1));
    tick(&mut world);
    let agreed = || (1.0, vec!["rejected_before", "agreement"]);
    assert_eq!(weighed(&world), [agreed(), agreed(), (1.0, vec![]), (1.0, vec![])]);
}

#[test]
fn only_what_was_said_to_be_a_prank_or_a_ghost_speaks_against_its_sender() {
    let rejected = |disposition| Standing::of(Status::Rejected, disposition);
    for disposition in Disposition::ALL {
        let speaks = matches!(disposition, Disposition::Prank | Disposition::Ghost);
        assert_eq!(
            rejected(Some(disposition)),
            Standing { counts: false, rejected: speaks },
            "{disposition:?}"
        );
    }
    assert!(rejected(None).rejected, "of before anybody could say what it was");
    assert_eq!(Standing::of(Status::Resolved, None), Standing { counts: true, rejected: false });
}

#[test]
fn each_part_of_a_weight_is_told_in_both_languages() {
    let doubts = Doubts { repeats: 1, rejections: 7, channel: 1, vague: 1, photo: 1, agreeing: 2 };
    assert_eq!(doubts.weight(), 0.0, "1 + 7 + 1 + 1 - 1 - 2 halvings");
    let reason = doubts.reason().unwrap();
    assert_eq!(
        reason.en,
        "1 earlier report of the same sender nearby; 7 or more reports of the sender were rejected as pranks or as \
         nothing there; its channel counts less; its place is known less well than the hotspot's radius; its photo \
         speaks for it; 2 other senders nearby agree"
    );
    assert_eq!(reason.id.split("; ").count(), reason.en.split("; ").count());
    assert!(
        reason
            .id
            .starts_with("1 laporan lebih dulu dari pengirim yang sama di dekatnya; 7 atau lebih laporan")
    );
    assert_eq!(Doubts::NONE.reason(), None);
    assert_eq!(Doubts::of_columns(doubts.columns()), doubts);
}

#[test]
fn a_photo_takes_one_halving_back_but_never_one_of_a_repetition() {
    let mut world = World::weighing();
    let with_photo = |voice| Voice { n_photos: 2, ..voice };
    says(&mut world, 1, 0, with_photo(SOCIAL));
    says(&mut world, 1, 0, with_photo(SOCIAL));
    says(&mut world, 0, 0, with_photo(PLAIN));
    says(&mut world, 0, 0, Voice { accuracy_m: Some(201), ..SOCIAL });
    tick(&mut world);
    assert_eq!(
        weighed(&world),
        [
            (1.0, vec!["channel", "photo"]),
            (0.5, vec!["repeated", "channel", "photo"]),
            (1.0, vec![]),
            (0.5, vec!["channel", "vague", "agreement"]),
        ]
    );
}

/// The rows as they once were: each with the list of its members in its body.
fn in_the_old_way(derived: &mut Derived) {
    fn steps(values: impl Iterator<Item = i64>) -> Vec<i64> {
        let values: Vec<i64> = std::iter::once(0).chain(values).collect();
        values.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
    for HotspotMembers { id, members, .. } in std::mem::take(&mut derived.members) {
        let row = derived.hotspots.iter_mut().find(|row| row.id == id).unwrap();
        let mut body: serde_json::Value = serde_json::from_str(&row.body).unwrap();
        let borders: Vec<usize> = (0..members.len()).filter(|i| !members[*i].core).collect();
        body["members"] = serde_json::json!({
            "seqs": steps(members.iter().map(|m| m.seq.0 as i64)),
            "reports": steps(members.iter().map(|m| i64::from(m.report.0))),
            "received_ms": steps(members.iter().map(|m| m.received_at.0)),
            "borders": borders,
        });
        row.body = body.to_string();
    }
}

#[test]
fn hotspots_whose_rows_list_their_members_are_read_and_get_rows_of_members_when_they_change() {
    let mut world = World::new(OutlineStyle::Exact);
    told(&mut world, 4, 0, false);
    told(&mut world, 5, 4, false);
    tick(&mut world);
    in_the_old_way(&mut world.derived);
    let reopened = world.reopened();
    assert_eq!(live(&reopened), live(&world.engine));
    let mut world = World { engine: reopened, ..world };
    told(&mut world, 1, 0, false);
    tick(&mut world);
    let rows: Vec<usize> = world.derived.members.iter().map(|of| of.members.len()).collect();
    assert_eq!(rows, [5, 5], "of those that grew, the one of water and the one over all");
    assert_eq!(live(&world.reopened()), live(&world.engine));
    world.now = world.now.plus_ms(30 * MINUTE_MS);
    assert_eq!(tick(&mut world), [], "time alone changes their states");
    assert_eq!(live(&world.reopened()), live(&world.engine));
}
