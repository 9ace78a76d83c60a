//! Who looks names up.

use std::io;

use outbound::Resolver;

use crate::config::Config;

/// Asks the name servers that are configured, else the system's.
pub(crate) fn resolver(config: &Config) -> Resolver {
    match &config.dns_servers[..] {
        [] => Resolver::system(),
        servers => Resolver::of_servers(servers),
    }
}

/// The same for the way to the database.
pub(crate) fn of_database(config: &Config) -> storage_postgres::Resolver {
    let resolver = resolver(config);
    storage_postgres::Resolver::new(move |name| {
        let resolver = resolver.clone();
        Box::pin(async move { resolver.addresses(&name).await.map_err(io::Error::other) })
    })
}
