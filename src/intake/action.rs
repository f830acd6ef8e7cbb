//! The JSON body of a staff action.

use super::fault::Faults;
use super::json::{Fields, Object};
use super::place::{known_agency, unknown_word};
use super::text::{Lines, checked_text};
use super::{ACTION_BODY_BYTES_MAX, FieldFault, NOTE_CHARS_MAX};
use crate::city::City;
use crate::model::transitions::requirements;
use crate::model::{
    Action, ActionMore, AgencyId, CheckedStep, Disposition, IncidentNo, NewAction, Requirement,
};

/// What staff asked for, checked as far as it can be without the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRequest {
    pub action: Action,
    /// Set for `assign`, and for that alone.
    pub agency: Option<AgencyId>,
    pub more: ActionMore,
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
            more: self.more,
        }
    }
}

const FIELDS: [&str; 8] = ["note", "reason", "agency", "version", "disposition", "public", "step", "done"];

/// Fields that not every action has a use for, and those that have one.
const OF_SOME: [(&str, &[Action], &str); 5] = [
    ("agency", &[Action::Assign, Action::Return], "assign"),
    ("disposition", &[Action::Reject], "reject"),
    ("public", &[Action::Note, Action::Answer], "note"),
    ("step", &[Action::Check], "check"),
    ("done", &[Action::Check], "check"),
];

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
    for (name, actions, of) in OF_SOME {
        if !actions.contains(&action) && fields.has(name) {
            fields.fault(name, format!("does not belong to {}; use {of}", action.key()));
        }
    }
    requirements(action).iter().for_each(|requirement| require(action, *requirement, &mut fields));
    if let Some(address) = own_address(action) {
        fields.fault("photo", format!("{} has an address of its own: {address}", action.key()));
    }
    let keyed = |fields: &mut Fields| {
        fields.text("agency").and_then(|key| fields.keep("agency", known_agency(city, &key)))
    };
    let (mut agency, mut more) = (None, ActionMore::default());
    let mut done_as = action;
    match action {
        Action::Assign => agency = keyed(&mut fields),
        Action::Return => more.suggested = keyed(&mut fields),
        Action::Reject => more.disposition = disposition(&mut fields),
        Action::Check => more.step = step(&mut fields),
        Action::Note if fields.flag("public") == Some(true) => done_as = Action::Answer,
        Action::Answer if fields.flag("public") == Some(false) => {
            fields.fault("public", "an answer is for the reporters; use note for what stays inside");
        }
        _ => {}
    }
    let reason = note(&mut fields, "reason");
    let note = note(&mut fields, "note");
    let words = match (reason, note) {
        (Some(reason), Some(note)) => Some(format!("{reason}\n{note}")),
        (reason, note) => reason.or(note),
    };
    let must_say = requirements(action).contains(&Requirement::Note);
    if must_say && let Some(name) = ["reason", "note"].into_iter().find(|name| fields.is_blank(name)) {
        fields.fault(name, "must not be blank");
    }
    ActionRequest { action: done_as, agency, more, note: words, version: fields.count("version") }
}

/// Where an action is asked for that is not asked for here.
fn own_address(action: Action) -> Option<&'static str> {
    match action {
        Action::Photo => Some("POST /api/v1/incidents/{id}/photos, a form with parts \"photo\""),
        Action::Release => Some("POST /api/v1/incidents/{id}/photos/{photo}/release"),
        Action::Withdraw => Some("POST /api/v1/incidents/{id}/photos/{photo}/withdraw"),
        _ => None,
    }
}

/// Says what is missing of what the table of transitions wants.
fn require(action: Action, requirement: Requirement, fields: &mut Fields) {
    match requirement {
        Requirement::Agency => fields.require("agency", "the key of the agency that must act"),
        Requirement::Disposition => fields.require("disposition", &format!("one of {}", dispositions())),
        Requirement::Step => fields.require("step", "the key of a step of the incident's checklist"),
        // The incident has it, or lacks it.
        Requirement::Photo => {}
        Requirement::Note => match action {
            Action::Reject if !fields.has("note") => {
                fields.require("reason", "why the incident is rejected");
            }
            Action::Return if !fields.has("reason") => {
                fields.require("note", "why it is not this agency's");
            }
            Action::Note => fields.require("note", "what you want to write down"),
            Action::Answer => fields.require("note", "what the reporters shall read"),
            Action::Pause => fields.require("note", "why the clock is stopped"),
            _ => {}
        },
    }
}

fn dispositions() -> String {
    Disposition::ALL.map(Disposition::key).join(", ")
}

fn disposition(fields: &mut Fields) -> Option<Disposition> {
    let key = fields.text("disposition")?;
    let known = Disposition::from_key(&key);
    let unknown = || unknown_word("disposition", &key, &Disposition::ALL.map(Disposition::key));
    fields.keep("disposition", known.ok_or_else(unknown))
}

