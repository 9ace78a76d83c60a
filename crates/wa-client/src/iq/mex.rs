//! Questions in JSON, each under the number that WhatsApp Web has for it (PROTOCOL.md 24).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wa_binary::Node;

use super::get;
use crate::request::RequestError;

/// What an error says of itself that has no code.
const UNTOLD: u32 = 500;

/// Asks with these variables.
pub(crate) fn ask(id: &'static str, variables: &impl Serialize) -> Node<'static> {
    let body = serde_json::json!({ "variables": variables }).to_string();
    get("w:mex").child(Node::new("query").attr("query_id", id).with_bytes(body.into_bytes()))
}

/// The data of an answer: of several answers, what `T` names.
pub(crate) fn read<T: DeserializeOwned>(answer: &Node<'_>) -> Result<T, RequestError> {
    let bytes = answer.require_child("result")?.require_bytes()?;
    of_json(&bytes)
}

fn of_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, RequestError> {
    let malformed = || RequestError::Malformed("the answer is not what was asked for".into());
    let answer: Answer<T> = serde_json::from_slice(json).map_err(|_| malformed())?;
    if let Some(error) = answer.errors.into_iter().flatten().next() {
        let code = error.extensions.and_then(|extensions| extensions.error_code).unwrap_or(UNTOLD);
        return Err(RequestError::Refused { code, text: error.message.unwrap_or_default() });
    }
    answer.data.ok_or_else(malformed)
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Answer<T> {
    #[serde(default = "none")]
    data: Option<T>,
    errors: Option<Vec<Problem>>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
struct Problem {
    message: Option<String>,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    error_code: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Said {
        word: String,
    }

    #[test]
    fn an_answer_is_data_or_an_error() {
        let read = |json: &str| of_json::<Said>(json.as_bytes());
        assert_eq!(read(r#"{"data":{"word":"yes","other":1}}"#), Ok(Said { word: "yes".into() }));
        let refused = read(r#"{"data":null,"errors":[{"message":"no","extensions":{"error_code":404}}]}"#);
        assert_eq!(refused, Err(RequestError::Refused { code: 404, text: "no".into() }));
        let refused = read(r#"{"errors":[{}]}"#);
        assert_eq!(refused, Err(RequestError::Refused { code: UNTOLD, text: String::new() }));
        for json in ["", "[]", "{}", r#"{"data":{}}"#, r#"{"data":null}"#] {
            assert!(matches!(read(json), Err(RequestError::Malformed(_))), "{json}");
        }
        let asked = ask("17", &serde_json::json!({"a": 1}));
        let body = asked.get_child("query").and_then(Node::bytes).map(std::borrow::Cow::into_owned);
        assert_eq!(body.as_deref(), Some(&br#"{"variables":{"a":1}}"#[..]));
    }
}
