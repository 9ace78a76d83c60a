/// One page of a longer list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of this page, in the order of the query.
    pub items: Vec<T>,
    /// How many items there are in all pages together.
    pub total: u64,
}

impl<T> Page<T> {
    /// Whether items follow after this page, which skipped `skip` items.
    pub fn has_more(&self, skip: u64) -> bool {
        skip.saturating_add(self.items.len() as u64) < self.total
    }
}
