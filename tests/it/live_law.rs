//! Laws of the live map: replay = rows, sums = members, a parent = its children.

use std::collections::BTreeMap;
use std::sync::Arc;

use pantau::city::City;
use pantau::cli::chance::Chance;
use pantau::live::{
    COUNTED_MAX, CellRange, Filter, Incident, LiveMap, Sort, StatusSet, Where, Within, Words,
};
use pantau::model::{Bbox, CategoryId, Cell, Disposition, LEVEL_MAX, LngLat, Projection, Status, TimeMs};
use proptest::prelude::*;

use crate::support::history::{History, Step, any_step};
use crate::support::seen::difference;
use crate::support::{blank, ternate};

fn same(a: &LiveMap, b: &LiveMap) {
    let difference = difference(a, b);
    assert!(difference.is_none(), "\n{}", difference.unwrap_or_default());
}

fn check_cells(map: &LiveMap, filter: &Filter, projection: Projection) {
    let all = map.incidents(projection, filter, &Where::default(), Sort::NewestFirst, None, usize::MAX - 1);
    assert_eq!(all.matched, Some(all.incidents.len() as u64));
    assert_eq!(map.count(projection, filter, &Where::default()), all.incidents.len() as u64);
    let by_page = map.incidents(projection, filter, &Where::default(), Sort::OldestFirst, None, 3).matched;
    assert_eq!(by_page, all.matched);
    for level in (3..=LEVEL_MAX).rev() {
        // The naive answer: put every incident into its cell.
        let mut expected: BTreeMap<Cell, (u32, u32, i64, i64)> = BTreeMap::new();
        for incident in &all.incidents {
            let place = incident.spot(projection, map.city()).place;
            let sum = expected.entry(Cell::at(place, level)).or_default();
            *sum = (
                sum.0 + 1,
                sum.1 + incident.reports,
                sum.2 + i64::from(place.lng_e7()),
                sum.3 + i64::from(place.lat_e7()),
            );
        }
        let cells = map.cells(projection, filter, &CellRange::of(&Bbox::WORLD, level));
        let found: BTreeMap<Cell, (u32, u32, i64, i64)> = cells
            .iter()
            .map(|(cell, sum)| {
                (*cell, (sum.total.count, sum.total.reports, sum.total.lng_e7, sum.total.lat_e7))
            })
            .collect();
        assert_eq!(found, expected, "level {level}");
        for (cell, sum) in cells.iter() {
            let of_categories: u32 = sum.by_category.iter().map(|(_, n)| n).sum();
            assert_eq!(of_categories, sum.total.count);
            assert_eq!(map.cell(projection, filter, *cell), *sum, "one cell alone");
            // The first level at which the naive answer has two cells in this one.
            let inside: Vec<Cell> = all
                .incidents
                .iter()
                .map(|incident| Cell::at(incident.spot(projection, map.city()).place, LEVEL_MAX))
                .filter(|deepest| deepest.ancestor(level) == *cell)
                .collect();
            let splits = (level + 1..=LEVEL_MAX)
                .find(|l| inside.iter().any(|deepest| deepest.ancestor(*l) != inside[0].ancestor(*l)));
            assert_eq!(map.expand_zoom(projection, filter, *cell), splits.map(|l| l - 3));
        }
    }
}

/// A drawn polygon, as a box in degrees.
fn drawn(west: f64, south: f64, east: f64, north: f64) -> Option<Arc<Within>> {
    let rect = geo_types::Rect::new((west, south), (east, north));
    Within::new(rect.to_polygon().into()).map(Arc::new)
}

