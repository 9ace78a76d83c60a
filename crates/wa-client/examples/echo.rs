//! Links to an account, prints the QR text, and echoes every text it gets.
//!
//! `cargo run -p wa-client --example echo [WEBSOCKET_URL] [ROOT_KEY_HEX]`: without arguments it talks to WhatsApp,
//! with those of `trunkline simulate` to the simulator.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use wa_client::websocket::{WHATSAPP_URL, WebSocket};
use wa_client::{Client, Event, Handle, Handler, HandlerError, Outgoing, State};
use wa_crypto::PublicKey;
use wa_noise::TrustRoot;
use wa_store::MemoryStore;

#[derive(Default)]
struct Echo {
    handle: OnceLock<Handle>,
}

#[async_trait]
impl Handler for Echo {
    async fn handle(&self, events: Vec<Event>) -> Result<(), HandlerError> {
        for event in events {
            let (Event::Message(message), Some(handle)) = (event, self.handle.get().cloned()) else {
                continue;
            };
            let (chat, from_me) = (message.chat, message.from_me);
            let Some(text) = message.message.conversation.filter(|_| !from_me) else { continue };
            // Spawned: the client waits for this handler before it sends anything.
            tokio::spawn(async move { handle.send(Outgoing::text(chat, text)).await });
        }
        Ok(())
    }
}

#[tokio::main]
#[allow(clippy::print_stdout)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| WHATSAPP_URL.to_owned());
    let trust = match arguments.next() {
        Some(key) => TrustRoot::new(PublicKey::from_slice(&hex::decode(key)?)?),
        None => TrustRoot::whatsapp(),
    };
    let echo = Arc::new(Echo::default());
    let builder = Client::builder(Arc::new(MemoryStore::new()), echo.clone());
    let handle = builder.connector(Arc::new(WebSocket::new(url))).trust_root(trust).spawn();
    let mut states = handle.watch();
    let _ = echo.handle.set(handle);
    while states.changed().await.is_ok() {
        match states.borrow_and_update().clone() {
            State::Pairing { qr: Some(qr) } => println!("scan this within a minute:\n{}\n", qr.text),
            state => println!("{state:?}"),
        }
    }
    Ok(())
}
