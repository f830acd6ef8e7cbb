//! Each change of the accounts, as the statements that make it.

use super::{
    AccountRow, AccountStore, Cell, LastingRows, LinkRow, PasskeyRow, SessionRow, Step, SubjectRow,
    TokenRow,
};
use crate::journal::JournalError;
use crate::model::TimeMs;

impl Step {
    pub(super) fn new(sql: &'static str, cells: Vec<Cell>) -> Step {
        Step { sql, cells, must_change: false }
    }

    fn must(sql: &'static str, cells: Vec<Cell>) -> Step {
        Step { must_change: true, ..Step::new(sql, cells) }
    }
}

fn int(int: i64) -> Cell {
    Cell::Int(Some(int))
}

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

fn maybe(text: Option<&str>) -> Cell {
    Cell::Text(text.map(str::to_owned))
}

fn insert_account(row: &AccountRow) -> Step {
    Step::must(
        "INSERT INTO account (name, full_name, role, agency, areas, password, totp, totp_step, created_at, disabled_at, head) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        vec![
            text(&row.name),
            text(&row.full_name),
            text(&row.role),
            maybe(row.agency.as_deref()),
            text(&row.areas.join(" ")),
            maybe(row.password.as_deref()),
            maybe(row.totp.as_deref()),
            int(row.totp_step),
            int(row.created_at),
            Cell::Int(row.disabled_at),
            int(row.head.into()),
        ],
    )
}

fn insert_token(row: &TokenRow) -> Step {
    let scopes = row.scopes.as_ref().map(|scopes| scopes.join(" "));
    Step::must(
        "INSERT INTO account_token (id, digest, label, kiosk, role, agency, areas, scopes, created_at, expires_at, revoked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        vec![
            text(&row.id),
            text(&row.digest),
            text(&row.label),
            int(row.kiosk.into()),
            text(&row.role),
            maybe(row.agency.as_deref()),
            text(&row.areas.join(" ")),
            maybe(scopes.as_deref()),
            int(row.created_at),
            Cell::Int(row.expires_at),
            Cell::Int(row.revoked_at),
        ],
    )
}

fn insert_passkey(row: &PasskeyRow) -> Step {
    Step::must(
        "INSERT INTO account_passkey (id, account, label, host, credential, created_at, used_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        vec![
            text(&row.id),
            text(&row.account),
            text(&row.label),
            text(&row.host),
            text(&row.credential),
            int(row.created_at),
            Cell::Int(row.used_at),
        ],
    )
}

fn insert_subject(row: &SubjectRow) -> Step {
    Step::must(
        "INSERT INTO account_subject (issuer, subject, account, created_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
        vec![text(&row.issuer), text(&row.subject), text(&row.account), int(row.created_at)],
    )
}

fn insert_session(row: &SessionRow) -> Step {
    Step::must(
        "INSERT INTO account_session (digest, account, began_at, ends_at) VALUES ($1, $2, $3, $4)",
        vec![text(&row.digest), text(&row.account), int(row.began_at), int(row.ends_at)],
    )
}

fn insert_device(digest: &str, account: &str, seen_at: i64) -> Step {
    Step::new(
        "INSERT INTO account_device (digest, account, seen_at) VALUES ($1, $2, $3) \
         ON CONFLICT (digest) DO UPDATE SET seen_at = excluded.seen_at",
        vec![text(digest), text(account), int(seen_at)],
    )
}

fn end_sessions(account: &str) -> Step {
    Step::new("DELETE FROM account_session WHERE account = $1", vec![text(account)])
}

fn end_links(account: &str) -> Step {
    Step::new("DELETE FROM account_link WHERE account = $1", vec![text(account)])
}

/// Whom a provider vouches for has none here.
fn set_password(account: &str, password: &str) -> Step {
    Step::must(
        "UPDATE account SET password = $1 WHERE name = $2 AND disabled_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM account_subject WHERE account_subject.account = account.name)",
        vec![text(password), text(account)],
    )
}

/// Uses a link up; it must still be good.
fn use_link(digest: &str, now: TimeMs) -> Step {
    Step::must(
        "DELETE FROM account_link WHERE digest = $1 AND expires_at > $2",
        vec![text(digest), int(now.0)],
    )
}

/// What a change answers: whether it was made.
type Made = Result<bool, JournalError>;