/// Done, unless it says otherwise.
fn step(fields: &mut Fields) -> Option<CheckedStep> {
    let key = fields.text("step")?.into_owned();
    let done = fields.flag("done").unwrap_or(true);
    Some(CheckedStep { key, done })
}

pub(super) fn note(fields: &mut Fields, name: &str) -> Option<String> {
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
        for action in [Action::Verify, Action::Start, Action::Resolve, Action::Reopen, Action::Confirm] {
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
        let dispositions = "duplicate, information, ghost, prank, out_of_area, invalid";
        let no_disposition = format!("/disposition: is missing; it must be one of {dispositions}");
        check(
            Action::Reject,
            "",
            &["/reason: is missing; it must be why the incident is rejected", &no_disposition],
        );
        check(Action::Reject, r#"{"reason":"seen"}"#, &[&no_disposition]);
        check(Action::Reject, r#"{"reason":"","disposition":"prank"}"#, &["/reason: must not be blank"]);
        check(Action::Reject, r#"{"note":" ","disposition":"prank"}"#, &["/note: must not be blank"]);
        check(
            Action::Reject,
            r#"{"note":7,"disposition":"funny"}"#,
            &[
                &format!("/disposition: there is no disposition \"funny\"; choose one of {dispositions}"),
                "/note: must be a string, not a number",
            ],
        );
        check(
            Action::Verify,
            r#"{"disposition":"prank"}"#,
            &["/disposition: does not belong to verify; use reject"],
        );
        check(Action::Return, "{}", &["/note: is missing; it must be why it is not this agency's"]);
        check(Action::Answer, "{}", &["/note: is missing; it must be what the reporters shall read"]);
        check(Action::Pause, "{}", &["/note: is missing; it must be why the clock is stopped"]);
        check(Action::Resume, "", &[]);
        check(
            Action::Photo,
            "",
            &[
                "/photo: photo has an address of its own: POST /api/v1/incidents/{id}/photos, a form with parts \"photo\"",
            ],
        );
        check(
            Action::Answer,
            r#"{"note":"ya","public":false}"#,
            &["/public: an answer is for the reporters; use note for what stays inside"],
        );
        check(
            Action::Check,
            r#"{"done":"yes","public":true}"#,
            &[
                "/public: does not belong to check; use note",
                "/step: is missing; it must be the key of a step of the incident's checklist",
            ],
        );
        check(
            Action::Check,
            r#"{"step":"look","done":"yes"}"#,
            &["/done: must be true or false, not a string"],
        );
        check(
            Action::Verify,
            r#"{"incident":"x","version":0}"#,
            &[
                "/incident: there is no such field; the fields are note, reason, agency, version, disposition, public, step, done",
                "/version: 0 is not a whole number from 1 to 4294967295",
            ],
        );
        check(Action::Verify, "[]", &[": must be a JSON object, not a list"]);
    }

    #[test]
    fn the_reason_stands_before_the_note_and_only_a_reopening_gets_a_deadline() {
        let body = br#"{"reason":"prank","note":"third call","disposition":"prank"}"#;
        let request = parse_action(Action::Reject, body, ternate()).unwrap();
        assert_eq!(request.note.as_deref(), Some("prank\nthird call"));
        assert_eq!(request.for_incident(IncidentNo(1), "staff".into(), Some(5)).due_after_ms, None);
        let reopen = parse_action(Action::Reopen, b"", ternate()).unwrap();
        assert_eq!(reopen.for_incident(IncidentNo(1), "staff".into(), Some(5)).due_after_ms, Some(5));
    }

    #[test]
    fn what_an_action_carries_is_read() {
        let read = |action, body: &str| parse_action(action, body.as_bytes(), ternate()).unwrap();
        let rejected = read(Action::Reject, r#"{"note":"x","disposition":"out_of_area"}"#);
        assert_eq!(rejected.more.disposition, Some(Disposition::OutOfArea));
        let returned = read(Action::Return, r#"{"reason":"jalan provinsi","agency":"pupr"}"#);
        assert_eq!((returned.agency, returned.more.suggested), (None, ternate().agency_by_key("pupr")));
        assert_eq!(read(Action::Note, r#"{"note":"x"}"#).action, Action::Note);
        assert_eq!(read(Action::Note, r#"{"note":"x","public":false}"#).action, Action::Note);
        assert_eq!(read(Action::Note, r#"{"note":"x","public":true}"#).action, Action::Answer);
        let step = |done| Some(CheckedStep { key: "look".to_owned(), done });
        assert_eq!(read(Action::Check, r#"{"step":"look"}"#).more.step, step(true));
        assert_eq!(read(Action::Check, r#"{"step":"look","done":false}"#).more.step, step(false));
    }
}
