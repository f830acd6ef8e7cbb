//! What else stands of an incident: what follows from its actions and has no column of its own.

use serde::{Deserialize, Serialize};

use crate::model::{ActionFact, Disposition, Status};

/// In the stores one column of JSON, NULL where there is nothing: most incidents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// While it is rejected, where anybody said what it was.
    pub disposition: Option<Disposition>,
    /// An agency sent it back, and it was not assigned anew.
    pub returned: bool,
    /// While it is resolved: who did that. `None` where an import brought it so.
    pub resolved_by: Option<String>,
    /// While it is resolved: somebody else has looked.
    pub confirmed: bool,
    /// A photo of the finished work came since it was opened or reopened.
    pub repair_shown: bool,
}

impl Standing {
    /// Staff acted on the incident.
    pub(super) fn act(&mut self, action: &ActionFact) {
        self.disposition = action.disposition_after(self.disposition);
        self.returned = action.returned_after(self.returned);
        if action.to != Status::Resolved {
            self.resolved_by = None;
            self.confirmed = false;
        } else if action.from != Status::Resolved {
            self.resolved_by = Some(action.actor.clone());
        }
        self.repair_shown = action.repair_shown_after(self.repair_shown);
        self.confirmed |= action.action == crate::model::Action::Confirm;
    }

    /// `None` where there is nothing to say.
    pub(super) fn to_json(&self) -> Option<String> {
        if *self == Standing::default() {
            return None;
        }
        let wire = StandingWire {
            disposition: self.disposition.map(|disposition| disposition.key().to_owned()),
            returned: self.returned,
            resolved_by: self.resolved_by.clone(),
            confirmed: self.confirmed,
            repair_shown: self.repair_shown,
        };
        Some(serde_json::to_string(&wire).expect("plain structs become JSON"))
    }

    pub(super) fn of_json(json: Option<&str>) -> Result<Standing, String> {
        let Some(json) = json else { return Ok(Standing::default()) };
        let wire: StandingWire = serde_json::from_str(json).map_err(|e| format!("its standing: {e}"))?;
        let disposition = wire.disposition.map(|key| {
            Disposition::from_key(&key).ok_or_else(|| format!("there is no disposition {key:?}"))
        });
        Ok(Standing {
            disposition: disposition.transpose()?,
            returned: wire.returned,
            resolved_by: wire.resolved_by,
            confirmed: wire.confirmed,
            repair_shown: wire.repair_shown,
        })
    }
}

/// A promise: only added to.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StandingWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disposition: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    returned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolved_by: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    confirmed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    repair_shown: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::{NOW, act, city, report};
    use crate::journal::{FolderMode, Journal, SqliteJournal, verify};
    use crate::model::{Action, Command, IncidentNo, Outcome, Refusal};

    #[test]
    fn what_is_written_is_read_back_and_nothing_is_written_of_nothing() {
        assert_eq!(Standing::default().to_json(), None);
        assert_eq!(Standing::of_json(None), Ok(Standing::default()));
        let all = Standing {
            disposition: Some(Disposition::Ghost),
            returned: true,
            resolved_by: Some("ani \"w\"".to_owned()),
            confirmed: true,
            repair_shown: true,
        };
        assert_eq!(Standing::of_json(all.to_json().as_deref()), Ok(all));
        assert!(Standing::of_json(Some(r#"{"disposition":"funny"}"#)).unwrap_err().contains("funny"));
        assert!(Standing::of_json(Some("{")).is_err());
    }

    /// A folder of before this column: its entries are letter for letter what was written then.
    #[test]
    fn a_folder_of_before_opens_verifies_and_knows_who_resolved_what() {
        let dir = tempfile::tempdir().unwrap();
        let open = || SqliteJournal::open(dir.path(), city(), FolderMode::Live).unwrap();
        let mut journal = open();
        let mut commands: Vec<Command> = (0..4).map(|_| report(|_| {})).collect();
        let deeds = [(1, Action::Verify), (1, Action::Resolve), (2, Action::Verify), (2, Action::Resolve)];
        let deeds = deeds.into_iter().chain([(2, Action::Reopen), (3, Action::Verify)]);
        commands.extend(deeds.map(|(no, action)| act(no, action)));
        journal.append(commands, NOW, None).unwrap();
        journal.seal().unwrap();
        drop(journal);
        let raw = rusqlite::Connection::open(dir.path().join("pantau.db")).unwrap();
        raw.execute_batch(
            "ALTER TABLE incident DROP COLUMN standing; DELETE FROM migration WHERE name = '0009_standing'",
        )
        .unwrap();
        drop(raw);

        let mut journal = open();
        let resolved_by = |no| {
            let row = journal.reader().incident(IncidentNo(no)).unwrap().unwrap();
            row.standing.resolved_by
        };
        assert_eq!([1, 2, 3, 4].map(resolved_by), [Some("budi".to_owned()), None, None, None]);
        let confirm = journal.append(vec![act(1, Action::Confirm)], NOW, None).unwrap();
        assert_eq!(confirm, [Outcome::Refused(Refusal::FourEyes { by: "budi".to_owned() })]);
        drop(journal);
        assert_eq!(verify(dir.path(), &mut |_, _| {}).unwrap().faults, []);
    }
}
