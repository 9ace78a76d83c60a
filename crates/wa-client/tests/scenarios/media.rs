//! Files: to the media hosts and back, whatever hosts, lines and phones do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt;
use http::{Request, Response};
use test_support::until;
use wa_client::media_files::Refusal;
use wa_client::{
    Attachment, Bytes, DownloadError, IncomingMessage, MediaHost, MediaKind, MediaOrigin, MediaSource,
    Outgoing, PartialFile, Pieces, RemoteFile, RequestBody, Store, TransportError, UploadError, exchange,
};
use wa_simulator::{Fault, FaultKind, File, FileKind, Phone, Reuploads, Say, Simulator, Transfer};

use crate::stage::{Companion, Stage, be_faithful};

/// The two names of the media host of a simulator without a socket.
const HOSTS: [&str; 2] = ["mmg.whatsapp.net", "mmg-fallback.whatsapp.net"];

/// A simulator's media host without a socket, which counts what comes from it.
pub(crate) struct MediaInMemory {
    pub(crate) sim: Simulator,
    pub(crate) received: Arc<AtomicU64>,
}

#[async_trait]
impl MediaHost for MediaInMemory {
    async fn send(&self, request: Request<RequestBody>) -> Result<Response<Pieces>, TransportError> {
        let response = exchange(self.sim.connect_media(), request).await?;
        let received = Arc::clone(&self.received);
        Ok(response.map(|pieces| {
            pieces
                .inspect(move |piece| {
                    let bytes = piece.as_ref().map_or(0, |piece| piece.len() as u64);
                    received.fetch_add(bytes, Ordering::SeqCst);
                })
                .boxed()
        }))
    }
}

struct Cast {
    stage: Stage,
    alice: Phone,
    bob: Phone,
    companion: Companion,
    received: Arc<AtomicU64>,
}

async fn cast() -> Cast {
    // Nothing else is fetched from the media host, and so no fault strikes it.
    let stage = Stage::with_behaviour(|behaviour| {
        be_faithful(behaviour);
        behaviour.history_blobs = None;
        behaviour.app_state_blobs = None;
    })
    .await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let received = Arc::new(AtomicU64::new(0));
    let host = MediaInMemory { sim: stage.sim.clone(), received: Arc::clone(&received) };
    let companion = stage.start_with(Store::memory(), |builder| builder.media_host(Arc::new(host)));
    companion.pair(&alice).await;
    Cast { stage, alice, bob, companion, received }
}

/// A file in which no two blocks are alike.
fn file(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at ^ at >> 8 ^ at >> 16) & 0xff).unwrap()).collect()
}

impl Cast {
    /// Has Bob send a file to Alice, and returns what her companion got.
    async fn receive(&self, kind: FileKind, bytes: &Bytes) -> IncomingMessage {
        let known = self.companion.diary.messages(0).await.len();
        let say = Say::File(Box::new(File::new(kind, bytes.clone())));
        self.bob.say(self.alice.number(), say).await.unwrap();
        self.companion.diary.messages(known + 1).await.pop().unwrap()
    }

    async fn download(&self, message: &IncomingMessage) -> Result<Vec<u8>, DownloadError> {
        let mut partial = Vec::new();
        self.download_into(message, &mut partial).await.map(|()| partial)
    }

    async fn download_into(
        &self,
        message: &IncomingMessage,
        partial: &mut dyn PartialFile,
    ) -> Result<(), DownloadError> {
        let origin = MediaOrigin::from(&message.info);
        self.companion.client.download(&remote(message), Some(&origin), partial).await.map(drop)
    }

    fn fault(&self, kind: FaultKind) {
        self.stage.fault(kind);
    }

    fn refuse(&self, on: Transfer, host: Option<&str>, status: u16) {
        self.fault(FaultKind::Media { on: Some(on), host: host.map(str::to_owned), status });
    }
}

