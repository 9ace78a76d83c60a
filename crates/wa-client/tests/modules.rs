//! Who may use whom inside this crate: a module uses only those that come after it in `lib.rs`, so that a reader follows
//! a message from top to bottom and never has to go back.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn sources() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
    }

    /// The modules in the order of `lib.rs`.
    fn modules() -> Vec<String> {
        let lib = fs::read_to_string(sources().join("lib.rs")).unwrap();
        let names = lib.lines().filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
        });
        names.collect()
    }

    /// All source text of a module, without what only tests use.
    fn text_of(module: &str) -> String {
        let mut text = String::new();
        let mut waiting = vec![sources().join(module), sources().join(module).with_extension("rs")];
        while let Some(path) = waiting.pop() {
            if path.is_dir() {
                waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.is_file() && path.file_name().is_some_and(|name| name != "tests.rs") {
                let file = fs::read_to_string(&path).unwrap();
                text.push_str(file.split("#[cfg(test)]").next().unwrap());
            }
        }
        text
    }

    /// The modules that a text names as `crate::…`, in `use` lines and elsewhere, comments aside.
    fn used_by(text: &str) -> BTreeSet<String> {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let mut used = BTreeSet::new();
        for line in code {
            assert!(
                !line.contains("crate::{") && !line.contains("crate::*"),
                "name modules one by one: {line}"
            );
            for path in line.split("crate::").skip(1) {
                used.insert(path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
            }
        }
        used
    }

    #[test]
    fn every_module_uses_only_what_comes_after_it() {
        let modules = modules();
        assert!(modules.len() > 20, "lib.rs is read: {modules:?}");
        for (index, module) in modules.iter().enumerate() {
            let text = text_of(module);
            assert!(!text.is_empty(), "{module} has no source");
            for used in used_by(&text) {
                let place = modules.iter().position(|other| *other == used);
                let place =
                    place.unwrap_or_else(|| panic!("{module} uses {used}, which is no module of lib.rs"));
                assert!(place >= index, "{module} uses {used}, which comes before it");
            }
        }
    }

    #[test]
    fn what_is_used_is_found() {
        let text = "use crate::one::Thing;\n    let two = crate::two::make(crate::three());\n// crate::four is a comment";
        assert_eq!(used_by(text), ["one", "three", "two"].map(str::to_owned).into());
    }
}
