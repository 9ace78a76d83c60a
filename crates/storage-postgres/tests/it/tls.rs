//! A server whose certificate is looked at.

use rcgen::generate_simple_self_signed;
use storage::UserStore;
use storage_postgres::{OpenError, PostgresDatabase};
use storage_sql::MasterKey;
use test_support::postgres::{self, Server};

use crate::fixture::{KEY, at};

#[tokio::test]
async fn a_certificate_is_believed_where_its_authority_is_named() {
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let started = Server::start_with_tls(&made.cert.pem(), &made.signing_key.serialize_pem());
    let Some(server) = started else { return postgres::skip() };
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), made.cert.pem()).unwrap();
    let url = server.url();
    let by_name = url.replace("127.0.0.1", "localhost");
    let open = async |url: &str, more: &str| {
        PostgresDatabase::open(&at(&format!("{url}{more}")), MasterKey::from_bytes(KEY)).await
    };
    let named = format!("&sslrootcert={}", authority.path().display());

    let database = open(&by_name, &format!("?sslmode=verify-full{named}")).await.unwrap();
    assert!(!database.has_users().await.unwrap());
    database.close().await;
    for (url, more, reason) in [
        (&by_name, "?sslmode=require".to_owned(), "UnknownIssuer"),
        (&url, format!("?sslmode=require{named}"), "certificate"),
        (&by_name, "?sslmode=disable".to_owned(), "no encryption"),
    ] {
        let error = open(url, &more).await.err().unwrap();
        let OpenError::Connection(told) = &error else { panic!("{error:?}") };
        assert!(told.to_string().contains(reason), "{told}");
    }
}
