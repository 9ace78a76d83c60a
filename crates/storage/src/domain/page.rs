use std::fmt;
use std::str::FromStr;

/// How many bytes of stored content a page holds at most, beside the item that it ends with: whoever asks for a thousand of
/// the largest messages gets as many as fit. A reader that stalls costs no more.
pub const PAGE_BYTES: usize = 1 << 20;

/// One page of a longer list. It ends at its query's limit or at [`PAGE_BYTES`], whichever comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of this page, in the order of the query.
    pub items: Vec<T>,
    /// How many items there are in all pages together, wherever this one begins.
    pub total: u64,
    /// Whether items follow after this page.
    pub has_more: bool,
    /// The place from which the next page goes on, where the list has places and something follows.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with other items.
    pub fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U> {
        let Self { items, total, has_more, next } = self;
        Page { items: items.into_iter().map(item).collect(), total, has_more, next }
    }
}

/// A place in a list, between two items. It stays good whatever is added elsewhere. An opaque text for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by first.
    pub major: i64,
    /// What it is sorted by among equals.
    pub minor: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.major, self.minor)
    }
}

/// No place in any list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a list")]
pub struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number =
            |digits: &str| u64::from_str_radix(digits, 16).map(u64::cast_signed).map_err(|_| InvalidCursor);
        let (major, minor) = text.split_once('-').ok_or(InvalidCursor)?;
        Ok(Self { major: number(major)?, minor: number(minor)? })
    }
}

/// What is left of [`PAGE_BYTES`] while a page is read.
#[derive(Debug)]
pub struct Budget {
    left: Option<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Some(PAGE_BYTES) }
    }
}

impl Budget {
    /// Whether another item fits. One that is too large ends the page, which holds it.
    pub fn has_room(&self) -> bool {
        self.left.is_some()
    }

    /// Takes an item of this size.
    pub fn take(&mut self, bytes: usize) {
        self.left = self.left.and_then(|left| left.checked_sub(bytes)).filter(|left| *left > 0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_ends_with_the_item_that_is_too_much() {
        let mut budget = Budget::default();
        budget.take(PAGE_BYTES - 1);
        assert!(budget.has_room());
        budget.take(2);
        assert!(!budget.has_room());
        budget.take(0);
        assert!(!budget.has_room());
    }

    proptest! {
        #[test]
        fn any_place_is_read_back(major: i64, minor: i64) {
            let cursor = Cursor { major, minor };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = text.parse::<Cursor>();
        }
    }
}
