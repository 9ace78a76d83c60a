use async_trait::async_trait;

use super::{MemoryStorage, Tables};
use crate::{
    ApiKey, Missing, SecretText, SettingStore, StorageError, Timestamp, User, UserId, UserPatch, UserStore,
    Write,
};

#[async_trait]
impl UserStore for MemoryStorage {
    fn create_user(&self, user: User) -> Write<()> {
        self.write(|tables| {
            if tables.users.contains_key(&user.id) {
                return Err(StorageError::Conflict { what: "id" });
            }
            tables.check_unique(&user)?;
            tables.users.insert(user.id, user);
            Ok(())
        })
    }

    async fn has_users(&self) -> Result<bool, StorageError> {
        Ok(!self.lock().users.is_empty())
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        Ok(self.lock().users.get(&id).cloned())
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StorageError> {
        Ok(self.lock().users.values().find(|user| user.email.eq_ignore_ascii_case(email)).cloned())
    }

    async fn user_by_api_key(&self, key: &ApiKey) -> Result<Option<User>, StorageError> {
        let hash = key.hash();
        Ok(self.lock().users.values().find(|user| user.api_key.hash() == hash).cloned())
    }

    async fn users(&self) -> Result<Vec<User>, StorageError> {
        let mut users: Vec<_> = self.lock().users.values().cloned().collect();
        users.sort_by_key(|user| (user.created_at, user.id));
        Ok(users)
    }

    fn update_user(&self, id: UserId, patch: UserPatch, now: Timestamp) -> Write<User> {
        self.write(|tables| {
            let mut user =
                tables.users.get(&id).cloned().ok_or(StorageError::NotFound { what: Missing::User })?;
            patch.apply(&mut user, now);
            tables.check_unique(&user)?;
            tables.users.insert(id, user.clone());
            Ok(user)
        })
    }
}

#[async_trait]
impl SettingStore for MemoryStorage {
    async fn setting(&self, name: &str) -> Result<Option<SecretText>, StorageError> {
        Ok(self.lock().settings.get(name).cloned())
    }

    fn init_setting(&self, name: String, value: SecretText) -> Write<SecretText> {
        self.write(|tables| Ok(tables.settings.entry(name).or_insert(value).clone()))
    }

    fn put_setting(&self, name: String, value: SecretText) -> Write<()> {
        self.write(|tables| {
            tables.settings.insert(name, value);
            Ok(())
        })
    }
}

impl Tables {
    fn check_unique(&self, user: &User) -> Result<(), StorageError> {
        let hash = user.api_key.hash();
        let mut others = self.users.values().filter(|other| other.id != user.id);
        if others.clone().any(|other| other.email.eq_ignore_ascii_case(&user.email)) {
            return Err(StorageError::Conflict { what: "email" });
        }
        if others.any(|other| other.api_key.hash() == hash) {
            return Err(StorageError::Conflict { what: "API key" });
        }
        Ok(())
    }
}
