//! Posts to the status (PROTOCOL.md 25): messages to a group whose members are chosen with each post.

use std::collections::{BTreeMap, BTreeSet};

use wa_binary::{Jid, Node};

use super::audience::{self, Audience, NameSpace};
use super::{group, store_failed};
use crate::content::{EditCode, View};
use crate::context::Context;
use crate::iq;
use crate::look_up::Answered;
use crate::message::SendError;
use crate::request::RequestError;
use crate::status::{StatusAudience, StatusPrivacy};

/// What the server answers where the account's owner has set nothing.
const NOT_SET: u32 = 404;

/// Asks the server who may see a post, and the embedder who stands in the address book.
pub(super) fn look_up(context: &mut Context<'_>) {
    let address_book = context.shared.address_book.clone();
    context.look_up(|asker| async move {
        let privacy = match asker.ask(iq::people::status_privacy()).await {
            Ok(answer) => iq::people::read_status_privacy(&answer),
            Err(RequestError::Refused { code: NOT_SET, .. }) => Ok(StatusPrivacy::default()),
            Err(error) => Err(error),
        };
        let contacts = match &address_book {
            Some(address_book) => address_book.contacts().await,
            None => Vec::new(),
        };
        Answered::StatusAudience(privacy.map(|privacy| StatusAudience { privacy, contacts }))
    });
}

/// The devices of all who may see a post and of the own account; users who aren't known well enough are added to `unknown`.
/// All are named by LID: whose LID isn't known is left out, and whoever may not see it is known before anybody gets it.
pub(super) async fn known(
    context: &mut Context<'_>,
    status: &StatusAudience,
    unknown: &mut Vec<Jid>,
) -> Result<Audience, SendError> {
    let own = audience::own_device(context)?;
    if !own.is_lid() {
        return Err(SendError::NoLid);
    }
    let (allowed, denied) = status.allowed();
    let denied = by_lid(context, denied, unknown).await?;
    let mut users = by_lid(context, allowed, unknown).await?;
    users.retain(|user| !denied.contains(user));
    users.insert(own.to_user());
    let users = users.into_iter().collect();
    group::audience_of(context, &Jid::status(), (users, BTreeMap::new()), NameSpace::Lid, unknown).await
}

/// These people by LID; those whose LID isn't known are added to `unknown`.
async fn by_lid(
    context: &mut Context<'_>,
    people: &[Jid],
    unknown: &mut Vec<Jid>,
) -> Result<BTreeSet<Jid>, SendError> {
    let mut found = BTreeSet::new();
    for person in people.iter().map(Jid::to_user).filter(|person| person.is_user() && !person.is_bot()) {
        match context.mirror.lids.lid_of(&context.shared.store, &person).await.map_err(store_failed)? {
            Some(lid) => drop(found.insert(lid)),
            None => unknown.push(person),
        }
    }
    Ok(found)
}

/// `<to jid/>` for every person whose devices have the key already: the server learns from it alone who is to get the post.
pub(super) fn named(audience: &Audience, keys: &[Node<'_>]) -> Vec<Node<'static>> {
    let with_key = keys.iter().filter_map(|to| to.attrs.jid("jid")).map(Jid::to_user);
    let with_key: BTreeSet<_> = with_key.collect();
    let users = audience.users().into_iter().filter(|user| !with_key.contains(user));
    users.map(|user| Node::new("to").attr("jid", user)).collect()
}

/// What a post says of who sees it; reactions and revocations, of which the server wants nothing to know, say nothing.
pub(super) fn setting(context: &Context<'_>, content: &View<'_>) -> Option<Node<'static>> {
    let attributes = content.attributes();
    let is_post = attributes.kind != "reaction" && attributes.edit != Some(EditCode::Revoke);
    let privacy = &context.mirror.status.as_ref()?.privacy;
    is_post.then(|| Node::new("meta").attr("status_setting", privacy.setting()))
}
