//! The half of the guard that works while connecting.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AddressGuard, Refused};

/// Asks for the addresses of a name.
pub(crate) type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Looks names up and hands only permitted addresses to the connector.
pub(crate) struct GuardedResolver {
    guard: AddressGuard,
    lookup: Arc<Lookup>,
}

impl GuardedResolver {
    pub(crate) fn new(guard: AddressGuard, lookup: Arc<Lookup>) -> Self {
        Self { guard, lookup }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let lookup = (self.lookup)(name.as_str().to_owned());
        Box::pin(async move {
            let permitted = permitted(&guard, lookup.await?)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The system's resolver.
pub(crate) fn system_lookup() -> Arc<Lookup> {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// The permitted ones of the addresses found; if none is, why the first was refused.
fn permitted(
    guard: &AddressGuard,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    let mut refused: Option<Refused> = None;
    let mut permitted = Vec::new();
    for address in found {
        match guard.check_address(address.ip()) {
            Ok(()) => permitted.push(address),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        _ if !permitted.is_empty() => Ok(permitted),
        Some(refused) => Err(Box::new(refused)),
        None => Err(Box::new(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn a_name_with_mixed_addresses_keeps_the_public_ones() {
        let found = addresses(&["10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"]);
        let kept = permitted(&AddressGuard::default(), found).unwrap();
        assert_eq!(kept, addresses(&["1.1.1.1", "2606:4700::1111"]));
    }

    #[test]
    fn a_name_that_points_inside_is_refused_with_the_reason() {
        let error = permitted(&AddressGuard::default(), addresses(&["169.254.169.254"])).unwrap_err();
        assert!(matches!(
            error.downcast_ref(),
            Some(Refused::Address { range: super::super::Range::LinkLocal })
        ));
    }

    #[tokio::test]
    async fn the_systems_names_are_judged_by_their_addresses() {
        let resolver =
            |allow: &str| GuardedResolver::new(AddressGuard::new(allow.parse().unwrap()), system_lookup());
        let error = resolver("").resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.downcast_ref::<Refused>().is_some());
        let open = resolver("127.0.0.0/8,::1");
        assert!(open.resolve("localhost".parse().unwrap()).await.unwrap().next().is_some());
    }
}
