use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Checks that modules use each other in one direction only, so that a reader goes through them from top to bottom: each
/// names, as `crate::…` outside of its tests, only modules that come after it in `lib.rs`.
///
/// # Panics
/// With the first that does not, and when there is little to check.
pub fn assert_modules_in_order(crate_folder: &str) {
    let src = Path::new(crate_folder).join("src");
    let lib = fs::read_to_string(src.join("lib.rs")).unwrap();
    let order: Vec<_> = lib.lines().filter_map(declared).collect();
    let mut uses = 0;
    for (place, module) in order.iter().enumerate() {
        let text = text_of(&src, module);
        assert!(!text.is_empty(), "{module} has no source");
        for used in used_by(&text) {
            let other = order.iter().position(|listed| *listed == used);
            let other = other.unwrap_or_else(|| panic!("{module} uses {used}, which is no module of lib.rs"));
            assert!(place <= other, "{module} uses {used}, which is above it");
            uses += 1;
        }
    }
    assert!(uses > 10, "lib.rs and the modules are read: {uses}");
}

/// The module that a line of `lib.rs` declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
    line.strip_prefix("mod ")?.strip_suffix(';').filter(|module| *module != TESTING)
}

/// What only the tests of a crate use.
const TESTING: &str = "testing";

/// All source text of a module, without its tests.
fn text_of(src: &Path, module: &str) -> String {
    let mut text = String::new();
    let mut waiting = vec![src.join(module), src.join(module).with_extension("rs")];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && path.file_name().is_some_and(|name| name != "tests.rs") {
            let file = fs::read_to_string(&path).unwrap();
            text.push_str(file.split("#[cfg(test)]\nmod tests").next().unwrap());
        }
    }
    text
}

/// The modules that a text names as `crate::…`, in `use` lines and elsewhere; comments may point anywhere.
fn used_by(text: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        assert!(!line.contains("crate::{") && !line.contains("crate::*"), "name modules one by one: {line}");
        for path in line.split("crate::").skip(1) {
            let name: String = path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if name.starts_with(|c: char| c.is_ascii_lowercase()) && name != TESTING {
                used.insert(name);
            }
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_found() {
        let text = "use crate::one::Thing;\n    let two = crate::two::make(crate::three());\n// crate::four is a comment";
        assert_eq!(used_by(text), ["one", "three", "two"].map(str::to_owned).into());
    }

    #[test]
    fn what_is_declared_is_found() {
        let lines = ["mod one;", "pub mod two;", "    mod three;", "mod testing;", "use four;"];
        assert_eq!(lines.map(declared), [Some("one"), Some("two"), None, None, None]);
    }
}
