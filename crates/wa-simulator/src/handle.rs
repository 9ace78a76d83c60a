use std::{fmt, sync::Arc, time::Duration};

use compact_str::CompactString;
use serde::Serialize;
use serde_json::json;
use tokio::sync::oneshot;
use wa_binary::{Jid, Node};

use crate::{
    Addressing, ChatCap, ControlError, Impostor, InboxEntry, OutboxEntry, Restriction, TimeLock,
    account::{Account, Played},
    faults::{FaultKind, Moment},
    iq,
    pairing::assertion,
    phone::{KeyShare, Letter, Say, Task, message_id},
    simulator::canonical,
    world::World,
};

/// Most messages of one call.
const MAX_COUNT: usize = 100_000;
/// Longest text of a message, and longest emoji, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// A phone and its account, to be told what to do.
#[derive(Clone)]
pub struct Phone {
    world: Arc<World>,
    account: Arc<Account>,
}

/// A linked companion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its number, 1 to 99.
    pub id: u16,
    /// Its address by phone number.
    pub jid: String,
    /// Its address by LID.
    pub lid: String,
    /// Its number in the account's signed list of devices.
    pub key_index: u32,
    /// What it calls itself.
    pub name: String,
    /// When it was linked, in seconds since 1970.
    pub linked_at: u64,
    /// Whether it has a live connection.
    pub connected: bool,
    /// Whether it has asked for what comes.
    pub active: bool,
    /// How often it has logged in.
    pub logins: u32,
    /// How often it says it has: `lc` of its last login.
    pub login_counter: Option<i32>,
    /// One-time prekeys that the server has of it.
    pub prekeys: usize,
    /// Stanzas that it has not acknowledged.
    pub waiting: usize,
}

/// What a phone is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The recipient: a phone number, or a user's JID of either form.
    pub to: String,
    /// The content of each message.
    pub say: Say,
    /// Number of messages.
    pub count: usize,
    /// Time from one message to the next.
    pub interval: Duration,
    /// The form of address; that of the options if none.
    pub addressing: Option<Addressing>,
}

impl Outgoing {
    /// One message to a phone number, without delay.
    pub fn new(to: impl Into<String>, say: Say) -> Self {
        Self { to: to.into(), say, count: 1, interval: Duration::ZERO, addressing: None }
    }

    /// One text to a phone number, without delay.
    pub fn text(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(to, Say::Text(text.into()))
    }
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

    /// Scans a QR text and links the client that shows it; returns its device number.
    pub async fn scan(&self, qr: &str) -> Result<u16, ControlError> {
        self.world.scan(&self.account, qr).await
    }

    /// Enters the code that a client shows, and links it; returns its device number.
    pub async fn enter_code(&self, code: &str) -> Result<u16, ControlError> {
        self.world.enter_code(&self.account, code).await
    }

    /// Sends a text, and returns its id once the server has taken it.
    pub async fn send(&self, to: &str, text: &str) -> Result<String, ControlError> {
        self.say(to, Say::Text(text.to_owned())).await
    }

    /// Gives a message that the account sent to somebody a new text; returns the id of the edit.
    pub async fn edit(&self, to: &str, id: &str, text: &str) -> Result<String, ControlError> {
        self.say(to, Say::Edit { id: id.to_owned(), text: text.to_owned() }).await
    }

    /// Takes back a message that the account sent to somebody; returns the id of the revocation.
    pub async fn revoke(&self, to: &str, id: &str) -> Result<String, ControlError> {
        self.say(to, Say::Revoke { id: id.to_owned() }).await
    }

    /// Puts an emoji to a message of a chat, or with an empty one takes it away; returns the id of the reaction.
    pub async fn react(&self, to: &str, id: &str, emoji: &str) -> Result<String, ControlError> {
        self.say(to, Say::React { id: id.to_owned(), emoji: emoji.to_owned() }).await
    }

    /// Sends a message, and returns its id once the server has taken it.
    pub async fn say(&self, to: &str, say: Say) -> Result<String, ControlError> {
        let sent = self.send_all(Outgoing::new(to, say)).await?;
        sent.into_iter().next().ok_or(ControlError::Reset)
    }

    /// Sends messages, and returns their ids. Without an interval the server has taken all of them by then; with
    /// one, they are sent in the background.
    pub async fn send_all(&self, outgoing: Outgoing) -> Result<Vec<String>, ControlError> {
        let letters = self.prepared(&outgoing)?;
        let ids = letters.iter().map(|letter| letter.id.to_string()).collect();
        if outgoing.interval.is_zero() {
            for letter in letters {
                self.send_one(letter).await?;
            }
            return Ok(ids);
        }
        let (phone, age) = (self.clone(), self.world.age());
        let sending = async move {
            let mut ticks = tokio::time::interval(outgoing.interval);
            for letter in letters {
                ticks.tick().await;
                if let Err(error) = phone.send_one(letter).await {
                    tracing::debug!(%error, "a phone can't send");
                }
            }
        };
        self.world.runtime.spawn(async move {
            tokio::select! {
                () = age.cancelled() => {}
                () = sending => {}
            }
        });
        Ok(ids)
    }

