//! Sending: find the devices, encrypt for each, store what must be stored, transmit, await the ack
//! (PROTOCOL.md 11.1).

mod acks;
mod ask_phone;
mod audience;
mod encrypt;
mod group;
mod lanes;
mod plain;
mod resend;
mod rights;
mod stanza;
mod status;

use std::future::ready;
use std::sync::Arc;

use wa_binary::{Jid, Node};
use wa_store::{ChatTimer, LidMigration};

use crate::cause::Cause;
use crate::command::SendReply;
use crate::content::Kind;
use crate::context::Context;
use crate::end::End;
use crate::group::{Group, has_sender_keys};
use crate::iq;
use crate::limit::{Limit, LimitKind};
use crate::look_up::{Answered, Found};
use crate::message::{DeviceCount, Outgoing, SendError};
use crate::mirror::Whereabouts;
use crate::request::{Person, RequestError};
use crate::standing;
use crate::status::StatusAudience;
use acks::{Acks, Consequence, Try, Waiting};
use audience::{Audience, NameSpace, Plan, Wanted};
use lanes::{Lanes, Queued};
pub(crate) use resend::on_primaries;

/// People whose addresses and keys are taken in at once, before others have a turn: to begin a session takes a
/// processor about half a millisecond, and a group may have a thousand members.
const PEOPLE_AT_ONCE: usize = 32;

/// Sends messages, those of one chat in the order of the calls, and says what became of them.
#[derive(Debug)]
pub(crate) struct Sender {
    lanes: Lanes,
    acks: Acks,
    /// Whether the keys of the own phone are being looked up.
    is_fetching_phone: bool,
}

/// An encrypted message that may leave once the sessions are stored.
struct Prepared {
    node: Node<'static>,
    audience: Arc<Audience>,
    devices: DeviceCount,
    message: Queued,
    attempt: Try,
}

/// What an ack leaves to do.
pub(crate) enum Left {
    /// To send the message in the other name space.
    WrongNameSpace(Refused),
    /// To tell who waits what is known of the limit that stands against the message.
    Limited(SendReply, LimitKind),
}

/// A message that was refused because of how it names people.
pub(crate) struct Refused {
    message: Queued,
    audience: Arc<Audience>,
}

impl Sender {
    pub(crate) fn new(context: &Context<'_>) -> Self {
        let acks = Acks::new(context.shared.config.ack_timeout);
        Self { lanes: Lanes::default(), acks, is_fetching_phone: false }
    }

    /// Whether nothing that has left waits for WhatsApp's word.
    pub(crate) fn is_idle(&self) -> bool {
        self.acks.is_empty()
    }

    /// Sends what can leave at once, in one batch, and starts look-ups for the rest.
    pub(crate) async fn send_all(
        &mut self,
        context: &mut Context<'_>,
        messages: Vec<Queued>,
    ) -> Result<(), End> {
        if messages.is_empty() {
            return Ok(());
        }
        context.timers.in_use();
        let mut prepared = Vec::with_capacity(messages.len());
        for (message, reply) in messages {
            let (lane, message) = match placed(context, message).await {
                Ok(placed) => placed,
                Err(error) => {
                    let _ = reply.send(Err(error));
                    continue;
                }
            };
            if let Some(queued) = self.lanes.join(&lane, (message, reply)) {
                self.place(context, lane, queued, &mut prepared).await;
            }
        }
        self.transmit(context, prepared).await
    }

    async fn place(
        &mut self,
        context: &mut Context<'_>,
        lane: Jid,
        queued: Queued,
        prepared: &mut Vec<Prepared>,
    ) {
        if lane.is_newsletter() {
            prepared.extend(plain::prepare(context, &lane, queued));
            return;
        }
        if lane.is_status() {
            // The address book or the settings may be others by now.
            context.mirror.status = None;
        }
        match audience::plan(context, &lane).await {
            Ok(Plan::Ready(audience)) => {
                prepared.extend(prepare(context, &Arc::new(audience), queued, Try::First));
            }
            Ok(Plan::LookUp(wanted)) => {
                self.lanes.open(lane.clone(), queued);
                look_up(context, lane, wanted);
            }
            Ok(Plan::Group) => {
                self.lanes.open(lane.clone(), queued);
                look_up_members(context, lane);
            }
            Err(error) => drop(queued.1.send(Err(error))),
        }
    }

