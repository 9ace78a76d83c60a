//! What a companion goes through, against the simulator, on paused time and without a socket.

mod endings;
mod pairing;
mod stage;
mod talking;
