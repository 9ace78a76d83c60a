//! Phones send and receive files, and upload them again.

use serde_json::{Value, json};
use wa_binary::Node;
use wa_simulator::{Fault, FaultKind, File, FileKind, Options, Reuploads, Say, Simulator};

use crate::scene::*;

fn say(kind: FileKind, bytes: &'static [u8]) -> Say {
    Say::File(Box::new(File::new(kind, bytes)))
}

#[tokio::test(start_paused = true)]
async fn phones_send_each_other_files_and_verify_them() {
    let scene = Scene::quiet().await;
    let kinds = [
        FileKind::Image,
        FileKind::Video,
        FileKind::Gif,
        FileKind::Ptv,
        FileKind::Audio,
        FileKind::Voice,
        FileKind::Document,
        FileKind::Sticker,
    ];
    for (count, kind) in kinds.into_iter().enumerate() {
        scene.alice.say(BOB, say(kind, b"a file")).await.unwrap();
        let inbox = scene.bob.wait_for_inbox(|inbox| inbox.len() > count).await;
        let media = inbox[count].media.clone().unwrap();
        assert_eq!((media.kind, media.size, media.error), (kind, 6, None));
        assert!(media.sha256.is_some_and(|hash| hash.len() == 64));
    }
    let file = File {
        file_name: Some("bill.pdf".into()),
        caption: Some("as promised".into()),
        mime_type: Some("application/pdf".into()),
        ..File::new(FileKind::Document, &b"%PDF"[..])
    };
    scene.alice.say(BOB, Say::File(Box::new(file))).await.unwrap();
    let once = File { view_once: true, ..File::new(FileKind::Voice, &b"voice"[..]) };
    scene.alice.say(BOB, Say::File(Box::new(once))).await.unwrap();
    let inbox = scene.bob.wait_for_inbox(|inbox| inbox.len() > 9).await;
    let document = inbox[8].media.clone().unwrap();
    assert_eq!((inbox[8].kind, inbox[8].text.as_deref()), ("document", Some("as promised")));
    assert_eq!((document.file_name.as_deref(), &*document.mime_type), (Some("bill.pdf"), "application/pdf"));
    assert!(inbox[9].media.as_ref().unwrap().view_once);
}

#[tokio::test(start_paused = true)]
async fn a_phone_refuses_a_file_that_is_not_there() {
    let scene = Scene::quiet().await;
    // Bob's phone is off until the file is gone.
    let off = scene.simulator.add_fault(Fault::new(FaultKind::Backlog).number(BOB).device(0)).unwrap();
    scene.alice.say(BOB, say(FileKind::Image, b"a file")).await.unwrap();
    scene.simulator.add_fault(Fault::new(FaultKind::LoseMedia)).unwrap();
    scene.simulator.clear_fault(off.id).unwrap();
    let inbox = scene.bob.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    let media = inbox[0].media.clone().unwrap();
    assert_eq!((media.sha256, media.error.as_deref()), (None, Some("the media host has no such file")));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_for_a_file_is_refused() {
    let scene = Scene::quiet().await;
    scene.alice.answer_reuploads(Reuploads::Upload);
    let (_client, mut line) = scene.companion(1).await;
    let own = scene.alice.jid();
    let part = |name: &'static str, length: usize| Node::new(name).with_bytes(vec![0; length]);
    let encrypt = || Node::new("encrypt").child(part("enc_p", 30)).child(part("enc_iv", 12));
    let rmr = || Node::new("rmr").attr("jid", scene.bob.jid()).attr("from_me", "false");
    let receipt = |to: wa_binary::Jid| {
        Node::new("receipt").attr("id", "3A00").attr("to", to).attr("type", "server-error")
    };
    for (node, is_taken) in [
        (receipt(own.clone()).child(encrypt()).child(rmr()), true),
        (receipt(own.clone()).child(rmr()), false),
        (receipt(own.clone()).child(encrypt()), false),
        (receipt(scene.bob.jid()).child(encrypt()).child(rmr()), false),
    ] {
        line.send(&node).await;
        let ack = line.next_where(|node| node.is("ack")).await;
        assert_eq!(!ack.attrs.contains("error"), is_taken, "{node}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_phone_says_in_the_open_that_it_knows_no_such_message() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let part = |name: &'static str, length: usize| Node::new(name).with_bytes(vec![0; length]);
    let request = Node::new("receipt")
        .attr("id", "3A00")
        .attr("to", scene.alice.jid())
        .attr("type", "server-error")
        .child(Node::new("encrypt").child(part("enc_p", 30)).child(part("enc_iv", 12)))
        .child(Node::new("rmr").attr("jid", scene.bob.jid()).attr("from_me", "false"));
    line.send(&request).await;
    let answer = line.next_where(|node| node.is("notification")).await;
    assert_eq!(answer.attrs.text("type").as_deref(), Some("mediaretry"));
    assert_eq!(answer.get_child("error").and_then(|error| error.attrs.number::<i32>("code")), Some(Ok(2)));
}

#[tokio::test]
async fn files_are_sent_over_http() {
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let simulator = Simulator::start(Options { listen, ..options() }).await.unwrap();
    let alice = simulator.create_phone(ALICE, None).unwrap();
    let bob = simulator.create_phone(BOB, None).unwrap();
    rustls::crypto::ring::default_provider().install_default().ok();
    let http = reqwest::Client::new();
    let base = format!("http://{}/sim/phones/{ALICE}", simulator.address().unwrap());
    let send = |media: Value| {
        let call = http.post(format!("{base}/send")).json(&json!({"to": BOB, "media": media}));
        async move { call.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send(json!({"type": "image", "base64": "aGk=", "caption": "look"})).await, 200);
    assert_eq!(send(json!({"type": "document", "hex": "6869", "fileName": "a.txt"})).await, 200);
    let wrong = [
        json!({"type": "image"}),
        json!({"type": "image", "base64": "aGk=", "hex": "6869"}),
        json!({"type": "picture", "hex": "6869"}),
        json!({"type": "image", "hex": "6"}),
    ];
    for media in wrong {
        assert_eq!(send(media.clone()).await, 400, "{media}");
    }
    let both = http
        .post(format!("{base}/send"))
        .json(&json!({"to": BOB, "text": "hi", "media": {"type": "image", "hex": "6869"}}));
    assert_eq!(both.send().await.unwrap().status(), 400);
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert_eq!((inbox[0].kind, inbox[0].text.as_deref()), ("image", Some("look")));
    assert_eq!(inbox[1].media.as_ref().and_then(|media| media.file_name.as_deref()), Some("a.txt"));
    let shown: Value = http
        .get(format!("http://{}/sim/phones/{BOB}/inbox", simulator.address().unwrap()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(shown[0]["media"]["mimeType"], "image/jpeg");
    let answered = http.post(format!("{base}/reuploads")).json(&json!({"answer": "silent"}));
    assert_eq!(answered.send().await.unwrap().status(), 200);
    drop(alice);
}
