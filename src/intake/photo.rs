//! The words of a form with photos.

use std::collections::BTreeMap;

use super::fault::Faults;
use super::text::{Lines, checked_text};
use super::{FieldFault, NOTE_CHARS_MAX};
use crate::model::{PHOTOS_MAX, PhotoKind};

/// What staff say of the photos that they add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoForm {
    /// Before or after.
    pub kind: PhotoKind,
    pub note: Option<String>,
    /// Released at once.
    pub public: bool,
    pub version: Option<u32>,
}

const FIELDS: [&str; 5] = ["photo", "kind", "note", "public", "version"];

/// Reads the parts of a form that are words; `n_photos` is how many parts are photos.
///
/// # Errors
/// All faults at once.
pub fn parse_photo_form(
    fields: &BTreeMap<String, String>,
    n_photos: usize,
) -> Result<PhotoForm, Vec<FieldFault>> {
    let mut faults = Faults::default();
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        faults.push(
            format!("/{name}"),
            format!("there is no such part; the parts are {}", FIELDS.join(", ")),
        );
    }
    if !(1..=PHOTOS_MAX).contains(&n_photos) {
        faults.push("/photo", format!("there are {n_photos}; send 1 to {PHOTOS_MAX} parts \"photo\""));
    }
    let text = |name: &str| fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let kind = match text("kind").map(|key| (key, PhotoKind::from_key(key))) {
        Some((_, Some(kind))) if kind != PhotoKind::Report => Some(kind),
        Some((key, _)) => {
            faults.push("/kind", format!("there is no kind {key:?}; choose one of before, after"));
            None
        }
        None => {
            faults.push("/kind", "is missing; it must be before or after");
            None
        }
    };
    let note = fields
        .get("note")
        .and_then(|text| faults.keep("/note", checked_text(text, NOTE_CHARS_MAX, Lines::Many)).flatten());
    let public = match text("public") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            faults.push("/public", format!("must be true or false, not {other:?}"));
            false
        }
    };
    let version = text("version").and_then(|text| {
        let version = text.parse().ok().filter(|version| *version > 0);
        let wrong = || format!("{text} is not a whole number from 1 to {}", u32::MAX);
        faults.keep("/version", version.ok_or_else(wrong))
    });
    faults.into_result()?;
    let kind = kind.expect("without one there is a fault");
    Ok(PhotoForm { kind, note, public, version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::testing::named;

    fn parse(fields: &[(&str, &str)], n_photos: usize) -> Result<PhotoForm, Vec<FieldFault>> {
        let fields = fields.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        parse_photo_form(&fields.collect(), n_photos)
    }

    #[test]
    fn what_staff_say_of_photos_is_read() {
        let form = PhotoForm { kind: PhotoKind::After, note: None, public: false, version: None };
        assert_eq!(parse(&[("kind", "after")], 4), Ok(form));
        let all = [("kind", "before"), ("note", " retak "), ("public", "true"), ("version", "7")];
        let note = Some("retak".to_owned());
        assert_eq!(
            parse(&all, 1),
            Ok(PhotoForm { kind: PhotoKind::Before, note, public: true, version: Some(7) })
        );
    }

    #[test]
    fn every_fault_of_a_form_is_named() {
        let faults = |fields: &[(&str, &str)], n| named(&parse(fields, n).unwrap_err()).join("\n");
        assert_eq!(
            faults(&[("kind", "report"), ("public", "yes"), ("version", "0"), ("x", "1")], 5),
            "/x: there is no such part; the parts are photo, kind, note, public, version\n\
             /photo: there are 5; send 1 to 4 parts \"photo\"\n\
             /kind: there is no kind \"report\"; choose one of before, after\n\
             /public: must be true or false, not \"yes\"\n\
             /version: 0 is not a whole number from 1 to 4294967295"
        );
        assert_eq!(
            faults(&[], 0),
            "/photo: there are 0; send 1 to 4 parts \"photo\"\n/kind: is missing; it must be before or after"
        );
    }
}
