#![doc = include_str!("../README.md")]
#![allow(
    clippy::disallowed_methods,
    reason = "the clock and the random generator enter the workspace here and above"
)]

mod http_client;

mod connector;

mod dialer;

mod dns;
mod guard;
mod proxy;
mod resolver;
mod sockets;
mod tls;

pub use dialer::{DialError, Dialer};
pub use guard::{AddressGuard, AllowError, Destination, MAX_URL_LENGTH, OutboundAllow, Range, Refused};
pub use http_client::{HttpClient, HttpError, Response};
pub use proxy::{InvalidProxy, Proxy, ProxyError};
pub use resolver::{Lookup, ResolveError, Resolver};
pub use sockets::Sockets;
pub use tls::{Authorities, CaError, SetupError};
pub use url::Url;
