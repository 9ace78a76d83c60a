//! A companion made of the codecs alone: it says exactly what a test tells it to.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use md5::{Digest, Md5};
use prost::Message as _;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_binary::{Jid, Node};
use wa_crypto::{KeyPair, PublicKey, Signature, mac};
use wa_noise::{
    Ciphers, Initiator, TrustRoot,
    frame::{self, FrameDecoder},
};
use wa_protobuf::{
    adv::{AdvDeviceIdentity, AdvSignedDeviceIdentity, AdvSignedDeviceIdentityHmac},
    companion::DeviceProps,
    e2e::Message,
    payload::{
        AppVersion, ClientPayload, DevicePairingRegistrationData, UserAgent, WebInfo,
        client_payload::{ConnectReason, ConnectType},
        user_agent::Platform,
    },
};
use wa_signal::{Bundle, Kind, LocalIdentity, PreKey, PreKeyMessage, Session, SignedPreKey};
use wa_simulator::{Connection, Phone, Simulator};

pub(crate) const PREKEYS: usize = 30;

/// A connection after the handshake: stanzas in both directions, encrypted.
pub(crate) struct NoiseConnection {
    connection: Connection,
    frames: FrameDecoder,
    ciphers: Ciphers,
}

impl NoiseConnection {
    /// Shakes hands and sends the payload.
    pub(crate) async fn open(
        simulator: &Simulator,
        mut connection: Connection,
        noise: KeyPair,
        payload: &ClientPayload,
        rng: &mut ChaCha20Rng,
    ) -> Result<Self, wa_noise::HandshakeError> {
        let (waiting, hello) = Initiator::start(noise, rng);
        let mut message = wa_noise::CONNECTION_HEADER.to_vec();
        frame::put_frame(&mut message, &hello).unwrap();
        connection.outgoing.send(message.into()).await.unwrap();
        let mut frames = FrameDecoder::new();
        frames.push(&connection.incoming.next().await.unwrap().unwrap());
        let hello = frames.next().unwrap().unwrap();
        let trust = TrustRoot::new(simulator.root_key());
        let (ciphers, finish) = waiting.read(&hello, &trust, NOW, &payload.encode_to_vec())?;
        let mut message = Vec::new();
        frame::put_frame(&mut message, &finish).unwrap();
        connection.outgoing.send(message.into()).await.unwrap();
        Ok(Self { connection, frames, ciphers })
    }

    pub(crate) async fn send(&mut self, node: &Node<'_>) {
        self.send_raw(&wa_binary::encode(node).unwrap()).await;
    }

    pub(crate) async fn send_raw(&mut self, plain: &[u8]) {
        let mut message = Vec::new();
        self.ciphers.seal.seal_frame(&mut message, |out| out.extend_from_slice(plain)).unwrap();
        self.connection.outgoing.send(message.into()).await.unwrap();
    }

    /// Sends many stanzas in one message.
    pub(crate) async fn send_together(&mut self, nodes: &[Node<'_>]) {
        let mut message = Vec::new();
        for node in nodes {
            let plain = wa_binary::encode(node).unwrap();
            self.ciphers.seal.seal_frame(&mut message, |out| out.extend_from_slice(&plain)).unwrap();
        }
        self.connection.outgoing.send(message.into()).await.unwrap();
    }

    /// The next stanza; none when the server has closed.
    pub(crate) async fn try_next(&mut self) -> Option<Node<'static>> {
        loop {
            if let Some(mut frame) = self.frames.next().unwrap() {
                self.ciphers.open.open(&mut frame).unwrap();
                assert_eq!(frame[0], 0, "the flag byte");
                return Some(wa_binary::decode(&frame[1..]).unwrap().into_owned());
            }
            let message = self.connection.incoming.next().await?.ok()?;
            self.frames.push(&message);
            let whole = self.frames.pending();
            assert_eq!(whole, message.len(), "one frame is alone in its message");
        }
    }