fn filters(map: &LiveMap) -> Vec<Filter> {
    let city = map.city();
    let mut opened: Vec<TimeMs> = Vec::new();
    map.each_incident(Projection::Staff, &Filter::everything(), |incident| opened.push(incident.opened_at));
    opened.sort_unstable();
    let part = |part: usize| opened.get(opened.len() * part / 4).copied();
    let areas = |n: usize| {
        let ids: Vec<_> = city.areas.iter().map(|(id, _)| id).step_by(n).collect();
        Some(city.areas.with_descendants(&ids))
    };
    let some = |statuses: &[Status]| StatusSet::of(statuses.iter().copied());
    vec![
        Filter::default(),
        Filter::everything(),
        Filter { statuses: some(&[Status::Resolved, Status::Rejected]), ..Filter::default() },
        Filter { overdue: Some(true), ..Filter::default() },
        Filter { escalation: Some(1), ..Filter::default() },
        Filter { drill: Some(false), ..Filter::everything() },
        Filter { returned: Some(true), ..Filter::default() },
        Filter { returned: Some(false), areas: areas(3), ..Filter::everything() },
        Filter {
            categories: Some(pantau::live::IdSet::of_categories([CategoryId(0), CategoryId(5)])),
            ..Filter::default()
        },
        Filter { areas: areas(7), ..Filter::everything() },
        Filter { areas: areas(40), drill: Some(false), ..Filter::default() },
        Filter { within: drawn(127.30, 0.78, 127.38, 0.85), ..Filter::everything() },
        Filter { within: drawn(-180.0, -90.0, 0.0, 90.0), overdue: Some(false), ..Filter::default() },
        Filter { since: part(1), ..Filter::default() },
        Filter { until: part(3), ..Filter::everything() },
        Filter { since: part(2), until: part(3), areas: areas(2), ..Filter::everything() },
        Filter { words: Words::new(vec!["masjid".to_owned()]), ..Filter::everything() },
        Filter { words: Words::new(vec!["banjir".to_owned(), "di".to_owned()]), ..Filter::default() },
    ]
}

/// Compares the figures with every incident looked at.
fn check_stats(map: &LiveMap, filter: &Filter, projection: Projection) {
    let of_any_status = filter.of_any_status();
    let list = |filter: &Filter| {
        map.incidents(projection, filter, &Where::default(), Sort::OldestFirst, None, usize::MAX - 1)
            .incidents
    };
    let (matched, all) = (list(filter), list(&of_any_status));
    let stats = map.stats(projection, filter);
    let began = map.city().day_start(map.now());
    let opened = all.iter().filter(|i| i.opened_at >= began).count();
    let resolved = all.iter().filter(|i| i.resolved_at().is_some_and(|at| at >= began)).count();
    assert_eq!(stats.matched.total.count as usize, matched.len());
    assert_eq!(
        (stats.opened_today as usize, stats.resolved_today as usize),
        (opened, resolved),
        "{filter:?}"
    );
    assert_eq!(stats.by_disposition.is_some(), projection == Projection::Staff);
    for (disposition, count) in Disposition::ALL.into_iter().zip(stats.by_disposition.into_iter().flatten())
    {
        let is = |i: &&Incident| i.disposition == Some(disposition);
        assert_eq!(all.iter().filter(is).count(), count as usize, "{filter:?}");
    }
    for (status, count) in Status::ALL.iter().zip(stats.by_status) {
        assert_eq!(all.iter().filter(|i| i.status == *status).count(), count as usize, "{filter:?}");
    }
}

fn check_all(history: &History) {
    for projection in [Projection::Staff, Projection::Public] {
        for mut filter in filters(history.map()) {
            history.search().look_up(&mut filter, projection, history.map()).unwrap();
            check_cells(history.map(), &filter, projection);
            check_stats(history.map(), &filter, projection);
        }
    }
}

/// Walks through all pages of what is in a box, and compares them with a plain sort.
fn check_pages(
    map: &LiveMap,
    filter: &Filter,
    projection: Projection,
    bbox: Bbox,
    sort: Sort,
    limit: usize,
) {
    let mut expected = Vec::new();
    map.each_incident(projection, filter, |incident| {
        if bbox.contains(incident.spot(projection, map.city()).place) {
            expected.push(sort.rank(incident));
        }
    });
    expected.sort_unstable();

    let place = Where { bbox: Some(bbox), ..Where::default() };
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = map.incidents(projection, filter, &place, sort, after, limit);
        let is_counted = page.matched.is_some() || expected.len() as u64 <= COUNTED_MAX;
        assert!(!is_counted || page.matched == Some(expected.len() as u64));
        assert!(page.incidents.len() <= limit);
        pages.extend(page.incidents.iter().map(|incident| sort.rank(incident)));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, expected, "{filter:?} in {bbox:?} by {sort:?}, {limit} a page");
}

