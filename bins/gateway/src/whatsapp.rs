//! Which WhatsApp the instances connect to, and how.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use services::WhatsApp;
use storage_sqlite::SqliteDatabase;
use thiserror::Error;
use wa_client::Connector;
use wa_client::websocket::{WHATSAPP_URL, WebSocket};
use wa_crypto::PublicKey;
use wa_noise::TrustRoot;

use crate::config::WhatsAppConfig;

/// Why the further certificate authority can't be used.
#[derive(Debug, Error)]
#[error("WHATSAPP_CA_FILE names a file without a usable certificate: {}", file.display())]
pub struct CaError {
    file: PathBuf,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Starts companions over this database, with one connector for all of them.
pub(crate) fn companions(config: &WhatsAppConfig, database: SqliteDatabase) -> Result<WhatsApp, CaError> {
    let connector: Arc<dyn Connector> = Arc::new(connector(config)?);
    let trust =
        config.root_key.map_or_else(TrustRoot::whatsapp, |key| TrustRoot::new(PublicKey::from_bytes(key)));
    Ok(WhatsApp::new(
        move |instance| database.companion_store(instance),
        move |client| client.connector(Arc::clone(&connector)).trust_root(trust),
    ))
}

fn connector(config: &WhatsAppConfig) -> Result<WebSocket, CaError> {
    let url = config.url.as_ref().map_or(WHATSAPP_URL, |url| url.as_str());
    let connector = WebSocket::new(url);
    let Some(file) = &config.ca_file else { return Ok(connector) };
    let tls = tls(file).map_err(|source| CaError { file: file.clone(), source })?;
    Ok(connector.tls(Arc::new(tls)))
}

/// The public authorities, and those in the file.
fn tls(file: &Path) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let known = roots.len();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    if roots.len() == known {
        return Err("there is none in it".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        for content in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, content).unwrap();
            let config = WhatsAppConfig { ca_file: Some(file.clone()), ..WhatsAppConfig::default() };
            let error = connector(&config).unwrap_err().to_string();
            assert!(error.starts_with("WHATSAPP_CA_FILE"), "{error}");
        }
    }
}
