use serde::{Deserialize, Serialize, Serializer};

/// What a message holds beside text and file. What isn't there is left out; `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageDetails {
    /// Whom it names, as JIDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<String>,
    /// Whether it was forwarded.
    #[serde(skip_serializing_if = "is_false")]
    pub forwarded: bool,
    /// Whether it may be looked at once.
    #[serde(skip_serializing_if = "is_false")]
    pub view_once: bool,
    /// Seconds after which it disappears, or what else is written in the chat does: 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<u32>,
    /// The preview of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkDetails>,
    /// A place on the map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationDetails>,
    /// Contact cards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<ContactDetails>,
    /// A question with options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll: Option<PollDetails>,
    /// The options that were chosen in a poll; empty where a vote was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Vec<String>>,
    /// An invitation to a meeting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<MeetingDetails>,
    /// The answer to such an invitation: `going`, `not_going` or `maybe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Guests who come along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guests: Option<u32>,
    /// The sender's id of the button or row that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_id: Option<String>,
    /// Whether a reaction, a pin or a keep takes an earlier one away.
    #[serde(skip_serializing_if = "is_false")]
    pub undone: bool,
}

/// The preview of a link.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkDetails {
    /// The link, as it stands in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Title of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the page says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A place on the map.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationDetails {
    /// Degrees north.
    pub latitude: Degrees,
    /// Degrees east.
    pub longitude: Degrees,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// A link to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A contact card.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactDetails {
    /// Name of the contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The card, as a vCard text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcard: Option<String>,
}

/// A question with options.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollDetails {
    /// What is asked.
    pub question: String,
    /// What may be chosen.
    pub options: Vec<String>,
    /// How many options one person may choose; 0 means all.
    pub choices: u32,
}

/// An invitation to a meeting. Times are Unix seconds.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeetingDetails {
    /// What it is called.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it begins.
    pub starts_at: i64,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    /// A link to join it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_link: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationDetails>,
    /// Whether it takes place no longer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelled: bool,
}

/// An angle. Two are equal if their bits are.
///
/// Whole ones are written without a fraction, as JavaScript does: receivers of webhooks who verify the signature of what they
/// have parsed and written again see the same bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Degrees(pub f64);

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// No angle is larger, and each whole number below is one of `i32`.
        const FULL_CIRCLE: f64 = 360.0;
        if self.0.fract() == 0.0 && self.0.abs() <= FULL_CIRCLE {
            #[allow(clippy::cast_possible_truncation, reason = "a whole number within a circle")]
            return serializer.serialize_i32(self.0 as i32);
        }
        serializer.serialize_f64(self.0)
    }
}

impl PartialEq for Degrees {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Degrees {}

impl std::fmt::Debug for MessageDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageDetails").finish_non_exhaustive()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}
