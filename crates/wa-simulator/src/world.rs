use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use parking_lot::{Mutex, RwLock};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::CancellationToken;
use wa_binary::{Content, Jid, Node};
use wa_crypto::{KeyPair, Secret};
use wa_signal::PreKeyMessage;

use crate::{
    Addressing, Clock, ControlError, Options,
    account::{Account, Directory, SignedKey},
    adv,
    certificate::Authority,
    clock::ServerClock,
    faults::{FaultKind, Faults, Moment},
    impostor::Impostors,
    media::Media,
    pairing::Pairings,
    phone::{self, PhoneKeys},
    queue::{Class, Stanza},
    stanza,
    trace::Trace,
    versions::Versions,
};

/// How long a certificate chain is handed out before it is signed anew, in seconds.
const CHAIN_LIFE: u64 = 24 * 60 * 60;

/// Everything that the server knows. Connections, phones and the control API share it.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) clock: ServerClock,
    pub(crate) trace: Trace,
    pub(crate) faults: Faults,
    pub(crate) impostors: Impostors,
    pub(crate) media: Media,
    pub(crate) pairings: Pairings,
    pub(crate) versions: Versions,
    pub(crate) authority: Authority,
    pub(crate) server_key: KeyPair,
    /// `host:port` of the media host; set once the listener is bound.
    pub(crate) media_host: OnceLock<String>,
    /// Makes tokens that only the server can make.
    secret: Secret<32>,
    chain: Mutex<Option<(u64, Bytes)>>,
    rng: Mutex<ChaCha20Rng>,
    accounts: RwLock<Accounts>,
    ids: AtomicU64,
    connections: AtomicU64,
    /// Ends every connection and phone of the present age; a reset begins a new one.
    age: Mutex<CancellationToken>,
    /// Where phones and connections run.
    pub(crate) runtime: Handle,
    me: Weak<World>,
}

#[derive(Default)]
struct Accounts {
    by_number: HashMap<CompactString, Arc<Account>>,
    by_lid: HashMap<CompactString, Arc<Account>>,
    /// By numbers that people write for an account, and that are not its own.
    by_alias: HashMap<CompactString, Arc<Account>>,
}

impl World {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(options: Options) -> Arc<Self> {
        let clock = options.clock.unwrap_or_else(Clock::system);
        let mut rng = match options.seed {
            Some(seed) => ChaCha20Rng::from_seed(seed),
            None => seed_from_system(),
        };
        Arc::new_cyclic(|me| Self {
            trace: Trace::new(clock, options.limits.trace, options.limits.trace_bytes),
            faults: Faults::default(),
            impostors: Impostors::default(),
            media: Media::new(options.limits.media_file, options.limits.media_total),
            pairings: Pairings::default(),
            versions: Versions::new(&options, clock),
            authority: Authority::generate(&mut rng),
            server_key: KeyPair::generate(&mut rng),
            media_host: OnceLock::new(),
            secret: Secret::generate(&mut rng),
            chain: Mutex::default(),
            rng: Mutex::new(rng),
            accounts: RwLock::default(),
            ids: AtomicU64::new(1),
            connections: AtomicU64::new(1),
            age: Mutex::new(CancellationToken::new()),
            runtime: Handle::current(),
            me: me.clone(),
            clock: ServerClock::new(clock, options.behaviour.clock_offset),
            options,
        })
    }

    pub(crate) fn weak(&self) -> Weak<Self> {
        self.me.clone()
    }

    /// What uploads must show in `auth`.
    pub(crate) fn media_auth(&self) -> String {
        hex::encode(&self.token(&[b"media auth"])[..16])
    }

