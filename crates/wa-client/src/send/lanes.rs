use std::collections::{HashMap, VecDeque};

use wa_binary::Jid;

use crate::cause::Cause;
use crate::command::SendReply;
use crate::message::{Outgoing, SendError};

/// Messages that wait for a look-up, chat by chat and in the order in which they were sent. A chat without a
/// look-up has no lane: its messages leave at once.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    waiting: HashMap<Jid, VecDeque<Queued>>,
}

/// A message and who is told how it fared.
pub(super) type Queued = (Box<Outgoing>, SendReply);

impl Lanes {
    /// Puts a message behind those that wait for the same chat; gives it back if none do.
    pub(super) fn join(&mut self, chat: &Jid, queued: Queued) -> Option<Queued> {
        match self.waiting.get_mut(chat) {
            Some(lane) => {
                lane.push_back(queued);
                None
            }
            None => Some(queued),
        }
    }

    /// Opens a lane with its first message.
    pub(super) fn open(&mut self, chat: Jid, queued: Queued) {
        self.waiting.entry(chat).or_default().push_back(queued);
    }

    /// Closes a lane; its messages leave now, or fail together.
    pub(super) fn close(&mut self, chat: &Jid) -> VecDeque<Queued> {
        self.waiting.remove(chat).unwrap_or_default()
    }

    /// The connection is gone, and nothing of these has left.
    pub(super) fn abandon(&mut self, cause: &Cause) {
        for (_, reply) in self.waiting.drain().flat_map(|(_, lane)| lane) {
            let _ = reply.send(Err(SendError::NotConnected { cause: cause.clone() }));
        }
    }
}
