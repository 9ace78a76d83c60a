//! The whole-process benchmark of `make bench`.

fn main() {}
