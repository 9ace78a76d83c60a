//! One tenant's expensive questions are that tenant's own wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;

use super::seeded::{Seeded, add_user};

/// Messages in one chat of the tenant who asks too much.
const MESSAGES: u32 = 200_000;
const QUESTIONS: usize = 40;
const KEY: &str = "key-of-a-neighbour-that-asks-little";

#[tokio::test(flavor = "multi_thread")]
async fn deep_pages_of_one_user_do_not_keep_others_waiting() {
    let mut stage = Seeded::start().await;
    let id = stage.create(json!({"name": "shop"})).await;
    stage
        .restart_after(async |stage, database| {
            add_user(database, "max", KEY).await;
            stage.sql(&format!(
                "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MESSAGES})
                 INSERT INTO messages (instance, id, chat, wire_chat, sender, from_me, message_id, kind, amends, text,
                                       status, created_at, updated_at, raw)
                 SELECT (SELECT key FROM instances), randomblob(16), '15550000071@s.whatsapp.net', '15550000071@s.whatsapp.net',
                        '15550000071@s.whatsapp.net', 0, 'M' || n, 'text', 0, 'hello', 'received', n, n, x'' FROM n"
            ));
        })
        .await;
    let (path, done) = (
        format!("/api/instances/{id}/chats/15550000071@s.whatsapp.net/messages?limit=1"),
        AtomicUsize::new(0),
    );
    let deep = format!("{path}&skip={}", MESSAGES - 1);
    let greedy = join_all((0..QUESTIONS).map(|_| async {
        let page = stage.get(&deep).await;
        assert_eq!(page["messages"][0]["messageId"], "M1");
        done.fetch_add(1, Ordering::SeqCst);
    }));
    let modest = async {
        while done.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            stage.send_as(KEY, Method::GET, "/api/instances", None, None).await.expect(200);
        }
        done.load(Ordering::SeqCst)
    };
    let (_, done_before) = join(greedy, modest).await;
    assert!(done_before < QUESTIONS / 2, "the neighbour waited for {done_before} of {QUESTIONS}");
}
