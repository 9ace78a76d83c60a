use std::sync::Arc;

use storage::{MemoryStorage, UserPatch, UserStore};

use super::callers::FRESH;
use super::tries::{FREE_TRIES, FREE_TRIES_PER_ADDRESS};
use super::*;
use crate::field::Field;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn secret(text: &str) -> SecretText {
    SecretText::new(text)
}

async fn service() -> (AuthService, Arc<MemoryStorage>, Welcome) {
    let storage = Arc::new(MemoryStorage::new());
    let config = AuthConfig { bcrypt_cost: 4, ..AuthConfig::new(secret("jwt secret")) };
    let auth = AuthService::new(storage.clone(), &config);
    let admin = FirstAdmin {
        email: "Admin@Example.com".to_owned(),
        password: Some(secret("correct horse")),
        first_name: "Ada".to_owned(),
        last_name: "Min".to_owned(),
    };
    let welcome = auth.first_start(admin).await.unwrap().unwrap();
    (auth, storage, welcome)
}

fn is_unauthorized<T>(result: &Result<T, ServiceError>) -> bool {
    matches!(result, Err(ServiceError::Unauthorized { .. }))
}

#[tokio::test]
async fn the_first_start_creates_one_administrator() {
    let (auth, _, welcome) = service().await;
    assert!(welcome.password.is_none(), "a configured password is not repeated");
    let again = FirstAdmin {
        email: "other@example.com".to_owned(),
        password: None,
        first_name: String::new(),
        last_name: String::new(),
    };
    assert!(auth.first_start(again).await.unwrap().is_none());
}

#[tokio::test]
async fn a_generated_password_works() {
    let storage = Arc::new(MemoryStorage::new());
    let config = AuthConfig { bcrypt_cost: 4, ..AuthConfig::new(secret("jwt secret")) };
    let auth = AuthService::new(storage, &config);
    let admin = FirstAdmin {
        email: "admin@localhost".to_owned(),
        password: None,
        first_name: "Admin".to_owned(),
        last_name: "User".to_owned(),
    };
    let welcome = auth.first_start(admin).await.unwrap().unwrap();
    let password = welcome.password.unwrap();
    assert!(password.expose().len() >= 20);
    let login = auth.login("admin@localhost", &password, HOME).await.unwrap();
    assert_eq!(login.user.api_key, welcome.api_key);
}

#[tokio::test]
async fn login_token_and_api_key_lead_to_the_same_caller() {
    let (auth, _, welcome) = service().await;
    let login = auth.login(" admin@example.com ", &secret("correct horse"), HOME).await.unwrap();
    let by_token = auth.by_token(&login.token, HOME).await.unwrap();
    let by_key = auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    assert_eq!((by_token, by_token.role), (by_key, Role::Admin));
    assert_eq!(auth.me(&by_key).await.unwrap().first_name, "Ada");
}

#[tokio::test]
async fn wrong_credentials_look_alike() {
    let (auth, _, _) = service().await;
    for (email, password) in
        [("admin@example.com", "wrong horse"), ("nobody@example.com", "correct horse"), ("", "")]
    {
        let error = auth.login(email, &secret(password), HOME).await.unwrap_err();
        assert_eq!(error.to_string(), "email or password is wrong");
    }
    assert!(is_unauthorized(&auth.by_token("not.a.token", HOME).await));
    assert!(is_unauthorized(&auth.by_api_key("", HOME).await));
    assert!(is_unauthorized(&auth.by_api_key("tl_unknown", HOME).await));
    assert!(is_unauthorized(&auth.by_api_key(&"x".repeat(10_000), HOME).await));
}

#[tokio::test]
async fn disabled_users_and_replaced_keys_stop_at_once() {
    let (auth, storage, welcome) = service().await;
    let login = auth.login("admin@example.com", &secret("correct horse"), HOME).await.unwrap();
    let caller = auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    auth.by_token(&login.token, HOME).await.unwrap();
    let another = User { role: Role::Admin, ..crate::testing::user(UserId::generate()) };
    storage.create_user(another).await.unwrap();

    let patch = UserPatch { api_key: Some(ApiKey::new("new key")), ..UserPatch::default() };
    storage.update_user(caller.user, patch, now()).await.unwrap();
    auth.forget(caller.user);
    assert!(is_unauthorized(&auth.by_api_key(welcome.api_key.expose(), HOME).await));
    assert_eq!(auth.by_api_key("new key", HOME).await.unwrap(), caller);

    let patch = UserPatch { disabled_at: Some(Some(now())), ..UserPatch::default() };
    storage.update_user(caller.user, patch, now()).await.unwrap();
    auth.forget(caller.user);
    assert!(is_unauthorized(&auth.by_api_key("new key", HOME).await));
    assert!(is_unauthorized(&auth.by_token(&login.token, HOME).await));
    assert!(is_unauthorized(&auth.login("admin@example.com", &secret("correct horse"), HOME).await));
}

#[tokio::test]
async fn guessing_is_slowed_down_per_address_and_account() {
    let (auth, _, _) = service().await;
    for _ in 0..FREE_TRIES {
        assert!(is_unauthorized(&auth.login("admin@example.com", &secret("wrong"), HOME).await));
    }
    let limited = auth.login("ADMIN@example.com", &secret("correct horse"), HOME).await;
    assert!(
        matches!(limited, Err(ServiceError::RateLimited { .. })),
        "whoever must wait can't even be right"
    );
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    auth.login("admin@example.com", &secret("correct horse"), elsewhere).await.unwrap();
}

