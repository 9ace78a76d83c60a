//! Files: sent by address, in a call and in a form; received, fetched and handed out.

use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use storage::Clock;

use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// The smallest PNG that there is: one pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn png() -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(PNG).unwrap()
}

/// A host with a few files; its address.
fn host() -> String {
    let server = HttpServer::new(|| {
        App::new()
            .route(
                "/picture",
                web::to(|| async { HttpResponse::Ok().content_type("text/plain").body(png()) }),
            )
            .route(
                "/there",
                web::to(|| async { HttpResponse::Found().insert_header(("location", "/picture")).finish() }),
            )
            .route(
                "/round",
                web::to(|| async { HttpResponse::Found().insert_header(("location", "/round")).finish() }),
            )
            .route(
                "/inside",
                web::to(|| async {
                    HttpResponse::Found().insert_header(("location", "http://10.0.0.1/")).finish()
                }),
            )
            .route("/gone", web::to(|| async { HttpResponse::Gone().finish() }))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .expect("a free port");
    let url = format!("http://{}", server.addrs()[0]);
    tokio::spawn(server.run());
    url
}

async fn cast() -> (TestApp, String) {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    (app, alice)
}

/// The files that a phone has received.
async fn files(app: &TestApp, count: usize) -> Vec<Value> {
    until("the phone has the files", || async {
        let inbox = app.phones().entries(BOB).await;
        (inbox.len() >= count).then_some(inbox)
    })
    .await
}

fn sha256(bytes: &[u8]) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_file_is_sent_by_its_address_as_documented() {
    let (app, alice) = cast().await;
    let (host, path) = (host(), format!("/api/whatsapp/{alice}/send-media"));
    let body = json!({"phone": BOB, "url": format!("{host}/picture"), "caption": "图片描述", "filename": "image.jpg"});
    let sent = app.client().post(&path, body).await.expect(200);
    assert_eq!(crate::answer::keys(&sent), ["id"]);
    let redirected = json!({"phone": BOB, "url": format!("{host}/there")});
    app.client().post(&path, redirected).await.expect(200);
    let inbox = files(&app, 2).await;
    assert_eq!(
        (&inbox[0]["id"], &inbox[0]["kind"], &inbox[0]["text"]),
        (&sent["id"], &json!("image"), &json!("图片描述"))
    );
    let media = &inbox[0]["media"];
    // The host called it text: the content is believed.
    assert_eq!((&media["mimeType"], &media["error"]), (&json!("image/png"), &Value::Null));
    assert_eq!((&media["sha256"], &media["dimensions"]), (&json!(sha256(&png())), &json!([1, 1])));
    assert!(media["thumbnail"].as_u64().is_some_and(|bytes| bytes > 100), "{media}");
    assert_eq!(inbox[1]["media"]["sha256"], sha256(&png()));

    let refused = |body: Value, field: &'static str| {
        let client = app.client();
        let path = path.clone();
        async move {
            let answer = client.post(&path, body.clone()).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["error"]["field"]),
                (400, &json!(field)),
                "{body}"
            );
        }
    };
    for url in ["/gone", "/round", "/inside"] {
        refused(json!({"phone": BOB, "url": format!("{host}{url}")}), "url").await;
    }
    for url in ["http://10.0.0.1/a.png", "file:///etc/passwd", "http://[::1]:9/a", "nonsense"] {
        refused(json!({"phone": BOB, "url": url}), "url").await;
    }
    refused(json!({"phone": BOB}), "url").await;
    refused(json!({"phone": BOB, "url": format!("{host}/picture"), "base64": PNG}), "url").await;
    refused(json!({"phone": BOB, "base64": "no base64!"}), "base64").await;
    refused(json!({"phone": BOB, "base64": ""}), "file").await;
    refused(json!({"phone": "nobody", "base64": PNG}), "phone").await;
    refused(json!({"phone": BOB, "base64": PNG, "type": "voice"}), "file").await;
    app.stop().await;
}

