//! What is asked of the past, against naive oracles through random histories: statistics are what a recount of
//! the entries comes to, and the answer of a moment is what was answered then.

use std::collections::BTreeMap;
use std::sync::Arc;

use pantau::city::{AreaLevel, City};
use pantau::feed::wire::{Feature, StatsBody};
use pantau::feed::{TextSearch, features};
use pantau::live::{CellRange, Filter, IdSet, LiveMap, LiveWriter, Sort, Where, Words};
use pantau::model::{
    Action, ActionFact, AgencyId, AreaId, Bbox, CategoryId, Fact, IncidentNo, LngLat, Projection, Seq,
    Status, TimeMs,
};
use pantau::past::{By, Figures, Group, Maps, Question, SMALL_MAX, Statistics, Step, Ways};
use proptest::prelude::*;

use crate::support::history::{History, START, Step as Event, any_step};
use crate::support::ternate;

/// An incident, told in full.
struct Told {
    category: CategoryId,
    place: LngLat,
    area: Option<AreaId>,
    drill: bool,
    opened_at: TimeMs,
    /// As the city pack has it for its category: from the opening, or a reopening, to resolved.
    deadline_ms: Option<i64>,
    agency: Option<AgencyId>,
    absorbed: bool,
    actions: Vec<(TimeMs, ActionFact)>,
}

impl Told {
    fn status(&self) -> Status {
        self.actions.last().map_or(Status::New, |(_, fact)| fact.to)
    }

    fn agency(&self) -> Option<AgencyId> {
        self.actions.last().map_or(self.agency, |(_, fact)| fact.agency)
    }

    /// How long its time has run by `until`, of which it took its first `n` actions: since the opening, or since it
    /// was last reopened, but not while it was paused. A pause ends when it is resumed, and with the step that it
    /// stopped: the status changes, or a verified one goes to another agency.
    fn ran_ms(&self, n: usize, until: TimeMs) -> i64 {
        let (mut ran_ms, mut from, mut runs, mut agency) = (0, self.opened_at, true, self.agency);
        for (at, fact) in &self.actions[..n] {
            if runs {
                ran_ms += at.since(from);
            }
            from = *at;
            let is_handed_on = fact.from == Status::Verified && fact.agency != agency;
            agency = fact.agency;
            match fact.action {
                Action::Reopen => (ran_ms, runs) = (0, true),
                Action::Pause => runs = false,
                Action::Resume => runs = true,
                _ => runs |= fact.from != fact.to || is_handed_on,
            }
        }
        if runs { ran_ms + until.since(from) } else { ran_ms }
    }

    fn area(&self, projection: Projection, city: &City) -> Option<AreaId> {
        if projection == Projection::Staff || !city.category(self.category).sensitive {
            return self.area;
        }
        city.areas.locate(self.place.coarsened(city.coarse_res))
    }

    fn month(&self, city: &City) -> (i16, i8) {
        let day = city.day_of(self.opened_at);
        (day.year(), day.month())
    }

    fn seconds(&self, step: Step) -> Option<i64> {
        let first = |is: &dyn Fn(&ActionFact) -> bool| self.actions.iter().find(|(_, fact)| is(fact));
        let taken = match step {
            Step::Verify => first(&|fact| fact.from == Status::New && fact.to == Status::Verified),
            Step::Assign => first(&|fact| fact.action == Action::Assign),
            Step::Start => first(&|fact| fact.action == Action::Start),
            Step::Resolve => self.resolution().map(|i| &self.actions[i]),
        };
        taken.map(|(at, _)| at.since(self.opened_at) / 1_000)
    }

    /// Which action resolved it, where it is resolved.
    fn resolution(&self) -> Option<usize> {
        let last = self.actions.iter().rposition(|(_, fact)| fact.action == Action::Resolve);
        last.filter(|_| self.status() == Status::Resolved)
    }

    fn on_time(&self) -> Option<bool> {
        let i = self.resolution()?;
        Some(self.ran_ms(i, self.actions[i].0) <= self.deadline_ms?)
    }

    fn is_overdue(&self, now: TimeMs) -> bool {
        let ran_ms = self.ran_ms(self.actions.len(), now);
        self.status().is_open() && self.deadline_ms.is_some_and(|deadline_ms| ran_ms >= deadline_ms)
    }
}

