//! The doors over real sockets.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use wa_simulator::{Connection, Options, Simulator, StartError};

use crate::{client::*, scene::*};

async fn serving(tls: bool) -> Simulator {
    let listen = Some("127.0.0.1:0".parse().unwrap());
    Simulator::start(Options { listen, tls, ..options() }).await.unwrap()
}

struct Api {
    base: String,
    http: reqwest::Client,
}

impl Api {
    fn new(simulator: &Simulator) -> Self {
        // Another test may have installed it.
        rustls::crypto::ring::default_provider().install_default().ok();
        Self { base: format!("http://{}", simulator.address().unwrap()), http: reqwest::Client::new() }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let request = match body {
            Some(body) => request.body(body.to_string()).header("content-type", "application/json"),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, Some(body)).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn refused(&self, method: Method, path: &str, body: Option<Value>) -> (u16, String) {
        let (status, answer) = self.call(method, path, body).await;
        assert!(!answer["error"]["message"].as_str().unwrap().is_empty());
        (status, answer["error"]["code"].as_str().unwrap().to_owned())
    }
}

/// A WebSocket as the scripted client takes it.
async fn socket<S>(simulator: &Simulator, stream: S) -> Connection
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let url = format!("ws://{}/ws/chat", simulator.address().unwrap());
    let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let (outgoing, incoming) = socket.split();
    let incoming = incoming.filter_map(|message| async {
        match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(error) => Some(Err(std::io::Error::other(error))),
        }
    });
    let outgoing = outgoing
        .with(|bytes: Bytes| async { Ok(Message::Binary(bytes)) })
        .sink_map_err(|error: tokio_tungstenite::tungstenite::Error| std::io::Error::other(error));
    Connection { outgoing: Box::pin(outgoing), incoming: Box::pin(incoming) }
}