#[tokio::test]
async fn success_clears_the_account_but_not_the_address() {
    let (auth, _, _) = service().await;
    for n in 0..FREE_TRIES_PER_ADDRESS {
        let email = format!("user{n}@example.com");
        assert!(is_unauthorized(&auth.login(&email, &secret("guess"), HOME).await));
    }
    let limited = auth.login("admin@example.com", &secret("correct horse"), HOME).await;
    assert!(matches!(limited, Err(ServiceError::RateLimited { .. })));
}

#[tokio::test]
async fn an_address_longer_than_any_is_wrong_and_leaves_nothing() {
    let (auth, _, _) = service().await;
    for _ in 0..FREE_TRIES_PER_ADDRESS + FREE_TRIES {
        let email = format!("{}@example.com", "x".repeat(MAX_EMAIL));
        assert!(is_unauthorized(&auth.login(&email, &secret("wrong"), HOME).await));
    }
}

#[tokio::test]
async fn a_new_password_ends_the_old_one_and_all_tokens() {
    let (auth, _, welcome) = service().await;
    let old = auth.login("admin@example.com", &secret("correct horse"), HOME).await.unwrap();
    auth.by_token(&old.token, HOME).await.unwrap();
    let renewed = auth.reset_password("ADMIN@example.com").await.unwrap();
    assert!(is_unauthorized(&auth.by_token(&old.token, HOME).await));
    assert!(is_unauthorized(&auth.login("admin@example.com", &secret("correct horse"), HOME).await));
    let password = renewed.password.unwrap();
    let login = auth.login("admin@example.com", &password, HOME).await.unwrap();
    auth.by_token(&login.token, HOME).await.unwrap();
    auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    let nobody = auth.reset_password("nobody@example.com").await;
    assert!(matches!(nobody, Err(ServiceError::NotFound { what: Missing::User })));
}

#[tokio::test]
async fn a_new_api_key_ends_the_old_one_and_all_tokens() {
    let (auth, _, welcome) = service().await;
    let login = auth.login("admin@example.com", &secret("correct horse"), HOME).await.unwrap();
    auth.by_token(&login.token, HOME).await.unwrap();
    auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    let key = auth.rotate_key("admin@example.com").await.unwrap().api_key.unwrap();
    assert!(is_unauthorized(&auth.by_api_key(welcome.api_key.expose(), HOME).await));
    assert!(is_unauthorized(&auth.by_token(&login.token, HOME).await));
    auth.by_api_key(key.expose(), HOME).await.unwrap();
}

#[tokio::test]
async fn who_knows_the_present_password_sets_another_and_guesses_are_slowed_down() {
    let (auth, _, welcome) = service().await;
    let login = auth.login("admin@example.com", &secret("correct horse"), HOME).await.unwrap();
    let caller = auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    let change = async |current: &str, new: &str| {
        auth.change_password(&caller, &secret(current), &secret(new), HOME).await
    };
    let short = change("correct horse", "short").await;
    assert!(matches!(short, Err(ServiceError::Invalid { field: Field::Password, .. })), "{short:?}");
    change("correct horse", "battery staple").await.unwrap();
    assert!(is_unauthorized(&auth.by_token(&login.token, HOME).await));
    auth.login("admin@example.com", &secret("battery staple"), HOME).await.unwrap();
    for _ in 0..FREE_TRIES {
        let wrong = change("correct horse", "battery staple").await;
        assert!(matches!(wrong, Err(ServiceError::Forbidden { .. })), "{wrong:?}");
    }
    let limited = change("battery staple", "correct horse").await;
    assert!(matches!(limited, Err(ServiceError::RateLimited { .. })), "{limited:?}");
}

#[tokio::test]
async fn a_credential_is_good_at_its_users_addresses_alone() {
    let (auth, storage, welcome) = service().await;
    let caller = auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    let patch = UserPatch { allowed_ips: Some(vec!["127.0.0.0/8".parse().unwrap()]), ..UserPatch::default() };
    storage.update_user(caller.user, patch, now()).await.unwrap();
    auth.forget(caller.user);
    let login = auth.login("admin@example.com", &secret("correct horse"), HOME).await.unwrap();
    auth.by_token(&login.token, "::ffff:127.0.0.1".parse().unwrap()).await.unwrap();
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    let refused = |error| matches!(error, ServiceError::AddressNotAllowed);
    let login_there = auth.login("admin@example.com", &secret("correct horse"), elsewhere).await;
    assert!(refused(login_there.unwrap_err()));
    assert!(refused(auth.by_token(&login.token, elsewhere).await.unwrap_err()));
    assert!(refused(auth.by_api_key(welcome.api_key.expose(), elsewhere).await.unwrap_err()));
    assert!(is_unauthorized(&auth.login("admin@example.com", &secret("wrong"), elsewhere).await));
}

#[tokio::test]
async fn what_another_process_changes_is_noticed_within_seconds() {
    // The hash of the password is made outside of the runtime, whose paused time would run away meanwhile.
    let (auth, storage, welcome) = service().await;
    tokio::time::pause();
    auth.by_api_key(welcome.api_key.expose(), HOME).await.unwrap();
    let config = AuthConfig { bcrypt_cost: 4, ..AuthConfig::new(secret("jwt secret")) };
    AuthService::new(storage, &config).rotate_key("admin@example.com").await.unwrap();
    tokio::time::advance(FRESH).await;
    assert!(is_unauthorized(&auth.by_api_key(welcome.api_key.expose(), HOME).await));
}
