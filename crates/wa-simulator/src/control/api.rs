use std::time::Duration;

use hyper::{Method, Request, StatusCode, body::Incoming, header::ACCEPT};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::{Doors, Reply, request};
use crate::{
    Addressing, ChatCap, ControlError, Fault, Impostor, KeyShare, Outgoing, Phone, Restriction, Say,
    TimeLock,
    simulator::{canonical, clear, create_phone, place},
    versions,
};

/// How long an inbox that is waited for may take, at most.
const MAX_WAIT: Duration = Duration::from_secs(60);

type Replied = Result<Reply, ControlError>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPhone {
    number: Number,
    name: Option<String>,
    restricted: Option<Restriction>,
    #[serde(alias = "silentPhone")]
    silent_phone: Option<bool>,
    passkey: Option<bool>,
    aliases: Option<Vec<Number>>,
    #[serde(alias = "lidMigrated")]
    lid_migrated: Option<bool>,
    #[serde(alias = "hidesLid")]
    hides_lid: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewClock {
    #[serde(alias = "offsetMs")]
    offset_ms: i64,
}

/// A number, which people write with and without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Digits(u64),
}

impl Number {
    fn into_text(self) -> String {
        match self {
            Self::Text(number) => number,
            Self::Digits(number) => number.to_string(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scan {
    qr: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkCode {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    to: String,
    text: Option<String>,
    edit: Option<String>,
    revoke: Option<String>,
    react: Option<React>,
    raw: Option<String>,
    count: Option<usize>,
    #[serde(alias = "intervalMs")]
    interval_ms: Option<u64>,
    addressing: Option<Addressing>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct React {
    id: String,
    emoji: String,
}

/// Versions of WhatsApp Web, dotted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    newest: Option<String>,
    minimum: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    chat: Option<String>,
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    seconds: u64,
    grows: Option<u64>,
}

/// A limit that is absent stays, `null` lifts it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Limits {
    #[serde(default, deserialize_with = "present")]
    time_lock: Option<Option<Lock>>,
    #[serde(default, deserialize_with = "present")]
    chat_cap: Option<Option<Cap>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    seconds: Option<u64>,
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cap {
    total: u32,
    used: Option<u32>,
    seconds: u64,
}

/// Tells `null` from nothing.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(json: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(json).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareKeys {
    share: Option<KeyShare>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Claim {
    what: Impostor,
    chat: String,
    message_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reinstall {
    #[serde(default)]
    quiet: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Play {
    #[serde(default)]
    hosted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    to: String,
    text: String,
}

/// `/sim/…`: the control API.
pub(super) async fn answer(doors: &Doors, request: Request<Incoming>) -> Reply {
    match route(doors, request).await {
        Ok(reply) => reply,
        Err(error) => request::refuse(&error),
    }
}

async fn route(doors: &Doors, request: Request<Incoming>) -> Replied {
    let path = request.uri().path().to_owned();
    let segments: Vec<String> =
        path.trim_start_matches("/sim/").trim_end_matches('/').split('/').map(request::decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let get = *request.method() == Method::GET;
    let post = *request.method() == Method::POST;
    let delete = *request.method() == Method::DELETE;
    match *segments.as_slice() {
        ["info"] if get => ok(&*doors.info),
        ["phones"] if get => phones(doors),
        ["phones"] if post => new_phone(doors, request).await,
        ["phones", number, ref rest @ ..] => of_phone(&phone(doors, number)?, rest, request).await,
        ["pairings"] if get => ok(&doors.world.pairings.waiting()),
        ["faults"] if get => faults(doors),
        ["faults"] if post => {
            let fault = Fault::from_json(request::json_body::<Value>(request).await?)?;
            ok(&place(&doors.world, fault)?)
        }
        ["faults"] if delete => clear(&doors.world, None).and_then(|()| ok(&json!({}))),
        ["faults", id] if delete => {
            let id = id.parse().map_err(|_| ControlError::UnknownPath(path.clone()))?;
            clear(&doors.world, Some(id)).and_then(|()| ok(&json!({})))
        }
        ["stolen"] if get => ok(&doors.world.impostors.stolen()),
        ["version"] if get => version(doors),
        ["version"] if post => {
            let Publish { newest, minimum } = request::json_body(request).await?;
            doors.world.versions.publish(newest.map(parsed).transpose()?, minimum.map(parsed).transpose()?);
            version(doors)
        }
        ["trace"] if get => trace(doors, &request),
        ["clock"] if get => clock(doors),
        ["clock"] if post => {
            let NewClock { offset_ms } = request::json_body(request).await?;
            doors.world.clock.set_offset(offset_ms);
            clock(doors)
        }
        ["reset"] if post => {
            doors.world.reset();
            ok(&json!({}))
        }
        ["info" | "phones" | "pairings" | "faults" | "stolen" | "version" | "trace" | "reset" | "clock"]
        | ["faults", _] => not_allowed(&request),
        _ => Err(ControlError::UnknownPath(path)),
    }
}

async fn of_phone(phone: &Phone, rest: &[&str], request: Request<Incoming>) -> Replied {
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
        ["migrate"] if post => {
            phone.migrate();
            ok(&described(phone))
        }
        ["read"] if post => {
            let read: Read = request::json_body(request).await?;
            phone.read(read.chat.as_deref(), &read.ids).await?;
            ok(&json!({}))
        }
        ["devices", id, "share-keys"] if post => {
            let ShareKeys { share } = request::json_body(request).await?;
            phone.share_keys(device(id)?, share.unwrap_or(KeyShare::Right))?;
            ok(&json!({}))
        }
        ["ban"] if post => {
            let Ban { seconds, grows } = request::json_body(request).await?;
            phone.ban(Duration::from_secs(seconds), Duration::from_secs(grows.unwrap_or(0)));
            ok(&json!({}))
        }
        ["limits"] if post => limits(phone, request::json_body(request).await?),
        ["passkey"] if get => ok(&json!({"code": phone.passkey_code()})),
        ["passkey"] if post => {
            let options = request::json_body::<Value>(request).await?;
            ok(&phone.assert_passkey(&options["options"].to_string())?)
        }
        ["inbox"] if get => inbox(phone, &request).await,
        ["outbox"] if get => ok(&phone.outbox()),
        ["devices"] if get => ok(&phone.devices()),
        ["reinstall"] if post => {
            phone.reinstall(!request::json_body::<Reinstall>(request).await?.quiet);
            ok(&json!({}))
        }
        ["devices"] if post => {
            let played = request::json_body::<Play>(request).await?;
            let device = if played.hosted { phone.play_cloud()? } else { phone.play_companion()? };
            ok(&linked(phone, device))
        }
        ["devices", id, "inbox"] if get => ok(&phone.inbox_of(device(id)?)?),
        ["devices", id, "send"] if post => {
            let (id, text) = (device(id)?, request::json_body::<Text>(request).await?);
            ok(&json!({"id": phone.send_from(id, &text.to, &text.text).await?}))
        }
        ["devices", id, "impostor"] if post => {
            let id = device(id)?;
            let claim: Claim = request::json_body(request).await?;
            phone.impersonate(id, claim.what, &claim.chat, &claim.message_id)?;
            ok(&json!({}))
        }
        ["devices", id] if *request.method() == Method::DELETE => {
            phone.unlink(device(id)?)?;
            ok(&json!({}))
        }
        []
        | [
            "scan" | "link-code" | "passkey" | "migrate" | "send" | "read" | "ban" | "limits" | "reinstall"
            | "inbox" | "outbox" | "devices",
        ]
        | ["devices", _]
        | ["devices", _, "impostor" | "inbox" | "send" | "share-keys"] => not_allowed(&request),
        _ => Err(ControlError::UnknownPath(request.uri().path().to_owned())),
    }
}

fn device(id: &str) -> Result<u16, ControlError> {
    id.parse().map_err(|_| ControlError::InvalidRequest(format!("`{id}` is no device's number")))
}

fn phone(doors: &Doors, number: &str) -> Result<Phone, ControlError> {
    let account = doors.world.phone(&canonical(number)?)?;
    Ok(Phone::new(doors.world.clone(), account))
}

fn phones(doors: &Doors) -> Replied {
    let accounts = doors.world.accounts();
    let phones: Vec<Value> =
        accounts.into_iter().map(|account| described(&Phone::new(doors.world.clone(), account))).collect();
    ok(&phones)
}

async fn new_phone(doors: &Doors, request: Request<Incoming>) -> Replied {
    let wanted: NewPhone = request::json_body(request).await?;
    let phone = create_phone(&doors.world, &wanted.number.into_text(), wanted.name.as_deref())?;
    if let Some(restriction) = wanted.restricted {
        phone.restrict(restriction);
    }
    if let Some(is_silent) = wanted.silent_phone {
        phone.be_silent(is_silent);
    }
    if let Some(has_passkey) = wanted.passkey {
        phone.demand_passkey(has_passkey);
    }
    let aliases: Vec<_> = wanted.aliases.into_iter().flatten().map(Number::into_text).collect();
    phone.add_aliases(&aliases)?;
    match wanted.lid_migrated {
        Some(true) if !phone.is_lid_migrated() => phone.migrate(),
        Some(false) => phone.unmigrate(),
        _ => {}
    }
    if let Some(hide) = wanted.hides_lid {
        phone.hide_lid(hide);
    }
    ok(&described(&phone))
}

fn clock(doors: &Doors) -> Replied {
    let clock = &doors.world.clock;
    ok(&json!({"offsetMs": clock.offset(), "unixMillis": clock.unix_millis()}))
}

fn described(phone: &Phone) -> Value {
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

impl Send {
    fn say(self) -> Result<Say, ControlError> {
        match (self.text, self.edit, self.revoke, self.react, self.raw) {
            (Some(text), None, None, None, None) => Ok(Say::Text(text)),
            (Some(text), Some(id), None, None, None) => Ok(Say::Edit { id, text }),
            (None, None, Some(id), None, None) => Ok(Say::Revoke { id }),
            (None, None, None, Some(React { id, emoji }), None) => Ok(Say::React { id, emoji }),
            (None, None, None, None, Some(raw)) => match hex::decode(raw) {
                Ok(raw) => Ok(Say::Raw(raw.into())),
                Err(error) => Err(ControlError::InvalidRequest(format!("`raw` is not hexadecimal: {error}"))),
            },
            _ => {
                let reason = "one of `text`, `text` with `edit`, `revoke`, `react` and `raw` is expected";
                Err(ControlError::InvalidRequest(reason.to_owned()))
            }
        }
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

fn version(doors: &Doors) -> Replied {
    let (newest, minimum) = doors.world.versions.known();
    ok(&json!({"newest": versions::dotted(newest), "minimum": versions::dotted(minimum)}))
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map` wants.
fn parsed(text: String) -> Result<versions::Version, ControlError> {
    let wrong = || ControlError::InvalidRequest(format!("`{text}` is no version such as 2.3000.1050000000"));
    versions::parse(&text).ok_or_else(wrong)
}

fn faults(doors: &Doors) -> Replied {
    let faults: Vec<Value> = doors
        .world
        .faults
        .list()
        .into_iter()
        .map(|(id, fault)| {
            let mut json = fault.to_json();
            if let Value::Object(object) = &mut json {
                object.insert("id".to_owned(), id.into());
            }
            json
        })
        .collect();
    ok(&faults)
}

/// Text, a stanza a line, or a JSON list for who accepts only that.
fn trace(doors: &Doors, request: &Request<Incoming>) -> Replied {
    let query = request::query(request);
    let number = request::parameter(&query, "number").map(canonical).transpose()?;
    let entries = doors.world.trace.entries(number.as_deref());
    if request.headers().get(ACCEPT).is_some_and(|accept| accept == "application/json") {
        return ok(&entries);
    }
    let lines: String = entries.iter().map(|entry| format!("{entry}\n")).collect();
    Ok(request::text(lines))
}

fn ok(value: &(impl Serialize + ?Sized)) -> Replied {
    Ok(request::json(StatusCode::OK, &value))
}

fn not_allowed(request: &Request<Incoming>) -> Replied {
    Err(ControlError::MethodNotAllowed(request.method().to_string()))
}
