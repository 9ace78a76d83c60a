//! How connections end, and what follows.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wa_client::{Cause, Event, Outgoing, RequestError, SendError, State};
use wa_simulator::{FaultKind, Moment, Options, Phone};

use crate::stage::{Companion, Stage, patiently};

async fn paired() -> (Stage, Phone, Companion) {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    (stage, alice, companion)
}

/// What a `<failure>` at the next login leads to.
async fn after_failure(reason: u16, code: Option<u32>, expire: Option<u64>) -> (Cause, bool) {
    let (stage, _alice, companion) = paired().await;
    let store = companion.stop().await;
    stage.fault(FaultKind::Failure { reason, code, expire });
    let companion = stage.start(store);
    let state = companion.state(|state| matches!(state, State::Stopped(_) | State::Waiting { .. })).await;
    let kept = companion.store.device().await.unwrap().is_some_and(|device| device.jid.is_some());
    if matches!(state, State::Waiting { .. }) {
        companion.online().await;
    }
    (state.cause().unwrap().clone(), kept)
}

macro_rules! failures {
    ($($name:ident: $reason:literal => $cause:expr, kept $kept:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            assert_eq!(after_failure($reason, None, None).await, ($cause, $kept));
        }
    )*};
}

failures! {
    failure_400_is_generic_and_tried_again: 400 => Cause::Failure { reason: 400 }, kept true;
    failure_401_is_a_logout: 401 => Cause::LoggedOut, kept false;
    failure_403_means_that_the_primary_is_gone: 403 => Cause::PrimaryGone, kept false;
    failure_405_means_outdated: 405 => Cause::Outdated, kept true;
    failure_406_means_that_the_account_is_refused: 406 => Cause::AccountRefused, kept false;
    failure_409_is_a_bad_user_agent: 409 => Cause::BadUserAgent, kept true;
    failure_413_is_an_expired_token: 413 => Cause::AccessToken { code: 413 }, kept true;
    failure_414_is_an_invalid_token: 414 => Cause::AccessToken { code: 414 }, kept true;
    failure_415_is_not_found: 415 => Cause::NotFound, kept true;
    failure_418_is_an_unknown_client: 418 => Cause::ClientUnknown, kept true;
    failure_500_is_tried_again: 500 => Cause::Failure { reason: 500 }, kept true;
    failure_429_is_tried_again: 429 => Cause::Failure { reason: 429 }, kept true;
    failure_501_is_tried_again: 501 => Cause::Failure { reason: 501 }, kept true;
    failure_503_is_tried_again: 503 => Cause::Failure { reason: 503 }, kept true;
    an_unknown_failure_is_tried_again: 599 => Cause::Failure { reason: 599 }, kept true;
}

#[tokio::test(start_paused = true)]
async fn failure_402_is_a_ban_with_an_end() {
    let (cause, kept) = after_failure(402, Some(101), Some(3600)).await;
    let Cause::Banned { code: 101, until: Some(until) } = cause else { panic!("{cause:?}") };
    let now = i64::try_from(crate::stage::NOW).unwrap() * 1000;
    assert!((now + 3_600_000..now + 3_700_000).contains(&until));
    assert!(kept);
}

/// Why the connection ended, whether it came back, and whether the credentials were kept.
async fn after_stream_error(code: &str, conflict: Option<&str>) -> (Cause, bool, bool) {
    let (stage, alice, companion) = paired().await;
    stage.fault(FaultKind::StreamError {
        code: code.into(),
        conflict: conflict.map(str::to_owned),
        when: Moment::Now,
    });
    let cause = companion.disconnected().await;
    let came_back = cause.reconnects();
    if came_back {
        companion.connected(2).await;
        assert_eq!(alice.devices()[0].logins, 2);
    } else {
        assert_eq!(companion.stopped().await, cause);
    }
    (cause, came_back, companion.store.device().await.unwrap().is_some())
}

