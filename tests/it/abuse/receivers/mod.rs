//! Receivers of webhooks that are dead, slow, hostile, or the gateway itself, and users who name them.

mod black_holes;
pub(super) mod hostile;
mod names;
mod ourselves;
mod patience;
mod stage;
