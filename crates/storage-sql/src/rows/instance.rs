//! Instances.

use diesel::prelude::*;
use storage::{
    CauseKind, ConnectionCause, ConnectionSettings, DeviceLook, Instance, InstanceStatus, MediaDownload,
    Part, Retention, SecretText, UsageLimits, UserId,
};

use super::{instance_id, time, user_id};
use crate::fault::Fault;
use crate::schema::instances;
use crate::seal::{Place, Sealer};
use crate::unreadable;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = instances, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct InstanceRow {
    pub id: Vec<u8>,
    pub owner: Vec<u8>,
    pub name: String,
    pub description: Option<String>,
    pub tags: String,
    pub event_days: Option<i64>,
    pub message_days: Option<i64>,
    pub media_days: Option<i64>,
    pub media_download: Option<String>,
    pub proxy: Option<Vec<u8>>,
    pub shows_delivery: bool,
    pub device_name: Option<String>,
    pub device_icon: Option<String>,
    pub limits: Option<String>,
    pub status: String,
    pub status_cause: Option<String>,
    pub jid: Option<String>,
    pub lid: Option<String>,
    pub phone: Option<String>,
    pub push_name: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl InstanceRow {
    pub fn new(instance: Instance, sealer: &Sealer) -> Result<Self, Fault> {
        let ConnectionSettings { proxy, shows_delivery } = &instance.connection;
        let place = Place { column: PROXY, row: &[instance.id.as_bytes()] };
        let proxy = proxy.as_ref().map(|proxy| sealer.seal(&place, proxy.expose().as_bytes())).transpose()?;
        Ok(Self {
            proxy,
            shows_delivery: *shows_delivery,
            id: instance.id.as_bytes().to_vec(),
            owner: instance.owner.as_bytes().to_vec(),
            name: instance.name,
            description: instance.description,
            tags: serde_json::to_string(&instance.tags).map_err(|error| Fault::corrupt("tags", error))?,
            event_days: instance.retention.event_days.map(i64::from),
            message_days: instance.retention.message_days.map(i64::from),
            media_days: instance.retention.media_days.map(i64::from),
            media_download: instance.media_download.map(|when| when.as_str().to_owned()),
            device_name: instance.look.name,
            limits: limits_text(&instance.limits)?,
            device_icon: instance.look.icon.map(|icon| icon.as_str().to_owned()),
            status: instance.status.as_str().to_owned(),
            status_cause: instance.status_cause.map(|cause| cause.to_string()),
            jid: instance.jid,
            lid: instance.lid,
            phone: instance.phone,
            push_name: instance.push_name,
            created_at: instance.created_at.millis(),
            updated_at: instance.updated_at.millis(),
        })
    }

    /// The instance, without the parts that can't be read. An error only if nobody could name it.
    pub fn open(self, last_activity: Option<i64>, sealer: &Sealer) -> Result<Instance, Fault> {
        let id = instance_id(&self.id)?;
        let mut unreadable = Vec::new();
        let mut without = |part, fault| {
            unreadable::tell("instances", id, &part, &fault);
            unreadable.push(part);
        };
        let (status, status_cause) = self.state().unwrap_or_else(|fault| {
            without(Part::State, fault);
            (InstanceStatus::Disconnected, Some(CauseKind::Unreadable.into()))
        });
        let proxy = self.open_proxy(sealer).unwrap_or_else(|fault| {
            without(Part::Proxy, fault);
            None
        });
        let icon = self.device_icon.as_ref().map(|icon| icon.parse()).transpose().unwrap_or_else(|word| {
            without(Part::DeviceIcon, Fault::from(word));
            None
        });
        let limits = self.limits().unwrap_or_else(|fault| {
            without(Part::Limits, fault);
            UsageLimits::default()
        });
        let media_download = self.media_download.as_ref().map(|when| when.parse()).transpose();
        let media_download = media_download.unwrap_or_else(|word| {
            without(Part::MediaDownload, Fault::from(word));
            Some(MediaDownload::Demand)
        });
        let retention = self.retention();
        Ok(Instance {
            connection: ConnectionSettings { proxy, shows_delivery: self.shows_delivery },
            limits,
            id,
            // Whose it is can't be told by anything else.
            owner: user_id(&self.owner).unwrap_or(UserId::NOBODY),
            name: self.name,
            description: self.description,
            // Nothing but a list depends on them.
            tags: serde_json::from_str(&self.tags).unwrap_or_default(),
            retention,
            media_download,
            look: DeviceLook { name: self.device_name, icon },
            status,
            status_cause,
            jid: self.jid,
            lid: self.lid,
            phone: self.phone,
            push_name: self.push_name,
            last_activity: last_activity.map(time),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            unreadable,
        })
    }

    fn state(&self) -> Result<(InstanceStatus, Option<ConnectionCause>), Fault> {
        Ok((self.status.parse()?, self.status_cause.as_ref().map(|cause| cause.parse()).transpose()?))
    }

    fn retention(&self) -> Retention {
        Retention {
            event_days: days(self.event_days),
            message_days: days(self.message_days),
            media_days: days(self.media_days),
        }
    }

    fn limits(&self) -> Result<UsageLimits, Fault> {
        let Some(text) = &self.limits else { return Ok(UsageLimits::default()) };
        serde_json::from_str(text).map_err(|error| Fault::corrupt("limits of an instance", error))
    }

    fn open_proxy(&self, sealer: &Sealer) -> Result<Option<SecretText>, Fault> {
        let Some(sealed) = &self.proxy else { return Ok(None) };
        let proxy = sealer.open(&Place { column: PROXY, row: &[&self.id] }, sealed)?;
        let proxy = std::str::from_utf8(&proxy).map_err(|error| Fault::corrupt(PROXY, error))?;
        Ok(Some(SecretText::new(proxy)))
    }

    /// Leaves what can't be read as it is stored: whoever changes something else doesn't destroy it.
    pub fn keep(&mut self, stored: Self, unreadable: &[Part]) {
        if unreadable.contains(&Part::State) {
            (self.status, self.status_cause) = (stored.status, stored.status_cause);
        }
        if unreadable.contains(&Part::Proxy) {
            self.proxy = stored.proxy;
        }
        if unreadable.contains(&Part::DeviceIcon) {
            self.device_icon = stored.device_icon;
        }
        if unreadable.contains(&Part::Limits) {
            self.limits = stored.limits;
        }
        if unreadable.contains(&Part::MediaDownload) {
            self.media_download = stored.media_download;
        }
    }
}

fn limits_text(limits: &UsageLimits) -> Result<Option<String>, Fault> {
    let text = (*limits != UsageLimits::default()).then(|| serde_json::to_string(limits)).transpose();
    text.map_err(|error| Fault::corrupt("limits of an instance", error))
}

/// Where proxies are sealed.
pub const PROXY: &str = "instances.proxy";

pub fn days(stored: Option<i64>) -> Option<u32> {
    stored.map(|days| u32::try_from(days).unwrap_or(u32::MAX))
}
