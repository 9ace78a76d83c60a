//! Which WhatsApp the instances connect to, and how.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use outbound::{
    AddressGuard, Authorities, CaError, DialError, Dialer, HttpClient, InvalidProxy, Resolver, SetupError,
    Url,
};
use services::{VersionKeeper, VersionSource, WhatsApp};
use storage::{ConnectionSettings, Storage};
use thiserror::Error;
use tokio::net::TcpStream;
use wa_client::websocket::{Dial, WHATSAPP_URL, WebSocket};
use wa_client::{
    Computing, ConnectRequest, Connector, Delivery, MediaHttp, TransportError, TrustRoot, Version,
};

use crate::backend::Backend;
use crate::config::{Config, WhatsAppConfig};
use crate::version_source::WebPage;

pub(crate) use crate::version_source::Page;

/// Why connections can't be set up.
#[derive(Debug, Error)]
pub enum OutboundError {
    /// A file of certificate authorities can't be used.
    #[error("{variable} can't be used: {source}")]
    Ca {
        /// The variable that names it.
        variable: &'static str,
        /// What is wrong with it.
        source: CaError,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] SetupError),
    /// The address of WhatsApp is none.
    #[error("WHATSAPP_URL is no URL")]
    Url,
}

/// The way to WhatsApp, for all instances.
pub(crate) struct Route {
    site: Arc<Site>,
    dialer: Dialer,
    trust: TrustRoot,
}

/// The WhatsApp that they go to.
struct Site {
    url: Url,
    guard: AddressGuard,
    authorities: Authorities,
}

impl Route {
    /// The way that is configured. It is closed for others that `guard` judges: what a user names may not lead there.
    ///
    /// # Errors
    /// When the certificate authority can't be used.
    pub(crate) fn new(
        config: &Config,
        guard: &AddressGuard,
        resolver: Resolver,
    ) -> Result<Self, OutboundError> {
        let WhatsAppConfig { url, trust, ca_file, proxy, .. } = &config.whatsapp;
        let url = match url {
            Some(url) => url.clone(),
            None => WHATSAPP_URL.parse().map_err(|_| OutboundError::Url)?,
        };
        guard.close_host(&url);
        let guard = guard.opening(&url);
        let direct = Dialer::new(guard.clone(), resolver);
        let dialer = match proxy {
            Some(proxy) => direct.through(proxy.clone()),
            None => direct,
        };
        let authorities = authorities("WHATSAPP_CA_FILE", ca_file.as_deref())?;
        let site = Arc::new(Site { url, guard, authorities });
        Ok(Self { site, dialer, trust: trust.unwrap_or_else(TrustRoot::whatsapp) })
    }

    /// Knows which version to announce.
    pub(crate) fn versions(
        &self,
        config: &WhatsAppConfig,
        storage: Arc<dyn Storage>,
    ) -> Result<VersionKeeper, OutboundError> {
        if let Some(version) = config.version {
            return Ok(VersionKeeper::fixed(version));
        }
        Ok(VersionKeeper::new(storage, Arc::new(self.site.page(self.dialer.clone())?)))
    }

