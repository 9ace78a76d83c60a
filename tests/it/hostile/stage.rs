//! Honest companions on an in-memory simulator, and raw Noise links for whoever isn't honest.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use wa_binary::{Node, decode, encode, unpack};
use wa_client::{
    Client, Clock, ConnectRequest, Connection, Connector, Event, Events, Outgoing, State, TransportError,
};
use wa_noise::frame::{FrameDecoder, put_frame};
use wa_noise::preamble::{Preamble, Progress};
use wa_noise::{CONNECTION_HEADER, Ciphers, TrustRoot};
use wa_simulator::{Options, Phone, Simulator};
use wa_store::Store;

/// A time that the certificates cover.
const NOW: u64 = 1_800_000_000;

pub(super) struct Stage {
    pub(super) sim: Simulator,
    pub(super) clock: wa_simulator::Clock,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let clock = wa_simulator::Clock::starting_at(NOW);
        let sim =
            Simulator::start(Options { clock: Some(clock), ..Options::default() }).await.expect("starts");
        Self { sim, clock }
    }

    pub(super) fn companion(&self, store: Store) -> Companion {
        self.companion_of(store, Arc::new(ToSimulator(self.sim.clone())), TrustRoot::new(self.sim.root_key()))
    }

    pub(super) fn companion_of(
        &self,
        store: Store,
        connector: Arc<dyn Connector>,
        trust: TrustRoot,
    ) -> Companion {
        let (client, events) = Client::builder(store.clone())
            .connector(connector)
            .trust_root(trust)
            .clock(Arc::new(Time(self.clock)))
            .start();
        let diary = watch::Sender::new(Vec::new());
        tokio::spawn(write_down(events, diary.clone()));
        Companion { client, diary, store }
    }

    /// A new companion of this phone, paired and online.
    pub(super) async fn paired(&self, phone: &Phone) -> Companion {
        let companion = self.companion(Store::memory());
        let pairing = |state: &State| matches!(state, State::Pairing { qr: Some(_) });
        // The guard of the watch must not live on: the client could not change its state meanwhile.
        let state = companion.client.watch().wait_for(pairing).await.expect("runs").clone();
        let State::Pairing { qr: Some(qr) } = state else { unreachable!("waited for it") };
        phone.scan(&qr.text).await.expect("scans");
        companion.online().await;
        companion
    }
}

pub(super) struct Companion {
    pub(super) client: Client,
    diary: watch::Sender<Vec<Event>>,
    pub(super) store: Store,
}

impl Companion {
    pub(super) async fn online(&self) {
        self.client.watch().wait_for(|state| *state == State::Online).await.expect("runs");
    }

    /// A text each way, through the sessions that there are.
    pub(super) async fn talk(&self, phone: &Phone, own: &Phone, text: &str) {
        self.client.send(Outgoing::text(phone.jid(), text)).await.expect("sent");
        phone.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.text.as_deref() == Some(text))).await;
        let reply = format!("reply to {text}");
        phone.send(own.number(), &reply).await.expect("sent");
        let mut events = self.diary.subscribe();
        let arrived = |event: &Event| matches!(event, Event::Message(message) if message.text() == Some(reply.as_str()));
        events.wait_for(|events| events.iter().any(arrived)).await.expect("runs");
    }
}

/// Notes what a client tells, and accepts it.
async fn write_down(mut events: Events, diary: watch::Sender<Vec<Event>>) {
    while let Some(mut batch) = events.next().await {
        diary.send_modify(|known| known.extend(batch.take_events()));
        // Refused when the connection has ended meanwhile: the events come again.
        let _ = batch.accept().await;
    }
}

struct Time(wa_simulator::Clock);

impl Clock for Time {
    fn unix_millis(&self) -> i64 {
        i64::try_from(self.0.unix_millis()).expect("this century")
    }
}

struct ToSimulator(Simulator);

#[async_trait]
impl Connector for ToSimulator {
    async fn connect(&self, _request: ConnectRequest) -> Result<Connection, TransportError> {
        let wa_simulator::Connection { outgoing, incoming } = self.0.connect();
        let io = |error: std::io::Error| TransportError::Io(error.to_string());
        Ok(Connection {
            outgoing: Box::pin(outgoing.sink_map_err(io)),
            incoming: Box::pin(incoming.map(move |m| m.map_err(io))),
        })
    }
}

/// One side of a connection, frame by frame.
pub(super) struct Link {
    connection: Connection,
    frames: FrameDecoder,
    ciphers: Option<Ciphers>,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, frames: FrameDecoder::default(), ciphers: None }
    }

    pub(super) async fn to(sim: &Simulator) -> Self {
        Self::new(ToSimulator(sim.clone()).connect(ConnectRequest::default()).await.expect("connects"))
    }

    pub(super) fn encrypt_with(&mut self, ciphers: Ciphers) {
        self.ciphers = Some(ciphers);
    }

    /// Writes one WebSocket message as it is. False when the peer is gone.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.connection.outgoing.send(Bytes::from(bytes)).await.is_ok()
    }

    /// Writes a plain frame of the handshake, with the connection header before the first.
    pub(super) async fn handshake(&mut self, payload: &[u8], header: bool) -> bool {
        let mut message = if header { CONNECTION_HEADER.to_vec() } else { Vec::new() };
        put_frame(&mut message, payload).expect("fits");
        self.write(message).await
    }

    /// Encrypts a payload (flag byte and node, or anything else) and writes it.
    pub(super) async fn seal(&mut self, payload: &[u8]) -> bool {
        let mut sealed = payload.to_vec();
        self.ciphers.as_mut().expect("shaken hands").seal.seal(&mut sealed).expect("counter");
        let mut message = Vec::new();
        put_frame(&mut message, &sealed).expect("fits");
        self.write(message).await
    }

    pub(super) async fn send(&mut self, node: &Node<'_>) -> bool {
        self.seal(&encode(node).expect("encodes")).await
    }

    /// The first frame of a client, behind its connection header.
    pub(super) async fn first_frame(&mut self) -> Option<Vec<u8>> {
        let mut preamble = Preamble::default();
        loop {
            let message = self.connection.incoming.next().await?.ok()?;
            match preamble.push(&message).expect("the honest side begins well") {
                Progress::More(more) => preamble = more,
                Progress::Done { rest, .. } => {
                    self.frames.push(&rest);
                    return self.frame().await;
                }
            }
        }
    }

    /// The next frame, still encrypted if it is; `None` when the peer is gone.
    pub(super) async fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(frame) = self.frames.next().expect("the honest side frames well") {
                return Some(frame);
            }
            let message = self.connection.incoming.next().await?.ok()?;
            self.frames.push(&message);
        }
    }

    /// The next stanza; `None` when the peer is gone.
    pub(super) async fn stanza(&mut self) -> Option<Node<'static>> {
        let mut frame = self.frame().await?;
        self.ciphers
            .as_mut()
            .expect("shaken hands")
            .open
            .open(&mut frame)
            .expect("the honest side encrypts well");
        let data = unpack(&frame).expect("the honest side encodes well");
        Some(decode(&data).expect("the honest side encodes well").into_owned())
    }
}

/// A generator for keys.
pub(super) fn keys() -> ChaCha8Rng {
    rand::SeedableRng::from_seed([7; 32])
}
