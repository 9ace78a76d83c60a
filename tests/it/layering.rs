//! Who may use whom. The table is the design; `cargo metadata` is what was built.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Crate, then the workspace crates that it uses outside its tests: exactly these.
const USES: &[(&str, &[&str])] = &[
    ("wa-crypto", &[]),
    ("wa-binary", &[]),
    ("wa-protobuf", &[]),
    ("wa-noise", &["wa-crypto", "wa-protobuf"]),
    ("wa-signal", &["wa-crypto"]),
    ("wa-media", &["wa-binary", "wa-crypto", "wa-protobuf"]),
    ("wa-appstate", &["wa-crypto", "wa-protobuf"]),
    ("wa-history", &["wa-protobuf"]),
    ("wa-store", &["wa-binary"]),
    ("wa-import", &["wa-binary", "wa-crypto", "wa-protobuf", "wa-signal", "wa-store"]),
    (
        "wa-client",
        &[
            "wa-appstate",
            "wa-binary",
            "wa-crypto",
            "wa-history",
            "wa-media",
            "wa-noise",
            "wa-protobuf",
            "wa-signal",
            "wa-store",
        ],
    ),
    ("wa-simulator", &["wa-binary", "wa-crypto", "wa-noise", "wa-protobuf", "wa-signal"]),
    ("storage", &[]),
    ("storage-sql", &["storage", "wa-store"]),
    ("storage-postgres", &["storage", "storage-sql", "wa-store"]),
    ("storage-sqlite", &["storage", "storage-sql", "wa-binary", "wa-import", "wa-store"]),
    ("outbound", &[]),
    ("voice", &[]),
    ("bucket", &["outbound"]),
    ("webhook", &["outbound", "storage"]),
    (
        "services",
        &["bucket", "outbound", "storage", "voice", "wa-binary", "wa-client", "wa-import", "webhook"],
    ),
    // The binary wires everything, and names no codec but that of other gateways' stores.
    (
        "trunkline",
        &[
            "bucket",
            "outbound",
            "services",
            "storage",
            "storage-postgres",
            "storage-sql",
            "storage-sqlite",
            "wa-client",
            "wa-import",
            "wa-simulator",
            "webhook",
        ],
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
    "storage-sql",
    "storage-postgres",
    "storage-sqlite",
    "outbound",
    "services",
    "webhook",
];

/// The crates below `wa-client` do no IO and take time and randomness as arguments.
const SANS_IO: &[&str] = &[
    "wa-crypto",
    "wa-binary",
    "wa-protobuf",
    "wa-noise",
    "wa-signal",
    "wa-media",
    "wa-appstate",
    "wa-history",
    "wa-import",
];
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
fn no_crate_is_there_that_is_banned() {
    let there = locked();
    let banned = denied("deny");
    assert!(["openssl", "native-tls", "aws-lc-rs", "rsa"].iter().all(|name| banned.contains_key(*name)));
    for refused in banned.keys() {
        assert!(!there.contains_key(refused), "{refused} is in the dependency graph");
    }
    assert_eq!(there["rustls"].len(), 1);
}

/// Each further version is listed, with the reason; and nothing is listed that has gone.
#[test]
fn what_is_there_in_several_versions_is_known() {
    let known = denied("skip");
    let there = locked();
    for (name, versions) in there.iter().filter(|(_, versions)| versions.len() > 1) {
        let listed = known.get(name).into_iter().flatten().map(|version| format!("{version}."));
        let listed: Vec<_> = listed.collect();
        let left = versions.iter().filter(|version| !listed.iter().any(|known| version.starts_with(known)));
        assert_eq!(left.count(), 1, "{name} {versions:?}");
    }
    for name in known.keys() {
        assert!(
            there.get(name).is_some_and(|versions| versions.len() > 1),
            "{name} is there once: strike it"
        );
    }
}

/// Everything in the dependency graph, with its versions.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in include_str!("../../Cargo.lock").split("[[package]]").skip(1) {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key));
            line.expect("every package has it").trim_matches('"').to_owned()
        };
        all.entry(value("name = ")).or_default().insert(value("version = "));
    }
    all
}

/// The crates in a list of `.deny.toml`, each with the versions that are meant, if some are.
fn denied(list: &str) -> BTreeMap<String, Vec<String>> {
    let text = include_str!("../../.deny.toml");
    let (_, list) = text.split_once(&format!("\n{list} = [")).expect("the list");
    let (list, _) = list.split_once("\n]").expect("its end");
    let crates = list.lines().filter_map(|line| line.split_once("crate = \"")?.1.split('"').next());
    let mut denied: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, version) in crates.map(|name| name.split_once('@').unwrap_or((name, ""))) {
        denied.entry(name.to_owned()).or_default().push(version.to_owned());
    }
    denied
}

/// The runtime's blocking threads are one pool for the whole process: whatever waits on them for somebody outside would
/// hold up all the rest. What uses them computes for a moment, reads and writes our own files, or runs at the start.
const BLOCKING: &[&str] = &[
    "bins/gateway/src/backend.rs",
    "crates/services/src/auth/password.rs",
    "crates/services/src/media/content.rs",
    "crates/services/src/media/fetcher.rs",
    "crates/services/src/media/objects.rs",
    "crates/services/src/media/preview.rs",
    "crates/services/src/media/remote.rs",
    "crates/services/src/media/spool.rs",
    "crates/services/src/media/voice_note.rs",
    "crates/wa-client/src/computing.rs",
    "crates/wa-client/src/media/partial.rs",
    "crates/wa-client/src/media/source.rs",
    "crates/wa-simulator/src/pairing/code.rs",
];

#[test]
fn nothing_waits_on_the_runtimes_blocking_threads() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut waiting = vec![root.join("crates"), root.join("bins")];
    let mut read = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let is_source = name.ends_with(".rs") && name.contains("/src/") && !name.ends_with("readers.rs");
        if !is_source || BLOCKING.contains(&name.as_str()) {
            continue;
        }
        read += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        for blocks in ["spawn_blocking(", "lookup_host(", "tokio::fs", "to_socket_addrs("] {
            assert!(!text.contains(blocks), "{name} uses {blocks}");
        }
    }
    assert!(read > 300, "{read} files were read");
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
