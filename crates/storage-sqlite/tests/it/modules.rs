//! Modules use each other in one direction only, so that a reader can go through them from top to bottom.

use std::path::Path;

/// The text of every file, with the top-level module that it belongs to, without its tests.
fn sources(src: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![src.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(src).unwrap().to_owned();
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            if path.is_dir() {
                open.push(path);
            } else if module != "lib" && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((module, text.split("#[cfg(test)]").next().unwrap().to_owned()));
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_those_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = std::fs::read_to_string(src.join("lib.rs")).unwrap();
    let order: Vec<_> =
        list.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let place = |name: &str| order.iter().position(|listed| *listed == name);
    let mut uses = 0;
    for (module, text) in sources(&src) {
        // Comments may point anywhere.
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for path in code.flat_map(|line| line.split("crate::").skip(1)) {
            let name: String = path.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            assert!(place(&name).is_some(), "{module} should say in which module crate::{name} is");
            assert!(place(&module) <= place(&name), "{module} is above {name}, which it uses");
            uses += 1;
        }
    }
    assert!(uses > 20, "{uses}");
}
