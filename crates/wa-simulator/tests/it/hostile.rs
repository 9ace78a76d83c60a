//! Whatever a client sends, the simulator lives, and only that client's connection suffers.

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use wa_binary::{Content, Jid, Node};
use wa_noise::frame;

use crate::{client::*, scene::*};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn random_first_bytes_end_only_their_own_connection() {
    let runtime = runtime();
    let scene = runtime.block_on(Scene::quiet());
    let messages = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4);
    proptest!(ProptestConfig::with_cases(2_000), |(messages in messages, header in 0..4)| {
        runtime.block_on(async {
            let mut connection = scene.simulator.connect();
            for (index, body) in messages.into_iter().enumerate() {
                let mut message = Vec::new();
                if index == 0 && header > 0 {
                    let routing = (header > 1).then_some(&b"routing"[..]);
                    wa_noise::preamble::put_preamble(&mut message, routing).unwrap();
                }
                match header {
                    3 => frame::put_frame(&mut message, &body).unwrap(),
                    _ => message.extend_from_slice(&body),
                }
                if connection.outgoing.send(message.into()).await.is_err() {
                    break;
                }
            }
            // The server waits for more, or has closed; both end.
            while let Some(Ok(_)) = connection.incoming.next().await {}
        });
    });
    runtime.block_on(scene.companion(1));
}

#[test]
fn damaged_handshakes_end_only_their_own_connection() {
    let runtime = runtime();
    let scene = runtime.block_on(Scene::quiet());
    proptest!(ProptestConfig::with_cases(1_000), |(at in any::<prop::sample::Index>(), value in any::<u8>(), second in any::<bool>())| {
        runtime.block_on(async {
            let mut client = Client::new(1);
            let payload = prost::Message::encode_to_vec(&client.registration());
            let mut connection = scene.simulator.connect();
            let (waiting, mut hello) = wa_noise::Initiator::start(client.noise.clone(), &mut client.rng);
            if !second {
                let index = at.index(hello.len());
                hello[index] ^= value;
            }
            let mut message = wa_noise::CONNECTION_HEADER.to_vec();
            frame::put_frame(&mut message, &hello).unwrap();
            connection.outgoing.send(message.into()).await.unwrap();
            let Some(Ok(answer)) = connection.incoming.next().await else { return };
            let trust = wa_noise::TrustRoot::new(scene.simulator.root_key());
            let Ok((_, mut finish)) = waiting.read(&answer[3..], &trust, NOW, &payload) else { return };
            let index = at.index(finish.len());
            finish[index] ^= value;
            let mut message = Vec::new();
            frame::put_frame(&mut message, &finish).unwrap();
            connection.outgoing.send(message.into()).await.ok();
            drop(connection);
        });
    });
    runtime.block_on(scene.companion(1));
}

/// A stanza that a client could send, and what a test may break in it.
fn stanzas(client: &mut Client, scene: &Scene) -> Vec<Node<'static>> {
    let (bob, own) = (scene.bob.lid(), scene.alice.lid());
    let iq = |kind: &'static str, xmlns: &'static str, child: Node<'static>| {
        Node::new("iq")
            .attr("id", "1")
            .attr("type", kind)
            .attr("xmlns", xmlns)
            .attr("to", Jid::server())
            .child(child)
    };
    let users = Node::new("list").child(Node::new("user").attr("jid", &bob));
    let query =
        Node::new("query").child(Node::new("devices").attr("version", "2")).child(Node::new("contact"));
    let retry = Node::new("retry").attr("count", "1").attr("id", "1").attr("t", "1").attr("v", "1");
    vec![
        client.message("1", &bob, &[bob.clone(), own.clone()], "text"),
        client.upload(&client.prekeys),
        iq("get", "usync", Node::new("usync").attr("sid", "1").child(query).child(users)),
        iq("get", "encrypt", Node::new("key").child(Node::new("user").attr("jid", &bob))),
        iq("set", "encrypt", Node::new("rotate").child(signed(&client.signed))),
        iq("set", "passive", Node::new("active")),
        iq(
            "set",
            "privacy",
            Node::new("tokens").child(Node::new("token").attr("jid", &bob).attr("t", "1").attr("type", "x")),
        ),
        iq("set", "blocklist", Node::new("item").attr("jid", Jid::lid("5")).attr("action", "block")),
        iq(
            "set",
            "w:sync:app:state",
            Node::new("sync").child(
                Node::new("collection")
                    .attr("name", "regular")
                    .child(Node::new("patch").with_bytes(vec![8, 1])),
            ),
        ),
        Node::new("receipt")
            .attr("id", "1")
            .attr("to", &bob)
            .attr("type", "retry")
            .child(retry)
            .child(Node::new("registration").with_bytes(vec![0; 4])),
        Node::new("receipt")
            .attr("id", "1")
            .attr("to", &bob)
            .child(Node::new("list").child(Node::new("item").attr("id", "2"))),
        Node::new("ack").attr("id", "1").attr("class", "message").attr("to", &bob),
        Node::new("presence").attr("type", "subscribe").attr("to", &bob),
        Node::new("chatstate").attr("to", &bob).child(Node::new("composing")),
    ]
}

