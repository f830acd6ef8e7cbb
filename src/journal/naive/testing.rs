//! What happens to the naive model and to the stores: random commands, and what is asked of acts.

use proptest::prelude::*;

use super::Naive;
use crate::journal::testing::{
    NOW, SECRET, act, import_row, kept_photo, key, new_report, photo, sensitive_report, sent_photos,
};
use crate::journal::{ActsQuestion, ERASE, MERGE, Reader};
use crate::model::{
    Action, AgencyId, Command, Entry, HOUR_MS, IdKey, IncidentNo, Kinds, NewErasure, NewMerge, NewRecord,
    Photo, PhotoKind, PhotoName, PhotoNo, RecordKind, ReportNo, Seq, Status,
};

/// Names for photos: no two are the same file.
#[derive(Default)]
pub(super) struct NewPhotos(u32);

impl NewPhotos {
    /// Gives the photos of commands names of their own; the files.
    pub fn name(&mut self, commands: &mut [Command]) -> Vec<(PhotoName, Vec<u8>)> {
        let mut files = Vec::new();
        let mut name = |photos: &mut [Photo]| {
            for photo in photos {
                self.0 += 1;
                let (named, [large, small]) = kept_photo(self.0);
                *photo = named;
                files.extend([(named.name, large), (named.thumb, small)]);
            }
        };
        for command in commands {
            match command {
                Command::Report(new) => name(&mut new.private.photos),
                Command::Action(new) => {
                    new.more.photos.iter_mut().for_each(|added| name(&mut added.photos));
                }
                _ => {}
            }
        }
        files
    }
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Batch { commands: Vec<Command>, tick: bool, after_ms: i64 },
    Reopen,
}

fn any_report() -> impl Strategy<Value = Command> {
    let keyed = prop::option::weighted(0.3, (0..3_u8, 0..2_u8));
    let imported = prop::option::weighted(0.3, (0..2_u8, 0..5_u8, prop::sample::select(&Status::ALL[..])));
    let joined = prop::option::weighted(0.4, 1..8_u32);
    let mark = prop::option::of(0..3_u8);
    let ago_h = prop::option::of(0..60_i64);
    let text = prop::option::of("[a-z\"\\\\ \u{e9}\u{1F30B}\n]{0,12}");
    let flags = any::<(bool, bool, bool)>();
    (keyed, imported, joined, mark, ago_h, text, flags, 0..3_usize).prop_map(
        |(keyed, imported, joined, mark, ago_h, text, (sensitive, drill, deadline), n_photos)| {
            let mut new = if sensitive { sensitive_report() } else { new_report() };
            new.idempotency = keyed.and_then(|(name, body)| key(&format!("key-{name}"), body));
            new.import = imported
                .and_then(|(source, row, status)| import_row(&format!("{source}.csv"), row, status));
            new.incident = joined.map(IncidentNo);
            new.sender = mark.map(|mark| IdKey::new(SECRET, "TST").sender(&mark.to_string()));
            new.occurred_at = ago_h.map(|hours| NOW.plus_ms(-hours * HOUR_MS));
            new.private.phone = mark.map(|mark| format!("0812 3456 {mark}"));
            new.private.description = text;
            new.private.photos = vec![photo(0); n_photos];
            new.drill = drill && sensitive;
            new.due_after_ms = deadline.then_some(HOUR_MS);
            Command::Report(Box::new(new))
        },
    )
}

fn any_action() -> impl Strategy<Value = Command> {
    let action = prop::sample::select(&Action::ALL[..]);
    let version = prop::option::weighted(0.3, 1..4_u32);
    let lacks = prop::bool::weighted(0.1);
    let which = (1..12_u64, 0..2_u8).prop_map(|(seq, n)| PhotoNo { seq: Seq(seq), n });
    let flags = any::<(bool, bool, bool)>();
    let sent = prop::option::of((0..2_u8, 0..2_u8));
    (1..8_u32, action, version, prop::option::of(0..2_u8), flags, lacks, (which, sent)).prop_map(
        |(no, action, version, agency, (deadline, by_ani, after), lacks, (which, sent))| {
            let Command::Action(mut new) = act(no, action) else { panic!("not an action") };
            if let Some(added) = &mut new.more.photos {
                (added.kind, added.public) =
                    (if after { PhotoKind::After } else { PhotoKind::Before }, by_ani);
                added.sent = sent.and_then(|(key, content)| sent_photos(key, content));
            }
            new.more.photo = new.more.photo.map(|_| which);
            new.version = version;
            new.agency = agency.map(AgencyId);
            if lacks {
                (new.note, new.more) = Default::default();
            }
            if by_ani {
                new.actor = "ani".to_owned();
            }
            new.due_after_ms = new.due_after_ms.filter(|_| deadline);
            Command::Action(new)
        },
    )
}

