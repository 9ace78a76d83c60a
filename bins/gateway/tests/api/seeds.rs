//! Every endpoint that the two multi-instance documents head a section with: that it is there, and which test holds it to
//! what is documented.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use crate::app::TestApp;

/// Endpoint, and the test of it: module and function.
const CONTRACT: [(&str, &str, &str); 33] = [
    ("POST /api/auth/login", "auth", "a_login_gives_a_token_and_the_api_key_and_both_open_every_door"),
    ("GET /api/auth/me", "auth", "a_login_gives_a_token_and_the_api_key_and_both_open_every_door"),
    ("POST /api/instances", "instances", "an_instance_lives_from_creation_to_deletion"),
    ("GET /api/instances", "instances", "instances_are_listed_in_pages_and_all_at_once_by_default"),
    ("GET /api/instances/{id}", "instances", "the_defaults_are_the_documented_ones"),
    ("GET /api/instances/{id}/status", "instances", "the_status_follows_the_connection"),
    ("PUT /api/instances/{id}", "instances", "an_update_changes_what_it_names_and_merges_the_rest"),
    ("DELETE /api/instances/{id}", "instances", "an_instance_lives_from_creation_to_deletion"),
    ("POST /api/instances/{id}/reconnect", "instances", "a_reconnect_brings_a_paired_instance_back"),
    ("POST /api/instances/{id}/logout", "instances", "a_logout_unlinks_the_phone_and_both_doors_do_it"),
    ("GET /api/instances/{id}/qr", "instances", "the_qr_code_is_generated_shown_and_scanned"),
    ("GET /api/instances/{id}/activity", "activity", "what_happens_to_an_instance_is_listed_newest_first"),
    ("GET /api/instances/{id}/events", "events", "an_entry_says_what_the_api_documents"),
    ("GET /api/whatsapp/{id}/status", "instances", "the_status_follows_the_connection"),
    ("GET /api/whatsapp/{id}/qr", "instances", "the_qr_code_is_generated_shown_and_scanned"),
    ("POST /api/whatsapp/{id}/send", "whatsapp", "texts_go_both_ways"),
    ("POST /api/whatsapp/{id}/send-media", "media", "a_file_is_sent_by_its_address_as_documented"),
    ("POST /api/whatsapp/{id}/send-file", "media", "a_form_with_a_file_is_sent_as_documented"),
    ("POST /api/whatsapp/{id}/logout", "instances", "a_logout_unlinks_the_phone_and_both_doors_do_it"),
    ("GET /api/whatsapp/{id}/contacts", "contacts", "the_address_book_of_the_phone_is_listed_and_written"),
    (
        "POST /api/whatsapp/{id}/contacts/add",
        "contacts",
        "the_address_book_of_the_phone_is_listed_and_written",
    ),
    ("GET /api/instances/{id}/contacts/db", "contacts", "contacts_are_imported_saved_and_found"),
    ("GET /api/whatsapp/{id}/contacts/db", "contacts", "contacts_are_imported_saved_and_found"),
    ("POST /api/instances/{id}/contacts/import", "contacts", "contacts_are_imported_saved_and_found"),
    ("POST /api/whatsapp/{id}/contacts/import", "contacts", "contacts_are_imported_saved_and_found"),
    ("POST /api/instances/{id}/contacts/save", "contacts", "contacts_are_imported_saved_and_found"),
    ("POST /api/whatsapp/{id}/contacts/save", "contacts", "contacts_are_imported_saved_and_found"),
    ("GET /api/instances/{id}/chats/{chat}/messages", "messages", "a_chat_is_listed_newest_first_in_pages"),
    ("GET /api/stats/user", "stats", "users_see_their_own_and_administrators_all"),
    ("GET /api/stats/instances/{id}", "stats", "messages_calls_and_webhooks_are_counted_once"),
    ("GET /api/stats/system", "stats", "users_see_their_own_and_administrators_all"),
    ("GET /api/db/status", "database", "the_database_is_told_and_only_what_is_built_is_switched_to"),
    ("POST /api/db/switch", "database", "the_database_is_told_and_only_what_is_built_is_switched_to"),
];

#[tokio::test]
async fn every_documented_endpoint_is_there_and_has_a_contract_test() {
    let app = TestApp::start().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    app.stop().await;
    let mut missing = BTreeSet::new();
    for (endpoint, module, test) in CONTRACT {
        let (method, path) = endpoint.split_once(' ').unwrap();
        if document["paths"][path][method.to_ascii_lowercase()].is_null() {
            missing.insert(format!("{endpoint}: no such route"));
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/api/{module}.rs"));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        // As it is called, and run.
        if !text.contains(&format!("#[tokio::test]\nasync fn {test}()")) {
            missing.insert(format!("{endpoint}: no test {module}::{test}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Nothing of them is ours: names, secrets and addresses are those that the documents show.
#[tokio::test]
async fn the_requests_of_the_documents_are_taken_as_they_stand() {
    let app = TestApp::start().await;
    let client = app.client();
    let create = json!({
        "name": "主要 WhatsApp",
        "description": "企业账户",
        "webhookUrl": "https://example.com/webhook",
        "webhookEnabled": true,
        "notifyReceived": true,
        "notifySent": true,
        "notifyDelivery": false,
        "notifyRead": false,
        "maxRetries": 3,
        "retryInterval": 60000,
        "webhookSecret": "optional-secret-key",
        "headers": {"Custom-Header": "custom-value"},
    });
    let id = client.post("/api/instances", create).await.expect(201)["id"].clone();
    let path = format!("/api/instances/{}", id.as_str().unwrap());
    let update = json!({
        "name": "新的 WhatsApp 名称",
        "description": "更新的描述",
        "webhookUrl": "https://new-example.com/webhook",
        "webhookEnabled": true,
        "webhookSettings": {
            "notifyReceived": true,
            "notifySent": false,
            "notifyDelivery": true,
            "notifyRead": true,
            "maxRetries": 5,
            "retryInterval": 30000,
            "secret": "new-secret-key",
            "headers": {"New-Custom-Header": "new-value"},
        },
    });
    let updated = client.put(&path, update.clone()).await.expect(200);
    for field in ["name", "description", "webhookUrl", "webhookEnabled"] {
        assert_eq!(updated[field], update[field], "{field}");
    }
    let mut expected = update["webhookSettings"].clone();
    expected["instanceId"] = id;
    assert_eq!(client.get(&path).await.expect(200)["webhookSettings"], expected);

    let contact = json!({
        "number": "79001234567",
        "name": "张三",
        "pushName": "三",
        "isGroup": false,
        "profilePicture": "url-to-picture",
        "about": "用户状态",
    });
    let saved = client.post(&format!("{path}/contacts/save"), contact.clone()).await.expect(200);
    for (field, value) in contact.as_object().unwrap() {
        assert_eq!(&saved[field], value, "{field}");
    }
    for list in [
        "activity?limit=100&skip=0&actions=connected,disconnected,qr_received&startDate=2023-01-01T00:00:00.000Z",
        "events?since=2023-01-01T12:05:00.000Z&limit=20&types=message_sent,message_received,message_status",
        "contacts/db?limit=100&skip=0&search=7900&onlyGroups=false",
        "chats/79001234567/messages?limit=50&skip=0&endDate=2023-01-01T12:00:00.000Z",
        "chats/79001234567@s.whatsapp.net/messages",
    ] {
        client.get(&format!("{path}/{list}")).await.expect(200);
    }
    app.stop().await;
}
