//! Who may use whom. The table is the design; `cargo metadata` is what was built.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Crate, then the workspace crates that it uses outside its tests: exactly these.
const USES: &[(&str, &[&str])] = &[
    ("wa-crypto", &[]),
    ("wa-binary", &[]),
    ("wa-protobuf", &[]),
    ("wa-noise", &["wa-crypto", "wa-protobuf"]),
    ("wa-signal", &["wa-crypto"]),
    ("wa-store", &["wa-binary"]),
    ("wa-client", &["wa-binary", "wa-crypto", "wa-noise", "wa-protobuf", "wa-signal", "wa-store"]),
    ("wa-simulator", &["wa-binary", "wa-crypto", "wa-noise", "wa-protobuf", "wa-signal"]),
    ("storage", &[]),
    ("storage-sqlite", &["storage", "wa-binary", "wa-store"]),
    ("outbound", &[]),
    ("webhook", &["outbound", "storage"]),
    ("services", &["outbound", "storage", "wa-binary", "wa-client", "webhook"]),
    // The binary wires everything, and names no codec.
    (
        "trunkline",
        &["outbound", "services", "storage", "storage-sqlite", "wa-client", "wa-simulator", "webhook"],
    ),
    ("trunkline-tests", &["test-support"]),
    // For tests alone.
    ("test-support", &[]),
];

/// Service and database crates that no protocol crate may name, in any kind of dependency.
const NOT_FOR_PROTOCOL: &[&str] = &[
    "actix-web",
    "diesel",
    "rusqlite",
    "libsqlite3-sys",
    "storage",
    "storage-sqlite",
    "outbound",
    "services",
    "webhook",
];

/// The crates below `wa-client` do no IO and take time and randomness as arguments.
const SANS_IO: &[&str] = &["wa-crypto", "wa-binary", "wa-protobuf", "wa-noise", "wa-signal"];
const NOT_FOR_SANS_IO: &[&str] = &["tokio", "rand", "getrandom", "chrono", "reqwest", "hyper", "async-std"];

/// What protocol crates take their cryptography from, and nobody else.
const RUSTCRYPTO: &[&str] = &[
    "aes",
    "aes-gcm",
    "cbc",
    "ctr",
    "curve25519-dalek",
    "hkdf",
    "hmac",
    "md-5",
    "pbkdf2",
    "sha1",
    "sha2",
    "x25519-dalek",
];

#[test]
fn every_crate_uses_exactly_what_its_row_lists() {
    let metadata = metadata();
    let names: BTreeSet<_> = metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let uses = |package: &Package| {
        let used = normal_dependencies(package).filter(|name| names.contains(*name));
        (package.name.to_string(), used.map(str::to_owned).collect())
    };
    let used: BTreeMap<String, BTreeSet<String>> =
        metadata.workspace_packages().into_iter().map(uses).collect();
    let row = |(name, uses): &(&str, &[&str])| {
        ((*name).to_owned(), uses.iter().map(|used| (*used).to_owned()).collect())
    };
    let table: BTreeMap<String, BTreeSet<String>> = USES.iter().map(row).collect();
    assert_eq!(used, table);
}

#[test]
fn no_protocol_crate_names_a_service_crate_or_a_database() {
    for package in metadata().workspace_packages().iter().filter(|p| p.name.starts_with("wa-")) {
        for dependency in &package.dependencies {
            let refused = NOT_FOR_PROTOCOL.contains(&dependency.name.as_str());
            assert!(!refused, "{} must not name {}", package.name, dependency.name);
        }
    }
}

#[test]
fn below_the_client_there_is_no_runtime_no_clock_and_no_global_rng() {
    let metadata = metadata();
    for package in metadata.workspace_packages().iter().filter(|p| SANS_IO.contains(&p.name.as_str())) {
        for used in normal_dependencies(package) {
            assert!(!NOT_FOR_SANS_IO.contains(&used), "{} must not use {used}", package.name);
        }
    }
}

#[test]
fn the_simulator_never_uses_the_client_not_even_in_its_tests() {
    let metadata = metadata();
    let simulator =
        metadata.workspace_packages().into_iter().find(|p| p.name == "wa-simulator").expect("wa-simulator");
    assert!(simulator.dependencies.iter().all(|d| d.name != "wa-client"));
}

#[test]
fn protocol_crates_name_rustcrypto_and_service_crates_ring() {
    for package in metadata().workspace_packages() {
        let is_protocol = package.name.starts_with("wa-");
        for used in normal_dependencies(package) {
            let refused = if is_protocol { used == "ring" } else { RUSTCRYPTO.contains(&used) };
            assert!(!refused, "{} must not name {used}", package.name);
        }
    }
}

#[test]
fn no_tls_but_rustls_with_ring() {
    let lock = include_str!("../../Cargo.lock");
    for refused in ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys"] {
        assert!(!lock.contains(&format!("name = \"{refused}\"\n")), "{refused} is in the dependency graph");
    }
}

fn normal_dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal).map(|d| d.name.as_str())
}

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    command.other_options(vec!["--locked".to_owned(), "--offline".to_owned()]);
    command.no_deps().exec().expect("cargo metadata")
}
