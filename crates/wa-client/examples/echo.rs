//! Links to an account, prints the QR text, and echoes every text it gets. `cargo run -p wa-client --example echo`
//! talks to WhatsApp, and with the WEBSOCKET_URL and ROOT_KEY_HEX of `trunkline simulate` to the simulator.

use std::{error::Error, sync::Arc};
use wa_client::{Client, Event, Events, Store, TrustRoot, websocket::WebSocket};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = Client::builder(Store::file("echo.companion")?);
    if let [_, url, key] = &std::env::args().collect::<Vec<_>>()[..] {
        builder = builder.connector(Arc::new(WebSocket::new(url))).trust_root(TrustRoot::from_hex(key)?);
    }
    let (client, events) = builder.start();
    Err(echo(client, events).await.into())
}

/// Echoes until the client has ended; says why it has.
#[allow(clippy::print_stdout)]
pub(crate) async fn echo(client: Client, mut events: Events) -> String {
    while let Some(batch) = events.next().await {
        let mut end = None;
        for event in batch.events() {
            match event {
                Event::Qr(qr) => println!("scan this within a minute:\n{}\n", qr.text),
                Event::Message(message) if !message.info.from_me => {
                    let Some(text) = message.text() else { continue };
                    println!("echoed: {:?}", client.reply(message, text).await);
                }
                Event::Disconnected { cause, will_reconnect: false, .. } => end = Some(cause.clone()),
                _ => {}
            }
        }
        // What could not be accepted comes again; that is no reason to end.
        println!("accepted: {:?}", batch.accept().await);
        if let Some(cause) = end {
            client.stop().await;
            return format!("the client has ended: {cause}");
        }
    }
    "the client has ended".into()
}
