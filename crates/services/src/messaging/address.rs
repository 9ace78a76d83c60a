//! From which instance a message leaves, and to whom.

use std::sync::Arc;
use std::time::Duration;

use storage::{InstanceId, Missing};
use tokio::time::{Instant, timeout_at};
use wa_binary::Jid;
use wa_client::{Limit, Person, SendError};

use super::MessagingService;
use crate::auth::Caller;
use crate::error::ServiceError;
use crate::field::Field;
use crate::mapping::ChatNames;
use crate::recipient::{is_shared, parse_addressee};
use crate::running::RunningInstance;
use crate::status::ConnectionStatus;

/// How long WhatsApp may take to say who the recipient is: the rest of a caller's patience is for storing the message.
pub(super) const WHO_IS_TIMEOUT: Duration = Duration::from_secs(5);

impl MessagingService {
    /// The beginning of every call that sends: the instance, if it runs, and the recipient.
    pub(super) async fn addressed(
        &self,
        caller: &Caller,
        instance: InstanceId,
        phone: &str,
    ) -> Result<(Option<Arc<RunningInstance>>, Jid), ServiceError> {
        let running = self.find(caller, instance).await?;
        let to = parse_addressee(phone)
            .map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))?;
        Ok((running, to))
    }

    /// The caller's instance, if it runs.
    pub(super) async fn find(
        &self,
        caller: &Caller,
        instance: InstanceId,
    ) -> Result<Option<Arc<RunningInstance>>, ServiceError> {
        let running = self.supervisor.find(caller.user, instance);
        if running.is_none() && self.storage.instance(caller.user, instance).await?.is_none() {
            return Err(ServiceError::NotFound { what: Missing::Instance });
        }
        Ok(running)
    }

    /// The names of the chat to write to; under a limit nobody is even asked who that is.
    pub(super) async fn names_to_write_to(
        &self,
        running: &RunningInstance,
        to: &Jid,
        limit: Option<Limit>,
    ) -> Result<ChatNames, ServiceError> {
        match limit {
            Some(_) => Ok(ChatNames::new(to, to.is_pn().then_some(to), to.is_lid().then_some(to))),
            None => self.names(running, to, Instant::now() + WHO_IS_TIMEOUT).await,
        }
    }

    /// The chat with a user under all its names: what the account is called is WhatsApp's to say, not the caller's. If
    /// it doesn't say so in time, the message goes on under the name that was given.
    pub(super) async fn names(
        &self,
        running: &RunningInstance,
        to: &Jid,
        deadline: Instant,
    ) -> Result<ChatNames, ServiceError> {
        if is_shared(to) || to.is_newsletter() {
            return Ok(ChatNames::new(to, None, None));
        }
        let person = match running.recorder.person(to) {
            Some(person) => person,
            None => match timeout_at(deadline, running.companion.who_is(to)).await {
                Ok(Ok(person)) => {
                    running.recorder.met(to, &person);
                    person
                }
                Ok(Err(SendError::NotOnWhatsApp)) => {
                    return Err(ServiceError::invalid(Field::Recipient, "is not on WhatsApp"));
                }
                Ok(Err(_)) | Err(_) => Person::default(),
            },
        };
        let known = match (&person.pn, to.is_lid()) {
            (None, true) => self.supervisor.number_of(running.instance, &to.user).await.map(Jid::pn),
            _ => None,
        };
        let pn = person.pn.or(known);
        let wire = person.lid.as_ref().or(pn.as_ref()).unwrap_or(to);
        Ok(ChatNames::new(wire, pn.as_ref(), person.lid.as_ref()))
    }

    /// The instance, if it is online.
    pub(super) async fn online(
        &self,
        caller: &Caller,
        instance: InstanceId,
        running: Option<Arc<RunningInstance>>,
    ) -> Result<Arc<RunningInstance>, ServiceError> {
        let connection = match running {
            Some(running) if running.is_online() => return Ok(running),
            Some(running) => ConnectionStatus::of_state(&running.state()),
            None => {
                let stored = self.storage.instance(caller.user, instance).await?;
                self.supervisor.status(&stored.ok_or(ServiceError::NotFound { what: Missing::Instance })?)
            }
        };
        Err(ServiceError::not_connected(&connection))
    }
}
