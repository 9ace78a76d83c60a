//! What is encrypted with the secret of an earlier message: votes, answers to events, and in some groups reactions and
//! edits (PROTOCOL.md 21).

use wa_binary::Jid;
use wa_crypto::mac::sha256;
use wa_store::StoreError;

use crate::content::{Content, Opened, Plain, Unopened, Vote};
use crate::event::MessageInfo;
use crate::mirror::Mirror;
use crate::shared::Shared;

/// Opens what a message holds. Content that says the same in the clear takes the place of what came; a vote or an answer
/// is beside it.
pub(super) async fn opened(
    mirror: &mut Mirror,
    shared: &Shared,
    info: &MessageInfo,
    content: Content,
) -> Result<(Content, Option<Opened>), StoreError> {
    let Some((plain, options)) = plain(mirror, shared, info, &content).await? else {
        return Ok((content, None));
    };
    Ok(match plain {
        Plain::Choices { hashes, at } => {
            let is_chosen = |option: &String| hashes.contains(&sha256(&[option.as_bytes()]));
            let choices: Vec<_> = options.into_iter().filter(is_chosen).collect();
            if choices.len() < hashes.len() {
                tracing::warn!("a vote is also for what its poll doesn't offer");
            }
            (content, Some(Opened::Vote(Vote { choices, at })))
        }
        Plain::Answer(answer) => (content, Some(Opened::Answer(answer))),
        Plain::Content(clear) => (clear, None),
    })
}

/// What a message holds, decrypted, and what the poll offers that it is about. `None` where nothing is encrypted in this
/// way, or the secret isn't known.
async fn plain(
    mirror: &mut Mirror,
    shared: &Shared,
    info: &MessageInfo,
    content: &Content,
) -> Result<Option<(Plain, Vec<String>)>, StoreError> {
    let view = content.view();
    let Some(unopened) = Unopened::of(&view) else { return Ok(None) };
    let chats = mirror.names(&shared.store, &info.chat).await?;
    let Some(known) = mirror.secret(shared, &chats, unopened.target.id).await? else {
        tracing::info!(addition = %view.kind(), "the secret of a message is not known");
        return Ok(None);
    };
    let authors = mirror.names(&shared.store, &known.author).await?;
    let by = mirror.names(&shared.store, &info.sender.to_user()).await?;
    let text = |names: Vec<Jid>| names.iter().map(Jid::to_string).collect::<Vec<_>>();
    let plain = unopened.open(&known.secret, &text(authors), &text(by));
    if plain.is_none() {
        tracing::warn!(addition = %view.kind(), "an addition to a message can't be opened with its secret");
    }
    Ok(plain.map(|plain| (plain, known.options.clone())))
}