    /// The server has said who is in a group: now it can be seen what is known of them.
    pub(crate) async fn on_group(
        &mut self,
        context: &mut Context<'_>,
        lane: Jid,
        found: Result<Box<Group>, RequestError>,
        learned: usize,
    ) -> Result<(), End> {
        let plan = match found {
            Ok(group) => {
                let rest = group.members.get(learned..).unwrap_or_default();
                let part = rest.get(..PEOPLE_AT_ONCE).unwrap_or(rest);
                context.learn_members(part).await?;
                if part.len() < rest.len() {
                    let (learned, found) = (learned + part.len(), Ok(group));
                    context.look_up(|_| ready(Answered::Group { lane, found, learned }));
                    return Ok(());
                }
                context.mirror.save_group(*group);
                audience::plan(context, &lane).await
            }
            // Whoever isn't in a group learns nothing of it (PROTOCOL.md 23).
            Err(RequestError::Refused { code: 403 | 404, .. }) => Err(SendError::NotInGroup),
            Err(error) => Err(error.into()),
        };
        self.go_on(context, lane, plan).await
    }

    /// It is known who may see what is posted to the status.
    pub(crate) async fn on_status_audience(
        &mut self,
        context: &mut Context<'_>,
        found: Result<StatusAudience, RequestError>,
    ) -> Result<(), End> {
        let lane = Jid::status();
        let plan = match found {
            Ok(found) => {
                context.mirror.status = Some(Arc::new(found));
                audience::plan(context, &lane).await
            }
            Err(error) => Err(error.into()),
        };
        self.go_on(context, lane, plan).await
    }

    /// Sends what waits in a lane, or looks up what is missing of the members, who are known by now.
    async fn go_on(
        &mut self,
        context: &mut Context<'_>,
        lane: Jid,
        plan: Result<Plan, SendError>,
    ) -> Result<(), End> {
        let audience = match plan {
            Ok(Plan::LookUp(wanted)) => {
                look_up(context, lane, wanted);
                return Ok(());
            }
            Ok(Plan::Ready(audience)) => Ok(Arc::new(audience)),
            // Too many groups at once for the memory.
            Ok(Plan::Group) => Err(SendError::LookUp("the group was forgotten again".into())),
            Err(error) => Err(error),
        };
        self.send_waiting(context, &lane, audience).await
    }

    /// Takes in what a look-up found and sends what waited for it.
    pub(crate) async fn on_audience(
        &mut self,
        context: &mut Context<'_>,
        lane: &Jid,
        found: Result<Found, SendError>,
    ) -> Result<(), End> {
        let audience = match found {
            // It has changed meanwhile: what is known of it is out of date.
            Ok(_) if lane.is_group() && context.mirror.group(lane).is_none() => {
                look_up_members(context, lane.clone());
                return Ok(());
            }
            Ok(mut found) => {
                let part = found.take_part(PEOPLE_AT_ONCE);
                if !found.is_empty() {
                    audience::learn_part(context, &part).await?;
                    let (lane, found) = (lane.clone(), Ok(found));
                    context.look_up(|_| ready(Answered::Audience { lane, found }));
                    return Ok(());
                }
                audience::learn(context, lane, part).await?.map(Arc::new)
            }
            Err(error) => Err(error),
        };
        self.send_waiting(context, lane, audience).await
    }

    /// Sends what waited in a lane.
    async fn send_waiting(
        &mut self,
        context: &mut Context<'_>,
        lane: &Jid,
        audience: Result<Arc<Audience>, SendError>,
    ) -> Result<(), End> {
        let waiting = self.lanes.close(lane);
        let mut prepared = Vec::with_capacity(waiting.len());
        for queued in waiting {
            match &audience {
                Ok(audience) => prepared.extend(prepare(context, audience, queued, Try::First)),
                Err(error) => drop(queued.1.send(Err(error.clone()))),
            }
        }
        self.transmit(context, prepared).await
    }

    /// Stores the sessions if their leases ran out, then lets everything leave together.
    async fn transmit(&mut self, context: &mut Context<'_>, prepared: Vec<Prepared>) -> Result<(), End> {
        let prepared = rightful(context, &self.acks, prepared).await;
        // Full of sent messages: only retry receipts after a crash would miss them, yet not for ever.
        let stored = if context.mirror.sent.is_full() {
            context.commit().await
        } else {
            context.commit_if_urgent().await
        };
        if let Err(end) = stored {
            for Prepared { message: (_, reply), .. } in prepared {
                let _ = reply.send(Err(SendError::Store("the sessions could not be stored".into())));
            }
            return Err(end);
        }
        if prepared.is_empty() {
            return Ok(());
        }
        let mut nodes = Vec::with_capacity(prepared.len());
        for Prepared { node, audience, devices, message: (message, reply), attempt } in prepared {
            self.acks.insert(Waiting::new(message, reply, (audience, devices), attempt));
            nodes.push(node);
        }
        for node in &nodes {
            context.link.feed(node).await?;
        }
        if let Some(deadline) = self.acks.next_deadline() {
            context.timers.until(deadline);
        }
        Ok(context.link.flush().await?)
    }

