//! `/sim/phones/{number}/…`.

use crate::control::request;
use crate::{Addressing, ChatCap, ControlError, KeyShare, Outgoing, Phone, Say, TimeLock};
use hyper::{Method, Request, body::Incoming};
use serde_json::{Value, json};
use std::time::Duration;

use super::{Replied, body::*, not_allowed, ok};

/// How long an inbox that is waited for may take, at most.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub(super) async fn of_phone(phone: &Phone, rest: &[&str], request: Request<Incoming>) -> Replied {
    let (get, post) = (*request.method() == Method::GET, *request.method() == Method::POST);
    match *rest {
        [] if get => ok(&described(phone)),
        ["scan"] if post => {
            let device = phone.scan(&request::json_body::<Scan>(request).await?.qr).await?;
            ok(&linked(phone, device))
        }
        ["link-code"] if post => {
            let device = phone.enter_code(&request::json_body::<LinkCode>(request).await?.code).await?;
            ok(&linked(phone, device))
        }
        ["send"] if post => send(phone, request::json_body(request).await?).await,
        ["app-state"] if get => ok(&phone.state_records()),
        ["app-state"] if post => {
            let changes = match request::json_body(request).await? {
                Changes::One(change) => vec![change],
                Changes::Many(changes) => changes,
            };
            phone.change_state(&changes)?;
            ok(&json!({}))
        }
        ["app-state", "key"] if post => {
            phone.rotate_state_key(request::json_body::<RotateKey>(request).await?.share);
            ok(&json!({}))
        }
        ["migrate"] if post => {
            phone.migrate();
            ok(&described(phone))
        }
        ["move-lid"] if post => {
            phone.move_lid();
            ok(&described(phone))
        }
        ["calls"] if get => ok(&phone.calls()),
        ["calls"] if post => {
            let Ring { to, video } = request::json_body(request).await?;
            ok(&json!({"id": phone.call(&to.into_text(), video)?}))
        }
        ["read"] if post => {
            let read: Read = request::json_body(request).await?;
            phone.read(read.chat.as_deref(), &read.ids).await?;
            ok(&json!({}))
        }
        ["ban"] if post => {
            let Ban { seconds, grows } = request::json_body(request).await?;
            phone.ban(Duration::from_secs(seconds), Duration::from_secs(grows.unwrap_or(0)));
            ok(&json!({}))
        }
        ["limits"] if post => limits(phone, request::json_body(request).await?),
        ["reuploads"] if post => {
            let AnswerReuploads { answer } = request::json_body(request).await?;
            phone.answer_reuploads(answer);
            ok(&json!({}))
        }
        ["passkey"] if get => ok(&json!({"code": phone.passkey_code()})),
        ["passkey"] if post => {
            let options = request::json_body::<Value>(request).await?;
            ok(&phone.assert_passkey(&options["options"].to_string())?)
        }
        ["inbox"] if get => inbox(phone, &request).await,
        ["outbox"] if get => ok(&phone.outbox()),
        ["reinstall"] if post => {
            phone.reinstall(!request::json_body::<Reinstall>(request).await?.quiet);
            ok(&json!({}))
        }
        ["devices", ref rest @ ..] => of_devices(phone, rest, request).await,
        []
        | [
            "scan" | "link-code" | "passkey" | "migrate" | "move-lid" | "send" | "read" | "calls" | "ban"
            | "limits" | "reinstall" | "reuploads" | "inbox" | "outbox" | "app-state",
        ]
        | ["app-state", "key"] => not_allowed(&request),
        _ => Err(ControlError::UnknownPath(request.uri().path().to_owned())),
    }
}

