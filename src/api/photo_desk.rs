//! Photos on their way in: taken from a form within bounds, drawn anew, and kept before anything names them.

use std::sync::Arc;

use axum::extract::multipart::Field;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::app::App;
use super::form::{self, unreadable};
use super::problem::Problem;
use crate::engine::Engine;
use crate::health::Condition;
use crate::journal::{JournalError, PhotoFiles, photo_name};
use crate::model::{PHOTOS_MAX, Photo, PhotoName};
use crate::photos::{DRAWN_BYTES_MAX, Drawn, FILE_BYTES_MAX, PhotoFault, draw_anew, peak_bytes};

/// Decoded at the same time, at most: each takes up to some hundred MiB for a moment.
const DECODED_AT_ONCE_MAX: usize = 2;
/// Files held in memory together, in units; a photo for which there is no room is not kept.
const HELD_UNITS_MAX: usize = (96 << 20) / UNIT;
const UNIT: usize = 64 << 10;
/// What decoding may take together, in units: large pictures are decoded one at a time.
const DRAWN_UNITS_MAX: usize = DRAWN_BYTES_MAX as usize / UNIT;
/// A form with more parts for photos is no form of ours: each that is too many is answered in words.
const PARTS_MAX: usize = 4 * PHOTOS_MAX;

/// The bounds that all who send photos share.
pub struct PhotoDesk {
    decoding: Arc<Semaphore>,
    /// Memory for it, in units.
    drawing: Arc<Semaphore>,
    held: Arc<Semaphore>,
}

impl Default for PhotoDesk {
    fn default() -> PhotoDesk {
        PhotoDesk {
            decoding: Arc::new(Semaphore::new(DECODED_AT_ONCE_MAX)),
            drawing: Arc::new(Semaphore::new(DRAWN_UNITS_MAX)),
            held: Arc::new(Semaphore::new(HELD_UNITS_MAX)),
        }
    }
}

/// A file as it was sent.
pub struct SentPhoto {
    /// SHA-256 of all of it, also where it is not kept.
    pub digest: [u8; 32],
    bytes: Result<Vec<u8>, Why>,
    _room: Vec<OwnedSemaphorePermit>,
}

/// Why a photo is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    Fault(PhotoFault),
    TooMany,
    /// Others send as many as this server holds at a time.
    Busy,
    /// The disk is full, or the database does not answer.
    Store,
}

/// What a sender is told of a photo that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PhotoWarning {
    /// Which one, from 1, in the order in which they were sent.
    pub photo: usize,
    /// format, bytes, pixels, damaged, too-many, busy, store
    pub reason: &'static str,
    pub id: String,
    pub en: String,
}

impl Why {
    fn reason(&self) -> &'static str {
        match self {
            Why::Fault(PhotoFault::Format) => "format",
            Why::Fault(PhotoFault::Bytes) => "bytes",
            Why::Fault(PhotoFault::Pixels { .. }) => "pixels",
            Why::Fault(PhotoFault::Damaged) => "damaged",
            Why::TooMany => "too-many",
            Why::Busy => "busy",
            Why::Store => "store",
        }
    }

    pub fn warning(&self, photo: usize) -> PhotoWarning {
        let (id, en) = match self {
            Why::Fault(PhotoFault::Format) => {
                ("bukan JPEG, PNG, atau WebP".to_owned(), PhotoFault::Format.to_string())
            }
            Why::Fault(fault @ PhotoFault::Bytes) => {
                (format!("lebih dari {} MiB", FILE_BYTES_MAX >> 20), fault.to_string())
            }
            Why::Fault(fault @ PhotoFault::Pixels { .. }) => {
                ("terlalu banyak piksel".to_owned(), fault.to_string())
            }
            Why::Fault(fault @ PhotoFault::Damaged) => {
                ("rusak atau terpotong".to_owned(), fault.to_string())
            }
            Why::TooMany => (
                format!("paling banyak {PHOTOS_MAX} foto sekali kirim"),
                format!("at most {PHOTOS_MAX} photos come with one submission"),
            ),
            Why::Busy => (
                "server sedang menerima banyak foto".to_owned(),
                "the server is taking as many photos as it can hold".to_owned(),
            ),
            Why::Store => (
                "tempat penyimpanan foto tidak tersedia saat ini".to_owned(),
                "the place where photos are kept cannot be written now".to_owned(),
            ),
        };
        PhotoWarning {
            photo,
            reason: self.reason(),
            id: format!("Foto ke-{photo} tidak tersimpan: {id}"),
            en: format!("photo {photo} was not kept: {en}"),
        }
    }
}

