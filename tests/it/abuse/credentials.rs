use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use test_support::until_within;

use super::stage::{ADMIN, SOON, Target};

#[tokio::test]
async fn credentials_are_taken_back_while_the_gateway_runs() {
    let target = Target::start(&[]);
    let (key, token) = target.credentials().await;
    works(&target, &key, &token).await;

    let new_key = renewed(&target, "rotate-key", "new-api-key.txt");
    ended(&target, &[("x-api-key", &key)]).await;
    ended(&target, &[("authorization", &format!("Bearer {token}"))]).await;
    let (status, _) = target.call(Method::GET, "/api/auth/me", &[("x-api-key", &new_key)], None).await;
    assert_eq!(status, 200);
    let (known, token) = target.credentials().await;
    assert_eq!(known, new_key);
    works(&target, &new_key, &token).await;

    let password = renewed(&target, "reset-password", "new-password.txt");
    ended(&target, &[("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!(target.try_login(ADMIN.0, ADMIN.1, "").await.0, 401);
    assert_eq!(target.try_login(ADMIN.0, &password, "").await.0, 200);
}

#[test]
fn nobody_gets_a_credential_where_there_is_no_user() {
    let target = Target::start(&[]);
    let output = target.command(&["user", "rotate-key", "nobody@trunkline.test"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no such user"), "{said}");
}

async fn works(target: &Target, key: &str, token: &str) {
    for header in [("x-api-key", key), ("authorization", &format!("Bearer {token}"))] {
        assert_eq!(target.call(Method::GET, "/api/auth/me", &[header], None).await.0, 200);
    }
}

async fn ended(target: &Target, headers: &[(&str, &str)]) {
    until_within("the old credential ends", SOON, || async {
        let (status, _) = target.call(Method::GET, "/api/auth/me", headers, None).await;
        (status == 401).then_some(())
    })
    .await;
}

/// What the command has kept for its owner's eyes only.
fn renewed(target: &Target, what: &str, file: &str) -> String {
    let output = target.command(&["user", what, ADMIN.0]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let file = target.folder().join(file);
    assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).expect("a text");
    let secret = kept.split_whitespace().last().expect("a secret").to_owned();
    assert!(said.contains(file.to_str().expect("UTF-8")) && !said.contains(&secret), "{said}");
    secret
}
