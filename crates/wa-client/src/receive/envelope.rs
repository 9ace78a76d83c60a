use std::hash::{DefaultHasher, Hasher as _};

use wa_binary::{Jid, Node, Server, ShapeError};

use crate::mirror::Mirror;
use crate::server_clock::time_of;

/// Who wrote to whom, from the attributes of a message or receipt (PROTOCOL.md 12).
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
    /// The same as its session is named: where it runs in Meta's cloud, it has a server of its own.
    pub(super) device: Jid,
    /// The sender's other address (LID or phone number), with the same device.
    pub(super) sender_alt: Option<Jid>,
    /// The other address of the chat, for messages of the own account.
    pub(super) chat_alt: Option<Jid>,
    pub(super) from_me: bool,
    /// When the server took the message: Unix seconds.
    pub(super) timestamp: i64,
    pub(super) offline: bool,
    /// Whether it is internal traffic of the own account.
    pub(super) peer: bool,
}

impl Envelope {
    /// `now` is the server's time in Unix seconds: that of messages that don't say a sensible one.
    pub(super) fn read(node: &Node<'_>, mirror: &Mirror, now: i64) -> Result<Self, ShapeError> {
        let from = node.require_jid("from")?.clone();
        let attribute = |name| node.attrs.jid(name).cloned();
        let (participant, recipient) = (attribute("participant"), attribute("recipient"));
        let shared = matches!(from.server, Server::Group | Server::Broadcast);
        // Between two people `from` alone says who writes.
        let device = if shared { node.require_jid("participant")?.clone() } else { from.clone() };
        let sender = device.clone().unhosted();
        let from_me = mirror.is_own_user(&sender);
        let is_list = from.server == Server::Broadcast && !from.is_status();
        let chat = match &recipient {
            // A list is its owner's way to write to many at once: each of them has it from the owner.
            _ if is_list && !from_me => sender.to_user(),
            _ if shared => from.clone(),
            Some(recipient) if from_me => recipient.to_user().unhosted(),
            _ => from.to_user().unhosted(),
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
            sender_alt: sender_alt.map(|alt| with_device_of(alt.unhosted(), &sender)),
            timestamp: time_of(node, now).unwrap_or(now),
            offline: node.attrs.contains("offline"),
            peer: node.attrs.get("category").is_some_and(|category| *category == "peer"),
            from,
            participant,
            recipient,
            chat,
            sender,
            device,
            from_me,
        })
    }

    /// Of a malformed stanza as much as it says, for a row; answers take nothing from it. `frame` is the stanza as it came,
    /// from which an id follows where there is none.
    pub(super) fn guessed(node: &Node<'_>, mirror: &Mirror, now: i64, frame: &[u8]) -> Option<Self> {
        let from = node.attrs.jid("from")?.clone();
        let mut whole = Node::new("message");
        whole.attrs = node.attrs.clone();
        if node.attrs.jid("participant").is_none() {
            whole.attrs.remove("participant");
            let is_shared = matches!(from.server, Server::Group | Server::Broadcast);
            whole = whole.opt_attr("participant", is_shared.then_some(from));
        }
        if node.attrs.text("id").is_none_or(|id| id.is_empty()) {
            let mut hasher = DefaultHasher::new();
            hasher.write(frame);
            whole.attrs.remove("id");
            whole = whole.attr("id", format!("{:016X}", hasher.finish()));
        }
        Self::read(&whole, mirror, now).ok()
    }

    /// Whether it is a copy of what another own device sent to somebody.
    pub(super) fn is_own_copy(&self) -> bool {
        let is_shared = matches!(self.from.server, Server::Group | Server::Broadcast | Server::Newsletter);
        self.from_me && self.recipient.is_some() && !is_shared && !self.peer
    }

    /// An answer with the attributes that say which message is meant.
    pub(super) fn answer(&self, tag: &'static str) -> Node<'static> {
        Node::new(tag)
            .attr("id", self.id.clone())
            .attr("to", &self.from)
            .opt_attr("participant", self.participant.as_ref())
            .opt_attr("recipient", self.recipient.as_ref())
    }

    /// What takes a message that was not read out of the server's queue: `<ack class="message">`, with a code where the
    /// message couldn't be used (PROTOCOL.md 13). A copy of an own message needs a receipt (PROTOCOL.md 7.3).
    pub(super) fn ack(&self, error: Option<u32>) -> Node<'static> {
        if self.is_own_copy() {
            let recipient = self.recipient.as_ref().map(Jid::to_user);
            let receipt = Node::new("receipt").attr("id", self.id.clone()).attr("to", &self.from);
            return receipt.attr("type", "sender").opt_attr("recipient", recipient);
        }
        self.answer("ack").attr("class", "message").opt_attr("error", error)
    }
}

