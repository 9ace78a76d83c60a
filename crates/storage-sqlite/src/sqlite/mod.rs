//! The connections: one that writes, on a thread of its own, and a few that read.

pub(crate) mod connection;
mod purge;
pub(crate) mod queue;
pub(crate) mod readers;
mod remembered;
pub(crate) mod statement;
pub(crate) mod tx;

pub(crate) use tx::Tx;
