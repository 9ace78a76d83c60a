use std::fmt;

/// What a look at one thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    /// What was looked at, in a word or two.
    pub(super) what: &'static str,
    /// What was found, and what to do about it.
    pub(super) text: String,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As it should be.
    Sound,
    /// A gateway works, but probably not as it is meant to.
    Odd,
    /// A gateway doesn't start, or is of no use.
    Broken,
}

impl Finding {
    pub(super) fn sound(what: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Sound, what, text: text.into() }
    }

    pub(super) fn odd(what: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Odd, what, text: text.into() }
    }

    pub(super) fn broken(what: &'static str, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Broken, what, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Sound => "ok",
            Verdict::Odd => "odd",
            Verdict::Broken => "BROKEN",
        };
        write!(f, "{mark:<8}{:<16}{}", self.what, self.text)
    }
}