fn with_device_of(alt: Jid, sender: &Jid) -> Jid {
    if alt.device == 0 { alt.with_device(sender.device) } else { alt }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::tests::mirror;

    fn read(node: Node<'static>) -> Envelope {
        Envelope::read(&node.attr("id", "A").attr("t", 17_u32), &mirror(), 18).unwrap()
    }

    fn message(from: Jid) -> Node<'static> {
        Node::new("message").attr("from", from)
    }

    #[test]
    fn a_message_of_somebody_else_belongs_to_their_chat() {
        let from = Jid::lid("9002").with_device(3);
        let envelope =
            read(message(from.clone()).attr("sender_pn", Jid::pn("15550002")).attr("offline", "1"));
        assert_eq!((envelope.chat, envelope.sender), (Jid::lid("9002"), from));
        assert_eq!(envelope.sender_alt, Some(Jid::pn("15550002").with_device(3)));
        assert!(!envelope.from_me && envelope.offline);
        assert_eq!((envelope.id.as_str(), envelope.timestamp), ("A", 17));
    }

    #[test]
    fn a_message_of_the_own_account_belongs_to_the_chat_of_its_recipient() {
        for own in [Jid::lid("8001"), Jid::pn("15550001").with_device(2)] {
            let node = message(own)
                .attr("recipient", Jid::lid("9002"))
                .attr("peer_recipient_pn", Jid::pn("15550002"));
            let envelope = read(node);
            assert!(envelope.from_me);
            assert_eq!(envelope.chat, Jid::lid("9002"));
            assert_eq!(envelope.chat_alt, Some(Jid::pn("15550002")));
        }
        // A recipient that a stranger names means nothing, nor does somebody else besides.
        let named = message(Jid::lid("9002")).attr("participant", Jid::lid("9003"));
        assert_eq!(read(named).sender, Jid::lid("9002"));
        let envelope = read(message(Jid::lid("9002")).attr("recipient", Jid::lid("9003")));
        assert_eq!((envelope.chat, envelope.from_me), (Jid::lid("9002"), false));
    }

    #[test]
    fn a_message_in_a_group_is_of_its_participant() {
        let node = message(Jid::group("1203630001"))
            .attr("participant", Jid::lid("9003").with_device(1))
            .attr("participant_pn", Jid::pn("15550003"))
            .attr("addressing_mode", "lid");
        let envelope = read(node);
        assert_eq!((envelope.chat, envelope.sender.user.as_str()), (Jid::group("1203630001"), "9003"));
        assert_eq!(envelope.sender_alt, Some(Jid::pn("15550003").with_device(1)));
        let nobody = message(Jid::group("1203630001")).attr("id", "A").attr("t", 17_u32);
        assert!(Envelope::read(&nobody, &mirror(), 0).is_err());
    }

    #[test]
    fn what_comes_over_a_broadcast_list_belongs_to_the_chat_with_its_owner() {
        let list = Jid::new("1700000000", Server::Broadcast);
        let node = message(list.clone())
            .attr("participant", Jid::lid("9003").with_device(1))
            .attr("participant_pn", Jid::pn("15550003"));
        let envelope = read(node);
        assert_eq!((&envelope.chat, &envelope.sender), (&Jid::lid("9003"), &Jid::lid("9003").with_device(1)));
        assert_eq!(envelope.sender_alt, Some(Jid::pn("15550003").with_device(1)));
        let answer = envelope.answer("receipt");
        assert_eq!(
            (answer.attrs.jid("to"), answer.attrs.jid("participant")),
            (Some(&list), Some(&envelope.sender))
        );
        let own = read(message(list.clone()).attr("participant", Jid::lid("8001")));
        assert_eq!(own.chat, list);
        let status = read(message(Jid::status()).attr("participant", Jid::lid("9003")));
        assert_eq!(status.chat, Jid::status());
    }

    #[test]
    fn a_malformed_stanza_is_placed_as_well_as_may_be() {
        let guess = |node: &Node<'_>| Envelope::guessed(node, &mirror(), 17, b"frame");
        let nameless = guess(&message(Jid::lid("9002"))).unwrap();
        assert_eq!((nameless.chat.user.as_str(), nameless.id.len()), ("9002", 16));
        assert_eq!(guess(&message(Jid::lid("9002"))).unwrap().id, nameless.id);
        let group = Jid::group("1203630001");
        let nobody = guess(&message(group.clone()).attr("id", "A")).unwrap();
        assert_eq!((nobody.id.as_str(), &nobody.chat, &nobody.sender), ("A", &group, &group));
        assert_eq!(guess(&Node::new("message").attr("id", "A")), None);
    }

    #[test]
    fn a_device_in_the_cloud_belongs_to_the_same_chat() {
        let device = Jid::new("9002", Server::HostedLid).with_device(99);
        let envelope = read(message(device.clone()));
        assert_eq!(envelope.device, device);
        assert_eq!(envelope.chat, Jid::lid("9002"));
        assert_eq!(envelope.sender, Jid::lid("9002").with_device(99));
    }

    #[test]
    fn a_copy_of_an_own_message_is_cleared_by_a_receipt() {
        let bot = Jid::new("867051314767696", Server::Bot);
        let node = message(Jid::lid("8001").with_device(2)).attr("recipient", bot.with_device(1));
        let clears = r#"<receipt id="A" to="8001:2@lid" type="sender" recipient="867051314767696@bot"/>"#;
        assert_eq!(read(node.clone()).ack(Some(488)).to_string(), clears);
        let peer = node.attr("category", "peer");
        assert!(read(peer).ack(None).is("ack"));
    }

    #[test]
    fn answers_repeat_what_says_which_message_is_meant() {
        let node = message(Jid::group("1203630001")).attr("participant", Jid::lid("9003").with_device(1));
        assert_eq!(
            read(node).ack(Some(491)).to_string(),
            r#"<ack id="A" to="1203630001@g.us" participant="9003:1@lid" class="message" error="491"/>"#
        );
    }
}
