//! Codes, pairing and connections: the instance's state, and what is told of it.

use storage::{ConnectedData, DisconnectedData, EventData, HistoryData, InstanceStatus, QrData, StateChange};
use wa_client::{Cause, Paired, QrCode};

use crate::cause::connection_cause;
use crate::status::stored_status;

/// What later events of a companion depend on. Holds what has been committed, no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Own JID by phone number, without device.
    pub(crate) own_jid: Option<String>,
    /// Own JID by LID, without device.
    pub(crate) own_lid: Option<String>,
    /// QR codes since the last connection.
    pub(crate) qr_codes: u32,
    /// Whether the last thing told was that it is connected.
    pub(crate) connected: bool,
    /// Of the piece of history that is being told.
    pub(crate) history: HistoryData,
}

/// A new state, and the event that tells of it.
pub(crate) type Change = (StateChange, Option<EventData>);

impl Facts {
    /// Whether this JID names the own account.
    pub(crate) fn names(&self, jid: &str) -> bool {
        [&self.own_jid, &self.own_lid].into_iter().flatten().any(|own| own == jid)
    }

    pub(crate) fn qr(&mut self, code: &QrCode) -> Change {
        self.qr_codes += 1;
        let told =
            QrData { code: code.text.clone(), attempt: self.qr_codes, expires_at: Some(code.expires_at) };
        (StateChange::status(InstanceStatus::Pairing, None), Some(EventData::QrReceived(told)))
    }

    pub(crate) fn paired(&mut self, paired: &Paired) -> Change {
        let jid = paired.jid.to_user();
        self.own_jid = Some(jid.to_string());
        self.own_lid = paired.lid.as_ref().map(|lid| lid.to_user().to_string());
        let change = StateChange {
            phone: Some(Some(jid.user.to_string())),
            lid: Some(self.own_lid.clone()),
            jid: Some(self.own_jid.clone()),
            ..StateChange::status(InstanceStatus::Connecting, None)
        };
        (change, None)
    }

    pub(crate) fn connected(&mut self) -> Change {
        self.qr_codes = 0;
        self.connected = true;
        let told = ConnectedData { jid: self.own_jid.clone() };
        (StateChange::status(InstanceStatus::Connected, None), Some(EventData::Connected(told)))
    }

    /// Tells that a connection ended, or that no further one is tried. A failed try after the first says
    /// nothing new: a day without network must not fill the log.
    pub(crate) fn disconnected(
        &mut self,
        cause: &Cause,
        will_reconnect: bool,
        raw: Option<&str>,
    ) -> Option<Change> {
        let was_connected = std::mem::take(&mut self.connected);
        if *cause == Cause::Shutdown && !was_connected {
            // Put away without a connection: how the last one ended is what stands.
            return None;
        }
        // A stop of the gateway ends the connection, but not the instance's wish to be connected.
        let will_reconnect = will_reconnect || *cause == Cause::Shutdown;
        let stored = connection_cause(cause);
        let mut change = StateChange::status(
            stored_status(cause, will_reconnect),
            Some(stored).filter(|_| *cause != Cause::Shutdown),
        );
        if cause.wipes_credentials() {
            change = StateChange { jid: Some(None), lid: Some(None), phone: Some(None), ..change };
            (self.own_jid, self.own_lid) = (None, None);
        }
        let told = DisconnectedData {
            cause: stored.kind,
            code: stored.code,
            until: stored.until.map(storage::Timestamp::millis),
            will_reconnect,
            raw: raw.map(str::to_owned),
        };
        // What the server has to say is news: the companion tells it once.
        let is_news = was_connected || !will_reconnect || raw.is_some();
        Some((change, is_news.then_some(EventData::Disconnected(told))))
    }
}

/// What both changes together amount to.
pub(crate) fn joined(earlier: StateChange, later: StateChange) -> StateChange {
    StateChange {
        status: later.status.or(earlier.status),
        status_cause: later.status_cause.or(earlier.status_cause),
        jid: later.jid.or(earlier.jid),
        lid: later.lid.or(earlier.lid),
        phone: later.phone.or(earlier.phone),
        push_name: later.push_name.or(earlier.push_name),
    }
}
