//! Bodies that are the same for everybody, handed over a slice at a time: a reader that stalls costs a slice, whatever the
//! length.

use std::convert::Infallible;

use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use futures_util::stream;

/// Bytes that are handed over at once.
const SLICE: usize = 32 << 10;

/// This content as a body.
pub(crate) fn sliced(content: Bytes) -> SizedStream<stream::Iter<Slices>> {
    SizedStream::new(content.len() as u64, stream::iter(Slices(content)))
}

/// What is left of a content.
pub(crate) struct Slices(Bytes);

impl Iterator for Slices {
    type Item = Result<Bytes, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = self.0.len().min(SLICE);
        (length > 0).then(|| Ok(self.0.split_to(length)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodySize, MessageBody as _, to_bytes};

    use super::*;

    #[actix_web::test]
    async fn it_is_whole_and_no_slice_is_long() {
        for length in [0, 1, SLICE, 3 * SLICE + 1] {
            let content: Bytes = (0..length).map(|n| (n % 251) as u8).collect();
            let slices: Vec<_> = Slices(content.clone()).map(|slice| slice.unwrap_or_default()).collect();
            assert!(slices.iter().all(|slice| (1..=SLICE).contains(&slice.len())), "{length}");
            let body = sliced(content.clone());
            assert_eq!(body.size(), BodySize::Sized(length as u64));
            assert_eq!(to_bytes(body).await.unwrap(), content);
        }
    }
}
