//! The database goes away in the middle of the traffic: its connections are cut, its server is stopped and started again.
//! What was acknowledged is stored, the gateway says meanwhile that nothing can be, and goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use test_support::postgres::{self, Server};
use test_support::until_within;
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

use crate::traffic::Traffic;

const MESSAGES: usize = 300;
/// How often the connections are cut.
const CUTS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_goes_away_loses_and_repeats_nothing() {
    let Some(mut server) = Server::start() else { return postgres::skip() };
    let simulator = Arc::new(Simulator::start().await);
    let folder = tempfile::tempdir().expect("temporary folder");
    let environment = vec![("DATABASE_URL", server.url())];
    let options = GatewayOptions { environment, ..GatewayOptions::of(folder.path()) };
    let gateway = Gateway::start(&simulator, &options).await;
    let traffic = Traffic::start(&simulator, &gateway, MESSAGES).await;

    let administrator = server.connect().await;
    for cut in 1..=CUTS {
        // The first two thirds of it.
        traffic.reaches(cut * 4 * MESSAGES / (3 * CUTS)).await;
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'trunkline'";
        let ended: i64 = administrator.query_one(end, &[]).await.expect("an administrator").get(0);
        assert!(ended > 0, "the gateway is connected");
    }
    let before = traffic.progress();
    traffic.reaches(before + 10).await;

    server.stop();
    until_ready_is(&gateway, StatusCode::SERVICE_UNAVAILABLE).await;
    let (status, health) = gateway.call(Method::GET, "/health", None).await.expect("it answers");
    assert_eq!((status, &health["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"failing".into()), "{health}");
    server.start_again();
    until_ready_is(&gateway, StatusCode::OK).await;
    traffic.end_well(&gateway, 0).await;
}

async fn until_ready_is(gateway: &Gateway, wanted: StatusCode) {
    until_within("the gateway says how the database is", PATIENCE, || async {
        let (status, _) = gateway.call(Method::GET, "/readyz", None).await?;
        (status == wanted).then_some(())
    })
    .await;
}
