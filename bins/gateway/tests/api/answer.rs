use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// What the gateway answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| panic!("{status}: not JSON: {text}")),
        };
        Self { status, headers, body }
    }

    /// The body of an answer with this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// Checks status, code and the shape that every error has.
    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{}", self.body);
        let outer = self.body.as_object().expect("an object");
        assert_eq!(outer.keys().collect::<Vec<_>>(), ["error"]);
        let error = outer["error"].as_object().expect("an object");
        assert_eq!(error["code"], code, "{}", self.body);
        assert!(error["message"].as_str().is_some_and(|message| message.ends_with('.')), "{}", self.body);
        let known = ["code", "message", "field", "cause", "retryAfter", "retryAt", "exceededLimits", "usage"];
        assert!(error.keys().all(|key| known.contains(&key.as_str())), "{}", self.body);
        self
    }

    /// Checks which field the error names.
    #[track_caller]
    pub fn about(&self, field: &str) -> &Self {
        assert_eq!(self.body["error"]["field"], field, "{}", self.body);
        self
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} header"));
        value.to_str().expect("text")
    }
}

/// The names in a JSON object, sorted.
#[track_caller]
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Checks that a text is ISO 8601, UTC, with milliseconds.
#[track_caller]
pub fn assert_time(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("not a time: {value}"));
    let time: storage::Timestamp = text.parse().expect("ISO 8601");
    assert_eq!(time.to_string(), text);
}