fn told(history: &History) -> Vec<Told> {
    let city = &history.city;
    let mut all: BTreeMap<IncidentNo, Told> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.fact {
            Fact::Report(fact) => {
                if let Some(opening) = &fact.opens {
                    let told = Told {
                        category: fact.category,
                        place: fact.place,
                        area: fact.area,
                        drill: fact.drill,
                        opened_at: opening.opened_at,
                        deadline_ms: city.category(fact.category).deadline_ms,
                        agency: opening.agency,
                        absorbed: false,
                        actions: Vec::new(),
                    };
                    all.insert(fact.incident, told);
                }
            }
            Fact::Action(fact) => {
                let told = all.get_mut(&fact.incident).expect("opened before");
                told.actions.push((entry.at, (**fact).clone()));
            }
            Fact::Merge(fact) => all.get_mut(&fact.absorbed).expect("opened before").absorbed = true,
            Fact::Split(fact) => all.get_mut(&fact.absorbed).expect("opened before").absorbed = false,
            _ => {}
        }
    }
    all.into_values().filter(|told| !told.absorbed).collect()
}

fn district(area: Option<AreaId>, city: &City) -> Option<AreaId> {
    let mut area = area?;
    while city.areas.get(area).level == AreaLevel::Village {
        area = city.areas.get(area).parent.expect("a village lies in a district");
    }
    Some(area)
}

/// What a question counts, one by one.
fn counted<'t>(told: &'t [Told], question: &Question, city: &City) -> Vec<&'t Told> {
    let public = question.projection == Projection::Public;
    let seen = |one: &&Told| {
        !public || matches!(one.status(), Status::Verified | Status::InProgress | Status::Resolved)
    };
    let cell = |one: &Told| {
        let area = district(one.area(question.projection, city), city);
        (one.category, one.agency(), area, one.month(city), one.drill)
    };
    let asked = |one: &&Told| {
        let filter = &question.filter;
        let area = one.area(question.projection, city);
        let hidden = public && city.category(one.category).sensitive;
        let (area, from, to) = if hidden {
            let (year, month) = one.month(city);
            let first = jiff::civil::date(year, month, 1);
            let next = first.checked_add(jiff::Span::new().months(1)).unwrap();
            (district(area, city), city.start_of(first), city.start_of(next).plus_ms(-1))
        } else {
            (area, one.opened_at, one.opened_at)
        };
        let many = told.iter().filter(seen).filter(|other| cell(other) == cell(one)).count();
        filter.categories.is_none_or(|set| set.has(one.category.0))
            && filter.agencies.is_none_or(|set| one.agency().is_some_and(|agency| set.has(agency.0)))
            && filter.areas.as_ref().is_none_or(|set| area.is_some_and(|area| set.contains(area)))
            && filter.since.is_none_or(|since| from >= since)
            && filter.until.is_none_or(|until| to < until)
            && filter.drill.unwrap_or(false) == one.drill
            && (!hidden || many >= SMALL_MAX as usize)
            && !(hidden && question.by == By::Area(AreaLevel::Village))
    };
    told.iter().filter(seen).filter(asked).collect()
}

/// Key of a group as the API has it.
fn key_of(one: &Told, question: &Question, city: &City) -> Option<String> {
    match question.by {
        By::Agency => one.agency().map(|id| city.agency(id).key.clone()),
        By::Category => Some(city.category(one.category).key.clone()),
        By::Month => {
            let (year, month) = one.month(city);
            Some(format!("{year}-{month:02}"))
        }
        By::Area(level) => {
            let area = one.area(question.projection, city);
            let area = if level == AreaLevel::District { district(area, city) } else { area };
            area.map(|id| city.areas.get(id).code.clone())
        }
    }
}

