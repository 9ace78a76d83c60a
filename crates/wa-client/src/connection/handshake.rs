use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use wa_crypto::{KeyPair, PrivateKey};
use wa_noise::cert::CertificateError;
use wa_noise::frame::{FrameDecoder, put_frame};
use wa_noise::preamble::put_preamble;
use wa_noise::{HandshakeError, Initiator};
use wa_store::Device;

use super::link::Link;
use super::payload;
use crate::backoff::Backoff;
use crate::cause::Cause;
use crate::shared::{Random, Shared};
use crate::transport::{ConnectRequest, Connection, TransportError};
use crate::version::Version;

/// Room for the preamble and the hello.
const FIRST_MESSAGE: usize = 256;

/// Dials, shakes hands and sends the registration or login payload.
pub(crate) async fn connect(
    shared: &Shared,
    device: &Device,
    version: Version,
    attempt: u32,
    random: &mut Random,
) -> Result<Link, Cause> {
    let request = ConnectRequest { attempt };
    let connection = match timeout(shared.config.connect_timeout, shared.connector.connect(request)).await {
        Ok(Ok(connection)) => shared.meter.counting(connection),
        Ok(Err(error)) => return Err(not_connected(&error, attempt)),
        Err(_) => return Err(Cause::Network),
    };
    let handshake = shake_hands(shared, device, version, connection, random);
    timeout(shared.config.handshake_timeout, handshake).await.map_err(|_| Cause::Network)?
}

/// Why a connection could not be opened; said aloud, but ever more rarely.
fn not_connected(error: &TransportError, attempt: u32) -> Cause {
    let cause = match error {
        TransportError::Tls(_) => Cause::Tls,
        TransportError::Proxy(_) => Cause::Proxy,
        _ => Cause::Network,
    };
    match (Backoff::is_worth_telling(attempt), cause.needs_a_look()) {
        (true, true) => tracing::warn!(%error, attempt, "connecting failed"),
        (true, false) => tracing::info!(%error, attempt, "connecting failed"),
        (false, _) => tracing::debug!(%error, attempt, "connecting failed"),
    }
    cause
}

async fn shake_hands(
    shared: &Shared,
    device: &Device,
    version: Version,
    mut connection: Connection,
    random: &mut Random,
) -> Result<Link, Cause> {
    let static_key = KeyPair::from_private(PrivateKey::from_bytes(device.noise_key));
    let (waiting, hello) = Initiator::start(static_key, random);
    let mut first = Vec::with_capacity(FIRST_MESSAGE);
    // Both leave in one WebSocket message with the hello (PROTOCOL.md 1).
    put_preamble(&mut first, device.routing_info.as_deref())
        .or_else(|_| put_preamble(&mut first, None))
        .map_err(|_| Cause::Protocol)?;
    put_frame(&mut first, &hello).map_err(|_| Cause::Protocol)?;
    write(&mut connection, first).await?;

    let mut frames = FrameDecoder::default();
    let server_hello = read(&mut connection, &mut frames).await?;
    let now = u64::try_from(shared.clock.unix_millis() / 1000).unwrap_or(0);
    let payload = payload::client_payload(&shared.config, version, device);
    let (ciphers, finish) = waiting.read(&server_hello, &shared.trust, now, &payload).map_err(|error| {
        let cause = refused(&error);
        if cause == Cause::Clock {
            tracing::warn!(%error, now, "the server's certificate is refused: this machine's clock is probably wrong");
        } else {
            tracing::warn!(%error, "the server's handshake was refused");
        }
        cause
    })?;
    let mut last = Vec::with_capacity(finish.len() + 3);
    put_frame(&mut last, &finish).map_err(|_| Cause::Protocol)?;
    write(&mut connection, last).await?;
    Ok(Link::new(connection, frames, ciphers, version))
}

fn refused(error: &HandshakeError) -> Cause {
    use CertificateError::{Expired, NotYetValid};
    match error {
        HandshakeError::Certificate(NotYetValid { .. } | Expired { .. }) => Cause::Clock,
        _ => Cause::Untrusted,
    }
}

async fn write(connection: &mut Connection, message: Vec<u8>) -> Result<(), Cause> {
    connection.outgoing.send(Bytes::from(message)).await.map_err(|_| Cause::Network)
}

async fn read(connection: &mut Connection, frames: &mut FrameDecoder) -> Result<Vec<u8>, Cause> {
    loop {
        if let Some(frame) = frames.next().map_err(|_| Cause::Protocol)? {
            return Ok(frame);
        }
        match connection.incoming.next().await {
            Some(Ok(message)) => frames.push(&message),
            Some(Err(_)) | None => return Err(Cause::Network),
        }
    }
}
