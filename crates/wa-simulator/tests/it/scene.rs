//! Simulators and people that tests begin with.

use wa_simulator::{Clock, Options, Phone, Simulator};

use crate::client::{Client, NOW, NoiseConnection};

pub(crate) const ALICE: &str = "15550000001";
pub(crate) const BOB: &str = "15550000002";

pub(crate) fn options() -> Options {
    Options { seed: Some([7; 32]), clock: Some(Clock::starting_at(NOW)), ..Options::default() }
}

/// A reproducible simulator without a socket.
pub(crate) async fn simulator() -> Simulator {
    Simulator::start(options()).await.unwrap()
}

/// Alice and Bob, each with a phone.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) alice: Phone,
    pub(crate) bob: Phone,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(options()).await
    }

    /// Phones say nothing of themselves.
    pub(crate) async fn quiet() -> Self {
        Self::with(Options { bootstrap: Vec::new(), edge_routing: false, ..options() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let simulator = Simulator::start(options).await.unwrap();
        let alice = simulator.create_phone(ALICE, Some("Alice")).unwrap();
        let bob = simulator.create_phone(BOB, Some("Bob")).unwrap();
        Self { simulator, alice, bob }
    }

    /// A companion of Alice that is online.
    pub(crate) async fn companion(&self, seed: u8) -> (Client, NoiseConnection) {
        self.companion_of(&self.alice, seed).await
    }

    pub(crate) async fn companion_of(&self, phone: &Phone, seed: u8) -> (Client, NoiseConnection) {
        let mut client = Client::new(seed);
        client.pair(&self.simulator, phone).await;
        let mut line = client.come_online(&self.simulator).await;
        line.next_where(|node| node.get_child("offline").is_some()).await;
        (client, line)
    }
}
