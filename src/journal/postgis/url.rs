//! Where the database is: `postgres://user:password@host:port/name`. Never shows the password.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A connection that is not made within this is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A peer that acknowledges nothing for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The address of a PostgreSQL database. `Display` and `Debug` leave user and password out.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl {
    config: Box<Config>,
}

impl StoreUrl {
    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    /// The error never repeats the address: it may hold a password.
    fn from_str(text: &str) -> Result<StoreUrl, String> {
        const EXAMPLE: &str = "write postgres://USER@HOST:5432/DATABASE; the password may stand behind the user, or in PGPASSWORD";
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(format!("the store is no address of a PostgreSQL database; {EXAMPLE}"));
        }
        let mut config: Box<Config> = text
            .parse()
            .map(Box::new)
            .map_err(|_| format!("the address of the database cannot be understood; {EXAMPLE}"))?;
        if config.get_dbname().is_none() || config.get_hosts().is_empty() {
            return Err(format!("the address of the database names no host or no database; {EXAMPLE}"));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err("this pantau does not speak TLS to the database; keep it on the same machine or a private line, or put a tunnel before it, and leave sslmode=require out".to_owned());
        }
        if config.get_password().is_none()
            && let Ok(password) = std::env::var("PGPASSWORD")
        {
            config.password(password);
        }
        config.application_name("pantau").connect_timeout(CONNECT_TIMEOUT);
        config.keepalives(true).keepalives_idle(SILENCE_MAX).tcp_user_timeout(SILENCE_MAX);
        Ok(StoreUrl { config })
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
}
