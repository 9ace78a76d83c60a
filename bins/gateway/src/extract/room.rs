//! Room for the body of a request.

use actix_web::{HttpMessage as _, HttpRequest, web};

use super::Authenticated;
use crate::bodies::Room;
use crate::state::AppState;

/// Room for the body of this request. Whoever hasn't said who they are sends a few kilobytes, which aren't counted.
pub(super) fn room_for(request: &HttpRequest) -> Option<Room> {
    let user = request.extensions().get::<Authenticated>()?.0.caller.user;
    let state = request.app_data::<web::Data<AppState>>()?;
    Some(state.bodies.begin(user))
}

/// Holds the room until the request is answered: what was made of its body lasts as long.
pub(super) fn keep(room: Option<Room>, request: &HttpRequest) {
    if let Some(room) = room {
        request.extensions_mut().insert(room);
    }
}
