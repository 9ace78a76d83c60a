use serde_json::{Value, json};
use wa_binary::Node;

use super::{
    Answered, Context, IqError, Request,
    newsletters::{self, Asked},
};
use crate::account::{ChatCap, TimeLock};

/// Asks for the account's time lock (PROTOCOL.md 24).
const TIME_LOCK: &str = "23983697327930364";
/// Asks how many new chats the account may begin (PROTOCOL.md 24).
const CHAT_CAP: &str = "24503548349331633";

/// Name space `w:mex`: questions in JSON, of which those about the account's limits and about newsletters are answered.
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let query = request.child()?;
    let id = query.attrs.text("query_id").unwrap_or_default();
    let newsletters = Asked::of(&id);
    if id != TIME_LOCK && id != CHAT_CAP && newsletters.is_none() {
        return Err(IqError::NotImplemented);
    }
    let variables = query.require_bytes()?;
    let variables: Value =
        serde_json::from_slice(&variables).map_err(|_| IqError::BadRequest("variables are JSON"))?;
    if let Some(asked) = newsletters {
        return Ok(in_newsletters(context, asked, &variables).into());
    }
    let now = context.world.clock.unix_seconds();
    let directory = context.account.directory();
    let data = if id == TIME_LOCK {
        json!({"xwa2_fetch_account_reachout_timelock": time_lock(directory.standing.time_lock(now))})
    } else if variables.pointer("/variables/input/type") == Some(&"INDIVIDUAL_NEW_CHAT_MSG".into()) {
        json!({"xwa2_message_capping_info": chat_cap(directory.standing.chat_cap(now), now)})
    } else {
        return Err(IqError::BadRequest("a cap of new chats is asked for by its type"));
    };
    let bytes = json!({"data": data}).to_string().into_bytes();
    Ok(Node::new("result").with_bytes(bytes).into())
}

/// An answer about newsletters: errors stand beside the data there.
fn in_newsletters(context: &Context<'_>, asked: Asked, variables: &Value) -> Node<'static> {
    let body = match newsletters::answer(context, asked, &variables["variables"]) {
        Ok(data) => json!({ "data": data }),
        Err((code, message)) => json!({
            "data": null,
            "errors": [{
                "message": message,
                "extensions": {"error_code": code, "is_retryable": false, "severity": "CRITICAL"},
            }],
        }),
    };
    Node::new("result").with_bytes(body.to_string().into_bytes())
}

/// A lock in the server's words; without one, there is nothing to enforce.
pub(crate) fn time_lock(lock: Option<&TimeLock>) -> Value {
    match lock {
        None => json!({"is_active": false, "time_enforcement_ends": "0", "enforcement_type": "DEFAULT"}),
        Some(lock) => json!({
            "is_active": true,
            "time_enforcement_ends": lock.until.unwrap_or(0).to_string(),
            "enforcement_type": lock.kind,
        }),
    }
}

/// A cap in the server's words.
pub(crate) fn chat_cap(cap: Option<ChatCap>, now: u64) -> Value {
    match cap {
        None => json!({"capping_status": "NONE", "ote_status": "NOT_ELIGIBLE", "mv_status": "NOT_ELIGIBLE"}),
        Some(cap) => json!({
            "total_quota": cap.total,
            "used_quota": cap.used,
            "cycle_end_timestamp": cap.ends.to_string(),
            "server_sent_timestamp": now.to_string(),
            "ote_status": "NOT_ELIGIBLE",
            "mv_status": "NOT_ELIGIBLE",
            "capping_status": cap.status(),
        }),
    }
}
