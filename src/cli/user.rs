//! `pantau user` and `pantau token`: who may sign in, beside the running server or without it.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::Defaults;
use super::time;
use crate::access::{Permission, Permissions, Role};
use crate::accounts::{
    AccountEvent, NewToken, Scope, first_link, hash_password, link_for, new_account, new_token,
};
use crate::city::City;
use crate::journal::{AccountStore, Place};
use crate::model::{DAY_MS, TimeMs};

/// A token of a program is good for this long where nothing else is said.
const TOKEN_DAYS: u32 = 365;
/// Nobody plans farther ahead.
const TOKEN_DAYS_MAX: u32 = 3_650;

/// Where the accounts are, and for which city.
#[derive(Args)]
pub struct WhereArgs {
    /// The data folder [default: var]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The database, where the journal is in one
    #[arg(long, value_name = "postgres://…", conflicts_with = "data")]
    pub store: Option<String>,
    /// City pack: its agencies and areas [default: geodata/ternate]
    #[arg(long, value_name = "DIR")]
    city: Option<PathBuf>,
    /// Address of the server, for links [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// What a role is for.
#[derive(Args)]
struct ScopeArgs {
    /// viewer, responder, agency, operator, supervisor or admin
    #[arg(long, value_parser = role)]
    role: Role,
    /// Of the role agency: whose incidents, by its key in the city pack
    #[arg(long, value_name = "KEY")]
    agency: Option<String>,
    /// Of the role responder: code of an area; by comma, or several times
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    area: Vec<String>,
}

/// Look after the people who may sign in
///
/// Works beside the running server, which notices within a second, and while it is stopped. The first admin:
/// pantau user link. Another account:  pantau user add ani --role operator
#[derive(Args)]
pub struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an account; prints a one-time link with which its owner chooses the password
    Add {
        /// What the journal remembers who acted by; never changed
        name: String,
        #[command(flatten)]
        scope: ScopeArgs,
        /// What people call them
        #[arg(long, value_name = "TEXT")]
        full_name: Option<String>,
        /// Read the password from the first line of the input instead
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// List the accounts
    List {
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Change what an account may do; its open screens follow within two seconds
    Role {
        name: String,
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Tell an account what is late once it is the head of the center's, whatever its role
    Head {
        name: String,
        /// No more
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Let the owner choose a new password: prints a one-time link. Sessions end when it is used
    Password {
        name: String,
        /// Read the password from the first line of the input instead; sessions end at once
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Take the second factor off an account whose authenticator is lost
    DropTotp {
        name: String,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Take all passkeys off an account: when a telephone is lost
    DropPasskeys {
        name: String,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Sign an account out everywhere: at the end of a shift, or when a telephone is lost
    SignOut {
        name: String,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Nobody signs in to the account any more; what it did stays its own
    Disable {
        name: String,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Undo disable
    Enable {
        name: String,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Print a one-time link with which an admin's account is made; good for an hour
    Link {
        #[command(flatten)]
        at: WhereArgs,
    },
}

/// Look after the tokens of programs and walls
///
/// A program sends its token as  Authorization: Bearer TOKEN. A wall opens the link that create prints.
#[derive(Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token; it is the last word that is printed, and is not shown again
    Create {
        #[command(flatten)]
        scope: ScopeArgs,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// For less than the role may: permissions by comma, for instance see-map,import
        #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',')]
        only: Vec<String>,
        /// Days until it expires [default: 365]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(TOKEN_DAYS_MAX)))]
        days: Option<u32>,
        /// For a wall: never expires, and can only look. Goes with --role viewer
        #[arg(long, conflicts_with_all = ["days", "only"])]
        kiosk: bool,
        #[command(flatten)]
        at: WhereArgs,
    },
    /// List the tokens, without their secrets
    List {
        #[command(flatten)]
        at: WhereArgs,
    },
    /// Make a token good for nothing, at once
    Revoke {
        /// As list and create name it
        id: String,
        #[command(flatten)]
        at: WhereArgs,
    },
}

fn role(key: &str) -> Result<Role, String> {
    Role::from_key(key).ok_or_else(|| format!("known are {}", Role::keys()))
}

impl UserArgs {
    pub fn place(&self) -> &WhereArgs {
        match &self.command {
            UserCommand::Add { at, .. }
            | UserCommand::List { at }
            | UserCommand::Role { at, .. }
            | UserCommand::Head { at, .. }
            | UserCommand::Password { at, .. }
            | UserCommand::DropTotp { at, .. }
            | UserCommand::DropPasskeys { at, .. }
            | UserCommand::SignOut { at, .. }
            | UserCommand::Disable { at, .. }
            | UserCommand::Enable { at, .. }
            | UserCommand::Link { at } => at,
        }
    }
}

impl TokenArgs {
    pub fn place(&self) -> &WhereArgs {
        match &self.command {
            TokenCommand::Create { at, .. }
            | TokenCommand::List { at }
            | TokenCommand::Revoke { at, .. } => at,
        }
    }
}

impl ScopeArgs {
    fn check(self, at: &WhereArgs, defaults: &Defaults) -> anyhow::Result<Scope> {
        // Only these two ask the city pack, which takes a moment to read.
        let city = match self.agency.is_some() || !self.area.is_empty() {
            true => Some(City::load(at.city.as_ref().unwrap_or(&defaults.city))?),
            false => None,
        };
        Scope::new(self.role, self.agency, self.area, city.as_ref()).map_err(anyhow::Error::msg)
    }
}

/// # Errors
/// In words: what is wrong with what was asked, or with the store.
pub fn run(args: UserArgs, place: &Place, defaults: &Defaults) -> anyhow::Result<()> {
    let store = AccountStore::open(place)?;
    let now = time::now();
    match args.command {
        UserCommand::Add { name, scope, full_name, password_stdin, at } => {
            let scope = scope.check(&at, defaults)?;
            let mut account =
                new_account(&name, full_name.as_deref(), &scope, now).map_err(anyhow::Error::msg)?;
            if password_stdin {
                account.password =
                    Some(hash_password(&read_password()?, &name).map_err(anyhow::Error::msg)?);
            }
            if !store.add_account(&account)? {
                bail!("there is an account {name} already; names are never given out twice");
            }
            tell(&store, now, "account-added", &name, Some(scope.role.key()))?;
            println!("{name} is {} now", scope.role.key());
            if !password_stdin {
                print_link(&link_for(&store, &name, now)?, &at, defaults, "72 hours");
            }
            Ok(())
        }
        UserCommand::List { .. } => list_users(&store),
        UserCommand::Role { name, scope, at } => {
            let scope = scope.check(&at, defaults)?;
            known(store.set_role(&name, scope.role.key(), scope.agency.as_deref(), &scope.areas)?, &name)?;
            tell(&store, now, "account-role", &name, Some(scope.role.key()))?;
            println!("{name} is {} now", scope.role.key());
            Ok(())
        }
        UserCommand::Head { name, off, .. } => {
            known(store.set_head(&name, !off)?, &name)?;
            tell(&store, now, "account-head", &name, Some(if off { "off" } else { "on" }))?;
            println!("{name} is {} what is the head's", if off { "no more told" } else { "told" });
            Ok(())
        }
        UserCommand::Password { name, .. } if is_of_provider(&store, &name)? => bail!(
            "{name} signs in at the province's provider and has no password here; give somebody an account of the \
             center's own instead: pantau user add"
        ),
        UserCommand::Password { name, password_stdin: true, .. } => {
            let password = hash_password(&read_password()?, &name).map_err(anyhow::Error::msg)?;
            known(store.set_password(&name, &password, None)?, &name)?;
            tell(&store, now, "password-changed", &name, None)?;
            println!("{name} has a new password and is signed out everywhere");
            Ok(())
        }
        UserCommand::Password { name, at, .. } => {
            let accounts = store.load()?.accounts;
            let may = accounts.iter().any(|account| account.name == name && account.disabled_at.is_none());
            known(may, &name)?;
            let link = link_for(&store, &name, now)?;
            tell(&store, now, "link-made", &name, None)?;
            print_link(&link, &at, defaults, "72 hours");
            Ok(())
        }
        UserCommand::DropTotp { name, .. } => {
            known(store.set_totp(&name, None, 0)?, &name)?;
            tell(&store, now, "second-factor-off", &name, None)?;
            println!("{name} signs in without a second factor now");
            Ok(())
        }
        UserCommand::DropPasskeys { name, .. } => {
            known(store.load()?.accounts.iter().any(|account| account.name == name), &name)?;
            let had_some = store.drop_passkeys(&name)?;
            if had_some {
                tell(&store, now, "passkey-removed", &name, Some("all"))?;
            }
            println!("{name} {} passkeys", if had_some { "has no more" } else { "had no" });
            Ok(())
        }
        UserCommand::SignOut { name, .. } => {
            known(store.end_sessions(&name)?, &name)?;
            tell(&store, now, "signed-out", &name, None)?;
            println!("{name} is signed out everywhere");
            Ok(())
        }
        UserCommand::Disable { name, .. } => {
            known(store.disable(&name, now)?, &name)?;
            tell(&store, now, "account-disabled", &name, None)?;
            println!("{name} is disabled and signed out everywhere");
            Ok(())
        }
        UserCommand::Enable { name, .. } => {
            known(store.enable(&name)?, &name)?;
            tell(&store, now, "account-enabled", &name, None)?;
            println!("{name} may sign in again");
            Ok(())
        }
        UserCommand::Link { at } => {
            let link = first_link(&store, now)?;
            tell(&store, now, "link-made", "", Some("first admin"))?;
            print_link(&link, &at, defaults, "an hour");
            Ok(())
        }
    }
}

/// Whether a provider of single sign-on vouches for whose account it is.
fn is_of_provider(store: &AccountStore, name: &str) -> anyhow::Result<bool> {
    Ok(store.load()?.subjects.iter().any(|subject| subject.account == name))
}

/// # Errors
/// In words: what is wrong with what was asked, or with the store.
pub fn run_token(args: TokenArgs, place: &Place, defaults: &Defaults) -> anyhow::Result<()> {
    let store = AccountStore::open(place)?;
    let now = time::now();
    match args.command {
        TokenCommand::Create { scope, label, only, days, kiosk, at } => {
            let scope = scope.check(&at, defaults)?;
            if kiosk && scope.role != Role::Viewer {
                bail!("a wall only looks: make its token with --role viewer");
            }
            let days = i64::from(days.unwrap_or(TOKEN_DAYS));
            let expires_at = (!kiosk).then_some(now.plus_ms(days * DAY_MS));
            let only = permissions(&only)?;
            let (secret, row) = new_token(NewToken { label, scope, kiosk, only, expires_at }, now)?;
            if !store.add_token(&row)? {
                bail!("another token has this name by chance; run it again");
            }
            tell(&store, now, "token-made", &format!("token:{}", row.id), Some(&row.role))?;
            let until = row.expires_at.map_or("for ever".to_owned(), |at| format!("until {}", TimeMs(at)));
            println!("token {} of role {}, good {until}", row.id, row.role);
            if kiosk {
                println!("The wall opens {}/login?next=/wall#token={secret}", base(&at, defaults));
            }
            println!("{secret}");
            Ok(())
        }
        TokenCommand::List { .. } => list_tokens(&store, now),
        TokenCommand::Revoke { id, .. } => {
            if !store.revoke_token(&id, now)? {
                bail!("there is no token {id} that is still good; pantau token list names them");
            }
            tell(&store, now, "token-revoked", &format!("token:{id}"), None)?;
            println!("{id} is revoked");
            Ok(())
        }
    }
}

fn permissions(keys: &[String]) -> anyhow::Result<Option<Permissions>> {
    let read = |key: &String| {
        let known: Vec<&str> = Permission::all().map(Permission::key).collect();
        let known = known.join(", ");
        Permission::from_key(key.trim())
            .with_context(|| format!("{key:?} is no permission; known are {known}"))
    };
    let read: Vec<Permission> = keys.iter().map(read).collect::<anyhow::Result<_>>()?;
    Ok((!read.is_empty()).then(|| Permissions::of(read)))
}

/// Writes down for the audit what a command did.
fn tell(
    store: &AccountStore,
    now: TimeMs,
    action: &str,
    subject: &str,
    detail: Option<&str>,
) -> anyhow::Result<()> {
    let subject = Some(subject).filter(|subject| !subject.is_empty());
    let actor = Some("command");
    let event = AccountEvent { actor, action, subject, network: None, detail };
    Ok(store.add_events(&[event.row(now)])?)
}

fn known(is_known: bool, name: &str) -> anyhow::Result<()> {
    if !is_known {
        bail!("there is no account {name}, or it is not in that state; pantau user list names them");
    }
    Ok(())
}

fn base(at: &WhereArgs, defaults: &Defaults) -> String {
    at.url.as_ref().unwrap_or(&defaults.url).trim_end_matches('/').to_owned()
}

/// The secret stands behind a `#`: browsers keep that part to themselves.
fn print_link(secret: &str, at: &WhereArgs, defaults: &Defaults, good_for: &str) {
    println!("One-time link, good for {good_for}:");
    println!("{}/login#link={secret}", base(at, defaults));
}

fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        eprintln!(
            "Type the password, then Enter; it is shown as you type. A one-time link is safer: leave --password-stdin out."
        );
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the password cannot be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn list_users(store: &AccountStore) -> anyhow::Result<()> {
    let rows = store.load()?;
    for account in &rows.accounts {
        let sessions = rows.sessions.iter().filter(|session| session.account == account.name).count();
        let state = match (account.disabled_at, &account.password) {
            (Some(at), _) => format!("disabled since {}", TimeMs(at)),
            (None, None) => "waits for its owner to choose a password".to_owned(),
            (None, Some(_)) if account.totp.is_some() => format!("{sessions} session(s), second factor"),
            (None, Some(_)) => format!("{sessions} session(s)"),
        };
        let head = account.head.then_some("head");
        let part = account.agency.iter().chain(&account.areas).map(String::as_str).chain(head);
        let part = part.collect::<Vec<_>>();
        println!("{:<20} {:<11} {:<24} {state}", account.name, account.role, part.join(" "));
    }
    if rows.accounts.is_empty() {
        println!("no accounts yet; pantau user link makes the first admin");
    }
    Ok(())
}

fn list_tokens(store: &AccountStore, now: TimeMs) -> anyhow::Result<()> {
    for token in store.load()?.tokens {
        let state = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => format!("revoked {}", TimeMs(at)),
            (None, Some(at)) if TimeMs(at) <= now => format!("over since {}", TimeMs(at)),
            (None, Some(at)) => format!("until {}", TimeMs(at)),
            (None, None) => "for ever".to_owned(),
        };
        let kind = if token.kiosk { "wall" } else { "program" };
        let only = token.scopes.map_or(String::new(), |only| format!(" only {}", only.join(",")));
        println!("{} {:<11} {kind:<7} {state}{only} {}", token.id, token.role, token.label);
    }
    Ok(())
}
