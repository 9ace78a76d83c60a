use serde::Serialize;
use utoipa::ToSchema;

/// `{"success": true}`, with a message for people where the API documents one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Done {
    pub(crate) fn new() -> Self {
        Self { success: true, message: None }
    }

    pub(crate) fn saying(message: String) -> Self {
        Self { success: true, message: Some(message) }
    }
}
