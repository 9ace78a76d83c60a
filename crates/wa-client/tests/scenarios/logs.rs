//! What an operator reads.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;
use wa_client::websocket::WebSocket;
use wa_client::{State, Store};

use crate::stage::{Stage, patiently};

/// Log lines that a test can read.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_with_the_name_of_the_companion_and_ever_more_rarely() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let stage = Stage::new().await;
    let nowhere = Arc::new(WebSocket::new("ws://127.0.0.1:1/ws/chat"));
    let companion =
        stage.start_with(Store::memory(), |builder| builder.label("line-7").connector(nowhere.clone()));
    let mut states = companion.client.watch();
    let often = |state: &State| matches!(state, State::Connecting { attempt: 40, .. });
    patiently(states.wait_for(often)).await.unwrap();
    let lines = log.lines();
    assert!(lines.iter().all(|line| line.contains("instance=line-7")), "{lines:?}");
    let told = lines.iter().filter(|line| line.contains("connecting failed")).count();
    assert!((2..=8).contains(&told), "{told} of 40 failures are told: {lines:?}");
}
