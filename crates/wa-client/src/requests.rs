mod pace;

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};
use wa_binary::Node;

use crate::iq::{self, RequestIds};
use crate::mirror::Mirror;
use crate::request::RequestError;
use pace::Pace;

/// How often the server is asked before it is taken for silent. Every request may be repeated.
const TRIES: u32 = 2;

/// The requests of one connection that wait for their answers.
#[derive(Debug)]
pub(crate) struct Requests {
    ids: RequestIds,
    waiting: HashMap<String, oneshot::Sender<Node<'static>>>,
    calls: (mpsc::UnboundedSender<Call>, mpsc::UnboundedReceiver<Call>),
    pace: Pace,
}

/// What a flow that runs beside the pump wants of it.
pub(crate) enum Call {
    /// A request to the server.
    Ask(Box<Question>),
    /// A change of the mirror, to be stored before [`Done`] is called.
    Change(Box<dyn FnOnce(&mut Mirror) -> Done + Send>),
}

/// Lets a flow go on.
pub(crate) type Done = Box<dyn FnOnce() + Send>;

/// A request and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Question {
    node: Node<'static>,
    reply: oneshot::Sender<Node<'static>>,
}

impl Requests {
    pub(crate) fn new(prefix: [u8; 2]) -> Self {
        let (waiting, calls) = (HashMap::new(), mpsc::unbounded_channel());
        Self { ids: RequestIds::new(prefix), waiting, calls, pace: Pace::new() }
    }

    /// For flows that run beside the pump. They wait so long for an answer before they ask again.
    pub(crate) fn asker(&self, patience: Duration) -> Asker {
        Asker { calls: self.calls.0.clone(), patience, tries: TRIES, pace: self.pace.clone() }
    }

    /// What such a flow wants next.
    pub(crate) async fn next_call(&mut self) -> Call {
        match self.calls.1.recv().await {
            Some(call) => call,
            // Never: this struct holds a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Gives a request its id and remembers who waits.
    pub(crate) fn register(&mut self, question: Question) -> Node<'static> {
        let id = self.ids.next();
        self.waiting.retain(|_, reply| !reply.is_closed());
        self.waiting.insert(id.clone(), question.reply);
        question.node.attr("id", id)
    }

    /// Whether answers are awaited.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gives a request an id where the answer doesn't matter.
    pub(crate) fn unanswered<'n>(&mut self, node: Node<'n>) -> Node<'n> {
        node.attr("id", self.ids.next())
    }

    /// An id that isn't the id of a request.
    pub(crate) fn spare_id(&mut self) -> String {
        self.ids.next()
    }

    /// Hands an answer to whoever waits for it; gives it back if nobody does.
    pub(crate) fn answer<'n>(&mut self, answer: Node<'n>) -> Option<Node<'n>> {
        if self.waiting.is_empty() {
            return Some(answer);
        }
        let id = answer.attrs.text("id");
        let Some(reply) = id.and_then(|id| self.waiting.remove(&*id)) else { return Some(answer) };
        let _ = reply.send(answer.into_owned());
        None
    }
}

/// Asks the server, and changes the mirror, from a flow that runs beside the pump.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    calls: mpsc::UnboundedSender<Call>,
    patience: Duration,
    tries: u32,
    pace: Pace,
}

impl Asker {
    /// The same, but it asks only once.
    pub(crate) fn impatient(self) -> Self {
        Self { tries: 1, ..self }
    }

