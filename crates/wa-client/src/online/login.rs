use wa_binary::Node;
use wa_store::LidMigration;

use super::{Online, Phase};
use crate::config::Delivery;
use crate::context::Context;
use crate::end::End;
use crate::event::Event;
use crate::iq;
use crate::keeper::Flow;
use crate::look_up::{Answered, LoggedIn};
use crate::query;
use crate::request::{Presence, RequestError};
use crate::standing;
use crate::state::State;

impl Online<'_> {
    /// The login of PROTOCOL.md 7.1, with what belongs to it.
    pub(super) async fn on_success(&mut self, node: &Node<'_>) -> Result<(), End> {
        let context = &mut self.context;
        if let Some(Ok(server)) = node.attrs.number::<i64>("t") {
            let offset = server.saturating_sub(context.shared.clock.unix_millis() / 1000);
            context.mirror.device.server_clock_offset = offset;
            context.shared.server_clock.set(server);
        }
        let lid = node.attrs.jid("lid").filter(|lid| lid.is_lid()).cloned();
        if let Some(lid) = lid.filter(|lid| context.mirror.device.lid.as_ref() != Some(lid)) {
            if let Some(pn) = context.mirror.device.jid.clone() {
                context.learn_lid(&pn, &lid).await?;
            }
            context.mirror.device.lid = Some(lid);
            context.mirror.device_changed();
            context.mirror.must_commit();
        }
        if matches!(self.phase, Phase::AwaitSuccess(_)) {
            self.phase = Phase::LoggingIn;
            context.mirror.device.logins = context.mirror.device.logins.saturating_add(1);
            context.mirror.device.ban = None;
            context.mirror.device_changed();
            let flow = self.keeper.begin(context).impatient();
            context.look_ups.start(async move { Answered::LoggedIn(log_in(flow).await) });
        }
        Ok(())
    }

    pub(super) async fn on_logged_in(&mut self, logged_in: LoggedIn) -> Result<(), End> {
        self.keeper.supplied(&mut self.context, logged_in.keys)?;
        if !logged_in.is_active {
            self.context.look_up(|asker| async move {
                Answered::Activated(asker.ask(iq::session::active()).await.map(drop))
            });
        }
        let session = iq::session::unified_session(self.context.server_millis());
        self.context.link.send(&session).await?;
        if self.context.shared.config.available {
            self.announce(Presence::Available).await?;
        } else {
            self.announce_name().await?;
        }
        self.phase = Phase::Ready;
        self.context.timers.in_use();
        self.embedder.outlet.resume();
        self.embedder.set_state(State::Online);
        self.embedder.outlet.push(Event::Connected);
        self.keeper.plan_rotation(&mut self.context);
        if self.context.mirror.device.lid_migration != LidMigration::Done {
            self.context
                .look_up(|asker| async move { Answered::Props(asker.ask(iq::account::props()).await) });
        }
        self.standing.after_login(&mut self.context);
        self.app_state.after_login(&mut self.context);
        // A fetch ends with its connection.
        if self.context.mirror.history.fetching.take().is_some() {
            self.context.mirror.history.look_again();
        }
        self.sender.ask_phone(&mut self.context).await
    }

    /// Says by which name the account goes, without saying that anybody is there.
    pub(super) async fn announce_name(&mut self) -> Result<(), End> {
        self.context.mirror.take_name_news();
        match standing::name_announcement(&self.context) {
            Some(presence) => Ok(self.context.link.send(&presence).await?),
            None => Ok(()),
        }
    }

    pub(super) async fn announce(&mut self, presence: Presence) -> Result<(), End> {
        let is_always_shown = self.context.shared.config.delivery == Delivery::Shown;
        self.receiver.is_shown = is_always_shown || presence == Presence::Available;
        query::announce(&mut self.context, presence).await
    }
}

/// The server has said how the account's chats are keyed. Without an answer it shows when a message is refused.
pub(super) async fn on_props(
    context: &mut Context<'_>,
    answer: Result<Node<'static>, RequestError>,
) -> Result<(), End> {
    let migrated = answer.as_ref().ok().and_then(iq::account::is_lid_migrated);
    if let Some(migrated) = migrated {
        let migration = if migrated { LidMigration::Done } else { LidMigration::Pending };
        context.mirror.set_lid_migration(migration);
    }
    context.commit_if_urgent().await
}

/// From the server's word that the credentials are good to its word that it delivers. What it leaves unanswered holds
/// the login up for a moment only, and however much it leaves unanswered, for one: it is asked again beside everything else.
async fn log_in(mut keys: Flow) -> LoggedIn {
    let supplied = keys.supply().await;
    if supplied == Err(RequestError::TimedOut) {
        return LoggedIn { keys: supplied, is_active: false };
    }
    let is_active = match keys.asker.ask(iq::session::active()).await {
        Err(RequestError::TimedOut) => false,
        Err(error) => {
            tracing::warn!(%error, "the server refused to become active");
            true
        }
        Ok(_) => true,
    };
    LoggedIn { keys: supplied, is_active }
}
