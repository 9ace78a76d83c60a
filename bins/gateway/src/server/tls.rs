//! TLS towards clients, where a certificate is configured.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tokio_rustls::TlsAcceptor;

use super::channel::Channel;
use super::guarded;
use crate::config::TlsFiles;

/// How often is looked whether the files have changed: certificates are renewed weeks before they end.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Why the certificate can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The chain can't be read.
    #[error("TLS_CERT_FILE can't be read: {0}")]
    Chain(#[source] pem::Error),
    /// There is none.
    #[error("TLS_CERT_FILE holds no certificate")]
    Empty,
    /// The key can't be read.
    #[error("TLS_KEY_FILE can't be read: {0}")]
    Key(#[source] pem::Error),
    /// They don't belong together, or are of a kind that isn't known.
    #[error("the certificate of TLS_CERT_FILE can't be used with the key of TLS_KEY_FILE: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Accepts clients over TLS. Clones present the same certificate.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    presented: Arc<Presented>,
}

/// The certificate as it was read last.
#[derive(Debug)]
struct Presented {
    files: TlsFiles,
    key: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Presents the certificate in these files.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub(crate) fn new(files: &TlsFiles) -> Result<Self, CertificateError> {
        let key = RwLock::new(Arc::new(read(files)?));
        let presented = Arc::new(Presented { files: files.clone(), key });
        let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        let mut config = versions.with_no_client_auth().with_cert_resolver(presented.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), presented })
    }

    /// Shakes hands, in the time that a client has for a request's head.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Channel> {
        let shaken = timeout(guarded::HEAD, self.acceptor.accept(stream)).await;
        Ok(Channel::Tls(Box::new(shaken.map_err(|_| io::ErrorKind::TimedOut)??)))
    }

    /// Presents what the files hold whenever they have changed. Never ends.
    pub(crate) async fn follow_files(self) {
        let mut looks = interval(LOOK_AGAIN);
        loop {
            looks.tick().await;
            self.presented.look();
        }
    }
}

impl Presented {
    fn look(&self) {
        match read(&self.files) {
            Ok(key) if key.cert == self.key.read().cert => {}
            Ok(key) => {
                *self.key.write() = Arc::new(key);
                tracing::info!("a new certificate is presented to clients");
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate that is presented to clients can't be renewed");
            }
        }
    }
}

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read()))
    }
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, CertificateError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(CertificateError::Chain)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty);
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(CertificateError::Key)?;
    Ok(CertifiedKey::from_der(chain, key, &ring::default_provider())?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn write(folder: &Path) -> TlsFiles {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        TlsFiles { certificate, key }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path());
        Tls::new(&files).unwrap();
        let error = |files: &TlsFiles| Tls::new(files).err().unwrap().to_string();
        let missing = TlsFiles { key: folder.path().join("none"), ..files.clone() };
        assert!(error(&missing).starts_with("TLS_KEY_FILE"), "{}", error(&missing));
        let swapped = TlsFiles { certificate: files.key.clone(), key: files.key.clone() };
        assert_eq!(error(&swapped), "TLS_CERT_FILE holds no certificate");
        let other = tempfile::tempdir().unwrap();
        let mixed = TlsFiles { key: write(other.path()).key, ..files };
        assert!(error(&mixed).contains("can't be used with the key"), "{}", error(&mixed));
    }

    #[test]
    fn a_renewed_certificate_is_presented_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::new(&write(folder.path())).unwrap();
        let presented = || tls.presented.key.read().cert.clone();
        let first = presented();
        write(folder.path());
        tls.presented.look();
        let second = presented();
        assert_ne!(first, second);
        std::fs::write(folder.path().join("cert.pem"), "nothing").unwrap();
        tls.presented.look();
        assert_eq!(presented(), second);
    }
}
