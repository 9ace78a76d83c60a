#![doc = include_str!("../README.md")]
// The clock and the random generator enter the workspace here and above (see .clippy.toml).
#![allow(clippy::disallowed_methods)]
