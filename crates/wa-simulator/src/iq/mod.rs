//! What the server answers to IQs.

mod account;
mod app_state;
mod bundles;
mod communities;
mod encrypt;
mod error;
mod groups;
mod media;
mod mex;
mod misc;
mod newsletters;
mod pairing;
mod picture;
mod privacy;
mod usync;

use std::{borrow::Cow, sync::Arc};

use wa_binary::{Jid, Node, ShapeError};

pub(crate) use bundles::TakenBundle;
pub(crate) use encrypt::key_node;
use error::IqError;
pub(crate) use mex::{chat_cap, time_lock};
pub(crate) use pairing::{Unpaired, client_props};

use crate::{account::Account, faults::FaultKind, stanza, world::World};

/// Who asks: the device of an account that sent the IQ, in the world that answers it.
pub(crate) struct Context<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: &'a Arc<Account>,
    pub(crate) device: u16,
}

/// What happens after an answer was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Nothing,
    /// Deliver what has waited, and everything that comes.
    Activate,
    /// Deliver nothing any more.
    Deactivate,
    /// The companion has unlinked itself.
    Unlink,
}

/// An IQ with the parts that every one has.
struct Request<'n> {
    xmlns: Cow<'n, str>,
    is_get: bool,
    to: Jid,
    node: &'n Node<'n>,
}

impl<'n> Request<'n> {
    /// The only child, which says what is asked.
    fn child(&self) -> Result<&'n Node<'n>, IqError> {
        self.node.children().first().ok_or(IqError::BadRequest("it asks for nothing"))
    }
}

/// The children of a result, and what happens after it.
struct Answer {
    children: Vec<Node<'static>>,
    then: Then,
}

impl Answer {
    fn empty() -> Self {
        Self { children: Vec::new(), then: Then::Nothing }
    }

    fn then(then: Then) -> Self {
        Self { children: Vec::new(), then }
    }
}

impl From<Node<'static>> for Answer {
    fn from(child: Node<'static>) -> Self {
        Self { children: vec![child], then: Then::Nothing }
    }
}

type Answered = Result<Answer, IqError>;

/// Answers an IQ of a companion. None if it is itself an answer. The answer is `None` if a fault swallows it.
pub(crate) fn answer(context: &Context<'_>, node: &Node<'_>) -> Option<(Option<Node<'static>>, Then)> {
    let kind = stanza::text(&node.attrs, "type");
    if kind == "result" || kind == "error" {
        return None;
    }
    let id = stanza::text(&node.attrs, "id");
    let xmlns = stanza::text(&node.attrs, "xmlns");
    let to = stanza::destination(node);
    let outcome = match (&*kind, struck(context, &xmlns, node)) {
        (_, Some(Struck::Silence)) => return Some((None, Then::Nothing)),
        (_, Some(Struck::Error { code, text })) => Err(IqError::Fault { code, text }),
        ("get" | "set", None) if !id.is_empty() => {
            let xmlns = Cow::Borrowed(&*xmlns);
            dispatch(context, &Request { xmlns, is_get: kind == "get", to: to.clone(), node })
        }
        _ => Err(IqError::BadRequest("an IQ has an id, and is get or set")),
    };
    let reply = Node::new("iq").attr("from", to).attr("id", id);
    Some(match outcome {
        Ok(answer) => (Some(reply.attr("type", "result").with_children(answer.children)), answer.then),
        Err(error) => {
            tracing::debug!(%error, "an IQ is refused");
            (Some(reply.attr("type", "error").child(error.node())), Then::Nothing)
        }
    })
}

enum Struck {
    Silence,
    Error { code: u16, text: String },
}

fn struck(context: &Context<'_>, xmlns: &str, node: &Node<'_>) -> Option<Struck> {
    let first = node.first_child().map(Node::tag);
    let is_about = |wanted: &Option<String>| wanted.is_none() || wanted.as_deref() == first;
    let fits = |wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| wanted == xmlns);
    context.world.faults.strike(&context.account.number, context.device, |kind| match kind {
        FaultKind::IqSilence { xmlns, child } if fits(xmlns) && is_about(child) => Some(Struck::Silence),
        FaultKind::IqError { xmlns, child, code, text } if fits(xmlns) && is_about(child) => {
            Some(Struck::Error { code: *code, text: text.clone() })
        }
        _ => None,
    })
}

fn dispatch(context: &Context<'_>, request: &Request<'_>) -> Answered {
    if is_metered(request) && !spends(context) {
        return Err(IqError::OverLimit);
    }
    match &*request.xmlns {
        "encrypt" => encrypt::answer(context, request),
        "usync" => usync::answer(context, request),
        "passive" => account::passive(request),
        "w:p" | "urn:xmpp:ping" => Ok(Answer::empty()),
        "md" => account::companions(context, request),
        "privacy" => privacy::answer(context, request),
        "blocklist" => privacy::blocklist(context, request),
        "w:sync:app:state" => app_state::answer(context, request),
        "abt" => misc::props(context, request),
        "w:m" => media::connection(context, request),
        "status" => account::about(context, request),
        "w:profile:picture" => picture::answer(context, request),
        "w:g2" => groups::answer(context, request),
        "urn:xmpp:whatsapp:dirty" => account::clean(request),
        "disappearing_mode" => account::disappearing_mode(context, request),
        "tos" if !request.is_get => newsletters::agree(context, request),
        // Figures that nobody looks at.
        "w:stats" if !request.is_get => Ok(Answer::empty()),
        "newsletter" => newsletters::posts(context, request),
        "w:mex" if request.is_get => mex::answer(context, request),
        _ => Err(IqError::NotImplemented),
    }
}

/// Whether the server counts how often this is asked: it tells of other people.
fn is_metered(request: &Request<'_>) -> bool {
    let is_fetch = || request.node.first_child().is_some_and(|child| child.is("key"));
    request.is_get && (request.xmlns == "usync" || request.xmlns == "encrypt" && is_fetch())
}

/// Counts a request. False if there were too many.
fn spends(context: &Context<'_>) -> bool {
    let Some(limit) = context.world.options.behaviour.rate_limit else { return true };
    let mut directory = context.account.directory();
    directory.companions.get_mut(&context.device).is_none_or(|companion| companion.allowance.spend(limit))
}

impl From<ShapeError> for IqError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(error)
    }
}
