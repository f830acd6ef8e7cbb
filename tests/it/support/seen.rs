//! Everything that a reader could see of a live map, in a form that can be compared.

use pantau::live::{CellRange, Filter, LiveMap, Sort, Where};
use pantau::model::{Bbox, Projection};

pub fn everything(map: &LiveMap) -> String {
    let mut seen = format!("seq {} now {}\n", map.seq(), map.now());
    for (no, clock) in map.clocks() {
        seen += &format!("{no:?} {clock:?} {:?}\n", clock.state_at(map.now()));
    }
    for projection in [Projection::Staff, Projection::Public] {
        let all = Filter { drill: None, ..Filter::everything() };
        let found =
            map.incidents(projection, &all, &Where::default(), Sort::NewestFirst, None, usize::MAX - 1);
        for incident in found.incidents {
            seen += &format!("{incident:?}\n");
        }
        for level in [3, 12, 20] {
            let range = CellRange::of(&Bbox::WORLD, level);
            seen += &format!("{:?}\n", map.cells(projection, &all, &range));
        }
        seen += &format!("{:?}\n", map.stats(projection, &Filter::default()));
        for hotspot in map.hotspots(projection).live() {
            seen += &format!("{hotspot:?}\n");
        }
    }
    seen
}

/// The first line in which two maps differ, from both; `None` where they are the same.
pub fn difference(a: &LiveMap, b: &LiveMap) -> Option<String> {
    let (a, b) = (everything(a), everything(b));
    let (mut a, mut b) = (a.lines(), b.lines());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (a, b) if a == b => {}
            (a, b) => return Some(format!("{}\n{}", a.unwrap_or_default(), b.unwrap_or_default())),
        }
    }
}
