use std::time::Duration;

use crate::Bans;

/// What WhatsApp holds against an account: bans, and limits on whom it may write to (PROTOCOL.md 22).
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    ban: Option<Ban>,
    time_lock: Option<TimeLock>,
    chat_cap: Option<ChatCap>,
    /// Messages in a row that were refused because of a limit.
    refusals: u32,
    /// Messages that went to stale LIDs since a companion last asked for one.
    insistence: u32,
}

/// A ban that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ban {
    /// When it ends: seconds of the simulator's life, which no set clock shortens or stretches.
    until: u64,
    /// `code` of the failure.
    code: u32,
    /// How many seconds longer with every login before its end.
    grows: u64,
}

/// The account may write only to people who gave it a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLock {
    /// When it ends, in Unix seconds; `None` isn't told.
    pub until: Option<u64>,
    /// The enforcement's name, such as `WEB_COMPANION_ONLY`.
    pub kind: String,
}

/// How many people the account may write to for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChatCap {
    /// How many within the cycle.
    pub total: u32,
    /// How many it has written to.
    pub used: u32,
    /// When the next cycle begins, in Unix seconds.
    pub ends: u64,
}

/// Why a message isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limited {
    /// A token is missing: 463.
    Token,
    /// Too many new chats: 475.
    NewChats,
}

impl Standing {
    /// Bans the account from now on; `now` counts as [`Ban::until`] does, here and where bans come from.
    pub(crate) fn ban(&mut self, now: u64, lasts: Duration, grows: Duration) {
        // 101: too many messages to people who don't know the number (PROTOCOL.md 7.6).
        self.ban = Some(Ban { until: now + lasts.as_secs(), code: 101, grows: grows.as_secs() });
        self.refusals = 0;
        self.insistence = 0;
    }

    /// A companion writes on to a LID of which it knows that it is stale. Whether the account is banned for it.
    pub(crate) fn insists(&mut self, bans: Option<Bans>, now: u64) -> bool {
        self.insistence += 1;
        let Some(bans) = bans.filter(|bans| self.insistence >= bans.refusals) else { return false };
        self.ban(now, bans.lasts, bans.grows);
        true
    }

    /// A companion has asked for a LID again.
    pub(crate) fn has_asked(&mut self) {
        self.insistence = 0;
    }

    /// A login under a ban: it grows. Answers the code of the failure and how many seconds the ban still lasts.
    pub(crate) fn tries_to_log_in(&mut self, now: u64) -> Option<(u32, u64)> {
        let ban = self.ban.as_mut().filter(|ban| ban.until > now)?;
        ban.until += ban.grows;
        Some((ban.code, ban.until - now))
    }

    pub(crate) fn set_time_lock(&mut self, lock: Option<TimeLock>) {
        self.time_lock = lock;
    }

    pub(crate) fn set_chat_cap(&mut self, cap: Option<ChatCap>) {
        self.chat_cap = cap;
    }

    /// The lock that holds now.
    pub(crate) fn time_lock(&self, now: u64) -> Option<&TimeLock> {
        self.time_lock.as_ref().filter(|lock| lock.until.is_none_or(|until| until > now))
    }

    /// The cap of the present cycle; a new one begins with nobody.
    pub(crate) fn chat_cap(&self, now: u64) -> Option<ChatCap> {
        let cap = self.chat_cap?;
        Some(if cap.ends > now { cap } else { ChatCap { used: 0, ends: now + CYCLE, ..cap } })
    }

    /// Whether a message may leave: the recipient may have given a `token`, and may be `known` from before. Counts a
    /// new chat.
    pub(crate) fn admits(&mut self, token: bool, known: bool, now: u64) -> Result<(), Limited> {
        if !token && self.time_lock(now).is_some() {
            return Err(Limited::Token);
        }
        if let Some(cap) = self.chat_cap(now).filter(|_| !token && !known) {
            if cap.used >= cap.total {
                return Err(Limited::NewChats);
            }
            self.chat_cap = Some(ChatCap { used: cap.used + 1, ..cap });
        }
        Ok(())
    }

    /// What became of a message that limits were applied to. Whether the account is banned for it.
    pub(crate) fn note(&mut self, outcome: Result<(), Limited>, bans: Option<Bans>, now: u64) -> bool {
        self.refusals = if outcome.is_err() { self.refusals + 1 } else { 0 };
        match bans.filter(|bans| self.refusals >= bans.refusals) {
            Some(bans) => {
                self.ban(now, bans.lasts, bans.grows);
                true
            }
            None => false,
        }
    }
}

impl ChatCap {
    /// How near the cap is, in the server's words.
    pub(crate) fn status(self) -> &'static str {
        let used = u64::from(self.used) * 100;
        let percent = used / u64::from(self.total.max(1));
        match percent {
            100.. => "CAPPED",
            90.. => "SECOND_WARNING",
            75.. => "FIRST_WARNING",
            _ => "NONE",
        }
    }
}

/// How long a cycle of new chats lasts, in seconds.
const CYCLE: u64 = 30 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_grows_with_every_early_login() {
        let mut standing = Standing::default();
        standing.ban(100, Duration::from_secs(600), Duration::from_secs(180));
        assert_eq!(standing.tries_to_log_in(100), Some((101, 780)));
        assert_eq!(standing.tries_to_log_in(200), Some((101, 860)));
        assert_eq!(standing.tries_to_log_in(1_060), None);
    }

    #[test]
    fn refusals_in_a_row_end_in_a_ban() {
        let bans = Bans { refusals: 2, lasts: Duration::from_secs(9), grows: Duration::ZERO };
        let mut standing = Standing::default();
        assert!(!standing.note(Err(Limited::Token), Some(bans), 5));
        assert!(!standing.note(Ok(()), Some(bans), 5));
        assert!(!standing.note(Err(Limited::Token), Some(bans), 5));
        assert!(standing.note(Err(Limited::NewChats), Some(bans), 5));
        assert_eq!(standing.tries_to_log_in(6), Some((101, 8)));
    }

    #[test]
    fn a_locked_account_writes_to_those_who_trust_it() {
        let mut standing = Standing::default();
        standing.set_time_lock(Some(TimeLock { until: Some(50), kind: "DEFAULT".into() }));
        assert_eq!(standing.admits(false, true, 49), Err(Limited::Token));
        assert_eq!(standing.admits(true, false, 49), Ok(()));
        assert_eq!(standing.admits(false, false, 50), Ok(()));
    }

    #[test]
    fn new_chats_are_counted_until_the_cycle_ends() {
        let mut standing = Standing::default();
        standing.set_chat_cap(Some(ChatCap { total: 1, used: 0, ends: 50 }));
        assert_eq!(standing.admits(false, true, 1), Ok(()));
        assert_eq!(standing.admits(false, false, 1), Ok(()));
        assert_eq!(standing.admits(false, false, 1), Err(Limited::NewChats));
        assert_eq!(standing.chat_cap(1).unwrap().status(), "CAPPED");
        assert_eq!(standing.admits(false, false, 50), Ok(()));
        assert_eq!(standing.chat_cap(50).unwrap().used, 1);
    }
}
