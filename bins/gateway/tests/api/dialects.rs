//! The contract tests of dialects: each lies in its dialect's folder.

#[path = "../../src/dialects/whatsgate/tests.rs"]
mod whatsgate;
#[path = "../../src/dialects/witi/tests.rs"]
mod witi;
