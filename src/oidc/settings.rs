//! What a center writes about its provider: the table `[oidc]` of `pantau.toml`, or `--oidc key=value,…`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::access::Role;

/// Where a setting may come from.
pub(super) const WHERE: &str = "oidc (--oidc, PANTAU_OIDC, [oidc] in pantau.toml)";
const KEYS: &str = "issuer, client, secret-file, role-claim, role, scope, name, ca-file";
const ROLE_CLAIM_DEFAULT: &str = "groups";
const SCOPE_DEFAULT: &str = "profile";
const NAME_DEFAULT: &str = "akun provinsi";
const NAME_CHARS_MAX: usize = 40;

/// The table in the file; nothing checked yet.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcFile {
    pub issuer: Option<String>,
    pub client: Option<String>,
    pub secret_file: Option<PathBuf>,
    pub role_claim: Option<String>,
    pub scope: Option<Vec<String>>,
    pub name: Option<String>,
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub role: Vec<RoleFile>,
}

/// One line of the table of roles.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleFile {
    pub claim: String,
    pub role: String,
    pub agency: Option<String>,
    #[serde(default)]
    pub areas: Vec<String>,
}

/// Who has a value of the claim is this here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRule {
    pub claim: String,
    pub role: Role,
    /// Of the role agency.
    pub agency: Option<String>,
    /// Of the role responder.
    pub areas: Vec<String>,
}

/// Checked settings of single sign-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcSettings {
    /// The provider's address, as it writes it itself.
    pub issuer: String,
    /// What the provider calls this center.
    pub client: String,
    /// Holds the client's secret; `None`: a public client, which PKCE alone protects.
    pub secret_file: Option<PathBuf>,
    /// The claim of the ID token that roles follow from; dots lead into it.
    pub role_claim: String,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// What people call the provider's accounts.
    pub name: String,
    /// Authorities (PEM) that the provider's certificate is believed by, in place of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// The first that holds counts.
    pub roles: Vec<RoleRule>,
}

impl OidcSettings {
    /// Flags before the file, key by key; the table of roles is that of the flags where they have one.
    ///
    /// # Errors
    /// Names the key that is wrong, where it may come from, and the fix.
    pub fn resolve(flags: &[String], file: Option<OidcFile>) -> anyhow::Result<Option<OidcSettings>> {
        if flags.is_empty() && file.is_none() {
            return Ok(None);
        }
        let given = OidcFile::of_flags(flags)?.or(file.unwrap_or_default());
        let needed = |value: Option<String>, key: &str| {
            let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            value.with_context(|| format!("{WHERE} lacks {key}"))
        };
        let issuer = needed(given.issuer, "issuer, the provider's address")?;
        check_issuer(&issuer)?;
        let client = needed(given.client, "client, what the provider calls this center")?;
        let roles = given.role.into_iter().map(RoleRule::of).collect::<anyhow::Result<Vec<_>>>()?;
        if roles.is_empty() {
            bail!(
                "{WHERE} has no table of roles, so nobody could sign in; say who is what, for instance \
                 role=operator:pantau-operator"
            );
        }
        let name = given.name.unwrap_or_else(|| NAME_DEFAULT.to_owned()).trim().to_owned();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            bail!("{WHERE}: name stands on a button; give 1 to {NAME_CHARS_MAX} letters");
        }
        Ok(Some(OidcSettings {
            issuer,
            client,
            secret_file: given.secret_file,
            role_claim: given.role_claim.unwrap_or_else(|| ROLE_CLAIM_DEFAULT.to_owned()),
            scopes: given.scope.unwrap_or_else(|| vec![SCOPE_DEFAULT.to_owned()]),
            name,
            ca_file: given.ca_file,
            roles,
        }))
    }
}

/// Who signs in where the line can be read is impersonated by whoever reads it.
fn check_issuer(issuer: &str) -> anyhow::Result<()> {
    let uri: ureq::http::Uri =
        issuer.parse().with_context(|| format!("{WHERE}: issuer is no address: {issuer:?}"))?;
    let host = uri.host().unwrap_or_default();
    let is_here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    match uri.scheme_str() {
        Some("https") if !host.is_empty() => Ok(()),
        Some("http") if is_here => Ok(()),
        _ => bail!("{WHERE}: issuer is {issuer:?}; it must begin with https://, or be on this machine"),
    }
}

impl OidcFile {
    fn of_flags(flags: &[String]) -> anyhow::Result<OidcFile> {
        let mut given = OidcFile::default();
        for flag in flags {
            let (key, value) = flag
                .split_once('=')
                .with_context(|| format!("{WHERE}: {flag:?} is not key=value; keys are {KEYS}"))?;
            let value = value.trim().to_owned();
            match key.trim() {
                "issuer" => given.issuer = Some(value),
                "client" => given.client = Some(value),
                "secret-file" => given.secret_file = Some(value.into()),
                "role-claim" => given.role_claim = Some(value),
                "scope" => given.scope.get_or_insert_default().push(value),
                "name" => given.name = Some(value),
                "ca-file" => given.ca_file = Some(value.into()),
                "role" => given.role.push(RoleFile::of_flag(&value)?),
                other => bail!("{WHERE} has no key {other:?}; keys are {KEYS}"),
            }
        }
        Ok(given)
    }