impl PhotoDesk {
    /// Reads the part of a form that is photo `number`, from 1. One that is not kept is read past.
    ///
    /// # Errors
    /// Where the form itself is cut or broken, or has far too many photos.
    pub async fn take(&self, field: &mut Field<'_>, number: usize) -> Result<SentPhoto, Problem> {
        if number > PARTS_MAX {
            return Err(unreadable(format!("a form takes at most {PARTS_MAX} parts \"photo\"")));
        }
        let mut digest = Sha256::new();
        let mut bytes = if number > PHOTOS_MAX { Err(Why::TooMany) } else { Ok(Vec::new()) };
        let mut room = Vec::new();
        while let Some(chunk) = form::next_bytes(field).await? {
            digest.update(&chunk);
            let Ok(held) = &mut bytes else { continue };
            if held.len() + chunk.len() > FILE_BYTES_MAX {
                bytes = Err(Why::Fault(PhotoFault::Bytes));
            } else if self.has_room(&mut room, held.len() + chunk.len()) {
                held.extend_from_slice(&chunk);
            } else {
                bytes = Err(Why::Busy);
            }
        }
        if bytes.is_err() {
            room.clear();
        }
        Ok(SentPhoto { digest: digest.finalize().into(), bytes, _room: room })
    }

    /// Whether there is room for so many bytes of one photo; takes what is missing.
    fn has_room(&self, room: &mut Vec<OwnedSemaphorePermit>, bytes: usize) -> bool {
        while room.len() * UNIT < bytes {
            match self.held.clone().try_acquire_owned() {
                Ok(unit) => room.push(unit),
                Err(_) => return false,
            }
        }
        true
    }

    /// Draws a photo anew, once it is its turn.
    async fn draw(&self, sent: SentPhoto) -> Result<Drawn, Why> {
        let SentPhoto { bytes, _room: room, .. } = sent;
        let bytes = bytes?;
        let turn = self.decoding.clone().acquire_owned().await.map_err(|_| Why::Busy)?;
        let weigh = move || peak_bytes(&bytes).map(|peak| (peak, bytes));
        // What a decoder stumbles over is a damaged file.
        let weighed = tokio::task::spawn_blocking(weigh).await.unwrap_or(Err(PhotoFault::Damaged));
        let (peak_bytes, bytes) = weighed.map_err(Why::Fault)?;
        let units = peak_bytes.div_ceil(UNIT as u64) as u32;
        let memory = self.drawing.clone().acquire_many_owned(units).await.map_err(|_| Why::Busy)?;
        let mut mark = [0; 16];
        getrandom::fill(&mut mark).map_err(|_| Why::Store)?;
        let drawn = tokio::task::spawn_blocking(move || {
            let drawn = draw_anew(&bytes, mark);
            drop(bytes);
            drop((turn, memory, room));
            drawn
        });
        let drawn = drawn.await.unwrap_or(Err(PhotoFault::Damaged));
        drawn.map_err(Why::Fault)
    }
}

/// Photos whose files are durable, and that no entry names yet.
pub struct KeptPhotos {
    pub photos: Vec<Photo>,
    pub warnings: Vec<PhotoWarning>,
    /// The database does not answer, or is full: the photos go with the report to where that waits.
    pub is_away: bool,
    /// What was drawn, where a report may have to wait.
    pub drawn: Vec<Drawn>,
    files: Option<Arc<dyn PhotoFiles>>,
}

