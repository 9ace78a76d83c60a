use serde::{Deserialize, Serialize};
use storage::User;
use utoipa::ToSchema;

use crate::config::Secret;
use crate::forms::{Password, PersonName};

/// `POST /api/auth/login`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginRequest {
    pub(crate) email: String,
    #[schema(value_type = String, format = Password)]
    pub(crate) password: Secret,
}

/// `PUT /api/auth/me`: what isn't there stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NamesRequest {
    #[schema(value_type = Option<PersonName>)]
    pub(crate) first_name: Option<String>,
    #[schema(value_type = Option<PersonName>)]
    pub(crate) last_name: Option<String>,
}

/// `POST /api/auth/password`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordRequest {
    #[schema(value_type = String, format = Password)]
    pub(crate) current: Secret,
    /// 8 to 72 bytes.
    #[schema(value_type = Password, format = Password)]
    pub(crate) new: Secret,
}

/// What a rotation answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RotatedKey {
    /// The new key; the old one has ended.
    pub(crate) api_key: String,
}

/// What a login answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct LoginResponse {
    token: String,
    user: LoggedInUser,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LoggedInUser {
    #[serde(flatten)]
    user: UserResponse,
    api_key: String,
}

/// `GET /api/auth/me`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserResponse {
    id: String,
    email: String,
    first_name: String,
    last_name: String,
}

impl LoginResponse {
    pub(crate) fn new(token: String, user: &User) -> Self {
        let api_key = user.api_key.expose().to_owned();
        Self { token, user: LoggedInUser { user: user.into(), api_key } }
    }
}

impl From<&User> for UserResponse {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
        }
    }
}
