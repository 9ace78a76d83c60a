use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use wa_binary::Node;
use wa_protobuf::appstate::{ExternalBlobReference, SyncdMutations, SyncdPatch};

use super::{Answer, Answered, Context, IqError, Request, Then};
use crate::{
    StateFault,
    app_state::{AppState, NAMES, Refused, blob, sentinel},
    faults::FaultKind,
    stanza,
};

/// Patches in one answer.
const PAGE: usize = 500;
/// What the keys of the blobs are made with (PROTOCOL.md 19.2).
const BLOB_INFO: &[u8] = b"WhatsApp App State Keys";

/// A collection of a request.
struct Wanted<'n> {
    name: &'static str,
    /// The version that the client has.
    version: usize,
    /// It wants everything, whatever it has.
    from_start: bool,
    /// A patch that it wants to add.
    patch: Option<&'n Node<'n>>,
}

/// Name space `w:sync:app:state`: answers every collection of the request, since Baileys asks without end
/// for one that is missing (PROTOCOL.md 18.4).
pub(super) fn answer(context: &Context<'_>, request: &Request<'_>) -> Answered {
    let sync = request.child()?;
    if request.is_get || !sync.is("sync") {
        return Err(IqError::BadRequest("a sync is set"));
    }
    let wanted = sync.children_named("collection").map(wanted).collect::<Result<Vec<_>, _>>()?;
    let mut changed = Vec::new();
    let mut answers = Vec::with_capacity(wanted.len());
    for wanted in &wanted {
        if wanted.patch.is_some() && strikes(context, StateFault::Conflict) {
            let written = sentinel(wanted.name, context.world.millis());
            context.world.write_app_state(context.account, &[written]);
        }
        let mut state = context.world.app_state(context.account);
        let before = state.version(wanted.name);
        answers.push(collection(context, &mut state, wanted)?);
        let version = state.version(wanted.name);
        if version != before {
            changed.push((wanted.name, version));
        }
    }
    context.world.tell_app_state(context.account, Some(context.device), &changed);
    Ok(Answer { children: vec![Node::new("sync").with_children(answers)], then: Then::Nothing })
}

fn wanted<'n>(collection: &'n Node<'n>) -> Result<Wanted<'n>, IqError> {
    let name = CompactString::from(&*collection.require_text("name")?);
    let name =
        NAMES.into_iter().find(|known| *known == name).ok_or(IqError::BadRequest("no such collection"))?;
    let version = collection.attrs.number("version").unwrap_or(Ok(0))?;
    let from_start = stanza::text(&collection.attrs, "return_snapshot") == "true";
    Ok(Wanted { name, version, from_start, patch: collection.get_child("patch") })
}

fn strikes(context: &Context<'_>, wanted: StateFault) -> bool {
    let is_it = |kind: &FaultKind| match kind {
        FaultKind::AppState { what } => (*what == wanted).then_some(()),
        _ => None,
    };
    context.world.faults.strike(&context.account.number, context.device, is_it).is_some()
}

/// The answer for one collection.
fn collection(
    context: &Context<'_>,
    state: &mut AppState,
    wanted: &Wanted<'_>,
) -> Result<Node<'static>, IqError> {
    let node = Node::new("collection").attr("name", wanted.name);
    let head = state.version(wanted.name);
    let Some(patch) = wanted.patch else { return Ok(fetched(context, state, wanted, node)) };
    if wanted.version != head {
        let missed = patches_node(context, wanted.name, state.after(wanted.name, wanted.version));
        return Ok(node
            .attr("type", "error")
            .attr("version", head)
            .child(Node::new("error").attr("code", 409_u16).attr("text", "conflict"))
            .with_children(missed));
    }
    let decoded = SyncdPatch::decode(&*patch.require_bytes()?).map_err(|_| Refused::Form);
    match decoded.and_then(|patch| state.take(wanted.name, patch)) {
        Ok(()) => Ok(node.attr("version", head + 1).attr("type", "result")),
        Err(refused) => {
            let error = Node::new("error").attr("code", 400_u16).attr("text", refused.to_string());
            Ok(node.attr("type", "error").attr("version", head).child(error))
        }
    }
}

