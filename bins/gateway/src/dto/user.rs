use serde::{Deserialize, Serialize};
use services::{Belongings, NewUser, UserChange};
use storage::{Page, Role, SecretText, User};
use utoipa::{IntoParams, ToSchema};

use super::page::{ListEnd, Pagination, Window};
use super::time::Time;
use crate::config::Secret;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{BelongingsList, Email, Networks, Password, PersonName};
use crate::listing::Listing;
use crate::networks;

/// The words of [`Role`].
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "for the description alone")]
pub(crate) enum RoleWord {
    Admin,
    User,
}

/// `POST /api/users`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewUserRequest {
    #[schema(value_type = Email)]
    email: String,
    /// 8 to 72 bytes.
    #[schema(value_type = Password, format = Password)]
    password: Secret,
    #[serde(default)]
    #[schema(value_type = PersonName)]
    first_name: String,
    #[serde(default)]
    #[schema(value_type = PersonName)]
    last_name: String,
    /// `user` unless it says otherwise.
    #[schema(value_type = Option<RoleWord>)]
    role: Option<Role>,
    /// Addresses and CIDR ranges in which the user's credentials are good; empty for everywhere.
    #[serde(default)]
    #[schema(value_type = Networks)]
    allowed_ips: Vec<String>,
}

impl TryFrom<NewUserRequest> for NewUser {
    type Error = ApiError;

    fn try_from(request: NewUserRequest) -> Result<Self, ApiError> {
        Ok(Self {
            email: request.email,
            password: SecretText::new(request.password.expose()),
            first_name: request.first_name,
            last_name: request.last_name,
            role: request.role.unwrap_or(Role::User),
            allowed_ips: parsed(&request.allowed_ips)?,
        })
    }
}

/// `PUT /api/users/{id}`: what isn't there stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserRequest {
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    /// Another password; the old one and every login token end.
    #[schema(value_type = Option<Password>, format = Password)]
    password: Option<Secret>,
    #[schema(value_type = Option<PersonName>)]
    first_name: Option<String>,
    #[schema(value_type = Option<PersonName>)]
    last_name: Option<String>,
    #[schema(value_type = Option<RoleWord>)]
    role: Option<Role>,
    /// Whether the user is shut out, and nothing of theirs runs.
    disabled: Option<bool>,
    /// Addresses and CIDR ranges in which the user's credentials are good; empty for everywhere.
    #[schema(value_type = Option<Networks>)]
    allowed_ips: Option<Vec<String>>,
}

impl TryFrom<UserRequest> for UserChange {
    type Error = ApiError;

    fn try_from(request: UserRequest) -> Result<Self, ApiError> {
        Ok(Self {
            email: request.email,
            password: request.password.map(|password| SecretText::new(password.expose())),
            first_name: request.first_name,
            last_name: request.last_name,
            role: request.role,
            disabled: request.disabled,
            allowed_ips: request.allowed_ips.as_deref().map(parsed).transpose()?,
        })
    }
}

fn parsed(networks: &[String]) -> Result<Vec<ipnet::IpNet>, ApiError> {
    let wrong = |problem| ApiError::invalid(format!("\"allowedIps\" {problem}")).with_field("allowedIps");
    networks.iter().map(|network| networks::parse(network.trim()).map_err(wrong)).collect()
}

/// `DELETE /api/users/{id}?instances`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteUserQuery {
    /// `delete`: the user's instances are deleted first, each as `DELETE /api/instances/{id}` does. Without it a user who
    /// has any isn't deleted.
    #[param(required = false, inline, value_type = Option<BelongingsList>)]
    pub(crate) instances: Belongings,
}

impl FromQuery for DeleteUserQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let word = |text: &str| (text == "delete").then_some(Belongings::Delete);
        let instances = parameters.list("instances", word)?.pop().unwrap_or_default();
        Ok(Self { instances })
    }
}

/// A user, as administrators see them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserDetails {
    id: String,
    email: String,
    first_name: String,
    last_name: String,
    #[schema(value_type = RoleWord)]
    role: Role,
    disabled: bool,
    allowed_ips: Vec<String>,
    created_at: Time,
    updated_at: Time,
}

impl From<User> for UserDetails {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            first_name: user.first_name,
            last_name: user.last_name,
            role: user.role,
            disabled: user.disabled_at.is_some(),
            allowed_ips: user.allowed_ips.iter().map(ToString::to_string).collect(),
            created_at: user.created_at.into(),
            updated_at: user.updated_at.into(),
        }
    }
}

/// A user who was just created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedUser {
    #[serde(flatten)]
    user: UserDetails,
    /// The user's own key. Administrators see it this once; the user whenever they log in.
    api_key: String,
}

impl From<User> for CreatedUser {
    fn from(user: User) -> Self {
        let api_key = user.api_key.expose().to_owned();
        Self { user: user.into(), api_key }
    }
}

/// A page of users.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct UsersResponse {
    users: Vec<UserDetails>,
    pagination: Pagination,
}

impl UsersResponse {
    pub(crate) fn of(
        page: Page<User>,
        window: Window,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        Listing::new("users", page.items.into_iter().map(UserDetails::from), &end)
    }
}
