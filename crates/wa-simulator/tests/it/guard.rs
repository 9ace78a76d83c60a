//! The control API is for programs of this machine, not for the pages that its browsers show.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use wa_simulator::{Options, Simulator};

use crate::scene::options;

async fn serving(listen: &str, control_token: Option<&str>) -> (Simulator, String) {
    // Another test may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let listen = Some(listen.parse().unwrap());
    let control_token = control_token.map(str::to_owned);
    let options = Options { listen, control_token, allow_remote: true, ..options() };
    let simulator = Simulator::start(options).await.unwrap();
    let port = simulator.address().unwrap().port();
    (simulator, format!("http://127.0.0.1:{port}"))
}

fn call(base: &str, method: Method, path: &str) -> RequestBuilder {
    reqwest::Client::builder().no_proxy().build().unwrap().request(method, format!("{base}{path}"))
}

async fn refusal(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_page_of_somebody_elses_drives_nothing() {
    let (simulator, base) = serving("127.0.0.1:0", None).await;
    simulator.create_phone("15550000001", None).unwrap();
    let wrong_host = call(&base, Method::GET, "/sim/phones").header("host", "evil.example");
    assert_eq!(refusal(wrong_host).await, (403, "wrong_host".to_owned()));
    for origin in ["https://evil.example", "null", "http://localhost:1"] {
        let foreign = call(&base, Method::POST, "/sim/reset").header("origin", origin);
        assert_eq!(refusal(foreign).await, (403, "wrong_origin".to_owned()), "{origin}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let form = call(&base, Method::POST, "/sim/phones").header("content-type", kind);
        let form = form.body(r#"{"number": "15550000002"}"#);
        assert_eq!(refusal(form).await, (415, "unsupported_media_type".to_owned()), "{kind}");
    }
    assert_eq!(simulator.phones().len(), 1, "nothing of it was done");
}

#[tokio::test]
async fn programs_and_its_own_origin_are_served() {
    let (simulator, base) = serving("127.0.0.1:0", None).await;
    let json =
        call(&base, Method::POST, "/sim/phones").header("content-type", "application/json; charset=utf-8");
    assert_eq!(refusal(json.body(r#"{"number": "15550000002"}"#)).await.0, 200);
    assert_eq!(refusal(call(&base, Method::GET, "/sim/phones").header("origin", &base)).await.0, 200);
    assert_eq!(
        refusal(call(&base, Method::GET, "/sim/phones").header("host", "localhost:4000")).await.0,
        200
    );
    assert_eq!(refusal(call(&base, Method::POST, "/sim/reset")).await.0, 200, "without a body, no type");
    assert!(simulator.phones().is_empty());
}

#[tokio::test]
async fn whoever_can_come_from_elsewhere_shows_a_token() {
    for given in [None, Some("given")] {
        let (simulator, base) = serving("0.0.0.0:0", given).await;
        let token = simulator.info().control_token.expect("a token");
        assert!(given.is_none_or(|given| given == token) && token.len() >= 5);
        let get = || call(&base, Method::GET, "/sim/info");
        assert_eq!(refusal(get()).await, (401, "unauthorized".to_owned()));
        assert_eq!(refusal(get().bearer_auth("wrong")).await, (401, "unauthorized".to_owned()));
        assert_eq!(refusal(get().bearer_auth(&token).header("host", "simulator:4000")).await.0, 200);
    }
    let (simulator, _) = serving("127.0.0.1:0", None).await;
    assert_eq!(simulator.info().control_token, None);
}
