use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::CompactString;
use prost::Message as _;
use wa_binary::Node;
use wa_protobuf::appstate::{SyncdPatch, SyncdRecord, SyncdVersion};

use super::{Answer, Answered, Context, IqError, Request, Then};

/// The collections that there are (PROTOCOL.md 18).
const NAMES: [&str; 5] = ["critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low"];
/// Patches kept of one collection.
const MAX_PATCHES: usize = 10_000;
/// Patches in one answer.
const PAGE: usize = 500;

/// The app state as the server has it: patches that it can't read, in order.
#[derive(Debug, Default)]
pub(crate) struct Collections {
    /// Patch n is at index n − 1: the version of a collection is the number of its patches.
    patches: BTreeMap<&'static str, Vec<Bytes>>,
}

/// A collection of a request.
struct Wanted<'n> {
    name: &'static str,
    /// The version that the client has.
    version: usize,
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
    {
        let mut directory = context.account.directory();
        let collections = &mut directory.app_state;
        for wanted in &wanted {
            let has_patch = wanted.patch.is_some();
            let (answer, is_new) = collections.answer(wanted)?;
            if has_patch && is_new {
                changed.push((wanted.name, collections.version(wanted.name)));
            }
            answers.push(answer);
        }
    }
    if !changed.is_empty() {
        let changed = changed
            .into_iter()
            .map(|(name, version)| Node::new("collection").attr("name", name).attr("version", version));
        let notice = Node::new("notification").attr("from", context.account.pn()).with_children(changed);
        context.world.notify(context.account, Some(context.device), "server_sync", &notice);
    }
    Ok(Answer { children: vec![Node::new("sync").with_children(answers)], then: Then::Nothing })
}

fn wanted<'n>(collection: &'n Node<'n>) -> Result<Wanted<'n>, IqError> {
    let name = CompactString::from(&*collection.require_text("name")?);
    let name =
        NAMES.into_iter().find(|known| *known == name).ok_or(IqError::BadRequest("no such collection"))?;
    let version = collection.attrs.number("version").unwrap_or(Ok(0))?;
    Ok(Wanted { name, version, patch: collection.get_child("patch") })
}

impl Collections {
    fn version(&self, name: &str) -> usize {
        self.patches.get(name).map_or(0, Vec::len)
    }

    /// The answer for one collection, and whether its patch was added.
    fn answer(&mut self, wanted: &Wanted<'_>) -> Result<(Node<'static>, bool), IqError> {
        let node = Node::new("collection").attr("name", wanted.name);
        let head = self.version(wanted.name);
        let Some(patch) = wanted.patch else {
            let page = self.patches.get(wanted.name).and_then(|patches| patches.get(wanted.version..));
            let page = page.unwrap_or_default();
            let shown = page.get(..PAGE).unwrap_or(page);
            let has_more = shown.len() < page.len();
            let version = if has_more { wanted.version + shown.len() } else { head };
            let node = node
                .attr("version", version)
                .attr("type", "result")
                .opt_attr("has_more_patches", has_more.then_some("true"));
            return Ok((node.with_children(patches_node(shown)), false));
        };
        if wanted.version != head {
            let missed = self.patches.get(wanted.name).and_then(|patches| patches.get(wanted.version..));
            let conflict = node
                .attr("type", "error")
                .attr("version", head)
                .child(Node::new("error").attr("code", 409_u16).attr("text", "conflict"))
                .with_children(patches_node(missed.unwrap_or_default()));
            return Ok((conflict, false));
        }
        self.add(wanted.name, patch)?;
        Ok((node.attr("version", head + 1).attr("type", "result"), true))
    }

    /// Adds a patch as the next version; its MACs were computed for it (PROTOCOL.md 18.4).
    fn add(&mut self, name: &'static str, patch: &Node<'_>) -> Result<(), IqError> {
        let malformed = IqError::BadRequest("a patch is a SyncdPatch with its MACs, and without version");
        let mut patch = SyncdPatch::decode(&*patch.require_bytes()?).map_err(|_| malformed.clone())?;
        let is_sound = patch.version.is_none()
            && is_mac(patch.snapshot_mac.as_ref())
            && is_mac(patch.patch_mac.as_ref())
            && patch.key_id.is_some()
            && patch.mutations.iter().all(|mutation| mutation.record.as_ref().is_some_and(is_record));
        let patches = self.patches.entry(name).or_default();
        if !is_sound || patches.len() >= MAX_PATCHES {
            return Err(malformed);
        }
        patch.version = Some(SyncdVersion { version: Some(patches.len() as u64 + 1) });
        patches.push(patch.encode_to_vec().into());
        Ok(())
    }
}

