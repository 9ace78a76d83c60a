use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use rand_chacha::ChaCha20Rng;
use wa_noise::{
    Ciphers, ClientIdentity, Reply, Responder,
    frame::{self, FrameDecoder},
    preamble::{Preamble, Progress},
};

use super::{Channel, ChannelError, Wire, channel::MAX_FRAME};
use crate::{faults::FaultKind, world::World};

/// Answers the Noise handshake, whichever pattern the client starts.
pub(super) async fn shake_hands(
    world: &Arc<World>,
    mut wire: Wire,
    rng: &mut ChaCha20Rng,
) -> Result<(Channel, ClientIdentity), ChannelError> {
    let mut frames = FrameDecoder::with_limit(MAX_FRAME);
    frames.push(&read_preamble(world, &mut wire).await?);
    let hello = read_frame(&mut wire, &mut frames).await?;
    let responder = Responder::start(world.server_key.clone(), world.certificate_chain(rng));
    let (ciphers, client) = match responder.read(&hello, rng)? {
        Reply::Established { server_hello, ciphers, client } => {
            write_frame(&mut wire, &server_hello).await?;
            (ciphers, client)
        }
        Reply::AwaitFinish { server_hello, next } => {
            write_frame(&mut wire, &server_hello).await?;
            let finish = read_frame(&mut wire, &mut frames).await?;
            next.read(&finish)?
        }
    };
    Ok((established(world, wire, frames, ciphers), client))
}

fn established(world: &Arc<World>, wire: Wire, frames: FrameDecoder, ciphers: Ciphers) -> Channel {
    Channel::new(world.clone(), wire, frames, ciphers)
}

/// Reads routing information, if any, and the connection header; returns what came behind them.
async fn read_preamble(world: &World, wire: &mut Wire) -> Result<Vec<u8>, ChannelError> {
    let mut preamble = Preamble::default();
    loop {
        let message = wire.incoming.next().await.ok_or(ChannelError::Closed)??;
        match preamble.push(&message)? {
            Progress::More(more) => preamble = more,
            Progress::Done { routing: Some(_), .. } if is_misrouted(world) => {
                return Err(ChannelError::Closed);
            }
            Progress::Done { rest, .. } => return Ok(rest),
        }
    }
}

fn is_misrouted(world: &World) -> bool {
    world.faults.strike_anybody(|kind| matches!(kind, FaultKind::EdgeRouting).then_some(())).is_some()
}

async fn read_frame(wire: &mut Wire, frames: &mut FrameDecoder) -> Result<Vec<u8>, ChannelError> {
    loop {
        if let Some(frame) = frames.next()? {
            return Ok(frame);
        }
        frames.push(&wire.incoming.next().await.ok_or(ChannelError::Closed)??);
    }
}

async fn write_frame(wire: &mut Wire, payload: &[u8]) -> Result<(), ChannelError> {
    let mut message = Vec::with_capacity(payload.len() + 3);
    frame::put_frame(&mut message, payload).map_err(wa_noise::SealError::from)?;
    Ok(wire.outgoing.send(message.into()).await?)
}