fn check_group(group: &Group, told: &[&Told], now: TimeMs) {
    let count = |is: &dyn Fn(&Told) -> bool| told.iter().filter(|one| is(one)).count() as u32;
    assert_eq!(group.incidents, told.len() as u32);
    assert_eq!(group.open, count(&|one| one.status().is_open()));
    assert_eq!(group.resolved, count(&|one| one.status() == Status::Resolved));
    assert_eq!(group.on_time, count(&|one| one.on_time() == Some(true)));
    assert_eq!(group.late, count(&|one| one.on_time() == Some(false) || one.is_overdue(now)));
    assert_eq!(group.with_deadline, count(&|one| one.deadline_ms.is_some()));
    for step in Step::ALL {
        let mut seconds: Vec<i64> = told.iter().filter_map(|one| one.seconds(step)).collect();
        seconds.sort_unstable();
        let figures = group.steps[step as usize];
        assert_eq!(figures.n, seconds.len() as u32, "{step:?}");
        for (p, answered) in [(0.5, figures.median_s), (0.9, figures.p90_s)] {
            let expected = (!seconds.is_empty()).then(|| {
                let at = p * (seconds.len() - 1) as f64;
                let (low, high) = (seconds[at.floor() as usize] as f64, seconds[at.ceil() as usize] as f64);
                low + (at - at.floor()) * (high - low)
            });
            // The product may lose a little where the true value is whole.
            let close = |a: u32, e: f64| f64::from(a) <= e + 1e-6 && f64::from(a) > e - 1.0 - 1e-6;
            assert!(
                answered.zip(expected).is_some_and(|(a, e)| close(a, e))
                    || (answered.is_none() && expected.is_none()),
                "{step:?} {p}: {answered:?}, recounted {expected:?}"
            );
        }
    }
}

fn check_statistics(figures: &Figures, told: &[Told], question: &Question, now: TimeMs, city: &City) {
    let counted = counted(told, question, city);
    check_group(&figures.total, &counted, now);
    let mut groups: BTreeMap<Option<String>, Vec<&Told>> = BTreeMap::new();
    for one in counted {
        groups.entry(key_of(one, question, city)).or_default().push(one);
    }
    assert_eq!(figures.groups.len(), groups.len());
    for group in &figures.groups {
        let key = group.key.expect("a group has a key").key(city);
        check_group(group, &groups[&key], now);
    }
}

fn questions(now: TimeMs, city: &City) -> Vec<Question> {
    let area = |code| city.areas.with_descendants(&[city.areas.by_code(code).unwrap()]);
    let filters = [
        Filter::default(),
        Filter { since: Some(START.plus_ms(3_600_000)), until: Some(now), ..Filter::default() },
        Filter { until: Some(TimeMs(now.0 / 2 + START.0 / 2)), ..Filter::default() },
        Filter {
            categories: Some(IdSet::of_categories([CategoryId(4), CategoryId(0)])),
            ..Filter::default()
        },
        Filter { agencies: Some(IdSet::of_agencies([AgencyId(0), AgencyId(5)])), ..Filter::default() },
        Filter { areas: Some(area("82.71.04")), ..Filter::default() },
        Filter { drill: Some(true), ..Filter::default() },
    ];
    let ways =
        [By::Agency, By::Category, By::Month, By::Area(AreaLevel::District), By::Area(AreaLevel::Village)];
    let mut questions = Vec::new();
    for projection in [Projection::Staff, Projection::Public] {
        for by in ways {
            questions.extend(filters.iter().map(|filter| Question {
                by,
                projection,
                filter: filter.clone(),
            }));
        }
    }
    questions
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn statistics_are_what_a_recount_comes_to(
        events in prop::collection::vec(any_step(&ternate()), 1..160),
    ) {
        let city = ternate();
        let mut history = History::new(city.clone());
        let statistics = Statistics::new(history.journal.reader(), city.clone());
        // Asked in the middle, too: what is kept must not be answered once something changed.
        let (first, rest) = events.split_at(events.len() / 2);
        for part in [first, rest] {
            part.iter().for_each(|event: &Event| history.step(event));
            let (told, map) = (told(&history), history.map());
            // Half of them were read before anybody asked.
            while events.len().is_multiple_of(2) && statistics.read_ahead(map.seq()).unwrap() {}
            for question in questions(history.now, &city) {
                let (seq, figures) = statistics.answer(&question, map.seq(), map.now()).unwrap();
                prop_assert_eq!(seq, map.seq());
                check_statistics(&figures, &told, &question, map.now(), &city);
            }
        }
    }
}

/// Has no deadline of the whole.
const GARBAGE: u8 = 0;
/// Two days from opening to resolved.
const WATER: u8 = 2;

/// A history of one incident.
fn reported(category: u8) -> History {
    let city = ternate();
    let mut history = History::new(city.clone());
    history.step(&Event::Report {
        category,
        place: city.centre,
        age_min: 0,
        sender: 1,
        join: None,
        drill: false,
        text: false,
    });
    history
}

