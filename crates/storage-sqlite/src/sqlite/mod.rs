//! The connections: one that writes, on a thread of its own, and a few that read.

pub(crate) mod accounts;
pub(crate) mod connection;
pub(crate) mod purge;
pub(crate) mod queue;
pub(crate) mod readers;
pub(crate) mod statement;
pub(crate) mod tx;

pub(crate) use tx::Tx;
