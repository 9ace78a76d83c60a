//! The data folder holds every text and key: others on the machine must not read it, and no accident may replace it.

use std::path::Path;

use reqwest::Method;
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

use super::launch::{files, keep_errors, mode, refused, said, script, set_mode};

const NUMBER: &str = "15550000061";

fn options<'a>(binary: Option<&'a Path>, folder: &'a Path) -> GatewayOptions<'a> {
    GatewayOptions { binary, ..GatewayOptions::of(folder) }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_on_the_machine_can_read_what_is_stored() {
    let simulator = Simulator::start().await;
    let (folder, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let careless = script(bin.path(), "umask 022");
    let data = folder.path().join("data");
    let mut gateway = Gateway::start(&simulator, &options(Some(&careless), &data)).await;
    gateway.shown(&simulator, NUMBER, None).await;
    assert_eq!(mode(&data), 0o700);
    let stored = files(&data);
    assert!(stored.iter().any(|file| file.ends_with("trunkline.db-wal")), "{stored:?}");
    for file in stored {
        assert_eq!(mode(&file) & 0o077, 0, "{}", file.display());
    }
    assert!(gateway.process().stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_release_left_open_is_closed_and_said() {
    let simulator = Simulator::start().await;
    let (folder, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    let mut gateway = Gateway::start(&simulator, &options(None, &data)).await;
    assert!(gateway.process().stop());
    set_mode(&data, 0o755);
    set_mode(&data.join("trunkline.db"), 0o644);
    std::fs::write(data.join("first-start.txt"), "secrets").unwrap();
    set_mode(&data.join("first-start.txt"), 0o644);
    let binary = script(bin.path(), &format!("umask 022\n{}", keep_errors(bin.path())));
    gateway.start_again(&simulator, &options(Some(&binary), &data));
    assert_eq!(mode(&data), 0o700);
    for file in ["trunkline.db", "first-start.txt"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
        assert!(said(bin.path()).contains(file), "{}", said(bin.path()));
    }
    assert!(gateway.process().stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_key_that_everybody_can_read_is_refused() {
    let simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::start(&simulator, &options(None, folder.path())).await;
    assert!(gateway.process().stop());
    set_mode(&folder.path().join("master.key"), 0o644);
    let why = refused(&["serve"], folder.path()).await;
    assert!(why.contains("master.key") && why.contains("chmod 600"), "{why}");
    set_mode(&folder.path().join("master.key"), 0o600);
    gateway.start_again(&simulator, &options(None, folder.path()));
    assert!(gateway.process().stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_not_replaced_by_an_empty_one() {
    let simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("trunkline.db");
    let mut gateway = Gateway::start(&simulator, &options(None, folder.path())).await;
    assert!(gateway.process().stop());
    let stored = std::fs::read(&database).unwrap();

    std::fs::remove_file(&database).unwrap();
    for command in ["serve", "migrate"] {
        let why = refused(&[command], folder.path()).await;
        assert!(why.contains("trunkline.db") && why.contains("--init"), "{why}");
    }
    assert!(!database.exists());
    std::fs::write(&database, "").unwrap();
    let why = refused(&["serve"], folder.path()).await;
    assert!(why.contains("--init"), "{why}");

    std::fs::write(&database, stored).unwrap();
    gateway.start_again(&simulator, &options(None, folder.path()));
    let (status, _) = gateway.call(Method::GET, "/api/instances", None).await.unwrap();
    assert_eq!(status.as_u16(), 200, "the same database, the same key");
    assert!(gateway.process().stop());

    // Whoever means it, says so.
    std::fs::remove_file(&database).unwrap();
    let bin = tempfile::tempdir().unwrap();
    let anew = script(bin.path(), "set -- \"$@\" --init");
    let mut gateway = Gateway::start(&simulator, &options(Some(&anew), folder.path())).await;
    assert!(gateway.process().stop());
}

/// The log beside the database holds what was committed last: without the database it is all that is left.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_database_is_kept() {
    let simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (database, log) = (folder.path().join("trunkline.db"), folder.path().join("trunkline.db-wal"));
    let mut gateway = Gateway::start(&simulator, &options(None, folder.path())).await;
    gateway.shown(&simulator, NUMBER, None).await;
    gateway.process().kill();
    let committed = std::fs::read(&log).unwrap();
    assert!(!committed.is_empty());
    std::fs::remove_file(&database).unwrap();
    for args in [&["serve"][..], &["serve", "--init"]] {
        let why = refused(args, folder.path()).await;
        assert!(why.contains("trunkline.db"), "{why}");
        assert!(std::fs::read(&log).unwrap() == committed, "{args:?} touched the log");
    }
}

/// A copy of the folder, or a link to the database from another one, is another node: what a living process carries
/// stays with it.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_way_of_naming_the_database_pushes_out_who_carries_its_instances() {
    let simulator = Simulator::start().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gateway = Gateway::start(&simulator, &options(None, first.path())).await;
    let id = gateway.link(&simulator, NUMBER, None).await;
    for file in ["node.id", "master.key"] {
        std::fs::copy(first.path().join(file), second.path().join(file)).unwrap();
    }
    let link = second.path().join("trunkline.db");
    std::os::unix::fs::symlink(first.path().join("trunkline.db"), &link).unwrap();
    let mut other = Gateway::start(&simulator, &options(None, second.path())).await;
    let path = format!("/api/whatsapp/{id}/status");
    let (_, elsewhere) = other.call(Method::GET, &path, None).await.unwrap();
    assert_eq!(elsewhere["cause"], "fenced", "{elsewhere}");
    let (_, status) = gateway.call(Method::GET, &path, None).await.unwrap();
    assert_eq!(status["ready"], true, "{status}");
    assert!(other.process().stop());

    // SQLite would keep another log for it, and so damage it.
    std::fs::remove_file(&link).unwrap();
    std::fs::hard_link(first.path().join("trunkline.db"), &link).unwrap();
    let why = refused(&["serve"], second.path()).await;
    assert!(why.contains("hard link"), "{why}");
    gateway.connected(&id).await;
}
