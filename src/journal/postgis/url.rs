//! Where the database is: `postgres://user:password@host:port/name`. Never shows the password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::TlsSettings;

/// A connection that is not made within this is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A peer that acknowledges nothing for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The address of a PostgreSQL database. `Display` and `Debug` leave user and password out.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    config: Box<Config>,
    /// `None`: the line is not encrypted.
    tls: Option<TlsSettings>,
}

impl StoreUrl {
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> Option<&TlsSettings> {
        self.tls.as_ref()
    }
}

/// Takes `sslmode` and `sslrootcert` out of an address; the rest of it, and what they ask for.
fn take_tls(text: &str) -> Result<(String, Option<TlsSettings>), String> {
    let Some((base, query)) = text.split_once('?') else { return Ok((text.to_owned(), None)) };
    let (mut mode, mut root, mut rest) = ("prefer", None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = value,
            Some(("sslrootcert", value)) => root = Some(PathBuf::from(value)),
            _ => rest.push(pair),
        }
    }
    let tls = match (mode, root) {
        ("disable" | "allow" | "prefer", None) => None,
        ("disable" | "allow" | "prefer", Some(_)) => {
            return Err("sslrootcert names whom to believe, and sslmode does not ask for TLS; write sslmode=verify-full".to_owned());
        }
        ("require", root) => Some(TlsSettings { root }),
        ("verify-full", Some(root)) => Some(TlsSettings { root: Some(root) }),
        ("verify-full", None) => {
            return Err("sslmode=verify-full needs to know whom to believe; add sslrootcert=FILE, the database's certificate or that of its authority".to_owned());
        }
        _ => {
            return Err("sslmode can be disable, require or verify-full".to_owned());
        }
    };
    let rest = rest.join("&");
    Ok((if rest.is_empty() { base.to_owned() } else { format!("{base}?{rest}") }, tls))
}

impl FromStr for StoreUrl {
    type Err = String;

    /// The error never repeats the address: it may hold a password.
    fn from_str(text: &str) -> Result<StoreUrl, String> {
        const EXAMPLE: &str = "write postgres://USER@HOST:5432/DATABASE; the password may stand behind the user, or in PGPASSWORD";
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(format!("the store is no address of a PostgreSQL database; {EXAMPLE}"));
        }
        let (text, tls) = take_tls(text)?;
        let mut config: Box<Config> = text
            .parse()
            .map(Box::new)
            .map_err(|_| format!("the address of the database cannot be understood; {EXAMPLE}"))?;
        if config.get_dbname().is_none() || config.get_hosts().is_empty() {
            return Err(format!("the address of the database names no host or no database; {EXAMPLE}"));
        }
        if tls.is_some() {
            let is_name = |host: &Host| matches!(host, Host::Tcp(_));
            if !config.get_hosts().iter().all(is_name) {
                return Err("TLS is for a database on the network; leave sslmode out where it is reached by a socket file".to_owned());
            }
            config.ssl_mode(SslMode::Require);
        }
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        config.application_name("pantau").connect_timeout(CONNECT_TIMEOUT);
        config.keepalives(true).keepalives_idle(SILENCE_MAX).tcp_user_timeout(SILENCE_MAX);
        Ok(StoreUrl { config, tls })
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        let ports = self.config.get_ports();
        for (i, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            if let Some(port) = ports.get(i).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: StoreUrl = "postgres://budi:rahasia@db.example:5433/pantau".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:5433/pantau");
        assert!(!format!("{url:?}").contains("rahasia"));
        for wrong in
            ["mysql://budi:rahasia@x/y", "postgres://budi:rahasia@x:port/y", "postgres://budi:rahasia@x"]
        {
            let said = wrong.parse::<StoreUrl>().unwrap_err();
            assert!(!said.contains("rahasia") && said.contains("postgres://USER@HOST"), "{said}");
        }
    }

    #[test]
    fn the_address_says_whether_the_line_is_encrypted_and_whom_to_believe() {
        let parse =
            |options: &str| format!("postgres://budi@db.example/pantau{options}").parse::<StoreUrl>();
        assert_eq!(parse("").unwrap().tls(), None);
        assert_eq!(parse("?sslmode=disable").unwrap().tls(), None);
        assert_eq!(parse("?sslmode=require").unwrap().tls(), Some(&TlsSettings { root: None }));
        let url = parse("?connect_timeout=5&sslmode=verify-full&sslrootcert=/etc/pantau/db.crt").unwrap();
        assert_eq!(url.tls(), Some(&TlsSettings { root: Some("/etc/pantau/db.crt".into()) }));
        assert_eq!(url.to_string(), "postgres://db.example:5432/pantau");
        for (options, advice) in [
            ("?sslmode=verify-full", "add sslrootcert=FILE"),
            ("?sslmode=verify-ca&sslrootcert=x", "disable, require or verify-full"),
            ("?sslrootcert=x", "write sslmode=verify-full"),
            ("?host=/run/postgresql&sslmode=require", "socket file"),
        ] {
            let said = parse(options).unwrap_err();
            assert!(said.contains(advice), "{options}: {said}");
        }
    }
}
