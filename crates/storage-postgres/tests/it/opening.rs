//! What is opened, and what is refused.

use std::io;
use std::net::Ipv4Addr;

use storage::UserStore;
use storage::conformance::sample_user;
use storage_postgres::{OpenError, PostgresDatabase, Resolver, examine};
use storage_sql::MasterKey;
use test_support::postgres::Scratch;

use crate::fixture::{Fixture, KEY, at, open};

#[tokio::test]
async fn many_open_a_new_database_at_once() {
    let scratch = Scratch::new().await;
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let url = scratch.url();
            tokio::spawn(async move { PostgresDatabase::open(&at(&url), MasterKey::from_bytes(KEY)).await })
        })
        .collect();
    for opened in opening {
        opened.await.unwrap().unwrap().close().await;
    }
    let taken = "SELECT count(*) FROM __diesel_schema_migrations";
    let taken: i64 = scratch.connect().await.query_one(taken, &[]).await.unwrap().get(0);
    assert_eq!(taken, 1);
}

#[tokio::test]
async fn another_master_key_and_a_newer_schema_are_refused() {
    let fixture = Fixture::start().await;
    let url = fixture.scratch.url();
    let other = PostgresDatabase::open(&at(&url), MasterKey::from_bytes([8; 32])).await;
    assert!(matches!(other, Err(OpenError::WrongMasterKey { .. })));
    fixture.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')").await;
    let newer = PostgresDatabase::open(&at(&url), MasterKey::from_bytes(KEY)).await;
    assert!(matches!(newer, Err(OpenError::NewerSchema { step }) if step == "99999999999999"));
}

#[tokio::test]
async fn a_step_can_be_taken_back_and_taken_again() {
    let fixture = Fixture::start().await;
    fixture.database.close().await;
    fixture.sql(include_str!("../../../../migrations/postgres/00000000000001_all/down.sql")).await;
    let left = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()";
    let left: i64 = fixture.scratch.connect().await.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, 1, "what says which steps were taken");
    fixture.sql("DELETE FROM __diesel_schema_migrations").await;
    let again = open(&fixture.scratch).await;
    again.create_user(sample_user("zoe")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://u:secret@127.0.0.1:{closed}/x");
    let error = PostgresDatabase::open(&at(&url), MasterKey::from_bytes(KEY)).await.err().unwrap();
    assert!(matches!(error, OpenError::Connection(_)));
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn names_are_looked_up_as_it_is_told() {
    let scratch = Scratch::new().await;
    let known = Resolver::new(|name| {
        Box::pin(async move {
            match name.as_str() {
                "db.example" => Ok(vec![Ipv4Addr::LOCALHOST.into()]),
                _ => Err(io::Error::other("nobody knows it")),
            }
        })
    });
    let (by_address, named) = (scratch.url(), |name: &str| scratch.url().replace("127.0.0.1", name));
    // The first one is passed over.
    let two = named("gone.example,db.example");
    for url in [by_address, named("db.example"), two.replace("gone.example,", "gone.example:1,")] {
        let at = at(&format!("{url}&sslmode=disable"));
        assert!(examine(&at, Some(known.clone())).await.unwrap().is_new(), "{url}");
    }
    let gone = at(&format!("{}&sslmode=disable", named("gone.example")));
    let error = examine(&gone, Some(known)).await.unwrap_err();
    let OpenError::Connection(told) = &error else { panic!("{error:?}") };
    assert!(told.to_string().contains("gone.example could not be found: nobody knows it"), "{told}");
}
