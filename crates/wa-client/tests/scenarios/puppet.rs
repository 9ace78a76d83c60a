//! A server that says what a test wants it to say.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_binary::{Jid, Node, decode, encode, unpack};
use wa_client::memory::{self, MemoryListener};
use wa_client::{Client, Connection, Store};
use wa_crypto::KeyPair;
use wa_noise::cert::Authority;
use wa_noise::frame::{FrameDecoder, put_frame};
use wa_noise::preamble::{Preamble, Progress};
use wa_noise::{Ciphers, Reply, Responder};
use wa_store::{Changes, Device};

use crate::stage::{Diary, NOW, SharedClock};

/// A server without a mind of its own, for one account.
pub(crate) struct Puppet {
    pub(crate) listener: MemoryListener,
    authority: Authority,
    random: ChaCha20Rng,
}

pub(crate) struct Line {
    pub(crate) connection: Connection,
    frames: FrameDecoder,
    ciphers: Ciphers,
}

impl Puppet {
    pub(crate) async fn new() -> (Self, Client, Arc<Diary>) {
        let mut random = ChaCha20Rng::from_seed([9; 32]);
        let authority = Authority::generate(&mut random);
        let (connector, listener) = memory::listen();
        let store = Store::memory();
        let device = paired_device();
        store.commit(Changes { device: Some(device), ..Changes::default() }).await.unwrap();
        let diary = Arc::new(Diary::default());
        let (client, events) = Client::builder(store)
            .connector(Arc::new(connector))
            .trust_root(authority.trust_root())
            .clock(Arc::new(SharedClock(wa_simulator::Clock::starting_at(NOW))))
            .seed([1; 32])
            .start();
        tokio::spawn(diary.clone().keep(events));
        (Self { listener, authority, random }, client, diary)
    }

    /// The next connection, after the handshake and `<success>`.
    pub(crate) async fn logged_in(&mut self) -> Line {
        let mut connection = self.listener.accept().await.unwrap();
        let key = KeyPair::generate(&mut self.random);
        let chain = self.authority.issue(key.public(), 0, u64::MAX, &mut self.random);
        let mut frames = FrameDecoder::default();
        let first = connection.incoming.next().await.unwrap().unwrap();
        let Progress::Done { rest, .. } = Preamble::default().push(&first).unwrap() else {
            panic!("no preamble")
        };
        frames.push(&rest);
        let hello = frames.next().unwrap().unwrap();
        let Reply::AwaitFinish { server_hello, next } =
            Responder::start(key, chain).read(&hello, &mut self.random).unwrap()
        else {
            panic!("this client doesn't resume")
        };
        let mut out = Vec::new();
        put_frame(&mut out, &server_hello).unwrap();
        connection.outgoing.send(Bytes::from(out)).await.unwrap();
        frames.push(&connection.incoming.next().await.unwrap().unwrap());
        let finish = frames.next().unwrap().unwrap();
        let (ciphers, _) = next.read(&finish).unwrap();
        let mut line = Line { connection, frames, ciphers };
        line.say(&Node::new("success").attr("t", NOW).attr("lid", Jid::lid("8001").with_device(1)))
            .await
            .unwrap();
        line
    }
}

impl Line {
    pub(crate) async fn say(&mut self, node: &Node<'_>) -> Result<(), ()> {
        self.say_bytes(encode(node).unwrap()).await
    }

    pub(crate) async fn say_bytes(&mut self, mut body: Vec<u8>) -> Result<(), ()> {
        self.ciphers.seal.seal(&mut body).unwrap();
        let mut frame = Vec::new();
        put_frame(&mut frame, &body).unwrap();
        self.connection.outgoing.send(Bytes::from(frame)).await.map_err(|_| ())
    }

    /// The next stanza of the client; `None` once it is gone.
    pub(crate) async fn hear(&mut self) -> Option<Node<'static>> {
        loop {
            if let Some(mut frame) = self.frames.next().unwrap() {
                self.ciphers.open.open(&mut frame).unwrap();
                let data = unpack(&frame).unwrap();
                return Some(decode(&data).unwrap().into_owned());
            }
            self.frames.push(&self.connection.incoming.next().await?.ok()?);
        }
    }

    /// Answers requests with nothing until the client answers this ping; whether it did.
    pub(crate) async fn is_alive(&mut self) -> bool {
        let ping = Node::new("iq").attr("type", "get").attr("xmlns", "urn:xmpp:ping").attr("id", "alive?");
        if self.say(&ping.attr("from", Jid::server())).await.is_err() {
            return false;
        }
        while let Some(node) = self.hear().await {
            let id = node.attrs.text("id").unwrap_or_default().into_owned();
            if id == "alive?" {
                return true;
            }
            if node.is("iq") && node.attrs.get("type").is_some_and(|kind| *kind != "result") {
                let result = Node::new("iq").attr("type", "result").attr("id", id);
                if self.say(&result).await.is_err() {
                    return false;
                }
            }
        }
        false
    }
}

fn paired_device() -> Device {
    let mut device = wa_store::conformance::sample_device();
    device.jid = Some(Jid::pn("15550001").with_device(1));
    device.lid = Some(Jid::lid("8001").with_device(1));
    device.routing_info = None;
    device.signed_prekey_rotated_at = i64::try_from(NOW).unwrap();
    device
}
