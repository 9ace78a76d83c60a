mod app_state;
mod devices;
pub(crate) mod groups;
mod newsletters;
mod sending;
mod standing;
mod status;

use std::{fmt, sync::Arc};

use compact_str::CompactString;
use wa_binary::Jid;

use crate::{
    Addressing, ControlError, InboxEntry, OutboxEntry, Restriction, Reuploads, account::Account,
    pairing::assertion, phone::Task, simulator::canonical, world::World,
};

pub use self::{
    devices::Device,
    groups::{GroupChange, GroupInfo, GroupMember},
    newsletters::NewsletterPost,
    sending::Outgoing,
};

/// A phone and its account, to be told what to do.
#[derive(Clone)]
pub struct Phone {
    world: Arc<World>,
    account: Arc<Account>,
}

impl Phone {
    pub(crate) fn new(world: Arc<World>, account: Arc<Account>) -> Self {
        Self { world, account }
    }

    /// Its number: digits only.
    pub fn number(&self) -> &str {
        &self.account.number
    }

    /// Its address by phone number.
    pub fn jid(&self) -> Jid {
        self.account.pn()
    }

    /// Its address by LID.
    pub fn lid(&self) -> Jid {
        self.account.lid()
    }

    /// The address of one of its devices.
    pub(crate) fn address(&self, addressing: Addressing, device: u16) -> Jid {
        self.account.jid(addressing, device)
    }

    /// The name that others see.
    pub fn name(&self) -> String {
        self.account.directory().name.clone()
    }

    /// Has contact queries find the account under these numbers, too: people write numbers in several ways, and the
    /// server knows what the account is called.
    pub fn add_aliases(&self, numbers: &[impl AsRef<str>]) -> Result<(), ControlError> {
        let numbers = numbers.iter().map(|number| canonical(number.as_ref()).map(CompactString::from));
        self.world.add_aliases(&self.account, numbers.collect::<Result<_, _>>()?)
    }

    /// The further numbers under which contact queries find it.
    pub fn aliases(&self) -> Vec<String> {
        self.world.aliases(&self.account)
    }

    /// Whether the account's chats are keyed by LID. Before that the server refuses what it sends by LID.
    pub fn is_lid_migrated(&self) -> bool {
        self.account.directory().lid_migrated
    }

    /// Takes back that the account's chats are keyed by LID: as it was before [`migrate`](Self::migrate).
    pub fn unmigrate(&self) {
        self.account.directory().lid_migrated = false;
    }

    /// Moves the account's chats to LIDs, and has the phone tell its companions who is who.
    pub fn migrate(&self) {
        self.account.directory().lid_migrated = true;
        self.account.phone.order(Task::Migrate);
    }

    /// Whether the server tells nobody the account's LID.
    pub fn hides_lid(&self) -> bool {
        self.account.directory().hides_lid
    }

    /// Has the server tell nobody the account's LID, or tell it again.
    pub fn hide_lid(&self, hide: bool) {
        self.account.directory().hides_lid = hide;
    }

    /// Gives the account another LID. Nobody is told: who writes to the one before reaches it, and hears that it is to be
    /// asked for again; what the account sends comes from the new one.
    pub fn move_lid(&self) {
        self.world.move_lid(&self.account);
    }

    /// Scans a QR text and links the client that shows it; returns its device number.
    pub async fn scan(&self, qr: &str) -> Result<u16, ControlError> {
        self.world.scan(&self.account, qr).await
    }

    /// Enters the code that a client shows, and links it; returns its device number.
    pub async fn enter_code(&self, code: &str) -> Result<u16, ControlError> {
        self.world.enter_code(&self.account, code).await
    }

