//! A Signal device behind stdin and stdout, one JSON command a line, so that another implementation
//! can talk to it while `testdata/record.mjs` records a transcript.
#![allow(clippy::print_stdout, reason = "stdout is its interface")]

#[path = "../tests/peer/mod.rs"]
mod peer;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut peer = peer::Peer::new();
    for line in std::io::stdin().lines() {
        println!("{}", peer.answer(&serde_json::from_str(&line?)?));
    }
    Ok(())
}
