use wa_binary::Node;
use wa_crypto::{KeyPair, PublicKey, aead::Aes256Gcm, ctr, kdf};
use wa_simulator::ControlError;

use crate::{client::*, scene::*};

const CODE: &str = "ABCD1234";

/// The client's side of PROTOCOL.md 6.3.
struct Linking {
    client: Client,
    line: NoiseConnection,
    ephemeral: KeyPair,
    reference: Vec<u8>,
}

fn crypt(code: &str, wrapped: &[u8]) -> [u8; 32] {
    let mut key: [u8; 32] = wrapped[48..80].try_into().unwrap();
    let secret = kdf::pbkdf2_sha256(code.as_bytes(), &wrapped[..32], 131_072);
    ctr::apply(&secret, wrapped[32..48].try_into().unwrap(), &mut key);
    key
}

fn hello(client: &Client, ephemeral: &KeyPair, display: &str) -> Node<'static> {
    let mut wrapped = [3; 80];
    wrapped[48..].copy_from_slice(ephemeral.public().as_bytes());
    let key = crypt(CODE, &wrapped);
    wrapped[48..].copy_from_slice(&key);
    let part = |name: &'static str, bytes: Vec<u8>| Node::new(name).with_bytes(bytes);
    Node::new("link_code_companion_reg")
        .attr("jid", wa_binary::Jid::pn(ALICE))
        .attr("stage", "companion_hello")
        .attr("should_show_push_notification", "true")
        .child(part("link_code_pairing_wrapped_companion_ephemeral_pub", wrapped.to_vec()))
        .child(part("companion_server_auth_key_pub", client.noise.public().as_bytes().to_vec()))
        .child(part("companion_platform_id", b"1".to_vec()))
        .child(part("companion_platform_display", display.as_bytes().to_vec()))
        .child(part("link_code_pairing_nonce", vec![0]))
}

impl Linking {
    async fn begin(scene: &Scene) -> Self {
        let mut client = Client::new(1);
        let (mut line, _) = client.register(&scene.simulator).await;
        let ephemeral = KeyPair::generate(&mut client.rng);
        let answer = line.ask("set", "md", hello(&client, &ephemeral, "Chrome (Linux)")).await;
        let answer = answer.require_child("link_code_companion_reg").unwrap();
        let reference =
            answer.require_child("link_code_pairing_ref").unwrap().require_bytes().unwrap().into_owned();
        Self { client, line, ephemeral, reference }
    }

