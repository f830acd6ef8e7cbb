//! One set of promises, over the file, memory and the database.

use super::*;
use crate::journal::StoreUrl;
use crate::journal::postgres_server::shared;
use crate::model::TimeMs;

const NOW: TimeMs = TimeMs(1_700_000_000_000);

fn account(name: &str) -> AccountRow {
    AccountRow { areas: vec!["82.71".into(), "82.72".into()], ..AccountRow::new(name, "responder", NOW) }
}

fn session(digest: &str, account: &str) -> SessionRow {
    SessionRow { digest: digest.into(), account: account.into(), began_at: NOW.0, ends_at: NOW.0 + 1_000 }
}

fn token(id: &str, scopes: Option<&[&str]>) -> TokenRow {
    TokenRow {
        id: id.into(),
        digest: format!("digest of {id}"),
        label: "a wall".into(),
        kiosk: true,
        role: "viewer".into(),
        agency: Some("dlh".into()),
        areas: Vec::new(),
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        created_at: NOW.0,
        expires_at: None,
        revoked_at: None,
    }
}

fn check(store: &AccountStore) {
    let first = store.revision().unwrap();
    assert!(store.add_account(&account("ani")).unwrap());
    assert!(!store.add_account(&account("ani")).unwrap());
    assert!(store.add_account(&account("budi")).unwrap());
    // A change that was not made does not count as one.
    assert_eq!(store.revision().unwrap(), first + 2);
    assert!(store.set_role("ani", "agency", Some("dlh"), &[]).unwrap());
    assert!(!store.set_role("nobody", "viewer", None, &[]).unwrap());
    assert!(store.set_head("ani", true).unwrap());
    assert!(!store.set_head("ani", true).unwrap());
    assert!(!store.set_head("nobody", true).unwrap());

    assert!(store.begin_session(&session("s1", "ani"), "d1", TimeMs(0)).unwrap());
    assert!(store.begin_session(&session("s2", "ani"), "d1", TimeMs(0)).unwrap());
    assert!(store.set_password("ani", "$argon2id$1", Some("s2")).unwrap());
    let rows = store.load().unwrap();
    let ani = &rows.accounts[0];
    assert_eq!((&*ani.role, ani.agency.as_deref(), ani.areas.len()), ("agency", Some("dlh"), 0));
    assert_eq!(ani.password.as_deref(), Some("$argon2id$1"));
    assert!(ani.head);
    assert_eq!(rows.accounts[1], account("budi"));
    assert_eq!(rows.sessions, [session("s2", "ani")]);
    assert_eq!((rows.devices.len(), rows.revision), (0, store.revision().unwrap()));

    assert!(store.disable("ani", NOW).unwrap());
    assert!(!store.disable("ani", NOW).unwrap());
    assert!(!store.set_password("ani", "$argon2id$2", None).unwrap());
    assert_eq!(store.load().unwrap().sessions, []);
    assert!(store.enable("ani").unwrap());

    // A link is good once, and of two for one account the later one is.
    let link = |digest: &str, account: Option<&str>| LinkRow {
        digest: digest.into(),
        account: account.map(str::to_owned),
        expires_at: NOW.0 + 1_000,
    };
    assert!(store.add_link(&link("l1", Some("ani"))).unwrap());
    assert!(store.add_link(&link("l2", Some("ani"))).unwrap());
    let redeem = |link: &str, now| store.redeem(link, "$argon2id$3", &session("s3", "ani"), "d2", now);
    assert!(!redeem("l1", NOW).unwrap());
    assert!(!redeem("l2", NOW.plus_ms(1_000)).unwrap());
    assert!(redeem("l2", NOW).unwrap());
    assert!(!redeem("l2", NOW).unwrap());
    // One that is not used up, because something else was wrong, is good still.
    assert!(store.add_link(&link("l3", None)).unwrap());
    let first = |name: &str, digest: &str| {
        store.redeem_first("l3", &account(name), &session(digest, name), "d3", NOW)
    };
    assert!(!first("ani", "s4").unwrap());
    assert!(first("citra", "s4").unwrap());
    assert!(!first("dewi", "s5").unwrap());
    assert_eq!(store.load().unwrap().links, []);
    assert!(store.end_session("s4").unwrap());
    assert!(!store.end_session("s4").unwrap());
    assert!(store.end_sessions("ani").unwrap());
    assert!(!store.end_sessions("nobody").unwrap());
    assert_eq!(store.load().unwrap().sessions, []);

    // A code of the second factor counts once, and none before it.
    assert!(store.set_totp("ani", Some("00ff"), 5).unwrap());
    assert!(!store.use_totp("ani", 5).unwrap());
    assert!(store.use_totp("ani", 7).unwrap());
    assert!(!store.use_totp("ani", 6).unwrap());

    assert!(store.add_token(&token("t1", Some(&["import", "see-map"]))).unwrap());
    assert!(store.add_token(&token("t2", Some(&[]))).unwrap());
    assert!(store.add_token(&token("t3", None)).unwrap());
    assert!(!store.add_token(&token("t3", None)).unwrap());
    assert!(store.revoke_token("t1", NOW).unwrap());
    assert!(!store.revoke_token("t1", NOW).unwrap());
    let revoked = TokenRow { revoked_at: Some(NOW.0), ..token("t1", Some(&["import", "see-map"])) };
    assert_eq!(store.load().unwrap().tokens, [revoked, token("t2", Some(&[])), token("t3", None)]);

    // A passkey is one account's, and is used only while it is there.
    let passkey = |id: &str| PasskeyRow {
        id: id.to_owned(),
        account: "ani".to_owned(),
        label: "telepon".to_owned(),
        host: "peta.example".to_owned(),
        credential: "{}".to_owned(),
        created_at: NOW.0,
        used_at: None,
    };
    assert!(store.add_passkey(&passkey("p1")).unwrap() && store.add_passkey(&passkey("p2")).unwrap());
    assert!(!store.add_passkey(&passkey("p1")).unwrap());
    assert!(store.use_passkey("p1", "{\"n\":1}", NOW).unwrap());
    assert!(!store.use_passkey("p3", "{}", NOW).unwrap());
    assert!(!store.drop_passkey("budi", "p2").unwrap() && store.drop_passkey("ani", "p2").unwrap());
    let used = PasskeyRow { credential: "{\"n\":1}".to_owned(), used_at: Some(NOW.0), ..passkey("p1") };
    assert_eq!(store.load().unwrap().passkeys, [used]);
    check_subjects(store);
    check_events(store);

    // What lasts goes into a store that has nothing yet, and into no other.
    let lasting = store.lasting().unwrap();
    assert_eq!((lasting.tokens.len(), lasting.passkeys.len(), lasting.subjects.len()), (3, 1, 1));
    let empty = AccountStore::in_memory().unwrap();
    assert!(empty.fill(&lasting).unwrap());
    assert_eq!(empty.lasting().unwrap(), lasting);
    assert!(!empty.fill(&lasting).unwrap());
}

