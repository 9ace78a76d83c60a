//! Finding somebody: the number is looked up first, since the server knows what the account is called; devices are
//! asked for by LID (PROTOCOL.md 15).

use wa_binary::Jid;

use crate::iq::usync::{self, KnownUser};
use crate::look_up::{Contact, Found};
use crate::message::SendError;
use crate::number::other_form;
use crate::request::{OnWhatsApp, RequestError};
use crate::requests::Asker;

/// Asks the server about people, each time under another `sid`.
#[derive(Debug)]
pub(crate) struct Locator {
    pub(crate) asker: Asker,
    sid: String,
    asked: u32,
    /// Our time, in Unix seconds.
    now: i64,
}

impl Locator {
    /// `sid` is an id that nothing else has.
    pub(crate) fn new(asker: Asker, sid: String, now: i64) -> Self {
        Self { asker, sid, asked: 0, now }
    }

    /// Whose number this is. Where the number's country has another form for it, that is tried before nobody is found.
    pub(crate) async fn by_number(&mut self, number: &str) -> Result<Found, SendError> {
        let found = match self.contact(number).await? {
            None => match other_form(number) {
                Some(other) => self.contact(&other).await?,
                None => None,
            },
            found => found,
        };
        let Some(OnWhatsApp { pn, lid, .. }) = found else { return Err(SendError::NotOnWhatsApp) };
        let pn = pn.unwrap_or_else(|| Jid::pn(number));
        let mut contact = Contact { asked: number.into(), pn, lid };
        let mut users = Vec::new();
        if contact.lid.is_none() {
            users = self.devices(std::slice::from_ref(&contact.pn)).await?;
            contact.lid = users.iter().find_map(|user| user.lid.clone());
        }
        Ok(Found { contact: Some(contact), users, bundles: Vec::new() })
    }

    /// The account with this number; `None` if the server says that there is none.
    async fn contact(&mut self, number: &str) -> Result<Option<OnWhatsApp>, SendError> {
        let numbers = [number.to_owned()];
        let found = self.contacts(&numbers).await?.pop().flatten();
        let unsaid = || SendError::LookUp("the server did not say whether the number has an account".into());
        let found = found.ok_or_else(unsaid)?;
        Ok(Some(found).filter(|found| found.registered))
    }

    /// What the server says of these numbers, in their order; `None` where it says nothing.
    pub(crate) async fn contacts(
        &mut self,
        numbers: &[String],
    ) -> Result<Vec<Option<OnWhatsApp>>, RequestError> {
        let query = usync::contacts(&self.next_sid(), numbers.iter().map(String::as_str));
        usync::parse_contacts(&self.asker.ask(query).await?, numbers)
    }

    /// The devices of these users. Those by LID and those by number are never asked for together, and somebody with a
    /// LID of whom no device is told is asked for once more.
    pub(crate) async fn devices(&mut self, users: &[Jid]) -> Result<Vec<KnownUser>, RequestError> {
        let (by_lid, by_number): (Vec<_>, Vec<_>) = users.iter().cloned().partition(Jid::is_lid);
        let mut found = self.asked(&by_number).await?;
        let mut listed = self.asked(&by_lid).await?;
        let is_listed = |user: &Jid| listed.iter().any(|known| known.user == *user && known.is_reachable());
        let missing: Vec<_> = by_lid.iter().filter(|user| !is_listed(user)).cloned().collect();
        if !missing.is_empty() {
            listed.retain(KnownUser::is_reachable);
            listed.extend(self.asked(&missing).await?);
        }
        found.append(&mut listed);
        Ok(found)
    }

    async fn asked(&mut self, users: &[Jid]) -> Result<Vec<KnownUser>, RequestError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let query = usync::devices(&self.next_sid(), users);
        usync::parse_devices(&self.asker.ask(query).await?, self.now)
    }

    fn next_sid(&mut self) -> String {
        self.asked += 1;
        format!("{}.{}", self.sid, self.asked)
    }
}
