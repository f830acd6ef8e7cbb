//! What a rejected incident was, where it was not one.

/// Why an incident was rejected. Entries from before there were dispositions have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Disposition {
    /// Somebody reported it before.
    Duplicate = 0,
    /// A question, thanks or an announcement: nothing to act on.
    Information = 1,
    /// Nothing was found where it was said to be.
    Ghost = 2,
    /// Told in jest or to mislead.
    Prank = 3,
    /// Another city's.
    OutOfArea = 4,
    /// It cannot be acted on as it was told.
    Invalid = 5,
}

impl Disposition {
    pub const ALL: [Disposition; 6] = [
        Disposition::Duplicate,
        Disposition::Information,
        Disposition::Ghost,
        Disposition::Prank,
        Disposition::OutOfArea,
        Disposition::Invalid,
    ];

    /// The word in the API, the journal and the files.
    pub fn key(self) -> &'static str {
        match self {
            Disposition::Duplicate => "duplicate",
            Disposition::Information => "information",
            Disposition::Ghost => "ghost",
            Disposition::Prank => "prank",
            Disposition::OutOfArea => "out_of_area",
            Disposition::Invalid => "invalid",
        }
    }

    pub fn from_key(key: &str) -> Option<Disposition> {
        Disposition::ALL.into_iter().find(|disposition| disposition.key() == key)
    }
}

/// What only some actions carry. Nothing of it where an action has no use for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionMore {
    /// Of a rejection.
    pub disposition: Option<Disposition>,
    /// Of a return: who it may be for instead.
    pub suggested: Option<super::AgencyId>,
    /// Of an answer: the agency that speaks; `None`: the center.
    pub speaker: Option<super::AgencyId>,
    /// Of a check.
    pub step: Option<CheckedStep>,
    /// Of a photo action.
    pub photos: Option<Box<super::AddedPhotos>>,
    /// Of a release or a withdrawal.
    pub photo: Option<super::PhotoNo>,
}

/// A step of a checklist that was done, or is not done after all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedStep {
    /// Its key in the city pack's checklist of the category.
    pub key: String,
    pub done: bool,
}
