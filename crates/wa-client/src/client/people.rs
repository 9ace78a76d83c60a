//! People: what can be seen of them, and what they may see of the account.

use wa_binary::{Jid, Node};

use super::Client;
use crate::command::{Command, Signal};
use crate::iq;
use crate::message::MessageId;
use crate::people::{BlockList, BusinessProfile, CallUpdate, ChatState, Picture, PrivacySettings};
use crate::request::{Person, RequestError};

/// Longest text about an account that WhatsApp takes, in characters.
pub const MAX_ABOUT: usize = 139;
/// Largest picture that WhatsApp takes, in bytes.
const MAX_PICTURE: usize = 512 << 10;

impl Client {
    /// The picture of somebody or of a group, small with `is_preview`; `None` where there is none to be seen.
    pub async fn picture(&self, of: &Jid, is_preview: bool) -> Result<Option<Picture>, RequestError> {
        let of = self.by_lid(of).await?;
        match self.iq(iq::people::picture(&of, is_preview)).await {
            Ok(answer) => iq::people::read_picture(&answer).map(Some),
            // Hidden, or there is none (PROTOCOL.md 15).
            Err(RequestError::Refused { code: 401 | 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Shows this JPEG as the own picture, `None` shows none; answers its id.
    ///
    /// # Errors
    /// `Invalid` for what is no JPEG or is larger than 512 KiB.
    pub async fn set_picture(&self, jpeg: Option<&[u8]>) -> Result<Option<String>, RequestError> {
        self.change_picture(None, jpeg).await
    }

    /// Shows this JPEG as the picture of a group, `None` shows none; answers its id.
    ///
    /// # Errors
    /// As for [`Self::set_picture`]; `Refused` by the server with 403 where the account may not.
    pub async fn set_group_picture(
        &self,
        group: &Jid,
        jpeg: Option<&[u8]>,
    ) -> Result<Option<String>, RequestError> {
        self.change_picture(Some(group), jpeg).await
    }

    /// What somebody says about themself; `None` where there is nothing to be seen.
    pub async fn about(&self, of: &Jid) -> Result<Option<String>, RequestError> {
        let of = self.by_lid(of).await?;
        let answer = self.iq(iq::usync::about("about", &of)).await?;
        iq::usync::parse_about(&answer)
    }

    /// Says this about the own account.
    ///
    /// # Errors
    /// `Invalid` for more than 139 characters.
    pub async fn set_about(&self, text: &str) -> Result<(), RequestError> {
        if text.chars().count() > MAX_ABOUT {
            return Err(RequestError::Invalid(format!(
                "a text about an account has at most {MAX_ABOUT} characters"
            )));
        }
        self.iq(iq::people::set_about(text)).await.map(drop)
    }

    /// What a business says of itself; `None` for somebody who is none.
    pub async fn business_profile(&self, of: &Jid) -> Result<Option<BusinessProfile>, RequestError> {
        let of = self.by_lid(of).await?;
        match self.iq(iq::people::business(&of)).await {
            Ok(answer) => Ok(iq::people::read_business(&answer)),
            Err(RequestError::Refused { code: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What others may see of the account.
    pub async fn privacy(&self) -> Result<PrivacySettings, RequestError> {
        iq::people::read_privacy(&self.iq(iq::account::privacy()).await?)
    }

    /// Changes one of these settings; answers all.
    ///
    /// # Errors
    /// `Refused` by the server with 400 for a setting or a value that there isn't.
    pub async fn set_privacy(&self, name: &str, value: &str) -> Result<PrivacySettings, RequestError> {
        self.iq(iq::people::set_privacy(name, value)).await?;
        self.privacy().await
    }

    /// After how many seconds what is written in new chats disappears; 0 is never.
    pub async fn set_default_timer(&self, seconds: u32) -> Result<(), RequestError> {
        self.iq(iq::people::default_timer(seconds)).await.map(drop)
    }

    /// Whom the account blocks.
    pub async fn block_list(&self) -> Result<BlockList, RequestError> {
        iq::people::read_block_list(&self.iq(iq::people::block_list()).await?)
    }

    /// Blocks somebody, or no longer; answers all who are blocked then.
    ///
    /// # Errors
    /// `Invalid` for somebody whose LID isn't known.
    pub async fn block(&self, whom: &Jid, blocks: bool) -> Result<BlockList, RequestError> {
        let Person { pn, lid } = self.person(whom).await?;
        let lid = lid.ok_or_else(|| RequestError::Invalid("the LID of this person is not known".into()))?;
        iq::people::read_block_list(&self.iq(iq::people::block(&lid, pn.as_ref(), blocks)).await?)
    }

    /// Asks to be told whether somebody is online ([`crate::Event::Presence`]), until the connection ends. WhatsApp tells it
    /// only while the account is available itself.
    pub async fn subscribe_presence(&self, of: &Jid) -> Result<(), RequestError> {
        let of = self.by_lid(of).await?;
        self.signal(Signal::Subscribe(of)).await
    }

    /// Shows in a chat, with a person or in a group, that the account is about to write.
    pub async fn set_chat_state(&self, chat: &Jid, state: ChatState) -> Result<(), RequestError> {
        let chat = if chat.is_group() { chat.clone() } else { self.by_lid(chat).await? };
        self.signal(Signal::ChatState(chat, state)).await
    }

    /// Declines a call. It goes on ringing on the own phone if that declines nothing itself.
    pub async fn reject_call(&self, call: &CallUpdate) -> Result<(), RequestError> {
        self.decline(call.creator.to_user(), &call.id).await
    }

    /// The same by who called and the call's id.
    pub async fn reject_call_of(&self, creator: &Jid, id: &str) -> Result<(), RequestError> {
        self.decline(self.by_lid(creator).await?, id).await
    }

    async fn decline(&self, creator: Jid, id: &str) -> Result<(), RequestError> {
        let stanza = MessageId::generate();
        self.signal(Signal::RejectCall { stanza, creator, id: id.to_owned() }).await
    }

    async fn change_picture(
        &self,
        of: Option<&Jid>,
        jpeg: Option<&[u8]>,
    ) -> Result<Option<String>, RequestError> {
        let is_sound = |jpeg: &[u8]| jpeg.starts_with(&[0xff, 0xd8]) && jpeg.len() <= MAX_PICTURE;
        if !jpeg.is_none_or(is_sound) {
            return Err(RequestError::Invalid("a picture is a JPEG of at most 512 KiB".into()));
        }
        let answer = self.iq(iq::people::set_picture(of, jpeg)).await?;
        Ok(iq::people::read_picture_id(&answer))
    }

    /// Somebody by LID, where that is known; groups and LIDs as they are.
    async fn by_lid(&self, jid: &Jid) -> Result<Jid, RequestError> {
        if !jid.is_pn() {
            return Ok(jid.to_user());
        }
        let person = self.person(jid).await?;
        Ok(person.lid.or(person.pn).unwrap_or_else(|| jid.to_user()))
    }

    async fn person(&self, jid: &Jid) -> Result<Person, RequestError> {
        self.who_is(jid).await.map_err(RequestError::from)
    }

    /// The answer to a request, as it came.
    pub(super) async fn iq(&self, request: Node<'static>) -> Result<Node<'static>, RequestError> {
        self.request(|reply| Command::Ask(Box::new(request), reply)).await
    }

    async fn signal(&self, signal: Signal) -> Result<(), RequestError> {
        self.request(|reply| Command::Signal(Box::new(signal), reply)).await
    }
}
