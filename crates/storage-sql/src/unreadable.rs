//! Tells the log of rows that can't be read: each once while the process runs, by what identifies it and never by its
//! content.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use parking_lot::Mutex;
use storage::InstanceId;

use crate::fault::Fault;

/// Rows that are remembered as told of; when there are more, all are told of again.
const MOST: usize = 10_000;

static TOLD: LazyLock<Mutex<Told>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Told {
    by: RandomState,
    rows: HashSet<u64>,
}

/// A row of a table could not be read, or a part of it.
pub fn tell(table: &'static str, instance: InstanceId, row: &dyn Display, error: &Fault) {
    if TOLD.lock().is_news(table, instance, &row.to_string()) {
        tracing::error!(table, %instance, %row, %error, "a stored row is unreadable, and is told as such");
    }
}

impl Told {
    fn is_news(&mut self, table: &'static str, instance: InstanceId, row: &str) -> bool {
        if self.rows.len() >= MOST {
            self.rows.clear();
        }
        self.rows.insert(self.by.hash_one((table, instance, row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_news_once() {
        let (mut told, instance) = (Told::default(), InstanceId::generate());
        assert!(told.is_news("events", instance, "1"));
        assert!(!told.is_news("events", instance, "1"));
        assert!(told.is_news("events", instance, "2"));
        assert!(told.is_news("messages", instance, "1"));
        assert!(told.is_news("events", InstanceId::generate(), "1"));
    }
}
