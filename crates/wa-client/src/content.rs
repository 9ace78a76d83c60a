//! What is in a message: the one place that knows the kinds of content.
//!
//! [`View`] reads any message, incoming or stored, without copying it: what it is, its text, its file, what it quotes and
//! what it is about. [`Content`] is a message with its bytes, decoded once. [`Draft`] is a message to send, made of plain
//! values. What a stanza says about its content, [`Attributes`], follows from the view.
//!
//! ```
//! use wa_client::content::{Content, Draft, Kind, Quote, Target};
//!
//! let alice = "15550000001@s.whatsapp.net";
//! let stored = Draft::text("Tea?").encode_once();
//!
//! let question = Content::decode(stored)?;
//! let quote = Quote::of("3EB0AA", alice).showing(question.view());
//! let answer = Draft::text("Yes, please").quoting(&quote);
//! assert_eq!(answer.view().quote().and_then(|quote| quote.content?.text()), Some("Tea?"));
//!
//! let thumbs_up = Draft::reaction(&Target::of(alice, "3EB0AA", false), "👍", 0);
//! assert_eq!(thumbs_up.view().kind(), Kind::Reaction);
//! # Ok::<(), wa_client::content::Unreadable>(())
//! ```

mod attributes;
mod body;
mod context;
mod draft;
mod kind;
mod media;
mod owned;
mod parts;
mod view;
mod wrapper;

#[cfg(test)]
mod tests;

pub use attributes::{Attributes, EditCode};
pub use draft::Draft;
pub use kind::Kind;
pub use media::Media;
pub use owned::{Content, OwnCopy, Unreadable};
pub use parts::{Card, Link, Place, Quote, Target};
pub use view::View;
