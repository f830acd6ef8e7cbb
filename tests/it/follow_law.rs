//! Laws of following: a live map that is handed the entries is, at equal seq, the live map of the node
//! that committed them; the state hash tells two maps apart where a reader could.

use std::sync::Arc;

use pantau::clock::ManualClock;
use pantau::engine::{Engine, FollowError, Follower, StateMark};
use pantau::live::LiveMap;
use pantau::model::{Command, Fact, Outcome, Seq};
use proptest::prelude::*;

use crate::support::app::wait_for;
use crate::support::history::{History, Step, any_step};
use crate::support::seen::difference;
use crate::support::{blank, ternate};

fn follower(history: &History) -> Follower {
    Follower::new(history.at_the_start())
}

/// Steps that follow one another, then what they did to a journal.
fn run(steps: &[Step], after_each: &mut dyn FnMut(&History)) -> History {
    let mut history = History::new(ternate());
    for step in steps {
        history.step(step);
        after_each(&history);
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_follower_has_the_state_hash_of_the_node_it_follows_at_every_seq(
        steps in prop::collection::vec(any_step(&ternate()), 1..120),
        sizes in prop::collection::vec(1..9_usize, 1..20),
    ) {
        let mut hashes = vec![];
        let history = run(&steps, &mut |history| {
            hashes.push((history.map().seq(), history.map().state_hash()));
        });
        let hash_at = |seq: Seq| hashes.iter().find(|(at, _)| *at == seq).map(|(_, hash)| *hash);
        let mut follower = follower(&history);
        let mut moments = vec![];
        let mut rest = &history.entries[..];
        for size in sizes.iter().cycle() {
            let (now, later) = rest.split_at((*size).min(rest.len()));
            follower.apply(now).unwrap();
            prop_assert_eq!(follower.moments().live().seq(), follower.seq());
            moments.push(follower.moments().live());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let mut n_compared = 0;
        for moment in &moments {
            if let Some(hash) = hash_at(moment.seq()) {
                prop_assert_eq!(moment.state_hash(), hash, "at {}", moment.seq());
                n_compared += 1;
            }
        }
        prop_assert!(n_compared > 0 || history.entries.is_empty());
        prop_assert_eq!(difference(follower.map(), history.map()), None);
    }

    #[test]
    fn a_node_that_was_started_anew_has_the_same_state_hash(
        steps in prop::collection::vec(any_step(&ternate()), 1..150),
    ) {
        let mut history = run(&steps, &mut |_| {});
        let before = history.map().state_hash();
        history.restart();
        prop_assert_eq!(history.map().state_hash(), before);
    }

    #[test]
    fn the_state_hash_tells_maps_apart_exactly_where_a_reader_could(
        steps in prop::collection::vec(any_step(&ternate()), 1..60),
        other in prop::collection::vec(any_step(&ternate()), 1..60),
        cut in 0..60_usize,
    ) {
        let cut = cut.min(steps.len());
        let (one, two) = (run(&steps, &mut |_| {}), run(&[&steps[..cut], &other].concat(), &mut |_| {}));
        let same = difference(one.map(), two.map()).is_none();
        prop_assert_eq!(one.map().state_hash() == two.map().state_hash(), same);
    }

    #[test]
    fn holes_and_what_came_before_are_refused_and_change_nothing(
        steps in prop::collection::vec(any_step(&ternate()), 10..60),
        at in 0..1_000_usize,
        to in 0..1_000_usize,
    ) {
        let history = run(&steps, &mut |_| {});
        prop_assume!(history.entries.len() > 3);
        let mut follower = follower(&history);
        let at = at % (history.entries.len() - 1);
        follower.apply(&history.entries[..at]).unwrap();
        let before = follower.map().state_hash();
        let to = to % history.entries.len();
        prop_assume!(to != at);
        let got = history.entries[to].seq;
        let expected = follower.seq().next();
        let error = if to > at { FollowError::Hole { expected, got } } else { FollowError::Back { expected, got } };
        prop_assert_eq!(follower.apply(&history.entries[to..=to]), Err(error));
        prop_assert_eq!(follower.map().state_hash(), before);
        // What is good before the fault is kept.
        let mut torn = history.entries[at..=at].to_vec();
        torn.push(history.entries[at].clone());
        let again = FollowError::Back { expected: expected.next(), got: expected };
        prop_assert_eq!(follower.apply(&torn), Err(again));
        prop_assert_eq!(follower.moments().live().seq(), expected);
        follower.apply(&history.entries[at + 1..]).unwrap();
        prop_assert_eq!(follower.map().state_hash(), history.map().state_hash());
    }
}

#[test]
fn time_that_falls_is_of_another_history() {
    let mut history = History::new(blank());
    history.submit(Command::Tick);
    let mut follower = follower(&history);
    follower.apply(&history.entries).unwrap();
    let mut entry = history.entries[0].clone();
    (entry.seq, entry.at) = (entry.seq.next(), entry.at.plus_ms(-1));
    assert!(matches!(follower.apply(&[entry]), Err(FollowError::TimeFell { .. })));
}

/// A few reports and ticks, minutes apart.
fn busy_hour() -> History {
    let mut history = History::new(ternate());
    for i in 0..60_u8 {
        history.step(&Step::Report {
            category: i % 7,
            place: history.city.centre,
            age_min: 0,
            sender: i % 6,
            join: (i % 5 == 4).then_some(u16::from(i)),
            drill: false,
            text: i % 3 == 0,
        });
        history.step(&Step::Pass { minutes: 1 });
        history.step(&Step::Tick);
    }
    history
}

async fn marks_up_to(moments: &pantau::engine::Moments, seq: Seq) -> Vec<StateMark> {
    wait_for("the newest mark", async || {
        let marks = moments.marks().all();
        (marks.last().map(|mark| mark.seq) == Some(seq)).then_some(marks)
    })
    .await
}

#[tokio::test]
async fn nodes_mark_the_same_ticks_with_the_same_hashes() {
    let history = busy_hour();
    let newest = history.map().seq();
    let (mut slow, mut fast) = (follower(&history), follower(&history));
    for entry in &history.entries {
        slow.apply(std::slice::from_ref(entry)).unwrap();
        if entry.fact == Fact::Tick {
            // Each is hashed before the next comes.
            marks_up_to(&slow.moments(), entry.seq).await;
        }
    }
    fast.apply(&history.entries).unwrap();
    let slow = marks_up_to(&slow.moments(), newest).await;
    let fast = marks_up_to(&fast.moments(), newest).await;
    assert_eq!(slow.len(), 60);
    assert!(fast.iter().all(|mark| slow.contains(mark)), "{fast:?}\n{slow:?}");
    assert_eq!(slow.last().unwrap().hash, history.map().state_hash());
}

#[tokio::test]
async fn a_follower_becomes_the_writer_and_its_readers_stay() {
    let history = busy_hour();
    let mut follower = follower(&history);
    follower.apply(&history.entries).unwrap();
    let moments = follower.moments();
    let History { city, journal, now, mut entries, .. } = history;
    let reader = pantau::journal::Journal::reader(&journal);
    let clock = Arc::new(ManualClock::at(now));
    let (engine, thread) = Engine::take_over(Box::new(journal), follower, &city, clock).unwrap();
    let outcomes = engine.submit(vec![Command::Tick]).await.unwrap();
    let Some(Outcome::Accepted { entries: new, .. }) = outcomes.into_iter().next() else {
        panic!("a tick is taken")
    };
    let seq = new[0].seq;
    assert!(moments.live().seq() >= seq, "the same readers see the new writer's moments");
    drop(engine);
    thread.join().unwrap();
    let head = entries.last().unwrap().seq;
    entries.extend(reader.entries(head, 100).unwrap());
    let mut replayed = Follower::new(History::new(city.clone()).at_the_start());
    replayed.apply(&entries).unwrap();
    let live: Arc<LiveMap> = moments.live();
    assert_eq!(difference(&live, replayed.map()), None);
    // What its ticks derived is in the tables: a start needs no replay.
    assert_eq!(reader.derived().unwrap().as_of_seq, live.seq());
}

#[test]
fn a_standby_that_is_behind_may_not_write() {
    let history = busy_hour();
    let mut follower = follower(&history);
    follower.apply(&history.entries[..10]).unwrap();
    let clock = Arc::new(ManualClock::at(history.now));
    let refused = Engine::take_over(Box::new(history.journal), follower, &history.city, clock);
    assert!(refused.is_err_and(|e| e.to_string().contains("the standby is at entry 10")));
}
