//! Sending: each kind of message is a call of its own, and all answer alike.

use actix_web::{HttpRequest, HttpResponse};
use services::{Progress, SendMessage, Sent};
use tokio::time::Instant;

use crate::dto::path::InstancePath;
use crate::dto::sending::{
    AnswerRequest, ContactsRequest, EditRequest, EventRequest, KeepRequest, LocationRequest, PinRequest,
    PollRequest, PostRequest, ReactRequest, RevokeRequest, RevokeStatusRequest, SendRequest, SendResponse,
    Sendable, StatusRequest, TimerRequest, VoteRequest,
};
use crate::dto::terms::{IdempotencyHeader, Wait};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{InstanceCall, JsonBody};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Declares calls that send what their body says.
macro_rules! sending {
    ($($(#[$doc:meta])* $name:ident: $body:ident at $path:literal;)+) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                post,
                path = $path,
                tag = "whatsapp",
                params(
                    InstancePath,
                    IdempotencyHeader
                ),
                request_body = $body,
                responses(
                    (status = 200, description = "WhatsApp has it.", body = SendResponse),
                    (status = 202, description = "WhatsApp did not say so within 10 s, and it goes on; or it is held; or \
                        it has not come as far as `wait` says in time.", body = SendResponse),
                    Refused
                )
            )]
            pub(super) async fn $name(
                call: InstanceCall,
                request: HttpRequest,
                JsonBody(body): JsonBody<$body>,
            ) -> Result<HttpResponse, ApiError> {
                deliver(call, &request, body).await
            }
        )+
    };
}

sending! {
    /// Sends a text.
    send: SendRequest at "/api/whatsapp/{id}/send";
    /// Sends a place on the map.
    location: LocationRequest at "/api/whatsapp/{id}/send-location";
    /// Sends contact cards.
    contacts: ContactsRequest at "/api/whatsapp/{id}/send-contacts";
    /// Sends a question with options to choose from.
    poll: PollRequest at "/api/whatsapp/{id}/send-poll";
    /// Sends an invitation to a meeting.
    event: EventRequest at "/api/whatsapp/{id}/send-event";
    /// Puts an emoji to a message, or takes it away.
    react: ReactRequest at "/api/whatsapp/{id}/react";
    /// Gives a text of this account another one, within 20 minutes.
    edit: EditRequest at "/api/whatsapp/{id}/edit";
    /// Takes a message back: of this account, or in a group that it administers of another.
    revoke: RevokeRequest at "/api/whatsapp/{id}/revoke";
    /// Posts a text to the status, for those whom the account's settings let see it.
    post_status: StatusRequest at "/api/whatsapp/{id}/send-status";
    /// Posts a text to a channel that the account runs.
    post: PostRequest at "/api/whatsapp/{id}/send-post";
    /// Takes a post of this account back.
    revoke_status: RevokeStatusRequest at "/api/whatsapp/{id}/revoke-status";
    /// Chooses options of a poll.
    vote: VoteRequest at "/api/whatsapp/{id}/vote";
    /// Answers an invitation to a meeting.
    answer: AnswerRequest at "/api/whatsapp/{id}/answer";
    /// Pins a message for everybody in the chat, or unpins it.
    pin: PinRequest at "/api/whatsapp/{id}/pin";
    /// Keeps a disappearing message for everybody in the chat, or lets go of it.
    keep: KeepRequest at "/api/whatsapp/{id}/keep";
    /// Has what is written in a chat with a person disappear after a time, or no longer.
    timer: TimerRequest at "/api/whatsapp/{id}/timer";
}

async fn deliver(
    call: InstanceCall,
    request: &HttpRequest,
    body: impl Sendable,
) -> Result<HttpResponse, ApiError> {
    let (terms, wait) = body.terms().checked(idempotency_key(request))?;
    let phone = body.phone().to_owned();
    let given = jid_of(&phone);
    let message = SendMessage { phone, content: body.content()?, terms };
    let send = |call: InstanceCall| async move {
        call.services().messages.send_message(&call.caller, call.subject, message).await
    };
    let sent = call.clone().complete(send).await?;
    answered(&call, sent, given.as_deref(), wait).await
}

/// The chat that a caller names, as answers name it.
pub(super) fn jid_of(phone: &str) -> Option<String> {
    services::parse_recipient(phone).map(|jid| jid.to_string()).ok()
}

/// A key that isn't text can't be a good one; the service says so.
pub(super) fn idempotency_key(request: &HttpRequest) -> Option<String> {
    request.headers().get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned())
}

/// What became of a message, once it has come as far as the call waits for.
pub(super) async fn answered(
    call: &InstanceCall,
    sent: Sent,
    given: Option<&str>,
    wait: Option<Wait>,
) -> Result<HttpResponse, ApiError> {
    let Some(Wait { wanted, deadline }) = wait else {
        let is_there = sent.progress == Progress::Sent;
        return Ok(respond(is_there, SendResponse::of(sent, given)));
    };
    let wait =
        |deadline| call.services().messages.wait(&call.caller, call.subject, sent.clone(), wanted, deadline);
    let reached = tokio::select! {
        reached = wait(deadline) => reached?,
        // A gateway that stops doesn't wait for what may happen.
        () = call.stopping() => wait(Instant::now()).await?,
    };
    Ok(respond(reached.in_time, SendResponse::waited(reached, given)))
}

fn respond(is_done: bool, response: SendResponse) -> HttpResponse {
    let mut answer = if is_done { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    answer.json(response)
}
