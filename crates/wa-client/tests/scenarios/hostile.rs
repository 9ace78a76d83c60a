//! A server that says anything: the client neither panics nor hangs, and its sessions stay sound.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tokio::time::timeout;
use wa_binary::{Content, Jid, Node, Value, encode};
use wa_noise::frame::put_frame;

use crate::puppet::Puppet;
use crate::stage::NOW;

/// Stanzas of every kind that the client reads, as a server would send them.
fn samples() -> Vec<Node<'static>> {
    let stanza = |tag: &'static str| {
        Node::new(tag).attr("id", "3EB0AA").attr("t", NOW).attr("from", Jid::lid("9002")).attr("type", "text")
    };
    let enc = |kind: &'static str| {
        Node::new("enc")
            .attr("v", "2")
            .attr("type", kind)
            .with_bytes(vec![0x33, 0x0a, 0x21, 5, 1, 2, 3, 4, 5, 6, 7, 8])
    };
    let info = |child: Node<'static>| Node::new("ib").attr("from", Jid::server()).child(child);
    let item = Node::new("item").attr("id", "3EB0BB");
    let retry = Node::new("retry").attr("count", "2").attr("id", "3EB0AA").attr("t", NOW).attr("v", "1");
    let key = |tag: &'static str| {
        let id = Node::new("id").with_bytes(vec![0, 0, 1]);
        let value = Node::new("value").with_bytes(vec![9; 32]);
        Node::new(tag).child(id).child(value).child(Node::new("signature").with_bytes(vec![1; 64]))
    };
    let keys = Node::new("keys")
        .child(Node::new("type").with_bytes(vec![5]))
        .child(Node::new("identity").with_bytes(vec![7; 32]))
        .child(key("key"))
        .child(key("skey"))
        .child(Node::new("device-identity").with_bytes(vec![8; 40]));
    let user = Node::new("user").attr("jid", Jid::lid("9002")).attr("t", NOW);
    vec![
        stanza("message").child(enc("msg")),
        stanza("message").child(enc("pkmsg")).attr("sender_pn", Jid::pn("15550002")).attr("offline", "1"),
        stanza("message").child(enc("skmsg")).attr("participant", Jid::lid("9003").with_device(2)),
        stanza("message").child(Node::new("unavailable").attr("type", "view_once")),
        stanza("message").attr("category", "peer").attr("from", Jid::lid("8001")).child(enc("msg")),
        stanza("message").attr("from", Jid::group("1203630001")).attr("participant", Jid::lid("9003")),
        stanza("receipt").attr("type", "read").child(Node::new("list").child(item)),
        stanza("receipt").child(Node::new("participants").attr("key", "3EB0AA").child(user)),
        stanza("receipt")
            .attr("type", "retry")
            .child(retry)
            .child(Node::new("registration").with_bytes(vec![0, 0, 0, 7]))
            .child(keys),
        stanza("notification")
            .attr("type", "encrypt")
            .attr("from", Jid::server())
            .child(Node::new("count").attr("value", "1")),
        stanza("notification").attr("type", "encrypt").child(Node::new("identity")),
        stanza("notification").attr("type", "devices").attr("lid", Jid::lid("9002")).child(Node::new("add")),
        stanza("notification").attr("type", "account_sync").child(Node::new("devices")),
        stanza("notification").attr("type", "w:gp2"),
        stanza("call").child(Node::new("offer")),
        stanza("ack").attr("class", "message").attr("phash", "2:AAAAAAAA").attr("error", "463"),
        stanza("iq").attr("type", "result").child(Node::new("usync")),
        info(Node::new("offline").attr("count", "3")),
        info(Node::new("offline_preview").attr("count", "3")),
        info(Node::new("dirty").attr("type", "account_sync").attr("timestamp", NOW)),
        info(Node::new("edge_routing").child(Node::new("routing_info").with_bytes(vec![1, 2, 3]))),
        Node::new("success").attr("t", NOW).attr("lid", Jid::lid("8001").with_device(1)),
        stanza("presence"),
        stanza("chatstate").child(Node::new("composing")),
    ]
}

