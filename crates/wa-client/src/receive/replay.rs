use wa_store::{Limits, StoreError};

use super::envelope::Envelope;
use super::meaning;
use crate::connection::frame::{parsed, unpacked};
use crate::event::Event;
use crate::inbox::{self, EventSource};
use crate::mirror::{Mirror, app_state_told};
use crate::shared::Shared;

/// Makes what an earlier life of this companion received, and nobody accepted, part of the next batch.
pub(crate) async fn replay(mirror: &mut Mirror, shared: &Shared) -> Result<(), StoreError> {
    for (number, bytes) in shared.store.inbox().await? {
        let told = match EventSource::decode(&bytes) {
            Some(source) => told(mirror, shared, &source).await?.map(|event| (event, source)),
            None => None,
        };
        match told {
            Some((event, source)) => mirror.inbox.push_stored(event, number, source),
            None => {
                tracing::error!("a received message is unreadable in the store; it is dropped");
                mirror.changes.inbox.push((number, None));
            }
        }
    }
    Ok(())
}

/// What a source tells, if anything.
pub(super) async fn told(
    mirror: &mut Mirror,
    shared: &Shared,
    source: &EventSource,
) -> Result<Option<Event>, StoreError> {
    let (frame, plain) = match source {
        EventSource::SamePerson { pn, lid } => return Ok(Some(inbox::same_person(pn, lid))),
        EventSource::IdentityChanged { pn, lid } => return Ok(Some(inbox::identity_changed(pn, lid))),
        EventSource::OwnName(name) => return Ok(Some(Event::OwnName { name: name.clone() })),
        EventSource::Limits(limits) => return Ok(Some(Event::Limits(Limits::from_record(limits)?))),
        EventSource::AppState { collection, removed, initial, raw } => {
            let change = app_state_told(*collection, *removed, *initial, raw);
            return Ok(change.map(|change| Event::AppState(Box::new(change))));
        }
        EventSource::Message { frame, plain } => (frame, plain),
    };
    let Some(data) = unpacked(frame, usize::MAX) else { return Ok(None) };
    let Some(node) = parsed(&data) else { return Ok(None) };
    let now = mirror.server_millis(&*shared.clock) / 1000;
    let Ok(envelope) = Envelope::read(&node, mirror, now) else { return Ok(None) };
    mirror.arrived(&envelope.chat, &envelope.sender, &envelope.id);
    // The server hears of it when it delivers the message again.
    Ok(meaning::of(mirror, shared, &node, &envelope, plain.clone()).await?.event)
}
