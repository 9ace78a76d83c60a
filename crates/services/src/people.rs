//! Who users are, as the companion said lately, so that not every send has to ask it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;
use wa_binary::Jid;
use wa_client::Person;

/// Most users that are remembered; then it begins anew.
const MOST: usize = 4_096;
/// How long an answer counts, so that the companion's own limits are noticed.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// The answers that count still, by the address that was asked.
#[derive(Debug)]
pub(crate) struct People {
    known: HashMap<Jid, Person>,
    since: Instant,
}

impl People {
    pub(crate) fn new() -> Self {
        Self { known: HashMap::new(), since: Instant::now() }
    }

    pub(crate) fn find(&mut self, user: &Jid) -> Option<Person> {
        if self.since.elapsed() >= LIFETIME {
            self.forget();
        }
        self.known.get(user).cloned()
    }

    /// Remembers an answer; without a number it may become better.
    pub(crate) fn remember(&mut self, user: &Jid, person: &Person) {
        if self.known.len() >= MOST {
            self.forget();
        }
        if person.pn.is_some() {
            self.known.insert(user.clone(), person.clone());
        }
    }

    /// Addresses have turned out to be somebody else's.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.since = Instant::now();
    }
}

/// The names that people gave themselves, as they are stored: most messages bring one that is known.
#[derive(Debug, Default)]
pub(crate) struct PushNames(HashMap<String, String>);

impl PushNames {
    /// Whether it is another name than the one that is known, if one is.
    pub(crate) fn is_news(&self, jid: &str, name: &str) -> bool {
        self.0.get(jid).is_none_or(|known| known != name)
    }

    /// These are stored.
    pub(crate) fn learn(&mut self, named: Vec<(String, String)>) {
        if self.0.len() + named.len() > MOST {
            self.forget();
        }
        self.0.extend(named);
    }

    /// Addresses have turned out to be somebody else's.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_count_for_their_time() {
        let mut people = People::new();
        let (typed, own) = (Jid::pn("5511955550100"), Jid::pn("551155550100"));
        let person = Person { pn: Some(own), lid: Some(Jid::lid("8001")) };
        people.remember(&typed, &person);
        people.remember(&Jid::lid("8002"), &Person { pn: None, lid: Some(Jid::lid("8002")) });
        assert_eq!((people.find(&typed), people.find(&Jid::lid("8002"))), (Some(person.clone()), None));
        tokio::time::advance(LIFETIME).await;
        assert_eq!(people.find(&typed), None);
        people.remember(&typed, &person);
        people.forget();
        assert_eq!(people.find(&typed), None);
    }
}
