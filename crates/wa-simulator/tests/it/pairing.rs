use std::time::Duration;

use prost::Message as _;
use wa_binary::Node;
use wa_noise::{HandshakeError, cert::CertificateError};
use wa_protobuf::adv::{AdvSignedDeviceIdentity, AdvSignedDeviceIdentityHmac};
use wa_simulator::{CertificateFault, ControlError, Fault, FaultKind, Options, PairingFault, Simulator};

use crate::{client::*, scene::*};

#[tokio::test(start_paused = true)]
async fn a_client_pairs_and_logs_in() {
    let scene = Scene::new().await;
    let (client, _line) = scene.companion(1).await;
    let device = &scene.alice.devices()[0];
    assert!(device.connected && device.active);
    assert_eq!((device.id, device.key_index, device.name.as_str()), (1, 1, "Test"));
    assert_eq!(client.jid.unwrap().to_string(), "15550000001:1@s.whatsapp.net");
}

#[tokio::test(start_paused = true)]
async fn both_qr_texts_are_scanned() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    assert_eq!(references.len(), 6);
    let qr = client.qr(&references[5]);
    let bare = qr.rsplit('#').next().unwrap();
    let (device, ()) = tokio::join!(scene.alice.scan(bare), async {
        let answer = client.accept(&line.next().await);
        line.send(&answer).await;
    });
    assert_eq!(device, Ok(1));
    let again = scene.alice.scan(&qr).await;
    assert_eq!(again, Err(ControlError::UnknownReference));
}

#[tokio::test(start_paused = true)]
async fn a_reference_expires() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    let (line, references) = client.register(&scene.simulator).await;
    tokio::time::sleep(Duration::from_secs(71)).await;
    assert_eq!(scene.alice.scan(&client.qr(&references[0])).await, Err(ControlError::ExpiredReference));
    assert_eq!(client.pair_on(line, &references[1], &scene.alice).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_stream_ends_with_the_last_reference() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    assert!(line.next().await.is("xmlstreamend"));
    assert!(line.try_next().await.is_none());
    assert_eq!(scene.alice.scan(&client.qr(&references[5])).await, Err(ControlError::UnknownReference));
}

#[tokio::test(start_paused = true)]
async fn a_code_with_other_keys_is_refused() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    let (_line, references) = client.register(&scene.simulator).await;
    let mut forged = Client::new(2);
    let refused = scene.alice.scan(&forged.qr(&references[0])).await;
    assert_eq!(refused, Err(ControlError::QrMismatch("noise key")));
    forged.noise = client.noise.clone();
    let refused = scene.alice.scan(&forged.qr(&references[0])).await;
    assert_eq!(refused, Err(ControlError::QrMismatch("identity key")));
    let unknown = scene.alice.scan(&client.qr("2@unknown")).await;
    assert_eq!(unknown, Err(ControlError::UnknownReference));
    assert!(scene.alice.devices().is_empty());
}

/// The phone scans; the client answers pair-success with what `answer` makes of it.
async fn scanned(
    scene: &Scene,
    answer: impl FnOnce(&mut Client, Node<'static>) -> Node<'static>,
) -> ControlError {
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    let qr = client.qr(&references[0]);
    let (scanned, ()) = tokio::join!(scene.alice.scan(&qr), async {
        let success = line.next().await;
        let answer = answer(&mut client, success);
        line.send(&answer).await;
        assert!(line.next().await.is("xmlstreamend"), "no 515 for a pairing that failed");
    });
    assert!(scene.alice.devices().is_empty());
    scanned.unwrap_err()
}

fn answer_with(
    client: &mut Client,
    success: &Node<'_>,
    change: impl FnOnce(&mut AdvSignedDeviceIdentity),
) -> Node<'static> {
    let accepted = client.accept(success);
    let identity =
        accepted.require_child("pair-device-sign").unwrap().require_child("device-identity").unwrap();
    let mut signed = AdvSignedDeviceIdentity::decode(&*identity.require_bytes().unwrap()).unwrap();
    change(&mut signed);
    let key_index = text(identity, "key-index");
    let identity =
        Node::new("device-identity").attr("key-index", key_index).with_bytes(signed.encode_to_vec());
    Node::new("iq")
        .attr("type", "result")
        .attr("id", text(&accepted, "id"))
        .child(Node::new("pair-device-sign").child(identity))
}

