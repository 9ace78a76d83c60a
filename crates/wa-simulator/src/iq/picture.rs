use bytes::Bytes;
use wa_binary::{Jid, Node};

use super::{Answer, Answered, Context, IqError, Request};
use crate::{
    account::{Picture, Restriction},
    media::Key,
    stanza,
};

/// Largest profile picture, in bytes.
const MAX_PICTURE: usize = 512 << 10;

/// Name space `w:profile:picture`: pictures of people, `target` or the own one (PROTOCOL.md 15).
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let target = request.node.attrs.jid("target").cloned().unwrap_or_else(|| context.account.lid());
    match (request.is_get, request.node.children().first()) {
        (true, picture) => get(context, &target, picture),
        (false, _) if !context.account.owns(&target) => Err(IqError::Forbidden),
        (false, None) => {
            context.account.directory().picture = None;
            announce(context, Node::new("delete"));
            Ok(Answer::empty())
        }
        (false, Some(picture)) => set(context, picture),
    }
}

fn get(context: &Context<'_>, target: &Jid, asked: Option<&Node<'_>>) -> Answered {
    let account = context.world.resolve(target).ok_or(IqError::NotFound)?;
    let is_closed = account != *context.account && account.directory().restriction != Restriction::None;
    let is_trusted =
        asked.is_some_and(|asked| context.world.tokens_in(asked, context.account, &account).is_trusted);
    // A hidden picture looks like a missing one.
    let picture = account.directory().picture.clone().filter(|_| !is_closed || is_trusted);
    let picture = picture.ok_or(IqError::NotFound)?;
    let kind = asked.map(|asked| stanza::text(&asked.attrs, "type")).unwrap_or_default();
    let path = context.world.media.direct_path(&picture.file, context.world.clock.unix_seconds());
    let host = context.world.media_host.get().map_or("mmg.whatsapp.net", String::as_str);
    let scheme = if context.world.options.tls { "https" } else { "http" };
    let answer = Node::new("picture")
        .attr("id", picture.id)
        .attr("type", if kind == "preview" { "preview" } else { "image" })
        .attr("url", format!("{scheme}://{host}{path}"))
        .attr("direct_path", path);
    Ok(answer.into())
}

fn set(context: &Context<'_>, picture: &Node<'_>) -> Answered {
    let bytes = picture.require_bytes()?;
    let is_jpeg = bytes.starts_with(&[0xff, 0xd8]) && bytes.len() <= MAX_PICTURE;
    if !picture.is("picture") || !is_jpeg {
        return Err(IqError::BadRequest("a picture is a JPEG of at most 512 KiB"));
    }
    let blob = Bytes::copy_from_slice(&bytes);
    let file = Key::of_picture(&blob);
    context.world.media.store(&file, blob).map_err(|_| IqError::BadRequest("the media host is full"))?;
    let id = context.world.next_id();
    context.account.directory().picture = Some(Picture { id: id.clone(), file });
    announce(context, Node::new("set").attr("id", id.clone()));
    Ok(Node::new("picture").attr("id", id).into())
}

/// Tells the account's companions, the one that asked for it too.
fn announce(context: &Context<'_>, change: Node<'static>) {
    let account = context.account;
    let author = account.lid().with_device(context.device);
    let change = change.attr("jid", account.lid()).attr("author", author);
    let notice = Node::new("notification").attr("from", account.lid()).child(change);
    context.world.notify(account, None, "picture", &notice);
}
