//! Links to an account, prints the QR text, and echoes every text it gets. `cargo run -p wa-client --example echo`
//! talks to WhatsApp, and with the WEBSOCKET_URL and ROOT_KEY_HEX of `trunkline simulate` to the simulator.

use std::sync::Arc;
use wa_client::{Client, Event, Store, TrustRoot, websocket::WebSocket};

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = Client::builder(Store::file("echo.companion")?);
    if let [_, url, key] = &std::env::args().collect::<Vec<_>>()[..] {
        builder = builder.connector(Arc::new(WebSocket::new(url))).trust_root(TrustRoot::from_hex(key)?);
    }
    let (client, mut events) = builder.start();
    while let Some(batch) = events.next().await {
        for event in batch.events() {
            if let Event::Qr(qr) = event {
                println!("scan this within a minute:\n{}\n", qr.text);
            } else if let Event::Message(message) = event
                && !message.info.from_me
                && let Some(text) = message.text()
            {
                println!("echoed: {:?}", client.reply(message, text).await);
            }
        }
        batch.accept().await?;
    }
    Ok(())
}