async fn tcp(simulator: &Simulator) -> TcpStream {
    TcpStream::connect(simulator.address().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_client_is_driven_through_the_doors_alone() {
    let simulator = serving(false).await;
    let api = Api::new(&simulator);
    let info = api.get("/sim/info").await;
    assert_eq!(info["rootKey"], hex::encode(simulator.root_key().as_bytes()));
    assert_eq!(info["wsUrl"], format!("ws://{}/ws/chat", simulator.address().unwrap()));
    let alice = api.post("/sim/phones", json!({"number": "+15550000001", "name": "Alice"})).await;
    assert_eq!((&alice["number"], &alice["jid"]), (&json!(ALICE), &json!("15550000001@s.whatsapp.net")));
    assert_eq!(api.post("/sim/phones", json!({"number": 15550000001_u64})).await, alice);
    api.post("/sim/phones", json!({"number": BOB, "name": "Bob"})).await;

    let mut client = Client::new(1);
    let payload = client.registration();
    let connection = socket(&simulator, tcp(&simulator).await).await;
    let mut line =
        NoiseConnection::open(&simulator, connection, client.noise.clone(), &payload, &mut client.rng)
            .await
            .unwrap();
    let references = references(&mut line).await;
    let scan = json!({"qr": client.qr(&references[0])});
    let (scanned, ()) = tokio::join!(api.post("/sim/phones/15550000001/scan", scan), async {
        let answer = client.accept(&line.next().await);
        line.send(&answer).await;
        assert_eq!(text(&line.next().await, "code"), "515");
    });
    assert_eq!(scanned["device"], 1);

    let payload = client.login();
    let connection = socket(&simulator, tcp(&simulator).await).await;
    let mut line =
        NoiseConnection::open(&simulator, connection, client.noise.clone(), &payload, &mut client.rng)
            .await
            .unwrap();
    assert!(line.next().await.is("success"));
    line.ask_iq(&client.upload(&client.prekeys)).await;
    line.ask("set", "passive", wa_binary::Node::new("active")).await;
    let sent = api.post("/sim/phones/15550000002/send", json!({"to": ALICE, "text": "hello"})).await;
    let id = sent["id"].as_str().unwrap();
    let delivered = line.next_where(|node| text(node, "id") == id).await;
    assert_eq!(client.decrypt(&delivered).conversation.as_deref(), Some("hello"));

    let inbox = api.get("/sim/phones/15550000001/inbox?wait=1").await;
    let entry = &inbox[0];
    assert_eq!(
        (&entry["id"], &entry["text"], &entry["fromMe"], &entry["repeats"]),
        (&json!(id), &json!("hello"), &json!(false), &json!(0))
    );
    assert_eq!(entry["from"], "15550000002@s.whatsapp.net");
    assert!(entry["timestamp"].as_u64().unwrap() >= NOW);
    api.post("/sim/phones/15550000001/read", json!({"ids": [id]})).await;
    let read = simulator.phone(BOB).unwrap();
    read.wait_for_outbox(|sent| sent[0].receipts.iter().any(|receipt| receipt.kind == "read")).await;
    let outbox = api.get("/sim/phones/15550000002/outbox").await;
    assert_eq!(outbox[0]["id"], id);
    let many = json!({"to": ALICE, "text": "number {n}", "count": 3, "interval_ms": 1});
    let many = api.post("/sim/phones/15550000002/send", many).await;
    assert_eq!(many["ids"].as_array().unwrap().len(), 3);
    let inbox = api.get("/sim/phones/15550000001/inbox?wait=4").await;
    assert_eq!(inbox[3]["text"], "number 3");

    let devices = api.get("/sim/phones/15550000001/devices").await;
    assert_eq!((&devices[0]["id"], &devices[0]["connected"]), (&json!(1), &json!(true)));
    let trace = api.get("/sim/trace?number=%2B15550000001").await;
    let trace = trace.as_str().unwrap();
    assert!(
        trace.contains("<pair-success>") && trace.contains("C>S <iq") && trace.lines().count() > 10,
        "{trace}"
    );
    let fault = api.post("/sim/faults", json!({"kind": "streamError", "code": 503, "number": ALICE})).await;
    assert_eq!(fault["struck"], 1);
    line.next_named("stream:error").await;
    let fault = api.post("/sim/faults", json!({"kind": "no_ack", "number": ALICE})).await;
    let listed = api.get("/sim/faults").await;
    assert_eq!((&listed[0]["id"], &listed[0]["kind"]), (&fault["id"], &json!("no_ack")));
    let (status, _) = api.call(Method::DELETE, &format!("/sim/faults/{}", fault["id"]), None).await;
    assert_eq!(status, 200);
    let (status, _) = api.call(Method::DELETE, "/sim/phones/15550000001/devices/1", None).await;
    assert_eq!((status, api.get("/sim/phones/15550000001/devices").await), (200, json!([])));
    api.post("/sim/reset", json!({})).await;
    assert_eq!(api.get("/sim/phones").await, json!([]));
}

#[tokio::test]
async fn the_door_for_sending_takes_one_thing_at_a_time() {
    let simulator = serving(false).await;
    let api = Api::new(&simulator);
    for number in [ALICE, BOB] {
        api.post("/sim/phones", json!({"number": number})).await;
    }
    let send = "/sim/phones/15550000001/send";
    let sent = api.post(send, json!({"to": BOB, "text": "helo"})).await;
    let id = sent["id"].as_str().unwrap();
    api.post(send, json!({"to": BOB, "text": "hello", "edit": id})).await;
    api.post(send, json!({"to": BOB, "react": {"id": id, "emoji": "👍"}})).await;
    let revoke = api.post(send, json!({"to": BOB, "revoke": id, "addressing": "pn"})).await;
    let inbox = api.get("/sim/phones/15550000002/inbox?wait=4").await;
    let shown: Vec<_> = (1..4).map(|n| [&inbox[n]["kind"], &inbox[n]["text"], &inbox[n]["target"]]).collect();
    let expected = [
        [json!("edit"), json!("hello"), json!(id)],
        [json!("reaction"), json!("👍"), json!(id)],
        [json!("revoke"), json!(null), json!(id)],
    ];
    assert_eq!(json!(shown), json!(expected));
    assert_eq!((&inbox[3]["id"], &inbox[0]["target"]), (&revoke["id"], &json!(null)));
    api.post(send, json!({"to": BOB, "timer": 60})).await;
    api.post(send, json!({"to": BOB, "text": "disappears"})).await;
    let inbox = api.get("/sim/phones/15550000002/inbox?wait=6").await;
    let shown: Vec<_> = (3..6).map(|n| [&inbox[n]["kind"], &inbox[n]["expiration"]]).collect();
    let expected =
        [[json!("revoke"), json!(null)], [json!("timer"), json!(null)], [json!("text"), json!(60)]];
    assert_eq!(json!(shown), json!(expected));
    let moved = api.post("/sim/phones/15550000002/move-lid", json!({})).await;
    assert_ne!(moved["lid"], json!(null));

    let refusals = [
        json!({"to": BOB}),
        json!({"to": BOB, "edit": id}),
        json!({"to": BOB, "text": "x", "revoke": id}),
        json!({"to": BOB, "edit": id, "revoke": id}),
        json!({"to": BOB, "react": {"id": id}}),
        json!({"to": BOB, "text": "x", "timer": 5}),
        json!({"to": BOB, "react": {"id": id, "emoji": "x", "more": 1}}),
        json!({"to": BOB, "revoke": id, "count": 2}),
        json!({"to": BOB, "react": {"id": id, "emoji": "x"}, "interval_ms": 5}),
    ];
    for body in refusals {
        let refused = api.refused(Method::POST, send, Some(body.clone())).await;
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{body}");
    }
    let refused = api.refused(Method::POST, send, Some(json!({"to": BOB, "revoke": "nothing"}))).await;
    assert_eq!(refused, (404, "unknown_message".to_owned()));
}

#[tokio::test]
async fn what_whatsapp_holds_against_an_account_has_doors() {
    let simulator = serving(false).await;
    let api = Api::new(&simulator);
    let phone = json!({"number": ALICE, "restricted": "trusted", "silentPhone": true});
    let made = api.post("/sim/phones", phone).await;
    assert_eq!((&made["restricted"], &made["silentPhone"]), (&json!("trusted"), &json!(true)));
    let again = api.post("/sim/phones", json!({"number": ALICE, "restricted": "none"})).await;
    assert_eq!((&again["restricted"], &again["silentPhone"]), (&json!("none"), &json!(true)));
    let limits = json!({"timeLock": {"seconds": 60}, "chatCap": {"total": 9, "seconds": 60}});
    api.post("/sim/phones/15550000001/limits", limits).await;
    api.post("/sim/phones/15550000001/limits", json!({"timeLock": null})).await;
    api.post("/sim/phones/15550000001/ban", json!({"seconds": 60, "grows": 5})).await;
    let share = "/sim/phones/15550000001/devices/1/share-keys";
    let refused = api.refused(Method::POST, share, Some(json!({"share": "wrong"}))).await;
    assert_eq!(refused, (404, "unknown_device".to_owned()));
    let refused = api.refused(Method::POST, "/sim/phones/15550000001/ban", Some(json!({}))).await;
    assert_eq!(refused, (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn groups_have_doors() {
    let simulator = serving(false).await;
    let api = Api::new(&simulator);
    for number in [ALICE, BOB, "15550000003"] {
        api.post("/sim/phones", json!({"number": number})).await;
    }
    let made = json!({"creator": ALICE, "subject": "Tea", "members": [BOB], "addressing": "pn"});
    let made = api.post("/sim/groups", made).await;
    assert_eq!((&made["subject"], &made["addressing"]), (&json!("Tea"), &json!("pn")));
    assert_eq!(
        made["members"],
        json!([{"number": ALICE, "rank": "superadmin"}, {"number": BOB, "rank": "member"}])
    );
    let door = format!("/sim/groups/{}", made["id"].as_str().unwrap());
    let add = json!({"by": ALICE, "change": {"add": ["15550000003"]}});
    assert_eq!(api.post(&door, add.clone()).await["members"].as_array().unwrap().len(), 3);
    let left = api.post(&door, json!({"by": 15_550_000_003_u64, "change": "leave"})).await;
    assert_eq!(left["members"].as_array().unwrap().len(), 2);
    let sent = api.post("/sim/phones/15550000001/send", json!({"to": made["id"], "text": "hi"})).await;
    let inbox = api.get("/sim/phones/15550000002/inbox?wait=1").await;
    assert_eq!((&inbox[0]["id"], &inbox[0]["chat"]), (&sent["id"], &made["id"]));
    let read = json!({"ids": [sent["id"]]});
    api.post("/sim/phones/15550000002/read", read).await;
    let outbox = api.get("/sim/phones/15550000001/outbox").await;
    let kinds: Vec<_> = outbox[0]["receipts"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert!(kinds.contains(&&json!("read")), "{outbox}");
    assert_eq!(api.get("/sim/groups").await.as_array().unwrap().len(), 1);

    let promote = json!({"by": BOB, "change": {"promote": [BOB]}});
    let refused = api.refused(Method::POST, &door, Some(promote)).await;
    assert_eq!(refused, (409, "group_refused".to_owned()));
    let refused = api.refused(Method::GET, "/sim/groups/1@g.us", None).await;
    assert_eq!(refused, (404, "unknown_group".to_owned()));
    let refused = api.refused(Method::POST, &door, Some(json!({"by": BOB, "change": "burn"}))).await;
    assert_eq!(refused, (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused_with_a_reason() {
    let simulator = serving(false).await;
    let api = Api::new(&simulator);
    api.post("/sim/phones", json!({"number": ALICE})).await;
    let post = |path: &'static str, body: Value| api.refused(Method::POST, path, Some(body));
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(post("/sim/phones", json!({"number": "12"})).await, is(400, "invalid_number"));
    assert_eq!(post("/sim/phones", json!({"nummer": ALICE})).await, is(400, "invalid_request"));
    assert_eq!(post("/sim/phones/15559999999/scan", json!({"qr": "x"})).await, is(404, "unknown_phone"));
    assert_eq!(post("/sim/phones/15550000001/scan", json!({"qr": "x"})).await, is(400, "invalid_qr"));
    let nobody = Client::new(1).qr("2@nobody");
    assert_eq!(post("/sim/phones/15550000001/scan", json!({"qr": nobody})).await, is(404, "unknown_ref"));
    assert_eq!(
        post("/sim/phones/15550000001/link-code", json!({"code": "ABCD-1234"})).await,
        is(409, "no_code_expected")
    );
    assert_eq!(
        post("/sim/phones/15550000001/link-code", json!({"code": "x"})).await,
        is(400, "invalid_code")
    );
    let to_nobody = json!({"to": "15559999999", "text": "x"});
    assert_eq!(post("/sim/phones/15550000001/send", to_nobody).await, is(404, "unknown_recipient"));
    assert_eq!(
        post("/sim/phones/15550000001/send", json!({"to": "x", "text": "x"})).await,
        is(400, "invalid_recipient")
    );
    assert_eq!(
        post("/sim/phones/15550000001/send", json!({"to": ALICE, "text": ""})).await,
        is(400, "invalid_request")
    );
    assert_eq!(post("/sim/phones/15550000001/read", json!({"ids": ["x"]})).await, is(404, "unknown_message"));
    assert_eq!(post("/sim/faults", json!({"kind": "x"})).await, is(400, "invalid_fault"));
    assert_eq!(
        post("/sim/faults", json!({"kind": "no_ack", "number": "15559999999"})).await,
        is(404, "unknown_phone")
    );
    assert_eq!(post("/sim/nothing", json!({})).await, is(404, "not_found"));
    assert_eq!(post("/nothing", json!({})).await, is(404, "not_found"));
    assert_eq!(post("/sim/info", json!({})).await, is(405, "method_not_allowed"));
    let delete = |path: &'static str| api.refused(Method::DELETE, path, None);
    assert_eq!(delete("/sim/phones/15550000001/devices/7").await, is(404, "unknown_device"));
    assert_eq!(delete("/sim/faults/7").await, is(404, "unknown_fault"));
    assert_eq!(api.refused(Method::GET, "/ws/chat", None).await, is(400, "invalid_request"));
    assert_eq!(
        api.refused(Method::GET, "/sim/phones/15550000001/inbox?wait=x", None).await,
        is(400, "invalid_request")
    );
    let large = Value::String("x".repeat(2 << 20));
    assert_eq!(api.refused(Method::POST, "/sim/phones", Some(large)).await, is(400, "invalid_request"));
}

#[tokio::test]
async fn a_client_pairs_over_tls_with_the_certificate_that_is_shown() {
    let simulator = serving(true).await;
    let info = simulator.info();
    let url = info.ws_url.unwrap();
    assert!(url.starts_with("wss://") && info.media_url.unwrap().starts_with("https://"));
    let pem = info.certificate.unwrap();
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let name = "localhost".try_into().unwrap();
    let stream = connector.connect(name, tcp(&simulator).await).await.unwrap();
    let connection = socket(&simulator, stream).await;
    let alice = simulator.create_phone(ALICE, None).unwrap();
    let mut client = Client::new(1);
    let payload = client.registration();
    let mut line =
        NoiseConnection::open(&simulator, connection, client.noise.clone(), &payload, &mut client.rng)
            .await
            .unwrap();
    let references = references(&mut line).await;
    assert_eq!(client.pair_on(line, &references[0], &alice).await, 1);
}

#[tokio::test]
async fn others_are_kept_out_unless_they_are_let_in() {
    let listen = Some("0.0.0.0:0".parse().unwrap());
    let refused = Simulator::start(Options { listen, ..options() }).await;
    assert!(matches!(refused, Err(StartError::Remote(_))));
    Simulator::start(Options { listen, allow_remote: true, ..options() }).await.unwrap();
    let taken = serving(false).await;
    let refused = Simulator::start(Options { listen: taken.address(), ..options() }).await;
    assert!(matches!(refused, Err(StartError::Listen(..))));
}

#[tokio::test]
async fn dropping_the_simulator_ends_everything() {
    let simulator = serving(false).await;
    let address = simulator.address().unwrap();
    let alice = simulator.create_phone(ALICE, None).unwrap();
    let mut client = Client::new(1);
    client.pair(&simulator, &alice).await;
    let mut line = client.come_online(&simulator).await;
    drop(simulator);
    while line.try_next().await.is_some() {}
    // The listener goes in a task of its own.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn many_phones_are_made_at_once() {
    let simulator = serving(false).await;
    let api = Api::new(&simulator);
    let first = api.post("/sim/phones", json!({"number": "15551000000", "count": 50})).await;
    assert_eq!(first["number"], "15551000000");
    let phones = api.get("/sim/phones").await;
    let numbers: Vec<_> = phones.as_array().unwrap().iter().map(|phone| phone["number"].clone()).collect();
    assert_eq!(numbers, (0..50).map(|n| json!(format!("{}", 15_551_000_000_u64 + n))).collect::<Vec<_>>());
    for wrong in [json!({"number": "15552000000", "count": 10_001}), json!({"number": "x", "count": 2})] {
        let (status, _) = api.refused(Method::POST, "/sim/phones", Some(wrong)).await;
        assert_eq!(status, 400);
    }
    assert_eq!(api.get("/sim/phones").await.as_array().unwrap().len(), 50);
}
