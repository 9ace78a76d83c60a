//! The simulator, seen by a client that is made of the codecs alone.

mod client;
mod messages;
mod pairing;

use wa_simulator::{Clock, Options, Simulator};

/// A reproducible simulator without a socket.
async fn simulator() -> Simulator {
    Simulator::start(options()).await.unwrap()
}

fn options() -> Options {
    Options { seed: Some([7; 32]), clock: Some(Clock::starting_at(client::NOW)), ..Options::default() }
}
