//! Settings: flags first, then `PANTAU_*`, then `pantau.toml`, then defaults.
//!
//! `clap` merges flags and environment; what they leave open is filled from the file here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::api::{TlsFiles, TrustedProxy};
use crate::edge::{NodeFlags, NodeSettings};
use crate::journal::StoreUrl;
use crate::oidc::{OidcFile, OidcSettings};

/// Read from the working directory where it is there.
pub const FILE: &str = "pantau.toml";

pub const LISTEN_DEFAULT: &str = "127.0.0.1:8080";
pub const DATA_DEFAULT: &str = "var";
pub const CITY_DEFAULT: &str = "geodata/ternate";
/// Of the disk, kept for what must work when it is full.
pub const RESERVE_MIB_DEFAULT: u64 = 64;
const RESERVE_MIB_MAX: u64 = 1 << 20;

/// The keys of `pantau.toml`; all optional. The store may hold a password.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    pub listen: Option<String>,
    pub data: Option<PathBuf>,
    pub store: Option<String>,
    pub city: Option<PathBuf>,
    pub url: Option<String>,
    pub trust_loopback: Option<bool>,
    pub trusted_proxy: Option<Vec<String>>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub redirect: Option<String>,
    pub reserve_mib: Option<u64>,
    pub nats: Option<String>,
    pub follow: Option<String>,
    pub origin: Option<String>,
    pub edge_token: Option<String>,
    pub ship: Option<PathBuf>,
    pub ship_recipient: Option<Vec<String>>,
    pub oidc: Option<OidcFile>,
}

impl FileSettings {
    /// # Errors
    /// A file that cannot be read, is not TOML, or has an unknown key: with its line and the fix.
    pub fn load(path: &Path) -> anyhow::Result<FileSettings> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(FileSettings::default()),
            Err(e) => return Err(e).with_context(|| format!("{} cannot be read", path.display())),
        };
        toml::from_str(&text).with_context(|| format!("{} has a wrong setting", path.display()))
    }
}

/// What `serve` was told: flags and environment merged, nothing checked yet. The store may hold a password.
#[derive(Default)]
pub struct ServeFlags {
    pub listen: Option<String>,
    pub data: Option<PathBuf>,
    pub store: Option<String>,
    pub city: Option<PathBuf>,
    pub trust_loopback: bool,
    pub trusted_proxies: Vec<String>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub redirect: Option<String>,
    pub replay: bool,
    pub reserve_mib: Option<u64>,
    pub nodes: NodeFlags,
    pub ship: Option<PathBuf>,
    pub ship_recipient: Vec<String>,
    /// `key=value`, one each.
    pub oidc: Vec<String>,
}

/// Checked settings of `serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// The database that the journal is in; `None`: it is in the data folder.
    pub store: Option<StoreUrl>,
    pub city: PathBuf,
    pub trust_loopback: bool,
    /// Whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// `None`: plain HTTP.
    pub tls: Option<TlsSettings>,
    pub replay: bool,
    /// MiB of the disk that are kept free for stopping, starting and deleting on a full one; 0: none.
    pub reserve_mib: u64,
    pub nodes: NodeSettings,
    pub ship: Option<ShipTo>,
    /// Where people of the province may sign in, too.
    pub oidc: Option<OidcSettings>,
}

/// A folder that is kept up to date with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipTo {
    pub target: PathBuf,
    /// Public keys, or files that hold some; none: it is not encrypted.
    pub recipients: Vec<String>,
}

impl ShipTo {
    fn resolve(
        target: Option<PathBuf>,
        recipients: Vec<String>,
        has_folder: bool,
    ) -> anyhow::Result<Option<ShipTo>> {
        match target {
            Some(_) if !has_folder => bail!(
                "ship (--ship, PANTAU_SHIP, {FILE}) carries the journal of a data folder: it does not go with store, whose database has means of its own (base backups and WAL), nor with origin, whose node has no journal"
            ),
            Some(target) => Ok(Some(ShipTo { target, recipients })),
            None if !recipients.is_empty() => bail!(
                "ship_recipient (--ship-recipient, PANTAU_SHIP_RECIPIENT, {FILE}) names a key, and nothing says where to ship \
                 to; add --ship TARGET"
            ),
            None => Ok(None),
        }
    }
}