    /// Answers the phone's hello, and takes over the ADV secret.
    async fn finish(&mut self, identity: PublicKey) {
        let notice = self.line.next_named("notification").await;
        assert_eq!(text(&notice, "type"), "link_code_companion_reg");
        self.line.send(&ack_of(&notice)).await;
        let hello = notice.require_child("link_code_companion_reg").unwrap();
        let bytes = |name: &str| hello.require_child(name).unwrap().require_bytes().unwrap().into_owned();
        assert_eq!(bytes("link_code_pairing_ref"), self.reference);
        let theirs = crypt(CODE, &bytes("link_code_pairing_wrapped_primary_ephemeral_pub"));
        let primary = PublicKey::from_slice(&bytes("primary_identity_pub")).unwrap();
        let shared = self.ephemeral.private().agree(&PublicKey::from_bytes(theirs)).unwrap();
        let (salt, nonce, random) = ([4; 32], [5; 12], [6; 32]);
        let key = kdf::hkdf(shared.expose(), &salt, b"link_code_pairing_key_bundle_encryption_key");
        let mut sealed = [identity.as_bytes().as_slice(), primary.as_bytes(), &random].concat();
        Aes256Gcm::new(&key).seal(&nonce, b"", &mut sealed);
        let bundle = [salt.as_slice(), &nonce, &sealed].concat();
        assert_eq!(bundle.len(), 156);
        let identities = self.client.identity.key.private().agree(&primary).unwrap();
        let secret = [shared.expose().as_slice(), identities.expose(), &random].concat();
        self.client.adv_secret = kdf::hkdf(&secret, &[], b"adv_secret");
        let finish = Node::new("link_code_companion_reg")
            .attr("jid", wa_binary::Jid::pn(ALICE))
            .attr("stage", "companion_finish")
            .child(Node::new("link_code_pairing_wrapped_key_bundle").with_bytes(bundle))
            .child(Node::new("companion_identity_public").with_bytes(identity.as_bytes().to_vec()))
            .child(Node::new("link_code_pairing_ref").with_bytes(self.reference.clone()));
        let answer = self.line.ask("set", "md", finish).await;
        assert_eq!(text(&answer, "type"), "result");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_linked_by_code() {
    let scene = Scene::quiet().await;
    let mut linking = Linking::begin(&scene).await;
    let identity = *linking.client.identity.key.public();
    let (device, ()) = tokio::join!(scene.alice.enter_code("abcd-1234"), async {
        linking.finish(identity).await;
        let success = linking.line.next().await;
        let answer = linking.client.accept(&success);
        linking.line.send(&answer).await;
        assert_eq!(text(&linking.line.next().await, "code"), "515");
    });
    assert_eq!(device, Ok(1));
    linking.client.come_online(&scene.simulator).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_code_links_nobody() {
    let scene = Scene::quiet().await;
    let mut linking = Linking::begin(&scene).await;
    let identity = *linking.client.identity.key.public();
    let (device, ()) = tokio::join!(scene.alice.enter_code("ABCD1235"), linking.finish(identity));
    assert_eq!(device, Err(ControlError::WrongCode));
    // The client may still be linked with the right one.
    let (device, ()) = tokio::join!(scene.alice.enter_code(CODE), async {
        linking.finish(identity).await;
        let success = linking.line.next().await;
        let answer = linking.client.accept(&success);
        linking.line.send(&answer).await;
    });
    assert_eq!(device, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_another_identity_is_not_linked() {
    let scene = Scene::quiet().await;
    let mut linking = Linking::begin(&scene).await;
    let other = *Client::new(9).identity.key.public();
    let (device, ()) = tokio::join!(scene.alice.enter_code(CODE), linking.finish(other));
    assert!(matches!(device, Err(ControlError::CompanionWrong(_))), "{device:?}");
    assert!(scene.alice.devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_code_may_be_entered_before_its_request_has_arrived() {
    let scene = Scene::quiet().await;
    let (device, ()) = tokio::join!(scene.alice.enter_code(CODE), async {
        let mut linking = Linking::begin(&scene).await;
        let identity = *linking.client.identity.key.public();
        linking.finish(identity).await;
        let success = linking.line.next().await;
        let answer = linking.client.accept(&success);
        linking.line.send(&answer).await;
    });
    assert_eq!(device, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn codes_that_nobody_shows_are_refused() {
    let scene = Scene::quiet().await;
    assert_eq!(scene.alice.enter_code(CODE).await, Err(ControlError::NoCodeExpected));
    assert_eq!(scene.alice.enter_code("short").await, Err(ControlError::InvalidCode));
    let linking = Linking::begin(&scene).await;
    assert_eq!(scene.bob.enter_code(CODE).await, Err(ControlError::NoCodeExpected));
    drop(linking);
    let refused = scene.alice.enter_code(CODE).await.unwrap_err();
    assert!(matches!(refused, ControlError::NoCodeExpected | ControlError::CompanionGone));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_request_for_a_code_is_refused() {
    let scene = Scene::quiet().await;
    let mut client = Client::new(1);
    let (mut line, _) = client.register(&scene.simulator).await;
    let ephemeral = KeyPair::generate(&mut client.rng);
    let good = hello(&client, &ephemeral, "Chrome (Linux)");
    for display in ["Chrome", "(Linux)", "Chrome (", "", "Trunkline (Linux)", "Chrome (Our shop)"] {
        let answer = line.ask("set", "md", hello(&client, &ephemeral, display)).await;
        assert_eq!(error_code(&answer), "400", "{display}");
    }
    let answer = line.ask("set", "md", hello(&Client::new(2), &ephemeral, "Chrome (Linux)")).await;
    assert_eq!(error_code(&answer), "400", "another noise key");
    let mut stranger = good.clone();
    stranger.attrs.insert("jid", wa_binary::Jid::pn("15559999999"));
    assert_eq!(error_code(&line.ask("set", "md", stranger).await), "404");
    let mut late = good.clone();
    late.attrs.insert("stage", "companion_finish");
    assert_eq!(error_code(&line.ask("set", "md", late).await), "400");
    assert_eq!(text(&line.ask("set", "md", good).await, "type"), "result");
    let answer = line.ask("get", "abt", Node::new("props")).await;
    assert_eq!(error_code(&answer), "501", "nothing else is served before pairing");
}
