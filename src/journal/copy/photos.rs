//! The files of photos on their way from one store to another, and in a database against their names.

use tokio_postgres::types::Type;

use super::server::ServerSide;
use super::table::{Cell, PHOTO};
use super::{ROWS, Side};
use crate::journal::postgis;
use crate::journal::{JournalError, PhotoFiles, VerifyFault};
use crate::model::{PhotoName, Seq, hex};

/// Files whose digests a database is asked for together: it reads them for that.
const FILES: usize = 20;

/// Calls `each` with the entry and the files of every photo.
fn each_photo(
    side: &mut dyn Side,
    each: &mut dyn FnMut(Seq, [PhotoName; 2]) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let mut after: Option<Vec<Cell>> = None;
    loop {
        let rows = side.read(&PHOTO, after.as_deref(), ROWS)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last[..PHOTO.key].to_vec());
        for row in &rows {
            let of = |name: &str| PHOTO.columns.iter().position(|(column, _)| *column == name);
            let named = |name| match of(name).map(|i| &row[i]) {
                Some(Cell::Bytes(bytes)) => bytes.as_slice().try_into().ok().map(PhotoName),
                _ => None,
            };
            let Cell::Int(seq) = row[0] else { continue };
            let nameless =
                || JournalError::Corrupt(format!("a photo of entry {seq} has no name; run pantau verify"));
            let files = [named("name").ok_or_else(nameless)?, named("thumb").ok_or_else(nameless)?];
            each(Seq(seq.cast_unsigned()), files)?;
        }
    }
}

/// Copies the files that the target has not yet. How many it has then, and which the source does not have.
pub(super) fn carry(
    source: &mut dyn Side,
    from: &dyn PhotoFiles,
    to: &dyn PhotoFiles,
) -> Result<(u64, Vec<String>), JournalError> {
    let (mut there, mut missing) = (0, Vec::new());
    each_photo(source, &mut |_, files| {
        for name in files {
            let is_there = matches!(to.get(name), Ok(Some(_)));
            match if is_there { Ok(None) } else { from.get(name) } {
                Ok(None) if is_there => there += 1,
                Ok(Some(bytes)) => {
                    to.put(&[(name, &bytes)])?;
                    to.settle(&[name]);
                    there += 1;
                }
                Ok(None) | Err(JournalError::Corrupt(_)) => missing.push(hex(&name.0)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    Ok((there, missing))
}

/// The files of a database that are as they were written, and the faults of the others.
pub(super) fn check(source: &mut ServerSide) -> Result<(u64, Vec<VerifyFault>), JournalError> {
    let mut named: Vec<(Seq, PhotoName)> = Vec::new();
    each_photo(source, &mut |seq, files| {
        named.extend(files.map(|name| (seq, name)));
        Ok(())
    })?;
    let (mut sound, mut faults) = (0, Vec::new());
    for files in named.chunks(FILES) {
        let names: Vec<&[u8]> = files.iter().map(|(_, name)| &name.0[..]).collect();
        let sql = "SELECT name, sha256(bytes) = name FROM photo_file WHERE name = ANY($1)";
        let mut found: Vec<(Vec<u8>, bool)> = Vec::new();
        source.link().rows(sql, &[(&names, Type::BYTEA_ARRAY)], &mut |row| {
            found.push((postgis::get(row, 0)?, postgis::get(row, 1)?));
            Ok(())
        })?;
        for (seq, name) in files {
            let message = match found.iter().find(|(there, _)| **there == name.0) {
                Some((_, true)) => {
                    sound += 1;
                    continue;
                }
                Some((_, false)) => format!("the file of its photo {} was changed", hex(&name.0)),
                None => format!("the file of its photo {} is not there", hex(&name.0)),
            };
            faults.push(VerifyFault { seq: Some(*seq), message });
        }
    }
    Ok((sound, faults))
}
