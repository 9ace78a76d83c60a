//! Files in a bucket: they go there and come from there, and nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::Method as Verb;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use trunkline::config::MediaStore;

use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// A store with one bucket, in memory. What isn't signed, or isn't what was signed, it refuses.
#[derive(Clone, Default)]
struct Store {
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    files: BTreeMap<String, Vec<u8>>,
    is_down: bool,
    refused: usize,
}

impl Store {
    fn start() -> (Self, String) {
        let store = Self::default();
        let data = store.clone();
        let server = HttpServer::new(move || {
            let payload = web::PayloadConfig::new(200 << 20);
            App::new()
                .app_data(payload)
                .app_data(web::Data::new(data.clone()))
                .default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .expect("a free port");
        let url = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        (store, url)
    }

    fn keys(&self) -> Vec<String> {
        self.held.lock().files.keys().cloned().collect()
    }

    fn set_down(&self, is_down: bool) {
        self.held.lock().is_down = is_down;
    }

    fn refused(&self) -> usize {
        self.held.lock().refused
    }
}

async fn answer(request: HttpRequest, body: web::Bytes, store: web::Data<Store>) -> HttpResponse {
    let mut held = store.held.lock();
    if held.is_down {
        held.refused += 1;
        return HttpResponse::ServiceUnavailable().finish();
    }
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=";
    let with_range = signed.replace("host;", "host;range;");
    let authorization = header("authorization");
    let is_signed = authorization.starts_with("AWS4-HMAC-SHA256 Credential=key/")
        && (authorization.contains(signed) || authorization.contains(&with_range));
    if !is_signed || header("x-amz-content-sha256") != sha256(&body) {
        return HttpResponse::Forbidden().finish();
    }
    let Some(key) = request.path().strip_prefix("/files/") else {
        return list(&held, request.query_string());
    };
    match *request.method() {
        Verb::PUT => {
            held.files.insert(key.to_owned(), body.to_vec());
            HttpResponse::Ok().finish()
        }
        Verb::DELETE => {
            held.files.remove(key);
            HttpResponse::NoContent().finish()
        }
        _ => {
            let Some(file) = held.files.get(key) else { return HttpResponse::NotFound().finish() };
            let Some(from) = header("range").strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'))
            else {
                return HttpResponse::Ok().body(file.clone());
            };
            let from: usize = from.parse().unwrap();
            let said = format!("bytes {from}-{}/{}", file.len() - 1, file.len());
            HttpResponse::PartialContent().insert_header(("content-range", said)).body(file[from..].to_vec())
        }
    }
}

fn list(held: &Held, query: &str) -> HttpResponse {
    let query: BTreeMap<_, _> = reqwest::Url::parse(&format!("http://a/?{query}"))
        .unwrap()
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let prefix = query.get("prefix").cloned().unwrap_or_default();
    let keys = held.files.iter().filter(|(key, _)| key.starts_with(&prefix));
    let mut text = String::from("<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>");
    if query.contains_key("delimiter") {
        let folders = keys.filter_map(|(key, _)| key[prefix.len()..].split_once('/'));
        let folders: std::collections::BTreeSet<_> = folders.map(|(folder, _)| folder.to_owned()).collect();
        folders.into_iter().for_each(|folder| {
            text += &format!("<CommonPrefixes><Prefix>{prefix}{folder}/</Prefix></CommonPrefixes>");
        });
    } else {
        keys.for_each(|(key, file)| {
            let since = "<LastModified>2020-01-01T00:00:00.000Z</LastModified>";
            text += &format!("<Contents><Key>{key}</Key>{since}<Size>{}</Size></Contents>", file.len());
        });
    }
    HttpResponse::Ok().content_type("application/xml").body(text + "</ListBucketResult>")
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn cast() -> (TestApp, String, Store) {
    let (store, url) = Store::start();
    let settings = bucket::Settings {
        endpoint: url.parse().unwrap(),
        bucket: "files".to_owned(),
        prefix: "here".to_owned(),
        region: "us-east-1".to_owned(),
        access_key: "key".to_owned(),
        secret_key: "secret".to_owned(),
    };
    let app = TestApp::configured(|config| config.media_store = MediaStore::Bucket(Box::new(settings))).await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    (app, alice, store)
}

async fn received(app: &TestApp, alice: &str, hex: &str) -> String {
    let media = json!({"type": "document", "hex": hex, "fileName": "a.bin"});
    let id = app.phones().change(BOB, ALICE, json!({"media": media})).await;
    let there = app.event(alice, "message_media", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(there["data"]["media"]["state"], "ready");
    id
}

async fn read(app: &TestApp, alice: &str, id: &str, range: Option<&str>) -> (u16, Vec<u8>) {
    let url = format!("/api/instances/{alice}/messages/{id}/media");
    let mut request = app.client().request(Method::GET, &url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

async fn until_stored(store: &Store, count: usize) -> Vec<String> {
    until("the files are in the bucket", || async {
        let keys = store.keys();
        (keys.len() == count).then_some(keys)
    })
    .await
}

#[tokio::test]
async fn files_are_kept_in_a_bucket_and_read_from_there() {
    let (app, alice, store) = cast().await;
    let id = received(&app, &alice, "000102030405").await;
    let keys = until_stored(&store, 1).await;
    assert!(keys[0].starts_with(&format!("here/{alice}/")), "{keys:?}");
    assert_eq!(read(&app, &alice, &id, None).await, (200, vec![0, 1, 2, 3, 4, 5]));
    assert_eq!(read(&app, &alice, &id, Some("bytes=4-")).await, (206, vec![4, 5]));
    assert_eq!(read(&app, &alice, &id, Some("bytes=1-2")).await, (206, vec![1, 2]));

    // What is sent goes there, too, and all goes with its instance.
    let body = json!({"phone": BOB, "base64": "aGVsbG8=", "type": "document", "filename": "b.txt"});
    app.client().post(&format!("/api/whatsapp/{alice}/send-media"), body).await.expect(200);
    until_stored(&store, 2).await;
    app.client().delete(&format!("/api/instances/{alice}")).await.expect(200);
    until_stored(&store, 0).await;
    app.stop().await;
}

#[tokio::test]
async fn a_bucket_that_is_down_holds_nothing_back_and_gets_all_later() {
    let (app, alice, store) = cast().await;
    let first = received(&app, &alice, "0001").await;
    until_stored(&store, 1).await;
    store.set_down(true);

    // Messages, events and files go on: what is new is here.
    let second = received(&app, &alice, "0203").await;
    assert_eq!(read(&app, &alice, &second, None).await, (200, vec![2, 3]));
    let body = json!({"phone": BOB, "base64": "aGVsbG8=", "type": "document", "filename": "b.txt"});
    app.client().post(&format!("/api/whatsapp/{alice}/send-media"), body).await.expect(200);
    until("it is tried", || async { (store.refused() > 0).then_some(()) }).await;
    // Only what lies there can't be had, which is said as what it is. It leaves the machine right after it is there.
    let answer = until("it is there alone", || async {
        let (status, answer) = read(&app, &alice, &first, None).await;
        (status != 200).then_some((status, answer))
    });
    let (status, answer) = answer.await;
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("unavailable")), "{answer}");

    store.set_down(false);
    until_stored(&store, 3).await;
    for (id, bytes) in [(first, vec![0, 1]), (second, vec![2, 3])] {
        assert_eq!(read(&app, &alice, &id, None).await, (200, bytes));
    }
    app.stop().await;
}