    /// The positive answer to a request, which is asked again if there is none; a late one counts as well. Where the
    /// server says that it was asked too often about other people, it is spared for a while.
    pub(crate) async fn ask(&self, node: Node<'static>) -> Result<Node<'static>, RequestError> {
        if !pace::is_counted(&node) {
            return self.ask_now(node).await;
        }
        for _ in 1..pace::TURNS {
            let turn = self.pace.turn().await;
            let answer = self.ask_now(node.clone()).await;
            if !pace::is_refusal(&answer) {
                self.pace.go_on();
                return answer;
            }
            self.pace.slow_down(turn);
        }
        self.pace.turn().await;
        self.ask_now(node).await
    }

    async fn ask_now(&self, node: Node<'static>) -> Result<Node<'static>, RequestError> {
        let mut answers = FuturesUnordered::new();
        for _ in 0..self.tries {
            let (reply, answer) = oneshot::channel();
            self.call(Call::Ask(Box::new(Question { node: node.clone(), reply })))?;
            answers.push(answer);
            match timeout(self.patience, answers.next()).await {
                Ok(Some(Ok(answer))) => return iq::accepted(&answer).map(|()| answer),
                Ok(_) => return Err(RequestError::Stopped),
                Err(_) => {
                    tracing::info!(child = node.first_child().map(Node::tag), "a request is not answered")
                }
            }
        }
        Err(RequestError::TimedOut)
    }

    /// Changes the mirror; what is returned is stored by then.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Mirror) -> T + Send + 'static,
    ) -> Result<T, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Change(Box::new(move |mirror| {
            let value = change(mirror);
            Box::new(move || drop(reply.send(value)))
        })))?;
        answer.await.map_err(|_| RequestError::Stopped)
    }

    fn call(&self, call: Call) -> Result<(), RequestError> {
        self.calls.send(call).map_err(|_| RequestError::Stopped)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ask(_) => "Ask",
            Self::Change(_) => "Change",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_finds_its_request_by_id_alone() {
        let mut requests = Requests::new([1, 2]);
        let asker = requests.asker(Duration::from_secs(1));
        let asking = tokio::spawn(async move { asker.ask(iq::get("w:p")).await });
        let Call::Ask(question) = requests.next_call().await else { panic!("no question") };
        let node = requests.register(*question);
        let id = node.attrs.text("id").unwrap().into_owned();
        let stray = Node::new("iq").attr("id", "other").attr("type", "result");
        assert!(requests.answer(stray).is_some());
        assert!(requests.is_waiting());
        assert!(requests.answer(Node::new("iq").attr("id", id).attr("type", "result")).is_none());
        assert!(asking.await.unwrap().is_ok());
        assert!(!requests.is_waiting());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_in_a_timeout_after_a_second_try() {
        let mut requests = Requests::new([1, 2]);
        let asker = requests.asker(Duration::from_secs(20));
        let asking = tokio::spawn(async move { asker.ask(iq::get("w:p")).await });
        let start = tokio::time::Instant::now();
        for _ in 0..2 {
            let Call::Ask(question) = requests.next_call().await else { panic!("no question") };
            requests.register(*question);
        }
        assert_eq!(asking.await.unwrap(), Err(RequestError::TimedOut));
        assert_eq!(start.elapsed(), Duration::from_secs(40));
        let impatient = requests.asker(Duration::from_secs(20)).impatient();
        assert_eq!(impatient.ask(iq::get("w:p")).await, Err(RequestError::TimedOut));
        assert_eq!(start.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_be_late() {
        let mut requests = Requests::new([1, 2]);
        let asker = requests.asker(Duration::from_secs(20));
        let asking = tokio::spawn(async move { asker.ask(iq::get("w:p")).await });
        let mut ids = Vec::new();
        for _ in 0..2 {
            let Call::Ask(question) = requests.next_call().await else { panic!("no question") };
            ids.push(requests.register(*question).attrs.text("id").unwrap().into_owned());
        }
        assert!(ids[0] != ids[1], "each try has an id of its own");
        let late = Node::new("iq").attr("id", ids[0].clone()).attr("type", "result");
        assert!(requests.answer(late).is_none());
        assert!(asking.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_change_answers_once_it_is_done() {
        let mut requests = Requests::new([1, 2]);
        let asker = requests.asker(Duration::from_secs(1));
        let mut asking = tokio::spawn(async move {
            asker.change(|mirror| std::mem::replace(&mut mirror.device.next_prekey_id, 9)).await
        });
        let Call::Change(change) = requests.next_call().await else { panic!("no change") };
        let mut mirror = crate::mirror::tests::mirror();
        let done = change(&mut mirror);
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut asking).await.is_err());
        done();
        assert_eq!(asking.await.unwrap(), Ok(1));
        assert_eq!(mirror.device.next_prekey_id, 9);
    }
}
