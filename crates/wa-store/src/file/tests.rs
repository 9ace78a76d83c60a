use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::conformance::{Backend, random_batch, same_records, sample_device};
use crate::{Changes, MemoryRecords, Store};

crate::conformance_tests!(Folder::start());

/// A file for each companion.
struct Folder {
    folder: TempDir,
    open: Mutex<HashMap<u8, Arc<FileRecords>>>,
}

impl Folder {
    fn start() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), open: Mutex::default() }
    }
}

#[async_trait]
impl Backend for Folder {
    async fn companion(&self, companion: u8) -> Arc<dyn Records> {
        let path = self.folder.path().join(companion.to_string());
        let mut open = self.open.lock();
        let records = open.entry(companion).or_insert_with(|| Arc::new(FileRecords::open(&path).unwrap()));
        Arc::clone(records) as _
    }

    async fn reopen(&mut self) {
        self.open.lock().clear();
    }
}

#[tokio::test]
async fn a_store_comes_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/echo.store");
    let store = Store::file(&path).unwrap();
    assert!(store.device().await.unwrap().is_none());
    store.commit(Changes { device: Some(sample_device()), ..Changes::default() }).await.unwrap();
    drop(store);
    assert_eq!(Store::file(&path).unwrap().device().await.unwrap(), Some(sample_device()));
    #[cfg(unix)]
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
    }
}

#[test]
fn a_file_is_opened_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let first = Store::file(&path).unwrap();
    let clone = first.clone();
    drop(first);
    assert!(matches!(Store::file(&path), Err(FileError::InUse { .. })));
    drop(clone);
    assert!(Store::file(&path).is_ok());
}

#[test]
fn another_programs_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for content in ["", "wastor", "wastore2", "dear diary"] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(Store::file(&path), Err(FileError::Format { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}

#[tokio::test]
async fn a_file_is_rewritten_when_most_of_it_is_out_of_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (records, reference) = (FileRecords::open(&path).unwrap(), MemoryRecords::new());
    let mut longest = 0;
    for round in 0..60u8 {
        let batch = large_batch(round);
        reference.apply(batch.clone()).await.unwrap();
        records.apply(batch).await.unwrap();
        longest = longest.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!((1_000_000..1_600_000).contains(&longest), "{longest} bytes");
    same_records(&records, &reference).await;
    // A crash left a half of a new file.
    drop(records);
    std::fs::write(folder.path().join("store.new"), "wasto").unwrap();
    let records = FileRecords::open(&path).unwrap();
    same_records(&records, &reference).await;
    assert!(!folder.path().join("store.new").exists());
}

#[tokio::test]
async fn a_file_that_cannot_be_rewritten_is_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (records, reference) = (FileRecords::open(&path).unwrap(), MemoryRecords::new());
    std::fs::create_dir(folder.path().join("store.new")).unwrap();
    for round in 0..20u8 {
        let batch = large_batch(round);
        reference.apply(batch.clone()).await.unwrap();
        records.apply(batch).await.unwrap();
    }
    assert!(std::fs::metadata(&path).unwrap().len() > 1_900_000);
    drop(records);
    std::fs::remove_dir(folder.path().join("store.new")).unwrap();
    let records = FileRecords::open(&path).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 200_000, "there is room at last");
    same_records(&records, &reference).await;
}

#[tokio::test]
async fn nothing_is_stored_when_the_new_file_may_not_be_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let records = FileRecords::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let mut answers = Vec::new();
    for round in 0..20u8 {
        answers.push(records.apply(large_batch(round)).await.is_ok());
    }
    assert!(answers[0] && !answers[19] && answers.is_sorted_by(|one, other| one >= other), "{answers:?}");
}

/// A random batch and a value that is replaced in each.
fn large_batch(round: u8) -> Batch {
    let mut batch = random_batch(round.into());
    batch.put(Kind::SESSION, Key::new(["large"]), vec![round; 100_000].into());
    batch
}

