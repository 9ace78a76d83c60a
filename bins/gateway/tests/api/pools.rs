//! Nothing that outsiders can make slow shares a pool with the database.

use std::sync::mpsc::channel;

use tokio::runtime::Builder;

use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// As many name servers that don't answer would take them.
#[test]
fn everything_goes_on_while_the_runtimes_blocking_threads_are_all_taken() {
    let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (release, held) = channel::<()>();
    runtime.block_on(async {
        let app = TestApp::start().await;
        let alice = app.paired(ALICE).await;
        app.phones().create(BOB).await;
        app.send(&alice, BOB, "before").await.expect(200);

        tokio::task::spawn_blocking(move || held.recv());
        let id = app.phones().write(BOB, ALICE, "meanwhile").await;
        app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
        app.send(&alice, BOB, "after").await.expect(200);
        app.client().get("/api/instances").await.expect(200);
        app.client().call(&format!("/api/instances/{alice}/reconnect")).await.expect(200);
        app.until_ready(&alice).await;
        until("it is alive", || async { (app.anonymous().get("/livez").await.status == 200).then_some(()) })
            .await;
        app.stop().await;
    });
    drop(release);
}
