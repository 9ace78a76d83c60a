//! What a file costs each way.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wa_media::{Decryptor, Encryptor, Expected, MediaKey, MediaKind};

const FILE: usize = 16 * 1024 * 1024;
/// What a reader of a socket or a file hands over at once.
const PIECE: usize = 64 * 1024;

fn encrypt(kind: MediaKind, file: &[u8], mut sink: impl FnMut(&[u8])) -> Expected {
    let mut encryptor = Encryptor::new(&MediaKey::new([7; 32]), kind);
    let mut blob = Vec::with_capacity(PIECE + 64);
    for piece in file.chunks(PIECE) {
        blob.clear();
        encryptor.update(piece, &mut blob);
        sink(&blob);
    }
    blob.clear();
    let encrypted = encryptor.finish(&mut blob);
    sink(&blob);
    Expected {
        file_sha256: encrypted.file_sha256,
        file_enc_sha256: encrypted.file_enc_sha256,
        length: Some(encrypted.file_length),
        limit: u64::MAX,
    }
}

fn files(c: &mut Criterion) {
    let file = vec![0x5a; FILE];
    let mut group = c.benchmark_group("file");
    group.throughput(Throughput::Bytes(FILE as u64)).sample_size(20);
    group.bench_function("encrypt", |b| {
        b.iter(|| {
            encrypt(MediaKind::Document, &file, |blob| {
                black_box(blob);
            })
        });
    });
    group.bench_function("encrypt, with sidecar", |b| {
        b.iter(|| {
            encrypt(MediaKind::Video, &file, |blob| {
                black_box(blob);
            })
        });
    });
    let mut blob = Vec::new();
    let expected = encrypt(MediaKind::Document, &file, |piece| blob.extend_from_slice(piece));
    group.bench_function("decrypt and verify", |b| {
        b.iter(|| {
            let mut decryptor = Decryptor::new(&MediaKey::new([7; 32]), MediaKind::Document, expected);
            for piece in blob.chunks(PIECE) {
                black_box(decryptor.update(piece).unwrap().for_temporary_file());
            }
            decryptor.finish().unwrap().length()
        });
    });
    group.bench_function("replay what was there", |b| {
        b.iter(|| {
            let mut replay = Decryptor::resume(&MediaKey::new([7; 32]), MediaKind::Document, expected);
            file.chunks(PIECE).for_each(|piece| replay.update(piece));
            replay.finish().offset()
        });
    });
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