#[tokio::test]
async fn nothing_is_stored_after_a_write_that_could_not_be_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let records = FileRecords::open(&path).unwrap();
    records.apply(random_batch(1)).await.unwrap();
    let reference = MemoryRecords::new();
    reference.apply(random_batch(1)).await.unwrap();
    records.log.lock().break_file(&path);
    for seed in [2, 3] {
        let refused = records.apply(random_batch(seed)).await;
        assert!(matches!(refused, Err(StoreError::Backend(_))), "{refused:?}");
    }
    same_records(&records, &reference).await;
    drop(records);
    same_records(&FileRecords::open(&path).unwrap(), &reference).await;
}

/// The file after each of these batches, and how long it was before the first and after each.
fn written(path: &Path, seeds: &[u64]) -> (Vec<u8>, Vec<u64>) {
    let records = FileRecords::open(path).unwrap();
    let length = || std::fs::metadata(path).unwrap().len();
    let mut lengths = vec![length()];
    for seed in seeds {
        records.apply_now(random_batch(*seed)).unwrap();
        lengths.push(length());
    }
    drop(records);
    (std::fs::read(path).unwrap(), lengths)
}

async fn reference(seeds: &[u64]) -> MemoryRecords {
    let reference = MemoryRecords::new();
    for seed in seeds {
        reference.apply(random_batch(*seed)).await.unwrap();
    }
    reference
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Wherever the last write was cut off, with or without zeros behind: all earlier batches are there, and more can
    /// follow.
    #[test]
    fn a_file_cut_at_any_byte_has_the_batches_before(
        seeds in proptest::collection::vec(any::<u64>(), 1..8),
        cut: prop::sample::Index,
        zeros in prop_oneof![Just(0), 1usize..600],
    ) {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            let (mut bytes, lengths) = written(&path, &seeds);
            let first = lengths[0] as usize;
            let cut = first + cut.index(bytes.len() - first + 1);
            bytes.truncate(cut);
            bytes.resize(cut + zeros, 0);
            std::fs::write(&path, bytes).unwrap();
            // Zeros may be what was there before.
            let whole = lengths.iter().rposition(|length| *length <= (cut + zeros) as u64).unwrap();
            let sure = lengths.iter().rposition(|length| *length <= cut as u64).unwrap();
            let records = FileRecords::open(&path).unwrap();
            let length = std::fs::metadata(&path).unwrap().len();
            let kept = lengths.iter().rposition(|known| *known == length).unwrap();
            assert!((sure..=whole).contains(&kept), "{kept} of {sure} to {whole} batches");
            let mut seeds = seeds[..kept].to_vec();
            same_records(&records, &reference(&seeds).await).await;

            records.apply(random_batch(99)).await.unwrap();
            drop(records);
            seeds.push(99);
            same_records(&FileRecords::open(&path).unwrap(), &reference(&seeds).await).await;
        });
    }

    /// A changed byte is never read as something else: it costs the last batch or is refused, and then nothing is
    /// changed.
    #[test]
    fn a_changed_byte_is_noticed(
        seeds in proptest::collection::vec(any::<u64>(), 1..8),
        at: prop::sample::Index,
        flip in 1u8..,
    ) {
        run(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("store");
            let (mut bytes, lengths) = written(&path, &seeds);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            std::fs::write(&path, &bytes).unwrap();
            match FileRecords::open(&path) {
                Ok(records) => {
                    // Empty batches write nothing, so several may end at one place.
                    let last = lengths[lengths.len() - 1];
                    let before = lengths.iter().rposition(|length| *length < last).unwrap();
                    assert!(at as u64 >= lengths[before]);
                    same_records(&records, &reference(&seeds[..before]).await).await;
                }
                Err(FileError::Damaged { at: found, .. }) => {
                    assert!(lengths.contains(&found) && found <= at as u64);
                    assert_eq!(std::fs::read(&path).unwrap(), bytes);
                }
                Err(FileError::Format { .. }) => assert!(at < lengths[0] as usize),
                Err(other) => panic!("{other}"),
            }
        });
    }
}
