//! The forms that values of requests have, as the description tells them: within the same bounds as what reads them, so
//! that whoever keeps to it isn't refused. What no form can say (that a number has WhatsApp, that a time is near enough)
//! stands in words beside the fields.

mod patterns;

use outbound::MAX_URL_LENGTH;
use serde_json::Value;
use services::{
    ActivityWord, CHAT_TIMERS, MAX_ALLOWED_IPS, MAX_CHANNEL_DESCRIPTION, MAX_CHANNEL_NAME, MAX_CONSUMER_NAME,
    MAX_CONTACT_NAME, MAX_CONTACT_TEXT, MAX_DESCRIPTION, MAX_DEVICE_NAME, MAX_EMAIL, MAX_EMOJI,
    MAX_FILE_NAME, MAX_GROUP_DESCRIPTION, MAX_GROUP_NAME, MAX_IDEMPOTENCY_KEY, MAX_INSTANCES,
    MAX_KEY_INSTANCES, MAX_KEY_NAME, MAX_LIMIT, MAX_MEMBERS, MAX_NAME, MAX_NAMED, MAX_NUMBERS,
    MAX_PASSKEY_PART, MAX_PASSWORD, MAX_READ, MAX_RETRIES, MAX_SEARCH, MAX_TAG, MAX_TAGS, MAX_TEXT,
    MAX_USER_NAME, MAX_WEBHOOK_NAME, MIN_PASSWORD, RETENTION_DAYS, RETRY_INTERVAL, SECRET,
};
use storage::{AttemptOutcome, AuditAction, EventKind, MessageKind, MessageStatus, Scope};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use wa_client::content::{MAX_OPTION, MAX_OPTIONS, MAX_QUESTION};
use wa_client::{MAX_ABOUT, MAX_PUSH_NAME};
use webhook::{MAX_HEADER_VALUE, MAX_HEADERS};

use patterns as p;

/// Declares forms: a name in the description, what is said of it there, and its schema.
macro_rules! forms {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        pub(crate) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let schema: Schema = $schema.into();
                RefOr::T(described(schema, concat!($($doc, "\n"),+)))
            }
        }

        impl ToSchema for $name {}
    )+};
}

