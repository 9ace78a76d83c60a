use std::fmt;

use wa_store::{Limits, NewChats};

/// A limit of WhatsApp's on whom the account may write to. While one holds, more messages to strangers make it worse,
/// so that they are not sent, and none is ever repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Which limit stands against the message.
    pub kind: LimitKind,
    /// When it ends, in Unix milliseconds, as far as is known.
    pub until: Option<i64>,
}

/// The limits that there are (PROTOCOL.md 22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Only people who gave the account a token may be written to; or this one person takes messages of such alone. The
    /// server's code is 463.
    TimeLock,
    /// As many people as WhatsApp allows were written to for the first time. The server's code is 475.
    NewChats,
}

impl LimitKind {
    /// The limit that a code of WhatsApp's stands for.
    pub fn of_code(code: u32) -> Option<Self> {
        match code {
            463 => Some(Self::TimeLock),
            475 => Some(Self::NewChats),
            _ => None,
        }
    }

    /// WhatsApp's code for it.
    pub fn code(self) -> u32 {
        match self {
            Self::TimeLock => 463,
            Self::NewChats => 475,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LimitKind::TimeLock => "WhatsApp lets this account write only to people who trust it",
            LimitKind::NewChats => "this account has begun as many new chats as WhatsApp allows",
        })
    }
}

/// How a person stands to the account, as far as limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquaintance {
    /// They gave us a token that is still good.
    Trusts,
    /// A message was exchanged with them before.
    Known,
    Stranger,
}

/// The limit that forbids to write to such a person at `now` (Unix milliseconds), while first messages to so many other
/// strangers are on their way.
pub(crate) fn limit_on(limits: &Limits, whom: Acquaintance, begun: u32, now: i64) -> Option<Limit> {
    let holds = |until: Option<i64>| until.is_none_or(|until| until > now);
    let lock = limits.time_lock.as_ref().filter(|lock| holds(lock.until));
    if let Some(lock) = lock.filter(|_| whom != Acquaintance::Trusts) {
        return Some(Limit { kind: LimitKind::TimeLock, until: lock.until });
    }
    let cap = limits.new_chats.as_ref().filter(|cap| is_used_up(cap, begun) && holds(cap.until));
    let cap = cap.filter(|_| whom == Acquaintance::Stranger)?;
    Some(Limit { kind: LimitKind::NewChats, until: cap.until })
}

/// Whether no further chat may be begun. Once as many were as there may be, that is the server's to say.
fn is_used_up(cap: &NewChats, begun: u32) -> bool {
    let left = cap.total.zip(cap.used).and_then(|(total, used)| total.checked_sub(used));
    cap.is_reached || left.is_some_and(|left| left > 0 && begun >= left)
}

/// A chat with a stranger was begun at `now` (Unix milliseconds), and counts until the server says how many there were.
pub(crate) fn count_new_chat(limits: &mut Limits, now: i64) {
    let holds = |cap: &&mut NewChats| cap.until.is_none_or(|until| until > now);
    if let Some(cap) = limits.new_chats.as_mut().filter(holds) {
        cap.used = cap.used.map(|used| used.saturating_add(1));
        cap.is_reached |= cap.used.is_some() && cap.used == cap.total;
    }
}

/// When a limit of this kind ends, as far as is known.
pub(crate) fn end_of(limits: &Limits, kind: LimitKind) -> Option<i64> {
    match kind {
        LimitKind::TimeLock => limits.time_lock.as_ref()?.until,
        LimitKind::NewChats => limits.new_chats.as_ref()?.until,
    }
}

#[cfg(test)]
mod tests {
    use wa_store::TimeLock;

    use super::*;

    #[test]
    fn a_lock_spares_those_who_trust_and_ends_by_itself() {
        let lock = TimeLock { until: Some(50), kind: "DEFAULT".into() };
        let limits = Limits { time_lock: Some(lock), ..Limits::default() };
        let locked = Limit { kind: LimitKind::TimeLock, until: Some(50) };
        assert_eq!(limit_on(&limits, Acquaintance::Trusts, 0, 49), None);
        assert_eq!(limit_on(&limits, Acquaintance::Known, 0, 49), Some(locked));
        assert_eq!(limit_on(&limits, Acquaintance::Stranger, 0, 50), None);
    }

    #[test]
    fn a_cap_concerns_strangers_once_it_is_reached() {
        let of = |is_reached| {
            let cap = NewChats { is_reached, until: None, ..NewChats::default() };
            Limits { new_chats: Some(cap), ..Limits::default() }
        };
        let capped = Limit { kind: LimitKind::NewChats, until: None };
        assert_eq!(limit_on(&of(true), Acquaintance::Stranger, 0, 0), Some(capped));
        assert_eq!(limit_on(&of(true), Acquaintance::Known, 0, 0), None);
        assert_eq!(limit_on(&of(false), Acquaintance::Stranger, 0, 0), None);
    }

    #[test]
    fn what_was_begun_counts_and_what_is_on_its_way_too() {
        let cap = NewChats { total: Some(3), used: Some(1), until: Some(9), is_reached: false };
        let mut limits = Limits { new_chats: Some(cap), ..Limits::default() };
        let is_free = |limits: &Limits, begun| limit_on(limits, Acquaintance::Stranger, begun, 8).is_none();
        assert!(is_free(&limits, 1) && !is_free(&limits, 2));
        count_new_chat(&mut limits, 8);
        assert!(is_free(&limits, 0) && !is_free(&limits, 1));
        count_new_chat(&mut limits, 9);
        assert!(is_free(&limits, 0), "it counts no more");
        count_new_chat(&mut limits, 8);
        assert!(!is_free(&limits, 0));
        // The server counts more, and lets the account go on.
        let cap = NewChats { total: Some(3), used: Some(3), until: None, is_reached: false };
        assert!(is_free(&Limits { new_chats: Some(cap), ..Limits::default() }, 5));
    }

    #[test]
    fn codes_name_limits() {
        for kind in [LimitKind::TimeLock, LimitKind::NewChats] {
            assert_eq!(LimitKind::of_code(kind.code()), Some(kind));
        }
        assert_eq!(LimitKind::of_code(479), None);
    }
}
