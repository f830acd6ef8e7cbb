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
        InOneLanguage { category: &self.category.id, within: " di ", area: self.area }
    }

    pub fn en(self) -> impl fmt::Display + 'a {
        InOneLanguage { category: &self.category.en, within: " in ", area: self.area }
    }
}

impl Serialize for Title<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = serializer.serialize_struct("Text", 2)?;
        text.serialize_field("id", &format_args!("{}", self.id()))?;
        text.serialize_field("en", &format_args!("{}", self.en()))?;
        text.end()
    }
}

struct InOneLanguage<'a> {
    category: &'a str,
    within: &'static str,
    area: Option<&'a str>,
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
