mod body;
mod group;
mod phone;

use hyper::{Method, Request, StatusCode, body::Incoming, header::ACCEPT};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Doors, Reply, request};
use crate::{
    ControlError, Fault, Phone,
    simulator::{canonical, clear, create_phone, create_phones, place},
    versions,
};

use body::{NewClock, NewPhone, Number, Publish};
use group::of_groups;
use phone::{described, of_phone};

type Replied = Result<Reply, ControlError>;

/// `/sim/…`: the control API.
pub(super) async fn answer(doors: &Doors, request: Request<Incoming>) -> Reply {
    if let Err(error) = doors.guard.check(&request) {
        return request::refuse(&error);
    }
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
        ["groups", ref rest @ ..] => of_groups(doors, rest, request).await,
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
    let number = wanted.number.into_text();
    if let Some(count) = wanted.count {
        create_phones(&doors.world, &number, count)?;
    }
    let phone = create_phone(&doors.world, &number, wanted.name.as_deref())?;
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