forms! {
    /// A person or a group: a phone number with the country code, or a JID. Digits of other scripts, and the marks that
    /// programs put around numbers, are read, too.
    Recipient = phone(&p::any(&[p::NUMBER, p::PERSON, p::GROUP])).shown("79001234567");
    /// A person: a phone number with the country code, or a JID.
    Person = phone(&p::any(&[p::NUMBER, p::PERSON])).shown("79001234567");
    /// A phone number with the country code.
    PhoneNumber = phone(&p::any(&[p::NUMBER, p::NUMBER_JID])).shown("79001234567");
    /// A chat: what a message may be sent to, and the JID of a channel or a broadcast list.
    Chat = phone(&p::any(&[p::NUMBER, p::PERSON, p::GROUP, p::LIST])).shown("79001234567");
    /// A channel.
    Channel = phone(&p::any(&[p::CHANNEL])).shown("120363001795290751@newsletter");
    /// A channel, or the code of its link.
    ChannelOrCode = text(1, 128).pattern(Some(r"^(?:[0-9]{1,20}@newsletter|[0-9A-Za-z]+)$")).shown("120363001795290751@newsletter");
    /// What a channel is called: something that can be seen.
    ChannelName = text(1, MAX_CHANNEL_NAME).pattern(Some(p::SEEN)).shown("Tea");
    /// What a channel is about.
    ChannelDescription = text(0, MAX_CHANNEL_DESCRIPTION);
    /// A person or a group, as everywhere, or the status.
    Addressee = phone(&p::any(&[p::NUMBER, p::PERSON, p::GROUP, p::STATUS])).shown("79001234567");
    /// People, by number or JID.
    Members = ArrayBuilder::new().items(Person::schema()).max_items(Some(MAX_MEMBERS));
    /// A person; of a group its number or its JID.
    SavedNumber = phone(&p::any(&[p::NUMBER, p::PERSON, p::GROUP])).shown("79001234567");
    /// At least one of them.
    SomeMembers = ArrayBuilder::new().items(Person::schema()).min_items(Some(1)).max_items(Some(MAX_MEMBERS));
    /// Whom a text names.
    Named = ArrayBuilder::new().items(Person::schema()).max_items(Some(MAX_NAMED));
    /// Phone numbers; WhatsApp is asked once for all.
    PhoneNumbers =
        ArrayBuilder::new().items(PhoneNumber::schema()).min_items(Some(1)).max_items(Some(MAX_NUMBERS));

    /// What is said: something that can be seen.
    Words = text(0, MAX_TEXT).pattern(Some(p::SEEN)).shown("Hello! How are you?");
    /// A colour: red, green and blue in hexadecimal digits.
    Color = text(7, 7).pattern(Some("^#[0-9a-fA-F]{6}$")).shown("#005c4b");
    /// A text under a file.
    Caption = text(0, MAX_TEXT);
    /// The name of a file; 255 bytes at most.
    FileName = text(0, MAX_FILE_NAME).format(Some(custom("ascii")));
    /// One emoji; empty for none.
    Emoji = text(0, MAX_EMOJI).shown("👍");
    /// A question: something that can be read.
    Question = text(1, MAX_QUESTION).pattern(Some(p::NOT_BLANK)).shown("Tea?");
    /// What may be chosen.
    PollOption = text(1, MAX_OPTION).pattern(Some(p::NOT_BLANK));
    /// What may be chosen, no two alike.
    PollOptions = ArrayBuilder::new()
        .items(PollOption::schema())
        .min_items(Some(2))
        .max_items(Some(MAX_OPTIONS))
        .unique_items(true)
        .shown(serde_json::json!(["green", "black"]));
    /// Degrees north of the equator.
    Latitude = degrees(90).shown(52.52);
    /// Degrees east of Greenwich.
    Longitude = degrees(180).shown(13.405);
    /// Seconds after which messages disappear; 0 is never.
    Timer = whole(0_u32, 7_776_000_u32)
        .enum_values(Some(CHAT_TIMERS))
        .shown(86_400);
    /// How many options one person may choose; 0 means all. Not more than there are.
    Choices = whole(0_u32, MAX_OPTIONS as u64);
    /// What a meeting is called: something that can be seen.
    EventName = text(1, usize::MAX).pattern(Some(p::SEEN)).shown("main");
    /// A number of 32 bits.
    Count = whole(0_u32, u32::MAX);
    /// Whether one comes.
    Going = words(["going", "not_going", "maybe"]);
    /// WhatsApp's ids of messages.
    MessageIds = ArrayBuilder::new()
        .items(text(0, usize::MAX))
        .min_items(Some(1))
        .max_items(Some(MAX_READ))
        .shown(serde_json::json!(["3EB0C767D097B7C7C030"]));
    /// A key of the caller's choice: visible ASCII characters.
    IdempotencyKey = text(1, MAX_IDEMPOTENCY_KEY).pattern(Some(p::VISIBLE_ASCII));

    /// A name to be read as it is written: in one line, with something in it that can be seen.
    Name = text(1, MAX_NAME).pattern(Some(p::name())).shown("main");
    /// What it is for, in a name or in a line.
    KeyName = text(1, MAX_KEY_NAME).pattern(Some(p::name())).shown("main");
    /// What something is for; it may have several lines.
    Description = text(0, MAX_DESCRIPTION).pattern(Some(p::LINES));
    /// A word to sort by.
    Tag = text(1, MAX_TAG).pattern(Some(p::name()));
    /// Words to sort by, each counted once.
    Tags = ArrayBuilder::new().items(Tag::schema()).max_items(Some(MAX_TAGS));
    /// A name in the phone's list of linked devices; empty is none.
    DeviceName = text(0, MAX_DEVICE_NAME).pattern(Some(p::name_or_none()));
    /// The name that those who are written to see.
    PushName = text(1, MAX_PUSH_NAME).pattern(Some(p::name()));
    /// Somebody's name; it may be empty.
    PersonName = text(0, MAX_USER_NAME).pattern(Some(p::name_or_none()));
    /// What a contact is called.
    ContactName = text(0, MAX_CONTACT_NAME);
    /// The name under which somebody is put into the address book: something that can be seen.
    NewContactName = text(1, MAX_CONTACT_NAME).pattern(Some(p::SEEN)).shown("main");
    /// What else is kept of a contact.
    ContactText = text(0, MAX_CONTACT_TEXT);
    /// What an account says about itself.
    About = text(0, MAX_ABOUT).shown("Available");
    /// What a group is called: something that can be seen.
    GroupName = text(1, MAX_GROUP_NAME).pattern(Some(p::SEEN)).shown("main");
    /// A group.
    GroupJid = phone(&p::any(&[p::GROUP, p::GROUP_NUMBER])).shown("120363001795290751@g.us");
    /// What a group is about.
    GroupDescription = text(0, MAX_GROUP_DESCRIPTION);
    /// An e-mail address.
    Email = text(3, MAX_EMAIL).pattern(Some(p::email())).shown("user@example.com");
    /// A password; it is bytes that are counted.
    Password = text(MIN_PASSWORD, MAX_PASSWORD)
        .format(Some(known(KnownFormat::Password)))
        .shown("correct horse battery staple");
    /// An address, or a network in CIDR notation.
    Network = text(0, usize::MAX).pattern(Some(p::network())).format(Some(custom("network")));
    /// Addresses and CIDR ranges; empty for everywhere.
    Networks = ArrayBuilder::new().items(Network::schema()).max_items(Some(MAX_ALLOWED_IPS));
    /// What a key opens.
    Scopes = ArrayBuilder::new().items(words(Scope::ALL.iter().map(|scope| scope.as_str()))).min_items(Some(1));
    /// The only instances that there are for a key.
    KeyInstances =
        ArrayBuilder::new().items(text(0, usize::MAX).format(Some(custom("instance")))).min_items(Some(1))
            .max_items(Some(MAX_KEY_INSTANCES));

    /// Days that something is kept.
    RetentionDays = whole(*RETENTION_DAYS.start(), *RETENTION_DAYS.end());
    /// What may be done in a period; larger ones could not be told exactly by every program.
    Limit = whole(0_u32, MAX_LIMIT);
    /// The name of a webhook, unique within the instance.
    WebhookName = path_name(MAX_WEBHOOK_NAME);
    /// The name of a consumer.
    ConsumerName = path_name(MAX_CONSUMER_NAME);
    /// Where events are told: an address of HTTP or HTTPS that this gateway allows. Empty is none.
    HookUrl = url(p::URL_OR_NONE);
    /// An address of HTTP or HTTPS that this gateway allows.
    FileUrl = url(p::URL);
    /// `socks5://` or `http://[user:password@]host:port`.
    ProxyUrl = text(0, usize::MAX).pattern(Some(p::PROXY)).format(Some(custom("proxy")));
    /// How often a call is repeated.
    Retries = whole(0_u32, MAX_RETRIES);
    /// Milliseconds before the first retry; doubled for each further one.
    RetryInterval = whole(*RETRY_INTERVAL.start(), *RETRY_INTERVAL.end());
    /// What calls are signed with; it is bytes that are counted.
    HookSecret = text(*SECRET.start(), *SECRET.end())
        .format(Some(known(KnownFormat::Password)));
    /// The same; empty for the one that there is.
    HookSecretOrSame = text(0, *SECRET.end())
        .pattern(Some(p::SECRET_OR_NONE))
        .format(Some(known(KnownFormat::Password)));
    /// Headers of calls. Those that the connection, a proxy or the signature is made of can't be set.
    HookHeaders = headers();
    /// Types of events.
    EventKinds = ArrayBuilder::new().items(words(EventKind::ALL.iter().map(|kind| kind.as_str()))).min_items(Some(1));

    /// Types of events, separated by commas.
    EventKindList = list(EventKind::ALL.iter().map(|kind| kind.as_str()));
    /// What an instance did, separated by commas; `connection_opened` and `connection_closed` are older words for
    /// `connected` and `disconnected`.
    ActivityList = list(ActivityWord::all().chain(["connection_opened", "connection_closed"]));
    /// Days that end with today.
    UserPeriod = words(["week", "month", "year", "all"]);
    /// Days that end with today.
    InstancePeriod = words(["today", "week", "month", "all"]);
    /// What becomes of instances whose user is deleted; empty for nothing.
    BelongingsList = list(["delete"].into_iter());
    /// Where everything can be stored.
    ProviderWord = words(["sqlite", "postgres", "mongodb"]);
    /// Types of messages, separated by commas.
    MessageKindList = list(MessageKind::ALL.iter().map(|kind| kind.as_str()));
    /// Statuses of messages, separated by commas.
    StatusList = list(MessageStatus::ALL.iter().map(|status| status.as_str()));
    /// An action of the audit log.
    AuditWord = words(AuditAction::ALL.iter().map(|action| action.as_str()));
    /// How an attempt ended.
    OutcomeWord = words(AttemptOutcome::ALL.iter().map(|outcome| outcome.as_str()));
    /// A place in a list: the `next` of a page.
    PagePlace = text(0, usize::MAX).pattern(Some(p::PLACE));
    /// A place in a list: the `next` of a page.
    NumberedPlace = text(0, usize::MAX).pattern(Some(p::NUMBER_OF_A_PLACE));
    /// Words to look for.
    SearchWords = text(1, MAX_SEARCH).pattern(Some(p::SEARCH)).shown("hello");
    /// A file in base64; in front of it there may be `data:<type>;base64,`.
    FileContent = text(0, usize::MAX).pattern(Some(p::BASE64_FILE)).format(Some(custom("file")));
    /// A JPEG in base64.
    Jpeg = text(0, usize::MAX).pattern(Some(p::BASE64)).format(Some(custom("jpeg")))
        .shown("/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBg==");
    /// Bytes in base64url.
    Base64UrlOrNone = text(0, MAX_PASSKEY_PART).pattern(Some(p::BASE64URL_OR_NONE));
    /// Bytes in base64url, one at least.
    Base64Url = text(2, MAX_PASSKEY_PART).pattern(Some(p::BASE64URL));

    /// A phone number with the country code; empty for none.
    PhoneNumberOrNone = phone(&p::any_or_none(&[p::NUMBER, p::NUMBER_JID]));
    /// A phone number with the country code, the number of a group, or a JID; empty for none.
    RecipientOrNone = phone(&p::any_or_none(&[p::NUMBER, p::PERSON, p::GROUP, p::GROUP_NUMBER]));
    /// How a session is; empty for any.
    SessionWord = words(["PENDING", "AUTH", "READY", "DESTROYING", ""]);
    /// A day such as 2022-10-11, or a time of one such as 2022-10-11 19:30:14; empty for none.
    DayOrNone = text(0, usize::MAX).pattern(Some(p::DAY_OR_NONE)).shown("2022-10-11");
    /// One to a hundred, as a number or as text.
    HundredOrText = counted(100_u64);
    /// One to a thousand, as a number or as text.
    ThousandOrText = counted(1_000_u64);
    /// Counted from 1, as a number or as text.
    SessionPage = counted(MAX_INSTANCES);
    /// Counted from 1, as a number or as text.
    ChatPage = counted(100_000_u64);
    /// As what a file is sent: a word, or the type of the file; empty for what its content says.
    FileKind = text(0, usize::MAX).pattern(Some(p::FILE_KIND_OR_NONE)).shown("image/jpeg");
    /// What nobody guesses: 20 to 128 characters of ASCII without spaces; empty for one that is made.
    EvoTokenOrNone = text(0, 128).pattern(Some(p::TOKEN_OR_NONE));
    /// What a browser calls itself; 512 bytes at most.
    UserAgent = text(0, 512).format(Some(custom("ascii")));
    /// The form in which many events are told at once.
    ApiVersion = words(["1.0", "1.1"]);
}