    fn prepared(&self, outgoing: &Outgoing) -> Result<Vec<Letter>, ControlError> {
        if outgoing.count == 0 || outgoing.count > MAX_COUNT {
            return Err(ControlError::InvalidRequest(format!("`count` is from 1 to {MAX_COUNT}")));
        }
        check_length(&outgoing.say)?;
        let to = self.recipient(&outgoing.to)?;
        let is_migrated = self.account.directory().lid_migrated;
        let usual = if is_migrated { self.world.options.addressing } else { Addressing::Pn };
        let addressing = outgoing.addressing.unwrap_or(usual);
        let mut rng = self.world.fork_rng();
        let letters = (1..=outgoing.count).map(|number| Letter {
            id: message_id(&mut rng),
            to: to.clone(),
            say: numbered(&outgoing.say, number),
            addressing,
        });
        Ok(letters.collect())
    }

    fn recipient(&self, to: &str) -> Result<Arc<Account>, ControlError> {
        let jid = match to.parse::<Jid>() {
            Ok(jid) if jid.is_user() || Addressing::of(&jid).is_some() => jid,
            Ok(_) => return Err(ControlError::InvalidRecipient(to.to_owned())),
            Err(_) => Jid::pn(canonical(to).map_err(|_| ControlError::InvalidRecipient(to.to_owned()))?),
        };
        let found = match Addressing::of(&jid) {
            Some(Addressing::Pn) => self.world.contact(&jid.user),
            _ => self.world.resolve(&jid),
        };
        found.ok_or_else(|| ControlError::UnknownRecipient(to.to_owned()))
    }

    async fn send_one(&self, letter: Letter) -> Result<(), ControlError> {
        let (reply, sent) = oneshot::channel();
        self.account.phone.order(Task::Send { letter, reply });
        sent.await.unwrap_or(Err(ControlError::Reset))
    }

