//! `/sim/groups/…`.

use hyper::{Method, Request, body::Incoming};

use super::{Replied, body::*, not_allowed, ok, phone};
use crate::{
    Addressing, ControlError, GroupInfo,
    control::{Doors, request},
    handle::groups::{described_group, find_group},
};

pub(super) async fn of_groups(doors: &Doors, rest: &[&str], request: Request<Incoming>) -> Replied {
    let (get, post) = (*request.method() == Method::GET, *request.method() == Method::POST);
    match *rest {
        [] if get => {
            let groups: Vec<GroupInfo> =
                doors.world.groups().iter().map(|group| described_group(group)).collect();
            ok(&groups)
        }
        [] if post => {
            let NewGroup { creator, subject, members, addressing } = request::json_body(request).await?;
            let creator = phone(doors, &creator.into_text())?;
            let members: Vec<_> = members.into_iter().map(Number::into_text).collect();
            let addressing = addressing.unwrap_or(Addressing::Lid);
            let group = creator.create_group(&subject, &members, addressing)?;
            ok(&described_group(&*find_group(&doors.world, &group)?))
        }
        [group] if get => ok(&described_group(&*find_group(&doors.world, group)?)),
        [group] if post => {
            let GroupChanged { by, change } = request::json_body(request).await?;
            ok(&phone(doors, &by.into_text())?.change_group(group, change)?)
        }
        [] | [_] => not_allowed(&request),
        _ => Err(ControlError::UnknownPath(request.uri().path().to_owned())),
    }
}
