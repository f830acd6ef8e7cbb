//! Brings a target up to date with a journal: new pieces for new entries, old ones anew where they are
//! damaged, or hold what was erased since.

use std::collections::HashMap;
use std::path::Path;

use super::events::{self, EVENTS_MAX};
use super::manifest::{self, AccountsRef, EventsRef, FileRef, Manifest, PieceRef};
use super::photo_list::PhotoLine;
use super::target::{LockedTarget, Target};
use super::{BackupError, Sealer, accounts, piece};
use crate::journal::{AccountStore, ChainHead, EventRow, Identity, LogReader};
use crate::model::{Seq, hex};

/// A piece holds at most this many entries: they are in memory while it is written, some tens of MB.
const ENTRIES_MAX: u64 = 50_000;
/// This many pieces of one size at the end become one: a target that is kept up to date entry by entry
/// stays a few dozen files.
const MERGED_AT: usize = 16;

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Updated {
    /// The newest entry that the target holds now.
    pub head: u64,
    pub new_entries: u64,
    pub new_pieces: u64,
    /// Pieces that were damaged and are whole again.
    pub healed: Vec<String>,
    /// Pieces that were written anew because they held what was erased since.
    pub forgot: u64,
    /// Of the pieces and the accounts that lie there, and what of it was written now.
    pub bytes: u64,
    pub bytes_written: u64,
    pub pieces: u64,
    /// Files of photos that were written now.
    pub photos_written: u64,
    /// Files of photos that entries name, and that the journal does not have: names, in hex.
    pub photos_missing: Vec<String>,
    pub first: bool,
}

/// Brings `target` up to date with the journal in `data`, after reading everything that lies there
/// against its checksums.
///
/// # Errors
/// Nothing that lay there is lost by one.
pub fn backup(
    data: &Path,
    target: &Path,
    sealer: &Sealer,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Updated, BackupError> {
    let mut log = LogReader::open(data)?;
    let target = Target::open(target)?.lock()?;
    let mut run = Run::open(&mut log, &target, sealer)?;
    let broken = run.broken_pieces()?;
    run.update(&broken, progress)?;
    run.check_photos()?;
    run.update_accounts(data)?;
    run.update_events(data, true)?;
    Ok(run.done)
}

/// One journal and one target of it.
pub(super) struct Run<'r> {
    pub(super) log: &'r mut LogReader,
    pub(super) target: &'r LockedTarget,
    pub(super) sealer: &'r Sealer,
    pub(super) manifest: Manifest,
    /// Encrypted photos that were written and stand in no list yet.
    pub(super) unlisted: Vec<PhotoLine>,
    /// The newest entry when a piece of this run was read from the journal.
    read_at: HashMap<u64, Seq>,
    /// As it lies in the target; `None` where nothing does.
    committed: Option<Manifest>,
    pub done: Updated,
}

