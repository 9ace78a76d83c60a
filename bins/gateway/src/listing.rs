//! Long lists, written item by item as their reader takes them: a reader that stalls costs the page in memory, and no text
//! of it beside.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use futures_util::stream;
use serde::Serialize;

use crate::answers::{Answers, Share};
use crate::error::ApiError;
use storage::UserId;

/// A body up to this many bytes is written at once; a longer one is a large answer, of which a user has few at a time.
const LARGE: usize = 256 << 10;
/// Bytes that are written ahead of the reader.
const CHUNK: usize = 32 << 10;

/// A JSON object that begins with a list.
pub(crate) struct Listing<I> {
    items: I,
    /// What stands before the next item: the object's beginning, then commas.
    separator: String,
    /// What follows after the last item; taken when it is written.
    end: Option<Vec<u8>>,
}

impl<T: Serialize, I: Iterator<Item = T> + 'static> Listing<I> {
    /// The list under this name, and behind it the fields of `rest`, which has some.
    pub(crate) fn new(name: &str, items: I, rest: &impl Serialize) -> Self {
        let mut end = b"],".to_vec();
        // `{"a":1}` without its first brace.
        end.extend_from_slice(json(rest).get(1..).unwrap_or_default());
        Self { items, separator: format!("{{\"{name}\":["), end: Some(end) }
    }

    /// The answer to this user.
    ///
    /// # Errors
    /// 429 when it is large, and as many large ones are under way to the user as may be.
    pub(crate) fn answer(mut self, answers: &Answers, user: UserId) -> Result<HttpResponse, ApiError> {
        let first = self.written(LARGE);
        let mut response = HttpResponse::Ok();
        response.insert_header(ContentType::json());
        if self.end.is_none() {
            return Ok(response.body(first));
        }
        let share = answers.begin(user)?;
        let chunks = Chunks { first: Some(first), listing: self, _share: share };
        Ok(response.streaming(stream::iter(chunks)))
    }

    /// The next items, as many as make up this many bytes; empty when all is written.
    fn written(&mut self, most: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < most {
            let Some(item) = self.items.next() else {
                if let Some(end) = self.end.take() {
                    // Without any item the list is still to begin.
                    if self.separator != "," {
                        text.extend_from_slice(self.separator.as_bytes());
                    }
                    text.extend_from_slice(&end);
                }
                break;
            };
            text.extend_from_slice(self.separator.as_bytes());
            ",".clone_into(&mut self.separator);
            text.extend_from_slice(&json(&item));
        }
        text
    }
}

/// What is left of a large answer.
struct Chunks<I> {
    first: Option<Vec<u8>>,
    listing: Listing<I>,
    /// Given back when the answer is read, or its reader has gone.
    _share: Share,
}

impl<T: Serialize, I: Iterator<Item = T> + 'static> Iterator for Chunks<I> {
    type Item = Result<Bytes, Infallible>;

    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.first.take().unwrap_or_else(|| self.listing.written(CHUNK));
        (!chunk.is_empty()).then(|| Ok(Bytes::from(chunk)))
    }
}

/// Our own types always have a JSON form.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::body::{BodySize, MessageBody as _, to_bytes};
    use serde_json::{Value, json};

    use super::*;

    async fn body(count: usize, answers: &Answers, user: UserId) -> (BodySize, Value) {
        let items = (0..count).map(|n| format!("{n}:{}", "x".repeat(1_000)));
        let listing = Listing::new("items", items, &json!({"count": count}));
        let body = listing.answer(answers, user).unwrap().into_body();
        let size = body.size();
        (size, serde_json::from_slice(&to_bytes(body).await.unwrap()).unwrap())
    }

    #[actix_web::test]
    async fn it_is_one_object_whatever_its_length() {
        let (answers, user) = (Answers::default(), UserId::generate());
        for count in [0, 1, 2, 300, 3_000] {
            let (size, value) = body(count, &answers, user).await;
            assert_eq!((value["items"].as_array().unwrap().len(), &value["count"]), (count, &json!(count)));
            assert_eq!(matches!(size, BodySize::Stream), count >= 300, "{count}");
        }
    }
}