/// What is shown with an example of what it describes.
trait Shown {
    fn shown(self, example: impl Into<Value>) -> Schema;
}

impl Shown for ObjectBuilder {
    fn shown(self, example: impl Into<Value>) -> Schema {
        let mut shown = self.build();
        shown.example = Some(example.into());
        Schema::Object(shown)
    }
}

impl Shown for ArrayBuilder {
    fn shown(self, example: impl Into<Value>) -> Schema {
        let mut shown = self.build();
        shown.example = Some(example.into());
        Schema::Array(shown)
    }
}

/// A text of so many characters.
fn text(least: usize, most: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(least).filter(|least| *least > 0))
        .max_length(Some(most).filter(|most| *most < usize::MAX))
}

/// A number, or a JID.
fn phone(pattern: &str) -> ObjectBuilder {
    text(0, usize::MAX).pattern(Some(pattern)).format(Some(custom("phone")))
}

fn path_name(most: usize) -> Schema {
    text(1, most).pattern(Some(p::PATH_NAME)).shown("main")
}

fn url(pattern: &str) -> Schema {
    text(0, MAX_URL_LENGTH)
        .pattern(Some(pattern))
        .format(Some(custom("uri")))
        .shown("https://example.com/webhook")
}

fn whole(least: impl Into<u64>, most: impl Into<u64>) -> ObjectBuilder {
    let bound = |number: u64| usize::try_from(number).ok();
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(known(KnownFormat::Int64)))
        .minimum(bound(least.into()))
        .maximum(bound(most.into()))
}

