//! The phone's history (PROTOCOL.md 20): pieces that are stored as they came are read item by item and told in parts, each
//! of which is accepted before the next is read. How far a piece has been told is stored, so that it goes on there.

mod items;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use wa_media::MediaKind;
use wa_protobuf::e2e::HistorySyncNotification;
use wa_store::{PeerData, PeerDataKey, PeerDataSort};

use crate::context::Context;
use crate::end::End;
use crate::event::{Event, HistoryPart};
use crate::lid_map;
use crate::look_up::Answered;
use crate::media::RemoteFile;
use crate::pieces::{self, HistoryReader, Opened, Piece};
use items::Reading;

/// Items of one part.
const PART_ITEMS: usize = 256;
/// Bytes of the messages of one part, after which it ends.
const PART_BYTES: usize = 512 << 10;
/// Bytes of the largest blob that is fetched, compressed. Phones divide what is larger.
const MAX_BLOB: usize = 48 << 20;
/// After how long a piece that could not be fetched is fetched again.
const PAUSE: Duration = Duration::from_secs(300);
/// Pieces that are looked at, at once, for one that can be read.
const LOOKED_AT: usize = 16;

/// Reads on: what comes next is put into the batch that is being made. Called while nothing else is to be told.
pub(crate) async fn read_on(context: &mut Context<'_>) -> Result<(), End> {
    let mut reader = std::mem::take(&mut context.mirror.history);
    let outcome = step(&mut reader, context).await;
    context.mirror.history = reader;
    outcome
}

async fn step(reader: &mut HistoryReader, context: &mut Context<'_>) -> Result<(), End> {
    if reader.open.is_none() {
        open_next(reader, context).await?;
    }
    let Some(piece) = &mut reader.open else { return Ok(()) };
    if piece.is_unknown() {
        return Reading::new(context).survey(piece.survey()).await;
    }
    if piece.skip() {
        return Ok(());
    }
    let part = read_part(piece, context).await?;
    let told = piece.mark(part.ends);
    let key = piece.key.clone();
    if part.ends {
        reader.open = None;
    }
    if part.is_empty() {
        context.mirror.changes.history_progress.push((key, told));
        context.timers.in_use();
    } else {
        context.mirror.inbox.push_history(Event::History(Box::new(part)), (key, told));
    }
    Ok(())
}

/// Opens the oldest piece that can be read; of those of one second the first, as the phone has numbered them.
async fn open_next(reader: &mut HistoryReader, context: &mut Context<'_>) -> Result<(), End> {
    let store = &context.shared.store;
    let mut pieces = store.peer_data(None, LOOKED_AT + reader.passed.len()).await?;
    pieces.retain(|data| !reader.passed.contains(&data.key()));
    reader.is_through = pieces.is_empty();
    pieces.sort_by_cached_key(|data| (data.timestamp, pieces::place(data)));
    let Some(data) = pieces.into_iter().next() else { return Ok(()) };
    let key = data.key();
    reader.passed.insert(key.clone());
    if data.sort != PeerDataSort::History {
        return read_again(context, &data).await;
    }
    let told = store.history_progress(&key).await?;
    match Piece::open(&data, told) {
        Opened::Piece(piece) => reader.open = Some(piece),
        Opened::Nothing => {
            context.mirror.changes.history_progress.push((key, None));
            context.timers.in_use();
        }
        Opened::Unreadable => {
            tracing::warn!("a notification of history can't be read, and is kept as it came")
        }
        Opened::Elsewhere(notification) => fetch(reader, context, key, notification),
    }
    Ok(())
}

/// What could not be read when it came may be readable for this version.
async fn read_again(context: &mut Context<'_>, data: &PeerData) -> Result<(), End> {
    let Some(pairs) = lid_map::pairs(data.sort, &data.raw) else { return Ok(()) };
    for (pn, lid) in pairs {
        context.learn_lid(&pn, &lid).await?;
    }
    context.mirror.changes.history_progress.push((data.key(), None));
    context.timers.in_use();
    Ok(())
}

/// Fetches a piece from the media hosts. Its blob is kept in memory until all of it is told.
fn fetch(
    reader: &mut HistoryReader,
    context: &mut Context<'_>,
    key: PeerDataKey,
    notification: Box<HistorySyncNotification>,
) {
    let file = RemoteFile::named(
        MediaKind::History,
        notification.direct_path.as_deref(),
        notification.media_key.as_deref(),
        notification.file_sha256.as_deref(),
        notification.file_enc_sha256.as_deref(),
    );
    reader.fetching = Some((key, notification));
    let transfers = Arc::clone(&context.shared.transfers);
    context.look_up(|asker| async move {
        let blob = match file {
            Ok(file) => transfers.fetch(&asker, &file, MAX_BLOB).await.map_err(|error| {
                let is_temporary = error.is_temporary();
                (error.to_string(), is_temporary)
            }),
            Err(error) => Err((error.to_string(), false)),
        };
        Answered::History(blob)
    });
}

/// A piece is here, or can't be had: one that may be had later is passed over until then, others are given up.
pub(crate) async fn on_fetched(
    context: &mut Context<'_>,
    blob: Result<Bytes, (String, bool)>,
) -> Result<(), End> {
    let Some((key, notification)) = context.mirror.history.fetching.take() else { return Ok(()) };
    match blob {
        Ok(blob) => {
            let told = context.shared.store.history_progress(&key).await?;
            context.mirror.history.open = Some(Box::new(Piece::new(key, *notification, blob, told)));
        }
        Err((error, true)) => {
            tracing::info!(error, "a piece of the history can't be had now");
            let retry_at = Instant::now() + PAUSE;
            context.mirror.history.retry_at = Some(retry_at);
            context.timers.until(retry_at);
        }
        Err((error, false)) => {
            tracing::warn!(error, "a piece of the history can't be had and is given up");
            context.mirror.changes.history_progress.push((key, None));
            context.timers.in_use();
        }
    }
    Ok(())
}

/// Tries again what could not be fetched, once it is time.
pub(crate) fn on_time(context: &mut Context<'_>) {
    match context.mirror.history.retry_at {
        Some(retry_at) if Instant::now() < retry_at => context.timers.until(retry_at),
        Some(_) => {
            context.mirror.history.retry_at = None;
            context.mirror.history.look_again();
        }
        None => {}
    }
}

/// Reads the next part, and takes in what concerns the companion itself.
async fn read_part(piece: &mut Piece, context: &mut Context<'_>) -> Result<HistoryPart, End> {
    let mut part = HistoryPart {
        chunk: piece.notification.chunk_order,
        request: piece.notification.peer_data_request_session_id.clone(),
        ..HistoryPart::new(piece.kind)
    };
    let mut reading = Reading::new(context);
    for _ in 0..PART_ITEMS {
        let Some(item) = piece.next() else {
            part.ends = true;
            part.unreadable += u32::from(piece.has_new_damage());
            break;
        };
        let place = (&piece.key, piece.position);
        reading.take(item, place, &mut part, &mut piece.progress).await?;
        if reading.bytes >= PART_BYTES {
            break;
        }
    }
    part.progress = piece.progress;
    Ok(part)
}
