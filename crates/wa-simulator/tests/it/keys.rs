use sha1::{Digest, Sha1};
use wa_binary::{Content, Jid, Node};
use wa_crypto::PublicKey;
use wa_signal::{PreKey, SignedPreKey};
use wa_simulator::{BundleFault, Fault, FaultKind};

use crate::{client::*, scene::*};

async fn count(line: &mut NoiseConnection) -> String {
    let answer = line.ask("get", "encrypt", Node::new("count")).await;
    text(answer.require_child("count").unwrap(), "value")
}

async fn fetch(line: &mut NoiseConnection, jids: &[Jid]) -> Vec<Node<'static>> {
    let users = jids.iter().map(|jid| Node::new("user").attr("jid", jid).attr("reason", "identity"));
    let answer = line.ask("get", "encrypt", Node::new("key").with_children(users.collect::<Vec<_>>())).await;
    answer.require_child("list").unwrap().children().to_vec()
}

#[tokio::test(start_paused = true)]
async fn one_time_prekeys_are_handed_out_once_in_order() {
    let scene = Scene::quiet().await;
    let (client, mut line) = scene.companion(1).await;
    assert_eq!(count(&mut line).await, PREKEYS.to_string());
    let jid = client.lid.clone().unwrap();
    for id in 1..=3 {
        let users = fetch(&mut line, std::slice::from_ref(&jid)).await;
        let bundle = bundle(&users[0]);
        bundle.verify().unwrap();
        assert_eq!(bundle.prekey.unwrap().0, id);
        assert_eq!(bundle.identity, *client.identity.key.public());
        assert!(users[0].get_child("device-identity").is_some());
    }
    assert_eq!(count(&mut line).await, (PREKEYS - 3).to_string());
}

