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
mod opened;
mod owned;
mod parts;
mod secret;
mod tally;
mod view;
mod wrapper;

#[cfg(test)]
mod tests;

pub use attributes::{Attributes, EditCode};
pub(crate) use draft::Around;
pub use draft::{Draft, MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, NotAPoll};
pub use kind::Kind;
pub use media::Media;
pub use opened::{Answer, Going, Opened, Vote};
pub(crate) use opened::{Plain, Unopened};
pub use owned::{Content, OwnCopy, Unreadable};
pub use parts::{Card, Link, Meeting, Place, Poll, Quote, Target};
pub use tally::Tally;
pub use view::View;
