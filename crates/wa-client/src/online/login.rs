use wa_binary::Node;

use super::{Online, Phase};
use crate::end::End;
use crate::event::Event;
use crate::iq;
use crate::keeper::Flow;
use crate::look_up::Answered;
use crate::query;
use crate::request::{Presence, RequestError};
use crate::state::State;

impl Online<'_> {
    /// The login of PROTOCOL.md 7.1, with what belongs to it.
    pub(super) async fn on_success(&mut self, node: &Node<'_>) -> Result<(), End> {
        let context = &mut self.context;
        if let Some(Ok(server)) = node.attrs.number::<i64>("t") {
            let offset = server.saturating_sub(context.shared.clock.unix_millis() / 1000);
            context.mirror.device.server_clock_offset = offset;
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
            let flow = self.keeper.begin(context);
            context.look_ups.start(async move { Answered::LoggedIn(log_in(flow).await) });
        }
        Ok(())
    }

    pub(super) async fn on_logged_in(&mut self, outcome: Result<(), RequestError>) -> Result<(), End> {
        self.keeper.done(&mut self.context, outcome)?;
        let session = iq::session::unified_session(self.context.server_millis());
        self.context.link.send(&session).await?;
        if self.context.shared.config.available {
            self.announce(Presence::Available).await?;
        }
        self.phase = Phase::Ready;
        self.context.timers.in_use();
        self.embedder.set_state(State::Online);
        self.embedder.outlet.push(Event::Connected);
        self.keeper.plan_rotation(&mut self.context);
        Ok(())
    }

    pub(super) async fn announce(&mut self, presence: Presence) -> Result<(), End> {
        self.receiver.is_available = presence == Presence::Available;
        query::announce(&mut self.context, presence).await
    }
}

/// From the server's word that the credentials are good to its word that it delivers.
async fn log_in(mut keys: Flow) -> Result<(), RequestError> {
    keys.supply().await?;
    match keys.asker.ask(iq::session::active()).await {
        Err(error @ (RequestError::TimedOut | RequestError::Stopped)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "the server refused to become active");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}
