//! What the README points to is there.

use std::path::Path;

#[test]
fn every_place_of_the_where_is_table_exists() {
    let readme = include_str!("../../README.md");
    let (_, table) = readme.split_once("### Where is …").expect("the table");
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows =
        rows.take_while(|line| line.starts_with('|')).map(|line| line.rsplit('|').nth(1).expect("a place"));
    let places: Vec<&str> = rows.flat_map(|place| place.split('`').skip(1).step_by(2)).collect();
    assert!(places.len() > 10, "{places:?}");
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for place in places {
        assert!(top.join(place).exists(), "{place}");
    }
}
