//! The words of the console: what one language says, all say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Language, and the forms that it has for a count (CLDR's cardinal rules; `pt` has `many` for millions alone, which `other` serves).
const LANGUAGES: [(&str, &[&str]); 4] = [
    ("en", &["one", "other"]),
    ("zh", &["other"]),
    ("ru", &["few", "many", "one", "other"]),
    ("pt", &["one", "other"]),
];
const FORMS: [&str; 4] = ["one", "few", "many", "other"];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/console"))
}

fn words(language: &str) -> BTreeMap<String, String> {
    let file = folder().join(format!("words-{language}.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A text's name without the form for a count, and that form.
fn parts(key: &str) -> (&str, Option<&str>) {
    match key.rsplit_once('.') {
        Some((base, form)) if FORMS.contains(&form) => (base, Some(form)),
        _ => (key, None),
    }
}

/// What is put into a text.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

#[test]
fn every_text_is_there_in_every_language_and_form() {
    let english = words("en");
    let bases: BTreeSet<&str> = english.keys().map(|key| parts(key).0).collect();
    for (language, forms) in LANGUAGES {
        let words = words(language);
        assert_eq!(words.keys().map(|key| parts(key).0).collect::<BTreeSet<_>>(), bases, "{language}");
        for base in &bases {
            let there: BTreeSet<&str> = words
                .keys()
                .map(|key| parts(key))
                .filter(|(of, _)| of == base)
                .filter_map(|(_, form)| form)
                .collect();
            let is_counted = english.contains_key(&format!("{base}.other"));
            let wanted: BTreeSet<&str> = forms.iter().copied().filter(|_| is_counted).collect();
            assert_eq!(there, wanted, "{language} {base}");
        }
        for (key, text) in &words {
            let (base, form) = parts(key);
            let english = form.map_or_else(|| &english[base], |_| &english[&format!("{base}.other")]);
            assert_eq!(placeholders(text), placeholders(english), "{language} {key}");
            assert!(!text.trim().is_empty(), "{language} {key}");
        }
    }
}

#[test]
fn every_text_that_is_used_is_there_and_every_one_that_is_there_is_used() {
    let english = words("en");
    let bases: BTreeSet<&str> = english.keys().map(|key| parts(key).0).collect();
    let (mut used, mut made) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "js") {
            let code = std::fs::read_to_string(path).unwrap();
            used.extend(quoted(&code).filter(|word| bases.contains(word.as_str())));
            for (_, rest) in code.match_indices("t('").map(|(at, it)| code.split_at(at + it.len())) {
                let key = rest.split('\'').next().unwrap();
                let is_call = !code[..code.len() - rest.len() - 3]
                    .ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
                assert!(!is_call || bases.contains(key), "no text for {key}");
            }
            // Names that are made of a word of the gateway: `t(`means.${kind}`)`, `word('cause', cause)`.
            made.extend(
                between(&code, "t(`", "${")
                    .chain(between(&code, "word('", "'").map(|group| format!("{group}."))),
            );
        }
    }
    made.remove("");
    let unused: Vec<&&str> = bases
        .iter()
        .filter(|base| !used.contains(**base) && !made.iter().any(|begin| base.starts_with(begin.as_str())))
        .collect();
    assert!(unused.is_empty(), "nobody says {unused:?}");
}

fn quoted(code: &str) -> impl Iterator<Item = String> + '_ {
    code.lines().flat_map(|line| line.split('\'').skip(1).step_by(2)).map(str::to_owned)
}

fn between<'a>(code: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = String> + 'a {
    code.split(begin)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(end)?.0.to_owned()))
        .filter(|it| it.len() < 40)
}