impl ServeSettings {
    /// # Errors
    /// Names the key that is wrong, where it may come from, and the fix.
    pub fn resolve(flags: ServeFlags, file: FileSettings) -> anyhow::Result<ServeSettings> {
        let listen = flags.listen.or(file.listen).unwrap_or_else(|| LISTEN_DEFAULT.to_owned());
        let listen: SocketAddr = listen.parse().with_context(|| {
            format!("listen (--listen, PANTAU_LISTEN, {FILE}) is {listen:?}; write an address and a port, for instance {LISTEN_DEFAULT}")
        })?;
        let trust_loopback = flags.trust_loopback || file.trust_loopback.unwrap_or(false);
        if trust_loopback && !listen.ip().is_loopback() {
            bail!(
                "trust_loopback (--trust-loopback, PANTAU_TRUST_LOOPBACK, {FILE}) is for trying on one machine and does not go with \
                 listen = {listen}, which others can reach; listen on 127.0.0.1, or leave trust_loopback out"
            );
        }
        let trusted_proxies = match flags.trusted_proxies {
            none if none.is_empty() => file.trusted_proxy.unwrap_or_default(),
            given => given,
        };
        let trusted_proxies =
            trusted_proxies.iter().map(|proxy| proxy.parse()).collect::<Result<Vec<_>, _>>();
        let trusted_proxies = trusted_proxies.map_err(|fault: String| {
            anyhow::anyhow!("trusted_proxy (--trusted-proxy, PANTAU_TRUSTED_PROXY, {FILE}): {fault}")
        })?;
        let files = (flags.tls_cert.or(file.tls_cert), flags.tls_key.or(file.tls_key));
        let tls = TlsSettings::resolve(files, flags.redirect.or(file.redirect), listen)?;
        let reserve_mib = flags.reserve_mib.or(file.reserve_mib).unwrap_or(RESERVE_MIB_DEFAULT);
        if reserve_mib > RESERVE_MIB_MAX {
            bail!(
                "reserve_mib (--reserve-mib, PANTAU_RESERVE_MIB, {FILE}) is {reserve_mib}; at most {RESERVE_MIB_MAX}, \
                 usually {RESERVE_MIB_DEFAULT}"
            );
        }
        let store = flags.store.or(file.store).as_deref().map(store).transpose()?;
        let FileSettings { nats, follow, origin, edge_token, oidc, .. } = file;
        let nodes = flags.nodes.or(NodeFlags { nats, follow, origin, edge_token }).with_credential();
        let nodes = NodeSettings::resolve(nodes)?;
        if nodes.edge.is_some() && trust_loopback {
            bail!(
                "trust_loopback (--trust-loopback, PANTAU_TRUST_LOOPBACK, {FILE}) does not go with origin: an edge serves the \
                 public, staff work at the origin; leave trust_loopback out"
            );
        }
        if (nodes.edge.is_some() || nodes.nats.is_some()) && flags.replay {
            bail!("--clock replay is for one node alone; leave out nats, follow and origin, or the clock");
        }
        let recipients = match flags.ship_recipient.is_empty() {
            true => file.ship_recipient.unwrap_or_default(),
            false => flags.ship_recipient,
        };
        let has_folder = store.is_none() && nodes.edge.is_none();
        let ship = ShipTo::resolve(flags.ship.or(file.ship), recipients, has_folder)?;
        let oidc = OidcSettings::resolve(&flags.oidc, oidc)?;
        if oidc.is_some() && nodes.edge.is_some() {
            bail!(
                "oidc (--oidc, PANTAU_OIDC, {FILE}) does not go with origin: an edge serves the public, staff sign in at \
                 the origin; leave oidc out"
            );
        }
        Ok(ServeSettings {
            listen,
            data: flags.data.or(file.data).unwrap_or_else(|| DATA_DEFAULT.into()),
            store,
            city: flags.city.or(file.city).unwrap_or_else(|| CITY_DEFAULT.into()),
            trust_loopback,
            trusted_proxies,
            tls,
            replay: flags.replay,
            reserve_mib,
            nodes,
            ship,
            oidc,
        })
    }
}

