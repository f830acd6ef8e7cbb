//! Laws of incidents that become one and two again: counts are recounts, hotspots are batch DBSCAN, and what
//! was joined and set free again is as if it had never been joined.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use pantau::live::hotspots::{Layer, Point, dbscan};
use pantau::live::{CellRange, Filter, LiveMap, Sight, Sort, Where, is_public};
use pantau::model::{
    Bbox, Command, Entry, Fact, IncidentNo, Projection, ReportFact, Seq, Status, TimeMs, great_circle_m,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::support::history::{History, Step, any_step, merging};
use crate::support::seen::difference;
use crate::support::{blank, ternate};

/// The same cases in every run; a failure prints the smallest input that shows it.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(27),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Histories without erasures, after which an entry does not say any more where a report was.
fn steps(max: usize) -> BoxedStrategy<Vec<Step>> {
    let no_erasure = any_step(&blank()).prop_map(|step| match step {
        Step::Erase { .. } => Step::Tick,
        step => step,
    });
    prop::collection::vec(no_erasure, 1..max).boxed()
}

fn run(steps: &[Step]) -> History {
    let mut history = History::new(blank());
    steps.iter().for_each(|step| history.step(step));
    history
}

/// Who is absorbed by whom, read from all entries.
fn parents(entries: &[Entry]) -> BTreeMap<IncidentNo, IncidentNo> {
    let mut parents = BTreeMap::new();
    for entry in entries {
        match &entry.fact {
            Fact::Merge(fact) => drop(parents.insert(fact.absorbed, fact.into)),
            Fact::Split(fact) => drop(parents.remove(&fact.absorbed)),
            _ => {}
        }
    }
    parents
}

fn root(parents: &BTreeMap<IncidentNo, IncidentNo>, no: IncidentNo) -> IncidentNo {
    std::iter::successors(Some(no), |no| parents.get(no).copied()).last().unwrap()
}

fn reports(entries: &[Entry]) -> impl Iterator<Item = (Seq, TimeMs, &ReportFact)> {
    entries.iter().filter_map(|entry| match &entry.fact {
        Fact::Report(fact) => Some((entry.seq, entry.at, &**fact)),
        _ => None,
    })
}

/// Status and category of each incident, read from all entries.
fn statuses(entries: &[Entry]) -> BTreeMap<IncidentNo, (Status, pantau::model::CategoryId)> {
    let mut statuses = BTreeMap::new();
    for entry in entries {
        match &entry.fact {
            Fact::Report(fact) => {
                if let Some(opening) = &fact.opens {
                    statuses.insert(fact.incident, (opening.status, fact.category));
                }
            }
            Fact::Action(fact) => {
                statuses.entry(fact.incident).and_modify(|(status, _)| *status = fact.to);
            }
            _ => {}
        }
    }
    statuses
}

fn shown(map: &LiveMap) -> Vec<pantau::live::Incident> {
    let all = Filter { drill: None, ..Filter::everything() };
    map.incidents(Projection::Staff, &all, &Where::default(), Sort::NewestFirst, None, usize::MAX - 1)
        .incidents
}

/// Each incident on the map counts the reports and senders that lead up to it, and no absorbed one is there.
fn check_counts(history: &History) -> Result<(), TestCaseError> {
    let parents = parents(&history.entries);
    let mut expected: BTreeMap<IncidentNo, (u32, BTreeSet<u64>)> = BTreeMap::new();
    for (_, _, fact) in reports(&history.entries) {
        let (n, senders) = expected.entry(root(&parents, fact.incident)).or_default();
        *n += 1;
        senders.insert(fact.sender.0);
    }
    let expected: BTreeMap<IncidentNo, (u32, u32)> =
        expected.into_iter().map(|(no, (n, senders))| (no, (n, senders.len() as u32))).collect();
    let found: BTreeMap<IncidentNo, (u32, u32)> = shown(history.map())
        .into_iter()
        .map(|incident| (incident.no, (incident.reports, u32::from(incident.reporters))))
        .collect();
    prop_assert_eq!(found, expected);
    Ok(())
}

/// Right after a tick the hotspots of each layer are the groups that DBSCAN finds anew.
fn check_hotspots(history: &History, projection: Projection) -> Result<(), TestCaseError> {
    let (city, now) = (&history.city, history.map().now());
    let (parents, statuses) = (parents(&history.entries), statuses(&history.entries));
    let layers = city.category_ids().map(Layer::Category).chain([Layer::All]);
    for (layer, drill) in layers.flat_map(|layer| [(layer, false), (layer, true)]) {
        let parameters = match layer {
            Layer::Category(id) => city.category(id).hotspot,
            Layer::All => city.all_categories,
        };
        let counts = |fact: &ReportFact| match projection {
            Projection::Staff => statuses[&root(&parents, fact.incident)].0 != Status::Rejected,
            Projection::Public => is_public(statuses[&root(&parents, fact.incident)].0),
        };
        let is_coarse = |fact: &ReportFact| {
            let of_incident = statuses[&fact.incident].1;
            let sensitive = city.category(of_incident).sensitive || city.category(fact.category).sensitive;
            projection == Projection::Public && sensitive
        };
        let points: Vec<Point> = reports(&history.entries)
            .filter(|(_, _, fact)| fact.drill == drill && counts(fact))
            .filter(|(_, _, fact)| layer == Layer::All || layer == Layer::Category(fact.category))
            .filter(|(_, _, fact)| now.since(fact.occurred_at) < parameters.window_ms)
            .map(|(seq, _, fact)| Point {
                seq,
                place: if is_coarse(fact) { fact.place.coarsened(city.coarse_res) } else { fact.place },
                sender: fact.sender,
                weight: 1.0,
            })
            .collect();
        let expected: BTreeSet<Vec<(Seq, bool)>> = dbscan(&points, &parameters)
            .iter()
            .map(|group| group.members.iter().map(|m| (points[m.point as usize].seq, m.core)).collect())
            .collect();
        let live = history.map().hotspots(projection).live();
        let found: BTreeSet<Vec<(Seq, bool)>> = live
            .filter(|hotspot| (hotspot.layer, hotspot.drill) == (layer, drill))
            .map(|hotspot| hotspot.members.iter().map(|m| (m.seq, m.core)).collect())
            .collect();
        prop_assert_eq!(found, expected, "{:?} {:?} drill {}", projection, layer, drill);
    }
    Ok(())
}

/// All that is shown, but for what tells that something happened: versions and times of change.
fn told(map: &LiveMap, with_hotspots: bool) -> String {
    let mut told = String::new();
    for mut incident in shown(map) {
        (incident.version, incident.updated_at) = (0, TimeMs(0));
        writeln!(told, "{incident:?}").unwrap();
    }
    let all = Filter { drill: None, ..Filter::everything() };
    for projection in [Projection::Staff, Projection::Public] {
        for level in [4, 14, 23] {
            writeln!(told, "{:?}", map.cells(projection, &all, &CellRange::of(&Bbox::WORLD, level)))
                .unwrap();
        }
        writeln!(told, "{:?}", map.stats(projection, &Filter::default())).unwrap();
        for hotspot in map.hotspots(projection).live().filter(|_| with_hotspots) {
            writeln!(told, "{hotspot:?}").unwrap();
        }
    }
    told
}

/// Joins some incidents and sets all of them free again, in an order that `order` says; how many entries that
/// were. Whatever `between` is done in between.
fn join_and_free(
    history: &mut History,
    merges: &[(u16, u16)],
    order: &[u8],
    between: &mut dyn FnMut(&mut History),
) -> usize {
    let before = history.entries.len();
    for (absorbed, into) in merges {
        history.step(&Step::Merge { absorbed: *absorbed, into: *into });
    }
    let merged = history.entries.len() - before;
    between(history);
    let before = history.entries.len();
    let mut order = order.iter().cycle();
    loop {
        let parents = parents(&history.entries);
        // What is absorbed by one that stands by itself.
        let free: Vec<_> = parents.iter().filter(|(_, into)| !parents.contains_key(into)).collect();
        let Some(n) = free.len().checked_sub(1) else { break };
        let (absorbed, into) = free[usize::from(*order.next().unwrap()) % (n + 1)];
        history.submit(Command::Split(Box::new(merging(*absorbed, *into))));
    }
    merged + history.entries.len() - before
}

/// The same steps, but without what joins and frees: each history begins with nothing joined.
fn unjoined(max: usize) -> BoxedStrategy<Vec<Step>> {
    let step = steps(max).prop_map(|steps| {
        let is_plain = |step: &Step| !matches!(step, Step::Merge { .. } | Step::Split { .. });
        steps.into_iter().filter(is_plain).collect()
    });
    step.boxed()
}

/// Entries that change nothing, so that two histories have the same numbers.
fn idle(history: &mut History, entries: usize) {
    for _ in 0..entries {
        let (key, hash) = (history.city.key.clone(), history.city.hash);
        history.submit(Command::Pack { key, hash });
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn counts_are_recounts_and_hotspots_are_batch_dbscan_however_incidents_were_joined(steps in steps(150)) {
        let mut history = run(&steps);
        check_counts(&history)?;
        history.step(&Step::Tick);
        check_hotspots(&history, Projection::Staff)?;
        check_hotspots(&history, Projection::Public)?;
        let replayed = history.replayed();
        prop_assert_eq!(difference(replayed.map(), history.map()), None);
        prop_assert_eq!(replayed.map().state_hash(), history.map().state_hash());
    }

    /// No tick sees them joined, so not even a hotspot can tell.
    #[test]
    fn what_was_joined_and_set_free_is_as_if_it_had_never_been(
        before in unjoined(120),
        merges in prop::collection::vec((0..40_u16, 0..40_u16), 1..8),
        order in prop::collection::vec(any::<u8>(), 1..8),
        after in unjoined(40),
    ) {
        let (mut joined, mut plain) = (run(&before), run(&before));
        let entries = join_and_free(&mut joined, &merges, &order, &mut |_| {});
        idle(&mut plain, entries);
        prop_assert_eq!(told(joined.map(), true), told(plain.map(), true));
        for step in after.iter().chain([&Step::Tick]) {
            joined.step(step);
            plain.step(step);
        }
        prop_assert_eq!(told(joined.map(), true), told(plain.map(), true));
        joined.restart();
        prop_assert_eq!(told(joined.map(), true), told(plain.map(), true));
    }

    /// Ticks, time and new reports while they are joined: the incidents still come back as they were, and the
    /// hotspots have the members that they would have.
    #[test]
    fn whatever_happens_meanwhile_a_split_gives_back_what_was_joined(
        before in unjoined(120),
        merges in prop::collection::vec((0..40_u16, 0..40_u16), 1..8),
        order in prop::collection::vec(any::<u8>(), 1..8),
        meanwhile in unjoined(30),
    ) {
        let meanwhile: Vec<Step> = meanwhile
            .into_iter()
            .filter_map(|step| match step {
                Step::Report { category, place, age_min, sender, drill, text, .. } => {
                    Some(Step::Report { category, place, age_min, sender, join: None, drill, text })
                }
                Step::Pass { .. } | Step::Tick => Some(step),
                _ => None,
            })
            .collect();
        let (mut joined, mut plain) = (run(&before), run(&before));
        let mut go_on = |history: &mut History| meanwhile.iter().for_each(|step| history.step(step));
        let entries = join_and_free(&mut joined, &merges, &order, &mut go_on);
        go_on(&mut plain);
        idle(&mut plain, entries);
        for history in [&mut joined, &mut plain] {
            history.step(&Step::Tick);
            check_hotspots(history, Projection::Staff)?;
            check_hotspots(history, Projection::Public)?;
        }
        prop_assert_eq!(told(joined.map(), false), told(plain.map(), false));
    }

    /// In a city that coarsens, weighs senders and forgets.
    #[test]
    fn a_restart_in_the_middle_changes_nothing(
        before in prop::collection::vec(any_step(&ternate()), 1..120),
        after in prop::collection::vec(any_step(&ternate()), 1..60),
    ) {
        let mut history = History::new(ternate());
        before.iter().for_each(|step| history.step(step));
        let snapshot = history.snapshot();
        history.restart();
        after.iter().for_each(|step| history.step(step));
        prop_assert_eq!(history.replayed().map().state_hash(), history.map().state_hash());
        if let Some(snapshot) = snapshot {
            history.restart_from(&snapshot);
            prop_assert_eq!(history.replayed().map().state_hash(), history.map().state_hash());
        }
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// The nearest that may be the same are those that a look at every incident finds.
    #[test]
    fn candidates_are_those_that_a_scan_of_all_finds(
        steps in prop::collection::vec(any_step(&ternate()), 50..200), agency in 0..7_u8,
    ) {
        let mut history = History::new(ternate());
        steps.iter().for_each(|step| history.step(step));
        let map = history.map();
        let agencies = pantau::live::IdSet::of_agencies([pantau::model::AgencyId(agency)]);
        let open: Vec<_> = shown(map).into_iter().filter(|incident| incident.status.is_open()).collect();
        for asked in &open {
            let rule = map.city().category(asked.category).join;
            let place = |incident: &pantau::live::Incident| incident.spot(Projection::Staff, map.city()).place;
            let is_near = |other: &&pantau::live::Incident| {
                other.no != asked.no
                    && (other.category, other.drill) == (asked.category, asked.drill)
                    && great_circle_m(place(other), place(asked)) <= rule.radius_m
                    && other.opened_at.since(asked.opened_at).abs() <= rule.within_ms
            };
            for (sight, of) in [(Sight::STAFF, None), (Sight::of_agencies(agencies), Some(agency))] {
                let is_seen = |other: &&pantau::live::Incident| {
                    of.is_none_or(|of| other.agency == Some(pantau::model::AgencyId(of)))
                };
                let expected: BTreeSet<IncidentNo> =
                    open.iter().filter(is_near).filter(is_seen).map(|other| other.no).collect();
                let found = map.candidates(asked.no, &sight);
                prop_assert!(found.is_sorted_by(|a, b| a.closeness >= b.closeness));
                prop_assert!(found.iter().all(|candidate| (0.0..=1.0).contains(&candidate.closeness)));
                let found: BTreeSet<IncidentNo> = found.iter().map(|candidate| candidate.incident.no).collect();
                prop_assert!(found.is_subset(&expected), "{:?} {:?}", found, expected);
                prop_assert_eq!(found.len(), expected.len().min(30));
            }
        }
    }
}
