//! Requests about groups (PROTOCOL.md 23).

use wa_binary::{Jid, Node};

use super::accepted;
use crate::group::Group;
use crate::request::RequestError;

/// Asks for a group with its members.
pub(crate) fn query(group: &Jid) -> Node<'static> {
    Node::new("iq")
        .attr("to", group)
        .attr("type", "get")
        .attr("xmlns", "w:g2")
        .child(Node::new("query").attr("request", "interactive"))
}

/// The group, from the answer to [`query`].
pub(crate) fn read(answer: &Node<'_>) -> Result<Group, RequestError> {
    accepted(answer)?;
    Ok(Group::read(answer.require_child("group")?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_asked_for_by_its_address() {
        assert_eq!(
            query(&Jid::group("1203")).to_string(),
            r#"<iq to="1203@g.us" type="get" xmlns="w:g2"><query request="interactive"/></iq>"#
        );
        let refused = Node::new("iq").attr("type", "error").child(Node::new("error").attr("code", 403_u32));
        assert!(matches!(read(&refused), Err(RequestError::Refused { code: 403, .. })));
        assert!(matches!(read(&Node::new("iq").attr("type", "result")), Err(RequestError::Malformed(_))));
    }
}
