use std::sync::Arc;

use prost::Message as _;
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use tokio::sync::oneshot;
use wa_binary::{Node, ShapeError};
use wa_crypto::PublicKey;
use wa_protobuf::companion::ClientPairingProps;

use super::IqError;
use crate::{
    Addressing,
    account::Account,
    pairing::{CodeFinish, CodeRequest, PasskeyDemand, Waiting},
    stanza,
    world::World,
};

/// Browsers that a display name may name.
const BROWSERS: [&str; 7] = ["Chrome", "Edge", "Firefox", "IE", "Opera", "Safari", "Desktop"];
/// Systems that a display name may name; Baileys is used with the last ones.
const SYSTEMS: [&str; 8] = ["Windows", "Mac OS", "Linux", "Android", "iOS", "Ubuntu", "Debian", "Fedora"];

/// The `client-props` of pair-success (PROTOCOL.md 6.2).
pub(crate) fn client_props(account: &Account) -> Vec<u8> {
    let props = ClientPairingProps {
        is_chat_db_lid_migrated: Some(account.directory().lid_migrated),
        is_syncd_pure_lid_session: Some(false),
        ..Default::default()
    };
    props.encode_to_vec()
}

/// A client that is not paired yet, as far as its IQs go.
pub(crate) struct Unpaired<'a> {
    pub(crate) world: &'a World,
    pub(crate) waiting: &'a Arc<Waiting>,
    pub(crate) rng: &'a mut ChaCha20Rng,
    /// Where the client's last word in a pairing by code goes, with the reference it must name.
    pub(crate) finish: &'a mut Option<(Vec<u8>, oneshot::Sender<CodeFinish>)>,
    /// The passkey that it was asked for.
    pub(crate) passkey: Option<&'a PasskeyDemand>,
}

