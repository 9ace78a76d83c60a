use serde_json::json;

use crate::answer::keys;
use crate::app::TestApp;
use crate::until::until;

#[tokio::test]
async fn health_counts_instances_and_names_the_database() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    anonymous.get("/livez").await.expect(200);
    until("resumed", || async { (anonymous.get("/readyz").await.status == 200).then_some(()) }).await;
    app.paired("15550100001").await;
    app.create("never paired").await;
    // Counts are at most a second old.
    let health = until("both are counted", || async {
        let health = app.client().get("/health").await.expect(200);
        (health["instances"]["total"] == 2 && health["instances"]["connected"] == 1).then_some(health)
    })
    .await;
    assert_eq!(keys(&health), ["database", "instances", "status", "version", "whatsapp"]);
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["database"], json!({"provider": "sqlite", "status": "ok"}));
    app.stop().await;
}
