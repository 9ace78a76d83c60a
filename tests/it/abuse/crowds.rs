use std::net::{IpAddr, Ipv4Addr};

use reqwest::Method;
use test_support::until_within;
use tokio::io::AsyncWriteExt as _;

use super::stage::{ELSEWHERE, SOON, Target, told};

/// More connections than the process may have files open.
const CROWD: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_leave_room_for_others() {
    let target = Target::start_under("ulimit -n 256", &[]);
    target.serves_others().await;
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(target.connect(ELSEWHERE).await);
    }
    target.serves_others().await;
    let held = target.log();
    assert!(!held.contains("os error 24"), "{held}");
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_told() {
    let target = Target::start_under("ulimit -Sn 128; ulimit -Hn 2048", &[("LOG", "info")]);
    let line = target.told_by_system("limits", "Max open files");
    let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["2048", "2048"]);
    let log = target.log();
    assert!(log.contains("before=128 now=2048") && log.contains("all=512 per_address=256"), "{log}");
}

#[tokio::test]
async fn strangers_are_refused_before_they_say_anything() {
    let target = Target::start(&[("ALLOWED_IPS", "127.0.0.1")]);
    target.serves_others().await;
    let mut stranger = target.connect(ELSEWHERE).await;
    let said = tokio::time::timeout(SOON, told(&mut stranger, SOON * 2)).await.expect("it ends");
    assert_eq!(said, "");
}

/// A proxy has all connections that it wants; a client behind it has not.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_behind_a_proxy_leaves_room_for_others_behind_it() {
    const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    // 64 connections, half of them for one client.
    let target = Target::start_under("ulimit -n 256", &[("TRUSTED_PROXIES", "127.0.0.1")]);
    let livez = async |from: &str| {
        target.call(Method::GET, "/livez", &[("x-forwarded-for", from)], None).await.0.as_u16()
    };
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.5\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let mut crowd = Vec::new();
    for _ in 0..32 {
        let mut stream = target.connect(PROXY).await;
        stream.write_all(head.as_bytes()).await.expect("it takes the head");
        crowd.push(stream);
    }
    until_within("the client has too many under way", SOON, || async {
        (livez("203.0.113.5").await == 429).then_some(())
    })
    .await;
    assert_eq!(livez("203.0.113.6").await, 200);
    assert_eq!(livez("127.0.0.1").await, 200, "the proxy itself");
    drop(crowd);
    until_within("its requests are over", SOON, || async {
        (livez("203.0.113.5").await == 200).then_some(())
    })
    .await;
}
