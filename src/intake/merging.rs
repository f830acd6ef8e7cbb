//! The JSON body of a merge or a split.

use uuid::Uuid;

use super::action::note;
use super::fault::Faults;
use super::json::{Fields, Object};
use super::{ACTION_BODY_BYTES_MAX, FieldFault};

/// What staff asked for, checked as far as it can be without the incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeRequest {
    /// The other incident.
    pub incident: Uuid,
    pub note: Option<String>,
    pub version: Option<u32>,
}

const FIELDS: [&str; 3] = ["incident", "note", "version"];

/// Reads the body of a merge or a split; `other` says in words which incident must be named. Null stands for
/// absent.
///
/// # Errors
/// All faults at once.
pub fn parse_merge(body: &[u8], other: &str) -> Result<MergeRequest, Vec<FieldFault>> {
    if body.len() > ACTION_BODY_BYTES_MAX {
        let detail = format!("the body has {} bytes; the most is {ACTION_BODY_BYTES_MAX}", body.len());
        return Err(vec![FieldFault { pointer: String::new(), detail }]);
    }
    let object = if body.trim_ascii().is_empty() {
        Object::default()
    } else {
        Object::of_body(body).map_err(|fault| vec![fault])?
    };
    let mut faults = Faults::default();
    let mut fields = Fields::new(object, "", &FIELDS, &mut faults);
    fields.require("incident", other);
    let uuid = fields.text("incident").and_then(|text| {
        let text = text.strip_prefix("i:").unwrap_or(&text);
        fields.keep("incident", text.parse().map_err(|_| format!("is not a UUID; it must be {other}")))
    });
    let (note, version) = (note(&mut fields, "note"), fields.count("version"));
    faults.into_result()?;
    let incident = uuid.expect("without one there is a fault");
    Ok(MergeRequest { incident, note, version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::testing::named;

    fn check(body: &str, expected: &[&str]) {
        let found =
            parse_merge(body.as_bytes(), "the UUID of the one that stays").err().unwrap_or_default();
        assert_eq!(named(&found), expected, "{body}");
    }

    #[test]
    fn every_fault_of_a_merge_is_named() {
        let uuid = "01910000-0000-7000-8000-000000000000";
        check(&format!(r#"{{"incident":"{uuid}","version":2,"note":"sama"}}"#), &[]);
        check(&format!(r#"{{"incident":"i:{uuid}","note":null}}"#), &[]);
        let missing = "/incident: is missing; it must be the UUID of the one that stays";
        check("", &[missing]);
        check("{}", &[missing]);
        check(r#"{"incident":null}"#, &[missing]);
        check(
            r#"{"incident":"7"}"#,
            &["/incident: is not a UUID; it must be the UUID of the one that stays"],
        );
        check(
            &format!(r#"{{"incident":"{uuid}","version":0,"agency":"dlh"}}"#),
            &[
                "/agency: there is no such field; the fields are incident, note, version",
                "/version: 0 is not a whole number from 1 to 4294967295",
            ],
        );
        check("[]", &[": must be a JSON object, not a list"]);
    }
}
