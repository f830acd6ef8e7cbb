//! Accounts of people whom a provider of single sign-on vouches for: bound by issuer and subject, made at the first
//! sign-in, and at each one what the provider's word makes them.

use sha2::{Digest, Sha256};

use super::secret::hex;
use super::sign_in::{SignInFault, SignedIn};
use super::{AccountEvent, Accounts, Scope, check_name, new_account};
use crate::journal::{AccountRow, SubjectRow};

/// Of a name, before a number that tells it from others.
const NAME_CHARS_MAX: usize = 28;
/// So many people of one name.
const NAMESAKES_MAX: usize = 99;
const FULL_NAME_CHARS_MAX: usize = 80;
/// Another server on the same database may take a name a moment before.
const TRIES_MAX: usize = 3;

/// What a provider says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// The provider's address.
    pub issuer: String,
    /// What it calls them, for good.
    pub subject: String,
    /// What they would like to be called by.
    pub username: Option<String>,
    pub full_name: Option<String>,
}

impl Accounts {
    /// Begins a session for somebody whom a provider vouches for, as what its word makes them. Waits for the disk.
    ///
    /// # Errors
    /// [`SignInFault::Wrong`] where the account is disabled.
    pub fn sign_in_vouched(
        &self,
        vouched: &Vouched,
        scope: &Scope,
        device: Option<&str>,
    ) -> Result<SignedIn, SignInFault> {
        let name = match self.known(vouched)? {
            Some(account) => self.follow(account, vouched, scope)?,
            None => self.add_vouched(vouched, scope)?,
        };
        self.begin_for(&name, device)
    }

    /// Ends the sessions of somebody whose provider no longer gives them anything to do here.
    ///
    /// # Errors
    /// Where the store cannot be written: they go on.
    pub fn end_vouched(&self, vouched: &Vouched) -> Result<(), SignInFault> {
        if let Some(account) = self.known(vouched)? {
            self.store.end_sessions(&account.name)?;
            self.look()?;
        }
        Ok(())
    }

    fn known(&self, vouched: &Vouched) -> Result<Option<AccountRow>, SignInFault> {
        // Another server on the same database may have met them first.
        self.look()?;
        let book = self.book.load();
        Ok(book.account_of(&vouched.issuer, &vouched.subject).map(|account| account.row.clone()))
    }

    /// The name of an account that is now what its provider says.
    fn follow(&self, row: AccountRow, vouched: &Vouched, scope: &Scope) -> Result<String, SignInFault> {
        let full_name = full_name(vouched).unwrap_or_else(|| row.full_name.clone());
        let role_was = (&*row.role, &row.agency, &row.areas);
        let has_other_role = role_was != (scope.role.key(), &scope.agency, &scope.areas);
        if has_other_role || full_name != row.full_name {
            let (role, agency) = (scope.role.key(), scope.agency.as_deref());
            if !self.store.follow_subject(&row.name, &full_name, role, agency, &scope.areas)? {
                return Err(SignInFault::Wrong);
            }
            if has_other_role {
                self.tell_of("account-role", &row.name, Some(role));
            }
            self.look()?;
        }
        match row.disabled_at {
            None => Ok(row.name),
            Some(_) => Err(SignInFault::Wrong),
        }
    }

    fn add_vouched(&self, vouched: &Vouched, scope: &Scope) -> Result<String, SignInFault> {
        for _ in 0..TRIES_MAX {
            let unfit = |detail| SignInFault::Unfit { field: "/name", detail };
            let now = self.clock.now();
            let account = new_account(&self.free_name(vouched), full_name(vouched).as_deref(), scope, now);
            let account = account.map_err(unfit)?;
            let subject = SubjectRow {
                issuer: vouched.issuer.clone(),
                subject: vouched.subject.clone(),
                account: account.name.clone(),
                created_at: now.0,
            };
            let is_added = self.store.add_subject(&subject, &account)?;
            self.look()?;
            if is_added {
                self.tell_of("account-added", &account.name, Some(scope.role.key()));
                return Ok(account.name);
            }
            if let Some(account) = self.known(vouched)? {
                return self.follow(account, vouched, scope);
            }
        }
        Err(SignInFault::NameTaken)
    }

    fn tell_of(&self, action: &str, subject: &str, detail: Option<&str>) {
        let subject = Some(subject);
        self.tell(&AccountEvent { action, subject, detail, ..AccountEvent::default() });
    }

    /// A name that nobody has: the wished one, or with a number behind it. Never another's: names stand in the
    /// journal beside what was done.
    fn free_name(&self, vouched: &Vouched) -> String {
        let book = self.book.load();
        let wished = vouched.username.as_deref().and_then(plain_name).unwrap_or_else(|| unnamed(vouched));
        let is_free = |name: &String| book.account(name).is_none();
        let others = (2..=NAMESAKES_MAX).map(|n| format!("{wished}-{n}"));
        let mut all = [wished.clone()].into_iter().chain(others);
        all.find(is_free).unwrap_or_else(|| unnamed(vouched))
    }
}

