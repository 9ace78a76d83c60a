//! One client's connection, from its first bytes to its end.

mod channel;
mod dispatch;
mod handshake;
mod logged_in;
mod login;
mod unpaired;
mod wire;

use std::sync::Arc;

use prost::Message as _;
use rand_chacha::ChaCha20Rng;
use tokio_util::sync::CancellationToken;
use wa_crypto::PublicKey;
use wa_protobuf::payload::ClientPayload;

pub(crate) use channel::{Channel, ChannelError};
pub use wire::Connection;
pub(crate) use wire::{Wire, in_memory, websocket};

use crate::world::World;

/// Serves a client until it goes, is told to go, or the simulator ends.
pub(crate) async fn serve(world: Arc<World>, wire: Wire) {
    let age = world.age();
    let serving = serve_until_gone(world, wire, age.clone());
    tokio::select! {
        () = age.cancelled() => {}
        outcome = serving => {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a connection ended");
            }
        }
    }
}

async fn serve_until_gone(world: Arc<World>, wire: Wire, age: CancellationToken) -> Result<(), ChannelError> {
    let mut rng = world.fork_rng();
    let step = world.options.step_timeout;
    let shaken = tokio::time::timeout(step, handshake::shake_hands(&world, wire, &mut rng));
    let (channel, client) = shaken.await.map_err(|_| ChannelError::Silent)??;
    let Ok(payload) = ClientPayload::decode(client.payload.as_slice()) else {
        return login::fail(channel, 400, None).await;
    };
    let newcomer = Newcomer { channel, noise: client.static_key, payload, rng, age };
    if newcomer.payload.device_pairing_data.is_some() {
        unpaired::serve(world, newcomer).await
    } else {
        login::serve(world, newcomer).await
    }
}

/// A client that has shaken hands.
struct Newcomer {
    channel: Channel,
    noise: PublicKey,
    payload: ClientPayload,
    rng: ChaCha20Rng,
    age: CancellationToken,
}
