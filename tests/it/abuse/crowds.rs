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