    /// The simulator's time, in seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.world.clock.unix_seconds()
    }

    /// Says who may write to the account.
    pub fn restrict(&self, restriction: Restriction) {
        self.account.directory().restriction = restriction;
    }

    /// Lets the phone tell its companions nothing by itself, neither keys nor history, and answer nothing they ask; or
    /// lets it speak again.
    pub fn be_silent(&self, is_silent: bool) {
        self.account.directory().is_silent = is_silent;
    }

    /// Says what the phone does when a companion asks it to upload a file again.
    pub fn answer_reuploads(&self, reuploads: Reuploads) {
        self.account.directory().reuploads = reuploads;
    }

    /// Says whether companions are linked only with a passkey.
    pub fn demand_passkey(&self, has_passkey: bool) {
        self.account.directory().has_passkey = has_passkey;
    }

    /// Whether companions are linked only with a passkey.
    pub fn demands_passkey(&self) -> bool {
        self.account.directory().has_passkey
    }

    /// What the person's authenticator answers to a WebAuthn request (both in JSON).
    ///
    /// # Errors
    /// When it is no request.
    pub fn assert_passkey(&self, options: &str) -> Result<serde_json::Value, ControlError> {
        let answer = assertion(&self.account.phone.keys().passkey(), options, &mut self.world.fork_rng());
        answer.ok_or_else(|| ControlError::InvalidRequest("this is no WebAuthn request".to_owned()))
    }

    /// The code that the phone shows while it is linked with a passkey; the companion shows the same.
    pub fn passkey_code(&self) -> Option<String> {
        self.account.directory().passkey_code.clone()
    }

    /// Who may write to the account.
    pub fn restriction(&self) -> Restriction {
        self.account.directory().restriction
    }

    /// Whether the phone tells its companions nothing.
    pub fn is_silent(&self) -> bool {
        self.account.directory().is_silent
    }

    /// What the phone received and could decrypt, oldest first.
    pub fn inbox(&self) -> Vec<InboxEntry> {
        self.account.phone.inbox.borrow().entries()
    }

    /// Waits until the inbox is as wanted, and returns it.
    pub async fn wait_for_inbox(&self, mut wanted: impl FnMut(&[InboxEntry]) -> bool) -> Vec<InboxEntry> {
        let mut changes = self.account.phone.inbox.subscribe();
        loop {
            let entries = changes.borrow_and_update().entries();
            if wanted(&entries) || changes.changed().await.is_err() {
                return entries;
            }
        }
    }

    /// Waits until the phone has shown this many messages over its life; cheaper than
    /// [`wait_for_inbox`](Self::wait_for_inbox) when there are many.
    pub async fn wait_for_shown(&self, count: u64) {
        let mut changes = self.account.phone.inbox.subscribe();
        // The sender lives as long as this handle's account.
        changes.wait_for(|inbox| inbox.shown() >= count).await.map(drop).ok();
    }

    /// How many messages the phone could not decrypt when they came; it asked for each again.
    pub fn undecryptable(&self) -> u64 {
        self.account.phone.inbox.borrow().undecryptable()
    }

    /// How many of them came from this device, named by either form of its address.
    pub fn undecryptable_from(&self, device: &Jid) -> u64 {
        let Some(account) = self.world.resolve(device) else { return 0 };
        self.account.phone.inbox.borrow().undecryptable_from(&account.number, device.device)
    }

    /// What the phone sent lately, with the receipts that came back, oldest first.
    pub fn outbox(&self) -> Vec<OutboxEntry> {
        self.account.phone.outbox.borrow().entries()
    }

    /// Waits until the outbox is as wanted, and returns it.
    pub async fn wait_for_outbox(&self, mut wanted: impl FnMut(&[OutboxEntry]) -> bool) -> Vec<OutboxEntry> {
        let mut changes = self.account.phone.outbox.subscribe();
        loop {
            let entries = changes.borrow_and_update().entries();
            if wanted(&entries) || changes.changed().await.is_err() {
                return entries;
            }
        }
    }

    /// Installs WhatsApp anew on the phone: under the same number it has another identity and no companions. Those who
    /// know the account are told, if `is_told`.
    pub fn reinstall(&self, is_told: bool) {
        self.world.reinstall(&self.account, is_told);
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Phone").field(&CompactString::from(self.number())).finish()
    }
}