impl KeptPhotos {
    /// None at all.
    pub fn none() -> KeptPhotos {
        let (photos, warnings, drawn) = Default::default();
        KeptPhotos { photos, warnings, drawn, is_away: false, files: None }
    }

    /// Draws and keeps what was sent. What cannot be kept is in the warnings.
    pub async fn keep(app: &App, sent: Vec<SentPhoto>) -> KeptPhotos {
        let mut kept = KeptPhotos::none();
        if sent.is_empty() {
            return kept;
        }
        kept.files = files(&app.engine).ok();
        let stands = |condition| app.engine.health().stands(condition);
        kept.is_away =
            stands(Condition::DatabaseAway) || (app.spool.is_some() && stands(Condition::DiskFull));
        for (number, sent) in (1..).zip(sent) {
            let photo = match app.photos.draw(sent).await {
                Ok(drawn) => {
                    kept.drawn.extend(app.spool.is_some().then(|| drawn.clone()));
                    kept.store(drawn).await
                }
                Err(why) => Err(why),
            };
            match photo {
                Ok(photo) => kept.photos.extend(photo),
                Err(why) => kept.warnings.push(why.warning(number)),
            }
        }
        kept
    }

    /// Makes the files of a photo durable; `None` where the database is away.
    async fn store(&mut self, drawn: Drawn) -> Result<Option<Photo>, Why> {
        if self.is_away {
            return Ok(None);
        }
        let files = self.files.clone().ok_or(Why::Store)?;
        match tokio::task::spawn_blocking(move || put(&*files, &drawn)).await {
            Ok(Ok(photo)) => Ok(Some(photo)),
            Ok(Err(error)) if self.may_wait(&error) => {
                self.is_away = true;
                Ok(None)
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a photo could not be kept");
                Err(Why::Store)
            }
            Err(_) => Err(Why::Store),
        }
    }

    /// Whether it can be kept once the database is there, or has room.
    fn may_wait(&self, error: &JournalError) -> bool {
        // What was drawn is held where there is a spool for it.
        matches!(error, JournalError::Away(_))
            || matches!(error, JournalError::Full) && !self.drawn.is_empty()
    }

    /// Whether one is missing for no fault of its own.
    pub fn may_be_kept_later(&self) -> bool {
        let passing = [Why::Busy.reason(), Why::Store.reason()];
        self.warnings.iter().any(|warning| passing.contains(&warning.reason))
    }

    fn names(photos: &[Photo]) -> Vec<PhotoName> {
        photos.iter().flat_map(|photo| [photo.name, photo.thumb]).collect()
    }

    /// An entry names them by now.
    pub fn named(&self, photos: &[Photo]) {
        if let Some(files) = &self.files {
            files.settle(&KeptPhotos::names(photos));
        }
    }

    /// No entry names them, or ever will.
    pub async fn drop_files(&self, photos: &[Photo]) {
        let (Some(files), names) = (self.files.clone(), KeptPhotos::names(photos)) else { return };
        if names.is_empty() {
            return;
        }
        let removed = tokio::task::spawn_blocking(move || files.remove(&names)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::debug!("files of photos that no entry names are left to the next start");
        }
    }
}

fn files(engine: &Engine) -> Result<Arc<dyn PhotoFiles>, JournalError> {
    engine.reader().photo_files()
}

/// Makes the files of a photo durable; how an entry names it.
pub fn put(files: &dyn PhotoFiles, drawn: &Drawn) -> Result<Photo, JournalError> {
    let (name, thumb) = (photo_name(&drawn.photo), photo_name(&drawn.thumb));
    files.put(&[(name, &drawn.photo), (thumb, &drawn.thumb)])?;
    Ok(Photo { name, thumb, width: drawn.width, height: drawn.height })
}
