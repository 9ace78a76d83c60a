//! What a companion goes through, against the simulator, on paused time and without a socket.

mod crashes;
mod endings;
mod keys;
mod pairing;
mod receiving;
mod sending;
mod stage;
mod talking;
