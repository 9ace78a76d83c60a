//! An echo bot: shows a QR text to scan, then answers every text with the same. `embedder FILE [URL ROOT_KEY]` keeps
//! its companion in a file, and talks to WhatsApp, or to the simulator that is named.

use std::error::Error;
use std::sync::Arc;

use wa_client::websocket::WebSocket;
use wa_client::{Client, Event, Store, TrustRoot, tokio};

#[tokio::main(crate = "wa_client::tokio")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut builder = Client::builder(Store::file(arguments.first().ok_or("name a file")?)?);
    if let [_, url, key] = arguments.as_slice() {
        builder = builder.connector(Arc::new(WebSocket::new(url))).trust_root(TrustRoot::from_hex(key)?);
    }
    let (client, mut events) = builder.start();
    while let Some(batch) = events.next().await {
        let mut end = None;
        for event in batch.events() {
            match event {
                Event::Qr(qr) => println!("{}", qr.text),
                Event::Message(message) if !message.info.from_me => {
                    let Some(text) = message.text() else { continue };
                    // What came before a restart may be handed out again before the login.
                    if let Err(error) = client.reply(message, text).await {
                        eprintln!("no echo: {error}");
                    }
                }
                Event::Disconnected { cause, will_reconnect: false, .. } => end = Some(cause.clone()),
                _ => {}
            }
        }
        // What could not be accepted comes again.
        if let Err(error) = batch.accept().await {
            eprintln!("not accepted: {error}");
        }
        if let Some(cause) = end {
            client.stop().await;
            return Err(format!("the client has ended: {cause}").into());
        }
    }
    Err("the client has ended".into())
}
