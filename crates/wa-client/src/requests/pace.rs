use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};
use wa_binary::Node;

use crate::request::RequestError;

/// The code with which the server says that it was asked too often (PROTOCOL.md 8).
const OVER_LIMIT: u32 = 429;
/// How often one request is made while the server says so. Others that are made meanwhile use up what it allows.
pub(super) const TURNS: u32 = 20;
/// Pauses begin with this and double from refusal to refusal: servers count by the minute.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// After a pause, those who have waited ask one after another for a while, so far apart.
const APART: Duration = Duration::from_secs(1);
const SLOW_FOR: Duration = Duration::from_secs(60);

/// How fast the server is asked about other people, for all flows of one connection.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    state: watch::Sender<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// When the next request may leave; `None` at once.
    next: Option<Instant>,
    /// The last pause, while the server is spared.
    pause: Duration,
    /// Until when requests leave one after another.
    slow_until: Option<Instant>,
    /// How often the server had to refuse.
    refusals: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(State::default()) }
    }

    /// Waits until a request may leave. What is returned says to [`Self::slow_down`] when it left.
    pub(super) async fn turn(&self) -> u64 {
        loop {
            let (turn, refusals) = self.reserve();
            sleep_until(turn).await;
            if self.state.borrow().refusals == refusals {
                return refusals;
            }
        }
    }

    fn reserve(&self) -> (Instant, u64) {
        let now = Instant::now();
        let mut turn = now;
        let mut refusals = 0;
        self.state.send_modify(|state| {
            refusals = state.refusals;
            if state.slow_until.is_none_or(|until| until <= now) {
                *state = State { refusals, ..State::default() };
                return;
            }
            turn = state.next.map_or(now, |next| next.max(now));
            state.next = Some(turn + APART);
        });
        (turn, refusals)
    }

    /// The server has answered: the next pause need not be longer than the last.
    pub(super) fn go_on(&self) {
        self.state.send_modify(|state| state.pause /= 2);
    }

    /// The server refuses what left at this turn, having been asked too often: nobody asks for a while.
    pub(super) fn slow_down(&self, turn: u64) {
        let now = Instant::now();
        self.state.send_modify(|state| {
            // What was on its way when the first was refused is refused, too.
            if state.refusals != turn {
                return;
            }
            state.refusals += 1;
            state.pause = (state.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            state.next = Some(now + state.pause);
            state.slow_until = Some(now + state.pause + SLOW_FOR);
        });
        tracing::debug!("the server was asked too often about other people; it is asked more slowly");
    }
}

/// Whether the server counts how often this is asked: it tells of other people.
pub(super) fn is_counted(node: &Node<'_>) -> bool {
    let is = |value: &str| node.attrs.get("xmlns").is_some_and(|xmlns| *xmlns == *value);
    is("usync") || is("encrypt") && node.get_child("key").is_some()
}

/// Whether the answer says that the server was asked too often.
pub(super) fn is_refusal(answer: &Result<Node<'static>, RequestError>) -> bool {
    matches!(answer, Err(RequestError::Refused { code: OVER_LIMIT, .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_those_who_waited_come_one_after_another() {
        let pace = Pace::new();
        let start = Instant::now();
        let turn = pace.turn().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.slow_down(turn);
        pace.slow_down(turn);
        let turn = pace.turn().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::from_secs(6));
        // Who waits when the next refusal comes goes on waiting.
        let waiting = tokio::spawn({
            let pace = pace.clone();
            async move { pace.turn().await }
        });
        tokio::task::yield_now().await;
        pace.slow_down(turn);
        waiting.await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(16));
        tokio::time::sleep(SLOW_FOR).await;
        let start = Instant::now();
        pace.turn().await;
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[test]
    fn questions_about_others_are_counted() {
        let iq = |xmlns: &'static str, child| Node::new("iq").attr("xmlns", xmlns).child(Node::new(child));
        assert!(is_counted(&iq("usync", "usync")) && is_counted(&iq("encrypt", "key")));
        assert!(!is_counted(&iq("encrypt", "count")) && !is_counted(&iq("privacy", "tokens")));
    }
}