fn fetched(
    context: &Context<'_>,
    state: &mut AppState,
    wanted: &Wanted<'_>,
    node: Node<'static>,
) -> Node<'static> {
    let blobs = context.world.options.behaviour.app_state_blobs;
    let head = state.version(wanted.name);
    let mut from = if wanted.from_start { 0 } else { wanted.version };
    let mut snapshot = None;
    if let (true, Some(blobs)) = (wanted.from_start, blobs)
        && let Some(whole) = state.snapshot(wanted.name, blobs.snapshot_every)
    {
        let version = whole.version.and_then(|version| version.version).unwrap_or(0);
        from = usize::try_from(version).unwrap_or(head);
        let mut whole = whole.clone();
        if strikes(context, StateFault::Tampered) {
            whole.mac = whole.mac.map(|mac| with_wrong_bit(&mac));
        }
        let label = format!("snapshot {} {version}", wanted.name);
        let reference = publish(context, &label, &whole.encode_to_vec());
        snapshot = Some(Node::new("snapshot").with_bytes(reference.encode_to_vec()));
    }
    let page = state.after(wanted.name, from);
    let shown = page.get(..PAGE).unwrap_or(page);
    let has_more = shown.len() < page.len();
    let mut patches = shown.to_vec();
    if let Some(first) = patches.first_mut()
        && snapshot.is_none()
        && strikes(context, StateFault::Tampered)
    {
        first.patch_mac = first.patch_mac.as_ref().map(with_wrong_bit);
    }
    node.attr("version", if has_more { from + shown.len() } else { head })
        .attr("type", "result")
        .opt_attr("has_more_patches", has_more.then_some("true"))
        .with_children(snapshot)
        .with_children(patches_node(context, wanted.name, &patches))
}

fn with_wrong_bit(mac: &Bytes) -> Bytes {
    let mut mac = mac.to_vec();
    if let Some(byte) = mac.first_mut() {
        *byte ^= 1;
    }
    mac.into()
}

fn patches_node(context: &Context<'_>, name: &str, patches: &[SyncdPatch]) -> Option<Node<'static>> {
    let patches: Vec<_> = patches.iter().map(|patch| patch_node(context, name, patch)).collect();
    (!patches.is_empty()).then(|| Node::new("patches").with_children(patches))
}

/// A patch, whose mutations are a blob where there are many.
fn patch_node(context: &Context<'_>, name: &str, patch: &SyncdPatch) -> Node<'static> {
    let blobs = context.world.options.behaviour.app_state_blobs;
    let node = Node::new("patch");
    if blobs.is_none_or(|blobs| patch.mutations.len() <= blobs.external_above) {
        return node.with_bytes(patch.encode_to_vec());
    }
    let version = patch.version.and_then(|version| version.version).unwrap_or(0);
    let mutations = SyncdMutations { mutations: patch.mutations.clone() };
    let reference = publish(context, &format!("patch {name} {version}"), &mutations.encode_to_vec());
    let patch = SyncdPatch { mutations: Vec::new(), external_mutations: Some(reference), ..patch.clone() };
    node.with_bytes(patch.encode_to_vec())
}

/// Puts a blob on the media host.
fn publish(context: &Context<'_>, label: &str, plain: &[u8]) -> ExternalBlobReference {
    let world = context.world;
    let media_key = world.token(&[b"app state blob", context.account.number.as_bytes(), label.as_bytes()]);
    let sealed = blob::seal(&media_key, BLOB_INFO, plain);
    let direct_path = world.keep_blob("md-app-state", &sealed);
    ExternalBlobReference {
        media_key: Some(media_key.to_vec().into()),
        direct_path: Some(direct_path),
        file_size_bytes: Some(plain.len() as u64),
        file_sha256: Some(sealed.sha256.to_vec().into()),
        file_enc_sha256: Some(sealed.enc_sha256.to_vec().into()),
        ..Default::default()
    }
}
