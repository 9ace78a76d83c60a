//! What is made of the secret of an earlier message: votes and answers to events (PROTOCOL.md 21).

use std::sync::Arc;

use wa_binary::Jid;
use wa_store::{MessageSecret, StoreError};

use crate::command::{Added, AdditionRequest};
use crate::content::{Around, Draft, Target};
use crate::context::Context;
use crate::request::RequestError;

/// Makes a draft that only those can read who have the message that it is about.
pub(crate) async fn compose(
    context: &mut Context<'_>,
    request: &AdditionRequest,
) -> Result<Draft, RequestError> {
    let known = known(context, request).await?;
    let by = own_name(context, &known.author)?.to_string();
    let (chat, author) = (known.chat.to_string(), known.author.to_string());
    let is_ours = context.mirror.is_own_user(&known.author);
    let target = Target::of(&chat, &known.id, is_ours);
    let target = if known.chat.is_group() { target.by(&author) } else { target };
    let around =
        Around { target, secret: &known.secret, author: &author, by: &by, at: context.server_millis() };
    match &request.what {
        Added::Vote(choices) => {
            check_choices(&known, choices)?;
            Ok(Draft::vote(&around, choices))
        }
        Added::Answer(going, guests) => Ok(Draft::answer(&around, *going, *guests)),
    }
}

async fn known(
    context: &mut Context<'_>,
    request: &AdditionRequest,
) -> Result<Arc<MessageSecret>, RequestError> {
    let found = async {
        let chats = context.mirror.names(&context.shared.store, &request.chat).await?;
        context.mirror.secret(context.shared, &chats, request.id.as_str()).await
    };
    let known = found.await.map_err(|error: StoreError| RequestError::Store(error.to_string()))?;
    known.ok_or_else(|| {
        RequestError::Invalid("the message is not known, or nothing can be added to it".into())
    })
}

/// The own account as the author of the message is named.
fn own_name(context: &Context<'_>, author: &Jid) -> Result<Jid, RequestError> {
    let device = &context.mirror.device;
    let own = if author.is_pn() { device.jid.as_ref() } else { device.lid.as_ref().or(device.jid.as_ref()) };
    own.map(Jid::to_user).ok_or_else(|| RequestError::Invalid("no account is linked".into()))
}

fn check_choices(poll: &MessageSecret, choices: &[String]) -> Result<(), RequestError> {
    let refuse = |why: &str| Err(RequestError::Invalid(why.to_owned()));
    if poll.options.is_empty() {
        return refuse("the message is no poll");
    }
    if !choices.iter().all(|choice| poll.options.contains(choice)) {
        return refuse("the poll doesn't offer this option");
    }
    if poll.most > 0 && u32::try_from(choices.len()).map_or(true, |count| count > poll.most) {
        return refuse("the poll doesn't let so many options be chosen");
    }
    Ok(())
}
