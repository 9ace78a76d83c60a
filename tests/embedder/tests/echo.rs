//! The bot pairs with the simulator, echoes, and is itself again after a restart.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use wa_client::tokio;
use wa_simulator::{Fault, FaultKind, Options, Phone, Simulator};

/// Long enough for a slow machine and a back-off or two.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(crate = "wa_client::tokio", flavor = "multi_thread")]
async fn an_echo_bot_pairs_echoes_and_remembers() {
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let simulator = Simulator::start(Options { listen, ..Options::default() }).await.unwrap();
    let owner = simulator.create_phone("15550000001", None).unwrap();
    let friend = simulator.create_phone("15550000002", None).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("echo.store");
    std::fs::remove_file(&file).ok();

    let mut bot = Bot::start(&simulator, &file);
    owner.scan(&bot.line()).await.unwrap();
    echoed(&friend, &owner, "hello").await;
    drop(bot);

    let mut bot = Bot::start(&simulator, &file);
    echoed(&friend, &owner, "hello again").await;
    let devices = owner.devices();
    assert_eq!(devices.len(), 1, "it is the same companion");

    // An echo that WhatsApp refuses ends nothing.
    let refusal = Fault::new(FaultKind::RefuseSend { error: 500 });
    simulator.add_fault(refusal.number(owner.number()).device(devices[0].id)).unwrap();
    friend.send(owner.number(), "not this one").await.unwrap();
    echoed(&friend, &owner, "but this one").await;
    assert!(simulator.faults().is_empty(), "one was refused");

    owner.unlink(devices[0].id).unwrap();
    assert!(!bot.end().success(), "it says that it has ended");
}

/// Sends a text to the bot's account, and waits for the same to come back.
async fn echoed(friend: &Phone, owner: &Phone, text: &str) {
    friend.send(owner.number(), text).await.unwrap();
    let echo = friend.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.text.as_deref() == Some(text)));
    tokio::time::timeout(PATIENCE, echo).await.expect("an echo");
}

/// The running program; killed when dropped.
struct Bot {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Bot {
    fn start(simulator: &Simulator, file: &Path) -> Self {
        let info = simulator.info();
        let mut process = Command::new(env!("CARGO_BIN_EXE_embedder"))
            .arg(file)
            .args([info.ws_url.unwrap(), info.root_key])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Waits for its end.
    fn end(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
