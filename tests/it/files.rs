//! Large files pass through in little memory, in both directions.

use trunkline_tests::{FileTraffic, Gateway, GatewayOptions, Simulator};

const OURS: &str = "15550000071";
const PEER: &str = "15550000072";
/// The largest file that is taken.
const LARGE: usize = 100 << 20;
/// One after which threads, connections and caches are there.
const SMALL: usize = 8 << 20;
/// What may be resident beyond what was before, in kilobytes.
const MORE: u64 = 8 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_take_eight_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    simulator.phone(PEER).await;
    let gateway = Gateway::start(&simulator, &GatewayOptions::of(folder.path())).await;
    let instance = gateway.link(&simulator, OURS, None).await;
    let files = FileTraffic {
        simulator: &simulator,
        gateway: &gateway,
        instance: &instance,
        number: OURS,
        peer: PEER,
    };
    files.up(SMALL).await.unwrap();
    let small = files.down(SMALL).await;
    assert_eq!(files.read(&small).await, SMALL);

    let (sent, up) = files.grown(files.up(LARGE)).await;
    let (large, down) = files.grown(files.down(LARGE)).await;
    let (length, read) = files.grown(files.read(&large)).await;
    println!("resident beyond what was before: {up} KB up, {down} KB down, {read} KB handed out");
    assert_eq!((sent, length), (Some(()), LARGE));
    for (what, grown) in [("up", up), ("down", down), ("handed out", read)] {
        assert!(grown <= MORE, "{what}: {grown} KB more");
    }
}
