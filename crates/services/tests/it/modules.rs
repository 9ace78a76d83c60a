//! Modules use each other in one direction only, so that a reader can go through them from top to bottom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which modules each top-level module names, by its first name after `crate::`, in code that isn't a test.
fn graph(src: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut graph = BTreeMap::new();
    for (module, text) in sources(src) {
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let used = code
            .split("crate::")
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>());
        let used: BTreeSet<_> = used.filter(|name| !name.is_empty() && *name != module).collect();
        graph.entry(module).or_insert_with(BTreeSet::new).extend(used);
    }
    graph
}

/// The text of every file, with the top-level module that it belongs to.
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
            } else if !["lib", "testing"].contains(&module.as_str()) && !path.ends_with("tests.rs") {
                found.push((module, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut graph = graph(&src);
    assert!(graph["services"].contains("supervisor") && graph["mapping"].contains("pending"), "{graph:?}");
    // Taking away what uses nothing that is left takes everything away, unless there is a circle.
    while let Some(free) = graph
        .iter()
        .find(|(_, used)| used.iter().all(|name| !graph.contains_key(name)))
        .map(|(name, _)| name.clone())
    {
        graph.remove(&free);
    }
    assert!(graph.is_empty(), "in a circle, or above one: {graph:?}");
}

#[test]
fn the_list_of_modules_goes_from_top_to_bottom() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let list = std::fs::read_to_string(src.join("lib.rs")).unwrap();
    let order: Vec<_> = list
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    let place = |name: &str| order.iter().position(|listed| listed == name);
    for (module, used) in graph(&src) {
        for name in used {
            assert!(place(&module) < place(&name), "{module} is above {name}, which it uses");
        }
    }
}
