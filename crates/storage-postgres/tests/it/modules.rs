//! Modules use each other in one direction only, so that a reader can go through them from top to bottom.

#[test]
fn a_module_uses_only_those_below_it() {
    test_support::assert_modules_in_order(env!("CARGO_MANIFEST_DIR"));
}
