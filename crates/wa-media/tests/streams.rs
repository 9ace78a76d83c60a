//! Encryption and decryption: against another implementation's results, in pieces of any size, and damaged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;
use wa_media::{
    DecryptError, Decryptor, Encrypted, Encryptor, Expected, MediaKey, MediaKind, Verified, blob_length,
    decrypt,
};

const KEY: [u8; 32] = [7; 32];

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 167 + (i >> 8) * 13) & 0xff) as u8).collect()
}

/// The pieces of `bytes`, cut to these sizes again and again.
fn pieces<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let (mut rest, mut cut) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        cut.push(piece);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    cut
}

fn encrypt(key: &MediaKey, kind: MediaKind, file: &[u8], sizes: &[usize]) -> (Encrypted, Vec<u8>) {
    let mut encryptor = Encryptor::new(key, kind);
    let mut blob = Vec::new();
    for piece in pieces(file, sizes) {
        encryptor.update(piece, &mut blob);
    }
    (encryptor.finish(&mut blob), blob)
}

fn expected(encrypted: &Encrypted) -> Expected {
    Expected {
        file_sha256: encrypted.file_sha256,
        file_enc_sha256: encrypted.file_enc_sha256,
        length: Some(encrypted.file_length),
        limit: encrypted.file_length,
    }
}

fn read(mut decryptor: Decryptor, blob: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Verified), DecryptError> {
    let mut file = Vec::new();
    for piece in pieces(blob, sizes) {
        file.extend_from_slice(decryptor.update(piece)?.for_temporary_file());
    }
    let verified = decryptor.finish()?;
    file.extend_from_slice(verified.last_bytes());
    Ok((file, verified))
}

fn kind_of(info: &str) -> MediaKind {
    MediaKind::ALL.into_iter().find(|kind| kind.key_info() == info).unwrap()
}

#[test]
fn results_are_those_of_another_implementation() {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/streams.json")).unwrap();
    for vector in vectors.as_array().unwrap() {
        let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
        let key = MediaKey::new(bytes("key").try_into().unwrap());
        let kind = kind_of(vector["info"].as_str().unwrap());
        let length = vector["length"].as_u64().unwrap();
        let file = content(usize::try_from(length).unwrap());
        for sizes in [&[4096][..], &[1, 70_000], &[65_536, 15, 17]] {
            let (encrypted, blob) = encrypt(&key, kind, &file, sizes);
            assert_eq!(Some(blob.len() as u64), vector["blob_length"].as_u64());
            assert_eq!(Some(blob.len() as u64), blob_length(length));
            assert_eq!(encrypted.file_sha256[..], bytes("file_sha256"));
            assert_eq!(encrypted.file_enc_sha256[..], bytes("file_enc_sha256"), "{length}");
            let sidecar = vector["sidecar"].as_str().map(|sidecar| hex::decode(sidecar).unwrap());
            assert_eq!(encrypted.sidecar, sidecar, "{length} {sizes:?}");
            assert_eq!(decrypt(&key, kind, expected(&encrypted), &blob).as_deref(), Ok(&file[..]));
        }
    }
}

#[test]
fn a_blob_is_that_of_whatsmeow() {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/whatsmeow.json")).unwrap();
    let bytes = |name: &str| hex::decode(vectors["image"][name].as_str().unwrap()).unwrap();
    let (_, blob) = encrypt(&MediaKey::new(KEY), MediaKind::Image, &bytes("file"), &[3]);
    assert_eq!(blob, bytes("blob"));
}

#[test]
fn each_fault_has_its_error() {
    let key = MediaKey::new(KEY);
    let (encrypted, blob) = encrypt(&key, MediaKind::Image, b"hello media", &[100]);
    let right = expected(&encrypted);
    let read = |key: &MediaKey, expected, blob: &[u8]| decrypt(key, MediaKind::Image, expected, blob);

    for length in 0..blob.len() {
        let error = read(&key, right, &blob[..length]).unwrap_err();
        assert_eq!(error, DecryptError::Truncated);
        assert!(error.is_of_transfer());
    }
    let longer = [&blob[..], &[0]].concat();
    assert_eq!(read(&key, right, &longer), Err(DecryptError::Oversized { limit: 11 }));
    let roomy = Expected { limit: 1000, ..right };
    assert_eq!(read(&key, roomy, &longer), Err(DecryptError::Truncated));
    assert_eq!(read(&key, roomy, &[&blob[..], &[0; 16]].concat()), Err(DecryptError::BlobHash));
    let tight = Expected { limit: 10, ..right };
    assert_eq!(read(&key, tight, &blob), Err(DecryptError::Oversized { limit: 10 }));
    assert_eq!(read(&MediaKey::new([8; 32]), right, &blob), Err(DecryptError::Mac));
    let other = Expected { file_sha256: [0; 32], ..right };
    assert_eq!(read(&key, other, &blob), Err(DecryptError::FileHash));
    let other = Expected { length: Some(10), ..right };
    assert_eq!(read(&key, other, &blob), Err(DecryptError::Length { announced: 10, actual: 11 }));
    let said = Expected { length: None, ..right };
    assert_eq!(read(&key, said, &blob).as_deref(), Ok(&b"hello media"[..]));
}