/// Compares the clusters of one screen with every incident put into its cell.
fn check_screen(map: &LiveMap, filter: &Filter, projection: Projection, bbox: Bbox, zoom: u8) {
    let range = CellRange::of(&bbox, map.level_in_force(projection, filter, &bbox, zoom));
    let all = map.incidents(projection, filter, &Where::default(), Sort::NewestFirst, None, usize::MAX - 1);
    let mut expected: BTreeMap<Cell, (u32, u32)> = BTreeMap::new();
    for incident in &all.incidents {
        let cell = Cell::at(incident.spot(projection, map.city()).place, range.level());
        if range.contains(cell) {
            let sum = expected.entry(cell).or_default();
            *sum = (sum.0 + 1, sum.1 + incident.reports);
        }
    }
    let cells = map.cells(projection, filter, &range);
    let found = cells.iter().map(|(cell, sum)| (*cell, (sum.total.count, sum.total.reports))).collect();
    assert_eq!(expected, found, "{filter:?} in {bbox:?} at zoom {zoom}");
}

fn run(city: Arc<City>, steps: &[Step]) -> History {
    let mut history = History::new(city);
    for step in steps {
        history.step(step);
    }
    history
}

/// Reports at `n` places over the island and the sea about it.
fn spread(city: &Arc<City>, n: usize) -> History {
    let mut chance = Chance::new(41);
    let mut history = History::new(city.clone());
    while history.map().incident_count() < n {
        let at = (chance.between(127.29, 127.40), chance.between(0.74, 0.87));
        let place = LngLat::new(at.0, at.1).unwrap();
        if city.areas.locate(place).is_none() && chance.below(20) > 0 {
            continue;
        }
        let sender = chance.below(6) as u8;
        let category = chance.below(7) as u8;
        history.step(&Step::Report {
            category,
            place,
            age_min: 0,
            sender,
            join: None,
            drill: false,
            text: false,
        });
    }
    history
}

#[test]
fn pages_are_right_where_more_match_than_are_counted() {
    let history = spread(&ternate(), COUNTED_MAX as usize + 500);
    let map = history.map();
    let times =
        Filter { since: Some(TimeMs(0)), until: Some(map.now().plus_ms(1)), ..Filter::everything() };
    let until = Filter { since: None, ..times.clone() };
    for filter in [times, until, Filter::everything()] {
        for sort in Sort::ALL {
            check_pages(map, &filter, Projection::Staff, Bbox::WORLD, sort, 900);
        }
        let found =
            map.incidents(Projection::Staff, &filter, &Where::default(), Sort::NewestFirst, None, 1);
        assert_eq!(found.matched.is_some(), filter == Filter::everything(), "{filter:?}");
    }
}

