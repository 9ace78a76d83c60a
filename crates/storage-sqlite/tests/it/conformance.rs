use crate::fixture::Fixture;

storage::conformance_tests!(Fixture::start());
wa_store::conformance_tests!(Fixture::start());