#[tokio::test(start_paused = true)]
async fn a_client_that_refuses_is_not_linked() {
    let scene = Scene::new().await;
    let refused = scanned(&scene, |_, success| {
        let error = Node::new("error").attr("code", "401").attr("text", "hmac-mismatch");
        Node::new("iq").attr("type", "error").attr("id", text(&success, "id")).child(error)
    })
    .await;
    assert_eq!(refused, ControlError::CompanionRefused { code: "401".into(), text: "hmac-mismatch".into() });
}

#[tokio::test(start_paused = true)]
async fn a_wrong_device_signature_is_refused() {
    let scene = Scene::new().await;
    let forge = |identity: &mut AdvSignedDeviceIdentity| {
        let other = Client::new(9);
        let signature = other.identity.key.private().sign(&[b"something"], &mut Client::new(9).rng);
        identity.device_signature = Some(signature.as_bytes().to_vec().into());
    };
    let refused = scanned(&scene, |client, success| answer_with(client, &success, forge)).await;
    assert!(refused.to_string().contains("device signature"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_short_device_signature_is_refused() {
    let scene = Scene::new().await;
    let shorten =
        |identity: &mut AdvSignedDeviceIdentity| identity.device_signature = Some(vec![0; 63].into());
    let refused = scanned(&scene, |client, success| answer_with(client, &success, shorten)).await;
    assert!(refused.to_string().contains("device signature"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn changed_details_are_refused() {
    let scene = Scene::new().await;
    let change = |identity: &mut AdvSignedDeviceIdentity| identity.details = Some(vec![1, 2].into());
    let refused = scanned(&scene, |client, success| answer_with(client, &success, change)).await;
    assert!(refused.to_string().contains("details"), "{refused}");
    let change =
        |identity: &mut AdvSignedDeviceIdentity| identity.account_signature = Some(vec![1; 64].into());
    let refused = scanned(&scene, |client, success| answer_with(client, &success, change)).await;
    assert!(refused.to_string().contains("account signature"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_index_or_an_empty_answer_is_refused() {
    let scene = Scene::new().await;
    let refused = scanned(&scene, |client, success| {
        let mut answer = client.accept(&success);
        if let wa_binary::Content::Nodes(signs) = &mut answer.content
            && let wa_binary::Content::Nodes(identities) = &mut signs[0].content
        {
            identities[0].attrs.insert("key-index", "7");
        }
        answer
    })
    .await;
    assert!(refused.to_string().contains("key index"), "{refused}");
    let refused =
        scanned(&scene, |_, success| Node::new("iq").attr("type", "result").attr("id", text(&success, "id")))
            .await;
    assert!(refused.to_string().contains("pair-device-sign"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_or_vanished_client_is_not_linked() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    let (line, references) = client.register(&scene.simulator).await;
    assert_eq!(scene.alice.scan(&client.qr(&references[0])).await, Err(ControlError::CompanionGone));
    drop(line);
    let (line, references) = client.register(&scene.simulator).await;
    let qr = client.qr(&references[0]);
    drop(line);
    let refused = scene.alice.scan(&qr).await.unwrap_err();
    assert!(matches!(refused, ControlError::CompanionGone | ControlError::UnknownReference), "{refused}");
    assert!(scene.alice.devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_phone_links_no_more_companions_than_its_limit() {
    let scene = Scene::with(Options { max_companions: 2, ..options() }).await;
    for seed in 1..=2 {
        assert_eq!(Client::new(seed).pair(&scene.simulator, &scene.alice).await, u16::from(seed));
    }
    let mut third = Client::new(3);
    let (line, references) = third.register(&scene.simulator).await;
    assert_eq!(scene.alice.scan(&third.qr(&references[0])).await, Err(ControlError::DeviceLimit(2)));
    scene.alice.unlink(1).unwrap();
    assert_eq!(third.pair_on(line, &references[0], &scene.alice).await, 3);
}

#[tokio::test(start_paused = true)]
async fn the_socket_stays_open_for_a_moment_after_515() {
    let scene = Scene::new().await;
    let mut client = Client::new(1);
    let (mut line, references) = client.register(&scene.simulator).await;
    let qr = client.qr(&references[0]);
    let ((), _) = tokio::join!(
        async {
            let answer = client.accept(&line.next().await);
            line.send(&answer).await;
            assert_eq!(text(&line.next().await, "code"), "515");
        },
        scene.alice.scan(&qr)
    );
    line.send(&Node::new("ib").child(Node::new("unified_session").attr("id", "1"))).await;
    let start = tokio::time::Instant::now();
    assert!(line.try_next().await.is_none());
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_device_sees_each_way_in_which_a_pairing_can_be_wrong() {
    for what in [
        PairingFault::Hmac,
        PairingFault::AccountSignature,
        PairingFault::AccountSignatureLength,
        PairingFault::AccountKeyLength,
        PairingFault::Container,
        PairingFault::MissingDevice,
    ] {
        let scene = Scene::new().await;
        scene.simulator.add_fault(Fault::new(FaultKind::Pairing { what }).number(ALICE)).unwrap();
        let refused = scanned(&scene, |client, success| {
            assert!(!is_sound(client, &success), "{what:?}");
            let error = Node::new("error").attr("code", "500");
            Node::new("iq").attr("type", "error").attr("id", text(&success, "id")).child(error)
        })
        .await;
        assert!(matches!(refused, ControlError::CompanionRefused { .. }), "{what:?}: {refused}");
        // The fault is over.
        assert_eq!(Client::new(2).pair(&scene.simulator, &scene.alice).await, 2);
    }
}

/// The checks of PROTOCOL.md 6.2.
fn is_sound(client: &Client, success: &Node<'_>) -> bool {
    use wa_crypto::{PublicKey, Signature, mac};
    let check = || -> Option<()> {
        let success = success.get_child("pair-success")?;
        success.get_child("device")?;
        let container = success.get_child("device-identity")?.bytes()?;
        let container = AdvSignedDeviceIdentityHmac::decode(&*container).ok()?;
        let details = container.details?;
        mac::verify_hmac_sha256(&client.adv_secret, &[&details], &container.hmac?).ok()?;
        let identity = AdvSignedDeviceIdentity::decode(details).ok()?;
        let account = PublicKey::from_slice(&identity.account_signature_key?).ok()?;
        let signature = Signature::from_slice(&identity.account_signature?).ok()?;
        let own = client.identity.key.public();
        account.verify(&[&[6, 0], &identity.details?, own.as_bytes()], &signature).ok()
    };
    check().is_some()
}

#[tokio::test(start_paused = true)]
async fn every_certificate_fault_fails_its_own_check() {
    use CertificateFault as F;
    let simulator = simulator().await;
    let is = |fault: F, error: &CertificateError| match fault {
        F::RootSignature => matches!(error, CertificateError::IntermediateSignature),
        F::LeafSignature => matches!(error, CertificateError::LeafSignature),
        F::IntermediateIssuer => matches!(error, CertificateError::IntermediateIssuer(7)),
        F::LeafIssuer => matches!(error, CertificateError::LeafIssuer { .. }),
        F::LeafKey => matches!(error, CertificateError::LeafKey),
        F::IntermediateExpired | F::LeafExpired | F::LeafWithoutEnd => {
            matches!(error, CertificateError::Expired { .. })
        }
        F::LeafNotYetValid => matches!(error, CertificateError::NotYetValid { .. }),
        F::SignatureLength | F::IntermediateKeyLength | F::MissingIntermediate | F::MissingLeaf => true,
    };
    for fault in [
        F::RootSignature,
        F::LeafSignature,
        F::SignatureLength,
        F::MissingIntermediate,
        F::MissingLeaf,
        F::IntermediateIssuer,
        F::IntermediateExpired,
        F::IntermediateKeyLength,
        F::LeafIssuer,
        F::LeafKey,
        F::LeafExpired,
        F::LeafNotYetValid,
        F::LeafWithoutEnd,
    ] {
        simulator.add_fault(Fault::new(FaultKind::Certificate { what: fault })).unwrap();
        match shake(&simulator).await {
            Err(HandshakeError::Certificate(error)) => assert!(is(fault, &error), "{fault:?}: {error}"),
            other => panic!("{fault:?}: {other:?}"),
        }
        assert!(shake(&simulator).await.is_ok(), "the fault is over");
    }
}

async fn shake(simulator: &Simulator) -> Result<(), HandshakeError> {
    let mut client = Client::new(1);
    let payload = client.registration();
    let line = NoiseConnection::open(
        simulator,
        simulator.connect(),
        client.noise.clone(),
        &payload,
        &mut client.rng,
    )
    .await;
    line.map(drop)
}

#[tokio::test(start_paused = true)]
async fn what_the_server_can_check_of_a_registration_it_checks() {
    type Change = fn(&mut wa_protobuf::payload::ClientPayload);
    let cases: [(&str, u16, Change); 14] = [
        ("registration id", 400, |p| pairing(p).e_regid = Some(vec![1; 3].into())),
        ("key type", 400, |p| pairing(p).e_keytype = Some(vec![4].into())),
        ("identity", 400, |p| pairing(p).e_ident = Some(vec![1; 33].into())),
        ("signed prekey id", 400, |p| pairing(p).e_skey_id = Some(vec![1; 4].into())),
        ("signed prekey", 400, |p| pairing(p).e_skey_val = Some(vec![1; 31].into())),
        ("signature length", 400, |p| pairing(p).e_skey_sig = Some(vec![1; 63].into())),
        ("signature", 400, |p| pairing(p).e_skey_sig = Some(vec![1; 64].into())),
        ("build hash", 400, |p| pairing(p).build_hash = Some(vec![1; 16].into())),
        ("device props", 400, |p| pairing(p).device_props = Some(vec![0xff; 4].into())),
        ("no device props", 400, |p| pairing(p).device_props = None),
        ("device props without a system", 400, |p| pairing(p).device_props = Some(vec![0x18, 1].into())),
        ("device props without a platform", 400, |p| {
            pairing(p).device_props = Some(b"\x0a\x02os".to_vec().into())
        }),
        ("user agent", 409, |p| p.user_agent = None),
        ("version", 405, |p| {
            let agent = p.user_agent.as_mut().unwrap();
            agent.app_version.as_mut().unwrap().secondary = Some(2000);
        }),
    ];
    let simulator = simulator().await;
    for (what, reason, change) in cases {
        let mut client = Client::new(1);
        let mut payload = client.registration();
        change(&mut payload);
        let mut line = client.open(&simulator, &payload).await;
        let failure = line.next().await;
        assert!(failure.is("failure"), "{what}: {failure}");
        assert_eq!(text(&failure, "reason"), reason.to_string(), "{what}");
        assert!(line.try_next().await.is_none(), "{what}");
    }
}

fn pairing(
    payload: &mut wa_protobuf::payload::ClientPayload,
) -> &mut wa_protobuf::payload::DevicePairingRegistrationData {
    payload.device_pairing_data.as_mut().unwrap()
}

#[tokio::test(start_paused = true)]
async fn others_learn_of_a_new_companion_and_of_its_end() {
    let scene = Scene::quiet().await;
    let (mut client, mut line) = scene.companion(1).await;
    // Bob's companion knows the devices of Alice from now on.
    let (_, mut bobs) = scene.companion_of(&scene.bob, 2).await;
    let user = Node::new("user").attr("jid", scene.alice.jid());
    let query = Node::new("usync")
        .attr("sid", "1")
        .child(Node::new("query").child(Node::new("devices").attr("version", "2")))
        .child(Node::new("list").child(user));
    bobs.ask("get", "usync", query).await;

    Client::new(3).pair(&scene.simulator, &scene.alice).await;
    let notice = bobs.next_named("notification").await;
    assert_eq!(text(&notice, "type"), "devices");
    assert_eq!(notice.attrs.jid("from"), Some(&scene.alice.jid()));
    let device = notice.children()[0].require_child("device").unwrap().require_jid("jid").unwrap().clone();
    assert_eq!((notice.children()[0].tag(), device), ("add", scene.alice.jid().with_device(2)));
    let own = line.next_where(|node| text(node, "type") == "account_sync").await;
    assert_eq!(own.require_child("devices").unwrap().children_named("device").count(), 3);

    scene.alice.unlink(2).unwrap();
    let notice = bobs.next_where(|node| node.get_child("remove").is_some()).await;
    assert_eq!(text(&notice, "type"), "devices");
    client.open_session(&mut line, &scene.bob.lid()).await;
}
