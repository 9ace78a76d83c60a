//! The language that a client asks for.

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language that we have words in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Russian,
}

impl Language {
    /// The one of ours that the client likes best (RFC 9110, section 12.5.4); `None` when it names none.
    pub(crate) fn asked(headers: &HeaderMap) -> Option<Self> {
        let header = headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
        let mut best = None::<(Self, f32)>;
        for entry in header.split(',') {
            let (tag, quality) = entry.split_once(';').unwrap_or((entry, "q=1"));
            let quality = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse().ok());
            let language = Self::of_tag(tag.trim()).zip(quality);
            best = match (best, language) {
                (best, Some((_, quality))) if quality <= best.map_or(0.0, |(_, best)| best) => best,
                (best, None) => best,
                (_, better) => better,
            };
        }
        best.map(|(language, _)| language)
    }

    /// Its tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        [Self::English, Self::Russian].into_iter().find(|known| primary.eq_ignore_ascii_case(known.tag()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn the_best_that_there_is_wins() {
        let asked = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(text));
            Language::asked(&headers)
        };
        assert_eq!(asked("ru-RU,ru;q=0.9,en;q=0.8"), Some(Language::Russian));
        assert_eq!(asked("de, en-GB;q=0.7, ru;q=0.3"), Some(Language::English));
        assert_eq!(asked("en;q=0.2, ru;q=0.3"), Some(Language::Russian));
        assert_eq!(asked("en, ru"), Some(Language::English));
        for text in ["de", "*", "ru;q=0", "", "ru;q=x"] {
            assert_eq!(asked(text), None, "{text}");
        }
        assert_eq!(Language::asked(&HeaderMap::new()), None);
    }
}