/// Changes one thing of a stanza.
fn mutated(mut node: Node<'static>, random: &mut impl Rng) -> Node<'static> {
    const WORDS: [&str; 12] = [
        "",
        "0",
        "-1",
        "99999999999999999999",
        "retry",
        "msg",
        "pkmsg",
        "participants",
        "x",
        "result",
        "peer",
        "\u{0}",
    ];
    let word = WORDS[random.random_range(0..WORDS.len())];
    let names: Vec<String> = node.attrs.iter().map(|(name, _)| name.to_owned()).collect();
    let jids =
        [Jid::server(), Jid::lid("8001").with_device(1), Jid::group("1"), Jid::status(), Jid::pn("15550001")];
    match random.random_range(0..8) {
        0 if !names.is_empty() => {
            node.attrs.remove(&names[random.random_range(0..names.len())]);
        }
        1 if !names.is_empty() => {
            node.attrs.insert(names[random.random_range(0..names.len())].clone(), word);
        }
        2 if !names.is_empty() => {
            let jid = jids[random.random_range(0..jids.len())].clone();
            node.attrs.insert(names[random.random_range(0..names.len())].clone(), Value::Jid(jid));
        }
        3 => {
            node.content = Content::Bytes(
                (0..random.random_range(0..80)).map(|_| random.random()).collect::<Vec<u8>>().into(),
            )
        }
        4 => node.content = Content::Empty,
        5 => node.content = Content::Text(word.into()),
        _ => {
            if let Content::Nodes(children) = &mut node.content
                && !children.is_empty()
            {
                let index = random.random_range(0..children.len());
                children[index] = mutated(children[index].clone(), random);
            }
        }
    }
    node
}

async fn survives(
    seed: u8,
    rounds: usize,
    stanzas: usize,
    mut next: impl FnMut(&mut ChaCha20Rng) -> Vec<u8>,
) {
    let mut random = ChaCha20Rng::from_seed([seed; 32]);
    let (mut puppet, client, _diary) = Puppet::new().await;
    for round in 0..rounds {
        let mut line =
            timeout(Duration::from_secs(3600), puppet.logged_in()).await.expect("the client came back");
        for _ in 0..stanzas {
            if line.say_bytes(next(&mut random)).await.is_err() {
                break;
            }
            // Reading along keeps both directions moving.
            while let Ok(Some(_)) = timeout(Duration::ZERO, line.hear()).await {}
        }
        let alive = timeout(Duration::from_secs(3600), line.is_alive()).await.expect("the client hangs");
        drop(line);
        // Whatever ended the connection cost the connection only.
        assert!(
            alive || !client.state().cause().is_some_and(wa_client::Cause::wipes_credentials),
            "round {round}"
        );
        client.reconnect().await;
    }
    client.stop().await;
}

#[tokio::test(start_paused = true)]
async fn mutated_stanzas_cost_nothing_but_themselves() {
    let samples = samples();
    survives(1, 40, 500, move |random| {
        let mut node = samples[random.random_range(0..samples.len())].clone();
        for _ in 0..random.random_range(0..4) {
            node = mutated(node, random);
        }
        encode(&node).unwrap_or_else(|_| encode(&samples[0]).unwrap())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn random_bytes_in_sound_frames_cost_nothing() {
    survives(2, 10, 500, |random| {
        let size = random.random_range(0..200);
        (0..size).map(|_| random.random()).collect()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn flipped_bits_cost_at_most_the_connection() {
    let samples = samples();
    survives(3, 20, 500, move |random| {
        let mut bytes = encode(&samples[random.random_range(0..samples.len())]).unwrap();
        for _ in 0..random.random_range(1..4) {
            let index = random.random_range(0..bytes.len());
            bytes[index] ^= 1 << random.random_range(0..8);
        }
        bytes
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn garbage_below_the_cipher_ends_the_connection_and_the_next_one_works() {
    let mut random = ChaCha20Rng::from_seed([4; 32]);
    let (mut puppet, client, _diary) = Puppet::new().await;
    for _ in 0..20 {
        let mut line =
            timeout(Duration::from_secs(3600), puppet.logged_in()).await.expect("the client came back");
        let garbage: Vec<u8> = (0..random.random_range(3..300)).map(|_| random.random()).collect();
        let mut frame = Vec::new();
        put_frame(&mut frame, &garbage).unwrap();
        line.connection.outgoing.send(Bytes::from(frame)).await.unwrap();
        assert!(!timeout(Duration::from_secs(3600), line.is_alive()).await.expect("the client hangs"));
    }
    let mut line = puppet.logged_in().await;
    assert!(line.is_alive().await);
    client.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_of_garbage_is_refused_and_tried_again() {
    let mut random = ChaCha20Rng::from_seed([5; 32]);
    let (mut puppet, client, _diary) = Puppet::new().await;
    for _ in 0..50 {
        let mut connection = puppet.listener.accept().await.unwrap();
        let garbage: Vec<u8> = (0..random.random_range(0..400)).map(|_| random.random()).collect();
        let mut frame = Vec::new();
        put_frame(&mut frame, &garbage).unwrap();
        connection.outgoing.send(Bytes::from(frame)).await.unwrap();
        while let Some(Ok(_)) = connection.incoming.next().await {}
    }
    assert!(puppet.logged_in().await.is_alive().await);
    client.stop().await;
}
