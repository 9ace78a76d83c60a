//! Requests that concern whom the account may write to.

use serde::Deserialize;
use wa_binary::{Jid, Node};
use wa_store::{NewChats, TimeLock};

use super::{get, set};
use crate::request::RequestError;

/// WhatsApp's numbers for the two questions (PROTOCOL.md 24).
const TIME_LOCK: &str = "23983697327930364";
const NEW_CHATS: &str = "24503548349331633";

/// How long a lock lasts whose end the server leaves out, in milliseconds: as WhatsApp Web assumes.
const UNTOLD: i64 = 60_000;

/// Gives a person a token, as of these Unix seconds (PROTOCOL.md 22).
pub(crate) fn give_token(lid: &Jid, at: i64) -> Node<'static> {
    let token = Node::new("token").attr("jid", lid.to_user()).attr("t", at).attr("type", "trusted_contact");
    set("privacy").child(Node::new("tokens").child(token))
}

/// Asks whether the account is locked.
pub(crate) fn time_lock() -> Node<'static> {
    ask(TIME_LOCK, "{\"variables\":{}}")
}

/// Asks how many people the account may write to for the first time.
pub(crate) fn new_chats() -> Node<'static> {
    ask(NEW_CHATS, "{\"variables\":{\"input\":{\"type\":\"INDIVIDUAL_NEW_CHAT_MSG\"}}}")
}

fn ask(id: &'static str, variables: &'static str) -> Node<'static> {
    get("w:mex").child(Node::new("query").attr("query_id", id).with_bytes(variables.as_bytes()))
}

/// What the server says about limits, in an answer or in a notification.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The outer `None`: it says nothing of it.
    pub(crate) time_lock: Option<Option<TimeLock>>,
    pub(crate) new_chats: Option<Option<NewChats>>,
}

/// Reads an answer to [`time_lock`] or [`new_chats`]; `now` in Unix milliseconds.
pub(crate) fn parse_answer(answer: &Node<'_>, now: i64) -> Result<Told, RequestError> {
    let bytes = answer.require_child("result")?.require_bytes()?;
    told(&bytes, now).ok_or_else(|| RequestError::Malformed("the answer is not what was asked for".into()))
}

/// Reads `<update>` of a notification of type `mex`; `None` if it is about something else.
pub(crate) fn parse_update(update: &Node<'_>, now: i64) -> Option<Told> {
    told(&update.bytes()?, now).filter(|told| *told != Told::default())
}

fn told(json: &[u8], now: i64) -> Option<Told> {
    let data = serde_json::from_slice::<Envelope>(json).ok()?.data?;
    let time_lock = data.lock.or(data.lock_changed).map(|lock| lock.read(now));
    let new_chats = data.cap.or(data.cap_changed).map(|cap| cap.read());
    Some(Told { time_lock, new_chats })
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "xwa2_fetch_account_reachout_timelock")]
    lock: Option<Lock>,
    #[serde(rename = "xwa2_notify_account_reachout_timelock")]
    lock_changed: Option<Lock>,
    #[serde(rename = "xwa2_message_capping_info")]
    cap: Option<Cap>,
    #[serde(rename = "xwa2_notify_new_chat_messages_capping_info_update")]
    cap_changed: Option<Cap>,
}

#[derive(Deserialize)]
struct Lock {
    is_active: Option<bool>,
    time_enforcement_ends: Option<Number>,
    enforcement_type: Option<String>,
}

#[derive(Deserialize)]
struct Cap {
    total_quota: Option<Number>,
    used_quota: Option<Number>,
    cycle_end_timestamp: Option<Number>,
    capping_status: Option<String>,
}

/// A number, which the server writes as text in some places.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl Lock {
    fn read(self, now: i64) -> Option<TimeLock> {
        let until = self.time_enforcement_ends.and_then(Number::millis).unwrap_or(now + UNTOLD);
        let kind = self.enforcement_type.unwrap_or_default();
        self.is_active.unwrap_or(false).then_some(TimeLock { until: Some(until), kind })
    }
}

impl Cap {
    fn read(self) -> Option<NewChats> {
        let small = |number: Option<Number>| u32::try_from(number?.value()?).ok();
        let cap = NewChats {
            total: small(self.total_quota),
            used: small(self.used_quota),
            until: self.cycle_end_timestamp.and_then(Number::millis),
            is_reached: self.capping_status.as_deref() == Some("CAPPED"),
        };
        (cap.is_reached || cap.total.is_some()).then_some(cap)
    }
}

impl Number {
    fn value(self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Text(text) => text.parse().ok(),
        }
    }

    /// Milliseconds of a time in seconds; 0 stands for none.
    fn millis(self) -> Option<i64> {
        self.value().filter(|seconds| *seconds > 0).map(|seconds| seconds.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &'static str) -> Option<Told> {
        told(json.as_bytes(), 7_000)
    }

    #[test]
    fn requests_look_as_protocol_md_shows_them() {
        assert_eq!(
            give_token(&Jid::lid("9002").with_device(3), 17).to_string(),
            r#"<iq to="s.whatsapp.net" type="set" xmlns="privacy"><tokens><token jid="9002@lid" t="17" type="trusted_contact"/></tokens></iq>"#
        );
        let (lock, cap) = (time_lock().to_string(), new_chats().to_string());
        assert!(lock.contains(r#"xmlns="w:mex"><query query_id="23983697327930364">"#), "{lock}");
        assert!(cap.contains(r#"<query query_id="24503548349331633">"#), "{cap}");
    }

    #[test]
    fn a_lock_is_read_from_answers_and_notifications() {
        let lock = |until| Some(Some(TimeLock { until: Some(until), kind: "WEB_COMPANION_ONLY".into() }));
        let told = read(
            r#"{"data":{"xwa2_notify_account_reachout_timelock":{"is_active":true,"time_enforcement_ends":"9","enforcement_type":"WEB_COMPANION_ONLY"}}}"#,
        );
        assert_eq!(told.unwrap().time_lock, lock(9_000));
        let told = read(
            r#"{"data":{"xwa2_fetch_account_reachout_timelock":{"is_active":true,"enforcement_type":"WEB_COMPANION_ONLY"}}}"#,
        );
        assert_eq!(told.unwrap().time_lock, lock(67_000));
        let told = read(
            r#"{"data":{"xwa2_fetch_account_reachout_timelock":{"is_active":false,"time_enforcement_ends":"0"}}}"#,
        );
        assert_eq!(told, Some(Told { time_lock: Some(None), new_chats: None }));
    }

    #[test]
    fn a_cap_is_read_where_there_is_one() {
        let told = read(
            r#"{"data":{"xwa2_message_capping_info":{"total_quota":50,"used_quota":"50","cycle_end_timestamp":"9","capping_status":"CAPPED"}}}"#,
        );
        let cap = NewChats { total: Some(50), used: Some(50), until: Some(9_000), is_reached: true };
        assert_eq!(told.unwrap().new_chats, Some(Some(cap)));
        let told = read(r#"{"data":{"xwa2_message_capping_info":{"capping_status":"NONE"}}}"#);
        assert_eq!(told.unwrap().new_chats, Some(None));
    }

    #[test]
    fn other_words_mean_nothing() {
        for json in ["", "{}", "[]", r#"{"data":null}"#, r#"{"data":{"xwa2_message_capping_info":[]}}"#] {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read(r#"{"data":{"xwa2_other":{}}}"#), Some(Told::default()));
        let update = Node::new("update").with_bytes(br#"{"data":{"x":1}}"#.to_vec());
        assert_eq!(parse_update(&update, 0), None);
    }
}
