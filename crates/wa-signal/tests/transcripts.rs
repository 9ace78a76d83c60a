//! Replays what this crate and npm libsignal or Baileys said to each other (`testdata/PROVENANCE`):
//! their messages must be read as they were, and ours must be those they have decrypted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod peer;

use serde_json::Value;

/// A transcript: commands and the answers this crate gave while the other side was checking them.
fn replay(name: &str) {
    let transcripts: Value = serde_json::from_str(include_str!("../testdata/transcripts.json")).unwrap();
    let transcript = transcripts[name].as_array().unwrap_or_else(|| panic!("no transcript {name}"));
    assert!(!transcript.is_empty());
    let mut peer = peer::Peer::new();
    for (index, entry) in transcript.iter().enumerate() {
        assert_eq!(peer.answer(&entry["command"]), entry["answer"], "{name}, entry {index}");
    }
}

#[test]
fn libsignal_starts_a_session() {
    replay("they start");
}

#[test]
fn libsignal_starts_a_session_without_a_one_time_prekey() {
    replay("they start without a prekey");
}

#[test]
fn we_start_a_session_with_libsignal() {
    replay("we start");
}

#[test]
fn we_start_a_session_without_a_one_time_prekey() {
    replay("we start without a prekey");
}

#[test]
fn both_start_at_once() {
    replay("both start");
}

#[test]
fn libsignal_starts_anew_while_messages_are_under_way() {
    replay("they start anew");
}

#[test]
fn we_crash_and_skip_a_lease() {
    replay("we skip a lease");
}

#[test]
fn baileys_sends_to_a_group() {
    replay("their sender key");
}

#[test]
fn we_send_to_a_group() {
    replay("our sender key");
}