    pub(crate) async fn next(&mut self) -> Node<'static> {
        self.try_next().await.expect("the server closed")
    }

    /// Skips stanzas until one fits.
    pub(crate) async fn next_where(&mut self, fits: impl Fn(&Node<'_>) -> bool) -> Node<'static> {
        loop {
            let node = self.next().await;
            if fits(&node) {
                return node;
            }
        }
    }

    pub(crate) async fn next_named(&mut self, tag: &str) -> Node<'static> {
        self.next_where(|node| node.is(tag)).await
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask(&mut self, kind: &str, xmlns: &str, child: Node<'static>) -> Node<'static> {
        let iq = Node::new("iq")
            .attr("id", "ask")
            .attr("type", kind.to_owned())
            .attr("xmlns", xmlns.to_owned())
            .attr("to", Jid::server())
            .child(child);
        self.ask_iq(&iq).await
    }

    pub(crate) async fn ask_iq(&mut self, iq: &Node<'_>) -> Node<'static> {
        let id = text(iq, "id");
        self.send(iq).await;
        self.next_where(|node| node.is("iq") && text(node, "id") == id).await
    }
}

/// The time at which simulators of tests are started.
pub(crate) const NOW: u64 = 1_790_000_000;

/// An attribute as text, empty if absent.
pub(crate) fn text(node: &Node<'_>, name: &str) -> String {
    node.attrs.text(name).unwrap_or_default().into_owned()
}

/// `<ack>` for a notification of the server.
pub(crate) fn ack_of(notice: &Node<'_>) -> Node<'static> {
    Node::new("ack")
        .attr("id", text(notice, "id"))
        .attr("to", Jid::server())
        .attr("class", notice.tag().to_owned())
        .attr("type", text(notice, "type"))
}

/// The code of an IQ's error, empty if it is a result.
pub(crate) fn error_code(answer: &Node<'_>) -> String {
    answer.get_child("error").map(|error| text(error, "code")).unwrap_or_default()
}

/// A companion's credentials and sessions.
pub(crate) struct Client {
    pub(crate) noise: KeyPair,
    pub(crate) identity: LocalIdentity,
    pub(crate) signed: SignedPreKey,
    pub(crate) prekeys: Vec<PreKey>,
    pub(crate) adv_secret: [u8; 32],
    pub(crate) rng: ChaCha20Rng,
    pub(crate) jid: Option<Jid>,
    pub(crate) lid: Option<Jid>,
    /// The complete `ADVSignedDeviceIdentity`.
    pub(crate) account: Option<AdvSignedDeviceIdentity>,
    pub(crate) sessions: HashMap<String, Session>,
}

impl Client {
    pub(crate) fn new(seed: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([seed; 32]);
        let identity = LocalIdentity { key: KeyPair::generate(&mut rng), registration_id: 0x00ab_cdef };
        Self {
            noise: KeyPair::generate(&mut rng),
            signed: SignedPreKey::generate(&identity, 1, &mut rng),
            prekeys: PreKey::generate(1, PREKEYS, &mut rng),
            adv_secret: [seed; 32],
            identity,
            rng,
            jid: None,
            lid: None,
            account: None,
            sessions: HashMap::new(),
        }
    }

    pub(crate) fn registration(&self) -> ClientPayload {
        let props = DeviceProps { os: Some("Test".to_owned()), platform_type: Some(1), ..Default::default() };
        let data = DevicePairingRegistrationData {
            e_regid: Some(self.identity.registration_id.to_be_bytes().to_vec().into()),
            e_keytype: Some(vec![5].into()),
            e_ident: Some(self.identity.key.public().as_bytes().to_vec().into()),
            e_skey_id: Some(vec![0, 0, 1].into()),
            e_skey_val: Some(self.signed.key.public().as_bytes().to_vec().into()),
            e_skey_sig: Some(self.signed.signature.as_bytes().to_vec().into()),
            build_hash: Some(Md5::digest("2.3000.1").to_vec().into()),
            device_props: Some(props.encode_to_vec().into()),
        };
        ClientPayload { passive: Some(false), device_pairing_data: Some(data), ..agent() }
    }

    pub(crate) fn login(&self) -> ClientPayload {
        let jid = self.jid.as_ref().expect("paired");
        ClientPayload {
            username: Some(jid.user.parse().unwrap()),
            device: Some(jid.device.into()),
            passive: Some(true),
            pull: Some(true),
            ..agent()
        }
    }

    pub(crate) async fn open(&mut self, simulator: &Simulator, payload: &ClientPayload) -> NoiseConnection {
        let connection = simulator.connect();
        NoiseConnection::open(simulator, connection, self.noise.clone(), payload, &mut self.rng)
            .await
            .unwrap()
    }

    pub(crate) fn qr(&self, reference: &str) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let keys = [self.noise.public().as_bytes(), self.identity.key.public().as_bytes(), &self.adv_secret];
        let [noise, identity, secret] = keys.map(|key| STANDARD.encode(key));
        format!("https://wa.me/settings/linked_devices#{reference},{noise},{identity},{secret},1")
    }

    /// Connects to be paired, and returns the references.
    pub(crate) async fn register(&mut self, simulator: &Simulator) -> (NoiseConnection, Vec<String>) {
        let payload = self.registration();
        let mut line = self.open(simulator, &payload).await;
        let references = references(&mut line).await;
        (line, references)
    }

    /// Is scanned by the phone and answers rightly.
    pub(crate) async fn pair(&mut self, simulator: &Simulator, phone: &Phone) -> u16 {
        let (line, references) = self.register(simulator).await;
        self.pair_on(line, &references[0], phone).await
    }

    pub(crate) async fn pair_on(&mut self, mut line: NoiseConnection, reference: &str, phone: &Phone) -> u16 {
        let qr = self.qr(reference);
        let (device, ()) = tokio::join!(phone.scan(&qr), async {
            let success = line.next().await;
            let answer = self.accept(&success);
            line.send(&answer).await;
            assert_eq!(text(&line.next().await, "code"), "515");
        });
        let device = device.unwrap();
        assert_eq!(device, self.jid.as_ref().unwrap().device);
        device
    }

    /// Checks pair-success as WhatsApp's clients do, and answers it.
    pub(crate) fn accept(&mut self, success: &Node<'_>) -> Node<'static> {
        let id = text(success, "id");
        let children = success.require_child("pair-success").unwrap();
        let container = children.require_child("device-identity").unwrap().require_bytes().unwrap();
        let container = AdvSignedDeviceIdentityHmac::decode(&*container).unwrap();
        let details = container.details.unwrap();
        mac::verify_hmac_sha256(&self.adv_secret, &[&details], &container.hmac.unwrap()).unwrap();
        let mut identity = AdvSignedDeviceIdentity::decode(details).unwrap();
        let details = identity.details.clone().unwrap();
        let account = PublicKey::from_slice(identity.account_signature_key.as_ref().unwrap()).unwrap();
        let own = *self.identity.key.public();
        let signature = Signature::from_slice(identity.account_signature.as_ref().unwrap()).unwrap();
        account.verify(&[&[6, 0], &details, own.as_bytes()], &signature).unwrap();
        let parts: [&[u8]; 4] = [&[6, 1], &details, own.as_bytes(), account.as_bytes()];
        let signature = self.identity.key.private().sign(&parts, &mut self.rng);
        identity.device_signature = Some(signature.as_bytes().to_vec().into());
        let device = children.require_child("device").unwrap();
        self.jid = Some(device.require_jid("jid").unwrap().clone());
        self.lid = Some(device.require_jid("lid").unwrap().clone());
        self.account = Some(identity.clone());
        let key_index = AdvDeviceIdentity::decode(details).unwrap().key_index.unwrap();
        identity.account_signature_key = None;
        let identity =
            Node::new("device-identity").attr("key-index", key_index).with_bytes(identity.encode_to_vec());
        Node::new("iq")
            .attr("to", Jid::server())
            .attr("type", "result")
            .attr("id", id)
            .child(Node::new("pair-device-sign").child(identity))
    }

    /// Logs in, uploads keys if it is the first time, and becomes active.
    pub(crate) async fn come_online(&mut self, simulator: &Simulator) -> NoiseConnection {
        let mut line = self.log_in(simulator).await;
        let counted = line.ask("get", "encrypt", Node::new("count")).await;
        if text(&counted.children()[0], "value") == "0" {
            let upload = self.upload(&self.prekeys);
            assert_eq!(text(&line.ask_iq(&upload).await, "type"), "result");
        }
        assert_eq!(text(&line.ask("set", "passive", Node::new("active")).await, "type"), "result");
        line
    }

    pub(crate) async fn log_in(&mut self, simulator: &Simulator) -> NoiseConnection {
        let payload = self.login();
        let mut line = self.open(simulator, &payload).await;
        let success = line.next().await;
        assert!(success.is("success"), "{success}");
        assert_eq!(success.attrs.jid("lid"), self.lid.as_ref());
        line
    }

    pub(crate) fn upload(&self, prekeys: &[PreKey]) -> Node<'static> {
        let list = prekeys.iter().map(|prekey| key("key", prekey.id, prekey.key.public()));
        Node::new("iq")
            .attr("id", "upload")
            .attr("type", "set")
            .attr("xmlns", "encrypt")
            .attr("to", Jid::server())
            .child(Node::new("registration").with_bytes(self.identity.registration_id.to_be_bytes().to_vec()))
            .child(Node::new("type").with_bytes(vec![5]))
            .child(Node::new("identity").with_bytes(self.identity.key.public().as_bytes().to_vec()))
            .child(Node::new("list").with_children(list))
            .child(signed(&self.signed))
    }

    /// Opens a session from the server's bundle, checking it.
    pub(crate) async fn open_session(&mut self, line: &mut NoiseConnection, jid: &Jid) {
        let user = Node::new("user").attr("jid", jid);
        let answer = line.ask("get", "encrypt", Node::new("key").child(user)).await;
        let user = answer.children()[0].children().first().expect("a bundle").clone();
        assert_eq!(user.attrs.jid("jid"), Some(jid));
        let session = Session::initiate(&self.identity, &bundle(&user), None, &mut self.rng).unwrap();
        self.sessions.insert(session_name(jid), session);
    }

    /// `<enc>` for a device with a session.
    pub(crate) fn encrypt(&mut self, jid: &Jid, message: &Message) -> Node<'static> {
        let mut plain = message.encode_to_vec();
        wa_signal::pad(&mut plain, 7);
        let session = self.sessions.get_mut(&session_name(jid)).expect("a session");
        let ciphertext = session.encrypt(&self.identity, &plain).unwrap();
        let kind = if ciphertext.kind == Kind::PreKey { "pkmsg" } else { "msg" };
        Node::new("enc").attr("v", "2").attr("type", kind).with_bytes(ciphertext.bytes)
    }

    /// A message for the devices, which need sessions.
    pub(crate) fn message(&mut self, id: &str, to: &Jid, devices: &[Jid], text: &str) -> Node<'static> {
        let own = self.lid.clone().unwrap();
        let mut participants = Node::new("participants");
        let mut opens = false;
        for device in devices {
            let content = plain_text(text);
            let content = if device.user == own.user { sent_by_device(to, content) } else { content };
            let enc = self.encrypt(device, &content);
            opens |= enc.attrs.text("type").as_deref() == Some("pkmsg");
            participants = participants.child(Node::new("to").attr("jid", device).child(enc));
        }
        Node::new("message")
            .attr("id", id.to_owned())
            .attr("to", to)
            .attr("type", "text")
            .child(participants)
            .with_children(opens.then(|| self.device_identity()))
    }

    pub(crate) fn device_identity(&self) -> Node<'static> {
        Node::new("device-identity").with_bytes(self.account.as_ref().unwrap().encode_to_vec())
    }

    /// Decrypts a delivered message.
    pub(crate) fn decrypt(&mut self, node: &Node<'_>) -> Message {
        let from = alternative(node);
        let enc = node.require_child("enc").unwrap();
        let bytes = enc.require_bytes().unwrap();
        let name = session_name(&from);
        let padded = if text(enc, "type") == "pkmsg" {
            let message = PreKeyMessage::parse(&bytes).unwrap();
            let prekey = message.prekey_id.map(|id| &self.prekeys[id as usize - 1].key);
            let existing = self.sessions.get(&name);
            let accepted =
                Session::accept(existing, &self.identity, &self.signed.key, prekey, &message, &mut self.rng);
            let (session, padded, _) = accepted.unwrap();
            self.sessions.insert(name, session);
            padded
        } else {
            let session = self.sessions.get_mut(&name).expect("a session");
            session.decrypt(&self.identity, &bytes, &mut self.rng).unwrap()
        };
        Message::decode(wa_signal::unpad(&padded).unwrap()).unwrap()
    }
}