impl Unpaired<'_> {
    /// Answers what a client may say before it is paired. None if there is nothing to answer.
    pub(crate) fn answer(&mut self, node: &Node<'_>) -> Option<Node<'static>> {
        let kind = stanza::text(&node.attrs, "type");
        if !node.is("iq") || kind == "result" || kind == "error" {
            return None;
        }
        let reply = Node::new("iq")
            .attr("from", stanza::destination(node))
            .attr("id", stanza::text(&node.attrs, "id"));
        let outcome = match (&*stanza::text(&node.attrs, "xmlns"), node.get_child("link_code_companion_reg"))
        {
            ("w:p", _) => Ok(None),
            ("md", Some(step)) if kind == "set" => self.link_code(step),
            ("md", None) => self.with_passkey(&kind, node),
            _ => Err(IqError::NotImplemented),
        };
        Some(match outcome {
            Ok(child) => reply.attr("type", "result").with_children(child),
            Err(error) => {
                tracing::debug!(%error, "an IQ before pairing is refused");
                reply.attr("type", "error").child(error.node())
            }
        })
    }

    /// The client's steps of a pairing with a passkey (PROTOCOL.md 6.5).
    fn with_passkey(&self, kind: &str, node: &Node<'_>) -> Result<Option<Node<'static>>, IqError> {
        let demand = self.passkey.ok_or(IqError::NotImplemented)?;
        let child = node.first_child().ok_or(IqError::BadRequest("nothing is asked"))?;
        let said = || child.require_bytes().map(std::borrow::Cow::into_owned);
        let taken = match (kind, child.tag()) {
            ("get", "passkey_request_options") => {
                let options = demand.options.clone().into_bytes();
                return Ok(Some(Node::new("passkey_request_options").with_bytes(options)));
            }
            ("get", "ref") => {
                let reference = demand.reference.clone().into_bytes();
                return Ok(Some(Node::new("ref").with_bytes(reference)));
            }
            ("set", "passkey_prologue") => {
                let part = |name| child.require_child(name)?.require_bytes();
                let proof = child.get_child("pairing_handoff_proof").and_then(Node::bytes);
                let payload = part("prologue_payload")?.into_owned();
                demand.prologue(
                    &part("credential_id")?,
                    &part("webauthn_assertion")?,
                    payload,
                    proof.as_deref(),
                )
            }
            ("set", "companion_nonce") => demand.nonce(&said()?),
            ("set", "encrypted_pairing_request") => demand.request(said()?),
            _ => return Err(IqError::NotImplemented),
        };
        taken.map(|()| None).map_err(|refused| {
            tracing::debug!(%refused, "a step of a pairing with a passkey is refused");
            IqError::Forbidden
        })
    }

    /// The client's two steps of a pairing by code (PROTOCOL.md 6.3).
    fn link_code(&mut self, step: &Node<'_>) -> Result<Option<Node<'static>>, IqError> {
        match &*step.require_text("stage")? {
            "companion_hello" => self.companion_hello(step).map(Some),
            "companion_finish" => self.companion_finish(step).map(|()| None),
            _ => Err(IqError::BadRequest("no such stage")),
        }
    }

    fn companion_hello(&mut self, step: &Node<'_>) -> Result<Node<'static>, IqError> {
        let jid = step.require_jid("jid")?;
        if Addressing::of(jid) != Some(Addressing::Pn) || jid.device != 0 {
            return Err(IqError::BadRequest("a code is for a phone number"));
        }
        let account = self.world.resolve(jid).ok_or(IqError::NotFound)?;
        let wrapped = content(step, "link_code_pairing_wrapped_companion_ephemeral_pub")?;
        let noise: [u8; 32] = content(step, "companion_server_auth_key_pub")?;
        if noise != *self.waiting.registration.noise.as_bytes() {
            return Err(IqError::BadRequest("the noise key is not the connection's"));
        }
        if step.require_child("companion_platform_id")?.require_bytes()?.len() != 1 {
            return Err(IqError::BadRequest("the platform is one character"));
        }
        if !is_display_name(step.require_child("companion_platform_display")?.content_text()) {
            return Err(IqError::BadRequest("the display name is not `Browser (OS)`"));
        }
        step.require_child("link_code_pairing_nonce")?.require_bytes()?;
        let mut reference = vec![0; 16];
        self.rng.fill_bytes(&mut reference);
        let answer = Node::new("link_code_companion_reg")
            .attr("stage", "companion_hello")
            .child(Node::new("link_code_pairing_ref").with_bytes(reference.clone()));
        let request = CodeRequest { reference, wrapped, waiting: self.waiting.clone() };
        self.world.pairings.request(account.number.clone(), request);
        Ok(answer)
    }

    fn companion_finish(&mut self, step: &Node<'_>) -> Result<(), IqError> {
        let bundle = content(step, "link_code_pairing_wrapped_key_bundle")?;
        let identity = PublicKey::from_bytes(content(step, "companion_identity_public")?);
        let reference = step.require_child("link_code_pairing_ref")?.require_bytes()?.into_owned();
        match self.finish.take() {
            Some((expected, finish)) if expected == reference => {
                // A phone that has given up needs no answer.
                finish.send(CodeFinish { bundle, identity }).ok();
                Ok(())
            }
            _ => Err(IqError::BadRequest("no phone waits for this reference")),
        }
    }
}

/// `Browser (OS)`, of names that are known: the real server takes nothing else.
fn is_display_name(name: Option<&str>) -> bool {
    let parts = name.and_then(|name| name.strip_suffix(')')).and_then(|name| name.split_once(" ("));
    parts.is_some_and(|(browser, os)| BROWSERS.contains(&browser) && SYSTEMS.contains(&os))
}

fn content<const N: usize>(node: &Node<'_>, name: &str) -> Result<[u8; N], IqError> {
    let bytes = node.require_child(name)?.require_bytes()?;
    (*bytes).try_into().map_err(|_| ShapeError::content(name, "of the right length").into())
}
