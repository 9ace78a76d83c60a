use async_trait::async_trait;

use super::messages::size;
use super::{MemoryStorage, Tables};
use crate::{
    ApiKey, AuditEntry, Budget, Missing, Page, SecretText, SettingStore, StorageError, Timestamp, User,
    UserId, UserPatch, UserStore, Write,
};

#[async_trait]
impl UserStore for MemoryStorage {
    fn add_user(&self, user: User, told: Option<AuditEntry>) -> Write<()> {
        self.write(|tables| {
            if tables.users.contains_key(&user.id) {
                return Err(StorageError::Conflict { what: "id" });
            }
            tables.check_unique(&user)?;
            tables.users.insert(user.id, user);
            tables.tell(told);
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

    async fn users(&self, limit: u64, skip: u64) -> Result<Page<User>, StorageError> {
        let mut all: Vec<_> = self.lock().users.values().cloned().collect();
        all.sort_by_key(|user| (user.created_at, user.id));
        let total = all.len() as u64;
        let (mut items, mut budget) = (Vec::new(), Budget::default());
        for user in all.into_iter().skip(size(skip)).take(size(limit)) {
            budget.take(user.size());
            items.push(user);
            if !budget.has_room() {
                break;
            }
        }
        let has_more = skip.saturating_add(items.len() as u64) < total;
        Ok(Page { items, total, has_more, next: None })
    }

    async fn disabled_users(&self) -> Result<Vec<UserId>, StorageError> {
        let tables = self.lock();
        let disabled = tables.users.values().filter(|user| user.disabled_at.is_some());
        Ok(disabled.map(|user| user.id).collect())
    }

    fn change_user(
        &self,
        id: UserId,
        patch: UserPatch,
        now: Timestamp,
        told: Option<AuditEntry>,
    ) -> Write<User> {
        self.write(|tables| {
            let before = tables.users.get(&id).ok_or(NO_USER)?;
            let mut user = before.clone();
            patch.apply(&mut user, now);
            if before.administers() && !user.administers() {
                tables.check_another_administers(id)?;
            }
            tables.check_unique(&user)?;
            tables.users.insert(id, user.clone());
            tables.tell(told);
            Ok(user)
        })
    }

    fn delete_user(&self, id: UserId, told: Option<AuditEntry>) -> Write<()> {
        self.write(|tables| {
            let user = tables.users.get(&id).ok_or(NO_USER)?;
            if user.administers() {
                tables.check_another_administers(id)?;
            }
            if tables.instances.values().any(|tables| tables.instance.owner == id) {
                return Err(StorageError::InUse { what: "instances" });
            }
            tables.users.remove(&id);
            tables.keys.retain(|_, (key, _)| key.owner != id);
            tables.tell(told);
            Ok(())
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

const NO_USER: StorageError = StorageError::NotFound { what: Missing::User };

impl Tables {
    fn check_another_administers(&self, id: UserId) -> Result<(), StorageError> {
        let another = self.users.values().any(|user| user.id != id && user.administers());
        if another { Ok(()) } else { Err(StorageError::LastAdmin) }
    }

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
