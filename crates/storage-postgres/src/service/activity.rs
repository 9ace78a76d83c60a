//! Events that tell of the instance itself: read through an index that holds no others.

use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
use storage::{ActivityFilter, ActivityQuery, Budget, Event, EventKind, InstanceId, Page};
use storage_sql::rows::event::{EventRow, OF_INSTANCE};
use storage_sql::rows::{count, limit};
use storage_sql::schema::events;
use storage_sql::{Fault, Sealer};

/// What an event of the kind `instance_changed` tells of; nothing, if it can't be read.
const ACTION: &str = "coalesce(substring(data FROM '\"action\":\"([a-z_]+)\"'), '')";

pub(super) async fn page(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    query: &ActivityQuery,
    sealer: &Sealer,
) -> Result<Page<Event>, Fault> {
    let total = count(matching(key, query).count().get_result(db).await?);
    // Within an instance times never fall as positions grow, so this is the order of the log.
    let rows = matching(key, query)
        .select(EventRow::as_select())
        .order((events::timestamp.desc(), events::seq.desc()))
        .limit(limit(query.limit))
        .offset(limit(query.skip));
    let (mut items, mut budget) = (Vec::new(), Budget::default());
    let mut rows = rows.load_stream::<EventRow>(db).await?;
    while let Some(row) = rows.try_next().await? {
        if !budget.has_room() {
            break;
        }
        budget.take(row.size());
        items.push(row.open(instance, sealer));
    }
    let has_more = query.skip.saturating_add(items.len() as u64) < total;
    Ok(Page { items, total, has_more, next: None })
}

fn matching(key: i64, query: &ActivityQuery) -> events::BoxedQuery<'_, Pg> {
    let of_instance = events::table.filter(events::instance.eq(key)).filter(sql::<Bool>(OF_INSTANCE));
    let mut matching = of_instance.into_boxed();
    if let Some(start) = query.start {
        matching = matching.filter(events::timestamp.ge(start.millis()));
    }
    if let Some(end) = query.end {
        matching = matching.filter(events::timestamp.le(end.millis()));
    }
    if let Some(ActivityFilter { kinds, actions }) = &query.only {
        let of_kind = events::kind.eq_any(kinds.iter().map(|kind| kind.as_str()));
        let of_action = events::kind
            .eq(EventKind::InstanceChanged.as_str())
            .and(sql::<Text>(ACTION).eq_any(actions.iter().map(|action| action.as_str())));
        matching = matching.filter(of_kind.or(of_action));
    }
    matching
}