/// A number from 1 on, or the same as text.
fn counted(most: u64) -> Schema {
    let digits = text(0, usize::MAX).pattern(Some(p::digits(most)));
    OneOfBuilder::new().item(whole(1_u64, most)).item(digits).build().into()
}

fn degrees(most: i32) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Number)
        .format(Some(known(KnownFormat::Double)))
        .minimum(Some(-most))
        .maximum(Some(most))
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words))
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> ObjectBuilder {
    text(0, usize::MAX).pattern(Some(p::list(words)))
}

fn headers() -> ObjectBuilder {
    let value = text(0, MAX_HEADER_VALUE).pattern(Some(p::HEADER_VALUE));
    let name = text(1, usize::MAX).pattern(Some(p::HEADER_NAME)).format(Some(custom("header")));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(value))
        .property_names(Some(name))
        .max_properties(Some(MAX_HEADERS))
}

fn known(format: KnownFormat) -> SchemaFormat {
    SchemaFormat::KnownFormat(format)
}

/// A format that readers of JSON Schema don't know and pass over.
fn custom(format: &str) -> SchemaFormat {
    SchemaFormat::Custom(format.to_owned())
}

fn described(mut schema: Schema, said: &str) -> Schema {
    let said = Some(said.split_whitespace().collect::<Vec<_>>().join(" "));
    match &mut schema {
        Schema::Object(object) => object.description = said,
        Schema::Array(array) => array.description = said,
        Schema::OneOf(one) => one.description = said,
        _ => {}
    }
    schema
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use services::{parse_chat, parse_recipient};
    use storage::Cursor;

    use super::*;
    use crate::extract::bytes_of;

    /// Texts of a form.
    fn of<F: PartialSchema>() -> impl Strategy<Value = String> {
        let RefOr::T(Schema::Object(form)) = F::schema() else { panic!("a text") };
        let pattern = form.pattern.expect("a pattern");
        // The generator has no anchors: it makes nothing but what the pattern says.
        string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).expect("a pattern")
    }

    proptest! {
        #[test]
        fn what_is_described_as_a_recipient_is_read_as_one(text in of::<Recipient>()) {
            prop_assert!(parse_recipient(&text).is_ok(), "{text}");
        }

        #[test]
        fn what_is_described_as_a_person_is_no_group(text in of::<Person>()) {
            prop_assert!(parse_recipient(&text).is_ok_and(|jid| !jid.is_group()), "{text}");
        }

        #[test]
        fn what_is_described_as_a_number_is_one(text in of::<PhoneNumber>()) {
            prop_assert!(parse_recipient(&text).is_ok_and(|jid| jid.is_pn()), "{text}");
        }

        #[test]
        fn what_is_described_as_a_chat_is_read_as_one(text in of::<Chat>()) {
            prop_assert!(parse_chat(&text).is_ok(), "{text}");
        }

        #[test]
        fn what_is_described_as_a_place_is_read_as_one(text in of::<PagePlace>()) {
            prop_assert!(text.parse::<Cursor>().is_ok(), "{text}");
        }

        #[test]
        fn what_is_described_as_a_numbered_place_is_read_as_one(text in of::<NumberedPlace>()) {
            prop_assert!(text.parse::<i64>().is_ok(), "{text}");
        }

        #[test]
        fn what_is_described_as_base64_is_read_as_such(file in of::<FileContent>(), part in of::<Base64Url>()) {
            prop_assert!(bytes_of(&file, "file").is_ok(), "{file}");
            let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('='));
            prop_assert!(bytes.is_ok_and(|bytes| !bytes.is_empty()), "{part}");
        }

        #[test]
        fn what_is_described_as_a_list_has_nothing_else_in_it(text in of::<EventKindList>()) {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            prop_assert!(words.map(str::parse::<EventKind>).all(|kind| kind.is_ok()), "{text}");
        }
    }

    #[test]
    fn every_form_has_words_of_its_own() {
        let RefOr::T(Schema::Object(form)) = Recipient::schema() else { panic!("a text") };
        assert!(form.description.is_some_and(|said| said.starts_with("A person or a group")));
        assert_eq!(form.example, Some("79001234567".into()));
    }
}
