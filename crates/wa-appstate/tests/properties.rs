//! What holds for all patches.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use support::{about_chats, action, key_id, numbered, received, received_as_blob, ring, rng, set};
use wa_appstate::{Action, ApplyError, Collection, Draft, Operation, Received, State};
use wa_protobuf::appstate::SyncdMutation;

/// What becomes of the mutations of a patch on their way.
type Damage<'a> = &'a dyn Fn(&mut Vec<SyncdMutation>);

/// What is done to a collection, step by step: actions that are set, or a removal of one that is there.
#[derive(Clone, Debug)]
enum Step {
    Set(Vec<Action>),
    Remove(Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => vec(about_chats(), 0..6).prop_map(Step::Set),
        1 => any::<Index>().prop_map(Step::Remove),
    ]
}

fn without_value(action: &Action) -> String {
    let mutation = Draft::set(action, 0).mutation().index_parts();
    format!("{mutation:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Keys take turns, so that records of each are replaced and removed under it.
    #[test]
    fn what_one_device_writes_another_reads(steps in vec((step(), any::<bool>()), 1..8)) {
        let keys = ring(2);
        let mut writer = State::empty(Collection::RegularLow);
        let mut reader = writer.clone();
        let mut there: Vec<Action> = Vec::new();
        for (number, (step, as_blob)) in steps.into_iter().enumerate() {
            let drafts: Vec<(Operation, Action)> = match step {
                Step::Set(actions) => actions.into_iter().map(|action| (Operation::Set, action)).collect(),
                Step::Remove(_) if there.is_empty() => continue,
                Step::Remove(index) => vec![(Operation::Remove, there.swap_remove(index.index(there.len())))],
            };
            let draft = |(operation, action): &(Operation, Action)| match operation {
                Operation::Set => Draft::set(action, 5),
                Operation::Remove => Draft::remove(action, 5),
            };
            let written: Vec<Draft> = drafts.iter().map(draft).collect();
            // Of both states only what the patch touches is needed.
            let key = key_id(u8::try_from(number % 2).unwrap());
            let needed: Vec<_> = written.iter().flat_map(|draft| draft.indexes(&keys)).collect();
            let mut part = writer.clone();
            part.values.retain(|index, _| needed.contains(index));
            let built = part.build(&written, &key, &keys, &mut rng()).unwrap();
            prop_assert_eq!(&built.patch, &writer.build(&written, &key, &keys, &mut rng()).unwrap().patch);
            writer.apply(&built.change);

            let patch = numbered(&built);
            let as_blob = as_blob && !patch.mutations.is_empty();
            let patch = if as_blob { received_as_blob(patch) } else { received(&patch) };
            let mut part = reader.clone();
            let touched: Vec<_> = patch.indexes().copied().collect();
            part.values.retain(|index, _| touched.contains(index));
            let change = part.patch(&patch, &keys).unwrap();
            prop_assert_eq!(&change, &built.change);
            reader.apply(&change);
            prop_assert_eq!(&reader, &writer);

            let said = change.mutations.iter().map(|mutation| (mutation.operation(), Action::read(reader.collection, mutation)));
            prop_assert_eq!(said.collect::<Vec<_>>(), drafts.clone());
            for (operation, action) in drafts {
                if operation == Operation::Set {
                    there.retain(|other| without_value(other) != without_value(&action));
                    there.push(action);
                }
            }
        }
    }

    #[test]
    fn every_action_is_read_as_it_was_written(action in action(), now in any::<i64>()) {
        let draft = Draft::set(&action, now);
        prop_assert_eq!(draft.collection(), action.collection());
        prop_assert_eq!(Action::read(draft.collection(), draft.mutation()), action);
        prop_assert_eq!(draft.mutation().data().value.unwrap().timestamp, Some(now));
    }

    #[test]
    fn an_action_without_its_value_is_kept_as_it_is(action in action()) {
        let mut data = Draft::set(&action, 5).mutation().data();
        data.value = None;
        let raw = data.encode_to_vec();
        let unknown = Action::Unknown(wa_appstate::Unknown {
            collection: action.collection(),
            index: data.index.unwrap(),
            raw: raw.clone().into(),
        });
        let draft = Draft::set(&unknown, 6);
        prop_assert_eq!(draft.mutation().raw(), &raw);
        prop_assert_eq!(Action::read(draft.collection(), draft.mutation()), unknown);
        // Of a removal the subject is enough.
        let removal = Draft::remove(&Action::read(draft.collection(), draft.mutation()), 6);
        let subject = Action::read(removal.collection(), removal.mutation());
        prop_assert!(!matches!(subject, Action::Unknown(_)), "{:?}", subject);
        prop_assert_eq!(without_value(&subject), without_value(&action));
    }

    /// A byte that no MAC covers holds nothing that is read.
    #[test]
    fn a_changed_byte_is_refused_or_changes_nothing(
        before in vec(about_chats(), 0..3),
        actions in vec(about_chats(), 1..4),
        place in any::<Index>(),
        flip in 1..=255u8,
    ) {
        let mut state = State::empty(Collection::RegularLow);
        set(&mut state, &before, 0);
        let at_reader = state.clone();
        let built = set(&mut state, &actions, 0);
        let mut bytes = numbered(&built).encode_to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        let Ok(Received::Inline(patch)) = Received::decode(bytes.into()) else { return Ok(()) };
        match at_reader.patch(&patch, &ring(1)) {
            Err(_) => {}
            Ok(change) => prop_assert_eq!(change, built.change),
        }
    }

    #[test]
    fn mutations_are_neither_left_out_nor_moved_nor_repeated(
        actions in vec(about_chats(), 2..5),
        from in any::<Index>(),
        to in any::<Index>(),
    ) {
        let mut state = State::empty(Collection::RegularLow);
        let built = set(&mut state, &actions, 0);
        let genuine = numbered(&built);
        let (from, to) = (from.index(actions.len()), to.index(actions.len()));
        let changes: [Damage<'_>; 3] = [
            &|mutations| { mutations.remove(from); },
            &|mutations| mutations.swap(from, to),
            &|mutations| mutations.push(mutations[from].clone()),
        ];
        for change in changes {
            let mut changed = genuine.clone();
            change(&mut changed.mutations);
            let expected = if changed.mutations == genuine.mutations {
                Ok(built.change.clone())
            } else {
                Err(ApplyError::Tampered(wa_appstate::Part::Patch))
            };
            let found = State::empty(Collection::RegularLow).patch(&received(&changed), &ring(1));
            prop_assert_eq!(found, expected);
        }
    }
}
