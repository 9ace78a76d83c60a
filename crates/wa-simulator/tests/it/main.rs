//! The simulator, seen by a client that is made of the codecs alone.

#[cfg(test)]
mod client;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod pairing;

use wa_simulator::{Clock, Options, Simulator};

/// A reproducible simulator without a socket.
#[cfg(test)]
async fn simulator() -> Simulator {
    Simulator::start(options()).await.unwrap()
}

#[cfg(test)]
fn options() -> Options {
    Options { seed: Some([7; 32]), clock: Some(Clock::starting_at(client::NOW)), ..Options::default() }
}