#[tokio::test(start_paused = true)]
async fn stream_error_515_reconnects_at_once() {
    let start = Instant::now();
    assert_eq!(after_stream_error("515", None).await, (Cause::Restart, true, true));
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_says_515_is_not_dialled_in_a_circle() {
    let (stage, alice, companion) = paired().await;
    let kind = FaultKind::StreamError { code: "515".into(), conflict: None, when: Moment::Login };
    stage.sim.add_fault(wa_simulator::Fault::new(kind).times(10_000)).unwrap();
    stage.fault(FaultKind::Drop { when: Moment::Now });
    sleep(Duration::from_secs(600)).await;
    assert!(alice.devices()[0].logins < 30, "{}", alice.devices()[0].logins);
    stage.sim.clear_faults();
    companion.connected(2).await;
}

#[tokio::test(start_paused = true)]
async fn stream_error_503_reconnects_after_a_pause() {
    let cause = Cause::StreamError { code: "503".into() };
    assert_eq!(after_stream_error("503", None).await, (cause, true, true));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_stream_error_reconnects_after_a_pause() {
    let cause = Cause::StreamError { code: "599".into() };
    assert_eq!(after_stream_error("599", None).await, (cause, true, true));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_says_what_nobody_knows_is_left_alone_for_ever_longer() {
    let (stage, alice, companion) = paired().await;
    let bob = stage.phone("15550000002");
    let kind = FaultKind::StreamError { code: "599".into(), conflict: None, when: Moment::Sent };
    stage.sim.add_fault(wa_simulator::Fault::new(kind).times(10_000)).unwrap();
    let start = Instant::now();
    // Each connection does something before it ends: what was received is acknowledged.
    while start.elapsed() < Duration::from_secs(3600) {
        if companion.client.state() == State::Online {
            bob.send(alice.number(), "something to do").await.unwrap();
            let _ = companion.client.send(Outgoing::text(bob.jid(), "what ends it")).await;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let logins = alice.devices()[0].logins;
    assert!((3..15).contains(&logins), "{logins}");
    stage.sim.clear_faults();
    companion.client.reconnect().await;
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_replaced_connection_stays_away() {
    assert_eq!(after_stream_error("", Some("replaced")).await, (Cause::Replaced, false, true));
}

#[tokio::test(start_paused = true)]
async fn a_401_without_device_removed_deletes_nothing() {
    let cause = Cause::StreamError { code: "401".into() };
    assert_eq!(after_stream_error("401", None).await, (cause, true, true));
}

#[tokio::test(start_paused = true)]
async fn a_second_connection_replaces_the_first() {
    let (stage, _alice, first) = paired().await;
    let second = stage.start(first.store.clone());
    second.online().await;
    assert_eq!(first.stopped().await, Cause::Replaced);
}

#[tokio::test(start_paused = true)]
async fn an_unlinked_companion_forgets_everything() {
    let (_stage, alice, companion) = paired().await;
    alice.unlink(1).unwrap();
    assert_eq!(companion.stopped().await, Cause::LoggedOut);
    assert!(companion.store.device().await.unwrap().is_none());
    assert_eq!(companion.store.prekey_count().await.unwrap(), 0);
    let told = companion.diary.events();
    let last = told.last().unwrap();
    let logged_out =
        matches!(last, Event::Disconnected { cause: Cause::LoggedOut, will_reconnect: false, .. });
    assert!(logged_out, "{last:?}");
    // It can be linked anew, with new keys.
    companion.client.reconnect().await;
    companion.pair(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_outlive_their_end_until_it_is_recorded() {
    let (stage, alice, companion) = paired().await;
    let store = companion.stop().await;
    let (client, mut events, _task) = stage.start_alone(store.clone(), |builder| builder);
    patiently(client.watch().wait_for(|state| *state == State::Online)).await.unwrap();
    alice.unlink(1).unwrap();
    let is_end = |event: &Event| matches!(event, Event::Disconnected { cause: Cause::LoggedOut, .. });
    loop {
        let batch = patiently(events.next()).await.unwrap();
        let is_last = batch.events().iter().any(is_end);
        assert!(store.device().await.unwrap().is_some());
        batch.accept().await.unwrap();
        if is_last {
            break;
        }
    }
    let ended = State::Stopped(Cause::LoggedOut);
    patiently(client.watch().wait_for(|state| *state == ended)).await.unwrap();
    assert!(store.device().await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn logging_out_unlinks_and_forgets() {
    let (_stage, alice, companion) = paired().await;
    companion.client.logout().await.unwrap();
    assert_eq!(companion.client.state(), State::Stopped(Cause::LoggedOut));
    assert!(companion.store.device().await.unwrap().is_none());
    assert!(alice.devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unconfirmed_logout_keeps_the_credentials() {
    let (stage, _alice, companion) = paired().await;
    stage.fault(FaultKind::IqError {
        xmlns: Some("md".into()),
        child: None,
        code: 500,
        text: "internal-server-error".into(),
    });
    let error = companion.client.logout().await.unwrap_err();
    assert!(matches!(error.0, RequestError::Refused { code: 500, .. }));
    assert!(companion.store.device().await.unwrap().is_some());
    assert_eq!(companion.client.state(), State::Online);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connection_comes_back_with_back_off() {
    let (stage, alice, companion) = paired().await;
    stage.fault(FaultKind::Drop { when: Moment::Now });
    assert_eq!(companion.disconnected().await, Cause::Network);
    companion.connected(2).await;
    assert_eq!(alice.devices()[0].logins, 2);
    let told = companion.diary.events();
    let lost = |event: &Event| {
        matches!(event, Event::Disconnected { cause: Cause::Network, will_reconnect: true, .. })
    };
    assert!(told.iter().any(lost));
}

#[tokio::test(start_paused = true)]
async fn a_dead_socket_is_noticed_within_a_minute() {
    let (stage, _alice, companion) = paired().await;
    let start = Instant::now();
    let fault = stage.sim.add_fault(wa_simulator::Fault::new(FaultKind::Silence)).unwrap();
    assert_eq!(companion.waiting().await, Cause::Network);
    assert!(start.elapsed() <= Duration::from_secs(55), "{:?}", start.elapsed());
    stage.sim.clear_fault(fault.id).unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_stays_up() {
    let (_stage, alice, companion) = paired().await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(companion.client.state(), State::Online);
    assert_eq!(alice.devices()[0].logins, 1);
}

#[tokio::test(start_paused = true)]
async fn a_pause_lasts_until_reconnect() {
    let (_stage, alice, companion) = paired().await;
    companion.client.disconnect().await;
    assert_eq!(companion.client.state(), State::Stopped(Cause::Paused));
    sleep(Duration::from_secs(600)).await;
    let refused = companion.client.send(Outgoing::text(alice.jid(), "no")).await;
    assert_eq!(refused, Err(SendError::NotConnected { cause: Cause::Paused }));
    companion.client.reconnect().await;
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_client_answers_every_call() {
    let (_stage, alice, companion) = paired().await;
    companion.client.stop().await;
    assert_eq!(companion.client.state(), State::Stopped(Cause::Shutdown));
    let refused = companion.client.send(Outgoing::text(alice.jid(), "no")).await;
    assert_eq!(refused, Err(SendError::Stopped));
    assert_eq!(companion.client.resolve(&["15550000001".into()]).await, Err(RequestError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_stop_comes_before_whatever_else_ends_the_connection() {
    for stops_first in [true, false] {
        let (_stage, _alice, companion) = paired().await;
        let client = companion.client.clone();
        let all = async {
            if stops_first {
                tokio::join!(client.stop(), client.reconnect(), client.disconnect())
            } else {
                tokio::join!(client.disconnect(), client.reconnect(), client.stop())
            }
        };
        patiently(all).await;
        assert_eq!(client.state(), State::Stopped(Cause::Shutdown));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_in_flight() {
    let (stage, _alice, companion) = paired().await;
    let bob = stage.phone("15550000002");
    let sending = companion.client.send(Outgoing::text(bob.jid(), "last words"));
    let stopping = async {
        tokio::task::yield_now().await;
        companion.client.stop().await;
    };
    let (sent, ()) = tokio::join!(sending, stopping);
    assert!(sent.is_ok(), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_carried_out_though_the_connection_ends_of_itself() {
    let (stage, alice, companion) = paired().await;
    let bob = stage.phone("15550000002");
    let away = wa_simulator::Fault::new(FaultKind::Backlog).number(bob.number()).device(0);
    stage.sim.add_fault(away).unwrap();
    stage.fault_for(&alice, FaultKind::NoAck);
    let message = Outgoing::text(bob.jid(), "last words");
    let sending = companion.client.send(message);
    let stopping = async {
        tokio::task::yield_now().await;
        // It waits for the ack, and the connection ends before its patience does.
        tokio::join!(companion.client.stop(), async {
            sleep(Duration::from_secs(1)).await;
            stage.fault(FaultKind::Drop { when: Moment::Now });
        })
    };
    let (sent, _) = patiently(async { tokio::join!(sending, stopping) }).await;
    assert_eq!(sent, Err(SendError::Unacknowledged));
    assert_eq!(companion.client.state(), State::Stopped(Cause::Shutdown));
}

#[tokio::test(start_paused = true)]
async fn edge_routing_is_kept_and_replayed() {
    let stage = Stage::with(Options { edge_routing: true, ..Options::default() }).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    let store = companion.stop().await;
    assert!(store.device().await.unwrap().unwrap().routing_info.is_some());
    stage.start(store).online().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_dirty_is_said_to_be_clean() {
    let stage = Stage::with(Options { dirty: true, ..Options::default() }).await;
    let alice = stage.phone("15550000001");
    let companion = stage.companion(&alice).await;
    companion
        .diary
        .wait_for(|events| events.iter().any(|event| matches!(event, Event::OfflineDone { .. })))
        .await;
    sleep(Duration::from_secs(1)).await;
    assert!(stage.seen("urn:xmpp:whatsapp:dirty") >= 1);
    assert_eq!(companion.client.state(), State::Online);
}
