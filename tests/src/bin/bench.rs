//! The whole-process benchmark of `make bench`: a gateway on SQLite and one on PostgreSQL, where there is one, in turn; each
//! with a simulator, this process as the load.
//!
//! `BENCH_INSTANCES` (500), `BENCH_SECONDS` (10 per round) and `BENCH_ROUNDS` (3) scale it; `BASELINE` names another
//! `trunkline` binary, which does the same in turn on SQLite; `BENCH_POSTGRES=0` leaves PostgreSQL out.

#![allow(clippy::print_stdout, reason = "its report goes there")]

use std::io;

use trunkline_tests::bench::{Plan, run};

#[tokio::main]
async fn main() -> io::Result<()> {
    let report = run(&Plan::from_environment()).await;
    println!("{report}");
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench.json");
    std::fs::write(target, report.to_json())?;
    println!("written to target/bench.json");
    Ok(())
}
