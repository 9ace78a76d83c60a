use std::{collections::VecDeque, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use compact_str::CompactString;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use wa_binary::{Jid, Node};

use super::{Channel, ChannelError, Newcomer, login};
use crate::{
    Addressing, ControlError, PairingStep, iq,
    pairing::{Approach, Offer, PASSKEY_PATIENCE, Registration, Waiting},
    stanza,
    world::World,
};

/// The notification that tells an unpaired client to change its secret, and the names of its child (PROTOCOL.md 6.1).
const REFRESH: &str = "companion_reg_refresh";
const ROTATE: &str = "pair-device-rotate-qr";

/// Serves a client that is no companion yet: shows it references until a phone scans one.
pub(super) async fn serve(world: Arc<World>, newcomer: Newcomer) -> Result<(), ChannelError> {
    let Newcomer { mut channel, noise, payload, mut rng, .. } = newcomer;
    let registration = match Registration::check(&payload, noise, &world.versions) {
        Ok(registration) => registration,
        Err(error) => {
            tracing::debug!(%error, "a registration is refused");
            return login::fail(channel, error.reason(), None).await;
        }
    };
    if let Some((reason, details)) = login::prescribed_failure(&world, None, 1) {
        return login::fail(channel, reason, Some(details)).await;
    }
    let (approaches, incoming) = mpsc::channel(1);
    let connection = channel.peer.connection;
    let waiting = Arc::new(Waiting::new(connection, registration, approaches));
    let shown = Shown { world: &world, connection };
    let mut owed = Owed::default();
    if world.options.behaviour.busy_pairing {
        let unknown = Node::new("hint");
        owed.send(&world, &mut channel, "companion_hint", unknown).await?;
        owed.send(&world, &mut channel, REFRESH, Node::new(ROTATE)).await?;
    }
    let last = show_references(&world, &mut channel, &waiting, &mut rng).await?;
    let outcome = wait(&world, &mut channel, &waiting, (incoming, owed), last, &mut rng).await?;
    drop(shown);
    if let Some(last_word) = outcome {
        channel.send(&last_word).await?;
        channel.linger().await;
    }
    Ok(())
}

/// Notifications that the client has to acknowledge, each within a step's time.
#[derive(Default)]
struct Owed(VecDeque<(CompactString, Instant)>);

impl Owed {
    /// Sends `<notification>` with an id and a time of its own.
    async fn send(
        &mut self,
        world: &World,
        channel: &mut Channel,
        kind: &'static str,
        child: Node<'static>,
    ) -> Result<(), ChannelError> {
        let id = world.next_id();
        self.0.push_back((id.clone(), Instant::now() + world.options.step_timeout));
        let node = stanza::from_server("notification")
            .attr("type", kind)
            .attr("id", id)
            .attr("t", world.clock.unix_seconds())
            .child(child);
        channel.send(&node).await
    }

    /// Strikes out what `<ack class="notification">` names.
    fn settle(&mut self, node: &Node<'_>) {
        if node.is("ack") && stanza::text(&node.attrs, "class") == "notification" {
            let id = stanza::text(&node.attrs, "id");
            self.0.retain(|(owed, _)| *owed != id);
        }
    }

    /// When the first is overdue.
    fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|(_, deadline)| *deadline)
    }

    /// `<stream:error><ack id/></stream:error>`, if one is overdue.
    fn overdue(&self) -> Option<Node<'static>> {
        let (id, deadline) = self.0.front()?;
        let ack = || Node::new("ack").attr("id", id.clone());
        (*deadline <= Instant::now()).then(|| Node::new("stream:error").child(ack()))
    }
}

/// What a client shows means nothing once it is gone, however it went.
struct Shown<'a> {
    world: &'a World,
    connection: u64,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.world.pairings.forget(self.connection);
    }
}

/// Sends pair-device, and returns the instant when its last reference expires.
async fn show_references(
    world: &World,
    channel: &mut Channel,
    waiting: &Arc<Waiting>,
    rng: &mut ChaCha20Rng,
) -> Result<Instant, ChannelError> {
    let start = Instant::now();
    let times = world.options.references;
    let references: Vec<(String, Instant)> =
        (0..times.count.max(1)).map(|index| (reference(rng), start + times.lifetime(index))).collect();
    let last = references.last().map_or(start, |(_, expires)| *expires);
    let shown = references.iter().map(|(text, _)| Node::new("ref").with_bytes(text.as_bytes().to_vec()));
    let node = stanza::from_server("iq")
        .attr("type", "set")
        .attr("id", world.next_id())
        .attr("xmlns", "md")
        .child(Node::new("pair-device").with_children(shown));
    world.pairings.show(waiting, references);
    channel.send(&node).await?;
    Ok(last)
}