    /// An `<ack>` of the server.
    pub(crate) async fn on_ack(
        &mut self,
        context: &mut Context<'_>,
        ack: &Node<'_>,
    ) -> Result<Option<Left>, End> {
        if !ack.attrs.get("class").is_some_and(|class| *class == "message") {
            return Ok(None);
        }
        let Some((audience, consequences)) = self.acks.complete(ack, context.server_millis() / 1000) else {
            return Ok(None);
        };
        let mut left = None;
        let mirror = &mut *context.mirror;
        for consequence in consequences {
            match consequence {
                // Asked again before the next message.
                Consequence::OtherDevices => {
                    mirror.forget_group(&audience.chat);
                    for user in audience.users() {
                        mirror.expire_device_list(&context.shared.store, &user).await?;
                    }
                }
                Consequence::StaleLid => {
                    audience.pn.iter().for_each(|pn| mirror.lids.distrust(&pn.user));
                    mirror.expire_device_list(&context.shared.store, &audience.chat).await?;
                }
                Consequence::NameSpaceFound => mirror.set_lid_migration(match audience.name_space {
                    NameSpace::Lid => LidMigration::Done,
                    NameSpace::Pn => LidMigration::Pending,
                }),
                Consequence::WrongNameSpace(message) => {
                    let audience = Arc::clone(&audience);
                    left = Some(Left::WrongNameSpace(Refused { message, audience }));
                }
                Consequence::Limited(reply, kind) => left = Some(Left::Limited(reply, kind)),
            }
        }
        if ack.attrs.number::<u32>("error").is_none_or(|code| code == Ok(0)) {
            standing::on_taken(context, &audience.chat).await?;
        }
        Ok(left)
    }

    /// Sends a message in the other name space than the one it was refused in (PROTOCOL.md 11.3).
    pub(crate) async fn send_otherwise(
        &mut self,
        context: &mut Context<'_>,
        Refused { message, audience }: Refused,
    ) -> Result<(), End> {
        tracing::info!(from = ?audience.name_space, "a message is sent again in the other name space");
        let audience = audience.named_otherwise().map_or(audience, Arc::new);
        let prepared = prepare(context, &audience, message, Try::OtherNameSpace);
        self.transmit(context, prepared.into_iter().collect()).await
    }

    /// A receipt of a recipient proves that the server has the message, even if its ack got lost.
    pub(crate) fn on_receipt(&mut self, context: &Context<'_>, receipt: &Node<'_>) {
        self.acks.prove(receipt, context.server_millis() / 1000);
    }

    /// Gives up on messages whose acks are overdue.
    pub(crate) fn on_time(&mut self, context: &mut Context<'_>, now: tokio::time::Instant) {
        self.acks.expire(now);
        if let Some(deadline) = self.acks.next_deadline() {
            context.timers.until(deadline);
        }
    }

    /// Gives memory back while nothing is under way.
    pub(crate) fn shrink(&mut self) {
        self.acks.shrink();
    }

    /// The connection is gone.
    pub(crate) fn abandon(&mut self, cause: &Cause) {
        self.acks.abandon();
        self.lanes.abandon(cause);
    }
}

/// A message and the chat that it belongs to, with the timer of the chat.
async fn placed(
    context: &mut Context<'_>,
    message: Box<Outgoing>,
) -> Result<(Jid, Box<Outgoing>), SendError> {
    let lane = lane_of(context, &message).await?;
    if let Some((seconds, set_at)) = message.content.view().timer().filter(|_| is_setting(&message)) {
        let said = ChatTimer { seconds, set_at: set_at.unwrap_or(context.server_millis() / 1000) };
        context.mirror.learn_timer(&context.shared.store, &lane, said).await.map_err(store_failed)?;
        return Ok((lane, message));
    }
    let timer = context.mirror.chat_timer(&context.shared.store, &lane).await.map_err(store_failed)?;
    let Outgoing { id, to, content } = *message;
    Ok((lane, Box::new(Outgoing { id, to, content: content.timed(timer.seconds, timer.set_at) })))
}

/// Whether a message sets the timer of its chat.
fn is_setting(message: &Outgoing) -> bool {
    message.content.view().kind() == Kind::Timer
}

