//! Compiles `proto/*.proto` with protox, so that no protoc is needed.
use std::path::Path;

const TOPICS: [&str; 6] = ["adv", "cert", "companion", "handshake", "payload", "signal"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    println!("cargo:rerun-if-changed={}", folder.display());
    let files = TOPICS.map(|topic| format!("{topic}.proto"));
    let descriptors = protox::compile(files, [&folder])?;
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
