//! A phone's files: uploaded, downloaded, and uploaded again for companions that can't get them any more.

use bytes::Bytes;
use prost::Message as _;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use wa_binary::{Jid, Node};
use wa_crypto::{aead::Aes256Gcm, kdf};
use wa_protobuf::{
    e2e::{MediaRetryNotification, Message, ServerErrorReceipt, media_retry_notification::ResultType},
    lenient,
};

use super::{
    Phone, ReceivedFile,
    content::unwrapped,
    files::{self, File, FileError, FileKind, Named},
};
use crate::{
    ControlError,
    media::Key,
    queue::{Class, Stanza},
    stanza,
};

/// What the key of requests and answers is derived with (PROTOCOL.md 19.6).
const KEY_INFO: &[u8] = b"WhatsApp Media Retry Notification";

/// What a phone does when a companion asks it to upload a file again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuploads {
    /// Uploads it, if it has it.
    #[default]
    Upload,
    /// Says that it hasn't got it.
    NotFound,
    /// Says that something is wrong.
    Error,
    /// Says nothing, as a phone that is switched off.
    Silent,
}

impl Phone {
    /// Uploads a file, and puts together the message that shows it.
    pub(super) fn attach(&mut self, file: &File) -> Result<Message, ControlError> {
        let mut key = [0; 32];
        self.state.rng.fill_bytes(&mut key);
        let sealed = files::sealed(file.kind, key, &file.bytes);
        let path = self.upload(file.kind, sealed.blob.clone().into())?;
        self.state.files.keep(file.bytes.clone());
        Ok(files::message(file, &sealed, path))
    }

    /// Brings a blob to the media host.
    fn upload(&self, kind: FileKind, blob: Bytes) -> Result<String, ControlError> {
        let media = &self.world.media;
        if blob.len() > media.file_limit() {
            return Err(ControlError::InvalidRequest("the file is too large for the media host".into()));
        }
        let key = Key::of_blob(kind.upload_name(), &blob);
        let key =
            key.ok_or_else(|| ControlError::InvalidRequest("the media host takes no such files".into()))?;
        media.store(&key, blob).map_err(|error| ControlError::InvalidRequest(error.to_string()))?;
        Ok(media.direct_path(&key, self.world.clock.unix_seconds()))
    }

    /// Downloads, verifies and keeps the file of a message, if it has one.
    pub(super) fn received_file(&mut self, message: &Message) -> Option<ReceivedFile> {
        let named = files::named(unwrapped(message))?;
        let file = self.downloaded(&named);
        let shown = named.shown(file.as_deref().map_err(|error| *error));
        if let Ok(file) = file {
            self.state.files.keep(file.into());
        }
        Some(shown)
    }