fn remote(message: &IncomingMessage) -> RemoteFile {
    RemoteFile::of(&message.content.view().media().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn files_of_every_kind_reach_a_phone_as_they_are() {
    let cast = cast().await;
    let kinds = [
        (MediaKind::Image, FileKind::Image),
        (MediaKind::Video, FileKind::Video),
        (MediaKind::RoundVideo, FileKind::Ptv),
        (MediaKind::Audio, FileKind::Audio),
        (MediaKind::Voice, FileKind::Voice),
        (MediaKind::Document, FileKind::Document),
        (MediaKind::Sticker, FileKind::Sticker),
    ];
    for (count, (kind, shown)) in kinds.into_iter().enumerate() {
        let bytes = file(100_000 + count);
        let uploaded = cast.companion.client.upload(kind, &bytes).await.unwrap();
        let attachment = Attachment::new(uploaded, "a/b").file_name("a.b");
        cast.companion.client.send(Outgoing::new(cast.bob.jid(), attachment)).await.unwrap();
        let inbox = cast.bob.wait_for_inbox(|inbox| inbox.len() > count).await;
        let media = inbox[count].media.clone().unwrap();
        assert_eq!((media.kind, media.error.as_deref(), media.size), (shown, None, 100_000 + count as u64));
        let hash = wa_crypto_hash(&bytes);
        assert_eq!(media.sha256, Some(hash));
    }
}

#[tokio::test(start_paused = true)]
async fn a_phones_files_arrive_verified() {
    let cast = cast().await;
    for (kind, length) in [
        (FileKind::Image, 0),
        (FileKind::Video, 1),
        (FileKind::Voice, 15),
        (FileKind::Document, 16),
        (FileKind::Sticker, 65_536),
        (FileKind::Gif, 300_001),
    ] {
        let bytes = file(length);
        let message = cast.receive(kind, &bytes).await;
        assert_eq!(cast.download(&message).await.unwrap(), bytes, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_host_is_tried_and_auth_is_renewed() {
    let cast = cast().await;
    let client = &cast.companion.client;
    let bytes = file(1000);
    cast.refuse(Transfer::Upload, Some(HOSTS[0]), 503);
    client.upload(MediaKind::Image, &bytes).await.unwrap();
    assert_eq!(cast.stage.seen("<media_conn/>"), 1);
    cast.refuse(Transfer::Upload, None, 401);
    client.upload(MediaKind::Image, &bytes).await.unwrap();
    assert_eq!(cast.stage.seen("<media_conn/>"), 2);
    let all = Fault::new(FaultKind::Media { on: Some(Transfer::Upload), host: None, status: 500 });
    cast.stage.sim.add_fault(all.times(4)).unwrap();
    assert!(matches!(client.upload(MediaKind::Image, &bytes).await, Err(UploadError::Refused(500))));
    assert_eq!(cast.stage.seen("<media_conn/>"), 3);
    cast.refuse(Transfer::Upload, None, 413);
    assert!(matches!(client.upload(MediaKind::Image, &bytes).await, Err(UploadError::TooLarge)));

    let message = cast.receive(FileKind::Image, &bytes).await;
    cast.refuse(Transfer::Download, Some(HOSTS[0]), 500);
    cast.refuse(Transfer::Download, Some(HOSTS[1]), 401);
    assert_eq!(cast.download(&message).await.unwrap(), bytes);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_goes_on_and_what_is_damaged_begins_anew() {
    let cast = cast().await;
    let bytes = file(400_000);
    let message = cast.receive(FileKind::Video, &bytes).await;
    let before = cast.received.load(Ordering::SeqCst);
    for after in [0, 100_000, 7] {
        cast.fault(FaultKind::MediaCut { after });
    }
    assert_eq!(cast.download(&message).await.unwrap(), bytes);
    let received = cast.received.load(Ordering::SeqCst) - before;
    assert!((400_000..400_100).contains(&received), "nothing comes twice: {received}");
    cast.fault(FaultKind::MediaDamage);
    assert_eq!(cast.download(&message).await.unwrap(), bytes);
    cast.stage.sim.add_fault(Fault::new(FaultKind::MediaDamage).times(10)).unwrap();
    let error = cast.download(&message).await.unwrap_err();
    assert!(matches!(error, DownloadError::Content(_)) && error.is_temporary(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_download_goes_on_in_another_life_with_nothing_but_its_file() {
    let cast = cast().await;
    let bytes = file(400_000);
    let message = cast.receive(FileKind::Document, &bytes).await;
    let mut partial = bytes[..200_005].to_vec();
    cast.download_into(&message, &mut partial).await.unwrap();
    assert_eq!(partial, bytes);
    assert!(cast.received.load(Ordering::SeqCst) < 201_000, "only what was missing has come");
    let mut whole = bytes.to_vec();
    cast.download_into(&message, &mut whole).await.unwrap();
    assert_eq!(whole, bytes);
    let mut wrong = bytes[..100_000].to_vec();
    wrong[5] ^= 1;
    cast.download_into(&message, &mut wrong).await.unwrap();
    assert_eq!(wrong, bytes, "what is wrong in it is found, and it begins anew");
}

#[tokio::test(start_paused = true)]
async fn what_no_host_has_any_more_is_had_from_the_phone() {
    let cast = cast().await;
    let bytes = file(50_000);
    let message = cast.receive(FileKind::Image, &bytes).await;
    cast.alice.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.media.is_some())).await;
    cast.fault(FaultKind::ExpireMedia);
    assert_eq!(cast.download(&message).await.unwrap(), bytes);
    cast.fault(FaultKind::LoseMedia);
    assert_eq!(cast.download(&message).await.unwrap(), bytes);

    cast.fault(FaultKind::LoseMedia);
    cast.alice.answer_reuploads(Reuploads::NotFound);
    let refused = cast.download(&message).await.unwrap_err();
    assert!(matches!(refused, DownloadError::NotUploaded(Refusal::NotFound)), "{refused}");
    assert!(!refused.is_temporary());
    cast.alice.answer_reuploads(Reuploads::Silent);
    let unanswered = cast.download(&message).await.unwrap_err();
    assert!(matches!(unanswered, DownloadError::Gone { unanswered: Some(_), .. }), "{unanswered}");
    let alone = cast.companion.client.download(&remote(&message), None, &mut Vec::new()).await.unwrap_err();
    assert!(matches!(alone, DownloadError::Gone { unanswered: None, .. }) && alone.is_temporary());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_sent_can_be_fetched_again_by_its_message() {
    let cast = cast().await;
    let bytes = file(1000);
    let uploaded = cast.companion.client.upload(MediaKind::Document, &bytes).await.unwrap();
    let message = Outgoing::new(cast.bob.jid(), Attachment::new(uploaded, "text/plain"));
    let remote = RemoteFile::of(&message.content.view().media().unwrap()).unwrap();
    cast.companion.client.send(message).await.unwrap();
    let mut partial = Vec::new();
    let downloaded = cast.companion.client.download(&remote, None, &mut partial).await.unwrap();
    assert_eq!((&partial[..], downloaded.verified.length()), (&bytes[..], 1000));
}

/// Is another file each time it is read.
struct Changing(AtomicU64);

#[async_trait]
impl MediaSource for Changing {
    async fn open(&self) -> std::io::Result<Box<dyn tokio::io::AsyncRead + Send + Unpin>> {
        let byte = u8::try_from(self.0.fetch_add(1, Ordering::SeqCst)).unwrap();
        Bytes::from(vec![byte; 100_000]).open().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_it_is_uploaded_is_not_announced() {
    let cast = cast().await;
    let changing = Changing(AtomicU64::new(0));
    let error = cast.companion.client.upload(MediaKind::Image, &changing).await.unwrap_err();
    assert!(matches!(error, UploadError::Changed), "{error}");
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_nothing_is_transferred() {
    let cast = cast().await;
    let message = cast.receive(FileKind::Image, &file(10)).await;
    cast.companion.client.disconnect().await;
    let until_gone = || async {
        let offline = *cast.companion.client.watch().borrow() != wa_client::State::Online;
        offline.then_some(())
    };
    until("it is offline", until_gone).await;
    assert!(matches!(cast.download(&message).await, Err(DownloadError::Request(_))));
    assert!(matches!(
        cast.companion.client.upload(MediaKind::Image, &file(1)).await,
        Err(UploadError::Request(_))
    ));
}

fn wa_crypto_hash(bytes: &[u8]) -> String {
    let hash = wa_crypto::mac::sha256(&[bytes]);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
