//! The API's description: what it says, and that the router and the README say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::Value;

use crate::answer::Answer;
use crate::app::TestApp;

const METHODS: [Method; 6] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];

#[tokio::test]
async fn the_description_is_the_one_that_is_checked_in() {
    let app = TestApp::start().await;
    let shown = serde_json::to_string_pretty(&description(&app).await).unwrap() + "\n";
    app.stop().await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &shown).unwrap();
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = known.lines().zip(shown.lines()).position(|(known, shown)| known != shown);
    assert!(
        known == shown,
        "the API's description changed, first in line {:?} of tests/api/openapi.json. If it should: \
         UPDATE_SNAPSHOTS=1 cargo test -p trunkline --test api openapi",
        differs.map(|line| line + 1)
    );
}

#[tokio::test]
async fn every_described_route_is_there_and_knows_no_other_method() {
    let app = TestApp::start().await;
    let mut client = app.client();
    for (path, methods) in endpoints(&description(&app).await) {
        let url = path.replace("{id}", "0190a0a0-0000-7000-8000-000000000000").replace("{chat}", "1");
        for method in METHODS {
            let answer = client.request(method.clone(), &url).send().await.unwrap();
            let known = methods.contains(method.as_str());
            assert_eq!(answer.status() != 405, known, "{method} {path}: {}", answer.status());
            if !known {
                let allow = answer.headers()["allow"].to_str().unwrap();
                let allow = allow.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
                assert_eq!(allow, methods, "{path}");
            } else if path.ends_with("/rotate") && answer.status().is_success() {
                // The key was made anew.
                let key = Answer::of(answer).await.body["apiKey"].as_str().unwrap().to_owned();
                client = client.with_key(&key);
            }
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn operations_have_names_of_their_own() {
    let app = TestApp::start().await;
    let document = description(&app).await;
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|path| path.as_object().unwrap().iter());
    let operations: Vec<_> = operations.filter(|(method, _)| *method != "head").collect();
    let names: BTreeSet<_> =
        operations.iter().map(|(_, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), operations.len());
    app.stop().await;
}

/// A schema that is called like another one takes its place in the description.
#[test]
fn schemas_have_names_of_their_own() {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
    while let Some(file) = files.pop() {
        if file.is_dir() {
            files.extend(std::fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        for name in schemas_of(&std::fs::read_to_string(&file).unwrap()) {
            let other = known.insert(name.clone(), file.clone());
            assert!(
                other.is_none(),
                "{name} stands in {} and in {}",
                file.display(),
                other.unwrap().display()
            );
        }
    }
    assert!(known.len() > 150, "{}", known.len());
}

/// The names of the types of a source file that describe themselves.
fn schemas_of(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for described in source.split("#[derive(").skip(1) {
        let Some((derived, rest)) = described.split_once(")]") else { continue };
        let declared = rest
            .split_once("struct ")
            .into_iter()
            .chain(rest.split_once("enum "))
            .min_by_key(|at| at.0.len());
        let (true, Some((attributes, declared))) = (derived.contains("ToSchema"), declared) else { continue };
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let renamed = attributes.split_once("#[schema(as = ").map(|(_, name)| name);
        let name: String = renamed.unwrap_or(declared).chars().take_while(|c| is_name(*c)).collect();
        // Those of a macro are named where it is called.
        if !name.is_empty() {
            found.push(name);
        }
    }
    found
}

#[tokio::test]
async fn only_what_says_so_is_open_to_everybody() {
    let app = TestApp::start().await;
    let document = description(&app).await;
    for (path, methods) in endpoints(&document) {
        for method in methods {
            let operation = &document["paths"][&path][method.to_ascii_lowercase()];
            // One of the ways is to show nothing.
            let ways = operation["security"].as_array();
            let described = ways.is_some_and(|ways| ways.contains(&serde_json::json!({})));
            // Dialects have paths of their own, and ask for a key all the same.
            let of_dialects = ["/instance/", "/message/", "/chat/", "/webhook/"];
            let by_key = path.ends_with(".aspx") || of_dialects.iter().any(|of| path.starts_with(of));
            let open =
                (!path.starts_with("/api/") && path != "/metrics" && !by_key) || path == "/api/auth/login";
            assert_eq!(described, open, "{method} {path}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn the_readme_lists_exactly_the_described_endpoints() {
    let app = TestApp::start().await;
    let described: BTreeSet<(String, String)> = endpoints(&description(&app).await)
        .into_iter()
        .flat_map(|(path, methods)| methods.into_iter().map(move |method| (method, path.clone())))
        // The README doesn't say of each probe that it answers to HEAD as to GET.
        .filter(|(method, _)| method != "HEAD")
        .collect();
    app.stop().await;
    assert_eq!(listed(include_str!("../../../../README.md")), described);
}

#[tokio::test]
async fn the_description_names_the_public_url() {
    let url = "https://gateway.example/wa";
    let app = TestApp::configured(|config| config.public_url = Some(url.parse().unwrap())).await;
    assert_eq!(description(&app).await["servers"], serde_json::json!([{"url": url}]));
    app.stop().await;
}

async fn description(app: &TestApp) -> Value {
    app.anonymous().get("/openapi.json").await.expect(200)
}

/// The methods of every path, in upper case.
fn endpoints(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().expect("paths").iter();
    paths
        .map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            (path.clone(), methods.map(|method| method.to_ascii_uppercase()).collect())
        })
        .collect()
}

/// What the rows of the README's table begin with: `METHOD /path`.
fn listed(readme: &str) -> BTreeSet<(String, String)> {
    let cells = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let calls = cells.flat_map(|cell| cell.split("`, `"));
    calls
        .filter_map(|call| {
            let (method, rest) = call.split_once(' ')?;
            let path = rest.split(['?', ' ', '`']).next()?;
            path.starts_with('/').then(|| (method.to_owned(), path.to_owned()))
        })
        .collect()
}