/// `/sim/phones/{number}/devices/…`.
async fn of_devices(phone: &Phone, rest: &[&str], request: Request<Incoming>) -> Replied {
    let (get, post) = (*request.method() == Method::GET, *request.method() == Method::POST);
    match *rest {
        [id, "share-keys"] if post => {
            let ShareKeys { share } = request::json_body(request).await?;
            phone.share_keys(device(id)?, share.unwrap_or(KeyShare::Right))?;
            ok(&json!({}))
        }
        [] if get => ok(&phone.devices()),
        [] if post => {
            let played = request::json_body::<Play>(request).await?;
            let device = if played.hosted { phone.play_cloud()? } else { phone.play_companion()? };
            ok(&linked(phone, device))
        }
        [id, "inbox"] if get => ok(&phone.inbox_of(device(id)?)?),
        [id, "send"] if post => {
            let (id, text) = (device(id)?, request::json_body::<Text>(request).await?);
            ok(&json!({"id": phone.send_from(id, &text.to, &text.text).await?}))
        }
        [id, "impostor"] if post => {
            let id = device(id)?;
            let claim: Claim = request::json_body(request).await?;
            phone.impersonate(id, claim.what, &claim.chat, &claim.message_id)?;
            ok(&json!({}))
        }
        [id] if *request.method() == Method::DELETE => {
            phone.unlink(device(id)?)?;
            ok(&json!({}))
        }
        [] | [_] | [_, "impostor" | "inbox" | "send" | "share-keys"] => not_allowed(&request),
        _ => Err(ControlError::UnknownPath(request.uri().path().to_owned())),
    }
}

fn device(id: &str) -> Result<u16, ControlError> {
    id.parse().map_err(|_| ControlError::InvalidRequest(format!("`{id}` is no device's number")))
}

pub(super) fn described(phone: &Phone) -> Value {
    json!({
        "number": phone.number(),
        "jid": phone.jid().to_string(),
        "lid": phone.lid().to_string(),
        "name": phone.name(),
        "restricted": phone.restriction(),
        "silentPhone": phone.is_silent(),
        "passkey": phone.demands_passkey(),
        "aliases": phone.aliases(),
        "lidMigrated": phone.is_lid_migrated(),
        "hidesLid": phone.hides_lid(),
    })
}

/// A new companion, by its number and both of its addresses.
fn linked(phone: &Phone, device: u16) -> Value {
    json!({
        "device": device,
        "jid": phone.address(Addressing::Pn, device).to_string(),
        "lid": phone.address(Addressing::Lid, device).to_string(),
    })
}

async fn send(phone: &Phone, send: Send) -> Replied {
    let (count, interval, addressing) = (send.count, send.interval_ms, send.addressing);
    let to = send.to.clone();
    let say = send.say()?;
    if !matches!(say, Say::Text(_)) && (count.is_some() || interval.is_some()) {
        let reason = "`count` and `interval_ms` go with texts alone";
        return Err(ControlError::InvalidRequest(reason.to_owned()));
    }
    let interval = Duration::from_millis(interval.unwrap_or(0));
    let outgoing = Outgoing { count: count.unwrap_or(1), interval, addressing, ..Outgoing::new(to, say) };
    let ids = phone.send_all(outgoing).await?;
    match count {
        None => ok(&json!({"id": ids.first()})),
        Some(_) => ok(&json!({"id": ids.first(), "ids": ids})),
    }
}

fn limits(phone: &Phone, limits: Limits) -> Replied {
    let now = phone.now();
    if let Some(lock) = limits.time_lock {
        phone.set_time_lock(lock.map(|lock| TimeLock {
            until: lock.seconds.map(|seconds| now + seconds),
            kind: lock.kind.unwrap_or_else(|| "DEFAULT".to_owned()),
        }));
    }
    if let Some(cap) = limits.chat_cap {
        phone.set_chat_cap(cap.map(|cap| ChatCap {
            total: cap.total,
            used: cap.used.unwrap_or(0),
            ends: now + cap.seconds,
        }));
    }
    ok(&json!({}))
}

/// The inbox; with `?wait=n`, once the phone has shown n messages, or after `timeout_ms` (10 s).
async fn inbox(phone: &Phone, request: &Request<Incoming>) -> Replied {
    let query = request::query(request);
    let number = |name: &str| -> Result<Option<u64>, ControlError> {
        let parse = |value: &str| {
            value.parse().map_err(|_| ControlError::InvalidRequest(format!("`{name}` is a whole number")))
        };
        request::parameter(&query, name).map(parse).transpose()
    };
    if let Some(wanted) = number("wait")? {
        let timeout = Duration::from_millis(number("timeout_ms")?.unwrap_or(10_000)).min(MAX_WAIT);
        // Too late is no error: the caller sees what there is.
        tokio::time::timeout(timeout, phone.wait_for_shown(wanted)).await.ok();
    }
    ok(&phone.inbox())
}
