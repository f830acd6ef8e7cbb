//! Photos that were sent under a key, so that what a phone sends again for want of an answer adds nothing.
//!
//! The key stands in the entry that brought them, as a keyed digest, and counts for its incident and for good: a phone
//! may lie in a drawer for a week. The digest of what was sent stands in the entry's private part and is erased with it;
//! from then on whoever sends it again is refused and does not bring it back.

use super::JournalError;
use super::decide::{Decision, Store};
use crate::model::{Entry, Fact, IncidentNo, NewAction, Receipt, Refusal, SentPhotos, Seq};

/// What came under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PhotosSent {
    /// Of the entry that brought it.
    pub seq: Seq,
    /// Digest of all that was sent; `None` where it is erased.
    pub content: Option<[u8; 32]>,
}

impl PhotosSent {
    /// What an entry of these brought to the incident under the key.
    pub fn among(entries: &[Entry], no: IncidentNo, key: [u8; 16]) -> Option<PhotosSent> {
        entries.iter().find_map(|entry| {
            let (incident, sent) = sent_of(&entry.fact)?;
            let is_it = incident == no && sent.key == key;
            is_it.then_some(PhotosSent { seq: entry.seq, content: sent.content })
        })
    }
}

/// The key of the photos that an entry brought, and the incident.
pub(super) fn sent_of(fact: &Fact) -> Option<(IncidentNo, SentPhotos)> {
    let Fact::Action(action) = fact else { return None };
    Some((action.incident, action.more.photos.as_ref()?.sent?))
}

/// The earlier answer, where photos were sent under the same key before. Asked before all else: the incident may have
/// changed, also by them.
pub(super) fn repeat_of(store: &mut impl Store, new: &NewAction) -> Result<Option<Decision>, JournalError> {
    let Some(sent) = new.more.photos.as_ref().and_then(|added| added.sent) else { return Ok(None) };
    let before = store.photos_sent(new.incident, sent.key)?;
    Ok(before.map(|before| {
        if before.content.is_some() && before.content == sent.content {
            Decision::Repeat(Receipt::Action { seq: before.seq, incident: new.incident })
        } else {
            Decision::Refuse(Refusal::KeyReused)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::suite::{Kind, Store, over, over_all_stores};
    use crate::journal::testing::{NOW, act, kept_photo, merge, report, sent_photos};
    use crate::model::{Action, Command, HOUR_MS, NewErasure, Outcome};

    over_all_stores! {
        photos_sent_again_add_nothing_and_others_under_their_key_are_refused
        a_key_of_photos_counts_for_its_incident_and_whatever_became_of_that
        whoever_sends_erased_photos_again_does_not_bring_them_back
    }

    /// One photo, of which no two are the same file, however often it is sent.
    fn photo(incident: u32, key: u8, content: u8, file: u32) -> Command {
        let Command::Action(mut new) = act(incident, Action::Photo) else { panic!("not an action") };
        let added = new.more.photos.as_mut().expect("it adds photos");
        (added.photos, added.sent) = (vec![kept_photo(file).0], sent_photos(key, content));
        Command::Action(new)
    }

    fn repeats(outcome: &Outcome, first: &Outcome) -> bool {
        let Outcome::Accepted { receipt, .. } = first else { panic!("{first:?}") };
        *outcome == Outcome::Repeat { receipt: *receipt }
    }

    fn photos_sent_again_add_nothing_and_others_under_their_key_are_refused(mut store: Store) {
        store.one(report(|_| {}), NOW);
        let batch = vec![photo(1, 1, 7, 1), photo(1, 1, 7, 2), photo(1, 1, 8, 3), photo(1, 2, 7, 4)];
        let outcomes = store.append(batch, NOW);
        assert!(repeats(&outcomes[1], &outcomes[0]));
        assert_eq!(outcomes[2], Outcome::Refused(Refusal::KeyReused));
        assert!(matches!(outcomes[3], Outcome::Accepted { .. }));
        store.reopen();
        assert!(repeats(&store.one(photo(1, 1, 7, 5), NOW.plus_ms(1_000 * HOUR_MS)), &outcomes[0]));
        assert_eq!(store.one(photo(1, 1, 8, 6), NOW), Outcome::Refused(Refusal::KeyReused));
        let photos = store.reader().photos_of(IncidentNo(1)).unwrap();
        let names: Vec<_> = photos.iter().map(|row| row.photo).collect();
        assert_eq!(names, [kept_photo(1).0, kept_photo(4).0]);
    }

    fn a_key_of_photos_counts_for_its_incident_and_whatever_became_of_that(mut store: Store) {
        store.append(vec![report(|_| {}), report(|_| {})], NOW);
        let at_version_1 = |file| {
            let Command::Action(mut new) = photo(1, 1, 7, file) else { panic!("not an action") };
            new.version = Some(1);
            Command::Action(new)
        };
        let first = store.one(at_version_1(1), NOW);
        assert!(repeats(&store.one(at_version_1(2), NOW), &first), "it has version 2 by now");
        assert!(
            matches!(store.one(photo(2, 1, 7, 3), NOW), Outcome::Accepted { .. }),
            "of another incident"
        );
        store.one(merge(1, 2), NOW);
        assert!(repeats(&store.one(at_version_1(4), NOW), &first));
        assert!(matches!(store.one(photo(1, 3, 7, 5), NOW), Outcome::Refused(Refusal::Merged { .. })));
    }

    fn whoever_sends_erased_photos_again_does_not_bring_them_back(mut store: Store) {
        store.one(report(|_| {}), NOW);
        let erase = |notes: &[u64]| {
            Command::Erasure(Box::new(NewErasure {
                reason: "surat 12".to_owned(),
                kinds: crate::model::Kinds::ALL,
                reports: Vec::new(),
                notes: notes.iter().map(|seq| Seq(*seq)).collect(),
            }))
        };
        // In the batch that erases it, and after.
        let batch = vec![photo(1, 1, 7, 1), photo(1, 2, 7, 2), erase(&[2]), photo(1, 1, 7, 3)];
        let outcomes = store.append(batch, NOW);
        assert_eq!(outcomes[3], Outcome::Refused(Refusal::KeyReused));
        store.one(erase(&[3]), NOW);
        store.reopen();
        for (key, file) in [(1, 4), (2, 5)] {
            assert_eq!(store.one(photo(1, key, 7, file), NOW), Outcome::Refused(Refusal::KeyReused));
        }
        assert_eq!(store.reader().photos_of(IncidentNo(1)).unwrap(), []);
    }
}
