use crate::{client::*, simulator};

#[tokio::test(start_paused = true)]
async fn a_client_pairs_and_logs_in() {
    let simulator = simulator().await;
    let phone = simulator.create_phone("15550000001", Some("Alice")).unwrap();
    let mut client = Client::new(1);
    assert_eq!(client.pair(&simulator, &phone).await, 1);
    let mut line = client.come_online(&simulator).await;
    let offline = line.next_where(|node| node.get_child("offline").is_some()).await;
    assert_eq!(text(offline.get_child("offline").unwrap(), "count"), "0");
    let device = &phone.devices()[0];
    assert!(device.connected && device.active);
    assert_eq!((device.id, device.key_index, device.name.as_str()), (1, 1, "Test"));
}