/// Whether it can be posted to a newsletter: files would have to be uploaded as they are, and what changes a post goes under
/// the id of that.
fn is_post(message: &Outgoing) -> bool {
    message.to.is_newsletter() && message.content.view().kind() == Kind::Text
}

/// The chat whose order a message belongs to; refuses what can't be sent.
async fn lane_of(context: &mut Context<'_>, message: &Outgoing) -> Result<Jid, SendError> {
    let is_known = message.to.is_user() || has_sender_keys(&message.to) || is_post(message);
    if !is_known || message.to.is_bot() {
        return Err(SendError::UnsupportedRecipient { server: message.to.server.to_string() });
    }
    let size = message.content.encode_once().len();
    if size > context.shared.config.max_stanza {
        return Err(SendError::TooLarge { size });
    }
    let lane = lane_to(context, &message.to).await?;
    match rights::limit(context, &lane, &[]).await? {
        Some(limit) => Err(SendError::Limited(limit)),
        None => Ok(lane),
    }
}

/// The chat with this user, by LID where that is known.
async fn lane_to(context: &mut Context<'_>, to: &Jid) -> Result<Jid, SendError> {
    let user = to.to_user();
    if has_sender_keys(&user) || user.is_newsletter() {
        return Ok(user);
    }
    Ok(match context.whereabouts(&user).await? {
        Whereabouts::Ask(number) => Jid::pn(number),
        Whereabouts::Known(Person { pn, lid }) => lid.or(pn).unwrap_or(user),
    })
}

/// The limit that forbids to write to this user now, if any.
pub(crate) async fn limit_on(context: &mut Context<'_>, to: &Jid) -> Result<Option<Limit>, SendError> {
    let lane = lane_to(context, to).await?;
    rights::limit(context, &lane, &[]).await
}

/// What shows a person that the account may see of them what others may not, if it has something.
pub(crate) async fn shown_right(context: &mut Context<'_>, to: &Jid) -> Option<Node<'static>> {
    rights::shown(context, to, &[]).await.ok().flatten().filter(|right| right.is("tctoken"))
}

/// Encrypts for all devices; tells the caller if that fails for all.
fn prepare(
    context: &mut Context<'_>,
    audience: &Arc<Audience>,
    (mut message, reply): Queued,
    attempt: Try,
) -> Option<Prepared> {
    if let Some(group) = context.mirror.group(&audience.chat) {
        message.content = message.content.timed(group.expiration, 0);
    }
    let encrypted = if has_sender_keys(&audience.chat) {
        group::for_audience(context, audience, &message)
    } else {
        encrypt::for_audience(context, audience, &message)
    };
    match encrypted {
        Ok((node, devices)) => {
            let audience = Arc::clone(audience);
            Some(Prepared { node, audience, devices, message: (message, reply), attempt })
        }
        Err(error) => {
            let _ = reply.send(Err(error));
            None
        }
    }
}

/// Lets messages show their right to arrive; those that have come to have none since they were sent are refused.
async fn rightful(context: &mut Context<'_>, acks: &Acks, prepared: Vec<Prepared>) -> Vec<Prepared> {
    let mut begun = Vec::new();
    if context.mirror.limits.new_chats.is_some() {
        for chat in acks.chats() {
            // Whoever can't be judged isn't counted.
            let _ = rights::begin(context, chat, &mut begun).await;
        }
    }
    let mut rightful = Vec::with_capacity(prepared.len());
    for mut prepared in prepared {
        let chat = &prepared.audience.chat;
        match rights::shown(context, chat, &begun).await {
            Ok(token) => {
                let _ = rights::begin(context, chat, &mut begun).await;
                prepared.node = prepared.node.with_children(token);
                rightful.push(prepared);
            }
            Err(error) => drop(prepared.message.1.send(Err(error))),
        }
    }
    rightful
}

/// Asks the server who is in a group, or may see the status.
fn look_up_members(context: &mut Context<'_>, lane: Jid) {
    if lane.is_status() {
        return status::look_up(context);
    }
    context.look_up(|asker| async move {
        let answer = asker.ask(iq::group::query(&lane)).await;
        let found = answer.and_then(|answer| iq::group::read(&answer)).map(Box::new);
        Answered::Group { lane, found, learned: 0 }
    });
}

/// Asks for what is missing to encrypt for a chat.
fn look_up(context: &mut Context<'_>, lane: Jid, wanted: Wanted) {
    let store = context.shared.store.clone();
    context.locate(|locator| async move {
        let found = audience::look_up(locator, store, wanted).await;
        Answered::Audience { lane, found }
    });
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn store_failed(error: wa_store::StoreError) -> SendError {
    SendError::Store(error.to_string())
}
