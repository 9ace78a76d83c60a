//! The migrations are compiled in, but lie outside of this crate.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/postgres");
}
