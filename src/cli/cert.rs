//! `pantau cert`: an authority of one's own and a certificate by it, for a center without internet.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::Defaults;
use super::time;
use crate::model::{DAY_MS, TimeMs};

/// As long as the machines of a center last.
const AUTHORITY_DAYS: i64 = 3_650;
/// Browsers take no certificate of a server that is good for longer than some 825 days.
const SERVER_DAYS: i64 = 397;
/// A clock that is a little behind must not find it new.
const BEFORE_MS: i64 = DAY_MS;

const AUTHORITY: &str = "authority.pem";
const AUTHORITY_KEY: &str = "authority-key.pem";
const CERT: &str = "server.pem";
const KEY: &str = "server-key.pem";
const TRUST: &str = "trust";

/// Make a certificate for TLS without internet, by an authority of your own
///
/// The first run makes the authority, later ones a new certificate by it: run it again each year, or when the
/// server gets another name. A running server takes it up by itself. The folder trust/ goes to the machines
/// that shall trust it, on a USB stick: its page says how. Keep authority-key.pem secret; whoever has it can
/// pretend to be any site to these machines.
///
/// Try it:  pantau cert --name peta.ternate.local --name 192.168.1.10
#[derive(clap::Args)]
pub struct CertArgs {
    /// A name or an address that browsers call the server by; may be given several times
    #[arg(long, value_name = "HOST", required = true, value_delimiter = ',')]
    name: Vec<String>,
    /// Where everything is written [default: tls in the data folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// # Errors
/// In words: a name that is none, or a folder that cannot be written.
pub fn run(args: &CertArgs, defaults: &Defaults) -> anyhow::Result<()> {
    let dir = args.out.clone().unwrap_or_else(|| defaults.data.join("tls"));
    for name in &args.name {
        check_name(name)?;
    }
    let now = time::now();
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).with_context(|| cannot_write(&dir))?;
    let authority = Authority::open(&dir, now)?;
    let key = KeyPair::generate().context("no key can be made")?;
    let cert = server_params(&args.name, now)?.signed_by(&key, &authority.issuer);
    let cert = cert.context("the certificate cannot be made")?;
    // The key first: a server that looks in between finds two that do not fit, and keeps what it has.
    write(&dir.join(KEY), key.serialize_pem().as_bytes(), 0o600)?;
    write(&dir.join(CERT), cert.pem().as_bytes(), 0o644)?;
    let trust = dir.join(TRUST);
    DirBuilder::new().recursive(true).mode(0o755).create(&trust).with_context(|| cannot_write(&trust))?;
    write(&trust.join("pantau-authority.crt"), authority.pem.as_bytes(), 0o644)?;
    let page = page(&authority.fingerprint, &args.name[0]);
    write(&trust.join("index.html"), page.as_bytes(), 0o644)?;

    let dir = dir.display();
    let made = if authority.is_new { "a new authority" } else { "the authority that was there" };
    println!("A certificate for {}, good for {SERVER_DAYS} days, by {made}.", args.name.join(", "));
    println!("Serve with it:  pantau serve --tls-cert {dir}/{CERT} --tls-key {dir}/{KEY}");
    println!("Carry {dir}/{TRUST} to the machines that shall trust it and open index.html there.");
    println!("Fingerprint of the authority (SHA-256): {}", authority.fingerprint);
    Ok(())
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    fingerprint: String,
    is_new: bool,
}

impl Authority {
    /// The one that is there, or a new one.
    fn open(dir: &Path, now: TimeMs) -> anyhow::Result<Authority> {
        let (cert, key) = (dir.join(AUTHORITY), dir.join(AUTHORITY_KEY));
        match (cert.exists(), key.exists()) {
            (true, true) => Authority::read(&cert, &key),
            (false, false) => Authority::make(&cert, &key, now),
            _ => bail!(
                "of {} and {} only one is there; put the other back, or move it away and trust a new authority",
                cert.display(),
                key.display()
            ),
        }
    }

    fn make(cert: &Path, key: &Path, now: TimeMs) -> anyhow::Result<Authority> {
        let pair = KeyPair::generate().context("no key can be made")?;
        let params = authority_params(&pair, now)?;
        let pem = params.self_signed(&pair).context("the authority cannot be made")?.pem();
        write(key, pair.serialize_pem().as_bytes(), 0o600)?;
        write(cert, pem.as_bytes(), 0o644)?;
        let fingerprint = fingerprint(&pem)?;
        Ok(Authority { issuer: Issuer::new(params, pair), pem, fingerprint, is_new: true })
    }