/// Every change is made whole or, where it answers `false` or fails, not at all.
impl AccountStore {
    fn change(&self, mut steps: Vec<Step>) -> Made {
        steps.push(Step::must("UPDATE account_revision SET n = n + 1 WHERE id = 1", Vec::new()));
        self.with(|sheet| sheet.change(&steps))
    }

    /// `false`: the name is taken.
    pub fn add_account(&self, row: &AccountRow) -> Made {
        self.change(vec![insert_account(row)])
    }

    /// `false`: there is no such account. Its sessions go on, with the new role.
    pub fn set_role(&self, name: &str, role: &str, agency: Option<&str>, areas: &[String]) -> Made {
        self.change(vec![Step::must(
            "UPDATE account SET role = $1, agency = $2, areas = $3 WHERE name = $4",
            vec![text(role), maybe(agency), text(&areas.join(" ")), text(name)],
        )])
    }

    /// Whether they are told what is late once it is the head's. `false`: there is no such account, or it was so
    /// before.
    pub fn set_head(&self, name: &str, head: bool) -> Made {
        self.change(vec![Step::must(
            "UPDATE account SET head = $1 WHERE name = $2 AND head <> $1",
            vec![int(head.into()), text(name)],
        )])
    }

    /// Somebody whom a provider vouches for has an account from now on. `false`: its name is taken, or they have
    /// one.
    pub fn add_subject(&self, subject: &SubjectRow, account: &AccountRow) -> Made {
        self.change(vec![insert_account(account), insert_subject(subject)])
    }

    /// What the provider says now of somebody. `false`: there is no such account, or it is disabled.
    pub fn follow_subject(
        &self,
        name: &str,
        full_name: &str,
        role: &str,
        agency: Option<&str>,
        areas: &[String],
    ) -> Made {
        self.change(vec![Step::must(
            "UPDATE account SET full_name = $1, role = $2, agency = $3, areas = $4 \
             WHERE name = $5 AND disabled_at IS NULL",
            vec![text(full_name), text(role), maybe(agency), text(&areas.join(" ")), text(name)],
        )])
    }

    /// Ends every session of the account but `keep`, and forgets its browsers. `false`: there is no such
    /// account, or it is disabled.
    pub fn set_password(&self, name: &str, password: &str, keep: Option<&str>) -> Made {
        let others = Step::new(
            "DELETE FROM account_session WHERE account = $1 AND digest <> $2",
            vec![text(name), text(keep.unwrap_or_default())],
        );
        let devices = Step::new("DELETE FROM account_device WHERE account = $1", vec![text(name)]);
        self.change(vec![set_password(name, password), others, devices, end_links(name)])
    }

    /// Nobody signs in to it any more, and its sessions end. `false`: there is none, or it was disabled.
    pub fn disable(&self, name: &str, now: TimeMs) -> Made {
        let disable = Step::must(
            "UPDATE account SET disabled_at = $1 WHERE name = $2 AND disabled_at IS NULL",
            vec![int(now.0), text(name)],
        );
        self.change(vec![disable, end_sessions(name), end_links(name)])
    }

    /// `false`: there is none, or it was not disabled.
    pub fn enable(&self, name: &str) -> Made {
        self.change(vec![Step::must(
            "UPDATE account SET disabled_at = NULL WHERE name = $1 AND disabled_at IS NOT NULL",
            vec![text(name)],
        )])
    }

    /// Begins a session, from a browser that is known from now on; forgets what is over.
    pub fn begin_session(&self, session: &SessionRow, device: &str, oldest_device: TimeMs) -> Made {
        self.change(vec![
            insert_session(session),
            insert_device(device, &session.account, session.began_at),
            Step::new("DELETE FROM account_session WHERE ends_at <= $1", vec![int(session.began_at)]),
            Step::new("DELETE FROM account_link WHERE expires_at <= $1", vec![int(session.began_at)]),
            Step::new("DELETE FROM account_device WHERE seen_at <= $1", vec![int(oldest_device.0)]),
        ])
    }

    /// `false`: it has ended already.
    pub fn end_session(&self, digest: &str) -> Made {
        self.change(vec![Step::must("DELETE FROM account_session WHERE digest = $1", vec![text(digest)])])
    }

    /// Signs the account out everywhere. `false`: there is no such account.
    pub fn end_sessions(&self, name: &str) -> Made {
        let known = Step::must("UPDATE account SET name = name WHERE name = $1", vec![text(name)]);
        self.change(vec![known, end_sessions(name)])
    }