/// Breaks a stanza in a few places.
fn mutate(node: &mut Node<'static>, rng: &mut ChaCha20Rng) {
    match rng.next_u32() % 9 {
        0 => {
            let names: Vec<String> = node.attrs.iter().map(|(name, _)| name.to_owned()).collect();
            if !names.is_empty() {
                node.attrs.remove(&names[rng.next_u32() as usize % names.len()]);
            }
        }
        1 => drop(node.attrs.insert("to", "nonsense")),
        2 => drop(node.attrs.insert("jid", Jid::lid("9").with_device((rng.next_u32() % 256) as u16))),
        3 => drop(node.attrs.insert(
            "type",
            ["get", "set", "retry", "read", "msg", "subscribe"][rng.next_u32() as usize % 6],
        )),
        4 => drop(node.attrs.insert("id", "x".repeat(rng.next_u32() as usize % 300))),
        5 => node.tag = ["iq", "message", "receipt", "enc", "usync", "x"][rng.next_u32() as usize % 6].into(),
        6 => node.content = Content::Bytes((0..rng.next_u32() % 90).map(|_| rng.next_u32() as u8).collect()),
        _ => match &mut node.content {
            Content::Nodes(children) if !children.is_empty() => {
                let index = rng.next_u32() as usize % children.len();
                match rng.next_u32() % 5 {
                    0 => drop(children.remove(index)),
                    1 => {
                        let copy = children[index].clone();
                        children.push(copy);
                    }
                    _ => mutate(&mut children[index], rng),
                }
            }
            Content::Bytes(bytes) if !bytes.is_empty() => {
                let index = rng.next_u32() as usize % bytes.len();
                bytes.to_mut()[index] ^= rng.next_u32() as u8;
            }
            content => *content = Content::Empty,
        },
    }
}

#[test]
fn mutated_stanzas_never_stop_the_server() {
    let runtime = runtime();
    runtime.block_on(async {
        let scene = Scene::quiet().await;
        let (mut client, mut line) = scene.companion(1).await;
        let (mut good, mut good_line) = scene.companion_of(&scene.bob, 2).await;
        for device in [scene.bob.lid(), scene.alice.lid()] {
            client.open_session(&mut line, &device).await;
        }
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let originals = stanzas(&mut client, &scene);
        for _ in 0..20_000 {
            let mut node = originals[rng.next_u32() as usize % originals.len()].clone();
            for _ in 0..=rng.next_u32() % 3 {
                mutate(&mut node, &mut rng);
            }
            let Ok(mut bytes) = wa_binary::encode(&node) else { continue };
            if rng.next_u32() % 8 == 0 {
                let index = 1 + rng.next_u32() as usize % (bytes.len() - 1).max(1);
                if let Some(byte) = bytes.get_mut(index) {
                    *byte ^= rng.next_u32() as u8;
                }
            }
            if !line.is_open(&bytes).await {
                line = client.come_online(&scene.simulator).await;
            }
        }
        // Sessions of others are as they were.
        good.open_session(&mut good_line, &scene.alice.lid()).await;
        let message = good.message("still", &scene.alice.lid(), &[scene.alice.lid()], "here");
        good_line.send(&message).await;
        // Reading lets go what the server has for this companion meanwhile.
        good_line.next_named("ack").await;
        scene.alice.wait_for_inbox(|entries| entries.iter().any(|entry| entry.id == "still")).await;
        client.open_session(&mut line, &scene.bob.lid()).await;
        let message = client.message("well", &scene.bob.lid(), &[scene.bob.lid()], "again");
        line.send(&message).await;
        scene.bob.wait_for_inbox(|entries| entries.iter().any(|entry| entry.id == "well")).await;
    });
}