/// One account for each whom a provider vouches for, and no password.
fn check_subjects(store: &AccountStore) {
    let subject = |subject: &str, account: &str| SubjectRow {
        issuer: "https://sso.example".to_owned(),
        subject: subject.to_owned(),
        account: account.to_owned(),
        created_at: NOW.0,
    };
    assert!(!store.add_subject(&subject("17", "ani"), &account("ani")).unwrap(), "the name is taken");
    assert!(store.add_subject(&subject("17", "fitri"), &account("fitri")).unwrap());
    assert!(!store.add_subject(&subject("17", "gani"), &account("gani")).unwrap(), "they have an account");
    let rows = store.load().unwrap();
    assert_eq!(rows.subjects, [subject("17", "fitri")]);
    assert!(rows.accounts.iter().all(|account| account.name != "gani"));
    assert!(!store.set_password("fitri", "$argon2id$1", None).unwrap());
    let areas = ["82.71".to_owned()];
    assert!(store.follow_subject("fitri", "Fitri S.", "responder", None, &areas).unwrap());
    assert!(store.disable("fitri", NOW).unwrap());
    assert!(!store.follow_subject("fitri", "Fitri", "admin", None, &[]).unwrap());
    let rows = store.load().unwrap();
    let fitri = rows.accounts.iter().find(|account| account.name == "fitri").unwrap();
    assert_eq!((&*fitri.full_name, &*fitri.role, &fitri.areas[..]), ("Fitri S.", "responder", &areas[..]));
}

