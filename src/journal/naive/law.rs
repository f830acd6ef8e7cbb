//! Every store decides, reads and proves as the naive model does.

use proptest::prelude::*;

use super::testing::{NewPhotos, Step, any_step};
use super::{Naive, check_reading};
use crate::journal::suite::{Kind, Store};
use crate::journal::testing::{NOW, act, photo, report};
use crate::journal::{verify, verify_database};
use crate::model::{Action, Command, Outcome, PhotoNo, Seq};

/// Lets every store take the steps, and compares what it decides, reads and proves with the naive model.
fn compare(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut naive = Naive::default();
    let mut stores: Vec<Store> =
        [Kind::Memory, Kind::Sqlite, Kind::Postgis].into_iter().filter_map(Store::new).collect();
    let mut now = NOW;
    let mut photos = NewPhotos::default();
    for step in steps {
        match step {
            Step::Reopen => stores.iter_mut().for_each(Store::reopen),
            Step::Batch { mut commands, tick, after_ms } => {
                now = now.plus_ms(after_ms);
                commands.extend(tick.then_some(Command::Tick));
                let files = photos.name(&mut commands);
                for store in &mut stores {
                    let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
                    store
                        .reader()
                        .photo_files()
                        .expect("a folder for photos")
                        .put(&files)
                        .expect("room for a photo");
                }
                let expected: Vec<Outcome> =
                    commands.iter().map(|command| naive.submit(command.clone(), now)).collect();
                for store in &mut stores {
                    prop_assert_eq!(&store.append(commands.clone(), now), &expected);
                }
            }
        }
    }
    for mut store in stores {
        let head = store.journal().head();
        prop_assert_eq!(head.seq, Seq(naive.entries.len() as u64));
        check_reading(&naive, &*store.reader(), now);
        store.reopen();
        prop_assert_eq!(store.journal().head(), head);
        check_reading(&naive, &*store.reader(), now);
        let found = match &store.url {
            Some(url) => {
                let url = url.parse().expect("the address of a test's database");
                Some(verify_database(&url, &mut |_, _| {}).expect("a database that can be read"))
            }
            None if store.dir.path().join("pantau.db").exists() => {
                Some(verify(store.dir.path(), &mut |_, _| {}).expect("a folder that can be read"))
            }
            None => None,
        };
        if let Some(found) = found {
            prop_assert_eq!(found.faults, vec![]);
            prop_assert_eq!(found.incidents, naive.incidents().len() as u64);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_store_decides_and_reads_as_the_naive_model_does(steps in prop::collection::vec(any_step(), 1..10)) {
        compare(steps)?;
    }
}

#[test]
fn what_is_said_of_a_photo_before_it_is_there_says_nothing() {
    let release = |seq| {
        let Command::Action(mut new) = act(1, Action::Release) else { unreachable!("an action") };
        new.more.photo = Some(PhotoNo { seq: Seq(seq), n: 0 });
        Command::Action(new)
    };
    let with_photo = || report(|new| new.private.photos = vec![photo(0)]);
    let batch = |commands| Step::Batch { commands, tick: false, after_ms: 0 };
    compare(vec![batch(vec![report(|_| {}), release(3), with_photo()])]).expect("all decide alike");
    compare(vec![batch(vec![report(|_| {}), release(3)]), batch(vec![with_photo()])])
        .expect("all decide alike");
}
