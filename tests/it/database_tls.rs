//! An encrypted line to the database, and who may be at its other end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pantau::journal::{FolderMode, Place};
use pantau::model::{Command as Commit, TimeMs};
use tempfile::TempDir;

use crate::support::postgres::{Cluster, SETTINGS, shared, skipped};
use crate::support::{skipped_because, ternate};

/// Certificates made by the `openssl` that is on the machine.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// `None` where there is no `openssl`.
    fn new() -> Option<Certificates> {
        let there = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            skipped_because("TLS to the database", "openssl is not on this machine");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("pantau-tls-").tempdir().unwrap();
        Some(Certificates { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let done =
            Command::new("openssl").args(arguments.split(' ')).current_dir(self.folder.path()).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// One that vouches for itself, as PostgreSQL's manual makes it: `NAME.crt` and `NAME.key`.
    fn self_signed(&self, name: &str) {
        self.openssl(&format!(
            "req -new -x509 -days 30 -nodes -subj /CN={name} -keyout {name}.key -out {name}.crt"
        ));
    }

    /// One for 127.0.0.1 that `authority` vouches for.
    fn vouched(&self, name: &str, authority: &str) {
        fs::write(self.path("names"), "subjectAltName=IP:127.0.0.1").unwrap();
        self.openssl(&format!("req -new -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        self.openssl(&format!(
            "x509 -req -days 30 -in {name}.csr -CA {authority}.crt -CAkey {authority}.key -CAcreateserial -extfile names -out {name}.crt"
        ));
    }

    /// A server that shows this one.
    fn serve(&self, name: &str) -> Option<Cluster> {
        let settings = [
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", self.path(&format!("{name}.crt")).display()),
            format!("ssl_key_file={}", self.path(&format!("{name}.key")).display()),
        ];
        let settings: Vec<&str> = SETTINGS.into_iter().chain(settings.iter().map(String::as_str)).collect();
        // The server runs as a user of its own where we are root; it wants its key for itself alone.
        let _ = Command::new("chown")
            .args(["-R", "postgres"])
            .arg(self.folder.path())
            .stderr(Stdio::null())
            .status();
        let cluster = Cluster::start(&settings).unwrap();
        if cluster.is_none() {
            skipped("TLS to the database");
        }
        cluster
    }
}

/// Opens the journal and commits an entry, or says why not.
fn commit(url: &str) -> Result<(), String> {
    let place = Place::Database(url.parse()?);
    let mut journal = place.open(ternate(), FolderMode::Live).map_err(|e| e.to_string())?;
    journal.append(vec![Commit::Tick], TimeMs(0), None).map(drop).map_err(|e| e.to_string())
}

fn verified_by(url: &str, root: &Path) -> String {
    format!("{url}?sslmode=verify-full&sslrootcert={}", root.display())
}

#[test]
fn a_database_is_known_by_its_own_certificate_and_every_session_is_encrypted() {
    let Some(certificates) = Certificates::new() else { return };
    certificates.self_signed("database");
    certificates.self_signed("stranger");
    let Some(cluster) = certificates.serve("database") else { return };
    let url = cluster.new_database().unwrap();
    let place = Place::Database(verified_by(&url, &certificates.path("database.crt")).parse().unwrap());
    let mut journal = place.open(ternate(), FolderMode::Live).unwrap_or_else(|e| panic!("{e}"));
    journal.append(vec![Commit::Tick], TimeMs(0), None).unwrap();
    assert_eq!(journal.reader().entries(pantau::model::Seq(0), 10).unwrap().len(), 1);
    let sessions = "SELECT count(*), bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) \
                    WHERE a.application_name = 'pantau'";
    let sessions = cluster.query("postgres", sessions).unwrap();
    assert!(sessions.trim().ends_with("|t") && !sessions.starts_with("0|"), "{sessions}");
    drop(journal);

    let refused = commit(&verified_by(&url, &certificates.path("stranger.crt"))).unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
    commit(&format!("{url}?sslmode=require")).unwrap();
    let empty = commit(&verified_by(&url, &certificates.path("database.key"))).unwrap_err();
    assert!(empty.contains("sslrootcert") && empty.contains("holds none"), "{empty}");
    let nowhere = commit(&verified_by(&url, Path::new("/nowhere.crt"))).unwrap_err();
    assert!(nowhere.contains("/nowhere.crt (sslrootcert)"), "{nowhere}");
}

#[test]
fn an_authority_vouches_for_a_database_under_its_name_alone() {
    let Some(certificates) = Certificates::new() else { return };
    certificates.self_signed("authority");
    certificates.vouched("database", "authority");
    let Some(cluster) = certificates.serve("database") else { return };
    let url = cluster.new_database().unwrap();
    let root = certificates.path("authority.crt");
    commit(&verified_by(&url, &root)).unwrap();
    let elsewhere = url.replace("127.0.0.1", "localhost");
    let refused = commit(&verified_by(&elsewhere, &root)).unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");
}

#[test]
fn a_database_that_does_not_encrypt_is_not_spoken_to_in_the_clear() {
    let Some(cluster) = shared() else { return };
    let url = cluster.new_database().unwrap();
    let refused = commit(&format!("{url}?sslmode=require")).unwrap_err();
    assert!(refused.contains("TLS"), "{refused}");
    cluster.drop_database(&url).unwrap();
}