    fn or(self, other: OidcFile) -> OidcFile {
        OidcFile {
            issuer: self.issuer.or(other.issuer),
            client: self.client.or(other.client),
            secret_file: self.secret_file.or(other.secret_file),
            role_claim: self.role_claim.or(other.role_claim),
            scope: self.scope.or(other.scope),
            name: self.name.or(other.name),
            ca_file: self.ca_file.or(other.ca_file),
            role: if self.role.is_empty() { other.role } else { self.role },
        }
    }
}

impl RoleFile {
    /// `operator:CLAIM`, `agency/dlh:CLAIM`, `responder/82.71.01+82.71.02:CLAIM`.
    fn of_flag(text: &str) -> anyhow::Result<RoleFile> {
        let (what, claim) = text.split_once(':').with_context(|| {
            format!(
                "{WHERE}: role={text} is not ROLE:CLAIM; write operator:pantau-operator, agency/dlh:dinas-lh \
                 or responder/82.71.01+82.71.02:tim-jambula"
            )
        })?;
        let (role, part) = what.split_once('/').map_or((what, None), |(role, part)| (role, Some(part)));
        let is_agency = role == Role::Agency.key();
        let areas = part.filter(|_| !is_agency).map(|part| part.split('+').map(str::to_owned).collect());
        Ok(RoleFile {
            claim: claim.to_owned(),
            role: role.to_owned(),
            agency: part.filter(|_| is_agency).map(str::to_owned),
            areas: areas.unwrap_or_default(),
        })
    }
}

impl RoleRule {
    fn of(file: RoleFile) -> anyhow::Result<RoleRule> {
        let RoleFile { claim, role, agency, areas } = file;
        let known = Role::from_key(&role)
            .with_context(|| format!("{WHERE}: {role:?} is no role; known are {}", Role::keys()))?;
        if claim.is_empty() {
            bail!("{WHERE}: the role {role} lacks its claim, so everybody or nobody would have it");
        }
        Ok(RoleRule { claim, role: known, agency, areas })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    const WHOLE: &str = "issuer=https://sso.example/realms/a,client=pantau,secret-file=/etc/secret,\
         role-claim=realm_access.roles,name=akun Malut,scope=profile,scope=groups,\
         role=operator:pantau:operator,role=agency/dlh:dinas-lh,role=responder/82.71.01+82.71.02:tim";

    #[test]
    fn flags_and_the_file_say_the_same() {
        let of_flags = OidcSettings::resolve(&flags(WHOLE), None).expect("settings").expect("some");
        let file: OidcFile = toml::from_str(
            r#"
            issuer = "https://sso.example/realms/a"
            client = "pantau"
            secret_file = "/etc/secret"
            role_claim = "realm_access.roles"
            name = "akun Malut"
            scope = ["profile", "groups"]
            role = [
              { claim = "pantau:operator", role = "operator" },
              { claim = "dinas-lh", role = "agency", agency = "dlh" },
              { claim = "tim", role = "responder", areas = ["82.71.01", "82.71.02"] },
            ]
            "#,
        )
        .expect("a table");
        let of_file = OidcSettings::resolve(&[], Some(file.clone())).expect("settings");
        assert_eq!(of_file, Some(of_flags.clone()));
        let mixed = OidcSettings::resolve(&flags("client=other"), Some(file)).expect("settings");
        assert_eq!(mixed, Some(OidcSettings { client: "other".to_owned(), ..of_flags }));
        assert_eq!(OidcSettings::resolve(&[], None).expect("settings"), None);
    }

    #[test]
    fn a_wrong_setting_says_what_to_change() {
        let wrong =
            |text: &str| format!("{:#}", OidcSettings::resolve(&flags(text), None).expect_err(text));
        for (text, says) in [
            ("issuer", "not key=value"),
            ("isuer=https://a", "issuer, client"),
            ("client=a,role=operator:x", "lacks issuer"),
            ("issuer=https://a,role=operator:x", "lacks client"),
            ("issuer=https://a,client=a", "no table of roles"),
            ("issuer=http://sso.example,client=a,role=operator:x", "https://"),
            ("issuer=sso.example,client=a,role=operator:x", "https://"),
            ("issuer=https://a,client=a,role=operator", "ROLE:CLAIM"),
            ("issuer=https://a,client=a,role=boss:x", "known are"),
            ("issuer=https://a,client=a,role=operator:", "claim"),
            ("issuer=https://a,client=a,role=operator:x,name=", "button"),
        ] {
            let told = wrong(text);
            assert!(told.contains(says) && told.contains("PANTAU_OIDC"), "{text}: {told}");
        }
        let here = flags("issuer=http://127.0.0.1:8,client=a,role=operator:x");
        assert!(OidcSettings::resolve(&here, None).is_ok());
    }
}
