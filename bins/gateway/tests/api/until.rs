pub use test_support::until;