impl<'r> Run<'r> {
    /// # Errors
    /// Where the target belongs to another center or history, is ahead, or is sealed otherwise.
    pub fn open(
        log: &'r mut LogReader,
        target: &'r LockedTarget,
        sealer: &'r Sealer,
    ) -> Result<Run<'r>, BackupError> {
        let identity = log.identity()?;
        let mut done = Updated::default();
        let committed = target.manifest()?;
        let manifest = match &committed {
            Some(manifest) => {
                check_fit(manifest, &identity, log, sealer)?;
                done.head = manifest.seq;
                manifest.clone()
            }
            None => {
                target.check_empty()?;
                done.first = true;
                Manifest::new(&identity, sealer.names(), write_identity(target, sealer, &identity)?)
            }
        };
        let read_at = HashMap::new();
        let unlisted = Vec::new();
        Ok(Run { log, target, sealer, manifest, unlisted, read_at, committed, done })
    }

    /// The pieces that are not as the manifest says; the identity is written anew at once.
    fn broken_pieces(&mut self) -> Result<Vec<u64>, BackupError> {
        let mut broken = Vec::new();
        for n in self.piece_numbers() {
            if self.is_broken(n)? {
                broken.push(n);
            }
        }
        self.heal_identity()?;
        Ok(broken)
    }

    pub fn piece_numbers(&self) -> Vec<u64> {
        self.manifest.pieces.iter().map(|piece| piece.n).collect()
    }

    /// Whether a piece is not as the manifest says, read to its end; one that is no longer named is well.
    pub fn is_broken(&mut self, n: u64) -> Result<bool, BackupError> {
        let Some(piece) = self.manifest.pieces.iter().find(|piece| piece.n == n) else { return Ok(false) };
        let broken = is_broken(self.target.check(&piece.file))?;
        if broken {
            self.done.healed.push(piece.file.file.clone());
        }
        Ok(broken)
    }

    /// Writes the identity anew where it is damaged.
    pub fn heal_identity(&mut self) -> Result<(), BackupError> {
        let identity = &self.manifest.identity;
        if !self.done.first && is_broken(self.target.check(identity))? {
            self.done.healed.push(identity.file.clone());
            let written = write_identity(self.target, self.sealer, &self.log.identity()?)?;
            self.manifest.identity = written;
            // The manifest may say the same as before: what it names is another file all the same.
            self.committed = None;
            self.commit()?;
        }
        Ok(())
    }

    /// The manifest as it is now goes into the target, where it says something else than the one there.
    pub(super) fn commit(&mut self) -> Result<(), BackupError> {
        if self.committed.as_ref() != Some(&self.manifest) {
            self.target.commit(&self.manifest)?;
            self.committed = Some(self.manifest.clone());
            self.done.head = self.manifest.seq;
        }
        Ok(())
    }

    /// Writes what is new, and anew what is `broken`.
    pub fn update(
        &mut self,
        broken: &[u64],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), BackupError> {
        let before = self.committed.clone();
        let head = self.log.moment()?.head()?;
        self.manifest.epoch = self.log.identity()?.epoch.to_string();
        self.renew(broken)?;
        while self.manifest.seq < head.seq.0 || self.lacks_derived()? {
            let from = self.manifest.seq + 1;
            progress(self.manifest.seq, head.seq.0);
            self.append(from)?;
            // What is there counts, should the run be cut short.
            self.commit()?;
        }
        self.forget_erased()?;
        self.merge()?;
        self.commit()?;
        if self.committed != before {
            self.target.clean(&self.manifest)?;
        }
        if before.is_none() {
            self.clean_photos()?;
        }
        self.done.pieces = self.manifest.pieces.len() as u64;
        self.count_bytes();
        Ok(())
    }

    fn count_bytes(&mut self) {
        let pieces = self.manifest.pieces.iter().map(|piece| &piece.file);
        let accounts = self.manifest.accounts.iter().map(|accounts| &accounts.file);
        let events = self.manifest.events.iter().map(|events| &events.file);
        self.done.bytes = pieces.chain(accounts).chain(events).map(|file| file.bytes).sum();
    }

    /// Writes who may sign in, where it is not what lies there, or that is damaged.
    pub fn update_accounts(&mut self, data: &Path) -> Result<(), BackupError> {
        let Some(json) = accounts::read(data)? else { return Ok(()) };
        let plain_sha256 = accounts::digest(&json, &self.manifest.center);
        if let Some(there) = &self.manifest.accounts {
            if is_broken(self.target.check(&there.file))? {
                self.done.healed.push(there.file.file.clone());
            } else if there.plain_sha256 == plain_sha256 {
                return Ok(());
            }
        }
        let n = self.manifest.next_n;
        self.manifest.next_n += 1;
        let name = format!("accounts-{n:06}.json{}", if self.sealer.is_open() { "" } else { ".age" });
        let file = self.target.write(&name, self.sealer, |out| out.write_all(json.as_bytes()))?;
        self.done.bytes_written += file.bytes;
        self.manifest.accounts = Some(AccountsRef { plain_sha256, file });
        self.count_bytes();
        self.commit()?;
        self.target.clean(&self.manifest)
    }

    /// Writes what happened to accounts since; anew, what the store has forgotten some of, and, where they are to
    /// be looked at, files that are damaged.
    pub fn update_events(&mut self, data: &Path, looks: bool) -> Result<(), BackupError> {
        if !AccountStore::is_in_folder(data) {
            return Ok(());
        }
        let store = AccountStore::in_folder(data)?;
        let before = self.manifest.events.clone();
        let goes_on = |last| events::goes_on(&store, last, &self.manifest.center);
        if !before.last().map_or(Ok(true), goes_on)? {
            self.manifest.events.clear();
        }
        self.renew_events(&store, looks)?;
        self.append_events(&store)?;
        if self.manifest.events == before {
            return Ok(());
        }
        self.count_bytes();
        self.commit()?;
        self.target.clean(&self.manifest)
    }

    fn renew_events(&mut self, store: &AccountStore, looks: bool) -> Result<(), BackupError> {
        let (oldest, _) = store.event_ids()?.unwrap_or_default();
        let newest_at = self.manifest.events.last().map_or(0, |last| last.last_at);
        for there in std::mem::take(&mut self.manifest.events) {
            let broken = looks && is_broken(self.target.check(&there.file))?;
            if broken {
                self.done.healed.push(there.file.file.clone());
            }
            if broken || events::is_outdated(&there, oldest, newest_at) {
                let left = store.events_from(there.from, there.to, EVENTS_MAX)?;
                let written = self.write_events(&left)?;
                self.manifest.events.extend(written);
            } else {
                self.manifest.events.push(there);
            }
        }
        Ok(())
    }

    fn append_events(&mut self, store: &AccountStore) -> Result<(), BackupError> {
        loop {
            let from = self.manifest.events.last().map_or(i64::MIN, |last| last.to + 1);
            let new = store.events_from(from, i64::MAX, EVENTS_MAX)?;
            let Some(written) = self.write_events(&new)? else { return Ok(()) };
            self.manifest.events.push(written);
            self.merge_events(store)?;
        }
    }

    /// Makes one file of many small ones at the end.
    fn merge_events(&mut self, store: &AccountStore) -> Result<(), BackupError> {
        let sizes = |run: &Run| run.manifest.events.iter().map(|there| there.events).collect::<Vec<_>>();
        while let Some(first) = merged_from(&sizes(self), EVENTS_MAX as u64) {
            let run = self.manifest.events.split_off(first);
            let merged = store.events_from(run[0].from, run[run.len() - 1].to, EVENTS_MAX)?;
            let written = self.write_events(&merged)?;
            self.manifest.events.extend(written);
        }
        Ok(())
    }

    /// A file with these; `None` where there are none.
    fn write_events(&mut self, of: &[EventRow]) -> Result<Option<EventsRef>, BackupError> {
        if of.is_empty() {
            return Ok(None);
        }
        let n = self.manifest.next_n;
        self.manifest.next_n += 1;
        let name = format!("events-{n:06}.jsonl.gz{}", if self.sealer.is_open() { "" } else { ".age" });
        let file = self.target.write(&name, self.sealer, |out| events::write(out, of))?;
        self.done.bytes_written += file.bytes;
        Ok(events::reference(of, &self.manifest.center, file))
    }

    /// Whether hotspots were said anew since, by a tick that is in the target already.
    fn lacks_derived(&mut self) -> Result<bool, BackupError> {
        Ok(self.log.moment()?.derived_as_of()?.0 > self.manifest.derived_to() && self.manifest.seq > 0)
    }

    /// One more piece, from `from` on: as many entries as one may hold, or none where hotspots alone are
    /// new.
    fn append(&mut self, from: u64) -> Result<(), BackupError> {
        let derived_from = self.manifest.derived_to();
        let moment = self.log.moment()?;
        let head = moment.head()?;
        let to = head.seq.0.min(from - 1 + ENTRIES_MAX);
        let derived_to = moment.derived_as_of()?.0.min(to).max(derived_from);
        let at_end = ChainHead { seq: Seq(to), ..head };
        drop(moment);
        self.write_photos(Seq(from - 1), Seq(to))?;
        let piece = self.write_piece(from, to, derived_from, derived_to)?;
        self.done.new_entries += to + 1 - from;
        self.done.new_pieces += 1;
        self.manifest.pieces.push(piece);
        self.set_head(at_end)
    }

    fn set_head(&mut self, mut head: ChainHead) -> Result<(), BackupError> {
        let moment = self.log.moment()?;
        let last = moment.entries(Seq(head.seq.0.saturating_sub(1)), head.seq)?;
        if let Some(last) = last.first() {
            (head.at, head.hash) = (last.at, last.hash);
        }
        drop(moment);
        self.manifest.set_head(&head);
        Ok(())
    }

    /// A file with what the journal holds of these entries and ticks now.
    fn write_piece(
        &mut self,
        from: u64,
        to: u64,
        derived_from: u64,
        derived_to: u64,
    ) -> Result<PieceRef, BackupError> {
        let moment = self.log.moment()?;
        let read_at = moment.head()?.seq;
        let entries = moment.entries(Seq(from - 1), Seq(to))?;
        let derived = moment.derived(Seq(derived_from), Seq(derived_to))?;
        drop(moment);
        let n = self.manifest.next_n;
        self.manifest.next_n += 1;
        self.read_at.insert(n, read_at);
        let name = format!("piece-{n:06}.jsonl.gz{}", if self.sealer.is_open() { "" } else { ".age" });
        let file = self.target.write(&name, self.sealer, |out| piece::write(out, &entries, &derived))?;
        self.done.bytes_written += file.bytes;
        Ok(PieceRef { n, from, to, derived_from, derived_to, file })
    }

    /// Writes the broken pieces anew.
    fn renew(&mut self, broken: &[u64]) -> Result<(), BackupError> {
        for index in 0..self.manifest.pieces.len() {
            let PieceRef { n, from, to, derived_from, derived_to, .. } = self.manifest.pieces[index];
            if broken.contains(&n) {
                self.manifest.pieces[index] = self.write_piece(from, to, derived_from, derived_to)?;
            }
        }
        Ok(())
    }

    /// Writes anew what holds something that was erased since it was written, and takes what held it away. The
    /// erasures themselves get into the target with it: what is left answers to the digests that they hold. Only
    /// then the manifest says so: a run that is cut before it is made good by the next.
    fn forget_erased(&mut self) -> Result<(), BackupError> {
        loop {
            let parts = self.log.moment()?.erased(Seq(self.manifest.erased_to))?;
            let Some(newest) = parts.iter().map(|(_, erasure)| *erasure).max() else { return Ok(()) };
            let holds = |piece: &PieceRef| {
                let read_at = self.read_at.get(&piece.n).copied().unwrap_or(Seq(0));
                let first = parts.partition_point(|(part, _)| part.0 < piece.from);
                let mut within = parts[first..].iter().take_while(|(part, _)| part.0 <= piece.to);
                within.any(|(_, erasure)| *erasure > read_at)
            };
            let held: Vec<u64> =
                self.manifest.pieces.iter().filter(|piece| holds(piece)).map(|piece| piece.n).collect();
            self.done.forgot += held.len() as u64;
            self.renew(&held)?;
            while self.manifest.seq < newest.0 {
                self.append(self.manifest.seq + 1)?;
            }
            self.commit()?;
            self.target.clean(&self.manifest)?;
            self.clean_photos()?;
            self.manifest.erased_to = newest.0;
            self.commit()?;
            // Lists that named the photos.
            self.target.clean(&self.manifest)?;
        }
    }

    /// Makes one piece of many small ones at the end.
    fn merge(&mut self) -> Result<(), BackupError> {
        let entries = |piece: &PieceRef| piece.to + 1 - piece.from;
        let sizes = |run: &Run| run.manifest.pieces.iter().map(entries).collect::<Vec<_>>();
        while let Some(first) = merged_from(&sizes(self), ENTRIES_MAX) {
            let run = &self.manifest.pieces[first..];
            let (from, to) = (run[0].from, run[run.len() - 1].to);
            let (derived_from, derived_to) = (run[0].derived_from, run[run.len() - 1].derived_to);
            let merged = self.write_piece(from, to, derived_from, derived_to)?;
            self.manifest.pieces.truncate(first);
            self.manifest.pieces.push(merged);
        }
        Ok(())
    }
}

