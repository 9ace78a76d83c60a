use std::fmt;

use storage::Instance;

/// What dialects tell of an account. `Debug` shows neither name nor number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// What its instance is called.
    pub name: String,
    /// Its phone number, in digits; `None` before it is linked.
    pub phone: Option<String>,
    /// The name that it shows to others.
    pub push_name: Option<String>,
}

impl Account {
    /// The account of an instance.
    pub fn of(instance: &Instance) -> Self {
        Self {
            name: instance.name.clone(),
            phone: instance.phone.clone(),
            push_name: instance.push_name.clone(),
        }
    }

    /// Its JID where people are at `c.us`.
    pub(super) fn contact_id(&self) -> Option<String> {
        self.phone.as_ref().map(|phone| format!("{phone}@c.us"))
    }

    /// Its JID.
    pub(super) fn jid(&self) -> Option<String> {
        self.phone.as_ref().map(|phone| format!("{phone}@s.whatsapp.net"))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").finish_non_exhaustive()
    }
}
