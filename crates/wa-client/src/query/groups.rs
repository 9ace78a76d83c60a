//! What an embedder asks about groups.

use rand::RngExt;
use wa_binary::Jid;

use crate::command::{GroupAnswer, GroupRequest, Reply};
use crate::context::Context;
use crate::end::End;
use crate::group::GroupChange;
use crate::iq;
use crate::look_up::Answered;
use crate::message::MessageId;
use crate::request::RequestError;
use crate::requests::Asker;

/// Asks the server; what it says of members is taken in before it is passed on.
pub(crate) fn ask(context: &mut Context<'_>, request: GroupRequest, reply: Reply<GroupAnswer>) {
    // Of a new description, if that is what is asked for.
    let id = MessageId::from_random(context.random.random());
    context.look_up(|asker| async move {
        let changed = match &request {
            GroupRequest::Change(group, _) => Some(group.clone()),
            _ => None,
        };
        let answer = answer(&asker, request, id.as_str()).await;
        Answered::Groups { changed, answer, reply }
    });
}

/// The server has answered.
pub(crate) async fn on_answer(
    context: &mut Context<'_>,
    changed: Option<Jid>,
    answer: Result<GroupAnswer, RequestError>,
    reply: Reply<GroupAnswer>,
) -> Result<(), End> {
    context.timers.in_use();
    if let Some(group) = changed {
        // The device that changes a group is not told of it.
        context.mirror.forget_group(&group);
    }
    match &answer {
        Ok(GroupAnswer::Group(group)) => {
            context.learn_members(&group.members).await?;
            if !group.members.is_empty() {
                context.mirror.save_group((**group).clone());
            }
        }
        Ok(GroupAnswer::Groups(groups)) => {
            for group in groups {
                context.learn_members(&group.members).await?;
            }
        }
        _ => {}
    }
    let _ = reply.send(answer);
    context.commit_if_urgent().await
}

async fn answer(asker: &Asker, request: GroupRequest, id: &str) -> Result<GroupAnswer, RequestError> {
    let group = |answer: &_| iq::group::read(answer).map(|group| GroupAnswer::Group(Box::new(group)));
    match request {
        GroupRequest::Show(jid) => group(&asker.ask(iq::group::query(&jid)).await?),
        GroupRequest::Look(code) => group(&asker.ask(iq::group::look(&code)).await?),
        GroupRequest::List => {
            Ok(GroupAnswer::Groups(iq::group::read_list(&asker.ask(iq::group::list()).await?)?))
        }
        GroupRequest::Create { subject, members, community } => {
            let answer = asker.ask(iq::group::create(&subject, &members, community.as_ref())).await?;
            group(&answer)
        }
        GroupRequest::CreateCommunity { subject } => {
            group(&asker.ask(iq::group::create_community(&subject)).await?)
        }
        GroupRequest::Invite { group, reset } => {
            let answer = asker.ask(iq::group::invite(&group, reset)).await?;
            Ok(GroupAnswer::Code(iq::group::read_code(&answer)?))
        }
        GroupRequest::Join(code) => {
            let answer = asker.ask(iq::group::join(&code)).await?;
            Ok(GroupAnswer::Joined(iq::group::read_joined(&answer)?))
        }
        GroupRequest::Change(group, change) => {
            let replaced = replaced(asker, &group, &change).await?;
            let node = iq::group::change(&group, &change, (id, replaced.as_deref()));
            Ok(GroupAnswer::Changed(iq::group::read_refusals(&asker.ask(node).await?)))
        }
    }
}

/// The id of the description that a change replaces, which it has to name.
async fn replaced(asker: &Asker, group: &Jid, change: &GroupChange) -> Result<Option<String>, RequestError> {
    if !matches!(change, GroupChange::Description(_)) {
        return Ok(None);
    }
    let present = iq::group::read(&asker.ask(iq::group::query(group)).await?)?;
    Ok(present.description.map(|description| description.id))
}