/// Where the files at the end begin, given how much each holds, that are to become one: as many as [`MERGED_AT`],
/// none of them larger than all after it together, and together not too much.
pub(super) fn merged_from(sizes: &[u64], size_max: u64) -> Option<usize> {
    let level =
        |size: &u64| (0..).find(|level| *size <= (MERGED_AT as u64).pow(*level)).unwrap_or(u32::MAX);
    let last = level(sizes.last()?);
    let same = sizes.iter().rev().take_while(|size| level(size) <= last).count();
    let first = sizes.len() - same;
    (same >= MERGED_AT && sizes[first..].iter().sum::<u64>() <= size_max).then_some(first)
}

pub(super) fn is_broken(checked: Result<(), BackupError>) -> Result<bool, BackupError> {
    match checked {
        Ok(()) => Ok(false),
        Err(BackupError::Damaged { .. }) => Ok(true),
        Err(other) => Err(other),
    }
}

fn check_fit(
    manifest: &Manifest,
    identity: &Identity,
    log: &mut LogReader,
    sealer: &Sealer,
) -> Result<(), BackupError> {
    let unfit = |sentence: String| Err(BackupError::Unfit(sentence));
    if manifest.city != identity.city || manifest.center != manifest::center(&identity.secret) {
        return unfit(format!(
            "the target holds the backup of another center (city {:?}, center {}); name another folder",
            manifest.city, manifest.center
        ));
    }
    let moment = log.moment()?;
    let head = moment.head()?.seq;
    match moment.hash(manifest.head())? {
        Some(hash) if hex(&hash) == manifest.hash => {}
        Some(_) => {
            return unfit(format!(
                "the target holds another history of this center: they part before entry {}. Keep it as it is, and back up into another folder",
                manifest.seq
            ));
        }
        None => {
            return unfit(format!(
                "the target holds entries up to {}, the data folder only up to {head}: the backup is newer. Restore it, or back up into another folder",
                manifest.seq
            ));
        }
    }
    if manifest.sealed_for != sealer.names() {
        let flags: Vec<String> =
            manifest.sealed_for.iter().map(|name| format!("--recipient {name}")).collect();
        return unfit(match flags.is_empty() {
            true => "the target is not encrypted; leave --recipient out, or name another folder".to_owned(),
            false => format!(
                "the target is encrypted for another key; add {}, or name another folder",
                flags.join(" ")
            ),
        });
    }
    Ok(())
}

fn write_identity(
    target: &LockedTarget,
    sealer: &Sealer,
    identity: &Identity,
) -> Result<FileRef, BackupError> {
    let name = if sealer.is_open() { "identity.json" } else { "identity.json.age" };
    let json = super::restore::identity_json(identity);
    target.write(name, sealer, |out| out.write_all(json.as_bytes()))
}
