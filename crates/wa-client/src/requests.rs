use std::collections::HashMap;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};
use wa_binary::Node;

use crate::handle::RequestError;
use crate::iq::{self, RequestIds};

/// The requests of one connection that wait for their answers.
#[derive(Debug)]
pub(crate) struct Requests {
    ids: RequestIds,
    waiting: HashMap<String, oneshot::Sender<Node<'static>>>,
    calls: (mpsc::UnboundedSender<Box<Call>>, mpsc::UnboundedReceiver<Box<Call>>),
}

/// A request and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) node: Node<'static>,
    pub(crate) reply: oneshot::Sender<Node<'static>>,
}

impl Requests {
    pub(crate) fn new(prefix: [u8; 2]) -> Self {
        Self { ids: RequestIds::new(prefix), waiting: HashMap::new(), calls: mpsc::unbounded_channel() }
    }

    /// For flows that run beside the pump.
    pub(crate) fn asker(&self, patience: Duration) -> Asker {
        Asker { calls: self.calls.0.clone(), patience }
    }

    /// The next request of such a flow.
    pub(crate) async fn next_call(&mut self) -> Box<Call> {
        match self.calls.1.recv().await {
            Some(call) => call,
            // Never: this struct holds a sender itself.
            None => std::future::pending().await,
        }
    }

    /// Gives a request its id and remembers who waits.
    pub(crate) fn register(&mut self, call: Call) -> Node<'static> {
        let id = self.ids.next();
        self.waiting.retain(|_, reply| !reply.is_closed());
        self.waiting.insert(id.clone(), call.reply);
        call.node.attr("id", id)
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
        let id = answer.attrs.text("id");
        let Some(reply) = id.and_then(|id| self.waiting.remove(&*id)) else { return Some(answer) };
        let _ = reply.send(answer.into_owned());
        None
    }
}

/// Asks the server from a flow that runs beside the pump.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    calls: mpsc::UnboundedSender<Box<Call>>,
    patience: Duration,
}

impl Asker {
    /// The positive answer to a request.
    pub(crate) async fn ask(&self, node: Node<'static>) -> Result<Node<'static>, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.calls.send(Box::new(Call { node, reply })).map_err(|_| RequestError::Stopped)?;
        match timeout(self.patience, answer).await {
            Ok(Ok(answer)) => iq::accepted(&answer).map(|()| answer),
            Ok(Err(_)) => Err(RequestError::Stopped),
            Err(_) => Err(RequestError::TimedOut),
        }
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
        let call = requests.next_call().await;
        let node = requests.register(*call);
        let id = node.attrs.text("id").unwrap().into_owned();
        let stray = Node::new("iq").attr("id", "other").attr("type", "result");
        assert!(requests.answer(stray).is_some());
        assert!(requests.answer(Node::new("iq").attr("id", id).attr("type", "result")).is_none());
        assert!(asking.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_in_a_timeout() {
        let requests = Requests::new([1, 2]);
        let asker = requests.asker(Duration::from_secs(75));
        assert_eq!(asker.ask(iq::get("w:p")).await, Err(RequestError::TimedOut));
    }
}