/// Hours pass, something is done to the one incident, and so on.
fn go(history: &mut History, steps: &[(u16, Option<Action>)]) {
    for (hours, action) in steps {
        history.step(&Event::Pass { minutes: hours * 60 });
        let act = |action| Event::Act { incident: 0, action, agency: 1 };
        history.step(&action.map_or(Event::Tick, act));
    }
}

/// How many were in time, late, and had a deadline at all.
fn judged(history: &History) -> (u32, u32, u32) {
    let statistics = Statistics::new(history.journal.reader(), history.city.clone());
    let question = Question { by: By::Agency, projection: Projection::Staff, filter: Filter::default() };
    let answer = statistics.answer(&question, history.map().seq(), history.map().now());
    let total = &answer.unwrap().1.total;
    (total.on_time, total.late, total.with_deadline)
}

#[test]
fn only_the_deadline_of_the_whole_is_kept_or_missed() {
    use Action::{Assign, Resolve, Start, Verify};
    // Each of its steps takes weeks longer than it may.
    let late = [(500, Some(Verify)), (500, Some(Start)), (500, None)];
    let check = |category: u8, steps: &[(u16, Option<Action>)], expected| {
        let mut history = reported(category);
        go(&mut history, steps);
        assert_eq!(judged(&history), expected, "{category} {steps:?}");
    };
    check(GARBAGE, &late, (0, 0, 0));
    check(GARBAGE, &[&late[..], &[(500, Some(Resolve))]].concat(), (0, 0, 0));
    check(WATER, &late, (0, 1, 1));
    // Every step is late, or begun anew, and the whole in time; and the other way round.
    check(WATER, &[(30, Some(Verify)), (17, Some(Resolve))], (1, 0, 1));
    check(WATER, &[(1, Some(Verify)), (40, Some(Assign)), (6, Some(Start)), (2, Some(Resolve))], (0, 1, 1));
}

#[test]
fn a_pause_stops_the_time_of_the_whole_and_undoes_no_lateness() {
    use Action::{Note, Pause, Reopen, Resolve, Resume, Verify};
    let paused = |hours: u16, then: &[(u16, Option<Action>)], expected| {
        let mut history = reported(WATER);
        go(&mut history, &[(hours, Some(Pause)), (240, None)]);
        go(&mut history, then);
        assert_eq!(judged(&history), expected, "paused after {hours} hours, then {then:?}");
    };
    paused(47, &[], (0, 0, 1));
    paused(47, &[(10, Some(Note)), (10, None)], (0, 0, 1));
    paused(47, &[(0, Some(Resume)), (0, None)], (0, 0, 1));
    paused(47, &[(0, Some(Resume)), (1, None)], (0, 1, 1));
    // The next step ends the pause.
    paused(47, &[(0, Some(Verify)), (1, Some(Resolve))], (1, 0, 1));
    paused(47, &[(0, Some(Verify)), (2, Some(Resolve))], (0, 1, 1));
    paused(40, &[(0, Some(Verify)), (1, Some(Pause)), (99, Some(Resolve))], (1, 0, 1));
    // What was late stays so.
    paused(49, &[], (0, 1, 1));
    paused(49, &[(0, Some(Verify)), (0, Some(Pause)), (99, Some(Resolve))], (0, 1, 1));
    // A reopening begins anew.
    let reopened = [(0, Some(Verify)), (0, Some(Resolve)), (0, Some(Reopen))];
    paused(49, &[&reopened[..], &[(47, None)]].concat(), (0, 0, 1));
    paused(49, &[&reopened[..], &[(48, None)]].concat(), (0, 1, 1));
}

#[test]
fn what_is_asked_again_is_not_counted_again() {
    let mut history = reported(WATER);
    let statistics = Statistics::new(history.journal.reader(), history.city.clone());
    let question = Question { by: By::Agency, projection: Projection::Staff, filter: Filter::default() };
    let ask = |history: &History| {
        statistics.answer(&question, history.map().seq(), history.map().now()).unwrap().1
    };
    let first = ask(&history);
    history.step(&Event::Tick);
    assert!(Arc::ptr_eq(&first, &ask(&history)), "a tick changes no figure");
    // Its deadline passes, and nothing else happens.
    history.step(&Event::Pass { minutes: 40_000 });
    history.step(&Event::Tick);
    let later = ask(&history);
    assert_eq!((first.total.late, later.total.late), (0, 1));
}

