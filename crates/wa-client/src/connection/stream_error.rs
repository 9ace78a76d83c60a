//! How the server ends a connection (PROTOCOL.md 7.5 and 7.6).

use wa_binary::Node;

use crate::cause::Cause;

/// What a `<stream:error>` means.
pub(crate) fn of_stream_error(node: &Node<'_>) -> Cause {
    if let Some(id) = node.get_child("ack").and_then(|ack| ack.attrs.text("id")) {
        tracing::error!(%id, "the server misses an answer to this stanza");
    }
    let content = || node.first_child().map(|child| child.tag().to_owned().into());
    let code = node.attrs.text("code").or_else(content).unwrap_or_default();
    let conflict = node.get_child("conflict").and_then(|conflict| conflict.attrs.text("type"));
    match (&*code, conflict.as_deref()) {
        (_, Some("device_removed")) => Cause::LoggedOut,
        (_, Some("replaced")) | ("409", _) => Cause::Replaced,
        ("516", _) => Cause::LoggedOut,
        ("515", _) => Cause::Restart,
        ("413" | "414", _) => Cause::AccessToken { code: code.parse().unwrap_or(413) },
        _ => Cause::StreamError { code: code.into_owned() },
    }
}

/// What a `<failure>` means. `now` is in Unix milliseconds.
pub(crate) fn of_failure(node: &Node<'_>, now: i64) -> Cause {
    let number = |name| node.attrs.number::<u32>(name).and_then(Result::ok);
    match number("reason").unwrap_or(0) {
        401 => Cause::LoggedOut,
        402 => Cause::Banned {
            code: number("code").unwrap_or(0),
            until: number("expire").map(|seconds| now.saturating_add(i64::from(seconds) * 1000)),
        },
        403 => Cause::PrimaryGone,
        405 => Cause::Outdated,
        406 => Cause::AccountRefused,
        409 => Cause::BadUserAgent,
        code @ (413 | 414) => Cause::AccessToken { code },
        415 => Cause::NotFound,
        418 => Cause::ClientUnknown,
        reason => Cause::Failure { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Pace;

    fn stream_error(code: &'static str, conflict: Option<&'static str>) -> Cause {
        let conflict = conflict.map(|kind| Node::new("conflict").attr("type", kind));
        of_stream_error(&Node::new("stream:error").attr("code", code).with_children(conflict))
    }

    #[test]
    fn stream_errors_have_the_meaning_of_protocol_md_7_5() {
        assert_eq!(stream_error("515", None), Cause::Restart);
        assert_eq!(stream_error("401", Some("device_removed")), Cause::LoggedOut);
        assert_eq!(stream_error("", Some("replaced")), Cause::Replaced);
        assert_eq!(stream_error("503", None), Cause::StreamError { code: "503".into() });
        assert_eq!(stream_error("409", None), Cause::Replaced);
        assert_eq!(stream_error("516", None), Cause::LoggedOut);
        assert_eq!(stream_error("429", None), Cause::StreamError { code: "429".into() });
        assert_eq!(stream_error("413", None), Cause::AccessToken { code: 413 });
        assert_eq!(
            ["503", "429", "599"].map(|code| stream_error(code, None).pace()),
            [Pace::Quick, Pace::Quick, Pace::Unsure]
        );
        // A 401 without the word that the device was removed is no confirmed logout.
        assert_eq!(stream_error("401", None), Cause::StreamError { code: "401".into() });
    }

    #[test]
    fn a_stream_error_without_code_is_named_by_what_it_holds() {
        let node = Node::new("stream:error").child(Node::new("ack").attr("id", "3EB0"));
        assert_eq!(of_stream_error(&node), Cause::StreamError { code: "ack".into() });
        assert_eq!(of_stream_error(&Node::new("stream:error")), Cause::StreamError { code: String::new() });
    }

    #[test]
    fn failures_have_the_meaning_of_protocol_md_7_6() {
        let of = |reason: u32| of_failure(&Node::new("failure").attr("reason", reason), 0);
        assert_eq!(of(401), Cause::LoggedOut);
        assert_eq!(of(403), Cause::PrimaryGone);
        assert_eq!(of(405), Cause::Outdated);
        assert_eq!(of(406), Cause::AccountRefused);
        assert_eq!(of(409), Cause::BadUserAgent);
        assert_eq!(of(413), Cause::AccessToken { code: 413 });
        assert_eq!(of(415), Cause::NotFound);
        assert_eq!(of(418), Cause::ClientUnknown);
        for reason in [400, 429, 500, 501, 503, 599, 7] {
            assert_eq!(of(reason), Cause::Failure { reason });
        }
        // Not knowing a code is no reason to stop.
        for reason in [0, 400, 413, 414, 415, 418, 429, 500, 501, 503, 599, 7] {
            assert!(of(reason).reconnects(), "{reason}");
            let pace = if matches!(reason, 500 | 503) { Pace::Quick } else { Pace::Slow };
            assert_eq!(of(reason).pace(), pace, "{reason}");
        }
        assert!([401, 402, 403, 405, 406, 409].iter().all(|reason| !of(*reason).reconnects()));
        let wiping = [401, 402, 403, 405, 406, 409, 500].map(|reason| of(reason).wipes_credentials());
        assert_eq!(wiping, [true, false, true, false, true, false, false]);
    }

    #[test]
    fn a_ban_says_until_when() {
        let node =
            Node::new("failure").attr("reason", 402_u32).attr("code", 101_u32).attr("expire", 3600_u32);
        assert_eq!(of_failure(&node, 5000), Cause::Banned { code: 101, until: Some(3_605_000) });
    }
}
