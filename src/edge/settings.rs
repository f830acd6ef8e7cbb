//! Settings of nodes that work together: what the origin publishes to, what an edge follows.

use std::fmt;

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};

use super::stream::StreamAddress;

/// Shorter ones are too easily found by trying.
const TOKEN_CHARS_MIN: usize = 16;
/// Where systemd puts the token that `LoadCredential=edge-token:…` names.
const CREDENTIAL: &str = "edge-token";

/// What was typed, nothing checked yet.
#[derive(Debug, Default, Clone)]
pub struct NodeFlags {
    /// The origin publishes its entries there.
    pub nats: Option<String>,
    /// An edge follows there.
    pub follow: Option<String>,
    /// Where an edge gets its snapshot, fills holes and sends writes to.
    pub origin: Option<String>,
    pub edge_token: Option<String>,
}

impl NodeFlags {
    /// What is not set here is taken from `other`.
    #[must_use]
    pub fn or(self, other: NodeFlags) -> NodeFlags {
        NodeFlags {
            nats: self.nats.or(other.nats),
            follow: self.follow.or(other.follow),
            origin: self.origin.or(other.origin),
            edge_token: self.edge_token.or(other.edge_token),
        }
    }

    /// Adds the token that the service manager handed over, where none was typed.
    #[must_use]
    pub fn with_credential(mut self) -> NodeFlags {
        if self.edge_token.is_none()
            && let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY")
            && let Ok(token) = std::fs::read_to_string(std::path::Path::new(&folder).join(CREDENTIAL))
        {
            self.edge_token = Some(token.trim().to_owned());
        }
        self
    }
}

/// What a node shares, and with whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSettings {
    /// Of an origin.
    pub nats: Option<StreamAddress>,
    /// `None`: nodes are answered on the loopback only, where that is trusted.
    pub token: Option<EdgeToken>,
    /// Set where the node is an edge.
    pub edge: Option<EdgeSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSettings {
    /// Without a slash at the end.
    pub origin: String,
    /// `None`: the origin is asked for everything.
    pub follow: Option<StreamAddress>,
}

impl NodeSettings {
    /// # Errors
    /// Names the key that is wrong, and the fix.
    pub fn resolve(flags: NodeFlags) -> anyhow::Result<NodeSettings> {
        let stream = |key: &str, url: Option<String>| {
            url.map(|url| StreamAddress::new(&url).map_err(anyhow::Error::msg))
                .transpose()
                .with_context(|| format!("{key} is not the address of a NATS server"))
        };
        let nats = stream("nats (--nats, PANTAU_NATS)", flags.nats)?;
        let follow = stream("follow (--follow, PANTAU_FOLLOW)", flags.follow)?;
        let token = flags.edge_token.map(|token| EdgeToken::new(&token)).transpose()?;
        let Some(origin) = flags.origin else {
            if follow.is_some() {
                bail!(
                    "follow (--follow, PANTAU_FOLLOW) needs origin (--origin, PANTAU_ORIGIN): the address of the node that \
                     has the store, for instance https://peta.example.go.id; an edge gets its snapshot and what the stream \
                     has lost from there"
                );
            }
            return Ok(NodeSettings { nats, token, edge: None });
        };
        if nats.is_some() {
            bail!(
                "nats (--nats, PANTAU_NATS) is for the origin, which publishes; an edge (--origin) takes the same address as \
                 --follow"
            );
        }
        let origin = origin.trim().trim_end_matches('/').to_owned();
        let host = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', '?', '#', ' '])) {
            bail!(
                "origin (--origin, PANTAU_ORIGIN) is {origin:?}; write the origin's address, for instance \
                 https://peta.example.go.id or http://10.0.0.1:8080"
            );
        }
        Ok(NodeSettings { nats, token, edge: Some(EdgeSettings { origin, follow }) })
    }
}

/// The secret that the nodes of a center share.
#[derive(Clone, PartialEq, Eq)]
pub struct EdgeToken(String);

impl EdgeToken {
    /// # Errors
    /// Where it is too short, or cannot be sent in a header.
    pub fn new(token: &str) -> anyhow::Result<EdgeToken> {
        let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < TOKEN_CHARS_MIN || !visible {
            bail!(
                "edge_token (PANTAU_EDGE_TOKEN) must have at least {TOKEN_CHARS_MIN} visible ASCII characters and no \
                 spaces; make one with: openssl rand -hex 32"
            );
        }
        Ok(EdgeToken(token.to_owned()))
    }

    /// As it goes into an `Authorization` header.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether an `Authorization` header names this token. Takes as long for a near miss as for any other:
    /// digests are compared, to the end.
    pub fn is_named_by(&self, authorization: &[u8]) -> bool {
        let ours: [u8; 32] = Sha256::digest(self.bearer()).into();
        let theirs: [u8; 32] = Sha256::digest(authorization).into();
        ours.iter().zip(theirs).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
    }
}

impl fmt::Debug for EdgeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EdgeToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(
        nats: Option<&str>,
        follow: Option<&str>,
        origin: Option<&str>,
        token: Option<&str>,
    ) -> NodeFlags {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        NodeFlags {
            nats: owned(nats),
            follow: owned(follow),
            origin: owned(origin),
            edge_token: owned(token),
        }
    }

    #[test]
    fn a_wrong_setting_names_the_key_and_the_fix() {
        let fault = |flags| format!("{:#}", NodeSettings::resolve(flags).unwrap_err());
        let nats = Some("nats://127.0.0.1:4222");
        let wrong = fault(flags(None, nats, None, None));
        assert!(wrong.contains("--origin"), "{wrong}");
        let wrong = fault(flags(nats, None, Some("http://a"), None));
        assert!(wrong.contains("--follow"), "{wrong}");
        let wrong = fault(flags(Some("http://127.0.0.1"), None, None, None));
        assert!(wrong.contains("PANTAU_NATS") && wrong.contains("nats://"), "{wrong}");
        for origin in ["", "peta", "ftp://a", "http://", "http://a/b"] {
            let wrong = fault(flags(None, nats, Some(origin), None));
            assert!(wrong.contains("PANTAU_ORIGIN"), "{wrong}");
        }
        for token in ["short", "with a space in the middle of it", ""] {
            let wrong = fault(flags(None, None, None, Some(token)));
            assert!(wrong.contains("PANTAU_EDGE_TOKEN"), "{wrong}");
        }
    }

    #[test]
    fn an_origin_and_an_edge_are_told_apart() {
        let nats = Some("nats://127.0.0.1:4222");
        let origin = NodeSettings::resolve(flags(nats, None, None, None)).unwrap();
        assert!(origin.nats.is_some() && origin.edge.is_none());
        let edge = NodeSettings::resolve(flags(None, nats, Some("https://a.example/ "), None)).unwrap();
        assert_eq!(edge.edge.unwrap().origin, "https://a.example");
    }

    #[test]
    fn only_the_whole_token_opens() {
        let token = EdgeToken::new("0123456789abcdef").unwrap();
        assert!(token.is_named_by(b"Bearer 0123456789abcdef"));
        for wrong in
            ["Bearer 0123456789abcde", "0123456789abcdef", "bearer 0123456789abcdef", "Bearer ", ""]
        {
            assert!(!token.is_named_by(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "EdgeToken(…)");
    }
}