/// All that is answered of a map, with its seq.
fn answers(map: &LiveMap, search: &TextSearch) -> String {
    let words = |words: &[&str]| Words::new(words.iter().map(|word| (*word).to_owned()).collect());
    let filters = [
        Filter::everything(),
        Filter::default(),
        Filter { overdue: Some(true), ..Filter::default() },
        Filter { since: Some(START.plus_ms(3_600_000)), ..Filter::everything() },
        Filter { words: words(&["masjid"]), ..Filter::everything() },
    ];
    let mut text = format!("{} {}\n", map.seq(), map.now());
    for projection in [Projection::Staff, Projection::Public] {
        for mut filter in filters.clone() {
            search.look_up(&mut filter, projection, map).expect("a journal of our own is read");
            let everywhere = Where::default();
            let found =
                map.incidents(projection, &filter, &everywhere, Sort::NewestFirst, None, usize::MAX - 1);
            let list = found.incidents.iter().map(|incident| Feature::incident(map, incident, projection));
            let list = serde_json::to_string(&list.collect::<Vec<_>>()).expect("JSON");
            let stats = StatsBody::of(&map.stats(projection, &filter), map.city());
            let stats = serde_json::to_string(&stats).expect("JSON");
            let cells = features(map, projection, &filter, &CellRange::of(&Bbox::WORLD, 14));
            let cells = serde_json::to_string(&cells).expect("JSON");
            text += &format!("{projection:?} {filter:?}\n{list}\n{cells}\n{stats}\n");
        }
    }
    text
}

/// The map of a seq by applying all that the journal holds now, from the first entry.
fn replayed(history: &History, seq: Seq) -> LiveWriter {
    let mut writer = history.at_the_start();
    let entries = history.journal.reader().entries(Seq(0), usize::MAX).expect("the journal is sound");
    writer.apply(&entries[..seq.0 as usize]);
    writer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_moment_is_answered_as_it_was_answered_then(
        events in prop::collection::vec(any_step(&ternate()), 2..70),
        asked in prop::collection::vec(0..1_000_usize, 12),
        forward_max in 1..24_u64,
    ) {
        let mut history = History::new(ternate());
        let run_up = forward_max / 2;
        let ways = Ways { forward_max, run_up, maps_max: 5 };
        let mut maps = Maps::reached(history.journal.reader(), ways);
        let mut then: BTreeMap<TimeMs, String> = BTreeMap::new();
        let mut has_erased = false;
        for event in &events {
            history.step(event);
            has_erased |= matches!(event, Event::Erase { .. });
            if history.map().seq() > Seq(0) {
                then.insert(history.map().now(), answers(history.map(), &history.search()));
            }
            // What is kept from before an erasure must not be answered after it.
            if let (Event::Erase { .. }, Some(at)) = (event, then.keys().next()) {
                let _ = maps.at(history.map(), *at).unwrap();
            }
        }
        let moments: Vec<TimeMs> = then.keys().copied().collect();
        prop_assume!(!moments.is_empty());
        for i in asked {
            let at = moments[i % moments.len()];
            // Until the next entry nothing else is known.
            let next = moments.iter().find(|later| **later > at);
            let at_last = next.map_or(at, |next| next.plus_ms(-1));
            for asked_at in [at, at_last] {
                let (told, seq) = match maps.at(history.map(), asked_at).unwrap() {
                    Some(past) => (answers(&past.map, &past.search), past.map.seq()),
                    None => (answers(history.map(), &history.search()), history.map().seq()),
                };
                let writer = replayed(&history, seq);
                let search = TextSearch::new(history.journal.reader());
                prop_assert_eq!(&told, &answers(writer.map(), &search));
                prop_assert!(writer.map().now() <= asked_at);
                if !has_erased {
                    prop_assert_eq!(&told, &then[&at]);
                }
            }
            if i % 3 == 0 {
                maps = Maps::reached(history.journal.reader(), ways);
            }
        }
        let before = maps.at(history.map(), moments[0].plus_ms(-1)).unwrap();
        prop_assert!(before.is_some_and(|past| past.map.seq() == Seq(0) && past.map.incident_count() == 0));
    }
}
