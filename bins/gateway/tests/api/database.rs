//! Which database it is.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn the_database_is_told_and_only_what_is_built_is_switched_to() {
    let app = TestApp::start().await;
    let client = app.client();
    let status = client.get("/api/db/status").await.expect(200);
    assert_eq!(status["provider"], "sqlite");
    let url = status["url"].as_str().unwrap();
    assert!(url.starts_with("file:/") && url.ends_with("trunkline.db"), "{url}");

    let same = client.post("/api/db/switch", json!({"provider": "sqlite"})).await.expect(200);
    let message = "Database provider switched to sqlite";
    assert_eq!(same, json!({"success": true, "message": message, "provider": "sqlite"}));
    for provider in ["mongodb", "postgres"] {
        let refused = client.post("/api/db/switch", json!({"provider": provider})).await;
        refused.expect_error(501, "not_implemented").about("provider");
    }
    assert_eq!(client.get("/api/db/status").await.expect(200), status, "nothing was changed");

    for (body, code, field) in [
        (json!({"provider": "mysql"}), "invalid_request", "provider"),
        (json!({"provider": 1}), "invalid_request", "provider"),
        (json!({}), "missing_field", "provider"),
        (json!({"provider": "sqlite", "url": "x"}), "unknown_field", "url"),
    ] {
        client.post("/api/db/switch", body).await.expect_error(400, code).about(field);
    }
    app.anonymous().get("/api/db/status").await.expect_error(401, "unauthorized");
    let other = client.post("/api/db/switch", json!({"provider": "postgresql"})).await;
    other.expect_error(400, "invalid_request").about("provider");
    let anybody = app.anonymous().post("/api/db/switch", json!({"provider": "mongodb"})).await;
    anybody.expect_error(401, "unauthorized");
    app.stop().await;
}
