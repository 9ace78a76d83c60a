use wa_binary::{Node, ShapeError};

use crate::{account::PreKeyError, group::GroupError};

/// Why an IQ is refused: `<error code text/>` (PROTOCOL.md 8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IqError {
    #[error("malformed: {0}")]
    BadRequest(&'static str),
    #[error("malformed: {0}")]
    Shape(ShapeError),
    #[error("malformed: {0}")]
    PreKeys(#[from] PreKeyError),
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("not allowed")]
    Forbidden,
    #[error("there is no such thing")]
    NotFound,
    #[error("too many requests")]
    OverLimit,
    #[error("not served")]
    NotImplemented,
    #[error("a fault refuses it")]
    Fault { code: u16, text: String },
}

impl IqError {
    pub(super) fn node(&self) -> Node<'static> {
        let (code, text) = match self {
            Self::BadRequest(_) | Self::Shape(_) => (400, "bad-request"),
            // Ids that clash are the one thing of an upload that is not its shape.
            Self::PreKeys(_) => (406, "not-acceptable"),
            Self::Forbidden => (403, "forbidden"),
            Self::Group(error) => of_group(*error),
            Self::OverLimit => (429, "rate-overlimit"),
            Self::NotFound => (404, "item-not-found"),
            Self::NotImplemented => (501, "feature-not-implemented"),
            Self::Fault { code, text } => {
                return Node::new("error").attr("code", *code).attr("text", text.clone());
            }
        };
        Node::new("error").attr("code", code).attr("text", text)
    }
}

/// What is said of one group of several.
pub(super) fn code_of_group(error: GroupError) -> u16 {
    of_group(error).0
}

fn of_group(error: GroupError) -> (u16, &'static str) {
    match error {
        GroupError::BadRequest(_) => (400, "bad-request"),
        GroupError::NotAuthorized => (401, "not-authorized"),
        GroupError::Forbidden => (403, "forbidden"),
        GroupError::NotFound => (404, "item-not-found"),
        GroupError::NotAcceptable => (406, "not-acceptable"),
        GroupError::Conflict => (409, "conflict"),
        GroupError::Gone => (410, "gone"),
        GroupError::Full => (419, "resource-limit"),
    }
}
