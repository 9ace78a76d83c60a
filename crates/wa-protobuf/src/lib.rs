#![doc = include_str!("../README.md")]

/// Account device verification: how the phone vouches for its companions.
pub mod adv {
    include!(concat!(env!("OUT_DIR"), "/wa.adv.rs"));
}

/// App state: settings and marks that an account's devices keep in step.
#[allow(missing_docs, reason = "generated; the schema describes what its names don't say")]
pub mod appstate {
    include!(concat!(env!("OUT_DIR"), "/wa.appstate.rs"));
}

/// The server's certificate chain, sent inside the Noise handshake.
pub mod cert {
    include!(concat!(env!("OUT_DIR"), "/wa.cert.rs"));
}

/// What a companion tells the phone about itself, and the messages of pairing.
#[allow(missing_docs, reason = "generated; the schema describes what its names don't say")]
pub mod companion {
    include!(concat!(env!("OUT_DIR"), "/wa.companion.rs"));
}

/// What is inside an end-to-end encrypted message. The parts of [`e2e::Message`] are boxed.
#[allow(missing_docs, reason = "generated; the schema describes what its names don't say")]
pub mod e2e {
    include!(concat!(env!("OUT_DIR"), "/wa.e2e.rs"));
}

/// The three messages of the Noise handshake.
pub mod handshake {
    include!(concat!(env!("OUT_DIR"), "/wa.handshake.rs"));
}

/// The phone's history, as it hands it to a new companion.
#[allow(missing_docs, reason = "generated; the schema describes what its names don't say")]
pub mod history {
    include!(concat!(env!("OUT_DIR"), "/wa.history.rs"));
}

pub mod lenient;

/// The client's registration or login, sent inside the Noise handshake.
#[allow(missing_docs, reason = "generated; the schema describes what its names don't say")]
pub mod payload {
    include!(concat!(env!("OUT_DIR"), "/wa.payload.rs"));
}

/// Bodies of the Signal wire formats.
pub mod signal {
    include!(concat!(env!("OUT_DIR"), "/wa.signal.rs"));
}
