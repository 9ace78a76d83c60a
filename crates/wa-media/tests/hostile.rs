//! Hostile bytes: everything that reads what others chose ends in a value or an error, and in few steps.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use proptest::{collection::vec, prelude::*, sample::Index};
use wa_binary::Node;
use wa_media::{
    DirectPath, Expected, MediaConn, MediaKey, MediaKind, ReuploadAnswer, decrypt,
    file::{OpusScan, content_type, dimensions, document_name, is_animated, mime_type},
    url,
};

fn files() -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/files"));
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Beginnings that lead into every reader, and what follows them.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let starts: Vec<&[u8]> = vec![
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"RIFF\0\0\0\0WEBPVP8X",
        b"OggS\0\x02",
        b"PK\x03\x04",
        b"\0\0\0\x20ftyp",
        b"\x1a\x45\xdf\xa3",
    ];
    (prop::sample::select(starts), vec(any::<u8>(), 0..600)).prop_map(|(start, rest)| [start, &rest].concat())
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<Index>(), any::<u8>());
    (prop::sample::select(files()), vec(change, 1..6), any::<Index>()).prop_map(|(mut file, changes, cut)| {
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        file.truncate(cut.index(file.len() + 1));
        file
    })
}

fn read_all(file: &[u8], sizes: usize) {
    if let Some(mime) = content_type(file) {
        assert!(mime.contains('/'));
        assert_eq!(mime_type(file, None, Some("a/b")), mime);
    }
    if let Some(size) = dimensions(file) {
        assert!(size.width > 0 && size.height > 0);
    }
    let _ = is_animated(file);
    let mut scan = OpusScan::default();
    file.chunks(sizes).for_each(|piece| scan.update(piece));
    let mut whole = OpusScan::default();
    whole.update(file);
    assert_eq!(scan.finish(), whole.finish());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn files_of_any_bytes_are_read(file in prop_oneof![likely(), damaged()], sizes in 1_usize..50) {
        read_all(&file, sizes);
    }

    #[test]
    fn names_and_types_of_any_text_are_taken(name in any::<String>(), said in any::<String>()) {
        let mime = mime_type(b"", Some(&name), Some(&said));
        prop_assert!(mime.contains('/') && !mime.contains(char::is_control));
        let name = document_name(Some(&name), &said);
        prop_assert!(!name.is_empty() && name.len() <= 255);
        prop_assert!(!name.contains(['/', '\\']) && !name.contains(char::is_control));
    }

    #[test]
    fn a_path_stays_on_its_host(text in prop_oneof![any::<String>(), "[/a-z?=&%@:#.\\\\]{0,30}", "/[a-z?=&%@:#.]{0,30}"]) {
        if let Ok(path) = text.parse::<DirectPath>() {
            let address = url::download("host.example", &path, MediaKind::Image, &[0; 32]);
            let rest = address.strip_prefix("https://host.example/").unwrap();
            prop_assert!(!rest.starts_with('/') && address.matches('?').count() >= 1);
            prop_assert!(address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\'));
            let _ = path.expires_at();
        }
    }

    #[test]
    fn blobs_of_any_bytes_are_refused(blob in vec(any::<u8>(), 0..200), key: [u8; 32]) {
        let expected = Expected {
            file_sha256: [0; 32],
            file_enc_sha256: wa_crypto::mac::sha256(&[&blob]),
            length: None,
            limit: u64::MAX,
        };
        prop_assert!(decrypt(&MediaKey::new(key), MediaKind::Document, expected, &blob).is_err());
    }

    #[test]
    fn stanzas_of_any_values_are_read(
        texts: [String; 6],
        sealed in vec(any::<u8>(), 0..60),
        iv in vec(any::<u8>(), 11..14),
    ) {
        let [auth, ttl, hostname, class, id, code] = texts;
        let host = Node::new("host").attr("hostname", hostname).attr("type", class);
        let conn = Node::new("media_conn").attr("auth", auth).attr("ttl", ttl).child(host);
        let _ = MediaConn::parse(&Node::new("iq").child(conn), 0).map(|conn| conn.in_order().len());

        let notification = Node::new("notification").attr("id", id);
        let error = Node::new("error").attr("code", code);
        let _ = ReuploadAnswer::parse(&notification.clone().child(error));
        let encrypt = Node::new("encrypt")
            .child(Node::new("enc_p").with_bytes(sealed))
            .child(Node::new("enc_iv").with_bytes(iv));
        if let Ok(ReuploadAnswer::Sealed(answer)) = ReuploadAnswer::parse(&notification.child(encrypt)) {
            prop_assert!(answer.open(&MediaKey::new([7; 32])).is_err());
        }
    }
}
