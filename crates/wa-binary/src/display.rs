//! XML-like text of nodes, for traces.

use std::fmt::{self, Display, Formatter, Write};

use crate::{Content, Node};

/// `<message id="1"><enc v="2">[171B]</enc></message>`: bytes only by their number, text escaped so that a
/// trace stays on one line. Attributes may be phone numbers: a trace is nothing for logs at default level.
impl Display for Node<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "<{}", Escaped(&self.tag))?;
        for (name, value) in self.attrs.iter() {
            write!(f, " {}=\"{}\"", Escaped(name), Escaped(&value.text()))?;
        }
        match &self.content {
            Content::Empty => return f.write_str("/>"),
            Content::Bytes(bytes) => write!(f, ">[{}B]", bytes.len())?,
            Content::Text(text) => write!(f, ">{}", Escaped(text))?,
            Content::Nodes(nodes) => {
                f.write_char('>')?;
                nodes.iter().try_for_each(|node| node.fmt(f))?;
            }
        }
        write!(f, "</{}>", Escaped(&self.tag))
    }
}

struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                control if control.is_control() => write!(f, "&#{};", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Jid, Node};

    #[test]
    fn nodes_print_like_xml() {
        let node =
            Node::new("message").attr("to", Jid::pn("1").with_device(2)).attr("t", 7u32).with_children([
                Node::new("enc").with_bytes(vec![0; 171]),
                Node::new("mode").text("a<b>&\"\n"),
                Node::new("empty"),
            ]);
        assert_eq!(
            node.to_string(),
            "<message to=\"1:2@s.whatsapp.net\" t=\"7\"><enc>[171B]</enc>\
             <mode>a&lt;b&gt;&amp;&quot;&#10;</mode><empty/></message>"
        );
    }
}
