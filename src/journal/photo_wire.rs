//! Photos as entries hold them: what is added or released in the body, which files in the private part.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::{AddedPhotos, Photo, PhotoKind, PhotoName, PhotoNo, SentPhotos, Seq, hex, unhex};

/// A photo in a private part.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhotoWire<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub thumb: Cow<'a, str>,
    pub width: u16,
    pub height: u16,
}

/// What an action that adds photos says of them in its body.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddedWire<'a> {
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
    pub n: u8,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub public: bool,
    /// Of what was sent under an Idempotency-Key.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
}

/// The photo that a release or a withdrawal is about.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhotoNoWire {
    /// Of the entry that brought it.
    pub seq: u64,
    pub n: u8,
}

pub(super) fn photo_wires(photos: &[Photo]) -> Vec<PhotoWire<'static>> {
    let wire = |photo: &Photo| PhotoWire {
        name: Cow::Owned(hex(&photo.name.0)),
        thumb: Cow::Owned(hex(&photo.thumb.0)),
        width: photo.width,
        height: photo.height,
    };
    photos.iter().map(wire).collect()
}

pub(super) fn read_photos(wires: &[PhotoWire]) -> Result<Vec<Photo>, String> {
    let name =
        |hex: &str| unhex(hex).map(PhotoName).ok_or_else(|| format!("{hex:?} is no name of a photo"));
    let read = |wire: &PhotoWire| {
        let (width, height) = (wire.width, wire.height);
        Ok(Photo { name: name(&wire.name)?, thumb: name(&wire.thumb)?, width, height })
    };
    wires.iter().map(read).collect()
}

impl<'a> AddedWire<'a> {
    pub fn of(added: &'a AddedPhotos) -> AddedWire<'a> {
        let key = added.sent.map(|sent| Cow::Owned(hex(&sent.key)));
        AddedWire { kind: Cow::Borrowed(added.kind.key()), n: added.n, public: added.public, key }
    }

    pub fn read(&self, photos: Vec<Photo>, content: Option<[u8; 32]>) -> Result<AddedPhotos, String> {
        let kind = PhotoKind::from_key(&self.kind);
        let kind = kind.ok_or_else(|| format!("there is no kind of photo {:?}", self.kind))?;
        let sent = self.sent_key()?.map(|key| SentPhotos { key, content });
        Ok(AddedPhotos { kind, public: self.public, n: self.n, photos, sent })
    }

    /// Of the key that they were sent under.
    pub fn sent_key(&self) -> Result<Option<[u8; 16]>, String> {
        let read = |hex: &str| unhex(hex).ok_or_else(|| format!("{hex:?} is no digest of a key"));
        self.key.as_deref().map(read).transpose()
    }
}

impl PhotoNoWire {
    pub fn of(no: &PhotoNo) -> PhotoNoWire {
        PhotoNoWire { seq: no.seq.0, n: no.n }
    }

