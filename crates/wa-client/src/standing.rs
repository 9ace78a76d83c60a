//! How the account stands with WhatsApp: the name it shows, the tokens it gives, the limits on whom it may write to
//! (PROTOCOL.md 22, 26).

use std::time::Duration;

use wa_binary::{Jid, Node};

use crate::command::SendReply;
use crate::context::Context;
use crate::end::End;
use crate::iq;
use crate::limit::{Limit, LimitKind, count_new_chat, end_of};
use crate::look_up::Answered;
use crate::message::SendError;
use crate::request::RequestError;
use crate::tokens;

/// How long a refused message waits for the server's word on when its limit ends: less than people wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How old the server's word on limits may be before it is asked again after a login, in milliseconds.
const FRESH: i64 = 24 * 60 * 60 * 1000;

/// Asks for limits, and tells those whose messages were refused when they end.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    is_asking: bool,
    refused: Vec<(SendReply, LimitKind)>,
}

impl Standing {
    /// After a login: asks unless that was done lately and found nothing.
    pub(crate) fn after_login(&mut self, context: &mut Context<'_>) {
        let limits = &context.mirror.limits;
        let age = context.shared.clock.unix_millis().saturating_sub(limits.asked_at);
        let is_limited = limits.time_lock.is_some() || limits.new_chats.is_some();
        if is_limited || !(0..FRESH).contains(&age) {
            self.ask(context);
        }
    }

    /// WhatsApp has refused a message because of a limit; whoever sent it hears what is known of its end.
    pub(crate) fn on_refusal(&mut self, context: &mut Context<'_>, reply: SendReply, kind: LimitKind) {
        self.refused.push((reply, kind));
        self.ask(context);
    }

    fn ask(&mut self, context: &mut Context<'_>) {
        if std::mem::replace(&mut self.is_asking, true) {
            return;
        }
        let now = context.server_millis();
        let asker = context.requests.asker(PATIENCE);
        context.look_ups.start(async move {
            let lock = asker.ask(iq::trust::time_lock()).await;
            let cap = asker.ask(iq::trust::new_chats()).await;
            let read = |answer: Result<Node<'static>, RequestError>| {
                answer.and_then(|answer| iq::trust::parse_answer(&answer, now))
            };
            Answered::Limits(Box::new([read(lock), read(cap)]))
        });
    }

    /// The server's word is here, or isn't.
    pub(crate) async fn on_answers(
        &mut self,
        context: &mut Context<'_>,
        answers: [Result<iq::trust::Told, RequestError>; 2],
    ) -> Result<(), End> {
        self.is_asking = false;
        let mut limits = context.mirror.limits.clone();
        for answer in answers {
            match answer {
                Ok(told) => {
                    limits.time_lock = told.time_lock.unwrap_or(limits.time_lock);
                    limits.new_chats = told.new_chats.unwrap_or(limits.new_chats);
                    limits.asked_at = context.shared.clock.unix_millis();
                }
                Err(error) => tracing::debug!(%error, "the server did not tell a limit"),
            }
        }
        context.mirror.set_limits(limits);
        self.tell_refused(context);
        context.commit_if_urgent().await
    }

    /// The connection is gone: nobody waits any longer.
    pub(crate) fn abandon(&mut self, context: &mut Context<'_>) {
        self.is_asking = false;
        context.mirror.tokens.forget_giving();
        self.tell_refused(context);
    }

    fn tell_refused(&mut self, context: &Context<'_>) {
        for (reply, kind) in self.refused.drain(..) {
            let until = end_of(&context.mirror.limits, kind);
            let _ = reply.send(Err(SendError::RefusedByLimit(Limit { kind, until })));
        }
    }
}

/// `<notification type="mex">`: the server tells of a limit by itself. Returns whether it does.
pub(crate) fn on_update(context: &mut Context<'_>, notification: &Node<'_>) -> bool {
    let now = context.server_millis();
    let told = notification.children_named("update").find_map(|update| iq::trust::parse_update(update, now));
    let Some(told) = told else { return false };
    let mut limits = context.mirror.limits.clone();
    limits.time_lock = told.time_lock.unwrap_or(limits.time_lock);
    limits.new_chats = told.new_chats.unwrap_or(limits.new_chats);
    context.mirror.set_limits(limits);
    true
}

/// After a message was taken: its recipient is a stranger no more, and is given a token, once a week.
pub(crate) async fn on_taken(context: &mut Context<'_>, chat: &Jid) -> Result<(), End> {
    if !chat.is_lid() || context.mirror.is_own_user(chat) {
        return Ok(());
    }
    let now = context.server_millis() / 1000;
    if context.mirror.tokens.meet(&context.shared.store, &chat.user, now).await? {
        let mut limits = context.mirror.limits.clone();
        count_new_chat(&mut limits, context.server_millis());
        context.mirror.set_limits(limits);
    }
    let known = context.mirror.tokens.of(&context.shared.store, &chat.user).await?;
    if tokens::is_due(&known, now) {
        give_token(context, chat, now);
    }
    Ok(())
}

/// A message in this chat has come: nobody in it is a stranger. `at`: Unix seconds.
pub(crate) async fn on_written(context: &mut Context<'_>, chat: &Jid, at: i64) -> Result<(), End> {
    let store = &context.shared.store;
    if chat.is_user()
        && !chat.is_bot()
        && !context.mirror.is_own_user(chat)
        && let Some(lid) = context.mirror.lids.lid_of(store, chat).await?
    {
        context.mirror.tokens.meet(store, &lid.user, at).await?;
    }
    Ok(())
}

/// A person has a new phone, which has lost what we gave them: gives it again, as of the same time.
pub(crate) async fn renew_token(context: &mut Context<'_>, user: &Jid) -> Result<(), End> {
    if !user.is_lid() {
        return Ok(());
    }
    let now = context.server_millis() / 1000;
    let known = context.mirror.tokens.of(&context.shared.store, &user.user).await?;
    if let Some(given) = tokens::given(&known, now) {
        give_token(context, user, given);
    }
    Ok(())
}

fn give_token(context: &mut Context<'_>, user: &Jid, at: i64) {
    if !context.mirror.tokens.begin_giving(&user.user) {
        return;
    }
    let user = user.to_user();
    context.look_up(|asker| async move {
        let outcome = asker.ask(iq::trust::give_token(&user, at)).await.map(drop);
        Answered::TokenGiven { user, at, outcome }
    });
}

/// A token was given, or could not be. The next message tries again.
pub(crate) async fn on_given(
    context: &mut Context<'_>,
    user: &Jid,
    at: i64,
    outcome: Result<(), RequestError>,
) -> Result<(), End> {
    context.mirror.tokens.end_giving(&user.user);
    match outcome {
        Ok(()) => {
            context.mirror.tokens.gave(&context.shared.store, &user.user, at).await?;
            context.timers.in_use();
        }
        Err(error) => tracing::debug!(%error, "a token could not be given"),
    }
    Ok(())
}

/// Announces the account's name, if it has one (PROTOCOL.md 26).
pub(crate) fn name_announcement(context: &Context<'_>) -> Option<Node<'static>> {
    let name = context.mirror.device.shown_name();
    (!name.is_empty()).then(|| Node::new("presence").attr("name", name.to_owned()))
}
