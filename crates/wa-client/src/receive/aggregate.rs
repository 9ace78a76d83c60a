use wa_binary::{Attrs, Node};

/// Ids that one receipt names, as WhatsApp Web does it (PROTOCOL.md 13).
const MAX_IDS: usize = 256;

/// The same answers with plain receipts put together that differ in the id alone: the first id is the receipt's own,
/// the others are in its list.
pub(super) fn aggregated(answers: Vec<Node<'static>>) -> Vec<Node<'static>> {
    let mut together: Vec<(Node<'static>, Vec<Node<'static>>)> = Vec::with_capacity(answers.len());
    // Where the last receipt of its kind is: a backlog is of few chats.
    let mut open: Vec<usize> = Vec::new();
    for answer in answers {
        if !is_plain_receipt(&answer) {
            together.push((answer, Vec::new()));
            continue;
        }
        let found = open.iter().position(|index| {
            together.get(*index).is_some_and(|(first, _)| is_same_but_id(&first.attrs, &answer.attrs))
        });
        let room = found.and_then(|place| {
            let (_, items) = together.get_mut(*open.get(place)?)?;
            (items.len() + 1 < MAX_IDS).then_some(items)
        });
        match (room, answer.attrs.text("id")) {
            (Some(items), Some(id)) => items.push(Node::new("item").attr("id", id.into_owned())),
            _ => {
                found.map(|place| open.remove(place));
                open.push(together.len());
                together.push((answer, Vec::new()));
            }
        }
    }
    let with_list = |(receipt, items): (Node<'static>, Vec<Node<'static>>)| {
        let list = (!items.is_empty()).then(|| Node::new("list").with_children(items));
        receipt.with_children(list)
    };
    together.into_iter().map(with_list).collect()
}

/// A receipt of delivery: those with content, such as requests to send again, stand for themselves.
fn is_plain_receipt(node: &Node<'_>) -> bool {
    node.is("receipt") && node.children().is_empty()
}

fn is_same_but_id(one: &Attrs<'_>, other: &Attrs<'_>) -> bool {
    let others = |attrs: &Attrs<'_>| attrs.iter().filter(|(name, _)| *name != "id").count();
    others(one) == others(other)
        && one.iter().filter(|(name, _)| *name != "id").all(|(name, value)| other.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use wa_binary::Jid;

    use super::*;

    fn receipt(id: u32, to: &Jid) -> Node<'static> {
        Node::new("receipt").attr("id", id.to_string()).attr("to", to).attr("type", "inactive")
    }

    #[test]
    fn receipts_to_one_device_become_one() {
        let (bob, carol) = (Jid::lid("9002"), Jid::lid("9003"));
        let ack = Node::new("ack").attr("id", "9").attr("to", &bob);
        let answers = vec![
            receipt(1, &bob),
            receipt(2, &carol),
            ack.clone(),
            receipt(3, &bob),
            receipt(4, &bob).attr("type", "sender"),
            receipt(5, &bob).child(Node::new("retry")),
        ];
        let together: Vec<_> = aggregated(answers).iter().map(Node::to_string).collect();
        let list = r#"<receipt id="1" to="9002@lid" type="inactive"><list><item id="3"/></list></receipt>"#;
        assert_eq!(together.len(), 5);
        assert_eq!((together[0].as_str(), together[2].as_str()), (list, ack.to_string().as_str()));
    }

    #[test]
    fn a_receipt_names_so_many_and_the_next_the_rest() {
        let bob = Jid::lid("9002");
        let together = aggregated((0..600).map(|id| receipt(id, &bob)).collect());
        let named = |node: &Node<'_>| 1 + node.get_child("list").map_or(0, |list| list.children().len());
        assert_eq!(together.iter().map(named).collect::<Vec<_>>(), [256, 256, 88]);
    }
}
