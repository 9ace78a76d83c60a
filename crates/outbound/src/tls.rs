//! Which certificate authorities are trusted, and the one TLS set-up for all clients.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Authorities whose certificates are believed.
#[derive(Clone, Debug)]
pub struct Authorities {
    roots: RootCertStore,
}

/// A file of authorities that can't be used.
#[derive(Debug, Error)]
#[error("{} holds no usable certificate", file.display())]
pub struct CaError {
    file: PathBuf,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Why TLS could not be set up.
#[derive(Debug, Error)]
#[error("TLS could not be set up: {0}")]
pub struct SetupError(#[from] rustls::Error);

impl Authorities {
    /// Those that browsers know.
    pub fn public() -> Self {
        Self { roots: RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() } }
    }

    /// None at all: whoever is to be believed is added.
    pub fn none() -> Self {
        Self { roots: RootCertStore::empty() }
    }

    /// These and that one.
    ///
    /// # Errors
    /// When it is no certificate of an authority.
    pub fn and(mut self, authority: CertificateDer<'static>) -> Result<Self, rustls::Error> {
        self.roots.add(authority)?;
        Ok(self)
    }

    /// These and all in a PEM file.
    ///
    /// # Errors
    /// [`CaError`] when there is none in it, or one that can't be read.
    pub fn and_file(self, file: &Path) -> Result<Self, CaError> {
        let failed = |source| CaError { file: file.to_owned(), source };
        let authorities = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(Some(error.into())))?;
        if authorities.is_empty() {
            return Err(failed(None));
        }
        authorities.into_iter().try_fold(self, Self::and).map_err(|error| failed(Some(error.into())))
    }

    /// A client that believes these, on ring.
    ///
    /// # Errors
    /// [`SetupError`] when there is no version of TLS that ring speaks: never, as far as is known.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(builder.with_root_certificates(self.roots.clone()).with_no_client_auth()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_adds_to_the_public_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let own = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        std::fs::write(&file, own.cert.pem()).unwrap();
        let authorities = Authorities::public().and_file(&file).unwrap();
        assert_eq!(authorities.roots.len(), webpki_roots::TLS_SERVER_ROOTS.len() + 1);
    }

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        assert!(Authorities::public().and_file(&file).is_err(), "it isn't there");
        for content in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, content).unwrap();
            let error = Authorities::public().and_file(&file).unwrap_err().to_string();
            assert!(error.contains("ca.pem"), "{error}");
        }
    }
}