/// The sender in the name space of LIDs, as sessions are kept.
pub(crate) fn alternative(node: &Node<'_>) -> Jid {
    let from = node.require_jid("from").unwrap();
    match node.attrs.jid("sender_lid") {
        Some(lid) => lid.clone().with_device(from.device),
        None => from.clone(),
    }
}

fn session_name(jid: &Jid) -> String {
    jid.ad_string()
}

pub(crate) fn plain_text(text: &str) -> Message {
    Message { conversation: Some(text.to_owned()), ..Default::default() }
}

pub(crate) fn sent_by_device(to: &Jid, message: Message) -> Message {
    let sent = wa_protobuf::e2e::DeviceSentMessage {
        destination_jid: Some(to.to_string()),
        message: Some(Box::new(message)),
        phash: None,
    };
    Message { device_sent_message: Some(Box::new(sent)), ..Default::default() }
}

fn agent() -> ClientPayload {
    let version =
        AppVersion { primary: Some(2), secondary: Some(3000), tertiary: Some(1), ..Default::default() };
    let agent =
        UserAgent { platform: Some(Platform::Web.into()), app_version: Some(version), ..Default::default() };
    ClientPayload {
        user_agent: Some(agent),
        web_info: Some(WebInfo::default()),
        connect_type: Some(ConnectType::WifiUnknown.into()),
        connect_reason: Some(ConnectReason::UserActivated.into()),
        ..Default::default()
    }
}