    /// A generator of its own, so that tasks don't wait for each other.
    pub(crate) fn fork_rng(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.rng.lock().fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    pub(crate) fn next_id(&self) -> CompactString {
        format_compact!("{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// What ends with the present age.
    pub(crate) fn age(&self) -> CancellationToken {
        self.age.lock().clone()
    }

    /// An opaque token for `parts`, the same every time.
    pub(crate) fn token(&self, parts: &[&[u8]]) -> [u8; 32] {
        wa_crypto::mac::hmac_sha256(self.secret.expose(), parts)
    }

    /// The certificate chain for a handshake.
    pub(crate) fn certificate_chain(&self, rng: &mut ChaCha20Rng) -> Bytes {
        let now = self.clock.unix_seconds();
        let fault = self.faults.strike_anybody(|kind| match kind {
            FaultKind::Certificate { what } => Some(*what),
            _ => None,
        });
        if fault.is_some() {
            return self.authority.issue(self.server_key.public(), now, fault, rng).into();
        }
        let mut chain = self.chain.lock();
        match &*chain {
            Some((signed_at, bytes)) if now.saturating_sub(*signed_at) < CHAIN_LIFE => bytes.clone(),
            _ => {
                let bytes = Bytes::from(self.authority.issue(self.server_key.public(), now, None, rng));
                *chain = Some((now, bytes.clone()));
                bytes
            }
        }
    }

    /// The account with this number, made with its phone if there is none.
    pub(crate) fn create(&self, number: &str, name: Option<String>) -> Arc<Account> {
        if let Some(account) = self.account(number) {
            if let Some(name) = name {
                account.directory().name = name;
            }
            return account;
        }
        let mut rng = self.fork_rng();
        let keys = Arc::new(PhoneKeys::generate(&mut rng));
        let number = CompactString::from(number);
        let lid = self.free_lid(&mut rng);
        let signed_prekey = SignedKey::of(&keys);
        let name = name.unwrap_or_else(|| format!("Phone {number}"));
        let mut directory =
            Directory::new(name, keys.identity.registration_id, signed_prekey, rng.next_u32() >> 1);
        directory.lid_migrated = self.options.lid_migrated;
        let limits = self.options.limits;
        let (line, tasks) = phone::line(keys, limits.inbox, limits.sent);
        let account = Account::new(number.clone(), lid.clone(), line, directory);
        let account = Arc::new(account);
        self.sign_key_indexes(&account, &mut rng);

        let mut accounts = self.accounts.write();
        if let Some(other) = accounts.by_number.get(&number) {
            return other.clone();
        }
        accounts.by_number.insert(number, account.clone());
        accounts.by_lid.insert(lid, account.clone());
        drop(accounts);
        phone::spawn(self, (&account, 0), tasks, rng, self.age());
        account
    }

    /// Fifteen digits that no account has.
    fn free_lid(&self, rng: &mut ChaCha20Rng) -> CompactString {
        loop {
            let lid = format_compact!("{}", 100_000_000_000_000 + rng.next_u64() % 800_000_000_000_000);
            if !self.accounts.read().by_lid.contains_key(&lid) {
                return lid;
            }
        }
    }

    /// Signs the list of valid key indexes anew, after companions have changed.
    pub(crate) fn sign_key_indexes(&self, account: &Account, rng: &mut ChaCha20Rng) {
        let (raw_id, (current, valid)) = {
            let directory = account.directory();
            (directory.raw_id, directory.key_indexes())
        };
        let now = self.clock.unix_seconds();
        let keys = account.phone.keys();
        let key = &keys.identity.key;
        let list = adv::key_index_list(key, raw_id, now, current, valid, rng);
        account.directory().key_index_list = (list, now);
    }

    /// Has contact queries find the account under further numbers; all of them, or none if one is somebody else's.
    pub(crate) fn add_aliases(
        &self,
        account: &Arc<Account>,
        numbers: Vec<CompactString>,
    ) -> Result<(), ControlError> {
        let mut accounts = self.accounts.write();
        for number in &numbers {
            let owner = accounts.by_number.get(number).or_else(|| accounts.by_alias.get(number));
            if owner.is_some_and(|owner| owner != account) {
                return Err(ControlError::NumberTaken(number.to_string()));
            }
        }
        accounts.by_alias.extend(numbers.into_iter().map(|number| (number, account.clone())));
        Ok(())
    }

    /// The account that a contact query for this number finds: its owner, or else whose alias it is.
    pub(crate) fn contact(&self, number: &str) -> Option<Arc<Account>> {
        let accounts = self.accounts.read();
        accounts.by_number.get(number).or_else(|| accounts.by_alias.get(number)).cloned()
    }

    /// The account's other numbers.
    pub(crate) fn aliases(&self, account: &Account) -> Vec<String> {
        let accounts = self.accounts.read();
        let theirs = accounts
            .by_alias
            .iter()
            .filter(|(number, owner)| ***owner == *account && **number != account.number);
        let mut aliases: Vec<_> = theirs.map(|(number, _)| number.to_string()).collect();
        aliases.sort_unstable();
        aliases
    }

    pub(crate) fn account(&self, number: &str) -> Option<Arc<Account>> {
        self.accounts.read().by_number.get(number).cloned()
    }

    pub(crate) fn phone(&self, number: &str) -> Result<Arc<Account>, ControlError> {
        self.account(number).ok_or_else(|| ControlError::UnknownPhone(number.to_owned()))
    }

    /// The account that an address belongs to.
    pub(crate) fn resolve(&self, jid: &Jid) -> Option<Arc<Account>> {
        let accounts = self.accounts.read();
        match Addressing::of(jid)? {
            Addressing::Pn => accounts.by_number.get(&jid.user).cloned(),
            Addressing::Lid => accounts.by_lid.get(&jid.user).cloned(),
        }
    }

    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        let mut accounts: Vec<_> = self.accounts.read().by_number.values().cloned().collect();
        accounts.sort_by(|a, b| a.number.cmp(&b.number));
        accounts
    }

    /// Gives a stanza to a device, now or when it is there, through whatever fault strikes it.
    pub(crate) fn deliver(&self, account: &Arc<Account>, device: u16, mut stanza: Stanza) {
        let number = &account.number;
        if stanza.class == Class::Message {
            if let Some(kind) = self.faults.strike(number, device, |kind| delivery_ending(kind).cloned()) {
                self.hand_over(account, device, stanza);
                self.end_connections(account, Some(device), &kind);
                return;
            }
            let is_damage = |kind: &FaultKind| (*kind == FaultKind::Undecryptable).then_some(());
            if self.faults.strike(number, device, is_damage).is_some() {
                stanza.bytes = damaged(&stanza.bytes);
            }
            let changed = |kind: &FaultKind| match kind {
                FaultKind::Attribute { name, value } => Some((name.clone(), value.clone())),
                _ => None,
            };
            if let Some((name, value)) = self.faults.strike(number, device, changed) {
                stanza.bytes = changed_in(&stanza.bytes, &name, value);
            }
            let shared = |kind: &FaultKind| match kind {
                FaultKind::Shared { chat } => chat.parse::<Jid>().ok(),
                _ => None,
            };
            if let Some(chat) = self.faults.strike(number, device, shared) {
                stanza.bytes = shared_in(&stanza.bytes, &chat);
            }
            let emptied = |kind: &FaultKind| match kind {
                FaultKind::Empty { unavailable } if !is_peer(&stanza.bytes) => Some(unavailable.clone()),
                _ => None,
            };
            if let Some(unavailable) = self.faults.strike(number, device, emptied) {
                stanza.bytes = without_ciphertext(&stanza.bytes, unavailable);
            }
            let is_duplicate = |kind: &FaultKind| (*kind == FaultKind::Duplicate).then_some(());
            if self.faults.strike(number, device, is_duplicate).is_some() {
                self.hand_over(account, device, stanza.clone());
            }
            stanza = match self.faults.reorder(account, device, stanza) {
                Ok(due) => {
                    return due.into_iter().for_each(|(account, device, stanza)| {
                        self.hand_over(&account, device, stanza);
                    });
                }
                Err(stanza) => stanza,
            };
        }
        self.hand_over(account, device, stanza);
    }

    /// Delivers what a fault has held.
    pub(crate) fn hand_over(&self, account: &Arc<Account>, device: u16, stanza: Stanza) {
        let delay = self.faults.strike(&account.number, device, |kind| match kind {
            FaultKind::Delay { millis } => Some(std::time::Duration::from_millis(*millis)),
            _ => None,
        });
        let not_before = delay.map(|delay| Instant::now() + delay);
        let held = self.is_held(account, device);
        let played = account.directory().played.get(&device).cloned();
        let line =
            if device == 0 { Some(&account.phone) } else { played.as_ref().map(|played| &played.line) };
        if let Some(line) = line {
            return match held {
                true => line.hold(stanza.bytes),
                false => line.deliver(stanza.bytes, not_before),
            };
        }
        if let Some(companion) = account.directory().companions.get_mut(&device) {
            companion.deliver(stanza, held, not_before, self.options.limits.queue);
        }
    }

    /// Whether deliveries to the device wait because of a fault.
    pub(crate) fn is_held(&self, account: &Account, device: u16) -> bool {
        self.faults.holds(&account.number, device, |kind| *kind == FaultKind::Backlog)
    }

    /// Writes what has waited to every companion that is there.
    pub(crate) fn release(&self) {
        self.pairings.release();
        for account in self.accounts() {
            if !self.is_held(&account, 0) {
                account.phone.release();
            }
            let played: Vec<_> =
                account.directory().played.iter().map(|(id, it)| (*id, it.clone())).collect();
            for (_, played) in played.into_iter().filter(|(device, _)| !self.is_held(&account, *device)) {
                played.line.release();
            }
            let devices: Vec<u16> = account.directory().companions.keys().copied().collect();
            for device in devices.into_iter().filter(|device| !self.is_held(&account, *device)) {
                let mut directory = account.directory();
                let Some(companion) = directory.companions.get_mut(&device) else { continue };
                let Some(link) = companion.live_link().cloned() else { continue };
                companion
                    .queue
                    .take_unsent(usize::MAX)
                    .into_iter()
                    .for_each(|stanza| link.send(stanza.bytes, None));
            }
        }
    }

    /// Queues a stanza for every companion of an account but one.
    pub(crate) fn notify(&self, account: &Arc<Account>, except: Option<u16>, kind: &str, node: &Node<'_>) {
        let devices: Vec<u16> = account.directory().companions.keys().copied().collect();
        for device in devices.into_iter().filter(|device| Some(*device) != except) {
            self.notify_device(account, device, kind, node);
        }
    }

    /// Queues `<notification>` for one companion under an id of its own.
    pub(crate) fn notify_device(&self, account: &Arc<Account>, device: u16, kind: &str, node: &Node<'_>) {
        let id = self.next_id();
        let node =
            node.clone().attr("type", kind).attr("id", id.clone()).attr("t", self.clock.unix_seconds());
        let bytes = stanza::encode(&node);
        let stanza = Stanza { class: Class::Notification, id, kind: kind.into(), is_own_copy: false, bytes };
        self.deliver(account, device, stanza);
    }

    /// Ends the connections of a device, or of every companion, as `kind` says; returns how many.
    pub(crate) fn end_connections(&self, account: &Account, device: Option<u16>, kind: &FaultKind) -> usize {
        let last = match kind {
            FaultKind::StreamError { code, conflict, .. } => {
                let error = Node::new("stream:error").attr("code", code.as_str());
                let conflict = conflict.as_deref().map(|kind| Node::new("conflict").attr("type", kind));
                Some(stanza::encode(&error.with_children(conflict)))
            }
            _ => None,
        };
        let directory = account.directory();
        let struck = directory.companions.iter().filter(|(id, _)| device.is_none_or(|device| device == **id));
        let links = struck.filter_map(|(_, companion)| companion.connection.as_ref());
        links
            .map(|connection| match kind {
                FaultKind::Silence => connection.link.silence(),
                _ => connection.link.close(last.clone()),
            })
            .count()
    }

    /// Forgets everything and ends every connection.
    pub(crate) fn reset(&self) {
        let ended = std::mem::replace(&mut *self.age.lock(), CancellationToken::new());
        *self.accounts.write() = Accounts::default();
        self.pairings.clear();
        self.faults.clear(None);
        self.impostors.clear();
        self.media.clear();
        self.trace.clear();
        self.clock.set_offset(self.options.behaviour.clock_offset);
        ended.cancel();
    }

    /// Ends everything for good.
    pub(crate) fn stop(&self) {
        self.age.lock().cancel();
    }
}

/// A fault that ends a connection when a message is delivered.
fn delivery_ending(kind: &FaultKind) -> Option<&FaultKind> {
    match kind {
        FaultKind::Drop { when: Moment::Deliver } | FaultKind::StreamError { when: Moment::Deliver, .. } => {
            Some(kind)
        }
        _ => None,
    }
}

/// The same message with a bit changed in the MAC of every ciphertext, so that nothing but a whole
/// decryption finds it.
fn damaged(bytes: &Bytes) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(mut node) = wa_binary::decode(&plain) else { return bytes.clone() };
    if let Content::Nodes(children) = &mut node.content {
        for child in children.iter_mut().filter(|child| child.is("enc")) {
            if let Content::Bytes(content) = &mut child.content {
                let mac = mac_position(content);
                if let Some(byte) = content.to_mut().get_mut(mac) {
                    *byte ^= 1;
                }
            }
        }
    }
    stanza::encode(&node)
}

/// The same stanza with another value of an attribute, or without it.
fn changed_in(bytes: &Bytes, name: &str, value: Option<String>) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(mut node) = wa_binary::decode(&plain) else { return bytes.clone() };
    node.attrs.remove(name);
    let node = match value.as_deref().map(|value| (value.contains('@'), value.parse::<Jid>())) {
        Some((true, Ok(jid))) => node.attr(name, jid),
        _ => node.opt_attr(name, value),
    };
    stanza::encode(&node)
}

