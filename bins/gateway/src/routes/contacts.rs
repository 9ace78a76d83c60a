//! Contacts, under both of the paths that the API documents.

use actix_web::{HttpResponse, web};

use crate::dto::contact::{
    AddContact, AddedContact, ContactResponse, ContactsQuery, ContactsResponse, Imported, LiveContacts,
    SaveRequest,
};
use crate::dto::path::InstancePath;
use crate::error::{ApiError, Refused};
use crate::extract::{InstanceCall, JsonBody, Query};

/// Whom the account knows and the groups that it is in, as WhatsApp has them now.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/contacts",
    tag = "contacts",
    params(InstancePath),
    responses((status = 200, description = "Everybody.", body = LiveContacts), Refused)
)]
pub(super) async fn live(call: InstanceCall) -> Result<web::Json<LiveContacts>, ApiError> {
    let known = call.services().contacts.live(&call.caller, call.subject).await?;
    Ok(web::Json(LiveContacts::from(known)))
}

/// Puts somebody into the account's address book, on the phone too.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/contacts/add",
    tag = "contacts",
    params(InstancePath),
    request_body = AddContact,
    responses((status = 200, description = "The contact is in the address book.", body = AddedContact), Refused)
)]
pub(super) async fn add(
    call: InstanceCall,
    JsonBody(body): JsonBody<AddContact>,
) -> Result<web::Json<AddedContact>, ApiError> {
    let add = |call: InstanceCall| async move {
        call.services().contacts.add(&call.caller, call.subject, &body.phone, &body.name).await
    };
    Ok(web::Json(AddedContact::from(call.complete(add).await?)))
}

/// The stored contacts, by name.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/contacts/db",
    tag = "contacts",
    params(InstancePath, ContactsQuery),
    responses((status = 200, description = "A page of contacts.", body = ContactsResponse), Refused)
)]
pub(super) async fn stored(
    call: InstanceCall,
    Query(query): Query<ContactsQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = call.services().contacts.stored(&call.caller, call.subject, &query.to_query()).await?;
    call.answer(ContactsResponse::of(page, query.window()))
}

/// Stores whom WhatsApp has.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/contacts/import",
    tag = "contacts",
    params(InstancePath),
    responses((status = 200, description = "They are stored.", body = Imported), Refused)
)]
pub(super) async fn import(call: InstanceCall) -> Result<web::Json<Imported>, ApiError> {
    let import =
        |call: InstanceCall| async move { call.services().contacts.import(&call.caller, call.subject).await };
    Ok(web::Json(Imported::of(call.complete(import).await?)))
}

/// Stores what is said of a contact, here alone.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/contacts/save",
    tag = "contacts",
    params(InstancePath),
    request_body = SaveRequest,
    responses((status = 200, description = "The contact.", body = ContactResponse), Refused)
)]
pub(super) async fn save(
    call: InstanceCall,
    JsonBody(body): JsonBody<SaveRequest>,
) -> Result<web::Json<ContactResponse>, ApiError> {
    let save = |call: InstanceCall| async move {
        call.services().contacts.save(&call.caller, call.subject, body.into()).await
    };
    Ok(web::Json(ContactResponse::from(call.complete(save).await?)))
}

/// As `/api/instances/{id}/contacts/db`.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/contacts/db",
    tag = "contacts",
    params(InstancePath, ContactsQuery),
    responses((status = 200, description = "A page of contacts.", body = ContactsResponse), Refused)
)]
pub(super) async fn stored_too(
    call: InstanceCall,
    query: Query<ContactsQuery>,
) -> Result<HttpResponse, ApiError> {
    stored(call, query).await
}

/// As `/api/instances/{id}/contacts/import`.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/contacts/import",
    tag = "contacts",
    params(InstancePath),
    responses((status = 200, description = "They are stored.", body = Imported), Refused)
)]
pub(super) async fn import_too(call: InstanceCall) -> Result<web::Json<Imported>, ApiError> {
    import(call).await
}

/// As `/api/instances/{id}/contacts/save`.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/contacts/save",
    tag = "contacts",
    params(InstancePath),
    request_body = SaveRequest,
    responses((status = 200, description = "The contact.", body = ContactResponse), Refused)
)]
pub(super) async fn save_too(
    call: InstanceCall,
    body: JsonBody<SaveRequest>,
) -> Result<web::Json<ContactResponse>, ApiError> {
    save(call, body).await
}
