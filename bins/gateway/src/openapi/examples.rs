//! What the fields of requests are shown with where they don't say it themselves: what people would write there.

use serde_json::{Value, json};
use utoipa::openapi::{Components, RefOr, Schema};

/// Requests are named so.
const REQUEST: &str = "Request";

/// Gives the required fields of all requests an example, so that who tries a call has something that is taken.
pub(super) fn add(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        if let (true, RefOr::T(Schema::Object(request))) = (name.ends_with(REQUEST), schema) {
            let required = request.required.clone();
            let fields = request.properties.iter_mut().filter(|(field, _)| required.contains(field));
            fields.for_each(|(field, schema)| show(field, schema));
        }
    }
}

fn show(field: &str, schema: &mut RefOr<Schema>) {
    let example = match schema {
        RefOr::T(Schema::Object(schema)) => &mut schema.example,
        RefOr::T(Schema::Array(schema)) => &mut schema.example,
        _ => return,
    };
    if example.is_none() {
        *example = of(field);
    }
}

fn of(field: &str) -> Option<Value> {
    Some(match field {
        "email" => json!("user@example.com"),
        "password" => json!("correct horse battery staple"),
        "phone" | "number" => json!("79001234567"),
        "numbers" | "participants" => json!(["79001234567"]),
        "message" => json!("Hello! How are you?"),
        "messageId" | "callId" => json!("3EB0C767D097B7C7C030"),
        "messageIds" => json!(["3EB0C767D097B7C7C030"]),
        // What instances, webhooks and keys may be called.
        "name" => json!("main"),
        "about" => json!("Available"),
        "question" => json!("Tea?"),
        "options" => json!(["green", "black"]),
        "emoji" => json!("👍"),
        "startsAt" => json!("2030-01-01T17:00:00.000Z"),
        "latitude" => json!(52.52),
        "longitude" => json!(13.405),
        "seconds" => json!(86_400),
        "picture" => json!("/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBg=="),
        "url" => json!("https://example.com/webhook"),
        "settings" => json!({"last": "contacts"}),
        _ => return None,
    })
}
