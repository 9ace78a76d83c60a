//! Tokens that let people write to those who trust them (PROTOCOL.md 22).

use std::sync::Arc;

use bytes::Bytes;
use wa_binary::Node;

use crate::{
    account::{Account, Token},
    world::World,
};

/// What a message shows of its right to reach its recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    /// A `<tctoken>` that the recipient issued to the sender, and that is still good.
    pub(crate) is_trusted: bool,
    /// The `<cstoken>` that the sender's salt makes for this recipient.
    pub(crate) is_derived: bool,
}

impl World {
    /// One account issues a token to another, whose devices are told.
    pub(crate) fn issue_token(&self, from: &Arc<Account>, to: &Arc<Account>, at: u64) {
        let bytes = Bytes::from(self.privacy_token(from, to, at).to_vec());
        from.directory().trust.gave(&to.number, at);
        to.directory().trust.got(&from.number, Token { bytes: bytes.clone(), at });
        let token =
            Node::new("token").attr("type", "trusted_contact").attr("t", at).with_bytes(bytes.to_vec());
        let notice = Node::new("notification")
            .attr("from", from.pn())
            .attr("sender_lid", from.lid())
            .child(Node::new("tokens").child(token));
        self.notify(to, None, "privacy_token", &notice);
    }

    /// What a stanza shows to `recipient`.
    pub(crate) fn tokens_in(&self, node: &Node<'_>, sender: &Account, recipient: &Account) -> Shown {
        let shown = |name| node.get_child(name).and_then(Node::bytes);
        let given = recipient.directory().trust.given(&sender.number, self.clock.unix_seconds());
        let is_trusted = shown("tctoken").is_some_and(|token| {
            given.iter().any(|at| *token == self.privacy_token(recipient, sender, *at)[..])
        });
        let lid = recipient.lid_user();
        let derived = wa_crypto::mac::hmac_sha256(&self.nct_salt(sender), &[lid.as_bytes(), b"@lid"]);
        let is_derived = shown("cstoken").is_some_and(|token| *token == derived[..]);
        Shown { is_trusted, is_derived }
    }

    /// The salt of an account's `<cstoken>`s, which its phone shares with its companions.
    pub(crate) fn nct_salt(&self, account: &Account) -> [u8; 32] {
        self.token(&[b"nct salt", account.number.as_bytes()])
    }

    fn privacy_token(&self, from: &Account, to: &Account, at: u64) -> [u8; 32] {
        self.token(&[b"privacy token", from.number.as_bytes(), to.number.as_bytes(), &at.to_be_bytes()])
    }
}