/// TLS of the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    pub files: TlsFiles,
    /// Where plain HTTP is answered with the way to https.
    pub redirect: Option<SocketAddr>,
}

impl TlsSettings {
    fn resolve(
        files: (Option<PathBuf>, Option<PathBuf>),
        redirect: Option<String>,
        listen: SocketAddr,
    ) -> anyhow::Result<Option<TlsSettings>> {
        let (cert, key) = match files {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) if redirect.is_none() => return Ok(None),
            (None, None) => bail!(
                "redirect (--redirect, PANTAU_REDIRECT, {FILE}) sends plain HTTP on to https, and there is no certificate; \
                 give tls_cert and tls_key, too, or leave it out"
            ),
            _ => bail!(
                "tls_cert and tls_key (--tls-cert, --tls-key, {FILE}) go together; pantau cert makes both"
            ),
        };
        let redirect = redirect.map(|text| {
            text.parse().with_context(|| {
                format!("redirect (--redirect, PANTAU_REDIRECT, {FILE}) is {text:?}; write an address and a port, for instance 0.0.0.0:80")
            })
        });
        let redirect: Option<SocketAddr> = redirect.transpose()?;
        if redirect == Some(listen) {
            bail!(
                "redirect (--redirect, PANTAU_REDIRECT, {FILE}) is where the server listens itself; take another port"
            );
        }
        Ok(Some(TlsSettings { files: TlsFiles { cert, key }, redirect }))
    }
}

/// The address of a database, as it was given.
///
/// # Errors
/// Says what is wrong, and never repeats the address: it may hold a password.
pub fn store(text: &str) -> anyhow::Result<StoreUrl> {
    text.parse().map_err(|fault| anyhow::anyhow!("store (--store, PANTAU_STORE, {FILE}): {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let file: FileSettings = toml::from_str("listen = \"127.0.0.1:1\"\ndata = \"there\"").unwrap();
        let flags = ServeFlags { listen: Some("127.0.0.1:2".into()), ..ServeFlags::default() };
        let settings = ServeSettings::resolve(flags, file).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.data, Path::new("there"));
        assert_eq!(settings.city, Path::new(CITY_DEFAULT));
    }

    #[test]
    fn a_wrong_value_names_the_key_and_the_fix() {
        let resolve =
            |flags| format!("{:#}", ServeSettings::resolve(flags, FileSettings::default()).unwrap_err());
        let wrong = resolve(ServeFlags { listen: Some("8080".into()), ..ServeFlags::default() });
        assert!(wrong.contains("PANTAU_LISTEN") && wrong.contains(LISTEN_DEFAULT), "{wrong}");
        let flags =
            ServeFlags { listen: Some("0.0.0.0:80".into()), trust_loopback: true, ..ServeFlags::default() };
        assert!(resolve(flags).contains("--trust-loopback"));
        let flags = ServeFlags { store: Some("postgres://budi:rahasia@/".into()), ..ServeFlags::default() };
        let wrong = resolve(flags);
        assert!(wrong.contains("PANTAU_STORE") && !wrong.contains("rahasia"), "{wrong}");
        let ship = |store: Option<&str>| ServeFlags {
            ship: Some("/media/usb/pantau".into()),
            store: store.map(str::to_owned),
            ..ServeFlags::default()
        };
        let wrong = resolve(ship(Some("postgres://budi@localhost/pantau")));
        assert!(wrong.contains("PANTAU_SHIP") && wrong.contains("WAL"), "{wrong}");
        assert!(ServeSettings::resolve(ship(None), FileSettings::default()).unwrap().ship.is_some());
        let flags = ServeFlags { ship_recipient: vec!["age1".to_owned()], ..ServeFlags::default() };
        assert!(resolve(flags).contains("add --ship TARGET"));
        assert!(toml::from_str::<FileSettings>("lisen = \"x\"").is_err());
    }
}