/// Only who knows the media key can make such a blob: hashes and MAC are right.
#[test]
fn wrong_padding_is_refused() {
    use wa_crypto::{cbc::EncryptBlocks, kdf, mac};
    let okm: [u8; 112] = kdf::hkdf(&KEY, b"", b"WhatsApp Image Keys");
    let (iv, cipher_key, mac_key) = (&okm[..16], &okm[16..48], &okm[48..80]);
    for end in [&[0_u8][..], &[17], &[16], &[255], &[1, 2], &[4, 3, 3]] {
        let mut blob = vec![0xaa; 32 - end.len()];
        blob.extend_from_slice(end);
        EncryptBlocks::new(cipher_key.try_into().unwrap(), iv.try_into().unwrap())
            .apply(blob.as_chunks_mut().0);
        let tag = mac::hmac_sha256(mac_key, &[iv, &blob]);
        blob.extend_from_slice(&tag[..10]);
        let expected = Expected {
            file_sha256: [0; 32],
            file_enc_sha256: mac::sha256(&[&blob]),
            length: None,
            limit: 1000,
        };
        let error = decrypt(&MediaKey::new(KEY), MediaKind::Image, expected, &blob).unwrap_err();
        assert_eq!(error, DecryptError::Padding, "{end:?}");
        assert!(!error.is_of_transfer());
    }
}

#[test]
fn too_much_is_refused_before_it_is_kept() {
    let key = MediaKey::new(KEY);
    let expected = Expected { file_sha256: [0; 32], file_enc_sha256: [0; 32], length: None, limit: 100 };
    let mut decryptor = Decryptor::new(&key, MediaKind::Video, expected);
    assert!(decryptor.update(&[0; 122]).is_ok());
    for _ in 0..2 {
        assert_eq!(decryptor.update(&[0]).unwrap_err(), DecryptError::Oversized { limit: 100 });
    }
    assert_eq!(blob_length(100), Some(122));
    assert_eq!(blob_length(u64::MAX), None);
}

/// Small pieces between large ones, so that a large file comes in many sorts of pieces and yet in few.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let small = vec(0_usize..40, 0..4);
    (small, 1000_usize..70_000)
        .prop_map(|(mut sizes, large)| {
            sizes.push(large);
            sizes
        })
        .prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn pieces_make_no_difference(length in 0_usize..150_000, one in sizes(), other in sizes()) {
        let key = MediaKey::new(KEY);
        let file = content(length);
        let (encrypted, blob) = encrypt(&key, MediaKind::Video, &file, &one);
        let whole = encrypt(&key, MediaKind::Video, &file, &[length.max(1)]);
        prop_assert_eq!((&encrypted, &blob), (&whole.0, &whole.1));
        let decryptor = Decryptor::new(&key, MediaKind::Video, expected(&encrypted));
        let (read, verified) = read(decryptor, &blob, &other).unwrap();
        prop_assert!(read == file);
        prop_assert_eq!(verified.length(), length as u64);
        prop_assert_eq!(verified.file_sha256(), &encrypted.file_sha256);
    }

    #[test]
    fn a_download_goes_on_where_it_broke_off(length in 0_usize..5000, broke in any::<Index>(), sizes in sizes()) {
        let key = MediaKey::new(KEY);
        let file = content(length);
        let (encrypted, blob) = encrypt(&key, MediaKind::Image, &file, &[4096]);
        let mut first = Decryptor::new(&key, MediaKind::Image, expected(&encrypted));
        let mut there = Vec::new();
        for piece in pieces(&blob[..broke.index(blob.len() + 1)], &sizes) {
            there.extend_from_slice(first.update(piece).unwrap().for_temporary_file());
        }
        // Half of a piece may have been written, too, or even the end.
        there.truncate(broke.index(there.len() + 1));
        if broke.index(7) == 0 {
            there = file.clone();
        }

        let mut replay = Decryptor::resume(&key, MediaKind::Image, expected(&encrypted));
        pieces(&there, &sizes).into_iter().for_each(|piece| replay.update(piece));
        let second = replay.finish();
        let offset = usize::try_from(second.offset()).unwrap();
        prop_assert_eq!(offset, there.len() / 16 * 16);
        there.truncate(offset);
        let (rest, verified) = read(second, &blob[offset..], &sizes).unwrap();
        prop_assert!([there, rest].concat() == file);
        prop_assert_eq!(verified.length(), length as u64);
    }

    #[test]
    fn a_damaged_temporary_file_is_found(length in 16_usize..3000, at in any::<Index>(), flip in 1..=255_u8) {
        let key = MediaKey::new(KEY);
        let (encrypted, blob) = encrypt(&key, MediaKind::Image, &content(length), &[4096]);
        let mut there = content(length / 16 * 16);
        let at = at.index(there.len());
        there[at] ^= flip;
        let mut replay = Decryptor::resume(&key, MediaKind::Image, expected(&encrypted));
        replay.update(&there);
        let decryptor = replay.finish();
        let offset = usize::try_from(decryptor.offset()).unwrap();
        prop_assert_eq!(read(decryptor, &blob[offset..], &[100]).unwrap_err(), DecryptError::BlobHash);
    }

    #[test]
    fn a_changed_byte_is_refused(length in 0_usize..3000, at in any::<Index>(), flip in 1..=255_u8, hashed: bool) {
        let key = MediaKey::new(KEY);
        let (encrypted, mut blob) = encrypt(&key, MediaKind::Audio, &content(length), &[4096]);
        let at = at.index(blob.len());
        blob[at] ^= flip;
        let mut expected = expected(&encrypted);
        if hashed {
            expected.file_enc_sha256 = wa_crypto::mac::sha256(&[&blob]);
        }
        let error = if hashed { DecryptError::Mac } else { DecryptError::BlobHash };
        prop_assert_eq!(decrypt(&key, MediaKind::Audio, expected, &blob), Err(error));
    }
}
