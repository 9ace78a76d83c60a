//! What belongs to one user does not exist for another, and nothing is for nobody: over every operation of the description.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::app::TestApp;
use crate::client::Client;

/// An instance that never was.
const NOBODYS: &str = "0190a0a0-0000-7000-8000-000000000000";

#[tokio::test]
async fn an_instance_of_somebody_else_is_like_one_that_never_was() {
    let app = TestApp::start().await;
    let theirs = app.create("theirs").await;
    let stranger = app.another_user("stranger@example.org").await;
    let (mut tried, mut reached) = (0, 0);
    for operation in operations(&description(&app).await) {
        if !operation.is_about_an_instance() {
            continue;
        }
        let found = operation.call(&stranger, &theirs).await;
        let absent = operation.call(&stranger, NOBODYS).await;
        assert_eq!(found, absent, "{operation:?}");
        // A request that is refused for what it says doesn't get as far as the instance.
        assert!([400, 404, 415].contains(&found.0), "{operation:?}: {}", found.1);
        tried += 1;
        reached += usize::from(found.0 == 404);
    }
    assert!(tried > 100 && reached * 10 > tried * 9, "{reached} of {tried}");
    // The owner finds it as it was.
    app.client().get(&format!("/api/instances/{theirs}")).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn without_a_credential_nothing_is_told_and_nothing_is_done() {
    let app = TestApp::start().await;
    let id = app.create("mine").await;
    for operation in operations(&description(&app).await) {
        if operation.is_open() {
            continue;
        }
        // Dialects tell it in their own words.
        let (status, body) = operation.call(&app.anonymous(), &id).await;
        assert_eq!(status, 401, "{operation:?}: {body}");
    }
    app.client().get(&format!("/api/instances/{id}")).await.expect(200);
    app.stop().await;
}

/// One method of one path.
#[derive(Debug)]
struct Operation {
    method: Method,
    path: String,
    body: Option<Value>,
    query: Vec<(String, String)>,
    open: bool,
}

impl Operation {
    fn is_open(&self) -> bool {
        self.open
    }

    fn is_about_an_instance(&self) -> bool {
        let below = ["/api/instances/{id}", "/api/whatsapp/{id}", "/api/stats/instances/{id}"];
        below.iter().any(|path| self.path.starts_with(path))
    }

    /// Status and body of the answer. The body of the request is one that would be taken.
    async fn call(&self, client: &Client, id: &str) -> (u16, Value) {
        let mut path = self.path.replace("{id}", id);
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, "15550100002");
        }
        for (nth, (name, value)) in self.query.iter().enumerate() {
            path.push_str(&format!("{}{name}={value}", if nth == 0 { '?' } else { '&' }));
        }
        let mut request = client.request(self.method.clone(), &path);
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        let answer = client.send(request).await;
        (answer.status.as_u16(), answer.body)
    }
}

async fn description(app: &TestApp) -> Value {
    app.anonymous().get("/openapi.json").await.expect(200)
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, described) in methods.as_object().expect("methods") {
            let ways = described["security"].as_array();
            let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
            let needed = |parameter: &&Value| parameter["in"] == "query" && parameter["required"] == true;
            let schema = &described["requestBody"]["content"]["application/json"]["schema"];
            found.push(Operation {
                method: method.to_ascii_uppercase().parse().expect("a method"),
                path: path.clone(),
                body: (!schema.is_null()).then(|| sample(document, schema)),
                query: parameters
                    .iter()
                    .filter(needed)
                    .map(|it| {
                        let name = it["name"].as_str().unwrap_or_default();
                        let value = sample(document, &it["schema"]);
                        (name.to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    })
                    .collect(),
                open: ways.is_some_and(|ways| ways.contains(&json!({}))),
            });
        }
    }
    found
}

/// A value of the schema that a service would take: its example, or its required fields.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return sample(document, document.pointer(pointer).expect("a schema"));
    }
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    if let Some(first) =
        schema["oneOf"].as_array().and_then(|choices| choices.iter().find(|it| it["type"] != "null"))
    {
        return sample(document, first);
    }
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    match schema["type"].as_str().unwrap_or_default() {
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let required = required.iter().filter_map(Value::as_str);
            let fields =
                required.map(|field| (field.to_owned(), sample(document, &schema["properties"][field])));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        "array" => json!([sample(document, &schema["items"])]),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        // Base64 of either alphabet, too.
        _ => json!("eHh4"),
    }
}
