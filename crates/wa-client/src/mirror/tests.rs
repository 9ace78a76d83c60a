use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use wa_signal::{Bundle, Session, SignedPreKey};
use wa_store::{DeviceAddress, ListedDevice};

use super::*;

/// Device 1 of 15550001, LID 8001.
pub(crate) fn mirror() -> Mirror {
    let mut device = new_device(0, &mut ChaCha20Rng::from_seed([1; 32]));
    device.jid = Some(Jid::pn("15550001").with_device(1));
    device.lid = Some(Jid::lid("8001").with_device(1));
    Mirror::new(device, &Config::default())
}

fn session(mirror: &Mirror) -> Session {
    let mut random = ChaCha20Rng::from_seed([2; 32]);
    let peer = LocalIdentity { key: KeyPair::generate(&mut random), registration_id: 7 };
    let signed = SignedPreKey::generate(&peer, 1, &mut random);
    let bundle = Bundle {
        registration_id: 7,
        identity: *peer.key.public(),
        signed_prekey_id: 1,
        signed_prekey: *signed.key.public(),
        signed_prekey_signature: signed.signature,
        prekey: None,
    };
    Session::initiate(&mirror.local, &bundle, None, &mut random).unwrap()
}

#[tokio::test]
async fn sessions_move_to_the_lid_once_it_is_known() {
    let (store, mut mirror) = (Store::memory(), mirror());
    let old = DeviceAddress::new("15550002", 3);
    let new = DeviceAddress::new("9002_1", 3);
    let record: Bytes = session(&mirror).to_record(0).into();
    let before = Changes {
        sessions: vec![(old.clone(), Some(record))],
        identities: vec![(old.clone(), Some([5; 32]))],
        ..Changes::default()
    };
    store.commit(before).await.unwrap();
    mirror.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
    assert!(mirror.sessions.contains(&new) && !mirror.sessions.contains(&old));
    assert!(mirror.is_urgent());
    store.commit(mirror.take_changes()).await.unwrap();
    let sessions = store.sessions(&[old.clone(), new.clone()]).await.unwrap();
    assert!(sessions[0].is_none() && sessions[1].is_some());
    assert_eq!(store.identities(&[old, new]).await.unwrap(), [None, Some([5; 32])]);
    assert_eq!(store.lid_of("15550002").await.unwrap().as_deref(), Some("9002"));
}

#[tokio::test]
async fn a_session_that_is_not_stored_yet_moves_too() {
    let (store, mut mirror) = (Store::memory(), mirror());
    let (old, new) = (DeviceAddress::new("15550002", 3), DeviceAddress::new("9002_1", 3));
    let (fresh, identity) = (session(&mirror), *mirror.local.key.public());
    mirror.sessions.put(&old, fresh);
    mirror.save_identity(old.clone(), &identity);
    mirror.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
    assert!(mirror.sessions.contains(&new) && !mirror.sessions.contains(&old));
    store.commit(mirror.take_changes()).await.unwrap();
    let sessions = store.sessions(&[old.clone(), new.clone()]).await.unwrap();
    assert!(sessions[0].is_none() && sessions[1].is_some());
    assert_eq!(store.identities(&[old, new]).await.unwrap(), [None, Some(*identity.as_bytes())]);
}

#[tokio::test]
async fn what_is_known_under_the_lid_already_is_not_replaced() {
    let (store, mut mirror) = (Store::memory(), mirror());
    let (old, new) = (DeviceAddress::new("15550002", 0), DeviceAddress::new("9002_1", 0));
    let kept = session(&mirror);
    let base_key = *kept.base_key();
    mirror.sessions.put(&new, kept);
    let mut other = mirror_of_somebody_else();
    mirror.sessions.put(&old, session(&other));
    store.commit(mirror.take_changes()).await.unwrap();
    mirror.learn_lid(&store, &Jid::pn("15550002"), &Jid::lid("9002")).await.unwrap();
    assert_eq!(mirror.sessions.get_mut(&new).map(|session| *session.base_key()), Some(base_key));
    assert!(!mirror.sessions.contains(&old));
    other.take_changes();
}

fn mirror_of_somebody_else() -> Mirror {
    Mirror::new(new_device(0, &mut ChaCha20Rng::from_seed([8; 32])), &Config::default())
}

#[tokio::test]
async fn a_dropped_device_list_is_gone_before_the_store_knows() {
    let (store, mut mirror) = (Store::memory(), mirror());
    let user = Jid::lid("9002");
    let phone = ListedDevice { id: 0, key_index: None, is_hosted: false };
    let list = DeviceList { devices: vec![phone], timestamp: 90, fetched_at: 100, hash: None };
    mirror.save_device_list(user.clone(), list);
    store.commit(mirror.take_changes()).await.unwrap();
    assert!(mirror.device_list(&store, &user, 100).await.unwrap().is_some());
    assert!(mirror.device_list(&store, &user, 101).await.unwrap().is_none(), "it is too old");
    mirror.expire_device_list(&store, &user).await.unwrap();
    assert!(mirror.device_list(&store, &user, 0).await.unwrap().is_none());
    assert_eq!(mirror.devices_signed_at(&store, &user).await.unwrap(), 90);
    mirror.drop_device_list(&user);
    assert!(mirror.device_list(&store, &user, 0).await.unwrap().is_none());
    assert_eq!(mirror.devices_signed_at(&store, &user).await.unwrap(), 0);
    assert!(!mirror.is_urgent());
}

#[tokio::test]
async fn a_deleted_session_stays_deleted_before_the_store_knows() {
    let (store, mut mirror) = (Store::memory(), mirror());
    let address = DeviceAddress::new("9002_1", 0);
    let fresh = session(&mirror);
    mirror.sessions.put(&address, fresh);
    store.commit(mirror.take_changes()).await.unwrap();
    mirror.delete_session(&address);
    mirror.sessions.load(&store, std::slice::from_ref(&address)).await.unwrap();
    assert!(!mirror.sessions.contains(&address) && mirror.is_urgent());
    store.commit(mirror.take_changes()).await.unwrap();
    assert_eq!(store.sessions(&[address]).await.unwrap(), [None]);
}

#[tokio::test]
async fn released_sessions_give_unused_counters_back() {
    let (store, mut mirror) = (Store::memory(), mirror());
    let address = DeviceAddress::new("9002_1", 0);
    let mut fresh = session(&mirror);
    let mut twin = fresh.clone();
    fresh.encrypt(&mirror.local, b"one").unwrap();
    mirror.sessions.put(&address, fresh);
    store.commit(mirror.take_changes()).await.unwrap();
    store.commit(mirror.release()).await.unwrap();
    mirror.sessions.load(&store, std::slice::from_ref(&address)).await.unwrap();
    let next = mirror.sessions.get_mut(&address).unwrap().encrypt(&mirror.local, b"two").unwrap();
    twin.encrypt(&mirror.local, b"one").unwrap();
    assert_eq!(next, twin.encrypt(&mirror.local, b"two").unwrap(), "no counter was skipped");
}

#[test]
fn a_new_device_has_a_sound_signed_prekey() {
    let mirror = mirror();
    let signed = mirror.signed_prekey();
    let key = mirror.local.key.public();
    assert!(key.verify(&[&signed.key.public().to_signal()], &signed.signature).is_ok());
    assert!(mirror.is_own_user(&Jid::lid("8001")) && !mirror.is_own_user(&Jid::lid("9002")));
}
