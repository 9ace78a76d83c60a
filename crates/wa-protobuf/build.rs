//! Compiles `proto/*.proto` with protox, so that no protoc is needed.
use prost_types::field_descriptor_proto::{Label, Type};
use std::path::PathBuf;

const FILES: [&str; 10] = [
    "adv.proto",
    "appstate.proto",
    "cert.proto",
    "companion.proto",
    "e2e.proto",
    "e2e_peer.proto",
    "handshake.proto",
    "history.proto",
    "payload.proto",
    "signal.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In the repository a link to the top-level folder; `cargo package` puts the files themselves there.
    // Asked now, not when this was compiled: folders of a target that is shared come and go.
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("proto");
    for file in FILES {
        println!("cargo:rerun-if-changed={}", folder.join(file).display());
    }
    let descriptors = protox::compile(FILES, [&folder])?;

    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    for field in kinds_of_message(&descriptors) {
        config.boxed(field);
    }
    config.compile_fds(descriptors)?;
    Ok(())
}

/// The fields of `e2e.Message` that are messages. Few are ever set, so a `Message` holds them boxed:
/// inline it would take kilobytes for a line of text.
fn kinds_of_message(descriptors: &prost_types::FileDescriptorSet) -> Vec<String> {
    let package = descriptors.file.iter().filter(|file| file.package() == "wa.e2e");
    let message = package.flat_map(|file| &file.message_type).find(|message| message.name() == "Message");
    message
        .into_iter()
        .flat_map(|message| &message.field)
        .filter(|field| field.r#type() == Type::Message && field.label() == Label::Optional)
        .map(|field| format!(".wa.e2e.Message.{}", field.name()))
        .collect()
}