pub(crate) async fn references(line: &mut NoiseConnection) -> Vec<String> {
    let node = line.next().await;
    assert_eq!(node.attrs.jid("from"), Some(&Jid::server()));
    let references = node.require_child("pair-device").unwrap().children();
    let references =
        references.iter().map(|node| String::from_utf8(node.bytes().unwrap().into_owned()).unwrap());
    let references: Vec<_> = references.collect();
    let answer =
        Node::new("iq").attr("to", Jid::server()).attr("type", "result").attr("id", text(&node, "id"));
    line.send(&answer).await;
    references
}

pub(crate) fn key(name: &'static str, id: u32, key: &PublicKey) -> Node<'static> {
    Node::new(name)
        .child(Node::new("id").with_bytes(id.to_be_bytes()[1..].to_vec()))
        .child(Node::new("value").with_bytes(key.as_bytes().to_vec()))
}

pub(crate) fn signed(prekey: &SignedPreKey) -> Node<'static> {
    key("skey", prekey.id, prekey.key.public())
        .child(Node::new("signature").with_bytes(prekey.signature.as_bytes().to_vec()))
}

/// Reads a bundle, whose parts must have their lengths.
pub(crate) fn bundle(user: &Node<'_>) -> Bundle {
    let bytes = |node: &Node<'_>, name: &str| -> Bytes {
        node.require_child(name).unwrap().require_bytes().unwrap().into_owned().into()
    };
    let id = |node: &Node<'_>| {
        let [a, b, c] = bytes(node, "id")[..].try_into().unwrap();
        u32::from_be_bytes([0, a, b, c])
    };
    let public = |node: &Node<'_>| PublicKey::from_slice(&bytes(node, "value")).unwrap();
    let signed = user.require_child("skey").unwrap();
    assert_eq!(bytes(user, "type")[..], [5]);
    Bundle {
        registration_id: u32::from_be_bytes(bytes(user, "registration")[..].try_into().unwrap()),
        identity: PublicKey::from_slice(&bytes(user, "identity")).unwrap(),
        signed_prekey_id: id(signed),
        signed_prekey: public(signed),
        signed_prekey_signature: Signature::from_slice(&bytes(signed, "signature")).unwrap(),
        prekey: user.get_child("key").map(|key| (id(key), public(key))),
    }
}

impl NoiseConnection {
    /// Sends bytes, and takes what is there. False if the server has closed.
    pub(crate) async fn is_open(&mut self, plain: &[u8]) -> bool {
        use futures_util::FutureExt;
        let mut message = Vec::new();
        self.ciphers.seal.seal_frame(&mut message, |out| out.extend_from_slice(plain)).unwrap();
        if self.connection.outgoing.send(message.into()).await.is_err() {
            return false;
        }
        tokio::task::yield_now().await;
        while let Some(node) = self.try_next().now_or_never() {
            match node {
                Some(node) if node.is("stream:error") => return false,
                Some(_) => {}
                None => return false,
            }
        }
        true
    }
}