/// The same message in a chat that its sender shares with others (PROTOCOL.md 12).
fn shared_in(bytes: &Bytes, chat: &Jid) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(mut node) = wa_binary::decode(&plain) else { return bytes.clone() };
    let jid = |name: &str| node.attrs.jid(name).cloned();
    let (sender, pn, lid) = (jid("from"), jid("sender_pn"), jid("sender_lid"));
    for name in ["from", "sender_pn", "sender_lid"] {
        node.attrs.remove(name);
    }
    let node = node
        .attr("from", chat)
        .opt_attr("participant", sender)
        .opt_attr("participant_pn", pn)
        .opt_attr("participant_lid", lid);
    stanza::encode(&node)
}

/// Whether a message is about the account, from device to device.
fn is_peer(bytes: &Bytes) -> bool {
    let plain = stanza::without_flag(bytes);
    wa_binary::decode(&plain).is_ok_and(|node| stanza::text(&node.attrs, "category") == "peer")
}

/// The same message with `<unavailable>`, or nothing, in the place of its ciphertext (PROTOCOL.md 12).
fn without_ciphertext(bytes: &Bytes, unavailable: Option<String>) -> Bytes {
    let plain = stanza::without_flag(bytes);
    let Ok(node) = wa_binary::decode(&plain) else { return bytes.clone() };
    let kept = node.children().iter().filter(|child| !child.is("enc")).cloned();
    let said = unavailable.map(|kind| Node::new("unavailable").attr("type", kind));
    let children: Vec<_> = kept.chain(said).collect();
    let mut empty = Node::new("message").with_children(children);
    empty.attrs = node.attrs.clone();
    stanza::encode(&empty)
}

/// The last byte of a `msg`, or of the `msg` inside a `pkmsg`.
fn mac_position(ciphertext: &[u8]) -> usize {
    let inner = PreKeyMessage::parse(ciphertext).ok().map(|message| message.inner);
    let position = inner.and_then(|inner| {
        ciphertext
            .windows(inner.len().max(1))
            .position(|window| window == inner)
            .map(|start| start + inner.len())
    });
    position.unwrap_or(ciphertext.len()).saturating_sub(1)
}

#[allow(clippy::disallowed_methods, reason = "the one place where the system's randomness enters")]
fn seed_from_system() -> ChaCha20Rng {
    ChaCha20Rng::from_rng(&mut rand::rng())
}