#[tokio::test(start_paused = true)]
async fn bundles_echo_the_address_and_leave_out_who_is_not_there() {
    let scene = Scene::quiet().await;
    let (_client, mut line) = scene.companion(1).await;
    let wanted = [scene.bob.jid(), Jid::pn("15559999999"), scene.bob.lid(), scene.bob.lid().with_device(7)];
    let users = fetch(&mut line, &wanted).await;
    let jids: Vec<_> = users.iter().map(|user| user.require_jid("jid").unwrap().clone()).collect();
    assert_eq!(jids, [scene.bob.jid(), scene.bob.lid()]);
    for user in &users {
        let bundle = bundle(user);
        bundle.verify().unwrap();
        assert!(bundle.prekey.is_some());
        // A primary device has no ADV identity.
        assert!(user.get_child("device-identity").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_companion_is_asked_for_more_prekeys_once_they_run_low() {
    let scene = Scene::quiet().await;
    let (client, mut line) = scene.companion(1).await;
    let jid = client.lid.clone().unwrap();
    for _ in 0..PREKEYS {
        fetch(&mut line, std::slice::from_ref(&jid)).await;
    }
    let users = fetch(&mut line, std::slice::from_ref(&jid)).await;
    assert!(bundle(&users[0]).prekey.is_none(), "none are left");
    let seen: Vec<_> = scene.simulator.trace(Some(ALICE)).into_iter().map(|entry| entry.xml).collect();
    let asked: Vec<_> = seen.iter().filter(|xml| xml.contains(r#"type="encrypt""#)).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains(r#"<count value="4"/>"#) && asked[0].contains(r#"from="s.whatsapp.net""#));

    let mut rng = Client::new(3).rng;
    let more = PreKey::generate(100, 5, &mut rng);
    assert_eq!(text(&line.ask_iq(&client.upload(&more)).await, "type"), "result");
    assert_eq!(count(&mut line).await, "5");
}

#[tokio::test(start_paused = true)]
async fn a_repeated_upload_adds_nothing() {
    let scene = Scene::quiet().await;
    let (client, mut line) = scene.companion(1).await;
    let upload = client.upload(&client.prekeys);
    assert_eq!(text(&line.ask_iq(&upload).await, "type"), "result");
    assert_eq!(count(&mut line).await, PREKEYS.to_string());
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_refused_for_every_part_that_is_wrong() {
    type Change = fn(&mut Vec<Node<'static>>);
    // registration, type, identity, list, skey
    let cases: [(&str, &str, Change); 13] = [
        ("registration", "400", |parts| parts[0] = Node::new("registration").with_bytes(vec![1; 3])),
        ("another registration", "400", |parts| parts[0] = Node::new("registration").with_bytes(vec![9; 4])),
        ("type", "400", |parts| parts[1] = Node::new("type").with_bytes(vec![6])),
        ("identity length", "400", |parts| parts[2] = Node::new("identity").with_bytes(vec![1; 33])),
        ("another identity", "400", |parts| parts[2] = Node::new("identity").with_bytes(vec![1; 32])),
        ("no list", "400", |parts| drop(parts.remove(3))),
        ("empty list", "400", |parts| parts[3] = Node::new("list")),
        ("no signed prekey", "400", |parts| drop(parts.remove(4))),
        ("signature", "400", |parts| {
            let mut rng = Client::new(8).rng;
            parts[4] = signed(&SignedPreKey::generate(&Client::new(8).identity, 1, &mut rng));
        }),
        ("prekey length", "400", |parts| {
            keys(parts)[0] = {
                let id = Node::new("id").with_bytes(vec![0, 0, 77]);
                Node::new("key").child(id).child(Node::new("value").with_bytes(vec![1; 31]))
            }
        }),
        ("id length", "400", |parts| {
            keys(parts)[0] = {
                let id = Node::new("id").with_bytes(vec![0, 77]);
                Node::new("key").child(id).child(Node::new("value").with_bytes(vec![1; 32]))
            }
        }),
        ("id 0", "406", |parts| keys(parts)[0] = key("key", 0, &PublicKey::from_bytes([1; 32]))),
        ("id twice", "406", |parts| {
            let first = keys(parts)[0].clone();
            keys(parts).push(first);
        }),
    ];
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let mut line = client.log_in(&scene.simulator).await;
    for (what, code, change) in cases {
        let mut upload = client.upload(&client.prekeys);
        let Content::Nodes(parts) = &mut upload.content else { panic!() };
        change(parts);
        assert_eq!(error_code(&line.ask_iq(&upload).await), code, "{what}");
        assert_eq!(count(&mut line).await, "0", "{what}");
    }
}

fn keys<'n>(parts: &'n mut [Node<'static>]) -> &'n mut Vec<Node<'static>> {
    match &mut parts[3].content {
        Content::Nodes(keys) => keys,
        _ => panic!("a list"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_digest_covers_what_is_published() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    client.pair(&scene.simulator, &scene.alice).await;
    let mut line = client.log_in(&scene.simulator).await;
    let empty = line.ask("get", "encrypt", Node::new("digest")).await;
    assert_eq!(error_code(&empty), "404");
    line.ask_iq(&client.upload(&client.prekeys)).await;

    let answer = line.ask("get", "encrypt", Node::new("digest")).await;
    let digest = answer.require_child("digest").unwrap();
    let mut hash = Sha1::new();
    hash.update(client.identity.key.public().as_bytes());
    hash.update(client.signed.key.public().as_bytes());
    hash.update(client.signed.signature.as_bytes());
    client.prekeys.iter().for_each(|prekey| hash.update(prekey.key.public().as_bytes()));
    assert_eq!(digest.require_child("hash").unwrap().require_bytes().unwrap(), &hash.finalize()[..]);
    assert_eq!(digest.require_child("list").unwrap().children().len(), PREKEYS);
}

#[tokio::test(start_paused = true)]
async fn a_signed_prekey_is_rotated_if_the_identity_signed_it() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    let forged = SignedPreKey::generate(&Client::new(8).identity, 2, &mut client.rng);
    let refused = line.ask("set", "encrypt", Node::new("rotate").child(signed(&forged))).await;
    assert_eq!(error_code(&refused), "400");
    let rotated = SignedPreKey::generate(&client.identity, 2, &mut client.rng);
    let done = line.ask("set", "encrypt", Node::new("rotate").child(signed(&rotated))).await;
    assert_eq!(text(&done, "type"), "result");
    let jid = client.jid.clone().unwrap();
    assert_eq!(bundle(&fetch(&mut line, &[jid]).await[0]).signed_prekey_id, 2);
}

#[tokio::test(start_paused = true)]
async fn every_bundle_fault_is_in_the_bundle() {
    use BundleFault as F;
    let scene = Scene::quiet().await;
    let (client, mut line) = scene.companion(1).await;
    let jid = client.lid.clone().unwrap();
    let content = |user: &Node<'_>, path: &[&str]| {
        let node = path.iter().try_fold(user, |node, name| node.get_child(name));
        node.and_then(Node::bytes).map(|bytes| bytes.into_owned())
    };
    let sound = fetch(&mut line, std::slice::from_ref(&jid)).await.remove(0);
    for what in [
        F::Signature,
        F::SignatureLength,
        F::IdentityLength,
        F::RegistrationLength,
        F::SignedPrekeyLength,
        F::PrekeyLength,
        F::PrekeyIdLength,
        F::KeyType,
        F::DeviceIdentity,
        F::Refused,
    ] {
        scene.simulator.add_fault(Fault::new(FaultKind::Bundle { what }).number(ALICE)).unwrap();
        let user = fetch(&mut line, std::slice::from_ref(&jid)).await.remove(0);
        let differs = |path: &[&str]| content(&user, path) != content(&sound, path);
        let lengths = |path: &[&str]| content(&user, path).map(|bytes| bytes.len());
        let is_there = match what {
            F::Signature => differs(&["skey", "signature"]) && bundle(&user).verify().is_err(),
            F::SignatureLength => lengths(&["skey", "signature"]) == Some(63),
            F::IdentityLength => lengths(&["identity"]) == Some(31),
            F::RegistrationLength => lengths(&["registration"]) == Some(3),
            F::SignedPrekeyLength => lengths(&["skey", "value"]) == Some(33),
            F::PrekeyLength => lengths(&["key", "value"]) == Some(31),
            F::PrekeyIdLength => lengths(&["key", "id"]) == Some(4),
            F::KeyType => differs(&["type"]),
            F::DeviceIdentity => differs(&["device-identity"]),
            F::Refused => user.get_child("error").is_some(),
        };
        assert!(is_there, "{what:?}: {user}");
    }
    scene.simulator.add_fault(Fault::new(FaultKind::EmptyPrekeys).number(ALICE)).unwrap();
    let user = fetch(&mut line, std::slice::from_ref(&jid)).await.remove(0);
    assert!(bundle(&user).prekey.is_none());
    scene.simulator.clear_faults();
    let user = fetch(&mut line, std::slice::from_ref(&jid)).await.remove(0);
    assert!(bundle(&user).prekey.is_some());
}
