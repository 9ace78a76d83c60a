use wa_binary::Jid;

use crate::{client::*, simulator};

#[tokio::test(start_paused = true)]
async fn companion_and_phone_exchange_texts() {
    let simulator = simulator().await;
    let alice = simulator.create_phone("15550000001", Some("Alice")).unwrap();
    let bob = simulator.create_phone("15550000002", Some("Bob")).unwrap();
    let mut client = Client::new(1);
    client.pair(&simulator, &alice).await;
    let mut line = client.come_online(&simulator).await;

    let devices = [bob.lid(), alice.lid()];
    for device in &devices {
        client.open_session(&mut line, device).await;
    }
    let message = client.message("3EB0AA", &bob.lid(), &devices, "hello");
    line.send(&message).await;
    let ack = line.next_named("ack").await;
    assert_eq!(text(&ack, "id"), "3EB0AA");
    assert!(!ack.attrs.contains("error") && !ack.attrs.contains("phash"), "{ack}");
    let inbox = bob.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert_eq!(inbox[0].text.as_deref(), Some("hello"));
    assert!(!inbox[0].from_me);
    let own = alice.wait_for_inbox(|entries| !entries.is_empty()).await;
    assert!(own[0].from_me);
    assert_eq!(own[0].chat, "15550000002@s.whatsapp.net");
    let receipt = line.next_named("receipt").await;
    assert_eq!(receipt.attrs.jid("from"), Some(&bob.lid()));

    let id = bob.send("15550000001", "hi").await.unwrap();
    let delivered = line.next_where(|node| node.is("message") && text(node, "id") == id).await;
    assert_eq!(delivered.attrs.jid("sender_pn"), Some(&Jid::pn("15550000002")));
    assert_eq!(client.decrypt(&delivered).conversation.as_deref(), Some("hi"));
}