    fn read(cert: &Path, key: &Path) -> anyhow::Result<Authority> {
        let text = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
        };
        let pem = text(cert)?;
        let pair =
            KeyPair::from_pem(&text(key)?).with_context(|| format!("{} holds no key", key.display()))?;
        let fingerprint = fingerprint(&pem)?;
        // What a certificate says of its issuer is the name, which follows from the key.
        let params = authority_params(&pair, time::now())?;
        Ok(Authority { issuer: Issuer::new(params, pair), pem, fingerprint, is_new: false })
    }
}

fn authority_params(pair: &KeyPair, now: TimeMs) -> anyhow::Result<CertificateParams> {
    // So that two centers' authorities have two names.
    let digest = hex(&Sha256::digest(pair.public_key_raw())[..4]);
    let mut params = dated(now, AUTHORITY_DAYS)?;
    params.distinguished_name = named(&format!("Pantau {digest}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn server_params(names: &[String], now: TimeMs) -> anyhow::Result<CertificateParams> {
    let of_names = CertificateParams::new(names.to_vec()).context("a name is none")?;
    let mut params = dated(now, SERVER_DAYS)?;
    params.subject_alt_names = of_names.subject_alt_names;
    params.distinguished_name = named(&names[0]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Good from a day ago, in whole days.
fn dated(now: TimeMs, days: i64) -> anyhow::Result<CertificateParams> {
    let day = |at: TimeMs| {
        let timestamp = jiff::Timestamp::from_millisecond(at.0).context("the clock is far off")?;
        let date = jiff::tz::TimeZone::UTC.to_datetime(timestamp).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        anyhow::Ok(rcgen::date_time_ymd(date.year().into(), month, day))
    };
    let mut params = CertificateParams::default();
    params.not_before = day(now.plus_ms(-BEFORE_MS))?;
    params.not_after = day(now.plus_ms(days * DAY_MS))?;
    Ok(params)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_host = |name: &str| {
        !name.is_empty()
            && name.split('.').all(|label| {
                let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                !label.is_empty() && label.len() <= 63 && inside && !label.starts_with('-')
            })
    };
    if name.parse::<IpAddr>().is_err() && !is_host(name) {
        bail!(
            "{name:?} is neither a name nor an address; write peta.ternate.local or 192.168.1.10, without https:// and port"
        );
    }
    Ok(())
}

fn fingerprint(pem: &str) -> anyhow::Result<String> {
    let cert =
        CertificateDer::from_pem_slice(pem.as_bytes()).context("the authority's certificate is damaged")?;
    let digest = Sha256::digest(&cert);
    Ok(digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cannot_write(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let part = path.with_extension("part");
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().with_context(|| cannot_write(path))
}

/// What helps to trust the authority, on a stick, without a server.
fn page(fingerprint: &str, host: &str) -> String {
    include_str!("cert/trust.html").replace("{fingerprint}", fingerprint).replace("{host}", host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_second_run_makes_a_new_certificate_by_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        let args = CertArgs {
            name: vec!["peta.ternate.local".into(), "192.168.1.10".into(), "::1".into()],
            out: Some(folder.path().to_owned()),
        };
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        run(&args, &Defaults::default()).unwrap();
        let first = [AUTHORITY, CERT, KEY].map(read);
        run(&args, &Defaults::default()).unwrap();
        let second = [AUTHORITY, CERT, KEY].map(read);
        assert_eq!(first[0], second[0]);
        assert_ne!(first[1], second[1]);
        assert_ne!(first[2], second[2]);
        assert_eq!(read("trust/pantau-authority.crt"), first[0]);
        let page = read("trust/index.html");
        assert!(
            page.contains(&fingerprint(&first[0]).unwrap()) && page.contains("https://peta.ternate.local")
        );
        for key in [AUTHORITY_KEY, KEY] {
            let mode = std::fs::metadata(folder.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
        std::fs::remove_file(folder.path().join(AUTHORITY_KEY)).unwrap();
        assert!(format!("{:#}", run(&args, &Defaults::default()).unwrap_err()).contains("only one"));
    }

    #[test]
    fn what_is_no_name_is_said() {
        for wrong in ["", "https://peta", "peta:8443", "peta/x", "a..b", "-a", "peta ternate"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
}
