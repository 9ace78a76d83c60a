//! What is in a file: read from its first bytes.

use std::io;
use std::path::Path;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use wa_client::MediaKind;
use wa_client::media_files::file::{self, Dimensions, HEAD_LEN, OpusScan};

/// What a file is, by its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) mime_type: String,
    pub(crate) dimensions: Option<Dimensions>,
    pub(crate) is_animated: bool,
    /// Whole seconds of an Ogg/Opus file with one channel or more.
    pub(crate) opus_seconds: Option<u32>,
}

/// Reads what there is to know of a file. `said` is its type as somebody said it.
pub(crate) async fn described(path: &Path, name: Option<&str>, said: Option<&str>) -> io::Result<Described> {
    let mut file = File::open(path).await?;
    let head = head(&mut file).await?;
    let mime_type = file::mime_type(&head, name, said).into_owned();
    let opus_seconds = match &*mime_type {
        kind if kind.starts_with("audio/ogg") => opus_seconds(&head, &mut file).await?,
        _ => None,
    };
    Ok(Described {
        dimensions: file::dimensions(&head),
        is_animated: file::is_animated(&head),
        opus_seconds,
        mime_type,
    })
}

async fn head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(8 << 10);
    file.take(HEAD_LEN as u64).read_to_end(&mut head).await?;
    Ok(head)
}

/// How long an Opus file plays is said at its end.
async fn opus_seconds(head: &[u8], rest: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<u32>> {
    let mut scan = OpusScan::default();
    scan.update(head);
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = rest.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        scan.update(&piece[..read]);
    }
    let seconds = |opus: file::Opus| opus.duration.as_secs_f64().ceil();
    // A recording of more than 136 years is none.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Ok(scan.finish().map(|opus| seconds(opus) as u32))
}

/// As what a file of this type is sent where the caller doesn't say: pictures, videos and sounds that phones play as such,
/// everything else as a document.
pub(crate) fn kind_of(mime_type: &str) -> MediaKind {
    match mime_type.split(';').next().unwrap_or_default().trim() {
        "image/jpeg" | "image/png" => MediaKind::Image,
        "image/webp" => MediaKind::Sticker,
        "video/mp4" | "video/3gpp" => MediaKind::Video,
        "audio/aac" | "audio/mp4" | "audio/mpeg" | "audio/amr" | "audio/ogg" => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}
