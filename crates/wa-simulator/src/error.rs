use crate::faults::InvalidFault;

/// Why a control call was refused. Over HTTP: `{"error":{"code","message"}}` with [`status`](Self::status).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Not a phone number.
    #[error("`{0}` is no phone number: 7 to 15 digits that don't begin with 0 are expected")]
    InvalidNumber(String),
    /// Another account has this number.
    #[error("{0} is a number of another account")]
    NumberTaken(String),
    /// No account has this number.
    #[error("there is no phone {0}; create it with POST /sim/phones")]
    UnknownPhone(String),
    /// The recipient's address can't be understood.
    #[error("`{0}` is neither a phone number nor a JID of somebody or a group")]
    InvalidRecipient(String),
    /// The recipient has no account.
    #[error("`{0}` is not on WhatsApp; create it with POST /sim/phones")]
    UnknownRecipient(String),
    /// No such group.
    #[error("there is no group `{0}`; create it with POST /sim/groups")]
    UnknownGroup(String),
    /// The server refused to change the group.
    #[error("the server refused: {0}")]
    GroupRefused(String),
    /// The QR text can't be understood.
    #[error("this is no QR code of WhatsApp: {0}")]
    InvalidQr(&'static str),
    /// A browser came from another page.
    #[error("the socket is for the page https://web.whatsapp.com")]
    WrongOrigin,
    /// The control API was called under a name that isn't this machine's.
    #[error(
        "the control API is reached as localhost or by the address that it listens on, or with its token"
    )]
    WrongHost,
    /// A page of somebody else's calls the control API.
    #[error("the control API takes no calls from pages of other origins")]
    ForeignOrigin,
    /// The control API has a token, and the call doesn't show it.
    #[error("the control API needs Authorization: Bearer <control token>")]
    Unauthorized,
    /// A body that doesn't say that it is JSON.
    #[error("bodies are JSON: content-type: application/json")]
    NotJson,
    /// No client shows this reference.
    #[error("no client shows this code (it may have been scanned already, or its client has gone)")]
    UnknownReference,
    /// The reference was shown, but too long ago.
    #[error("this code has expired; scan the one that the client shows now")]
    ExpiredReference,
    /// The QR text names other keys than the client registered with.
    #[error("the {0} in the code is not the one that the client connected with")]
    QrMismatch(&'static str),
    /// The secret in the QR text is one that the server has retired.
    #[error("the secret in this code has been retired; scan the code that the client shows now")]
    RetiredSecret,
    /// The account has as many companions as it may have.
    #[error("the account has {0} linked devices already, which is the limit")]
    DeviceLimit(usize),
    /// The companion answered pair-success with an error.
    #[error("the companion refused the pairing: {code} {text}")]
    CompanionRefused {
        /// Code of its error.
        code: String,
        /// Text of its error.
        text: String,
    },
    /// What the companion answered does not hold.
    #[error("the companion's answer to pair-success is wrong: {0}")]
    CompanionWrong(String),
    /// The companion did not answer pair-success.
    #[error("the companion went away or did not answer pair-success in time")]
    CompanionGone,
    /// No such companion.
    #[error("there is no linked device {0}")]
    UnknownDevice(u16),
    /// No client asked to be linked to this number by code.
    #[error("no client waits for a code for this number")]
    NoCodeExpected,
    /// The code is not the one shown by the client.
    #[error("the code is wrong")]
    WrongCode,
    /// The code can't be one.
    #[error("a code has 8 characters of 123456789ABCDEFGHJKLMNPQRSTVWXYZ")]
    InvalidCode,
    /// The fault can't be understood.
    #[error(transparent)]
    InvalidFault(#[from] InvalidFault),
    /// No such fault.
    #[error("there is no fault {0}")]
    UnknownFault(u64),
    /// No such message.
    #[error("the phone has no message {0}")]
    UnknownMessage(String),
    /// The request's body or query can't be understood.
    #[error("{0}")]
    InvalidRequest(String),
    /// No such door.
    #[error("there is nothing at {0}")]
    UnknownPath(String),
    /// The door exists, but not for this method.
    #[error("{0} is not possible here")]
    MethodNotAllowed(String),
    /// The server refused what the phone sent.
    #[error("the server refused the message with error {0}")]
    Refused(u16),
    /// The simulator forgot the account while the call ran.
    #[error("the simulator was reset meanwhile")]
    Reset,
}

impl ControlError {
    /// The HTTP status: 400 for what the caller wrote wrongly, 404 for what is not there, 409 for what the
    /// state of things forbids.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidNumber(_)
            | Self::InvalidRecipient(_)
            | Self::InvalidQr(_)
            | Self::InvalidCode
            | Self::InvalidFault(_)
            | Self::InvalidRequest(_) => 400,
            Self::Unauthorized => 401,
            Self::WrongOrigin | Self::WrongHost | Self::ForeignOrigin => 403,
            Self::NotJson => 415,
            Self::UnknownPhone(_)
            | Self::UnknownRecipient(_)
            | Self::UnknownGroup(_)
            | Self::UnknownReference
            | Self::UnknownDevice(_)
            | Self::UnknownFault(_)
            | Self::UnknownMessage(_)
            | Self::UnknownPath(_) => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::ExpiredReference
            | Self::QrMismatch(_)
            | Self::RetiredSecret
            | Self::DeviceLimit(_)
            | Self::NumberTaken(_)
            | Self::CompanionRefused { .. }
            | Self::CompanionWrong(_)
            | Self::CompanionGone
            | Self::NoCodeExpected
            | Self::WrongCode
            | Self::Refused(_)
            | Self::GroupRefused(_)
            | Self::Reset => 409,
        }
    }

    /// The stable name of the error in the JSON answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidNumber(_) => "invalid_number",
            Self::NumberTaken(_) => "number_taken",
            Self::UnknownPhone(_) => "unknown_phone",
            Self::InvalidRecipient(_) => "invalid_recipient",
            Self::UnknownRecipient(_) => "unknown_recipient",
            Self::UnknownGroup(_) => "unknown_group",
            Self::GroupRefused(_) => "group_refused",
            Self::InvalidQr(_) => "invalid_qr",
            Self::WrongOrigin | Self::ForeignOrigin => "wrong_origin",
            Self::WrongHost => "wrong_host",
            Self::Unauthorized => "unauthorized",
            Self::NotJson => "unsupported_media_type",
            Self::UnknownReference => "unknown_ref",
            Self::ExpiredReference => "expired_ref",
            Self::QrMismatch(_) => "qr_mismatch",
            Self::RetiredSecret => "retired_secret",
            Self::DeviceLimit(_) => "device_limit",
            Self::CompanionRefused { .. } => "companion_refused",
            Self::CompanionWrong(_) => "companion_wrong",
            Self::CompanionGone => "companion_gone",
            Self::UnknownDevice(_) => "unknown_device",
            Self::NoCodeExpected => "no_code_expected",
            Self::WrongCode => "wrong_code",
            Self::InvalidCode => "invalid_code",
            Self::InvalidFault(_) => "invalid_fault",
            Self::UnknownFault(_) => "unknown_fault",
            Self::UnknownMessage(_) => "unknown_message",
            Self::InvalidRequest(_) => "invalid_request",
            Self::UnknownPath(_) => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Refused(_) => "refused",
            Self::Reset => "reset",
        }
    }
}