/// Whole branches of the tree lie in one area, or in a drawn polygon, others on its border or in no area.
#[test]
fn sums_by_area_and_polygon_are_those_of_the_members_where_whole_cells_lie_inside_and_where_not() {
    let city = ternate();
    let history = spread(&city, 6_000);
    let codes = |codes: &[&str]| {
        let ids: Vec<_> = codes.iter().map(|code| city.areas.by_code(code).unwrap()).collect();
        Some(city.areas.with_descendants(&ids))
    };
    let is_district = |parent| city.areas.get(parent).parent.is_none();
    let districts = city.areas.iter().filter(|(_, area)| area.parent.is_some_and(is_district));
    let district = districts.map(|(_, area)| area.code.clone()).next().unwrap();
    let mut all = filters(history.map());
    all.push(Filter { areas: codes(&[&district]), ..Filter::everything() });
    all.push(Filter {
        areas: codes(&[&district]),
        within: drawn(127.33, 0.77, 127.39, 0.81),
        ..Filter::default()
    });
    for filter in all.iter().filter(|filter| filter.areas.is_some() || filter.within.is_some()) {
        check_stats(history.map(), filter, Projection::Staff);
        for bbox in [Bbox::WORLD, Bbox::new(127.31, 0.76, 127.37, 0.83).unwrap()] {
            for sort in Sort::ALL {
                check_pages(history.map(), filter, Projection::Staff, bbox, sort, 900);
            }
            (5..=17).for_each(|zoom| check_screen(history.map(), filter, Projection::Staff, bbox, zoom));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_cluster_is_the_sum_of_its_members_at_every_level_and_for_every_filter(
        steps in prop::collection::vec(any_step(&blank()), 1..200),
        steps_there in prop::collection::vec(any_step(&ternate()), 1..200),
    ) {
        check_all(&run(blank(), &steps));
        check_all(&run(ternate(), &steps_there));
    }

    #[test]
    fn the_pages_of_a_box_in_every_order_are_those_of_a_plain_sort_while_the_map_changes(
        steps in prop::collection::vec(any_step(&ternate()), 400..900),
        corners in prop::collection::vec((127.28..127.42_f64, 0.72..0.92_f64), 2),
        limit in 1..60_usize,
    ) {
        let ((a, b), (c, d)) = (corners[0], corners[1]);
        let drawn = Bbox::new(a.min(c), b.min(d), a.max(c), b.max(d)).unwrap();
        let mut history = History::new(ternate());
        // Where a moment is held the next change copies what it touches, else it changes that in its place.
        let mut held = None;
        for (n, some) in steps.chunks(150).enumerate() {
            some.iter().for_each(|step| history.step(step));
            for projection in [Projection::Staff, Projection::Public] {
                for mut filter in filters(history.map()) {
                    history.search().look_up(&mut filter, projection, history.map()).unwrap();
                    for (bbox, sort) in [drawn, Bbox::WORLD].into_iter().flat_map(|bbox| Sort::ALL.map(|sort| (bbox, sort))) {
                        for map in held.iter().chain([history.map()]) {
                            check_pages(map, &filter, projection, bbox, sort, limit);
                        }
                    }
                }
            }
            held = (n % 2 == 0).then(|| history.map().clone());
        }
    }

    #[test]
    fn a_screen_shows_what_is_there_at_its_moment_however_often_it_was_asked_before(
        steps in prop::collection::vec(any_step(&ternate()), 300..600),
        screens in prop::collection::vec((127.30..127.42_f64, 0.74..0.90_f64, 6..=20_u8), 2..5),
    ) {
        let mut history = History::new(ternate());
        let mut held = history.map().clone();
        for some in steps.chunks(20) {
            some.iter().for_each(|step| history.step(step));
            for map in [&held, history.map(), &held] {
                for (lng, lat, zoom) in &screens {
                    let reach = 900.0 / f64::from(1_u32 << zoom);
                    let bbox = Bbox::new(lng - reach, (lat - reach).max(-85.0), lng + reach, (lat + reach).min(85.0));
                    for filter in [Filter::default(), Filter::everything()] {
                        for projection in [Projection::Staff, Projection::Public] {
                            check_screen(map, &filter, projection, bbox.clone().unwrap(), *zoom);
                        }
                    }
                }
            }
            held = history.map().clone();
        }
    }

    #[test]
    fn opening_from_rows_or_from_a_snapshot_gives_the_same_map_as_replaying_every_entry(
        steps in prop::collection::vec(any_step(&ternate()), 1..150),
        more in prop::collection::vec(any_step(&ternate()), 1..60),
        share in 0..=4_u8,
    ) {
        let (before, after) = steps.split_at(steps.len() * usize::from(share) / 4);
        let mut history = run(ternate(), before);
        let snapshot = history.snapshot();
        after.iter().for_each(|step| history.step(step));
        same(history.replayed().map(), history.map());
        history.restart();
        same(history.map(), history.replayed().map());
        if let Some(snapshot) = &snapshot {
            history.restart_from(snapshot);
            same(history.map(), history.replayed().map());
        }
        // And it goes on as if it had never stopped.
        for step in &more {
            history.step(step);
        }
        same(history.map(), history.replayed().map());
    }
}