#[tokio::test]
async fn a_file_in_a_call_is_sent_once_under_its_key() {
    let (app, alice) = cast().await;
    let client = app.client();
    let path = format!("/api/whatsapp/{alice}/send-media");
    let send = |file: String| {
        let request = client.request(Method::POST, &path).header("idempotency-key", "picture-1");
        client.send(
            request.json(&json!({"phone": BOB, "base64": file, "type": "document", "filename": "a.png"})),
        )
    };
    let first = send(format!("data:image/png;base64,{PNG}")).await.expect(200);
    assert_eq!(send(PNG.to_owned()).await.expect(200), first);
    let other = send("aGVsbG8=".to_owned()).await;
    assert_eq!(
        (other.status.as_u16(), &other.body["error"]["cause"]),
        (409, &json!("idempotency_key_reused"))
    );
    let inbox = files(&app, 1).await;
    assert_eq!(inbox.len(), 1);
    assert_eq!((&inbox[0]["kind"], &inbox[0]["media"]["fileName"]), (&json!("document"), &json!("a.png")));
    app.stop().await;
}

#[tokio::test]
async fn a_form_with_a_file_is_sent_as_documented() {
    let (app, alice) = cast().await;
    let client = app.client();
    let path = format!("/api/whatsapp/{alice}/send-file");
    let large = vec![7_u8; 3_000_000];
    let form = |file: Option<&[u8]>| {
        let mut body = Vec::new();
        let mut part = |head: &str, content: &[u8]| {
            body.extend_from_slice(
                format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        };
        part("name=\"phone\"", BOB.as_bytes());
        part("name=\"caption\"", "描述".as_bytes());
        if let Some(file) = file {
            part("name=\"file\"; filename=\"report.bin\"", file);
        }
        body.extend_from_slice(b"--b--\r\n");
        client
            .request(Method::POST, &path)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(body)
    };
    let sent = client.send(form(Some(&large))).await.expect(200);
    assert_eq!(crate::answer::keys(&sent), ["id"]);
    let inbox = files(&app, 1).await;
    let media = &inbox[0]["media"];
    assert_eq!((&inbox[0]["kind"], &inbox[0]["text"]), (&json!("document"), &json!("描述")));
    assert_eq!((&media["fileName"], &media["sha256"]), (&json!("report.bin"), &json!(sha256(&large))));

    let without = client.send(form(None)).await;
    assert_eq!((without.status.as_u16(), &without.body["error"]["field"]), (400, &json!("file")));
    let no_form = client.post(&path, json!({"phone": BOB})).await;
    assert_eq!(no_form.status, 415);

    // What was sent is kept, and its owner can look at it.
    let id = sent["id"].as_str().unwrap();
    let page = client.get(&format!("/api/instances/{alice}/chats/{BOB}/messages")).await.expect(200);
    let message = &page["messages"][0];
    assert_eq!((&message["hasMedia"], &message["caption"]), (&json!(true), &json!("描述")));
    assert_eq!(message["media"], json!({"state": "ready", "size": 3_000_000}));
    let url = format!("/api/instances/{alice}/messages/{id}/media");
    assert_eq!(message["mediaUrl"], url.as_str());
    let request = client.request(Method::GET, &url).header("range", "bytes=2999990-");
    let response = request.send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-range"]),
        (206, &"bytes 2999990-2999999/3000000".parse::<reqwest::header::HeaderValue>().unwrap())
    );
    assert_eq!(response.bytes().await.unwrap(), [7_u8; 10][..]);
    app.stop().await;
}