/// Events come newest first, and go after a while.
fn check_events(store: &AccountStore) {
    let event = |at: i64, actor: Option<&str>, action: &str| EventRow {
        id: 0,
        at: NOW.plus_ms(at),
        actor: actor.map(str::to_owned),
        action: action.to_owned(),
        subject: (action == "account-role").then(|| "budi".to_owned()),
        network: Some("192.0.2.1".to_owned()),
        detail: None,
    };
    let before = store.revision().unwrap();
    let events = [
        event(0, Some("ani"), "sign-in"),
        event(5, None, "sign-in-refused"),
        event(5, Some("ani"), "account-role"),
        event(9, Some("budi"), "sign-in"),
    ];
    store.add_events(&events).unwrap();
    store.add_events(&[]).unwrap();
    assert_eq!(store.revision().unwrap(), before, "no copy in memory is old by it");
    let ask = |question: EventQuestion, limit| {
        let found = store.events(&question, limit).unwrap();
        found.into_iter().map(|row| (row.at.since(NOW), row.action, row.id)).collect::<Vec<_>>()
    };
    let all = ask(EventQuestion::default(), 10);
    let ats: Vec<i64> = all.iter().map(|(at, ..)| *at).collect();
    assert_eq!(ats, [9, 5, 5, 0]);
    assert_eq!(ask(EventQuestion::default(), 2), all[..2]);
    let after = EventQuestion { before: Some((NOW.plus_ms(5), all[1].2)), ..EventQuestion::default() };
    assert_eq!(ask(after, 10), all[2..]);
    let since = EventQuestion { since: Some(NOW.plus_ms(5)), ..EventQuestion::default() };
    assert_eq!(ask(since, 10), all[..3]);
    let of_budi = EventQuestion { actor: Some("budi".to_owned()), ..EventQuestion::default() };
    assert_eq!(ask(of_budi, 10).iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [9, 5]);
    let refused = EventQuestion { action: Some("sign-in-refused".to_owned()), ..EventQuestion::default() };
    assert_eq!(ask(refused, 10).len(), 1);
    store.add_events(&[event(EVENT_DAYS * 86_400_000 + 6, None, "sign-in-refused")]).unwrap();
    assert_eq!(ask(EventQuestion::default(), 10).len(), 2, "what is too old goes");
    check_copy(store);
}

/// Into a store without events they go with their ids, again and again, and what comes later has others.
fn check_copy(store: &AccountStore) {
    let all = store.events_from(i64::MIN, i64::MAX, 10).unwrap();
    assert_eq!(store.event_ids().unwrap(), Some((all[0].id, all[1].id)));
    assert_eq!(store.events_from(all[1].id, i64::MAX, 10).unwrap(), all[1..]);
    assert_eq!(store.events_from(i64::MIN, i64::MAX, 1).unwrap(), all[..1]);
    let empty = AccountStore::in_memory().unwrap();
    assert_eq!(empty.event_ids().unwrap(), None);
    for copy in [&empty, store] {
        copy.put_events(&all).unwrap();
        copy.put_events(&all).unwrap();
        assert_eq!(copy.events_from(i64::MIN, i64::MAX, 10).unwrap(), all);
    }
    empty.add_events(&[EventRow { id: 0, ..all[1].clone() }]).unwrap();
    assert_eq!(empty.event_ids().unwrap(), Some((all[0].id, all[1].id + 1)));
}

#[test]
fn accounts_in_memory_keep_the_promises() {
    check(&AccountStore::in_memory().unwrap());
}

#[test]
fn accounts_in_a_folder_keep_the_promises_and_last() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = AccountStore::in_folder(folder.path()).unwrap();
    check(&store);
    let beside = AccountStore::in_folder(folder.path()).unwrap();
    assert_eq!(beside.load().unwrap(), store.load().unwrap());
    let before = beside.revision().unwrap();
    assert!(store.add_account(&account("eka")).unwrap());
    assert_eq!(beside.revision().unwrap(), before + 1);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn accounts_in_a_database_keep_the_promises_for_every_server_on_it() {
    let Some(cluster) = shared() else { return };
    let text = cluster.new_database().unwrap();
    let url: StoreUrl = text.parse().unwrap();
    let store = AccountStore::open(&Place::Database(url.clone())).unwrap();
    check(&store);
    let other = AccountStore::open(&Place::Database(url)).unwrap();
    assert_eq!(other.load().unwrap(), store.load().unwrap());
    // Ids of another store are not given out again.
    let at = NOW.plus_ms(EVENT_DAYS * 86_400_000 + 7);
    let event = |id| EventRow {
        id,
        at,
        actor: None,
        action: "sign-in".to_owned(),
        subject: None,
        network: None,
        detail: None,
    };
    store.put_events(&[event(900)]).unwrap();
    store.add_events(&[event(0)]).unwrap();
    assert_eq!(store.event_ids().unwrap().map(|(_, newest)| newest), Some(901));
    // A connection that was cut is made anew.
    let name = text.rsplit('/').next().unwrap();
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    );
    cluster.query("postgres", &cut).unwrap();
    let revision = (0..20).find_map(|_| store.revision().ok());
    assert_eq!(revision, other.load().ok().or_else(|| other.load().ok()).map(|rows| rows.revision));
    drop((store, other));
    cluster.drop_database(&text).unwrap();
}