fn any_merge() -> impl Strategy<Value = Command> {
    let version = prop::option::weighted(0.2, 1..4_u32);
    (1..8_u32, 1..8_u32, version, any::<(bool, bool)>()).prop_map(
        |(absorbed, into, version, (split, note))| {
            let new = Box::new(NewMerge {
                absorbed: IncidentNo(absorbed),
                into: IncidentNo(into),
                version,
                note: note.then(|| "sama".to_owned()),
                actor: "ani".to_owned(),
            });
            if split { Command::Split(new) } else { Command::Merge(new) }
        },
    )
}

fn any_erasure() -> impl Strategy<Value = Command> {
    let reports = prop::collection::vec(1..12_u32, 0..4);
    let notes = prop::collection::vec(1..20_u64, 0..2);
    (reports, notes, any::<[bool; 4]>()).prop_map(|(reports, notes, [contact, text, place, photos])| {
        Command::Erasure(Box::new(NewErasure {
            reason: "retention".to_owned(),
            kinds: Kinds { contact, text, place, photos },
            reports: reports.into_iter().map(ReportNo).collect(),
            notes: notes.into_iter().map(Seq).collect(),
        }))
    })
}

fn any_record() -> impl Strategy<Value = Command> {
    let about = prop::option::weighted(0.7, 1..8_u32);
    (about, prop::sample::select(&RecordKind::ALL[..]), 0..2_u8).prop_map(|(incident, kind, actor)| {
        Command::Record(Box::new(NewRecord {
            kind,
            incident: incident.map(IncidentNo),
            actor: format!("actor-{actor}"),
            text: "dipanggil balik".to_owned(),
        }))
    })
}

/// What people did, newest first, whole and in part.
pub(super) fn check_acts(naive: &Naive, reader: &dyn Reader) {
    let all = ActsQuestion::below(Seq(u64::MAX));
    let middle = Seq(naive.entries.len() as u64 / 2);
    let questions = [
        all.clone(),
        ActsQuestion::below(middle),
        ActsQuestion { actor: Some("actor-1".to_owned()), ..all.clone() },
        ActsQuestion { incident: Some(IncidentNo(2)), ..all.clone() },
        ActsQuestion { kinds: vec!["verify".to_owned(), "handover".to_owned()], ..all.clone() },
        ActsQuestion { kinds: vec![ERASE.to_owned()], ..all.clone() },
        ActsQuestion { kinds: vec![MERGE.to_owned()], incident: Some(IncidentNo(1)), ..all.clone() },
        ActsQuestion { kinds: vec!["look-up".to_owned()], incident: Some(IncidentNo(1)), ..all },
    ];
    for asked in questions {
        let expected = naive.entries.iter().rev().filter(|entry| asked.holds(entry)).cloned();
        let expected: Vec<Entry> = expected.collect();
        assert_eq!(reader.acts(&asked, 1_000).unwrap(), expected, "{asked:?}");
        let first: Vec<Entry> = expected.iter().take(2).cloned().collect();
        assert_eq!(reader.acts(&asked, 2).unwrap(), first, "{asked:?}");
    }
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let pack = any::<[u8; 32]>().prop_map(|hash| Command::Pack { key: "testville".to_owned(), hash });
    let command = prop_oneof![5 => any_report(), 5 => any_action(), 4 => any_merge(), 2 => any_erasure(), 2 => any_record(), 1 => pack];
    let after_ms = prop_oneof![Just(0), -HOUR_MS..HOUR_MS, Just(30 * HOUR_MS), Just(80 * HOUR_MS)];
    let batch = (prop::collection::vec(command, 0..10), any::<bool>(), after_ms)
        .prop_map(|(commands, tick, after_ms)| Step::Batch { commands, tick, after_ms });
    prop_oneof![6 => batch, 1 => Just(Step::Reopen)]
}
