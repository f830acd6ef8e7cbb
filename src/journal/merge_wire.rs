//! Merges and splits as they are stored.

use std::borrow::Cow;

use super::JournalError;
use super::action_wire::read_note;
use super::codec::{corrupt, status};
use super::wire::MergeWire;
use crate::model::{IncidentNo, MergeFact, Seq};

impl<'a> MergeWire<'a> {
    pub fn of(fact: &'a MergeFact, digest: Option<&'a str>) -> MergeWire<'a> {
        MergeWire {
            absorbed: fact.absorbed.0,
            into: fact.into.0,
            status: Cow::Borrowed(fact.status.key()),
            into_status: Cow::Borrowed(fact.into_status.key()),
            reports: fact.reports,
            reporters: fact.reporters,
            actor: Cow::Borrowed(&fact.actor),
            private: digest.map(Cow::Borrowed),
        }
    }

    pub fn into_fact(self, seq: Seq, private: Option<&str>) -> Result<MergeFact, JournalError> {
        let note = private.map(read_note).transpose().map_err(|e| corrupt(seq, e))?;
        Ok(MergeFact {
            absorbed: IncidentNo(self.absorbed),
            into: IncidentNo(self.into),
            status: status(seq, &self.status)?,
            into_status: status(seq, &self.into_status)?,
            reports: self.reports,
            reporters: self.reporters,
            actor: self.actor.into_owned(),
            note,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::journal::codec::{Body, Encoder};
    use crate::journal::testing::city;
    use crate::model::{Entry, Fact, IncidentNo, MergeFact, Seq, Status, TimeMs};

    #[test]
    fn a_merge_and_a_split_are_stored_like_this_for_good() {
        let fact = MergeFact {
            absorbed: IncidentNo(7),
            into: IncidentNo(3),
            status: Status::Verified,
            into_status: Status::New,
            reports: 4,
            reporters: 9,
            actor: "budi".to_owned(),
            note: None,
        };
        let inner = r#"{"absorbed":7,"into":3,"status":"verified","into_status":"new","reports":4,"reporters":9,"actor":"budi"}"#;
        let facts = [Fact::Merge(Box::new(fact.clone())), Fact::Split(Box::new(fact.clone()))];
        for (kind, fact) in ["merge", "split"].into_iter().zip(facts) {
            let entry = Entry { seq: Seq(9), at: TimeMs(1), fact };
            let mut encoder = Encoder::default();
            let encoded = encoder.encode(&city(), &entry, None).unwrap();
            assert_eq!(
                (encoded.kind, encoded.body),
                (kind, format!(r#"{{"v":1,"{kind}":{inner}}}"#).as_str())
            );
            let read = Body::parse(Seq(9), encoded.body).unwrap();
            assert_eq!(read.kind(), kind);
            assert_eq!(read.into_fact(&*city(), None).unwrap(), entry.fact);
        }
        let noted = MergeFact { note: Some("sama".to_owned()), ..fact };
        let entry = Entry { seq: Seq(9), at: TimeMs(1), fact: Fact::Merge(Box::new(noted)) };
        let mut encoder = Encoder::default();
        let encoded = encoder.encode(&city(), &entry, None).unwrap();
        let (salt, private) = encoded.private.unwrap();
        let read = Body::parse(Seq(9), encoded.body).unwrap();
        assert!(read.vouches_for(&salt, private) && !read.vouches_for(&salt, "{}"));
        assert_eq!(read.into_fact(&*city(), Some(private)).unwrap(), entry.fact);
    }

    #[test]
    fn a_body_with_two_facts_is_refused() {
        assert!(Body::parse(Seq(9), r#"{"v":1,"tick":{},"pack":{"key":"k","hash":""}}"#).is_err());
        assert!(Body::parse(Seq(9), r#"{"v":1}"#).is_err());
    }
}
