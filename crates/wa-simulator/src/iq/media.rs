use std::net::SocketAddr;

use wa_binary::Node;

use super::{Answered, Context, IqError, Request};
use crate::media::AUTH_TTL;

/// How long the hosts may be used before they are asked for again, in seconds.
const HOSTS_TTL: u64 = 300;

/// Name space `w:m`: where media goes (PROTOCOL.md 19.1). A listener on loopback is named twice, by its
/// address and as `localhost`, so that there is another host to turn to.
pub(super) fn connection(context: &Context<'_>, request: &Request<'_>) -> Answered {
    if request.is_get || !request.child()?.is("media_conn") {
        return Err(IqError::BadRequest("media_conn is asked for"));
    }
    let world = context.world;
    let auth = world.media.auth(&context.account.number, context.device, world.clock.unix_seconds());
    let connection = Node::new("media_conn")
        .attr("auth", auth)
        .attr("ttl", HOSTS_TTL)
        .attr("auth_ttl", AUTH_TTL)
        .attr("max_buckets", 12_u32);
    let (primary, fallback) = match world.media_host.get() {
        Some(host) => (host.clone(), also_localhost(host)),
        None => ("mmg.whatsapp.net".to_owned(), Some("mmg-fallback.whatsapp.net".to_owned())),
    };
    let primary = host(primary, "primary").opt_attr("fallback_hostname", fallback.clone());
    let fallback = fallback.map(|fallback| host(fallback, "fallback"));
    Ok(connection.child(primary).with_children(fallback).into())
}

/// The other name of a listener on loopback.
fn also_localhost(host: &str) -> Option<String> {
    let address: SocketAddr = host.parse().ok()?;
    address.ip().is_loopback().then(|| format!("localhost:{}", address.port()))
}

fn host(name: String, class: &'static str) -> Node<'static> {
    Node::new("host")
        .attr("hostname", name)
        .attr("type", class)
        .child(Node::new("upload"))
        .child(Node::new("download"))
}