fn is_mac(mac: Option<&Bytes>) -> bool {
    mac.is_some_and(|mac| mac.len() == 32)
}

/// Whether the parts of a record have the lengths that encryption gives them: a MAC for the index; IV, blocks of
/// ciphertext and a MAC for the value; and whose key it was (PROTOCOL.md 18.2).
fn is_record(record: &SyncdRecord) -> bool {
    let index = record.index.as_ref().and_then(|index| index.blob.as_ref());
    let value = record.value.as_ref().and_then(|value| value.blob.as_ref());
    let key_id = record.key_id.as_ref().and_then(|key| key.id.as_ref());
    is_mac(index)
        && value.is_some_and(|value| value.len() >= 64 && value.len().is_multiple_of(16))
        && key_id.is_some_and(|id| !id.is_empty())
}

fn patches_node(patches: &[Bytes]) -> Option<Node<'static>> {
    let patches = patches.iter().map(|patch| Node::new("patch").with_bytes(patch.to_vec()));
    (patches.len() > 0).then(|| Node::new("patches").with_children(patches))
}

#[cfg(test)]
mod tests {
    use wa_protobuf::appstate::{KeyId, SyncdIndex, SyncdMutation, SyncdValue};

    use super::*;
    use crate::stanza;

    fn patch() -> Node<'static> {
        let patch = SyncdPatch {
            snapshot_mac: Some(vec![1; 32].into()),
            patch_mac: Some(vec![2; 32].into()),
            key_id: Some(Default::default()),
            ..Default::default()
        };
        Node::new("patch").with_bytes(patch.encode_to_vec())
    }

    fn patch_of(index: usize, value: usize, key_id: usize) -> Node<'static> {
        let bytes = |length| Some(vec![3; length].into());
        let record = SyncdRecord {
            index: Some(SyncdIndex { blob: bytes(index) }),
            value: Some(SyncdValue { blob: bytes(value) }),
            key_id: Some(KeyId { id: bytes(key_id) }),
        };
        let patch = SyncdPatch {
            mutations: vec![SyncdMutation { operation: Some(0), record: Some(record) }],
            snapshot_mac: bytes(32),
            patch_mac: bytes(32),
            key_id: Some(KeyId::default()),
            ..Default::default()
        };
        Node::new("patch").with_bytes(patch.encode_to_vec())
    }

    #[test]
    fn a_record_has_the_lengths_of_one() {
        let add = |patch: Node<'static>| {
            let wanted = Wanted { name: "regular", version: 0, patch: Some(&patch) };
            Collections::default().answer(&wanted).is_ok()
        };
        assert!(add(patch_of(32, 64, 6)) && add(patch_of(32, 160, 1)));
        for (index, value, key_id) in
            [(0, 64, 6), (31, 64, 6), (33, 64, 6), (32, 0, 6), (32, 48, 6), (32, 65, 6), (32, 64, 0)]
        {
            assert!(!add(patch_of(index, value, key_id)), "{index} {value} {key_id}");
        }
    }

    fn ask(collections: &mut Collections, version: usize, patch: Option<&Node<'static>>) -> Node<'static> {
        let patch = patch.cloned();
        let wanted = Wanted { name: "regular", version, patch: patch.as_ref() };
        collections.answer(&wanted).unwrap().0
    }

    #[test]
    fn a_patch_is_the_next_version_and_comes_back() {
        let mut collections = Collections::default();
        let stored = ask(&mut collections, 0, Some(&patch()));
        assert_eq!(stanza::text(&stored.attrs, "version"), "1");
        let fetched = ask(&mut collections, 0, None);
        let bytes = fetched.children()[0].children()[0].bytes().unwrap().into_owned();
        let version = SyncdPatch::decode(&*bytes).unwrap().version.unwrap();
        assert_eq!(version.version, Some(1));
        assert!(ask(&mut collections, 1, None).children().is_empty());
    }

    #[test]
    fn a_patch_on_an_old_version_is_a_conflict() {
        let mut collections = Collections::default();
        ask(&mut collections, 0, Some(&patch()));
        let conflict = ask(&mut collections, 0, Some(&patch()));
        assert_eq!(stanza::text(&conflict.attrs, "type"), "error");
        assert_eq!(conflict.children().len(), 2);
        assert_eq!(collections.version("regular"), 1);
    }

    #[test]
    fn a_patch_without_macs_is_refused() {
        let empty = Node::new("patch").with_bytes(Vec::new());
        let wanted = Wanted { name: "regular", version: 0, patch: Some(&empty) };
        assert!(matches!(Collections::default().answer(&wanted), Err(IqError::BadRequest(_))));
    }
}