/// A text like WhatsApp's, without the comma that separates the fields of the code.
fn reference(rng: &mut ChaCha20Rng) -> String {
    let mut bytes = [0; 24];
    rng.fill_bytes(&mut bytes);
    format!("2@{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Waits for a phone. Returns the last word to the client; none when the client is to be cut off.
async fn wait(
    world: &Arc<World>,
    channel: &mut Channel,
    waiting: &Arc<Waiting>,
    (mut approaches, mut owed): (mpsc::Receiver<Approach>, Owed),
    last: Instant,
    rng: &mut ChaCha20Rng,
) -> Result<Option<Node<'static>>, ChannelError> {
    let (mut finish, mut passkey, mut last) = (None, None, last);
    loop {
        tokio::select! {
            stanza = channel.receive() => {
                let stanza = stanza?;
                let node = wa_binary::decode(&stanza)?;
                owed.settle(&node);
                let mut unpaired = iq::Unpaired {
                    world,
                    waiting,
                    rng: &mut *rng,
                    finish: &mut finish,
                    passkey: passkey.as_ref(),
                };
                if let Some(answer) = unpaired.answer(&node) {
                    channel.send(&answer).await?;
                }
            }
            approach = approaches.recv() => match approach.ok_or(ChannelError::Closed)? {
                Approach::Offer(offer) => {
                    world.pairings.forget(waiting.connection);
                    return pair(world, channel, waiting, offer, rng).await;
                }
                Approach::Code(hello) => {
                    owed.send(world, channel, "link_code_companion_reg", hello.stanza()).await?;
                    finish = Some((hello.reference, hello.finish));
                }
                Approach::Passkey(demand) => {
                    let options = demand.options.clone().into_bytes();
                    let child = Node::new("passkey_request_options").with_bytes(options);
                    owed.send(world, channel, "passkey_prologue_request", child).await?;
                    passkey = Some(demand);
                    last = last.max(Instant::now() + PASSKEY_PATIENCE);
                }
                Approach::Continuation(identity) => {
                    let child = Node::new("primary_ephemeral_identity").with_bytes(identity);
                    owed.send(world, channel, "crsc_continuation", child).await?;
                }
                Approach::Refresh { rotate_qr } => {
                    let child = Node::new(if rotate_qr { ROTATE } else { REFRESH });
                    owed.send(world, channel, REFRESH, child).await?;
                }
            },
            () = sleep_until(owed.deadline().unwrap_or(last).min(last)) => {
                return Ok(Some(owed.overdue().unwrap_or_else(|| Node::new("xmlstreamend"))));
            }
        }
    }
}

/// Sends pair-success and checks what the client makes of it.
async fn pair(
    world: &Arc<World>,
    channel: &mut Channel,
    waiting: &Waiting,
    offer: Offer,
    rng: &mut ChaCha20Rng,
) -> Result<Option<Node<'static>>, ChannelError> {
    let id = world.next_id();
    channel.send(&pair_success(world, &offer, &id)).await?;
    let answered = timeout(world.options.step_timeout, answer_to(channel, &id)).await;
    let checked = match answered {
        Ok(Ok(stanza)) => {
            wa_binary::decode(&stanza).map_err(ChannelError::from).map(|node| check(&node, &offer, waiting))
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ChannelError::Silent),
    };
    let identity = match checked {
        Ok(Ok(identity)) => identity,
        Ok(Err(refused)) => {
            offer.reply.send(Err(refused)).ok();
            return Ok(Some(Node::new("xmlstreamend")));
        }
        Err(error) => {
            offer.reply.send(Err(ControlError::CompanionGone)).ok();
            return Err(error);
        }
    };
    let record = (waiting.registration.clone(), offer.vouched.key_index, identity);
    let linked = world.link(&offer.account, offer.device, record, rng);
    world.trace.claim(waiting.connection, &offer.account.number, offer.device);
    channel.peer.number = Some(offer.account.number.clone());
    channel.peer.device = offer.device;
    let last_word = if linked.is_ok() { stanza::stream_error("515") } else { Node::new("xmlstreamend") };
    offer.reply.send(linked).ok();
    world.while_held(&offer.account, offer.device, PairingStep::Restart).await;
    Ok(Some(last_word))
}

fn pair_success(world: &World, offer: &Offer, id: &CompactString) -> Node<'static> {
    let device = Node::new("device")
        .attr("jid", offer.account.jid(Addressing::Pn, offer.device))
        .attr("lid", offer.account.jid(Addressing::Lid, offer.device));
    let success = Node::new("pair-success")
        .child(Node::new("device-identity").with_bytes(offer.container.clone()))
        .with_children((!offer.without_device).then_some(device))
        .child(Node::new("platform").attr("name", "android"))
        .child(Node::new("client-props").with_bytes(iq::client_props(&offer.account)));
    Node::new("iq")
        .attr("from", Jid::server())
        .attr("type", "set")
        .attr("id", id.clone())
        .attr("xmlns", "md")
        .attr("t", world.clock.unix_seconds())
        .child(success)
}

/// The client's answer to the IQ `id`; whatever else it says meanwhile needs none.
async fn answer_to(channel: &mut Channel, id: &str) -> Result<bytes::Bytes, ChannelError> {
    loop {
        let stanza = channel.receive().await?;
        let node = wa_binary::decode(&stanza)?;
        if node.is("iq") && stanza::text(&node.attrs, "id") == id {
            drop(node);
            return Ok(stanza);
        }
    }
}

/// The device identity to keep, if the client accepted and signed rightly.
fn check(node: &Node<'_>, offer: &Offer, waiting: &Waiting) -> Result<bytes::Bytes, ControlError> {
    if stanza::text(&node.attrs, "type") != "result" {
        let error = node.get_child("error");
        let part = |name| error.map(|error| stanza::text(&error.attrs, name).to_string()).unwrap_or_default();
        return Err(ControlError::CompanionRefused { code: part("code"), text: part("text") });
    }
    let wrong = |what: &str| ControlError::CompanionWrong(what.to_owned());
    let identity = node
        .get_child("pair-device-sign")
        .and_then(|sign| sign.get_child("device-identity"))
        .ok_or_else(|| wrong("there is no pair-device-sign with a device-identity"))?;
    let key_index = identity.attrs.number("key-index").and_then(Result::ok);
    let bytes = identity.bytes().ok_or_else(|| wrong("the device-identity is empty"))?;
    let companion = &waiting.registration.identity;
    offer.vouched.check_answer(&bytes, key_index, companion).map_err(|error| wrong(&error.to_string()))
}
