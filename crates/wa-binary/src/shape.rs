//! Errors for stanzas that decode well but miss what their reader needs.

use compact_str::CompactString;

/// A node lacks something, or has it in the wrong form.
///
/// Names the node and the part, never the value: that may be a phone number or a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// Tag of the node; `None` where only its attributes were known.
    pub tag: Option<CompactString>,
    /// Which of the expectations it fails.
    pub problem: Problem,
}

/// What a [`ShapeError`] found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An attribute is absent.
    #[error("attribute \"{0}\" is missing")]
    MissingAttribute(CompactString),
    /// An attribute is there but does not have the form that was expected.
    #[error("attribute \"{name}\" is not {expected}")]
    Attribute {
        /// Name of the attribute.
        name: CompactString,
        /// What was expected, with its article: "a JID".
        expected: &'static str,
    },
    /// A child is absent.
    #[error("child <{0}> is missing")]
    MissingChild(CompactString),
    /// The content does not have the form that was expected.
    #[error("content is not {0}")]
    Content(&'static str),
}

impl ShapeError {
    pub(crate) fn missing_attribute(name: &str) -> Self {
        Self { tag: None, problem: Problem::MissingAttribute(name.into()) }
    }

    pub(crate) fn attribute(name: &str, expected: &'static str) -> Self {
        Self { tag: None, problem: Problem::Attribute { name: name.into(), expected } }
    }

    pub(crate) fn missing_child(name: &str) -> Self {
        Self { tag: None, problem: Problem::MissingChild(name.into()) }
    }

    /// The content of `tag` is not what was `expected` (with its article: "a list of nodes").
    pub fn content(tag: &str, expected: &'static str) -> Self {
        Self { tag: Some(tag.into()), problem: Problem::Content(expected) }
    }

    /// The same, said of the node `tag`.
    #[must_use]
    pub fn within(mut self, tag: &str) -> Self {
        self.tag = Some(tag.into());
        self
    }
}

impl std::fmt::Display for ShapeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "<{tag}>: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for ShapeError {}
