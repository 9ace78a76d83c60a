//! Acceptance tests of the workspace, as one binary.
#![allow(missing_docs, clippy::disallowed_methods)]

mod kill;
mod layering;