    /// Tells the senders of messages that they were read. Without a chat, that of each message is taken.
    pub async fn read(&self, chat: Option<&str>, ids: &[String]) -> Result<(), ControlError> {
        let chat = chat.map(|chat| self.recipient(chat)).transpose()?;
        let (reply, done) = oneshot::channel();
        self.account.phone.order(Task::MarkRead { chat, ids: ids.to_vec(), reply });
        done.await.unwrap_or(Err(ControlError::Reset))
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

    /// Bans the account for a while, `grows` longer with every login before the end, and ends its connections.
    pub fn ban(&self, lasts: Duration, grows: Duration) {
        let now = self.world.clock.unix_seconds();
        self.account.directory().standing.ban(now, lasts, grows);
        self.world.end_connections(&self.account, None, &FaultKind::Drop { when: Moment::Now });
    }

    /// Locks the account, or lifts the lock; its companions are told.
    pub fn set_time_lock(&self, lock: Option<TimeLock>) {
        let told = json!({"data": {"xwa2_notify_account_reachout_timelock": iq::time_lock(lock.as_ref())}});
        self.account.directory().standing.set_time_lock(lock);
        self.tell_limit("NotificationUserReachoutTimelockUpdate", &told);
    }

    /// Limits how many people the account may write to for the first time, or lifts the limit; its companions are told.
    pub fn set_chat_cap(&self, cap: Option<ChatCap>) {
        let cap_told = iq::chat_cap(cap, self.world.clock.unix_seconds());
        let told = json!({"data": {"xwa2_notify_new_chat_messages_capping_info_update": cap_told}});
        self.account.directory().standing.set_chat_cap(cap);
        self.tell_limit("MessageCappingInfoNotification", &told);
    }

    fn tell_limit(&self, name: &'static str, told: &serde_json::Value) {
        let update = Node::new("update").attr("op_name", name).with_bytes(told.to_string().into_bytes());
        let notice = Node::new("notification").attr("from", Jid::server()).child(update);
        self.world.notify(&self.account, None, "mex", &notice);
    }

    /// Shares the keys of the app state with a companion, once more.
    pub fn share_keys(&self, device: u16, share: KeyShare) -> Result<(), ControlError> {
        if device == 0 || !self.account.directory().has_device(device) {
            return Err(ControlError::UnknownDevice(device));
        }
        self.account.phone.order(Task::ShareKeys { device, share });
        Ok(())
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

    /// The linked companions.
    pub fn devices(&self) -> Vec<Device> {
        let directory = self.account.directory();
        let devices = directory.companions.iter().map(|(id, companion)| Device {
            id: *id,
            jid: self.account.jid(Addressing::Pn, *id).to_string(),
            lid: self.account.jid(Addressing::Lid, *id).to_string(),
            key_index: companion.key_index,
            name: companion.name.to_string(),
            linked_at: companion.linked_at,
            connected: companion.connection.is_some(),
            active: companion.is_active(),
            logins: companion.logins,
            login_counter: companion.login_counter,
            prekeys: companion.prekeys.len(),
            waiting: companion.queue.len(),
        });
        devices.collect()
    }

    /// The server claims `what` to a companion, so as to read a message that the companion sent to `chat`.
    pub fn impersonate(&self, device: u16, what: Impostor, chat: &str, id: &str) -> Result<(), ControlError> {
        if !self.account.directory().companions.contains_key(&device) {
            return Err(ControlError::UnknownDevice(device));
        }
        let chat = self.recipient(chat)?;
        self.world.impersonate(&self.account, device, what, &chat, id);
        Ok(())
    }

    /// Installs WhatsApp anew on the phone: under the same number it has another identity and no companions. Those who
    /// know the account are told, if `is_told`.
    pub fn reinstall(&self, is_told: bool) {
        self.world.reinstall(&self.account, is_told);
    }

    /// Links a companion that the simulator plays itself; returns its device number.
    pub fn play_companion(&self) -> Result<u16, ControlError> {
        self.world.play(&self.account, false)
    }

    /// Links the account's device in Meta's cloud, played by the simulator; returns its device number.
    pub fn play_cloud(&self) -> Result<u16, ControlError> {
        self.world.play(&self.account, true)
    }

    /// What a device that the simulator plays has received, oldest first.
    pub fn inbox_of(&self, device: u16) -> Result<Vec<InboxEntry>, ControlError> {
        let played = self.played(device)?;
        let entries = played.line.inbox.borrow().entries();
        Ok(entries)
    }

    /// Waits until the inbox of a device that the simulator plays is as wanted, and returns it.
    pub async fn wait_for_inbox_of(
        &self,
        device: u16,
        mut wanted: impl FnMut(&[InboxEntry]) -> bool,
    ) -> Result<Vec<InboxEntry>, ControlError> {
        let mut changes = self.played(device)?.line.inbox.subscribe();
        loop {
            let entries = changes.borrow_and_update().entries();
            if wanted(&entries) || changes.changed().await.is_err() {
                return Ok(entries);
            }
        }
    }

    /// Sends a text from a device that the simulator plays, and returns its id once the server has taken it.
    pub async fn send_from(&self, device: u16, to: &str, text: &str) -> Result<String, ControlError> {
        let played = self.played(device)?;
        let mut letters = self.prepared(&Outgoing::text(to, text))?;
        let Some(letter) = letters.pop() else { return Err(ControlError::Reset) };
        let id = letter.id.to_string();
        let (reply, sent) = oneshot::channel();
        played.line.order(Task::Send { letter, reply });
        sent.await.unwrap_or(Err(ControlError::Reset))?;
        Ok(id)
    }

    fn played(&self, device: u16) -> Result<Arc<Played>, ControlError> {
        let played = self.account.directory().played.get(&device).cloned();
        played.ok_or(ControlError::UnknownDevice(device))
    }

    /// Unlinks a companion.
    pub fn unlink(&self, device: u16) -> Result<(), ControlError> {
        match self.world.unlink(&self.account, device, &mut self.world.fork_rng()) {
            true => Ok(()),
            false => Err(ControlError::UnknownDevice(device)),
        }
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Phone").field(&CompactString::from(self.number())).finish()
    }
}

fn check_length(say: &Say) -> Result<(), ControlError> {
    let (name, text, least) = match say {
        Say::Text(text) | Say::Edit { text, .. } => ("text", text.as_str(), 1),
        Say::React { emoji, .. } => ("emoji", emoji.as_str(), 0),
        Say::Raw(raw) if raw.len() <= MAX_TEXT => return Ok(()),
        Say::Raw(_) => {
            return Err(ControlError::InvalidRequest(format!("`raw` has at most {MAX_TEXT} bytes")));
        }
        Say::Revoke { .. } => return Ok(()),
    };
    if (least..=MAX_TEXT).contains(&text.len()) {
        return Ok(());
    }
    Err(ControlError::InvalidRequest(format!("`{name}` has {least} to {MAX_TEXT} bytes")))
}

/// `{n}` in a text becomes the number of the message.
fn numbered(say: &Say, number: usize) -> Say {
    match say {
        Say::Text(text) => Say::Text(text.replace("{n}", &number.to_string())),
        say => say.clone(),
    }
}
