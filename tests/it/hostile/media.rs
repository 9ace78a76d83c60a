//! Files, and what is said of them: everything of a message's file that a peer or the media host chooses.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use wa_binary::{Node, decode, encode, unpack};
use wa_media::file::{OpusScan, dimensions, document_name, is_animated, mime_type};
use wa_media::{
    Decryptor, DirectPath, Encryptor, Expected, MediaConn, MediaKey, MediaKind, ReuploadAnswer, url,
};

use super::{cases, garbage, mutated, rng};

#[test]
fn files_are_recognised_or_not_without_panicking() {
    let mut rng = rng("files");
    let files = files();
    for case in 0..cases(3) {
        let file = match case % 4 {
            0 => garbage(&mut rng),
            _ => mutated(&mut rng, &files[case % files.len()]),
        };
        let name = String::from_utf8_lossy(&garbage(&mut rng)).into_owned();
        let mime = mime_type(&file, Some(&name), Some(&name));
        assert!(document_name(Some(&name), &mime).len() <= 255);
        let _ = (dimensions(&file), is_animated(&file));
        let mut scan = OpusScan::default();
        file.chunks(rng.random_range(1..=64)).for_each(|piece| scan.update(piece));
        let _ = scan.finish();
    }
}

#[test]
fn a_damaged_blob_is_never_verified() {
    let mut rng = rng("blobs");
    let key = MediaKey::generate(&mut rng);
    for _ in 0..cases(2) {
        let (blob, expected) = blob(&mut rng, &key);
        let damaged = mutated(&mut rng, &blob);
        let mut decryptor = Decryptor::new(&key, MediaKind::Video, expected);
        let is_taken = damaged.chunks(rng.random_range(1..=64)).all(|piece| decryptor.update(piece).is_ok());
        assert_eq!(is_taken && decryptor.finish().is_ok(), damaged == blob);
    }
}

#[test]
fn what_is_said_of_files_is_read_or_refused_without_panicking() {
    let mut rng = rng("addresses of files");
    let stanzas: Vec<_> = stanzas().iter().map(|node| encode(node).expect("encodes")).collect();
    let path = b"/v/t62.7118-24/1_2_n.enc?ccb=11-4&oh=01_Q5&oe=67FF2A10&_nc_sid=5e03e0";
    for case in 0..cases(3) {
        if let Ok(path) = String::from_utf8_lossy(&mutated(&mut rng, path)).parse::<DirectPath>() {
            let address = url::download("host", &path, MediaKind::Image, &[0; 32]);
            assert!(address.starts_with("https://host/") && !address.starts_with("https://host//"));
            let _ = path.expires_at();
        }
        let frame = mutated(&mut rng, &stanzas[case % stanzas.len()]);
        let Ok(data) = unpack(&frame) else { continue };
        let Ok(node) = decode(&data) else { continue };
        if let Ok(conn) = MediaConn::parse(&node, 0) {
            assert!(!conn.in_order().is_empty());
        }
        if let Ok(ReuploadAnswer::Sealed(answer)) = ReuploadAnswer::parse(&node) {
            assert!(answer.open(&MediaKey::new([7; 32])).is_err());
        }
    }
}

/// Files that other programs made.
fn files() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/wa-media/testdata/files");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

fn blob(rng: &mut ChaCha8Rng, key: &MediaKey) -> (Vec<u8>, Expected) {
    let mut blob = Vec::new();
    let mut encryptor = Encryptor::new(key, MediaKind::Video);
    encryptor.update(&garbage(rng), &mut blob);
    let encrypted = encryptor.finish(&mut blob);
    let expected = Expected {
        file_sha256: encrypted.file_sha256,
        file_enc_sha256: encrypted.file_enc_sha256,
        length: None,
        limit: 100_000,
    };
    (blob, expected)
}

fn stanzas() -> [Node<'static>; 3] {
    let host = |name: &'static str| Node::new("host").attr("hostname", name).attr("type", "primary");
    let conn = Node::new("media_conn").attr("auth", "a").attr("ttl", "300").attr("auth_ttl", "21600");
    let conn = conn.with_children([host("mmg.whatsapp.net"), host("127.0.0.1:8443")]);
    let notification = || Node::new("notification").attr("id", "3EB0").attr("type", "mediaretry");
    let encrypt = Node::new("encrypt")
        .child(Node::new("enc_p").with_bytes(vec![7; 60]))
        .child(Node::new("enc_iv").with_bytes(vec![7; 12]));
    [
        Node::new("iq").attr("type", "result").child(conn),
        notification().child(encrypt),
        notification().child(Node::new("error").attr("code", "2")),
    ]
}
