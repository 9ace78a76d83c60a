//! The activity log: what happened to an instance itself.

use storage::{
    ActivityFilter, ActivityQuery, Event, EventData, EventKind, Instance, InstanceAction, InstanceId,
    Missing, Page, Timestamp,
};

use super::EventService;
use crate::auth::Caller;
use crate::error::ServiceError;
use crate::page::{MAX_PAGE, check_limit};

/// The word for the beginning of every instance.
const CREATED: &str = "created";

/// An entry of the activity log. It is read from what is stored anyway: the instance, and the events that tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// The instance was created.
    Created(Timestamp),
    /// An event tells of it.
    Event(Box<Event>),
}

/// An action, as a filter names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityWord {
    /// [`Activity::Created`].
    Created,
    /// Events of this kind.
    Kind(EventKind),
    /// Events of the kind `InstanceChanged` that tell of this.
    Action(InstanceAction),
}

/// Which entries, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityWish {
    /// Only these actions; empty means all.
    pub actions: Vec<ActivityWord>,
    /// Only what happened at or after this time.
    pub start: Option<Timestamp>,
    /// Only what happened at or before this time.
    pub end: Option<Timestamp>,
    /// How many to return, at most [`crate::MAX_PAGE`].
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
}

impl Activity {
    /// What happened, as a word: [`ActivityWord`] reads it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Created(_) => CREATED,
            Self::Event(event) => match &event.data {
                EventData::InstanceChanged(told) => told.action.as_str(),
                data => data.kind().as_str(),
            },
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Created(at) => *at,
            Self::Event(event) => event.timestamp,
        }
    }
}

impl ActivityWord {
    /// Every word that [`Self::parse`] knows.
    pub fn all() -> impl Iterator<Item = &'static str> {
        let kinds = EventKind::OF_INSTANCE.iter().map(|kind| kind.as_str());
        let actions = InstanceAction::ALL.iter().map(|action| action.as_str());
        std::iter::once(CREATED).chain(kinds).chain(actions)
    }

    /// The word that [`Activity::action`] gave.
    pub fn parse(word: &str) -> Option<Self> {
        if word == CREATED {
            return Some(Self::Created);
        }
        let kind = word.parse().ok().filter(|kind| EventKind::OF_INSTANCE.contains(kind));
        kind.map(Self::Kind).or_else(|| word.parse().ok().map(Self::Action))
    }
}

impl ActivityWish {
    fn query(&self) -> ActivityQuery {
        let Self { start, end, limit, skip, .. } = *self;
        let mut filter = ActivityFilter::default();
        for word in &self.actions {
            match word {
                ActivityWord::Created => {}
                ActivityWord::Kind(kind) => filter.kinds.push(*kind),
                ActivityWord::Action(action) => filter.actions.push(*action),
            }
        }
        let only = (!self.actions.is_empty()).then_some(filter);
        ActivityQuery { only, start, end, limit, skip }
    }

    /// Whether the beginning of this instance is asked for.
    fn wants_creation(&self, instance: &Instance) -> bool {
        let at = instance.created_at;
        let in_time = self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end);
        in_time && (self.actions.is_empty() || self.actions.contains(&ActivityWord::Created))
    }
}

impl EventService {
    /// A page of what happened to the instance itself, newest first; its creation comes last. It reaches as far back as
    /// events are kept.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for a limit of 0 or above [`crate::MAX_PAGE`].
    pub async fn activity(
        &self,
        caller: &Caller,
        instance: InstanceId,
        wish: &ActivityWish,
    ) -> Result<Page<Activity>, ServiceError> {
        check_limit(wish.limit, MAX_PAGE)?;
        self.catch_up(caller, instance).await;
        let stored = self.storage.instance(caller.user, instance).await?;
        let stored = stored.ok_or(ServiceError::NotFound { what: Missing::Instance })?;
        let page = self.storage.activity(caller.user, instance, &wish.query()).await?;
        let page = page.map(|event| Activity::Event(Box::new(event)));
        Ok(if wish.wants_creation(&stored) { with_creation(page, stored.created_at, wish) } else { page })
    }
}

/// The page of a list that has one more entry at its end.
fn with_creation(mut page: Page<Activity>, at: Timestamp, wish: &ActivityWish) -> Page<Activity> {
    let is_due = !page.has_more && wish.skip <= page.total;
    let fits = (page.items.len() as u64) < wish.limit;
    if is_due && fits {
        page.items.push(Activity::Created(at));
    }
    Page { total: page.total + 1, has_more: page.has_more || (is_due && !fits), ..page }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_and_no_other() {
        for kind in EventKind::OF_INSTANCE.iter().filter(|kind| **kind != EventKind::InstanceChanged) {
            assert_eq!(ActivityWord::parse(kind.as_str()), Some(ActivityWord::Kind(*kind)));
        }
        for action in InstanceAction::ALL {
            assert_eq!(ActivityWord::parse(action.as_str()), Some(ActivityWord::Action(*action)));
        }
        assert_eq!(ActivityWord::parse("created"), Some(ActivityWord::Created));
        assert_eq!(ActivityWord::parse("message_received"), None);
    }

    #[test]
    fn creation_is_the_last_entry_of_the_last_page() {
        let at = Timestamp::from_millis(7);
        let entry = || Activity::Created(Timestamp::default());
        // Of three entries before it, pages of two.
        let page = |skip, len: usize, has_more| {
            let wish = ActivityWish { actions: Vec::new(), start: None, end: None, limit: 2, skip };
            let items = (0..len).map(|_| entry()).collect();
            let page = with_creation(Page { items, total: 3, has_more, next: None }, at, &wish);
            assert_eq!(page.total, 4);
            (page.items.last().is_some_and(|last| last.at() == at), page.items.len(), page.has_more)
        };
        assert_eq!(page(0, 2, true), (false, 2, true));
        assert_eq!(page(1, 2, false), (false, 2, true));
        assert_eq!(page(2, 1, false), (true, 2, false));
        assert_eq!(page(3, 0, false), (true, 1, false));
        assert_eq!(page(4, 0, false), (false, 0, false));
    }
}
