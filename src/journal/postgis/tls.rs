//! An encrypted line to the database: who is at its other end is proven by a file with certificates.
//!
//! `sslmode=verify-full&sslrootcert=FILE` proves it; `sslmode=require` alone only encrypts, against those who
//! listen and not against those who put themselves between.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use crate::journal::JournalError;

/// How the line is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsSettings {
    /// Certificates (PEM) of those who may vouch for the database, or its own; `None`: anybody's will do.
    pub root: Option<PathBuf>,
}

/// Encrypts connections.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// # Errors
    /// Where the file with certificates cannot be read or holds none.
    pub fn new(settings: &TlsSettings) -> Result<Tls, JournalError> {
        let provider = Arc::new(ring::default_provider());
        let trust = match &settings.root {
            Some(file) => Trust::of_file(file, &provider)?,
            None => {
                say_unproven();
                Trust::Anybody
            }
        };
        let verifier = Arc::new(Verifier { trust, provider: provider.clone() });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| JournalError::Store(Box::new(e)))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Tls(Arc::new(config)))
    }
}

fn say_unproven() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            "the line to the database is encrypted, but nobody proves that the database is at its other end; write \
             sslmode=verify-full&sslrootcert=FILE in the store's address"
        );
    });
}

/// Whose certificates are believed.
#[derive(Debug)]
enum Trust {
    Anybody,
    /// The database's own one, as it stands in the file; else one that the file's vouch for, under the name
    /// that was connected to.
    Named {
        own: Vec<CertificateDer<'static>>,
        vouched: Arc<WebPkiServerVerifier>,
    },
}

impl Trust {
    fn of_file(file: &Path, provider: &Arc<CryptoProvider>) -> Result<Trust, JournalError> {
        let unusable = |what: String| {
            JournalError::Folder(format!(
                "the certificates in {} (sslrootcert) cannot be used: {what}",
                file.display()
            ))
        };
        let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let own: Vec<CertificateDer<'static>> = found.map_err(|e| unusable(e.to_string()))?;
        if own.is_empty() {
            return Err(unusable("it holds none; a PEM file is meant (BEGIN CERTIFICATE)".to_owned()));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &own {
            roots.add(certificate.clone()).map_err(|e| unusable(e.to_string()))?;
        }
        let vouched = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let vouched = vouched.build().map_err(|e| unusable(e.to_string()))?;
        Ok(Trust::Named { own, vouched })
    }
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Anybody => Ok(ServerCertVerified::assertion()),
            Trust::Named { own, .. } if own.contains(end_entity) => Ok(ServerCertVerified::assertion()),
            Trust::Named { vouched, .. } => {
                vouched.verify_server_cert(end_entity, intermediates, name, ocsp, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = Handshake;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, InvalidDnsNameError> {
        Ok(Handshake { config: self.0.clone(), name: ServerName::try_from(host.to_owned())? })
    }
}

/// What is about to be encrypted.
pub(super) struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let Handshake { config, name } = self;
        Box::pin(async move { TlsConnector::from(config).connect(name, socket).await.map(Encrypted) })
    }
}

/// An encrypted line.
pub(super) struct Encrypted(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    /// Passwords are proven without it; the certificate proves the line.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