/// A WAV of two seconds: a tone, then silence.
fn wav() -> Vec<u8> {
    let samples = (0..16_000_u32).map(|n| if n < 8_000 && n % 20 < 10 { 8_000_i16 } else { 0 });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file =
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data".to_vec();
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

#[tokio::test]
async fn any_sound_becomes_a_voice_note() {
    use base64::Engine as _;
    let (app, alice) = cast().await;
    let path = format!("/api/whatsapp/{alice}/send-media");
    let base64 = base64::engine::general_purpose::STANDARD.encode(wav());
    let body = json!({"phone": BOB, "base64": base64, "type": "voice", "filename": "memo.wav"});
    let sent = app.client().post(&path, body).await.expect(200);
    let inbox = files(&app, 1).await;
    let media = &inbox[0]["media"];
    assert_eq!((&media["kind"], &media["error"]), (&json!("voice"), &Value::Null), "{media}");
    assert_eq!(media["mimeType"], "audio/ogg; codecs=opus");
    assert_eq!((&media["seconds"], &media["waveform"]), (&json!(2), &json!(64)), "{media}");

    // What was sent is kept as it was sent.
    let url = format!("/api/instances/{alice}/messages/{}/media", sent["id"].as_str().unwrap());
    let response = app.client().request(Method::GET, &url).send().await.unwrap();
    assert!(response.headers()["content-disposition"].to_str().unwrap().ends_with("memo.ogg"));
    let note = response.bytes().await.unwrap();
    assert!(note.starts_with(b"OggS") && sha256(&note) == media["sha256"].as_str().unwrap());

    // And as such it is sent untouched, with the same said of it.
    let base64 = base64::engine::general_purpose::STANDARD.encode(&note);
    let body = json!({"phone": BOB, "base64": base64, "type": "voice"});
    app.client().post(&path, body).await.expect(200);
    let again = files(&app, 2).await[1]["media"].clone();
    for name in ["sha256", "seconds", "waveform", "mimeType"] {
        assert_eq!(again[name], media[name], "{name}");
    }

    // What nobody here can read is refused with what can.
    let m4a =
        base64::engine::general_purpose::STANDARD.encode(b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0");
    let refused = app.client().post(&path, json!({"phone": BOB, "base64": m4a, "type": "voice"})).await;
    refused.expect_error(400, "invalid_request").about("file");
    assert!(
        refused.body["error"]["message"].as_str().unwrap().contains("WAV, FLAC and MP3"),
        "{}",
        refused.body
    );
    app.stop().await;
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused() {
    let (app, alice) = cast().await;
    let request = app
        .client()
        .request(Method::POST, &format!("/api/whatsapp/{alice}/send-file"))
        .header("content-type", "multipart/form-data; boundary=b");
    let head = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
    let body = [head.as_bytes(), &vec![0; (100 << 20) + 1], b"\r\n--b--\r\n"].concat();
    // The answer may come before all of the body is taken.
    if let Ok(response) = request.body(body).send().await {
        assert_eq!(response.status(), 413);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_received_file_is_told_twice_and_handed_out() {
    let (app, alice) = cast().await;
    let client = app.client();
    let media = json!({"type": "image", "base64": PNG, "caption": "look", "mimeType": "image/jpeg"});
    let id = app.phones().change(BOB, ALICE, json!({"media": media})).await;
    let is_it = |data: &Value| data["messageId"] == id.as_str();
    let received = app.event(&alice, "message_received", is_it).await;
    let data = &received["data"];
    assert_eq!(
        (&data["type"], &data["body"], &data["hasMedia"]),
        (&json!("image"), &json!("look"), &json!(true))
    );
    let url = format!("/api/instances/{alice}/messages/{id}/media");
    assert_eq!(data["media"]["state"], "pending");
    assert_eq!((&data["media"]["type"], &data["media"]["url"]), (&json!("image"), &json!(url)));
    assert_eq!(data["media"]["fileName"], "image.jpg");

    let there = app.event(&alice, "message_media", is_it).await;
    let media = &there["data"]["media"];
    assert_eq!((&media["state"], &media["mimeType"]), (&json!("ready"), &json!("image/png")), "{media}");
    assert_eq!(media["size"], png().len());
    let response = client.request(Method::GET, &url).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"image/png".parse::<reqwest::header::HeaderValue>().unwrap())
    );
    assert_eq!(response.bytes().await.unwrap(), png());

    // Nobody else's, and not without a credential; but by a link, for its time.
    assert_eq!(app.anonymous().get(&url).await.status, 401);
    assert_eq!(client.get(&format!("/api/instances/{alice}/messages/nothing/media")).await.status, 404);
    let link = client.get(&format!("{url}/link?expiresIn=60")).await.expect(200);
    crate::answer::assert_time(&link["expiresAt"]);
    let linked = app.anonymous().request(Method::GET, link["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!((linked.status().as_u16(), linked.bytes().await.unwrap()), (200, png().into()));
    assert_eq!(app.anonymous().get("/media/AAAA").await.status, 404);
    assert_eq!(client.get(&format!("{url}/link?expiresIn=0")).await.status, 400);

    // It is there after a restart, and gone with its instance.
    let app = app.restart().await;
    assert_eq!(app.client().request(Method::GET, &url).send().await.unwrap().status(), 200);
    app.client().delete(&format!("/api/instances/{alice}")).await.expect(200);
    assert_eq!(app.client().get(&url).await.status, 404);
    app.stop().await;
}

#[tokio::test]
async fn a_file_that_is_gone_is_had_from_the_phone_and_a_hopeless_one_is_told() {
    let (app, alice) = cast().await;
    app.phones().fault(json!({"kind": "media", "on": "download", "status": 410})).await;
    let media = json!({"type": "document", "hex": "00", "fileName": "a.bin"});
    let id = app.phones().change(BOB, ALICE, json!({"media": media})).await;
    let there = app.event(&alice, "message_media", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(there["data"]["media"]["state"], "ready");

    app.phones().answer_reuploads(ALICE, "not_found").await;
    app.phones().fault(json!({"kind": "media", "on": "download", "status": 404, "count": 0})).await;
    let id = app.phones().change(BOB, ALICE, json!({"media": {"type": "image", "base64": PNG}})).await;
    let failed = app.event(&alice, "message_media", |data| data["messageId"] == id.as_str()).await;
    let media = &failed["data"]["media"];
    assert_eq!((&media["state"], &media["error"]), (&json!("failed"), &json!("expired")));
    let url = format!("/api/instances/{alice}/messages/{id}/media");
    let gone = app.client().get(&url).await;
    assert_eq!((gone.status.as_u16(), &gone.body["error"]["cause"]), (410, &json!("expired")));
    // Once the phone has it again, whoever asks gets it.
    app.phones().clear_faults().await;
    assert_eq!(app.client().request(Method::GET, &url).send().await.unwrap().status(), 200);
    app.stop().await;
}

/// It needs no phone, and a client that hangs up stops no fetch: so they are bounded.
#[tokio::test]
async fn a_host_that_says_nothing_holds_a_few_fetches_of_a_user_and_no_more() {
    const AT_ONCE: usize = 4;
    let app = TestApp::start().await;
    let path = format!("/api/whatsapp/{}/send-media", app.create("unlinked").await);
    let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, at) = (format!("http://{}/", hole.local_addr().unwrap()), Clock::system().now());
    let body = json!({"phone": BOB, "url": url, "sendAt": at.plus_millis(3_600_000).to_string()});
    let client = app.client();
    let first = join_all((0..AT_ONCE).map(|_| client.post(&path, body.clone())));
    let next = async {
        let mut held = Vec::new();
        while held.len() < AT_ONCE {
            held.push(hole.accept().await.unwrap());
        }
        let refused = client.post(&path, body.clone()).await;
        refused.expect_error(429, "rate_limited");
        assert!(refused.header("retry-after").parse::<u64>().is_ok());
    };
    for answer in tokio::join!(first, next).0 {
        answer.expect_error(400, "invalid_request").about("url");
    }
    // What can't be scheduled isn't fetched at all.
    let never = json!({"phone": BOB, "url": url, "sendAt": at.plus_millis(400 * 86_400_000).to_string()});
    client.post(&path, never).await.expect_error(400, "invalid_request").about("sendAt");
    // The places are free again.
    let next = async { drop(hole.accept().await.unwrap()) };
    let answer = tokio::join!(client.post(&path, body.clone()), next).0;
    answer.expect_error(400, "invalid_request").about("url");
    app.stop().await;
}

#[tokio::test]
async fn an_instance_says_when_its_files_are_fetched() {
    let (app, alice) = cast().await;
    let client = app.client();
    let path = format!("/api/instances/{alice}");
    let wish = async |wish: Value| client.put(&path, json!({"mediaDownload": wish})).await;
    let picture = json!({"type": "image", "base64": PNG});
    let received = async || {
        let id = app.phones().change(BOB, ALICE, json!({"media": picture})).await;
        app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
        id
    };
    let state = async |id: &str| {
        let message = client.get(&format!("{path}/messages/{id}")).await.expect(200);
        message["media"]["state"].clone()
    };
    assert_eq!(client.get(&path).await.expect(200)["mediaDownload"], Value::Null);
    wish(json!("sometimes")).await.expect_error(400, "invalid_request").about("mediaDownload");

    // On demand, it comes when somebody asks; a later message has been told meanwhile, and nothing of the file.
    wish(json!("demand")).await.expect(200);
    assert_eq!(client.get(&path).await.expect(200)["mediaDownload"], "demand");
    let (first, second) = (received().await, received().await);
    assert_eq!([state(&first).await, state(&second).await], ["pending", "pending"]);
    let url = format!("{path}/messages/{first}/media");
    assert_eq!(client.request(Method::GET, &url).send().await.unwrap().status(), 200);
    assert_eq!([state(&first).await, state(&second).await], ["ready", "pending"]);

    // Never, not even then; what is there stays.
    wish(json!("never")).await.expect(200);
    let url = format!("{path}/messages/{second}/media");
    let gone = client.get(&url).await;
    assert_eq!((gone.status.as_u16(), &gone.body["error"]["code"]), (410, &json!("media_unavailable")));
    assert_eq!([state(&first).await, state(&second).await], ["ready", "pending"]);

    // As they come again: what has waited is fetched, too.
    wish(Value::Null).await.expect(200);
    let third = received().await;
    for id in [second, third] {
        let there = app.event(&alice, "message_media", |data| data["messageId"] == id.as_str()).await;
        assert_eq!(there["data"]["media"]["state"], "ready");
    }
    app.stop().await;
}

#[tokio::test]
async fn files_beyond_what_a_user_may_keep_are_not_kept_and_no_message_waits() {
    let app = TestApp::configured(|config| config.media_quota = Some(1_000)).await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let send = |size: usize| {
        use base64::Engine as _;
        let file = base64::engine::general_purpose::STANDARD.encode(vec![7; size]);
        json!({"phone": BOB, "base64": file, "type": "document", "filename": "a.bin"})
    };
    let path = format!("/api/whatsapp/{alice}/send-media");
    app.client().post(&path, send(600)).await.expect(200);
    app.client().post(&path, send(600)).await.expect_error(507, "media_quota_exceeded");
    // What others send comes, with its file as long as there is room.
    for (size, state, error) in [(300, "ready", Value::Null), (300, "failed", json!("not_stored"))] {
        let media = json!({"type": "document", "size": size, "fileName": "b.bin"});
        let id = app.phones().change(BOB, ALICE, json!({"media": media})).await;
        app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
        let told = app.event(&alice, "message_media", |data| data["messageId"] == id.as_str()).await;
        assert_eq!(told["data"]["media"]["state"], state, "{told}");
        assert_eq!(told["data"]["media"]["error"], error, "{told}");
    }
    app.client()
        .post(&format!("/api/whatsapp/{alice}/send"), json!({"phone": BOB, "message": "a text"}))
        .await
        .expect(200);
    app.stop().await;
}
