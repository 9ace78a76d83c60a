//! What a collector of traces gets, read by the published definition of OTLP.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};
use serde_json::json;
use wa_simulator::{Options, Simulator};

use crate::app::{EMAIL, PASSWORD};
use crate::client::Client;
use crate::phones::Phones;
use crate::process::Process;
use crate::receiver::{Call, Receiver};
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
/// Somebody else's trace and span.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

static REQUEST: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/otlp");
    let file = "opentelemetry/proto/collector/trace/v1/trace_service.proto";
    let files = protox::compile([file], [folder]).expect("the definition");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("it is whole");
    pool.get_message_by_name("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest").expect("it")
});

/// A span, and the attributes of whoever sent it.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: i32,
    times: (u64, u64),
    error: Option<String>,
    attributes: BTreeMap<String, String>,
}

fn field(message: &DynamicMessage, name: &str) -> Value {
    message.get_field_by_name(name).unwrap_or_else(|| panic!("no field {name}")).into_owned()
}

fn list(message: &DynamicMessage, name: &str) -> Vec<DynamicMessage> {
    let items = field(message, name);
    items.as_list().unwrap().iter().map(|item| item.as_message().unwrap().clone()).collect()
}

fn attributes(message: &DynamicMessage) -> BTreeMap<String, String> {
    let text = |value: &DynamicMessage| match value.fields().next() {
        Some((_, Value::String(text))) => text.clone(),
        Some((_, Value::I64(number))) => number.to_string(),
        other => panic!("no value of ours: {other:?}"),
    };
    let pairs = list(message, "attributes");
    let pair = |pair: &DynamicMessage| {
        let value = field(pair, "value");
        (field(pair, "key").as_str().unwrap().to_owned(), text(value.as_message().unwrap()))
    };
    pairs.iter().map(pair).collect()
}

/// The spans of one call, in which nothing is unknown to the definition.
fn spans(body: &[u8]) -> Vec<Span> {
    let request = DynamicMessage::decode(REQUEST.clone(), body).expect("a request of OTLP");
    let mut found = Vec::new();
    for of_resource in list(&request, "resource_spans") {
        let resource = field(&of_resource, "resource");
        let service = attributes(resource.as_message().unwrap())["service.name"].clone();
        for of_scope in list(&of_resource, "scope_spans") {
            found.extend(list(&of_scope, "spans").iter().map(|span| read(span, &service)));
        }
    }
    found
}

fn read(span: &DynamicMessage, service: &str) -> Span {
    assert_eq!(span.unknown_fields().count(), 0, "{span:?}");
    let bytes = |name: &str| hex::encode(field(span, name).as_bytes().unwrap());
    let time = |name: &str| field(span, name).as_u64().unwrap();
    let status = field(span, "status");
    let status = status.as_message().filter(|_| span.has_field_by_name("status"));
    Span {
        service: service.to_owned(),
        trace: bytes("trace_id"),
        id: bytes("span_id"),
        parent: bytes("parent_span_id"),
        name: field(span, "name").as_str().unwrap().to_owned(),
        kind: field(span, "kind").as_enum_number().unwrap(),
        times: (time("start_time_unix_nano"), time("end_time_unix_nano")),
        error: status.map(|status| {
            assert_eq!(field(status, "code").as_enum_number(), Some(2));
            field(status, "message").as_str().unwrap().to_owned()
        }),
        attributes: attributes(span),
    }
}

/// A `serve` process that sends its traces to a receiver, and an account in it.
struct Stage {
    process: Process,
    collector: Receiver,
    phones: Phones,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn start(more: &[(&str, &str)]) -> Self {
        let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::default() };
        let phones = Phones::new(Simulator::start(options).await.unwrap());
        let (collector, folder) = (Receiver::start(), tempfile::tempdir().unwrap());
        let info = phones.simulator().info();
        let (ws_url, endpoint) = (info.ws_url.unwrap(), collector.url().to_owned());
        let mut environment = vec![
            ("LISTEN", "127.0.0.1:0"),
            ("DATA_DIR", folder.path().to_str().unwrap()),
            ("WHATSAPP_URL", ws_url.as_str()),
            ("WHATSAPP_ROOT_KEY", info.root_key.as_str()),
            ("ADMIN_EMAIL", EMAIL),
            ("ADMIN_PASSWORD", PASSWORD),
            ("OUTBOUND_ALLOW", "127.0.0.1"),
            ("LOG", "info"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20key, x-other=1"),
            ("OTEL_SERVICE_NAME", "shop"),
        ];
        environment.extend_from_slice(more);
        let mut process = Process::start(&["serve"], &environment);
        let line = process.line_with("Listening on");
        let url = line[line.find("http://").unwrap()..].trim().to_owned();
        let client = Client::anonymous(&url);
        until("it is ready", || async { (client.get("/readyz").await.status == 200).then_some(()) }).await;
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let login = client.post("/api/auth/login", body).await.expect(200);
        let client = client.with_key(login["user"]["apiKey"].as_str().unwrap());
        Self { process, collector, phones, client, _folder: folder }
    }

