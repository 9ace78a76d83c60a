use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};
use wa_binary::Node;

use crate::request::RequestError;

/// The code with which the server says that it was asked too often (PROTOCOL.md 8).
const OVER_LIMIT: u32 = 429;
/// How often one request is made while the server says so.
pub(super) const TURNS: u32 = 7;
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
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(State::default()) }
    }

    /// Waits until a request may leave.
    pub(super) async fn turn(&self) {
        let now = Instant::now();
        let mut turn = now;
        self.state.send_modify(|state| {
            if state.slow_until.is_none_or(|until| until <= now) {
                *state = State::default();
                return;
            }
            turn = state.next.map_or(now, |next| next.max(now));
            state.next = Some(turn + APART);
        });
        sleep_until(turn).await;
    }

    /// The server was asked too often: nobody asks for a while.
    pub(super) fn slow_down(&self) {
        let now = Instant::now();
        self.state.send_modify(|state| {
            // What was on its way when the first was refused is refused, too.
            if state.slow_until.is_some() && state.next.is_some_and(|next| next > now + APART) {
                return;
            }
            state.pause = (state.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            state.next = Some(now + state.pause);
            state.slow_until = Some(now + state.pause + SLOW_FOR);
        });
        tracing::info!("the server was asked too often about other people; it is asked more slowly");
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
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.slow_down();
        pace.slow_down();
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        pace.turn().await;
        assert_eq!(start.elapsed(), Duration::from_secs(6));
        pace.slow_down();
        pace.turn().await;
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
