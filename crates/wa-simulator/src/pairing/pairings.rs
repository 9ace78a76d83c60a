use std::{collections::HashMap, sync::Arc, time::Duration};

use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{
    Registration,
    code::{CodeHello, CodeRequest},
    passkey::PasskeyDemand,
};
use crate::{ControlError, account::Account, adv::Vouched};

/// How long a request for a code may take to arrive.
const ON_ITS_WAY: Duration = Duration::from_secs(3);

/// The clients that wait to be paired, by the references that they show.
#[derive(Default)]
pub(crate) struct Pairings {
    references: Mutex<References>,
    by_number: Mutex<HashMap<CompactString, Arc<CodeRequest>>>,
    requested: Notify,
    /// Rung when a fault is cleared, which may let a pairing go on.
    released: Notify,
}

#[derive(Default)]
struct References {
    shown: HashMap<String, Shown>,
    by_connection: HashMap<u64, Vec<String>>,
}

struct Shown {
    expires: Instant,
    waiting: Arc<Waiting>,
}

/// A client that waits to be paired.
pub(crate) struct Waiting {
    pub(crate) connection: u64,
    pub(crate) registration: Registration,
    pub(crate) approaches: mpsc::Sender<Approach>,
    /// Secrets of the client's codes that are good no longer.
    retired: Mutex<Vec<[u8; 32]>>,
}

/// A client that waits to be paired, as the control API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingClient {
    /// The oldest reference that is still taken: the one that the client shows, or is about to replace.
    #[serde(rename = "ref")]
    pub reference: String,
    /// All that are still taken, in the order in which the client shows them.
    pub refs: Vec<String>,
    /// The name that it registered with, if it said one.
    pub push_name: Option<String>,
    /// The version that it registered with, dotted.
    pub version: String,
    /// What it calls itself in the list of linked devices.
    pub name: String,
}

impl Waiting {
    pub(crate) fn new(
        connection: u64,
        registration: Registration,
        approaches: mpsc::Sender<Approach>,
    ) -> Self {
        Self { connection, registration, approaches, retired: Mutex::default() }
    }

    /// From now on no phone takes this secret.
    pub(crate) fn retire(&self, secret: [u8; 32]) {
        self.retired.lock().push(secret);
    }

    pub(crate) fn is_retired(&self, secret: &[u8; 32]) -> bool {
        self.retired.lock().contains(secret)
    }
}

/// What a phone does to a client that waits.
pub(crate) enum Approach {
    /// It wants the client for its account.
    Offer(Offer),
    /// It knows the code that the client shows, or thinks so.
    Code(CodeHello),
    /// It goes on only with a passkey.
    Passkey(PasskeyDemand),
    /// Its part of a pairing with a passkey.
    Continuation(Vec<u8>),
    /// The client is to change its secret.
    Refresh {
        /// Whether to say it with `<pair-device-rotate-qr>`.
        rotate_qr: bool,
    },
}

/// A phone wants the client for its account: what pair-success is made of.
pub(crate) struct Offer {
    pub(crate) account: Arc<Account>,
    pub(crate) device: u16,
    pub(crate) vouched: Vouched,
    /// An encoded `ADVSignedDeviceIdentityHMAC`.
    pub(crate) container: Vec<u8>,
    /// Leave out the `<device>`.
    pub(crate) without_device: bool,
    pub(crate) reply: oneshot::Sender<Result<(), ControlError>>,
}

impl Pairings {
    /// Registers the references that a client will show, each with the instant of its end.
    pub(crate) fn show(&self, waiting: &Arc<Waiting>, references: Vec<(String, Instant)>) {
        let mut known = self.references.lock();
        let texts = references.iter().map(|(reference, _)| reference.clone()).collect();
        known.by_connection.insert(waiting.connection, texts);
        for (reference, expires) in references {
            known.shown.insert(reference, Shown { expires, waiting: waiting.clone() });
        }
    }

    /// The client that shows a reference.
    pub(crate) fn find(&self, reference: &str) -> Result<Arc<Waiting>, ControlError> {
        match self.references.lock().shown.get(reference) {
            None => Err(ControlError::UnknownReference),
            Some(shown) if shown.expires <= Instant::now() => Err(ControlError::ExpiredReference),
            Some(shown) => Ok(shown.waiting.clone()),
        }
    }

    /// All clients that wait, with the references that are still taken.
    pub(crate) fn waiting(&self) -> Vec<WaitingClient> {
        let known = self.references.lock();
        let now = Instant::now();
        let clients = known.by_connection.values().filter_map(|references| {
            let live = |text: &&String| known.shown.get(*text).is_some_and(|shown| shown.expires > now);
            let refs: Vec<String> = references.iter().filter(live).cloned().collect();
            let reference = refs.first()?.clone();
            let registration = &known.shown.get(&reference)?.waiting.registration;
            Some(WaitingClient {
                reference,
                refs,
                push_name: registration.push_name.clone(),
                version: registration.version.clone(),
                name: registration.props.os.clone().unwrap_or_default(),
            })
        });
        let mut clients: Vec<_> = clients.collect();
        clients.sort_by(|one, other| one.reference.cmp(&other.reference));
        clients
    }

    /// Waits while a pairing is held.
    pub(crate) async fn while_held(&self, is_held: impl Fn() -> bool) {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registered before the look, so that nothing is missed between the two.
            released.as_mut().enable();
            if !is_held() {
                return;
            }
            released.await;
        }
    }

    /// Faults were cleared.
    pub(crate) fn release(&self) {
        self.released.notify_waiters();
    }

    /// A client wants to be linked to a number by code; a request of before is forgotten.
    pub(crate) fn request(&self, number: CompactString, request: CodeRequest) {
        self.by_number.lock().insert(number, Arc::new(request));
        self.requested.notify_waiters();
    }

    /// The client that wants to be linked to the number by code. Clients show their code when they send the
    /// request, not when it is answered (PROTOCOL.md 6.3): it may be on its way for a moment.
    pub(crate) async fn requested(&self, number: &str) -> Result<Arc<CodeRequest>, ControlError> {
        let arrives = async {
            loop {
                let next = self.requested.notified();
                tokio::pin!(next);
                // Registered before the look, so that nothing is missed between the two.
                next.as_mut().enable();
                if let Some(request) = self.by_number.lock().get(number).cloned() {
                    return request;
                }
                next.await;
            }
        };
        timeout(ON_ITS_WAY, arrives).await.map_err(|_| ControlError::NoCodeExpected)
    }

    /// The client is gone or paired: what it shows means nothing any more.
    pub(crate) fn forget(&self, connection: u64) {
        let mut known = self.references.lock();
        for reference in known.by_connection.remove(&connection).unwrap_or_default() {
            known.shown.remove(&reference);
        }
        drop(known);
        self.by_number.lock().retain(|_, request| request.waiting.connection != connection);
    }

    pub(crate) fn clear(&self) {
        *self.references.lock() = References::default();
        self.by_number.lock().clear();
    }
}
