//! The contract tests of dialects: each lies in its dialect's folder.

#[path = "../../src/dialects/evolution/tests.rs"]
mod evolution;
#[path = "../../src/dialects/waha/tests.rs"]
mod waha;
#[path = "../../src/dialects/whatsgate/tests.rs"]
mod whatsgate;
#[path = "../../src/dialects/witi/tests.rs"]
mod witi;