    /// `false`: there is one with this id.
    pub fn add_token(&self, row: &TokenRow) -> Made {
        self.change(vec![insert_token(row)])
    }

    /// `false`: there is none that is still good.
    pub fn revoke_token(&self, id: &str, now: TimeMs) -> Made {
        self.change(vec![Step::must(
            "UPDATE account_token SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
            vec![int(now.0), text(id)],
        )])
    }

    /// A one-time link; an earlier one for the same account is good no more.
    pub fn add_link(&self, row: &LinkRow) -> Made {
        let earlier = match &row.account {
            Some(account) => end_links(account),
            None => Step::new("DELETE FROM account_link WHERE account IS NULL", Vec::new()),
        };
        let insert = Step::must(
            "INSERT INTO account_link (digest, account, expires_at) VALUES ($1, $2, $3)",
            vec![text(&row.digest), maybe(row.account.as_deref()), int(row.expires_at)],
        );
        self.change(vec![earlier, insert])
    }

    /// Uses a link to set its account's password and begin a session. `false`: the link is used, or over.
    pub fn redeem(
        &self,
        link: &str,
        password: &str,
        session: &SessionRow,
        device: &str,
        now: TimeMs,
    ) -> Made {
        self.change(vec![
            use_link(link, now),
            set_password(&session.account, password),
            end_sessions(&session.account),
            insert_session(session),
            insert_device(device, &session.account, now.0),
        ])
    }

    /// Uses the link of the first start to make an admin and begin a session. `false`: the link is used, or
    /// over, or the name is taken.
    pub fn redeem_first(
        &self,
        link: &str,
        admin: &AccountRow,
        session: &SessionRow,
        device: &str,
        now: TimeMs,
    ) -> Made {
        self.change(vec![
            use_link(link, now),
            insert_account(admin),
            insert_session(session),
            insert_device(device, &session.account, now.0),
        ])
    }

    /// Sets the second factor, or takes it away. `false`: there is no such account.
    pub fn set_totp(&self, name: &str, secret: Option<&str>, step: i64) -> Made {
        self.change(vec![Step::must(
            "UPDATE account SET totp = $1, totp_step = $2 WHERE name = $3",
            vec![maybe(secret), int(step), text(name)],
        )])
    }

    /// Uses a code of the second factor up. `false`: it, or a later one, was used already.
    pub fn use_totp(&self, name: &str, step: i64) -> Made {
        self.change(vec![Step::must(
            "UPDATE account SET totp_step = $1 WHERE name = $2 AND totp_step < $1",
            vec![int(step), text(name)],
        )])
    }

    /// `false`: there is one with this id.
    pub fn add_passkey(&self, row: &PasskeyRow) -> Made {
        self.change(vec![insert_passkey(row)])
    }

    /// What a use leaves. `false`: there is none any more.
    pub fn use_passkey(&self, id: &str, credential: &str, now: TimeMs) -> Made {
        self.change(vec![Step::must(
            "UPDATE account_passkey SET credential = $1, used_at = $2 WHERE id = $3",
            vec![text(credential), int(now.0), text(id)],
        )])
    }

    /// `false`: the account has none of this id.
    pub fn drop_passkey(&self, account: &str, id: &str) -> Made {
        self.change(vec![Step::must(
            "DELETE FROM account_passkey WHERE account = $1 AND id = $2",
            vec![text(account), text(id)],
        )])
    }

    /// All of an account. `false`: it has none.
    pub fn drop_passkeys(&self, account: &str) -> Made {
        self.change(vec![Step::must("DELETE FROM account_passkey WHERE account = $1", vec![text(account)])])
    }

    /// What a backup or another store holds, into a store that has no accounts yet. `false`: it has some.
    pub fn fill(&self, LastingRows { accounts, tokens, passkeys, subjects }: &LastingRows) -> Made {
        let empty = Step::must(
            "UPDATE account_revision SET n = n WHERE id = 1 AND NOT EXISTS (SELECT 1 FROM account) \
             AND NOT EXISTS (SELECT 1 FROM account_token)",
            Vec::new(),
        );
        let rows = accounts.iter().map(insert_account).chain(tokens.iter().map(insert_token));
        let rows =
            rows.chain(passkeys.iter().map(insert_passkey)).chain(subjects.iter().map(insert_subject));
        self.change([empty].into_iter().chain(rows).collect())
    }
}
