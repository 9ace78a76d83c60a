//! Connecting, whenever a connection is missing.

use std::io;
use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Connection, NoTls};

use super::tls::Tls;
use crate::address::DatabaseAddress;
use crate::resolver::Resolver;

/// How long a server may take to let one in; what waits for a connection meanwhile waits no longer either.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that says nothing is looked after from then on: a server whose machine is gone never closes it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What is sent and not even received for so long never is.
const ANSWER: Duration = Duration::from_secs(10);

/// What every session says first. A transaction of a process that has been stopped keeps others waiting no longer than
/// `idle_in_transaction_session_timeout`; what it then still wants to write is refused. Whatever the server's own settings
/// are, a commit is durable when it is answered.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '5s'; SET synchronous_commit = 'on'; \
                       SET client_min_messages = 'warning'; SET default_transaction_isolation = 'read committed'";

/// A connection, and the task that drives it, which ends with it.
pub(crate) struct Session {
    pub(crate) db: AsyncPgConnection,
    driver: Driver,
}

/// What drives a connection.
pub(crate) struct Driver(JoinHandle<()>);

impl Session {
    /// Whether the connection is lost.
    pub(crate) fn is_over(&self) -> bool {
        self.driver.is_over()
    }

    pub(crate) fn into_parts(self) -> (AsyncPgConnection, Driver) {
        (self.db, self.driver)
    }
}

impl Driver {
    /// Whether the connection is lost.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

/// Makes connections to one database.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    names: Option<Names>,
    tls: Option<Tls>,
}

/// How hosts are found whose names the system doesn't look up.
#[derive(Clone)]
struct Names {
    resolver: Resolver,
    /// All but the hosts.
    config: Config,
}

impl Connector {
    pub(crate) fn new(address: &DatabaseAddress, resolver: Option<Resolver>) -> io::Result<Self> {
        let config = with_limits(address.config());
        let names = resolver.zip(address.without_hosts().map(with_limits));
        let names = names.map(|(resolver, config)| Names { resolver, config });
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(Tls::believing(address.root_certificates())?),
        };
        Ok(Self { config, names, tls })
    }

    pub(crate) async fn connect(&self) -> Result<Session, ConnectionError> {
        match tokio::time::timeout(CONNECT, self.establish()).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectionError::BadConnection("the server doesn't answer".to_owned())),
        }
    }

    /// The hosts with the addresses that they have now: after a fail-over a name may lead elsewhere. A host without any is passed
    /// over, unless none has one.
    async fn located(&self) -> Result<Config, ConnectionError> {
        let Some(Names { resolver, config }) = &self.names else { return Ok(self.config.clone()) };
        let (mut located, mut failed) = (config.clone(), None);
        for (host, port) in self.config.get_hosts().iter().zip(self.config.get_ports()) {
            let Host::Tcp(name) = host else { return Ok(self.config.clone()) };
            match resolver.addresses(name).await {
                Ok(addresses) => {
                    for address in addresses {
                        located.host(name).hostaddr(address).port(*port);
                    }
                }
                Err(error) => failed = Some(format!("{name} could not be found: {error}")),
            }
        }
        match failed {
            Some(why) if located.get_hosts().is_empty() => Err(ConnectionError::BadConnection(why)),
            _ => Ok(located),
        }
    }

    async fn establish(&self) -> Result<Session, ConnectionError> {
        let config = self.located().await?;
        match &self.tls {
            None => {
                let (client, driver) = config.connect(NoTls).await.map_err(|error| refused(&error))?;
                begin(client, driver).await
            }
            Some(tls) => {
                let (client, driver) = config.connect(tls.clone()).await.map_err(|error| refused(&error))?;
                begin(client, driver).await
            }
        }
    }
}

/// What holds for every connection.
fn with_limits(config: &Config) -> Config {
    let mut config = config.clone();
    config.connect_timeout(CONNECT).keepalives_idle(KEEPALIVE).tcp_user_timeout(ANSWER);
    // After a fail-over one of several named hosts is the one that can be written to.
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_application_name().is_none() {
        config.application_name("trunkline");
    }
    config
}

async fn begin<S, T>(client: Client, driver: Connection<S, T>) -> Result<Session, ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let driver = tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "a connection to the database has ended");
        }
    });
    let mut db = AsyncPgConnection::try_from(client).await?;
    db.batch_execute(SESSION).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Session { db, driver: Driver(driver) })
}

/// The whole chain of reasons: the first of them alone says next to nothing.
fn refused(error: &tokio_postgres::Error) -> ConnectionError {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(reason) = next {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        next = reason.source();
    }
    ConnectionError::BadConnection(text)
}