    /// An instance that the phone of this number has linked, and that tells its events to this address.
    async fn linked(&self, number: &str, webhook: &str) -> String {
        let body = json!({"name": number, "webhookUrl": webhook, "notifyDelivery": false, "maxRetries": 0});
        let id =
            self.client.post("/api/instances", body).await.expect(201)["id"].as_str().unwrap().to_owned();
        self.phones.create(number).await;
        let qr = until("the QR code", || async {
            let answer = self.client.get(&format!("/api/instances/{id}/qr")).await;
            (answer.status == 200).then(|| answer.body["qrCode"].as_str().unwrap().to_owned())
        })
        .await;
        self.phones.scan(number, &qr).await;
        until("the link", || async {
            let status = self.client.get(&format!("/api/whatsapp/{id}/status")).await.expect(200);
            (status["ready"] == true).then_some(())
        })
        .await;
        id
    }

    /// Ends it, and answers all spans that came.
    fn end(mut self) -> (Vec<Span>, Vec<Call>, String) {
        self.process.signal("-TERM");
        assert_eq!(self.process.exit_code(), Some(0));
        let calls = self.collector.calls();
        let found = calls.iter().flat_map(|call| spans(&call.raw)).collect();
        (found, calls, self.process.errors())
    }
}

#[tokio::test]
async fn a_send_is_one_trace_from_the_request_on_and_webhooks_are_told_too() {
    let stage = Stage::start(&[]).await;
    let webhooks = Receiver::start();
    let id = stage.linked(ALICE, webhooks.url()).await;
    stage.phones.create(BOB).await;
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let body = json!({"phone": BOB, "message": "a text that stays here"});
    let request = stage.client.request(reqwest::Method::POST, &format!("/api/whatsapp/{id}/send"));
    let sent = request.header("traceparent", &parent).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    webhooks.wait_for("message_sent", |_| true).await;
    webhooks.answer(500);
    stage.phones.write(BOB, ALICE, "an answer").await;
    webhooks.wait_for("message_received", |_| true).await;
    let unsampled = stage.client.request(reqwest::Method::GET, "/api/auth/me");
    unsampled.header("traceparent", format!("00-{TRACE}-{SPAN}-00")).send().await.unwrap();
    stage.client.get("/api/nothing/here").await.expect_error(404, "not_found");

    let (found, calls, said) = stage.end();
    for call in &calls {
        assert_eq!(call.path, "/hook/v1/traces");
        assert_eq!(call.header("content-type"), Some("application/x-protobuf"));
        assert_eq!((call.header("x-key"), call.header("x-other")), (Some("a key"), Some("1")));
    }
    let of = |name: &str| found.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let [request] = of("POST /api/whatsapp/{id}/send")[..] else { panic!("{found:#?}") };
    assert_eq!((request.trace.as_str(), request.parent.as_str(), request.kind), (TRACE, SPAN, 2));
    assert_eq!(request.attributes["http.response.status_code"], "200");
    assert_eq!(request.attributes["http.route"], "/api/whatsapp/{id}/send");
    assert_eq!((request.error.as_deref(), request.service.as_str()), (None, "shop"));
    let [send] = of("send")[..] else { panic!("{found:#?}") };
    assert_eq!((&send.trace, &send.parent, send.kind), (&request.trace, &request.id, 1));
    assert_eq!(
        (&send.attributes["trunkline.instance.id"], &*send.attributes["trunkline.message.type"]),
        (&id, "text")
    );
    assert!(request.times.0 <= send.times.0 && send.times.1 <= request.times.1, "{request:?} {send:?}");

    let webhooks = of("call webhook");
    let of_event =
        |event: &str| webhooks.iter().find(|span| span.attributes["trunkline.event.type"] == event).unwrap();
    assert_eq!(of_event("message_sent").attributes["http.response.status_code"], "200");
    assert_eq!((of_event("message_sent").kind, &of_event("message_sent").error), (3, &None));
    assert_eq!(of_event("message_received").error.as_deref(), Some("HTTP 500"));
    assert!(webhooks.iter().all(|span| span.parent.is_empty() && span.trace != TRACE));
    assert_eq!(of("GET /api/auth/me").len(), 0, "who began the trace doesn't record it");
    assert_eq!(of("GET").len(), 1, "what has no route names none");

    // Ids are not alike, and nothing that is whose leaves.
    let ids: std::collections::BTreeSet<_> = found.iter().map(|span| &span.id).collect();
    assert_eq!(ids.len(), found.len());
    let told = format!("{found:?}");
    for secret in [ALICE, BOB, "a text that stays here", PASSWORD] {
        assert!(!told.contains(secret), "{secret}");
    }
    assert!(!said.contains("collector"), "{said}");
}

#[tokio::test]
async fn a_share_of_nothing_sends_nothing_and_a_collector_that_fails_is_said_once() {
    let silent = Stage::start(&[("OTEL_TRACES_SAMPLER_ARG", "0")]).await;
    let (found, calls, _) = silent.end();
    assert_eq!((found.len(), calls.len()), (0, 0));

    let refused = Stage::start(&[]).await;
    refused.collector.answer(503);
    refused.client.get("/api/auth/me").await.expect(200);
    let (_, calls, said) = refused.end();
    assert!(!calls.is_empty());
    assert_eq!(said.matches("the collector of traces doesn't take them").count(), 1, "{said}");
}
