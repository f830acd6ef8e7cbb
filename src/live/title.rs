//! What an incident is called on screens: "Sampah di Gamalama".

use std::fmt;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::city::Text;

/// A title in both languages, written only where it goes to. In JSON as a [`Text`].
#[derive(Debug, Clone, Copy)]
pub struct Title<'a> {
    pub(super) category: &'a Text,
    /// A name of a place is the same in both.
    pub(super) area: Option<&'a str>,
}

impl<'a> Title<'a> {
    pub fn id(self) -> impl fmt::Display + 'a {
        self.in_indonesian()
    }

    pub fn en(self) -> impl fmt::Display + 'a {
        self.in_english()
    }

    fn in_indonesian(self) -> InOneLanguage<'a> {
        InOneLanguage { category: &self.category.id, within: " di ", area: self.area }
    }

    fn in_english(self) -> InOneLanguage<'a> {
        InOneLanguage { category: &self.category.en, within: " in ", area: self.area }
    }
}

impl Serialize for Title<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = serializer.serialize_struct("Text", 2)?;
        text.serialize_field("id", &self.in_indonesian())?;
        text.serialize_field("en", &self.in_english())?;
        text.end()
    }
}

struct InOneLanguage<'a> {
    category: &'a str,
    within: &'static str,
    area: Option<&'a str>,
}

/// In one piece: piece by piece takes a serializer several times as long.
impl Serialize for InOneLanguage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.area {
            Some(area) => serializer.serialize_str(&[self.category, self.within, area].concat()),
            None => serializer.serialize_str(self.category),
        }
    }
}

impl fmt::Display for InOneLanguage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.category)?;
        self.area.map_or(Ok(()), |area| {
            f.write_str(self.within)?;
            f.write_str(area)
        })
    }
}