    fn downloaded(&self, named: &Named<'_>) -> Result<Vec<u8>, FileError> {
        let path = named.path.ok_or(FileError::Incomplete("path"))?;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query: Vec<(String, String)> = query
            .split('&')
            .filter_map(|parameter| parameter.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let blob = self.world.media.blob(path, &query, self.world.clock.unix_seconds());
        named.open(&blob.map_err(|_| FileError::NotThere)?)
    }

    /// A companion can't get a file any more (PROTOCOL.md 19.6).
    pub(super) fn reupload(&mut self, node: &Node<'_>) {
        let Some(device) = node.attrs.jid("from").map(|from| from.device) else { return };
        let (reuploads, is_silent) = {
            let directory = self.account.directory();
            (directory.reuploads, directory.is_silent)
        };
        if is_silent || reuploads == Reuploads::Silent {
            return;
        }
        let id = stanza::text(&node.attrs, "id");
        let answer = match self.content_of(node, &id) {
            // Nothing is known of the key, so it is said in the open.
            None => Node::new("error").attr("code", ResultType::NotFound as i32),
            Some(content) => {
                let message =
                    lenient::decode::<Message>(&content).map(|(message, _)| message).unwrap_or_default();
                let Some(named) = files::named(unwrapped(&message)) else { return };
                let Some(key) = named.key.map(Bytes::copy_from_slice) else { return };
                let answer = self.answered(node, &id, &named, reuploads);
                self.sealed_answer(&key, &id, &answer)
            }
        };
        self.notify(device, &id, node, answer);
    }

    /// The content of a message that the phone has sent or received.
    fn content_of(&self, node: &Node<'_>, id: &str) -> Option<Bytes> {
        let rmr = node.get_child("rmr")?;
        let chat = self.world.chat_named(&rmr.attrs.jid("jid")?.to_string())?.name();
        let outbox = self.state.outbox.borrow();
        let sent = outbox.get(id).filter(|sent| sent.entry.to == chat).map(|sent| sent.content.clone());
        sent.or_else(|| self.state.contents.content(id, &chat))
    }

    fn answered(
        &mut self,
        node: &Node<'_>,
        id: &str,
        named: &Named<'_>,
        reuploads: Reuploads,
    ) -> MediaRetryNotification {
        let result = |result: ResultType| MediaRetryNotification {
            stanza_id: Some(id.to_owned()),
            result: Some(result.into()),
            ..Default::default()
        };
        let key: Option<&[u8; 32]> = named.key.and_then(|key| key.try_into().ok());
        let Some(key) = key.filter(|key| is_request(node, id, key)) else {
            return result(ResultType::DecryptionError);
        };
        match reuploads {
            Reuploads::Error => return result(ResultType::GeneralError),
            Reuploads::NotFound => return result(ResultType::NotFound),
            Reuploads::Upload | Reuploads::Silent => {}
        }
        let Some(file) = self.state.files.get(named) else { return result(ResultType::NotFound) };
        let sealed = files::sealed(named.kind, *key, &file);
        match self.upload(named.kind, sealed.blob.into()) {
            Ok(path) => MediaRetryNotification { direct_path: Some(path), ..result(ResultType::Success) },
            Err(_) => result(ResultType::GeneralError),
        }
    }

    /// `<encrypt>` around an answer.
    fn sealed_answer(&mut self, key: &[u8], id: &str, answer: &MediaRetryNotification) -> Node<'static> {
        let mut iv = [0; 12];
        self.state.rng.fill_bytes(&mut iv);
        let mut sealed = answer.encode_to_vec();
        cipher(key).seal(&iv, id.as_bytes(), &mut sealed);
        Node::new("encrypt")
            .child(Node::new("enc_p").with_bytes(sealed))
            .child(Node::new("enc_iv").with_bytes(iv.to_vec()))
    }

    /// Tells the companion that has asked.
    fn notify(&self, device: u16, id: &str, request: &Node<'_>, answer: Node<'static>) {
        let rmr = request.get_child("rmr").map(|rmr| rmr.clone().into_owned());
        let from: Jid = self.account.pn();
        let node = Node::new("notification")
            .attr("type", "mediaretry")
            .attr("id", id.to_owned())
            .attr("from", from)
            .attr("t", self.world.clock.unix_seconds())
            .child(answer)
            .with_children(rmr);
        let stanza = Stanza {
            class: Class::Notification,
            id: id.into(),
            kind: "mediaretry".into(),
            is_own_copy: false,
            bytes: stanza::encode(&node),
        };
        self.world.deliver(&self.account, device, stanza);
    }
}

/// Whether the key of the message opens the request, and it is about that message.
fn is_request(node: &Node<'_>, id: &str, key: &[u8; 32]) -> bool {
    let part = |name| node.get_child("encrypt")?.get_child(name)?.bytes().map(|bytes| bytes.into_owned());
    let (Some(mut text), Some(iv)) = (part("enc_p"), part("enc_iv")) else { return false };
    let Ok(iv) = iv.as_slice().try_into() else { return false };
    cipher(key).open(iv, id.as_bytes(), &mut text).is_ok()
        && ServerErrorReceipt::decode(&text[..]).is_ok_and(|request| request.stanza_id.as_deref() == Some(id))
}

fn cipher(key: &[u8]) -> Aes256Gcm {
    Aes256Gcm::new(&kdf::hkdf(key, b"", KEY_INFO))
}
