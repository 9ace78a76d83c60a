use std::sync::Arc;

use bytes::Bytes;
use wa_binary::{Jid, Node};

use super::{Answer, Answered, Context, IqError, Request};
use crate::{
    account::{Picture, Restriction},
    group::{Group, GroupError, Rank},
    media::Key,
    stanza,
};

/// Largest profile picture, in bytes.
const MAX_PICTURE: usize = 512 << 10;

/// Name space `w:profile:picture`: pictures of people, `target` or the own one (PROTOCOL.md 15).
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let target = request.node.attrs.jid("target").cloned().unwrap_or_else(|| context.account.lid());
    if let Some(group) = context.world.group(&target) {
        return of_group(context, &group, request);
    }
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
    shown(context, picture, asked)
}

/// Those who are in a group see its picture, and may change it unless it is locked (PROTOCOL.md 15, 23).
fn of_group(context: &Context<'_>, group: &Arc<Group>, request: &Request<'_>) -> Answered {
    let rank = group.record().rank(context.account).ok_or(GroupError::Forbidden)?;
    let wanted = request.node.children().first();
    if request.is_get {
        let picture = group.record().picture.clone();
        return shown(context, picture, wanted);
    }
    if rank == Rank::Member && group.record().settings().is_locked {
        return Err(GroupError::Forbidden.into());
    }
    let picture = wanted.map(|picture| kept(context, picture)).transpose()?;
    let change = match &picture {
        Some(picture) => Node::new("set").attr("id", picture.id.clone()),
        None => Node::new("delete"),
    };
    let id = picture.as_ref().map(|picture| picture.id.clone());
    group.record().picture = picture;
    let author = group.address(context.account, 0);
    let change = change.attr("jid", group.jid()).attr("author", author);
    let notice = Node::new("notification").attr("from", group.jid()).child(change);
    for member in group.members() {
        context.world.notify(&member.account, None, "picture", &notice);
    }
    Ok(id.map_or_else(Answer::empty, |id| Node::new("picture").attr("id", id).into()))
}

fn shown(context: &Context<'_>, picture: Option<Picture>, asked: Option<&Node<'_>>) -> Answered {
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
    let picture = kept(context, picture)?;
    let id = picture.id.clone();
    context.account.directory().picture = Some(picture);
    announce(context, Node::new("set").attr("id", id.clone()));
    Ok(Node::new("picture").attr("id", id).into())
}

/// Stores a picture that was sent.
fn kept(context: &Context<'_>, picture: &Node<'_>) -> Result<Picture, IqError> {
    let bytes = picture.require_bytes()?;
    let is_jpeg = bytes.starts_with(&[0xff, 0xd8]) && bytes.len() <= MAX_PICTURE;
    if !picture.is("picture") || !is_jpeg {
        return Err(IqError::BadRequest("a picture is a JPEG of at most 512 KiB"));
    }
    let blob = Bytes::copy_from_slice(&bytes);
    let file = Key::of_picture(&blob);
    context.world.media.store(&file, blob).map_err(|_| IqError::BadRequest("the media host is full"))?;
    Ok(Picture { id: context.world.next_id(), file })
}

/// Tells the account's companions, the one that asked for it too.
fn announce(context: &Context<'_>, change: Node<'static>) {
    let account = context.account;
    let author = account.lid().with_device(context.device);
    let change = change.attr("jid", account.lid()).attr("author", author);
    let notice = Node::new("notification").attr("from", account.lid()).child(change);
    context.world.notify(account, None, "picture", &notice);
}
