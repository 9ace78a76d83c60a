use async_trait::async_trait;
use wa_binary::Jid;

/// Whom the account's owner knows: they see what the account posts to its status (PROTOCOL.md 25).
#[async_trait]
pub trait AddressBook: Send + Sync + 'static {
    /// The people (by phone number or LID) who stand in the account's address book. It is asked for with each post.
    async fn contacts(&self) -> Vec<Jid>;
}
