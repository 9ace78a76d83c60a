use wa_binary::{Jid, Node, Server, ShapeError};

use crate::account::Account;

/// Who wrote to whom, from the attributes of a message or receipt (protocol.md 12, "Source rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) id: String,
    /// `from`, to which answers go.
    pub(super) from: Jid,
    /// `participant`, which answers repeat.
    pub(super) participant: Option<Jid>,
    /// `recipient`, which answers repeat.
    pub(super) recipient: Option<Jid>,
    /// The conversation, without device.
    pub(super) chat: Jid,
    /// Who wrote, with device.
    pub(super) sender: Jid,
    /// The sender's other address (LID or phone number), with the same device.
    pub(super) sender_alt: Option<Jid>,
    /// The other address of the chat, for messages of the own account.
    pub(super) chat_alt: Option<Jid>,
    pub(super) from_me: bool,
    /// Unix seconds.
    pub(super) timestamp: i64,
    pub(super) offline: bool,
}

impl Envelope {
    pub(super) fn read(node: &Node<'_>, account: &Account) -> Result<Self, ShapeError> {
        let from = node.require_jid("from")?.clone();
        let attribute = |name| node.attrs.jid(name).cloned();
        let (participant, recipient) = (attribute("participant"), attribute("recipient"));
        let shared = matches!(from.server, Server::Group | Server::Broadcast);
        let sender = unhosted(match &participant {
            Some(participant) => participant.clone(),
            None if shared => node.require_jid("participant")?.clone(),
            None => from.clone(),
        });
        let from_me = account.is_own_user(&sender);
        let chat = match &recipient {
            _ if shared => from.clone(),
            Some(recipient) if from_me => unhosted(recipient.to_user()),
            _ => unhosted(from.to_user()),
        };
        let alternative = |when_lid, when_pn| attribute(if sender.is_lid() { when_lid } else { when_pn });
        let sender_alt = if shared {
            alternative("participant_pn", "participant_lid")
        } else {
            alternative("sender_pn", "sender_lid")
        };
        let chat_alt = if chat.is_lid() { "peer_recipient_pn" } else { "peer_recipient_lid" };
        Ok(Self {
            id: node.require_text("id")?.into_owned(),
            chat_alt: attribute(chat_alt).filter(|_| from_me && !shared).map(|jid| jid.to_user()),
            sender_alt: sender_alt.map(|alt| with_device_of(unhosted(alt), &sender)),
            timestamp: node.require_number("t")?,
            offline: node.attrs.contains("offline"),
            from,
            participant,
            recipient,
            chat,
            sender,
            from_me,
        })
    }

    /// An answer with the attributes that say which message is meant.
    pub(super) fn answer(&self, tag: &'static str) -> Node<'static> {
        Node::new(tag)
            .attr("id", self.id.clone())
            .attr("to", &self.from)
            .opt_attr("participant", self.participant.as_ref())
            .opt_attr("recipient", self.recipient.as_ref())
    }

    /// `<ack class="message">`, with a code where the message couldn't be used (protocol.md 13).
    pub(super) fn ack(&self, error: Option<u32>) -> Node<'static> {
        self.answer("ack").attr("class", "message").opt_attr("error", error)
    }
}

/// Devices in Meta's cloud share the account's conversations.
fn unhosted(jid: Jid) -> Jid {
    let server = match jid.server {
        Server::Hosted => Server::Pn,
        Server::HostedLid => Server::Lid,
        server => server,
    };
    Jid { server, ..jid }
}

fn with_device_of(alt: Jid, sender: &Jid) -> Jid {
    if alt.device == 0 { alt.with_device(sender.device) } else { alt }
}
