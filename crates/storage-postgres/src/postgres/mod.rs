//! The connections: one that writes, in a task of its own, and a few that read.

pub(crate) mod connect;
mod purge;
pub(crate) mod queue;
pub(crate) mod readers;
mod tls;
pub(crate) mod tx;
pub(crate) mod work;

use diesel::result::Error;
use storage_sql::Fault;

pub(crate) use queue::Touches;
pub(crate) use tx::Tx;

/// A failure of a statement, where it says something of the values and not of the server.
fn said(fault: Fault) -> Fault {
    let Fault::Database(Error::DatabaseError(_, why)) = &fault else { return fault };
    let is_text = why.message().starts_with("invalid byte sequence for encoding");
    if is_text { Fault::Invalid("a text with a NUL character") } else { fault }
}
