//! Whole connections: a linked companion that turns hostile, and a server that does.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use wa_binary::{Jid, Node, encode};
use wa_crypto::{KeyPair, PrivateKey};
use wa_noise::cert::Authority;
use wa_noise::{Initiator, Reply, Responder, TrustRoot};
use wa_protobuf::payload::{AppVersion, ClientPayload, UserAgent, WebInfo};
use wa_simulator::Simulator;
use wa_store::Device;

use super::stage::{Link, Stage, keys};
use super::{cases, frames, garbage, mutated, rng};

/// Stanzas per connection, so that logins are attacked as often as open connections.
const PER_CONNECTION: usize = 60;

/// Seeds with which damaged copies of a message pass the server and reach a phone, which can't read them.
const SEEDS_THAT_REACH_A_PHONE: [u64; 4] = [47_514, 71_271, 174_218, 760_224];

#[tokio::test(start_paused = true)]
async fn a_hostile_companion_costs_only_its_own_connection() {
    endure_a_hostile_companion(rng("hostile companion")).await;
}

#[tokio::test(start_paused = true)]
async fn what_only_a_hostile_companion_wrote_is_no_damage() {
    for seed in SEEDS_THAT_REACH_A_PHONE {
        endure_a_hostile_companion(ChaCha8Rng::seed_from_u64(seed)).await;
    }
}