    pub fn no(&self) -> PhotoNo {
        PhotoNo { seq: Seq(self.seq), n: self.n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::codec::{Body, Encoder};
    use crate::journal::testing::{city, photo};
    use crate::model::{
        Action, ActionFact, ActionMore, Entry, Fact, IncidentNo, ReportFact, Status, TimeMs,
    };

    fn action(action: Action, more: ActionMore) -> ActionFact {
        ActionFact {
            incident: IncidentNo(4),
            action,
            from: Status::New,
            to: Status::New,
            agency: None,
            due_at: None,
            clock: None,
            actor: "ani".to_owned(),
            note: None,
            more,
        }
    }

    #[test]
    fn photos_of_staff_are_stored_like_this_for_good_their_names_outside_the_chain() {
        let added =
            AddedPhotos { kind: PhotoKind::After, public: true, n: 1, photos: vec![photo(7)], sent: None };
        let more = ActionMore { photos: Some(Box::new(added)), ..ActionMore::default() };
        let fact = Fact::Action(Box::new(action(Action::Photo, more)));
        let entry = Entry { seq: Seq(9), at: TimeMs(1), fact };
        let mut encoder = Encoder::default();
        let encoded = encoder.encode(&city(), &entry, None).unwrap();
        let (_, private) = encoded.private.unwrap();
        let seven = "07".repeat(32);
        let eight = "08".repeat(32);
        assert_eq!(
            private,
            format!(r#"{{"photos":[{{"name":"{seven}","thumb":"{eight}","width":640,"height":480}}]}}"#)
        );
        assert!(!encoded.body.contains(&seven), "{}", encoded.body);
        assert!(
            encoded.body.contains(r#""photos":{"kind":"after","n":1,"public":true}"#),
            "{}",
            encoded.body
        );
        let body = Body::parse(Seq(9), encoded.body).unwrap();
        assert_eq!(body.into_fact(&*city(), Some(private)).unwrap(), entry.fact);

        let erased = Body::parse(Seq(9), encoded.body).unwrap().into_fact(&*city(), None).unwrap();
        let Fact::Action(erased) = erased else { panic!("{erased:?}") };
        assert!(!erased.has_private());
        assert!(erased.repair_shown_after(false), "what was done stays known");
    }

    #[test]
    fn the_key_of_photos_stays_in_the_chain_and_the_digest_of_what_was_sent_outside() {
        let sent = Some(SentPhotos { key: [5; 16], content: Some([6; 32]) });
        let added =
            AddedPhotos { kind: PhotoKind::Before, public: false, n: 1, photos: vec![photo(7)], sent };
        let more = ActionMore { photos: Some(Box::new(added)), ..ActionMore::default() };
        let fact = Fact::Action(Box::new(action(Action::Photo, more)));
        let entry = Entry { seq: Seq(9), at: TimeMs(1), fact };
        let mut encoder = Encoder::default();
        let encoded = encoder.encode(&city(), &entry, None).unwrap();
        let (_, private) = encoded.private.unwrap();
        assert!(private.ends_with(&format!(r#"],"sent":"{}"}}"#, "06".repeat(32))), "{private}");
        let photos = format!(r#""photos":{{"kind":"before","n":1,"key":"{}"}}"#, "05".repeat(16));
        assert!(encoded.body.contains(&photos), "{}", encoded.body);
        let body = || Body::parse(Seq(9), encoded.body).unwrap();
        assert_eq!(body().sent_photos(Some(private)).unwrap(), sent);
        assert_eq!(body().into_fact(&*city(), Some(private)).unwrap(), entry.fact);

        let erased = Some(SentPhotos { key: [5; 16], content: None });
        assert_eq!(body().sent_photos(None).unwrap(), erased);
        let Fact::Action(fact) = body().into_fact(&*city(), None).unwrap() else { panic!("no action") };
        assert!(!fact.has_private() && fact.more.photos.unwrap().sent == erased);
    }

    #[test]
    fn a_release_names_the_photo_by_its_entry() {
        let more = ActionMore { photo: Some(PhotoNo { seq: Seq(3), n: 2 }), ..ActionMore::default() };
        let fact = Fact::Action(Box::new(action(Action::Release, more)));
        let entry = Entry { seq: Seq(9), at: TimeMs(1), fact };
        let mut encoder = Encoder::default();
        let encoded = encoder.encode(&city(), &entry, None).unwrap();
        assert!(encoded.body.contains(r#""photo":{"seq":3,"n":2}"#), "{}", encoded.body);
        let body = Body::parse(Seq(9), encoded.body).unwrap();
        assert_eq!(body.into_fact(&*city(), None).unwrap(), entry.fact);
    }

    #[test]
    fn a_report_of_before_has_none_and_is_written_as_ever() {
        let old = r#"{"v":1,"report":{"no":1,"incident":1,"place":[127.38,0.79],"category":"garbage","occurred_at":5,"channel":"web"}}"#;
        let fact = Body::parse(Seq(9), old).unwrap().into_fact(&*city(), None).unwrap();
        let Fact::Report(report) = &fact else { panic!("{fact:?}") };
        assert_eq!(report.n_photos, 0);
        assert_eq!(crate::journal::codec::share_body(&city(), &fact), old);
        let with = ReportFact { n_photos: 3, ..(**report).clone() };
        let shared = crate::journal::codec::share_body(&city(), &Fact::Report(Box::new(with.clone())));
        assert!(shared.contains(r#""n_photos":3"#), "{shared}");
        let read = Body::parse(Seq(9), &shared).unwrap().into_fact(&*city(), None).unwrap();
        assert_eq!(read, Fact::Report(Box::new(with)));
    }
}
