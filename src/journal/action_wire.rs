//! Actions as they are stored.

use std::borrow::Cow;

use super::JournalError;
use super::clock_wire::ClockWire;
use super::codec::{corrupt, status, unknown};
use super::keys::Keys;
use super::photo_wire::{AddedWire, PhotoNoWire, read_photos};
use super::wire::{ActionPrivateWire, ActionWire, StepWire};
use crate::city::City;
use crate::model::{
    Action, ActionFact, ActionMore, CheckedStep, Disposition, IncidentNo, Photo, Seq, TimeMs, unhex,
};

pub(super) fn action_wire<'a>(
    city: &'a City,
    action: &'a ActionFact,
    digest: Option<&'a str>,
) -> ActionWire<'a> {
    let agency = |id| Cow::Borrowed(city.agency(id).key.as_str());
    let step = |step: &'a CheckedStep| StepWire { key: Cow::Borrowed(&step.key), done: step.done };
    ActionWire {
        incident: action.incident.0,
        action: Cow::Borrowed(action.action.key()),
        from: Cow::Borrowed(action.from.key()),
        to: Cow::Borrowed(action.to.key()),
        agency: action.agency.map(agency),
        due_at: action.due_at.map(|due| due.0),
        clock: action.clock.as_ref().map(ClockWire::of),
        actor: Cow::Borrowed(&action.actor),
        private: digest.map(Cow::Borrowed),
        disposition: action.more.disposition.map(|disposition| Cow::Borrowed(disposition.key())),
        suggested: action.more.suggested.map(agency),
        speaker: action.more.speaker.map(agency),
        step: action.more.step.as_ref().map(step),
        photos: action.more.photos.as_deref().map(AddedWire::of),
        photo: action.more.photo.as_ref().map(PhotoNoWire::of),
    }
}

impl ActionWire<'_> {
    pub fn into_fact(
        self,
        seq: Seq,
        keys: &impl Keys,
        private: Option<&str>,
    ) -> Result<ActionFact, JournalError> {
        let ActionPrivate { note, photos, sent } = match private {
            Some(json) => read_action_private(json).map_err(|e| corrupt(seq, e))?,
            None => ActionPrivate::default(),
        };
        let photos = self.photos.as_ref().map(|added| added.read(photos, sent)).transpose();
        let disposition = self
            .disposition
            .map(|key| Disposition::from_key(&key).ok_or_else(|| unknown(seq, "disposition", &key)));
        let agency = |key: Option<Cow<str>>| key.map(|key| keys.agency(&key)).transpose();
        Ok(ActionFact {
            incident: IncidentNo(self.incident),
            action: Action::from_key(&self.action).ok_or_else(|| unknown(seq, "action", &self.action))?,
            from: status(seq, &self.from)?,
            to: status(seq, &self.to)?,
            agency: agency(self.agency)?,
            due_at: self.due_at.map(TimeMs),
            clock: ClockWire::read_any(self.clock.as_ref(), seq)?,
            actor: self.actor.into_owned(),
            note,
            more: ActionMore {
                disposition: disposition.transpose()?,
                suggested: agency(self.suggested)?,
                speaker: agency(self.speaker)?,
                step: self.step.map(|step| CheckedStep { key: step.key.into_owned(), done: step.done }),
                photos: photos.map_err(|e| corrupt(seq, e))?.map(Box::new),
                photo: self.photo.as_ref().map(PhotoNoWire::no),
            },
        })
    }
}

/// What an action's private part holds.
#[derive(Default)]
pub(super) struct ActionPrivate {
    pub note: Option<String>,
    pub photos: Vec<Photo>,
    /// Digest of what was sent under a key.
    pub sent: Option<[u8; 32]>,
}

pub(super) fn read_action_private(json: &str) -> Result<ActionPrivate, String> {
    let wire: ActionPrivateWire =
        serde_json::from_str(json).map_err(|e| format!("its private part: {e}"))?;
    let digest = |hex: &str| unhex(hex).ok_or_else(|| format!("{hex:?} is no digest of what was sent"));
    Ok(ActionPrivate {
        note: wire.note.map(Cow::into_owned),
        photos: read_photos(&wire.photos)?,
        sent: wire.sent.as_deref().map(digest).transpose()?,
    })
}

/// The note of a private part that holds nothing else.
pub(super) fn read_note(json: &str) -> Result<String, String> {
    let private = read_action_private(json)?;
    private.note.ok_or_else(|| "its private part has no note".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::journal::codec::{Body, share_body};
    use crate::journal::testing::city;
    use crate::model::{
        Action, ActionFact, ActionMore, AgencyId, CheckedStep, Disposition, Fact, IncidentNo, Seq, Status,
    };

    /// As they were written before an action could carry more.
    #[test]
    fn a_body_of_before_is_read_as_ever_and_one_that_carries_nothing_more_is_written_as_ever() {
        let old = r#"{"v":1,"action":{"incident":4,"action":"reject","from":"new","to":"rejected","agency":"police","actor":"ani"}}"#;
        let fact = Body::parse(Seq(9), old).unwrap().into_fact(&*city(), None).unwrap();
        let Fact::Action(action) = &fact else { panic!("{fact:?}") };
        assert_eq!((action.action, &action.more), (Action::Reject, &ActionMore::default()));
        assert_eq!(action.disposition_after(None), None);
        assert_eq!(share_body(&city(), &fact), old);
    }

    #[test]
    fn what_an_action_carries_is_read_back() {
        let more = ActionMore {
            disposition: Some(Disposition::OutOfArea),
            suggested: Some(AgencyId(1)),
            speaker: Some(AgencyId(0)),
            step: Some(CheckedStep { key: "photo".to_owned(), done: true }),
            ..ActionMore::default()
        };
        let fact = Fact::Action(Box::new(ActionFact {
            incident: IncidentNo(4),
            action: Action::Return,
            from: Status::InProgress,
            to: Status::Verified,
            agency: None,
            due_at: None,
            clock: None,
            actor: "ani".to_owned(),
            note: None,
            more,
        }));
        let body = share_body(&city(), &fact);
        assert_eq!(Body::parse(Seq(9), &body).unwrap().into_fact(&*city(), None).unwrap(), fact);
        let unknown = body.replace("out_of_area", "funny");
        let error = Body::parse(Seq(9), &unknown).unwrap().into_fact(&*city(), None).unwrap_err();
        assert!(error.to_string().contains("there is no disposition"), "{error}");
    }
}
