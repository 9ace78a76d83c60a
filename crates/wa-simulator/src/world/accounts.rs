//! The accounts, by every name that finds them.

use crate::{
    Addressing, ControlError, StateChange,
    account::{Account, Directory, SignedKey},
    adv,
    app_state::Named,
    phone::{self, PhoneKeys},
};
use compact_str::{CompactString, format_compact};
use rand::Rng;
use rand_chacha::ChaCha20Rng;
use std::{collections::HashMap, sync::Arc};
use wa_binary::Jid;

use super::World;

#[derive(Default)]
pub(super) struct Accounts {
    by_number: HashMap<CompactString, Arc<Account>>,
    by_lid: HashMap<CompactString, Arc<Account>>,
    /// By numbers that people write for an account, and that are not its own.
    by_alias: HashMap<CompactString, Arc<Account>>,
}

impl World {
    /// The account with this number, made with its phone if there is none.
    pub(crate) fn create(&self, number: &str, name: Option<String>) -> Arc<Account> {
        if let Some(account) = self.account(number) {
            if let Some(name) = name {
                self.rename(&account, name);
            }
            return account;
        }
        let mut rng = self.fork_rng();
        let keys = Arc::new(PhoneKeys::generate(&mut rng));
        let number = CompactString::from(number);
        let lid = self.free_lid(&mut rng);
        let signed_prekey = SignedKey::of(&keys);
        let name = name.unwrap_or_else(|| format!("Phone {number}"));
        let mut directory =
            Directory::new(name, keys.identity.registration_id, signed_prekey, rng.next_u32() >> 1);
        directory.lid_migrated = self.options.lid_migrated;
        let limits = self.options.limits;
        let (line, tasks) = phone::line(keys, limits.inbox, limits.sent);
        let account = Account::new(number.clone(), lid.clone(), line, directory);
        let account = Arc::new(account);
        self.sign_key_indexes(&account, &mut rng);

        let mut accounts = self.accounts.write();
        if let Some(other) = accounts.by_number.get(&number) {
            return other.clone();
        }
        accounts.by_number.insert(number, account.clone());
        accounts.by_lid.insert(lid, account.clone());
        drop(accounts);
        phone::spawn(self, (&account, 0), tasks, rng, self.age());
        account
    }

    /// The owner takes another name, which the phone tells its companions.
    fn rename(&self, account: &Arc<Account>, name: String) {
        let before = std::mem::replace(&mut account.directory().name, name.clone());
        if before != name {
            let change = StateChange::PushName { name };
            if let Ok(written) = change.written(self.millis(), &|chat: &str| Ok(Named::only(chat))) {
                self.write_app_state(account, &[written]);
            }
        }
    }

    /// Gives an account another LID. What is sent to the one before still arrives (PROTOCOL.md 11.3).
    pub(crate) fn move_lid(&self, account: &Arc<Account>) {
        let lid = self.free_lid(&mut self.fork_rng());
        self.accounts.write().by_lid.insert(lid.clone(), account.clone());
        account.move_to(lid);
    }

    /// Fifteen digits that no account has.
    fn free_lid(&self, rng: &mut ChaCha20Rng) -> CompactString {
        loop {
            let lid = format_compact!("{}", 100_000_000_000_000 + rng.next_u64() % 800_000_000_000_000);
            if !self.accounts.read().by_lid.contains_key(&lid) {
                return lid;
            }
        }
    }

    /// Signs the list of valid key indexes anew, after companions have changed.
    pub(crate) fn sign_key_indexes(&self, account: &Account, rng: &mut ChaCha20Rng) {
        let (raw_id, (current, valid), before) = {
            let directory = account.directory();
            (directory.raw_id, directory.key_indexes(), directory.key_index_list.1)
        };
        // A list that seems older than the one before would be taken for that one again.
        let now = self.clock.unix_seconds().max(before);
        let keys = account.phone.keys();
        let key = &keys.identity.key;
        let list = adv::key_index_list(key, raw_id, now, current, valid, rng);
        account.directory().has_signed(list, now);
    }

    /// Has contact queries find the account under further numbers; all of them, or none if one is somebody else's.
    pub(crate) fn add_aliases(
        &self,
        account: &Arc<Account>,
        numbers: Vec<CompactString>,
    ) -> Result<(), ControlError> {
        let mut accounts = self.accounts.write();
        for number in &numbers {
            let owner = accounts.by_number.get(number).or_else(|| accounts.by_alias.get(number));
            if owner.is_some_and(|owner| owner != account) {
                return Err(ControlError::NumberTaken(number.to_string()));
            }
        }
        accounts.by_alias.extend(numbers.into_iter().map(|number| (number, account.clone())));
        Ok(())
    }

    /// The account that a contact query for this number finds: its owner, or else whose alias it is.
    pub(crate) fn contact(&self, number: &str) -> Option<Arc<Account>> {
        let accounts = self.accounts.read();
        accounts.by_number.get(number).or_else(|| accounts.by_alias.get(number)).cloned()
    }

    /// The account's other numbers.
    pub(crate) fn aliases(&self, account: &Account) -> Vec<String> {
        let accounts = self.accounts.read();
        let theirs = accounts
            .by_alias
            .iter()
            .filter(|(number, owner)| ***owner == *account && **number != account.number);
        let mut aliases: Vec<_> = theirs.map(|(number, _)| number.to_string()).collect();
        aliases.sort_unstable();
        aliases
    }

    pub(crate) fn account(&self, number: &str) -> Option<Arc<Account>> {
        self.accounts.read().by_number.get(number).cloned()
    }

    pub(crate) fn phone(&self, number: &str) -> Result<Arc<Account>, ControlError> {
        self.account(number).ok_or_else(|| ControlError::UnknownPhone(number.to_owned()))
    }

    /// The account that an address belongs to.
    pub(crate) fn resolve(&self, jid: &Jid) -> Option<Arc<Account>> {
        let accounts = self.accounts.read();
        match Addressing::of(jid)? {
            Addressing::Pn => accounts.by_number.get(&jid.user).cloned(),
            Addressing::Lid => accounts.by_lid.get(&jid.user).cloned(),
        }
    }

    pub(crate) fn accounts(&self) -> Vec<Arc<Account>> {
        let mut accounts: Vec<_> = self.accounts.read().by_number.values().cloned().collect();
        accounts.sort_by(|a, b| a.number.cmp(&b.number));
        accounts
    }
}
