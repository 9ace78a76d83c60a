//! Serves a simulator until interrupted: `cargo run -p wa-simulator --example serve -- 127.0.0.1:4000 [--tls]`.

use std::{error::Error, io::Write};

use wa_simulator::{Options, Simulator};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let listen = arguments.iter().find(|argument| !argument.starts_with("--"));
    let listen = listen.map_or("127.0.0.1:0", String::as_str).parse()?;
    let tls = arguments.iter().any(|argument| argument == "--tls");
    let simulator = Simulator::start(Options { listen: Some(listen), tls, ..Options::default() }).await?;
    let info = serde_json::to_string(&simulator.info())?;
    writeln!(std::io::stdout(), "{info}")?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}
