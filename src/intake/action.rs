//! The JSON body of a staff action.

use super::fault::Faults;
use super::json::{Fields, Object};
use super::place::known_agency;
use super::text::{Lines, checked_text};
use super::{ACTION_BODY_BYTES_MAX, FieldFault, NOTE_CHARS_MAX};
use crate::city::City;
use crate::model::{Action, AgencyId, IncidentNo, NewAction};

/// What staff asked for, checked as far as it can be without the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRequest {
    pub action: Action,
    /// Set for `assign`, and for that alone.
    pub agency: Option<AgencyId>,
    /// The reason, then the note.
    pub note: Option<String>,
    pub version: Option<u32>,
}

impl ActionRequest {
    /// The command for the journal. `due_after_ms` is the deadline of the incident's category,
    /// which a reopened incident gets anew.
    pub fn for_incident(self, incident: IncidentNo, actor: String, due_after_ms: Option<i64>) -> NewAction {
        NewAction {
            incident,
            action: self.action,
            agency: self.agency,
            note: self.note,
            version: self.version,
            due_after_ms: due_after_ms.filter(|_| self.action == Action::Reopen),
            actor,
        }
    }
}

const FIELDS: [&str; 4] = ["note", "reason", "agency", "version"];

/// Reads the body of an action. An empty body is an empty object; null stands for absent.
///
/// # Errors
/// All faults at once.
pub fn parse_action(action: Action, body: &[u8], city: &City) -> Result<ActionRequest, Vec<FieldFault>> {
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
    let request = read(action, Fields::new(object, "", &FIELDS, &mut faults), city);
    faults.into_result()?;
    Ok(request)
}

fn read(action: Action, mut fields: Fields, city: &City) -> ActionRequest {
    match action {
        Action::Assign => fields.require("agency", "the key of the agency that must act"),
        Action::Note => fields.require("note", "what you want to write down"),
        Action::Pause => fields.require("note", "why the clock is stopped"),
        Action::Reject if !fields.has("note") => fields.require("reason", "why the incident is rejected"),
        _ => {}
    }
    if action != Action::Assign && fields.has("agency") {
        fields.fault("agency", format!("does not belong to {}; use assign", action.key()));
    }
    let agency = match action {
        Action::Assign => {
            fields.text("agency").and_then(|key| fields.keep("agency", known_agency(city, &key)))
        }
        _ => None,
    };
    let reason = note(&mut fields, "reason");
    let note = note(&mut fields, "note");
    let words = match (reason, note) {
        (Some(reason), Some(note)) => Some(format!("{reason}\n{note}")),
        (reason, note) => reason.or(note),
    };
    let must_say = matches!(action, Action::Note | Action::Reject | Action::Pause);
    if must_say && let Some(name) = ["reason", "note"].into_iter().find(|name| fields.is_blank(name)) {
        fields.fault(name, "must not be blank");
    }
    ActionRequest { action, agency, note: words, version: fields.count("version") }
}

fn note(fields: &mut Fields, name: &str) -> Option<String> {
    let text = fields.text(name)?;
    fields.keep(name, checked_text(&text, NOTE_CHARS_MAX, Lines::Many)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::testing::{named, ternate};

    fn check(action: Action, body: &str, expected: &[&str]) {
        let found = parse_action(action, body.as_bytes(), ternate()).err().unwrap_or_default();
        assert_eq!(named(&found), expected, "{} {body}", action.key());
    }

    #[test]
    fn every_fault_of_an_action_is_named() {
        for action in [Action::Verify, Action::Start, Action::Resolve, Action::Reopen] {
            check(action, "", &[]);
            check(action, r#"{"note":"ok","reason":"b","version":3}"#, &[]);
        }
        check(
            Action::Assign,
            "{}",
            &["/agency: is missing; it must be the key of the agency that must act"],
        );
        check(
            Action::Assign,
            r#"{"agency":"pemadam"}"#,
            &[
                "/agency: there is no agency \"pemadam\"; choose one of dlh, dishub, ake_gaale, pupr, bpbd, polres, dinsos",
            ],
        );
        check(Action::Start, r#"{"agency":"dlh"}"#, &["/agency: does not belong to start; use assign"]);
        check(Action::Note, "{}", &["/note: is missing; it must be what you want to write down"]);
        check(Action::Note, r#"{"note":"  "}"#, &["/note: must not be blank"]);
        check(Action::Reject, "", &["/reason: is missing; it must be why the incident is rejected"]);
        check(Action::Reject, r#"{"reason":""}"#, &["/reason: must not be blank"]);
        check(Action::Reject, r#"{"note":" "}"#, &["/note: must not be blank"]);
        check(Action::Reject, r#"{"note":7}"#, &["/note: must be a string, not a number"]);
        check(
            Action::Verify,
            r#"{"incident":"x","version":0}"#,
            &[
                "/incident: there is no such field; the fields are note, reason, agency, version",
                "/version: 0 is not a whole number from 1 to 4294967295",
            ],
        );
        check(Action::Verify, "[]", &[": must be a JSON object, not a list"]);
    }

    #[test]
    fn the_reason_stands_before_the_note_and_only_a_reopening_gets_a_deadline() {
        let body = br#"{"reason":"prank","note":"third call"}"#;
        let request = parse_action(Action::Reject, body, ternate()).unwrap();
        assert_eq!(request.note.as_deref(), Some("prank\nthird call"));
        assert_eq!(request.for_incident(IncidentNo(1), "staff".into(), Some(5)).due_after_ms, None);
        let reopen = parse_action(Action::Reopen, b"", ternate()).unwrap();
        assert_eq!(reopen.for_incident(IncidentNo(1), "staff".into(), Some(5)).due_after_ms, Some(5));
    }
}