/// What a name is as an account's; `None` where nothing of it is left.
fn plain_name(username: &str) -> Option<String> {
    // Many providers call people by their e-mail address.
    let local = username.split('@').next().unwrap_or_default().to_lowercase();
    let plain: String = local
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' })
        .collect();
    let begins_well = plain.trim_start_matches(['.', '_', '-']);
    let name: String = begins_well.chars().take(NAME_CHARS_MAX).collect();
    check_name(&name).is_ok().then_some(name)
}

/// A name for whom the provider gives none.
fn unnamed(vouched: &Vouched) -> String {
    let digest =
        Sha256::new().chain_update(&vouched.issuer).chain_update("\0").chain_update(&vouched.subject);
    format!("sso-{}", &hex(&digest.finalize())[..12])
}

fn full_name(vouched: &Vouched) -> Option<String> {
    let name = vouched.full_name.as_deref()?;
    let name: String = name.chars().filter(|c| !c.is_control()).take(FULL_NAME_CHARS_MAX).collect();
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::Role;
    use crate::city::City;
    use crate::clock::ManualClock;
    use crate::journal::AccountStore;
    use crate::model::TimeMs;

    fn accounts() -> Arc<Accounts> {
        let pack = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("geodata/ternate");
        let city = Arc::new(City::load(&pack).expect("the pack is sound"));
        let clock = Arc::new(ManualClock::at(TimeMs(1_700_000_000_000)));
        Accounts::open(AccountStore::in_memory().expect("memory"), city, clock).expect("accounts")
    }

    fn vouched(subject: &str, username: &str) -> Vouched {
        Vouched {
            issuer: "https://sso.example".to_owned(),
            subject: subject.to_owned(),
            username: Some(username.to_owned()),
            full_name: Some("Ani Wijaya".to_owned()),
        }
    }

    fn scope(role: Role, agency: Option<&str>) -> Scope {
        Scope { role, agency: agency.map(str::to_owned), areas: Vec::new() }
    }

    #[test]
    fn one_person_has_one_account_which_is_what_the_provider_says() {
        let accounts = accounts();
        let sign_in = |who: &Vouched, scope: &Scope| {
            accounts.sign_in_vouched(who, scope, None).map(|signed_in| signed_in.pass)
        };
        let ani = vouched("17", "Ani.W@dinas.example");
        let first = sign_in(&ani, &scope(Role::Operator, None)).expect("a session");
        assert_eq!((&*first.who.name, first.who.role), ("ani.w", Role::Operator));
        assert!(accounts.is_of_provider("ani.w"));
        assert_eq!(accounts.full_name("ani.w").as_deref(), Some("Ani Wijaya"));
        // Another role the next day, and the sessions of before have it, too.
        let second = sign_in(&ani, &scope(Role::Agency, Some("dlh"))).expect("a session");
        assert_eq!((&*second.who.name, second.who.role), ("ani.w", Role::Agency));
        assert!(!accounts.holds(&first), "it was an operator's");
        accounts.end_vouched(&ani).expect("a store");
        assert!(!accounts.holds(&second));
        assert!(accounts.store().disable("ani.w", TimeMs(1)).expect("a store"));
        let refused = sign_in(&ani, &scope(Role::Operator, None)).err();
        assert!(matches!(refused, Some(SignInFault::Wrong)), "{refused:?}");
        let refused = sign_in(&ani, &scope(Role::Agency, Some("dlh"))).err();
        assert!(matches!(refused, Some(SignInFault::Wrong)), "{refused:?}");
    }

    #[test]
    fn nobody_gets_anothers_name() {
        let accounts = accounts();
        let local = new_account("ani", None, &scope(Role::Admin, None), TimeMs(1)).expect("a name");
        assert!(accounts.store().add_account(&local).expect("a store"));
        let operator = scope(Role::Operator, None);
        let name = |who: &Vouched| {
            accounts.sign_in_vouched(who, &operator, None).expect("a session").pass.who.name.clone()
        };
        assert_eq!(name(&vouched("1", "ani")), "ani-2");
        assert_eq!(name(&vouched("2", "Ani")), "ani-3");
        assert_eq!(name(&vouched("1", "ani")), "ani-2");
        assert_eq!(name(&vouched("3", "Siti Rahma")), "siti-rahma");
        let unnamed = name(&vouched("4", "测试"));
        assert!(unnamed.starts_with("sso-") && check_name(&unnamed).is_ok(), "{unnamed}");
        assert_eq!(name(&vouched("5", "loopback")).split('-').next(), Some("sso"));
        let other = Vouched { issuer: "https://other.example".to_owned(), ..vouched("1", "ani") };
        assert_eq!(name(&other), "ani-4", "another provider's number 1 is somebody else");
        assert_eq!(accounts.role("ani").as_deref(), Some("admin"));
    }
}
