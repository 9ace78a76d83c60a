use bytes::Bytes;

use super::{Backend, key, puts, scanned, text};
use crate::{Batch, Key, Kind};

/// Records come back in the order asked, also when a key is asked twice or was never stored.
pub async fn records_come_back_in_the_order_asked(backend: impl Backend) {
    let records = backend.companion(1).await;
    records.apply(puts(Kind::SESSION, &[("a", "of a"), ("b", "of b")])).await.unwrap();
    let asked = [key("b"), key("c"), key("a"), key("b")];
    let (of_a, of_b) = (Some(Bytes::from_static(b"of a")), Some(Bytes::from_static(b"of b")));
    let found = records.get(Kind::SESSION, &asked).await.unwrap();
    assert_eq!(found, [of_b.clone(), None, of_a, of_b]);
    assert_eq!(records.get(Kind::IDENTITY, &asked).await.unwrap(), [None, None, None, None]);
    assert!(records.get(Kind::SESSION, &[]).await.unwrap().is_empty());
    let many: Vec<_> = (0..1_000).map(|n| key(&n.to_string())).collect();
    assert_eq!(records.get(Kind::SESSION, &many).await.unwrap(), vec![None; 1_000]);
}

/// A scan is ascending, begins with the start of its range, ends before its end, and stops at the limit.
pub async fn scans_are_ordered_and_bounded(backend: impl Backend) {
    let records = backend.companion(1).await;
    // Upper case sorts before lower case and punctuation between: bytes, no language's alphabet.
    let stored =
        [("b", ""), ("a_1", ""), ("a", ""), ("B", ""), ("a/1", ""), ("a.1", ""), ("10", ""), ("9", "")];
    records.apply(puts(Kind::SESSION, &stored)).await.unwrap();
    records.apply(puts(Kind::IDENTITY, &[("aa", "")])).await.unwrap();
    let scan = |range, limit| scanned(&*records, Kind::SESSION, range, limit);
    let all = ["10", "9", "B", "a", "a%2f1", "a.1", "a_1", "b"];
    assert_eq!(scan(Key::FIRST..Key::END, usize::MAX).await, all);
    assert_eq!(scan(Key::FIRST..Key::END, 3).await, all[..3]);
    assert_eq!(scan(Key::FIRST..Key::END, 0).await, [""; 0]);
    assert_eq!(scan(key("9")..key("a.1"), 99).await, ["9", "B", "a", "a%2f1"]);
    assert_eq!(scan(key("90")..key("Z"), 99).await, ["B"]);
    assert_eq!(scan(key("a")..key("a"), 99).await, [""; 0]);
    let reversed = key("b")..key("a");
    assert_eq!(scan(reversed, 99).await, [""; 0]);
    let (_, value) = records.scan(Kind::IDENTITY, Key::FIRST..Key::END, 1).await.unwrap().remove(0);
    assert!(value.is_empty());
}

/// Records are counted by kind.
pub async fn records_are_counted_by_kind(backend: impl Backend) {
    let records = backend.companion(1).await;
    assert_eq!(records.count(Kind::PREKEY).await.unwrap(), 0);
    records.apply(puts(Kind::PREKEY, &[("1", ""), ("2", ""), ("1", "again")])).await.unwrap();
    records.apply(puts(Kind::SESSION, &[("1", "")])).await.unwrap();
    assert_eq!(records.count(Kind::PREKEY).await.unwrap(), 2);
    let mut batch = Batch::new();
    batch.delete(Kind::PREKEY, key("1"));
    records.apply(batch).await.unwrap();
    assert_eq!(records.count(Kind::PREKEY).await.unwrap(), 1);
    assert_eq!(records.count(Kind::SESSION).await.unwrap(), 1);
}

/// Keys are told apart by every byte: case, spaces at the end, the empty key. Kinds of later versions are kept too.
pub async fn keys_of_any_text_are_told_apart(backend: impl Backend) {
    let records = backend.companion(1).await;
    let stored = [
        ("", "0"),
        (" ", "1"),
        ("a", "2"),
        ("A", "3"),
        ("a ", "4"),
        ("é\0", "5"),
        ("%", "6"),
        ("'\"\\", "7"),
    ];
    let later = Kind::from_number(u8::MAX);
    records.apply(puts(later, &stored)).await.unwrap();
    for (name, value) in stored {
        assert_eq!(text(&*records, later, name).await.as_deref(), Some(value), "{name:?}");
    }
    assert_eq!(records.count(later).await.unwrap(), stored.len() as u64);
    let long = "1203".repeat(60);
    records.apply(puts(later, &[(&long, "long")])).await.unwrap();
    assert_eq!(text(&*records, later, &long).await.as_deref(), Some("long"));
}

/// Values of any size and content come back unchanged: none at all, and a session with many skipped keys.
pub async fn values_of_any_size_come_back(backend: impl Backend) {
    let records = backend.companion(1).await;
    let large: Bytes = (0..300_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let mut batch = Batch::new();
    batch.put(Kind::SESSION, key("empty"), Bytes::new());
    batch.put(Kind::SESSION, key("large"), large.clone());
    records.apply(batch).await.unwrap();
    let found = records.get(Kind::SESSION, &[key("empty"), key("large")]).await.unwrap();
    assert_eq!(found, [Some(Bytes::new()), Some(large)]);
}
