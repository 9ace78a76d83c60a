//! Comments cite `PROTOCOL.md` by section; what they cite must be there.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// Folders of the workspace whose files cite it.
    const FOLDERS: [&str; 4] = ["crates", "bins", "tests", "proto"];
    /// Names under which no document is in the tree.
    const ELSEWHERE: [&str; 5] =
        [" protocol.md", "(protocol.md", "fidelity.md", "baileys.md", "whatsapp-rust.md"];

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != "node_modules" {
                    files(&path, found);
                }
            } else if matches!(path.extension().and_then(|end| end.to_str()), Some("rs" | "md" | "proto")) {
                found.push(path);
            }
        }
    }

    /// The numbers of all headings.
    fn sections(document: &str) -> BTreeSet<String> {
        let headings = document.lines().filter_map(|line| line.strip_prefix('#'));
        let numbers = headings.filter_map(|line| line.trim_start_matches('#').split_whitespace().next());
        numbers.map(|number| number.trim_end_matches('.').to_owned()).collect()
    }

    /// The sections named after one mention: `11.1`, `7.5 and 7.6`, `12, 16, 20`.
    fn cited(after: &str) -> Vec<String> {
        let mut sections = Vec::new();
        let mut rest = after.trim_start_matches('`');
        loop {
            rest = rest.strip_prefix(' ').unwrap_or(rest);
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, behind) = rest.split_at(end);
            let number = number.trim_end_matches('.');
            // `7.4: 20 to 30 s` goes on with a value, `3 bytes` would be none.
            if number.is_empty() {
                return sections;
            }
            sections.push(number.to_owned());
            match behind.strip_prefix(',').or_else(|| behind.strip_prefix(" and")) {
                Some(more) => rest = more,
                None => return sections,
            }
        }
    }

    #[test]
    fn every_cited_section_is_there() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let document = fs::read_to_string(own.join("PROTOCOL.md")).unwrap();
        let sections = sections(&document);
        let mut paths = Vec::new();
        for folder in FOLDERS {
            files(&own.join("../..").join(folder), &mut paths);
        }
        let (mut count, mut wrong) = (0, Vec::new());
        for path in paths.iter().filter(|path| !path.ends_with("tests/citations.rs")) {
            let text = fs::read_to_string(path).unwrap();
            for (place, mention) in text.match_indices("PROTOCOL.md") {
                for section in cited(&text[place + mention.len()..]) {
                    count += 1;
                    if !sections.contains(&section) {
                        wrong.push(format!("{}: {section}", path.display()));
                    }
                }
            }
            wrong.extend(
                ELSEWHERE
                    .iter()
                    .filter(|name| text.contains(*name))
                    .map(|name| format!("{}: {name}", path.display())),
            );
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(count > 100, "only {count} citations were found");
    }

    #[test]
    fn citations_are_read_in_all_their_forms() {
        assert_eq!(cited(" 11.1)."), ["11.1"]);
        assert_eq!(cited(" 7.5 and 7.6)"), ["7.5", "7.6"]);
        assert_eq!(cited(" 12, 16, 20) and so on"), ["12", "16", "20"]);
        assert_eq!(cited(" 7.4: 20 to 30 s"), ["7.4"]);
        assert_eq!(cited("` 13, grouped form"), ["13"]);
        assert!(cited(", Appendix B").is_empty());
    }

    #[test]
    fn sections_are_numbered_once_and_in_order() {
        let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("PROTOCOL.md")).unwrap();
        let number = |line: &str| -> Option<(u32, u32)> {
            let number = line.strip_prefix("## ").or_else(|| line.strip_prefix("### "))?;
            let number = number.split_whitespace().next()?.trim_end_matches('.');
            let (section, part) = number.split_once('.').unwrap_or((number, "0"));
            Some((section.parse().ok()?, part.parse().ok()?))
        };
        let numbers: Vec<_> = document.lines().filter_map(number).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }
}
