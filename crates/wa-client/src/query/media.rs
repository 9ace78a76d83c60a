//! What uploads and downloads, which go on beside the pump, want of the server.

use async_trait::async_trait;
use wa_binary::Node;

use crate::command::Reply;
use crate::context::Context;
use crate::end::End;
use crate::look_up::Answered;
use crate::media::{Line, ReuploadCall};
use crate::request::RequestError;
use crate::requests::Asker;
use wa_media::ReuploadAnswer;

/// Asks something whose answer changes nothing here.
pub(crate) fn ask(context: &mut Context<'_>, request: Node<'static>, reply: Reply<Node<'static>>) {
    context.look_up(|asker| async move {
        let answer = asker.ask(request).await;
        Answered::Asked { answer, reply }
    });
}

/// Asks the own phone to upload a file again.
pub(crate) async fn ask_phone(
    context: &mut Context<'_>,
    call: &ReuploadCall,
    reply: Reply<ReuploadAnswer>,
) -> Result<(), End> {
    let Some(own) = context.mirror.device.jid.as_ref().map(wa_binary::Jid::to_user) else {
        let _ = reply.send(Err(RequestError::Invalid("there is no phone to ask".into())));
        return Ok(());
    };
    if context.reuploads.wait(call.origin.id.as_str(), reply) {
        context.link.send(&call.receipt(&own)).await?;
    }
    Ok(())
}

/// For transfers that the companion itself makes.
#[async_trait]
impl Line for Asker {
    async fn ask(&self, request: Node<'static>) -> Result<Node<'static>, RequestError> {
        Self::ask(self, request).await
    }
}
