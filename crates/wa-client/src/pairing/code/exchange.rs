//! What the companion tells a phone through the server: its code's first word, and its last one.

use tokio::time::Instant;
use wa_binary::{Jid, Node};
use wa_crypto::aead::Aes256Gcm;
use wa_crypto::{KeyPair, PublicKey, kdf};

use super::wrapping::{Wrapped, crypt, wrap};
use super::{Accepted, FlowEnd, Hello, Secrets, Shown};
use crate::command::Reply;
use crate::computing::Turns;
use crate::config::Appearance;
use crate::event::PairingCode;
use crate::iq;
use crate::request::RequestError;
use crate::requests::Asker;

/// What it takes to ask for a code.
pub(super) struct Asking {
    pub(super) nth: u32,
    pub(super) asker: Asker,
    pub(super) secrets: Secrets,
    pub(super) number: Jid,
    pub(super) noise: PublicKey,
    pub(super) client_type: char,
    pub(super) display: String,
    /// For the driver and for the embedder.
    pub(super) expires: (Instant, i64),
    /// Salt and IV of the wrapped key.
    pub(super) salt: [u8; 48],
    pub(super) turns: Turns,
}

impl Asking {
    pub(super) async fn run(self, reply: Reply<PairingCode>) -> FlowEnd {
        let nth = self.nth;
        FlowEnd::Accepted { nth, shown: self.ask().await.map(Box::new), reply }
    }

    async fn ask(self) -> Result<Accepted, RequestError> {
        let (code, key) = (self.secrets.code.clone(), *self.secrets.ephemeral.public());
        let salt = self.salt;
        let wrapping = self.turns.clone().take(move || wrap(&code, salt, &key));
        let wrapped = wrapping.await.ok_or(RequestError::Stopped)?;
        let answer = self.asker.ask(self.hello(&wrapped)).await?;
        let reference = answer
            .require_child("link_code_companion_reg")?
            .require_child("link_code_pairing_ref")?
            .require_bytes()?
            .into_owned();
        let (expires, expires_at) = self.expires;
        let (first, second) = self.secrets.code.split_at(4);
        let told = PairingCode { code: format!("{first}-{second}"), expires_at };
        let Self { secrets: code, number, .. } = self;
        let shown = Shown { code, number, reference, expires, hellos: 0, success: None };
        Ok(Accepted { shown, told })
    }

    fn hello(&self, wrapped: &Wrapped) -> Node<'static> {
        let part = |name: &'static str, bytes: Vec<u8>| Node::new(name).with_bytes(bytes);
        let hello = Node::new("link_code_companion_reg")
            .attr("jid", self.number.clone())
            .attr("stage", "companion_hello")
            .attr("should_show_push_notification", "true")
            .child(part("link_code_pairing_wrapped_companion_ephemeral_pub", wrapped.to_vec()))
            .child(part("companion_server_auth_key_pub", self.noise.as_bytes().to_vec()))
            .child(part("companion_platform_id", self.client_type.to_string().into_bytes()))
            .child(part("companion_platform_display", self.display.clone().into_bytes()))
            .child(part("link_code_pairing_nonce", vec![0]));
        iq::set("md").child(hello)
    }
}

/// What it takes to answer a phone that has entered the code.
pub(super) struct Finishing {
    pub(super) secrets: Secrets,
    pub(super) number: Jid,
    pub(super) identity: KeyPair,
    pub(super) hello: Hello,
    pub(super) salt: [u8; 32],
    pub(super) nonce: [u8; 12],
    pub(super) random: [u8; 32],
}

impl Finishing {
    /// The secret first: pair-success may come before the server's answer.
    pub(super) async fn run(self, asker: &Asker, turns: Turns) -> Result<(), RequestError> {
        let (secret, finish) = turns.take(move || self.derive()).await.ok_or(RequestError::Stopped)??;
        asker.change(move |mirror| mirror.device.adv_secret = secret).await?;
        asker.ask(iq::set("md").child(finish)).await.map(drop)
    }

    /// The ADV secret, and the companion's last word.
    pub(super) fn derive(&self) -> Result<([u8; 32], Node<'static>), RequestError> {
        let unusable = |_| RequestError::Malformed("the phone's key is none".to_owned());
        let primary = PublicKey::from_bytes(crypt(&self.secrets.code, &self.hello.wrapped));
        let shared = self.secrets.ephemeral.private().agree(&primary).map_err(unusable)?;
        let identities = self.identity.private().agree(&self.hello.identity).map_err(unusable)?;
        let own = self.identity.public().as_bytes();
        let mut sealed = [own.as_slice(), self.hello.identity.as_bytes(), &self.random].concat();
        let key = kdf::hkdf(shared.expose(), &self.salt, b"link_code_pairing_key_bundle_encryption_key");
        Aes256Gcm::new(&key).seal(&self.nonce, b"", &mut sealed);
        let bundle = [self.salt.as_slice(), &self.nonce, &sealed].concat();
        let secret = [shared.expose().as_slice(), identities.expose(), &self.random].concat();
        let finish = Node::new("link_code_companion_reg")
            .attr("jid", self.number.clone())
            .attr("stage", "companion_finish")
            .child(Node::new("link_code_pairing_wrapped_key_bundle").with_bytes(bundle))
            .child(Node::new("companion_identity_public").with_bytes(own.to_vec()))
            .child(Node::new("link_code_pairing_ref").with_bytes(self.hello.reference.clone()));
        Ok((kdf::hkdf(&secret, &[], b"adv_secret"), finish))
    }
}

/// `Browser (OS)`, of names that the server knows: it refuses any other.
pub(super) fn display(appearance: &Appearance) -> String {
    let browser = match appearance.client_type {
        '2' => "Edge",
        '3' => "Firefox",
        '4' => "IE",
        '5' => "Opera",
        '6' => "Safari",
        _ => "Chrome",
    };
    let os = appearance.os.to_ascii_lowercase();
    let os = match () {
        () if os.contains("windows") => "Windows",
        () if os.contains("mac os") || os.contains("macos") => "Mac OS",
        () if os.contains("android") => "Android",
        () => "Linux",
    };
    format!("{browser} ({os})")
}
