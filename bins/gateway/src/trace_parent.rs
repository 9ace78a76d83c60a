//! Who a span is, and what it belongs to: <https://www.w3.org/TR/trace-context/>.

use actix_web::http::header::HeaderMap;
use rand::Rng as _;

/// The header that says to which trace a request belongs.
const HEADER: &str = "traceparent";

/// A trace, and a span of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TraceParent {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    /// Whether whoever began the trace records it.
    pub(crate) is_sampled: bool,
}

impl TraceParent {
    /// The header of a request as it came, if it says something that can be understood.
    pub(crate) fn text_of(headers: &HeaderMap) -> Option<&str> {
        let text = headers.get(HEADER)?.to_str().ok()?;
        Self::parse(text).map(|_| text)
    }

    /// Reads `00-<trace>-<span>-<flags>`. Later versions may have more behind it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        /// Of version 0; no later one may be shorter.
        const LENGTH: usize = 55;
        let is_lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-';
        let first = text.get(..LENGTH).filter(|first| first.bytes().all(is_lower))?;
        let rest = &text[LENGTH..];
        let mut parts = first.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let fits = match version {
            "ff" => false,
            "00" => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let mut parent = Self { trace: [0; 16], span: [0; 8], is_sampled: false };
        let mut byte = [0; 1];
        if !fits || version.len() != 2 || parts.next().is_some() {
            return None;
        }
        hex::decode_to_slice(trace, &mut parent.trace).ok()?;
        hex::decode_to_slice(span, &mut parent.span).ok()?;
        hex::decode_to_slice(flags, &mut byte).ok()?;
        parent.is_sampled = byte[0] & 1 == 1;
        (parent.trace != [0; 16] && parent.span != [0; 8]).then_some(parent)
    }
}

/// Random bytes that name a trace or a span. All zeros, which name none, come up never: it takes longer than the universe.
pub(crate) fn fresh<const N: usize>() -> [u8; N] {
    let mut id = [0; N];
    rand::rng().fill_bytes(&mut id);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_standard_allows_is_a_parent() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let good = format!("00-{trace}-{span}-01");
        let parent = TraceParent::parse(&good).unwrap();
        assert_eq!((hex::encode(parent.trace), hex::encode(parent.span)), (trace.into(), span.into()));
        assert!(parent.is_sampled);
        assert!(!TraceParent::parse(&format!("00-{trace}-{span}-02")).unwrap().is_sampled);
        assert!(TraceParent::parse(&format!("cc-{trace}-{span}-01-more")).is_some());
        for wrong in [
            "",
            "00",
            &format!("ff-{trace}-{span}-01"),
            &format!("00-{trace}-{span}-01-more"),
            &format!("cc-{trace}-{span}-01more"),
            &format!("00-{}-{span}-01", "0".repeat(32)),
            &format!("00-{trace}-{}-01", "0".repeat(16)),
            &good.to_uppercase(),
            &good.replace("af", "-f"),
            &good.replace("0af7", "é7"),
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_are_not_alike() {
        assert_ne!(fresh::<16>(), fresh::<16>());
    }
}
