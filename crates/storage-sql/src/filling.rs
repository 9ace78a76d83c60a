use storage::{Budget, Cursor, Page, Slice};

/// A page while it is filled row by row: it ends at its limit, or at the size of a page, whichever comes first.
#[derive(Debug)]
pub struct Filling<T> {
    items: Vec<T>,
    most: u64,
    budget: Budget,
    /// The place of the last item.
    last: Option<Cursor>,
}

impl<T> Filling<T> {
    /// An empty page of at most so many items.
    pub fn of(most: u64) -> Self {
        Self { items: Vec::new(), most, budget: Budget::default(), last: None }
    }

    /// Whether what follows belongs to the next page.
    pub fn is_full(&self) -> bool {
        self.items.len() as u64 >= self.most || !self.budget.has_room()
    }

    /// Takes the item at a place, which counts so many bytes.
    pub fn take(&mut self, item: T, bytes: usize, place: Cursor) {
        self.budget.take(bytes);
        self.last = Some(place);
        self.items.push(item);
    }

    /// The page, when it was full before the rows ended.
    pub fn cut(self, total: u64) -> Page<T> {
        Page { items: self.items, total, has_more: true, next: self.last }
    }

    /// The page, when the rows have ended.
    pub fn whole(self, total: u64) -> Page<T> {
        Page { items: self.items, total, has_more: false, next: None }
    }

    /// What was found up to a place behind which nobody has looked, if there is one: else all there is. Without one the next
    /// question begins behind the last item.
    pub fn slice(self, looked_up_to: Option<Cursor>) -> Slice<T> {
        Slice { items: self.items, has_more: looked_up_to.is_some(), next: looked_up_to.or(self.last) }
    }

    /// What was found when it was full.
    pub fn cut_slice(self) -> Slice<T> {
        Slice { items: self.items, has_more: true, next: self.last }
    }
}

#[cfg(test)]
mod tests {
    use storage::PAGE_BYTES;

    use super::*;

    fn at(minor: i64) -> Cursor {
        Cursor { major: 0, minor }
    }

    #[test]
    fn a_page_is_full_at_its_limit_or_at_its_size() {
        let mut few = Filling::of(2);
        few.take("a", 1, at(1));
        assert!(!few.is_full());
        few.take("b", 1, at(2));
        assert!(few.is_full());
        assert_eq!(few.cut(3), Page { items: vec!["a", "b"], total: 3, has_more: true, next: Some(at(2)) });
        let mut large = Filling::of(2);
        large.take("a", PAGE_BYTES, at(1));
        assert!(large.is_full());
        assert_eq!(large.whole(1).next, None);
        assert!(Filling::<()>::of(0).is_full());
    }

    #[test]
    fn a_slice_goes_on_where_nobody_has_looked() {
        let filled = || {
            let mut filling = Filling::of(2);
            filling.take("a", 1, at(5));
            filling
        };
        assert_eq!(filled().slice(None), Slice { items: vec!["a"], has_more: false, next: Some(at(5)) });
        assert_eq!(
            filled().slice(Some(at(3))),
            Slice { items: vec!["a"], has_more: true, next: Some(at(3)) }
        );
        assert_eq!(filled().cut_slice(), Slice { items: vec!["a"], has_more: true, next: Some(at(5)) });
    }
}