async fn endure_a_hostile_companion(mut rng: ChaCha8Rng) {
    let stage = Stage::new().await;
    let phones =
        ["15550000041", "15550000042"].map(|number| stage.sim.create_phone(number, None).expect("phone"));
    let [victim, accomplice] = &phones;
    let honest = stage.paired(victim).await;
    let turncoat = stage.paired(accomplice).await;
    honest.talk(accomplice, victim, "before").await;
    turncoat.client.stop().await;
    let device = turncoat.store.device().await.expect("reads").expect("paired");

    let stanzas = attacks(&device, victim.lid());
    // One at least does reach a phone: a message with a ciphertext of nobody.
    for stanza in &stanzas {
        log_in(&stage.sim, &device).await.seal(stanza).await;
    }
    let mut left = cases(2);
    while left > 0 {
        let mut link = log_in(&stage.sim, &device).await;
        for _ in 0..PER_CONNECTION.min(left) {
            left -= 1;
            let payload = match rng.random_range(0..10) {
                0 => garbage(&mut rng),
                _ => {
                    let at = rng.random_range(0..stanzas.len());
                    mutated(&mut rng, &stanzas[at])
                }
            };
            if !link.seal(&payload).await {
                break;
            }
        }
        // What isn't even encrypted ends the connection at the latest.
        link.write(garbage(&mut rng)).await;
    }
    honest.talk(accomplice, victim, "after").await;
    let hostile = device.jid.expect("paired");
    assert!(accomplice.undecryptable_from(&hostile) > 0, "the attack reached a phone");
    for phone in &phones {
        let of_others = phone.undecryptable() - phone.undecryptable_from(&hostile);
        assert_eq!(of_others, 0, "no session was damaged");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_server_cannot_crash_a_client_or_damage_its_sessions() {
    let mut rng = rng("hostile server");
    let stage = Stage::new().await;
    let phones =
        ["15550000051", "15550000052"].map(|number| stage.sim.create_phone(number, None).expect("phone"));
    let [own, peer] = &phones;
    let companion = stage.paired(own).await;
    companion.talk(peer, own, "before").await;
    companion.client.stop().await;
    let device = companion.store.device().await.expect("reads").expect("paired");

    let (connector, mut listener) = wa_client::memory::listen();
    let server = HostileServer::new();
    let victim = stage.companion_of(companion.store.clone(), Arc::new(connector), server.trust);
    let mut left = cases(2);
    while left > 0 {
        let connection = listener.accept().await.expect("the client comes back");
        let Some(link) = server.log_in(Link::new(connection), &device).await else { continue };
        server.attack(link, &mut left, &mut rng).await;
    }
    victim.client.stop().await;

    let companion = stage.companion(companion.store.clone());
    companion.online().await;
    companion.talk(peer, own, "after").await;
    assert_eq!(peer.undecryptable() + own.undecryptable(), 0, "no session was damaged");
}

/// What a linked companion may try, as payloads.
fn attacks(device: &Device, victim: Jid) -> Vec<Vec<u8>> {
    let own = device.lid.clone().expect("paired");
    let enc = || Node::new("enc").attr("v", "2").attr("type", "msg").with_bytes(vec![0x33; 60]);
    let query = |namespace: &'static str, kind: &'static str| {
        Node::new("iq")
            .attr("id", "9.9-9")
            .attr("to", Jid::server())
            .attr("xmlns", namespace)
            .attr("type", kind)
    };
    let mut nodes = frames::stanzas();
    nodes.extend([
        Node::new("message").attr("id", "3EB0FFFF").attr("to", victim.clone()).attr("type", "text").child(
            Node::new("participants")
                .child(Node::new("to").attr("jid", victim.clone().with_device(1)).child(enc()))
                .child(Node::new("to").attr("jid", own.to_user()).child(enc())),
        ),
        query("encrypt", "get").child(
            Node::new("key").child(
                Node::new("user").attr("jid", victim.clone().with_device(1)).attr("reason", "identity"),
            ),
        ),
        query("encrypt", "set").with_children([
            Node::new("registration").with_bytes(device.registration_id.to_be_bytes().to_vec()),
            Node::new("type").with_bytes(vec![5]),
            Node::new("identity").with_bytes(vec![9; 32]),
            Node::new("list").child(Node::new("key").with_children([
                Node::new("id").with_bytes(vec![0, 9, 9]),
                Node::new("value").with_bytes(vec![9; 32]),
            ])),
        ]),
        query("usync", "get").child(
            Node::new("usync")
                .attr("sid", "1")
                .attr("mode", "query")
                .attr("context", "message")
                .attr("index", "0")
                .attr("last", "true")
                .child(Node::new("query").child(Node::new("devices").attr("version", "2")))
                .child(Node::new("list").child(Node::new("user").attr("jid", victim.clone()))),
        ),
        query("w:p", "get"),
        query("passive", "set").child(Node::new("active")),
        Node::new("receipt").attr("id", "3EB0FFFF").attr("to", victim),
    ]);
    nodes.iter().map(|node| encode(node).expect("encodes")).collect()
}

/// Logs in as this device, with its own keys.
async fn log_in(sim: &Simulator, device: &Device) -> Link {
    let key = KeyPair::from_private(PrivateKey::from_bytes(device.noise_key));
    let mut link = Link::to(sim).await;
    let (waiting, hello) = Initiator::start(key, &mut keys());
    assert!(link.handshake(&hello, true).await, "the server listens");
    let server_hello = link.frame().await.expect("the server answers");
    let trust = TrustRoot::new(sim.root_key());
    let read = waiting.read(&server_hello, &trust, 1_800_000_000, &payload(device));
    let (ciphers, finish) = read.expect("an honest server");
    assert!(link.handshake(&finish, false).await, "the server listens");
    link.encrypt_with(ciphers);
    let success = link.stanza().await.expect("the server answers");
    assert!(success.is("success"), "login: {success}");
    link
}

fn payload(device: &Device) -> Vec<u8> {
    let jid = device.jid.as_ref().expect("paired");
    let version = AppVersion {
        primary: Some(2),
        secondary: Some(3000),
        tertiary: Some(1_045_649_367),
        ..Default::default()
    };
    ClientPayload {
        username: jid.user.parse().ok(),
        device: Some(u32::from(jid.device)),
        passive: Some(true),
        pull: Some(true),
        user_agent: Some(UserAgent { platform: Some(14), app_version: Some(version), ..Default::default() }),
        web_info: Some(WebInfo { web_sub_platform: Some(0), ..Default::default() }),
        connect_type: Some(1),
        connect_reason: Some(1),
        ..Default::default()
    }
    .encode_to_vec()
}

/// A server with a valid certificate and bad intentions.
struct HostileServer {
    key: KeyPair,
    chain: Vec<u8>,
    trust: TrustRoot,
    stanzas: Vec<Vec<u8>>,
}

impl HostileServer {
    fn new() -> Self {
        let mut rng = keys();
        let authority = Authority::generate(&mut rng);
        let key = KeyPair::generate(&mut rng);
        let chain = authority.issue(key.public(), 0, u64::MAX, &mut rng);
        // A server may end an account; that it can is no news.
        let lawful = |node: &Node<'_>| !node.is("failure") && !node.is("stream:error");
        let stanzas = frames::stanzas();
        let stanzas =
            stanzas.iter().filter(|node| lawful(node)).map(|node| encode(node).expect("encodes")).collect();
        Self { key, chain, trust: authority.trust_root(), stanzas }
    }

    /// Lets the client in; `None` when it went away.
    async fn log_in(&self, mut link: Link, device: &Device) -> Option<Link> {
        let responder = Responder::start(self.key.clone(), self.chain.clone());
        let hello = link.first_frame().await?;
        let Ok(Reply::AwaitFinish { server_hello, next }) = responder.read(&hello, &mut keys()) else {
            panic!("the client shakes hands honestly")
        };
        link.handshake(&server_hello, false).await.then_some(())?;
        let finish = link.frame().await?;
        let (ciphers, identity) = next.read(&finish).expect("the client shakes hands honestly");
        let key = KeyPair::from_private(PrivateKey::from_bytes(device.noise_key));
        assert_eq!(&identity.static_key, key.public());
        link.encrypt_with(ciphers);
        let lid = device.lid.clone().expect("paired");
        let success = Node::new("success").attr("t", "1800000000").attr("lid", lid);
        link.send(&success).await.then_some(link)
    }

    /// Answers each question of the client, and says damaged things in between, until the client goes.
    async fn attack(&self, mut link: Link, left: &mut usize, rng: &mut ChaCha8Rng) {
        for _ in 0..PER_CONNECTION {
            let payload = match rng.random_range(0..10) {
                0 => garbage(rng),
                _ => {
                    let at = rng.random_range(0..self.stanzas.len());
                    mutated(rng, &self.stanzas[at])
                }
            };
            *left = left.saturating_sub(1);
            if !link.seal(&payload).await {
                return;
            }
            // Short: the client answers at once or not at all.
            match tokio::time::timeout(Duration::from_millis(5), link.stanza()).await {
                Ok(None) => return,
                Ok(Some(asked)) if asked.is("iq") => {
                    let id = asked.attrs.text("id").unwrap_or_default().into_owned();
                    let answer =
                        Node::new("iq").attr("id", id).attr("type", "result").attr("from", Jid::server());
                    if !link.send(&answer).await {
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}
