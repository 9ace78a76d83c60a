//! What outsiders do to a running gateway, class by class. Each test is an attack; what must hold is that others are served
//! meanwhile, and that memory, threads and sockets stay bounded.

mod credentials;
mod crowds;
mod encoded;
mod login;
mod malformed;
mod receivers;
mod stage;
mod stalled;
