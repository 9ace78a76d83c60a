use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use super::*;

const ID: &str = "3EB0AAAA";

fn key() -> MediaKey {
    MediaKey::new([7; 32])
}

fn own() -> Jid {
    "15550000001@s.whatsapp.net".parse().unwrap()
}

/// What the phone makes of an answer.
fn answer(key: &MediaKey, id: &str, answer: &MediaRetryNotification) -> Node<'static> {
    let mut sealed = answer.encode_to_vec();
    cipher(key).seal(&[9; 12], id.as_bytes(), &mut sealed);
    let encrypt = Node::new("encrypt")
        .child(Node::new("enc_p").with_bytes(sealed))
        .child(Node::new("enc_iv").with_bytes(vec![9; 12]));
    Node::new("notification").attr("type", "mediaretry").attr("id", id.to_owned()).child(encrypt)
}

fn opened(node: &Node<'_>, key: &MediaKey) -> Result<Reupload, ReuploadError> {
    match ReuploadAnswer::parse(node).unwrap() {
        ReuploadAnswer::Sealed(answer) => answer.open(key),
        ReuploadAnswer::Refused { .. } => panic!("it was sealed"),
    }
}

fn success(path: &str) -> MediaRetryNotification {
    MediaRetryNotification {
        stanza_id: Some(ID.to_owned()),
        direct_path: Some(path.to_owned()),
        result: Some(ResultType::Success as i32),
        message_secret: None,
    }
}

#[test]
fn the_key_is_that_of_another_implementation() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/whatsmeow.json")).unwrap();
    let derived: [u8; 32] = kdf::hkdf(key().expose(), b"", KEY_INFO);
    assert_eq!(hex::encode(derived), vectors["retry_key"].as_str().unwrap());
}

/// What another implementation sealed opens here, and a request is sealed as it does.
#[test]
fn requests_and_answers_are_those_of_another_implementation() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/reupload.json")).unwrap();
    let text = |name: &str| vectors[name].as_str().unwrap();
    let bytes = |name: &str| hex::decode(text(name)).unwrap();
    let key = MediaKey::new(bytes("key").try_into().unwrap());
    let sealed = |name: &str| SealedAnswer {
        message_id: text("id").to_owned(),
        sealed: bytes(name),
        iv: bytes("iv").try_into().unwrap(),
    };
    let path = text("direct_path").parse().unwrap();
    assert_eq!(sealed("answer").open(&key), Ok(Reupload::Uploaded(path)));
    assert_eq!(sealed("not_found").open(&key), Ok(Reupload::Refused(Refusal::NotFound)));

    let mut request = ServerErrorReceipt { stanza_id: Some(text("id").to_owned()) }.encode_to_vec();
    cipher(&key).seal(&sealed("request").iv, text("id").as_bytes(), &mut request);
    assert_eq!(request, bytes("request"));
}

#[test]
fn a_request_says_which_message_it_is_about() {
    let request = ReuploadRequest::new(&key(), ID, &mut ChaCha20Rng::seed_from_u64(1));
    let group: Jid = "120363000000000000@g.us".parse().unwrap();
    let sender: Jid = "100000000000002@lid".parse().unwrap();
    let message = MessageRef { chat: &group, from_me: false, participant: Some(&sender) };
    let receipt = request.receipt(&own(), message);
    assert_eq!(receipt.attrs.text("type").as_deref(), Some("server-error"));
    let rmr = receipt.get_child("rmr").unwrap();
    assert_eq!(rmr.attrs.jid("jid"), Some(&group));
    assert_eq!(rmr.attrs.text("from_me").as_deref(), Some("false"));
    assert_eq!(rmr.attrs.jid("participant"), Some(&sender));

    let encrypt = receipt.get_child("encrypt").unwrap();
    let mut text = encrypt.get_child("enc_p").unwrap().bytes().unwrap().into_owned();
    let iv = encrypt.get_child("enc_iv").unwrap().bytes().unwrap();
    cipher(&key()).open(iv.as_ref().try_into().unwrap(), ID.as_bytes(), &mut text).unwrap();
    assert_eq!(ServerErrorReceipt::decode(&text[..]).unwrap().stanza_id.as_deref(), Some(ID));

    let history = request.history_receipt(&own());
    assert_eq!(history.attrs.text("category").as_deref(), Some("peer"));
    assert!(history.get_child("rmr").is_none());
}

#[test]
fn an_answer_brings_the_new_path() {
    let node = answer(&key(), ID, &success("/v/new.enc?ccb=1"));
    assert_eq!(opened(&node, &key()), Ok(Reupload::Uploaded("/v/new.enc?ccb=1".parse().unwrap())));
}

#[test]
fn an_answer_is_for_its_message_alone() {
    let node = answer(&key(), ID, &success("/v/new.enc"));
    assert_eq!(opened(&node, &MediaKey::new([8; 32])), Err(ReuploadError::Sealed));
    assert_eq!(opened(&node.clone().attr("id", "3EB0BBBB"), &key()), Err(ReuploadError::Sealed));
    let other = answer(&key(), "3EB0BBBB", &success("/v/new.enc"));
    assert_eq!(opened(&other, &key()), Err(ReuploadError::OtherMessage));
    for path in ["", "//evil.example/a"] {
        assert_eq!(opened(&answer(&key(), ID, &success(path)), &key()), Err(ReuploadError::DirectPath));
    }
}

#[test]
fn refusals_are_told_apart() {
    let codes = [
        (None, Refusal::General),
        (Some(0), Refusal::General),
        (Some(2), Refusal::NotFound),
        (Some(3), Refusal::Decryption),
        (Some(77), Refusal::Other(77)),
    ];
    for (result, refusal) in codes {
        let node = answer(&key(), ID, &MediaRetryNotification { result, ..success("/v/a") });
        assert_eq!(opened(&node, &key()), Ok(Reupload::Refused(refusal)));
    }
    let error = Node::new("notification").attr("id", ID).child(Node::new("error").attr("code", 2_u32));
    let expected = ReuploadAnswer::Refused { message_id: ID.to_owned(), refusal: Refusal::NotFound };
    assert_eq!(ReuploadAnswer::parse(&error), Ok(expected));
}

#[test]
fn what_is_no_answer_is_refused() {
    let node = Node::new("notification").attr("id", ID);
    assert!(ReuploadAnswer::parse(&node).is_err());
    let bytes = |name: &'static str, length| Node::new(name).with_bytes(vec![0; length]);
    for iv in [0, 11, 13] {
        let encrypt = Node::new("encrypt").child(bytes("enc_p", 30)).child(bytes("enc_iv", iv));
        assert!(ReuploadAnswer::parse(&node.clone().child(encrypt)).is_err());
    }
    let encrypt = Node::new("encrypt").child(bytes("enc_p", 3)).child(bytes("enc_iv", 12));
    assert_eq!(opened(&node.child(encrypt), &key()), Err(ReuploadError::Sealed));
}
