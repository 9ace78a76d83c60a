//! Which WhatsApp the instances connect to, and how.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use services::WhatsApp;
use thiserror::Error;
use wa_client::websocket::{WHATSAPP_URL, WebSocket};
use wa_client::{Connector, TrustRoot};

use crate::backend::Backend;
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
pub(crate) fn companions(config: &WhatsAppConfig, backend: Backend) -> Result<WhatsApp, CaError> {
    let connector: Arc<dyn Connector> = Arc::new(connector(config)?);
    let trust = config.trust.unwrap_or_else(TrustRoot::whatsapp);
    Ok(WhatsApp::new(
        move |instance, epoch| backend.companion_store(instance, epoch),
        move |client| client.connector(Arc::clone(&connector)).trust_root(trust),
    ))
}

fn connector(config: &WhatsAppConfig) -> Result<WebSocket, CaError> {
    let url = config.url.as_ref().map_or(WHATSAPP_URL, |url| url.as_str());
    let connector = WebSocket::new(url);
    let Some(file) = &config.ca_file else { return Ok(connector) };
    trusting(connector, file).map_err(|source| CaError { file: file.clone(), source })
}

/// The connector with the authorities in the file besides the public ones.
fn trusting(
    connector: WebSocket,
    file: &Path,
) -> Result<WebSocket, Box<dyn std::error::Error + Send + Sync>> {
    let authorities = CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>()?;
    if authorities.is_empty() {
        return Err("there is none in it".into());
    }
    Ok(connector.trusting(authorities)?)
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
