//! What outsiders, neighbours and accidents do to a running gateway, class by class. Each test is an attack; what must hold is
//! that others are served meanwhile, that memory, threads and sockets stay bounded, and that nothing is lost or shown.

mod bodies;
mod changes;
mod clocks;
mod codes;
mod credentials;
mod crowds;
mod encoded;
mod files;
mod forgetting;
mod health;
mod launch;
mod login;
mod malformed;
mod pages;
mod receivers;
mod rows;
mod seeded;
mod shares;
mod stage;
mod stalled;
mod stopping;
mod together;
