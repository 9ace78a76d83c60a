//! Whom a text names.

use tokio::time::timeout;
use wa_binary::Jid;

use super::address::WHO_IS_TIMEOUT;
use super::compose::ComposeText;
use crate::error::ServiceError;
use crate::field::Field;
use crate::recipient::parse_recipient;
use crate::running::RunningInstance;

/// Whom a text names, as WhatsApp calls them. Phones show a name where the text has that number, so it is put there. Who
/// can't be found in time stays as given.
pub(super) async fn mentioned(
    running: &RunningInstance,
    text: &mut ComposeText,
) -> Result<Vec<String>, ServiceError> {
    let given = text.mentions.iter().map(|person| parse_recipient(person));
    let given: Result<Vec<_>, _> = given.collect();
    let mut people = given.map_err(|why| ServiceError::invalid(Field::Mentions, why.to_string()))?;
    if people.is_empty() {
        return Ok(Vec::new());
    }
    let who = match timeout(WHO_IS_TIMEOUT, running.companion.who_are(&people)).await {
        Ok(Ok(who)) => who,
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    for (given, person) in people.iter_mut().zip(who).filter(|(given, _)| given.is_pn()) {
        if let Some(pn) = person.and_then(|person| person.pn).filter(|pn| pn.user != given.user) {
            text.text = naming(&text.text, &given.user, &pn.user);
            *given = pn;
        }
    }
    Ok(people.iter().map(Jid::to_string).collect())
}

/// The text with `@own` wherever it names `@given`.
fn naming(text: &str, given: &str, own: &str) -> String {
    let mention = format!("@{given}");
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&mention) {
        let (before, after) = (&rest[..=at], &rest[at + mention.len()..]);
        let is_longer = after.starts_with(|next: char| next.is_ascii_digit());
        named.push_str(before);
        named.push_str(if is_longer { given } else { own });
        rest = after;
    }
    named + rest
}

#[cfg(test)]
mod tests {
    use super::naming;

    #[test]
    fn a_text_names_people_as_whatsapp_calls_them() {
        let text = "@5511955550100, @55119555501009 and 5511955550100 @5511955550100";
        let named = "@551155550100, @55119555501009 and 5511955550100 @551155550100";
        assert_eq!(naming(text, "5511955550100", "551155550100"), named);
        assert_eq!(naming("é@", "1", "2"), "é@");
    }
}
