use crate::fixture::Fixture;

storage::conformance_tests!(Fixture::start().await);
