use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use wa_binary::{Jid, Node};
use wa_protobuf::e2e::Message;
use wa_store::DeviceAddress;

use super::stanza::{self, Kind};
use crate::handle::RequestError;
use crate::instance::End;
use crate::iq::encrypt::FetchedBundle;
use crate::look_up::{self, Answered};
use crate::online::Online;
use crate::receive::retry::RetryRequest;

/// From this count on the session is considered broken even if there is one.
const NEW_SESSION_FROM: u32 = 2;

impl Online<'_> {
    /// A device could not read a message of ours and asks for it again (protocol.md 14).
    pub(crate) async fn on_retry(&mut self, mut request: RetryRequest) -> Result<(), End> {
        self.timers.in_use();
        let allowed = self.account.retries.may_resend(&request.device, &request.id);
        if !allowed || self.sent_message(&request).await?.is_none() {
            tracing::info!(allowed, "a retry receipt can't be answered");
            return Ok(self.link.send(&request.ack).await?);
        }
        let device = self.signal_jid(&request.device).await?;
        let address = DeviceAddress::from(&device);
        if let Some(keys) = request.keys.take() {
            self.replace_session(&keys, &device, address).await?;
            return self.resend(request).await;
        }
        self.account.sessions.load(&*self.shared.store, std::slice::from_ref(&address)).await?;
        if self.account.sessions.contains(&address) && request.count < NEW_SESSION_FROM {
            return self.resend(request).await;
        }
        let asker = self.requests.asker(self.shared.config.iq_timeout);
        self.look_ups.start(async move {
            let bundles = look_up::bundles(&asker, &[device]).await;
            Answered::Resend { request: Box::new(request), bundles }
        });
        Ok(())
    }

    /// The keys of a device that asked for a message again are here.
    pub(crate) async fn on_resend_bundles(
        &mut self,
        request: RetryRequest,
        bundles: Result<Vec<FetchedBundle>, RequestError>,
    ) -> Result<(), End> {
        match bundles {
            Ok(bundles) => {
                for fetched in &bundles {
                    let device = self.signal_jid(&fetched.device).await?;
                    let address = DeviceAddress::from(&device);
                    self.replace_session(fetched, &device, address).await?;
                }
            }
            Err(error) => tracing::warn!(%error, "no keys for a device that asked for a message again"),
        }
        self.resend(request).await
    }

    async fn resend(&mut self, request: RetryRequest) -> Result<(), End> {
        let resent = match self.sent_message(&request).await? {
            Some((chat, plain)) => self.encrypt_again(&request, &chat, &plain).await?,
            None => None,
        };
        self.commit_if_urgent().await?;
        if let Some(node) = resent {
            self.link.feed(&node).await?;
        }
        self.link.feed(&request.ack).await?;
        Ok(self.link.flush().await?)
    }

    /// The chat by LID and the message, from memory or the store.
    async fn sent_message(&mut self, request: &RetryRequest) -> Result<Option<(Jid, Bytes)>, End> {
        let store = Arc::clone(&self.shared.store);
        let lids = &mut self.account.lids;
        let addresses = [lids.lid_of(&*store, &request.chat).await?, Some(request.chat.clone())];
        for chat in addresses.into_iter().flatten() {
            if let Some(message) = self.account.sent.find(&chat, &request.id) {
                return Ok(Some((chat, message)));
            }
            if let Some(sent) = store.sent_message(&chat, &request.id).await? {
                return Ok(Some((chat, sent.message)));
            }
        }
        Ok(None)
    }

    async fn encrypt_again(
        &mut self,
        request: &RetryRequest,
        chat: &Jid,
        plain: &[u8],
    ) -> Result<Option<Node<'static>>, End> {
        let Ok(message) = Message::decode(plain) else { return Ok(None) };
        let kind = Kind::of(&message);
        let device = self.signal_jid(&request.device).await?;
        let padded = if self.account.is_own_user(&request.device) {
            self.padded(&stanza::device_sent(chat, &message))
        } else {
            self.padded(plain)
        };
        let address = DeviceAddress::from(&device);
        self.account.sessions.load(&*self.shared.store, std::slice::from_ref(&address)).await?;
        let Some(ciphertext) = self.seal(&address, &padded) else { return Ok(None) };
        let introduces = ciphertext.kind == wa_signal::Kind::PreKey;
        let node = stanza::message(&request.from, &request.id, &kind)
            .attr("t", self.server_millis() / 1000)
            .opt_attr("participant", request.participant.as_ref())
            .opt_attr("recipient", request.recipient.as_ref())
            .opt_attr("device_fanout", (!request.from.is_group()).then_some("false"))
            .child(stanza::enc(ciphertext, &kind, Some(request.count)));
        Ok(Some(self.introduced(node, introduces)))
    }
}