    /// Looks at WhatsApp's page.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) async fn page(&self) -> Result<Page, Box<dyn std::error::Error + Send + Sync>> {
        self.site.page(self.dialer.clone())?.look().await
    }

    /// Opens a socket as companions do, and lets go of it.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) async fn try_socket(&self) -> Result<(), TransportError> {
        let tls = self.site.authorities.client_config();
        let tls = tls.map_err(|error| TransportError::Tls(error.to_string()))?;
        let way: Arc<dyn Dial> = Arc::new(Way::Open(self.dialer.clone()));
        let socket = WebSocket::new(self.site.url.as_str()).tls(tls).dialling(way);
        socket.connect(ConnectRequest::default()).await.map(drop)
    }

    /// Starts companions over this database, with one connector for all of them.
    pub(crate) fn companions(
        &self,
        backend: Backend,
        versions: VersionKeeper,
    ) -> Result<WhatsApp, OutboundError> {
        let site = Arc::clone(&self.site);
        let socket = WebSocket::new(site.url.as_str()).tls(site.authorities.client_config()?);
        let media = MediaHttp::default().tls(site.authorities.client_config()?);
        // A simulator without TLS has its media host without TLS, too.
        let media = if site.url.scheme() == "ws" { media.plain() } else { media };
        let (dialer, trust) = (self.dialer.clone(), self.trust);
        let shared: Arc<dyn Connector> =
            Arc::new(socket.clone().dialling(Arc::new(Way::Open(dialer.clone()))));
        let by_open_way: Arc<dyn wa_client::Versions> = Arc::new(versions.clone());
        let computing = Computing::default();
        Ok(WhatsApp::new(
            move |instance, epoch| backend.companion_store(instance, epoch),
            move |connection, client| {
                let way = match &connection.proxy {
                    None => Way::Open(dialer.clone()),
                    Some(proxy) => Way::through(&dialer, proxy.expose()),
                };
                let way = Arc::new(way);
                let dial: Arc<dyn Dial> = way.clone();
                let (connector, versions) = match &connection.proxy {
                    None => (Arc::clone(&shared), Arc::clone(&by_open_way)),
                    Some(_) => {
                        let connector: Arc<dyn Connector> =
                            Arc::new(socket.clone().dialling(Arc::clone(&dial)));
                        let page = PageByWay { site: Arc::clone(&site), way };
                        let versions: Arc<dyn wa_client::Versions> =
                            Arc::new(versions.through(Arc::new(page)));
                        (connector, versions)
                    }
                };
                client
                    .connector(connector)
                    .media_host(Arc::new(media.clone().dialling(dial)))
                    .trust_root(trust)
                    .versions(versions)
                    .config(client_config(connection, &computing))
            },
        ))
    }
}

impl Site {
    /// Its page, reached through this dialer.
    fn page(&self, dialer: Dialer) -> Result<WebPage, OutboundError> {
        let client = HttpClient::new(dialer, &self.authorities)?;
        Ok(WebPage::beside(&self.url, client, self.guard.clone()))
    }
}

/// WhatsApp's page as one instance reaches it. Most never look at it, so that what it takes is made when they do.
struct PageByWay {
    site: Arc<Site>,
    way: Arc<Way>,
}

#[async_trait]
impl VersionSource for PageByWay {
    async fn newest(&self) -> Result<Version, Box<dyn std::error::Error + Send + Sync>> {
        match &*self.way {
            Way::Open(dialer) => self.site.page(dialer.clone())?.newest().await,
            Way::Closed(error) => Err((*error).into()),
        }
    }
}

fn client_config(connection: &ConnectionSettings, computing: &Computing) -> wa_client::Config {
    let mut config = wa_client::Config::default();
    config.delivery = if connection.shows_delivery { Delivery::Shown } else { Delivery::WhenAvailable };
    config.computing = computing.clone();
    config
}

/// The public authorities and those in the file.
pub(crate) fn authorities(variable: &'static str, file: Option<&Path>) -> Result<Authorities, OutboundError> {
    match file {
        Some(file) => {
            Authorities::public().and_file(file).map_err(|source| OutboundError::Ca { variable, source })
        }
        None => Ok(Authorities::public()),
    }
}

/// Connections of companions, as everything outbound opens them.
enum Way {
    Open(Dialer),
    /// The proxy that is stored is none. Nothing goes around it.
    Closed(InvalidProxy),
}

impl Way {
    /// Through the proxy of an instance, instead of the gateway's own.
    fn through(dialer: &Dialer, proxy: &str) -> Self {
        match proxy.parse() {
            Ok(proxy) => Self::Open(dialer.clone().through_foreign(proxy)),
            Err(error) => Self::Closed(error),
        }
    }
}

#[async_trait]
impl Dial for Way {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, TransportError> {
        let dialer = match self {
            Self::Open(dialer) => dialer,
            Self::Closed(error) => return Err(TransportError::Proxy(error.to_string())),
        };
        dialer.dial(host, port).await.map_err(|error| match error {
            DialError::Proxy(error) => TransportError::Proxy(error.to_string()),
            DialError::ProxyRefused(refused) => TransportError::Proxy(format!("its address {refused}")),
            other => TransportError::Io(other.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_with_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "").unwrap();
        let mut config = Config::in_folder(folder.path());
        config.whatsapp.ca_file = Some(file);
        let error =
            Route::new(&config, &AddressGuard::default(), Resolver::system()).err().unwrap().to_string();
        assert!(error.starts_with("WHATSAPP_CA_FILE") && error.contains("ca.pem"), "{error}");
    }
}
