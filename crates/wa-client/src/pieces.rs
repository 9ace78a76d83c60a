//! Pieces of the phone's history, as they are read (PROTOCOL.md 20).

use std::collections::HashSet;
use std::io::Read;

use bytes::Bytes;
use prost::Message as _;
use tokio::time::Instant;
use wa_history::{History, Item};
use wa_protobuf::e2e::{HistorySyncNotification, HistorySyncType};
use wa_store::{PeerData, PeerDataKey, PeerDataSort};

use crate::event::HistoryKind;

/// Items that were told before and are passed over at once, so that the pump goes on between.
const SKIPPED_AT_ONCE: u64 = 1024;

/// Where the reading of the history stands. It outlives connections, as the parts that were handed out do.
#[derive(Default)]
pub(crate) struct HistoryReader {
    pub(crate) open: Option<Box<Piece>>,
    /// The store has no further piece, as far as is known.
    pub(crate) is_through: bool,
    /// The one that is being fetched from a media host.
    pub(crate) fetching: Option<(PeerDataKey, Box<HistorySyncNotification>)>,
    /// When what could not be fetched is tried again.
    pub(crate) retry_at: Option<Instant>,
    /// Pieces that are done with, or can't be had yet.
    pub(crate) passed: HashSet<PeerDataKey>,
}

/// A piece that is being read.
pub(crate) struct Piece {
    pub(crate) key: PeerDataKey,
    pub(crate) notification: HistorySyncNotification,
    source: Bytes,
    items: History<InMemory>,
    /// Who is who in it has been learned: a chat stands in front of what says whose it is, so it is read twice.
    is_surveyed: bool,
    /// Items that have been read.
    pub(crate) position: u64,
    /// Items that had been told before it was opened.
    told: u64,
    damage: Damage,
    /// What it says of itself.
    pub(crate) kind: HistoryKind,
    pub(crate) progress: Option<u32>,
}

/// Whether a piece can be read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// As far as it has been read.
    None,
    /// It can't, which is still to be told.
    Found,
    /// It can't, which was told before.
    Known,
}

impl HistoryReader {
    /// A piece has come.
    pub(crate) fn look_again(&mut self) {
        self.is_through = false;
        self.passed.clear();
    }

    /// Whether there may be something to tell.
    pub(crate) fn has_work(&self) -> bool {
        self.fetching.is_none() && (self.open.is_some() || !self.is_through)
    }
}

/// What became of the attempt to open a piece.
pub(crate) enum Opened {
    Piece(Box<Piece>),
    /// There is nothing in it that is not known.
    Nothing,
    /// It can't be read, and stays for who can.
    Unreadable,
    /// It lies on a media host.
    Elsewhere(Box<HistorySyncNotification>),
}

impl Piece {
    pub(crate) fn open(data: &PeerData, told: u64) -> Opened {
        let notification = HistorySyncNotification::decode(data.raw.clone());
        let Some(mut notification) = notification.ok().filter(|_| data.sort == PeerDataSort::History) else {
            return Opened::Unreadable;
        };
        let Some(inline) = notification.initial_hist_bootstrap_inline_payload.take() else {
            let is_elsewhere = notification.direct_path.is_some();
            return if is_elsewhere { Opened::Elsewhere(Box::new(notification)) } else { Opened::Nothing };
        };
        Opened::Piece(Box::new(Self::new(data.key(), notification, inline, told)))
    }

    /// A piece in the bytes that it came in, of which so many items have been told.
    pub(crate) fn new(
        key: PeerDataKey,
        notification: HistorySyncNotification,
        source: Bytes,
        told: u64,
    ) -> Self {
        let kind = notification.sync_type.unwrap_or(HistorySyncType::InitialBootstrap.into());
        Self {
            kind: HistoryKind::from_number(kind),
            progress: notification.progress,
            items: History::new(InMemory(source.clone())),
            source,
            is_surveyed: false,
            position: 0,
            damage: Damage::None,
            key,
            notification,
            told,
        }
    }

    /// Whether who is who in it is still to be learned.
    pub(crate) fn is_unknown(&self) -> bool {
        !self.is_surveyed
    }

    /// Items for [`Self::is_unknown`], some at a time; after the last the piece begins anew.
    pub(crate) fn survey(&mut self) -> Vec<Item> {
        let mut learned = Vec::new();
        for _ in 0..SKIPPED_AT_ONCE {
            match self.items.next() {
                Some(Ok(item @ (Item::LidMapping(_) | Item::Chat(_) | Item::Contact(_)))) => {
                    learned.push(item)
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    self.items = History::new(InMemory(self.source.clone()));
                    self.is_surveyed = true;
                    break;
                }
            }
        }
        learned
    }

    /// Passes over what was told before. Whether there may be more of that.
    pub(crate) fn skip(&mut self) -> bool {
        for _ in 0..SKIPPED_AT_ONCE {
            let item = if self.position < self.told { self.items.next() } else { None };
            if !matches!(item, Some(Ok(_))) {
                if item.is_some() {
                    self.damage = Damage::Known;
                }
                self.told = self.position;
                return false;
            }
            self.position += 1;
        }
        true
    }

    /// The next item; nothing at its end, be it the right one or not.
    pub(crate) fn next(&mut self) -> Option<Item> {
        match self.items.next()? {
            Ok(item) => {
                self.position += 1;
                Some(item)
            }
            Err(error) => {
                tracing::warn!(%error, "a piece of the history ends early, and is kept as it came");
                self.damage = Damage::Found;
                None
            }
        }
    }

    /// Whether it can't be read to its end, and nobody has been told.
    pub(crate) fn has_new_damage(&self) -> bool {
        self.damage == Damage::Found
    }

    /// How much has been told of it once what was read is accepted; `None` if that is all there is. That it is damaged
    /// counts as an item.
    pub(crate) fn mark(&self, ends: bool) -> Option<u64> {
        match self.damage {
            Damage::None => (!ends).then_some(self.position),
            Damage::Found | Damage::Known => Some(self.position.saturating_add(1)),
        }
    }
}

/// The number that the phone gave a piece; the notification is decoded for it.
pub(crate) fn place(data: &PeerData) -> u32 {
    let notification = HistorySyncNotification::decode(data.raw.clone());
    notification.ok().and_then(|notification| notification.chunk_order).unwrap_or(0)
}

/// Reads from shared bytes.
struct InMemory(Bytes);

impl Read for InMemory {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.0.len());
        out[..count].copy_from_slice(&self.0.split_to(count));
        Ok(count)
    }
}

impl std::fmt::Debug for HistoryReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryReader").field("is_open", &self.open.is_some()).finish_non_exhaustive()
    }
}
