//! The half of the guard that works while connecting.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{AddressGuard, Refused};

/// Resolves names with the system's resolver and hands only permitted addresses to the connector.
pub(crate) struct GuardedResolver {
    guard: AddressGuard,
}

impl GuardedResolver {
    pub(crate) fn new(guard: AddressGuard) -> Self {
        Self { guard }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted = permitted(&guard, found)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The permitted ones of the addresses found; if none is, why the first was refused.
fn permitted(
    guard: &AddressGuard,
    found: impl Iterator<Item = SocketAddr>,
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
        let kept = permitted(&AddressGuard::default(), found.into_iter()).unwrap();
        assert_eq!(kept, addresses(&["1.1.1.1", "2606:4700::1111"]));
    }

    #[test]
    fn a_name_that_points_inside_is_refused_with_the_reason() {
        let error =
            permitted(&AddressGuard::default(), addresses(&["169.254.169.254"]).into_iter()).unwrap_err();
        assert!(matches!(
            error.downcast_ref(),
            Some(Refused::Address { range: super::super::Range::LinkLocal })
        ));
    }

    #[tokio::test]
    async fn localhost_is_refused_at_connect_time() {
        let resolver = GuardedResolver::new(AddressGuard::default());
        let error = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.downcast_ref::<Refused>().is_some());
        let open = GuardedResolver::new(AddressGuard::new("127.0.0.0/8,::1".parse().unwrap()));
        assert!(open.resolve("localhost".parse().unwrap()).await.unwrap().next().is_some());
    }
}
