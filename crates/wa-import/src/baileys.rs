//! The store of Baileys: a value for each type and id, as JSON.

mod creds;
mod keys;
mod sender_key;
mod session;

use serde_json::Value;
use wa_store::Device;

use crate::gathering::Gathering;
use crate::import::Import;
use crate::json::{object, parse, unwrapped};
use crate::{ImportError, Problem};

/// A store of Baileys, read piece by piece.
///
/// Facts: Baileys 7.0.0-rc14, `lib/Utils/use-multi-file-auth-state.js` (names of files, `BufferJSON`), `lib/Types/Auth.d.ts` (types),
/// `lib/Signal/libsignal.js` (ids); libsignal 6.0.0 for Node, `src/session_record.js`.
#[derive(Default)]
pub struct Baileys {
    gathering: Gathering,
    creds: Option<Value>,
}

/// What the file of the credentials is called.
const CREDS: &str = "creds";
const ENDING: &str = ".json";
/// What a store that is one document is called in errors.
const DOCUMENT: &str = "document";

/// The types of Baileys: as files begin with them, and as the single file of old calls them. A longer name comes before one
/// that it begins with.
const TYPES: [(&str, &str); 10] = [
    ("app-state-sync-key", "appStateSyncKeys"),
    ("app-state-sync-version", "appStateVersions"),
    ("device-list", "deviceLists"),
    ("identity-key", "identityKeys"),
    ("lid-mapping", "lidMappings"),
    ("pre-key", "preKeys"),
    ("sender-key-memory", "senderKeyMemory"),
    ("sender-key", "senderKeys"),
    ("session", "sessions"),
    ("tctoken", "tcTokens"),
];

impl Baileys {
    /// A file of the folder. Only the name counts, without its path; files of other kinds are passed over.
    pub fn file(&mut self, name: &str, content: &[u8]) {
        if let Err(problem) = self.read(name, content) {
            self.gathering.leave_out(name, problem);
        }
    }

    /// Whether more was given than a store has: nothing more needs to be read, [`Self::finish`] says so.
    pub fn is_full(&self) -> bool {
        self.gathering.is_full()
    }

    /// A whole store in one document.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn document(&mut self, content: &[u8]) -> Result<(), ImportError> {
        let read = self.gathering.weigh_store(content).and_then(|()| parse(content));
        self.value(read.map_err(|problem| problem.at(DOCUMENT))?)
    }

    /// The same where it was parsed already.
    ///
    /// # Errors
    /// When it is no object.
    pub fn value(&mut self, document: Value) -> Result<(), ImportError> {
        object(&document, "store").map_err(|problem| problem.at(DOCUMENT))?;
        let Value::Object(fields) = document else { return Ok(()) };
        for (name, value) in fields {
            match (name.as_str(), unwrapped(value)) {
                ("keys", Value::Object(types)) => {
                    for (kind, entries) in types {
                        self.entries(&kind, entries);
                    }
                }
                (_, value) => self.named(&name, value),
            }
        }
        Ok(())
    }

    /// Everything together. `now`: Unix seconds, since when the signed prekey counts as the present one where its age isn't known.
    ///
    /// # Errors
    /// Without credentials that can be read, and for a device that isn't linked.
    pub fn finish(self, now: i64) -> Result<Import, ImportError> {
        let creds = self.creds.ok_or(ImportError::NoCredentials("creds.json"))?;
        let device: Device = creds::device(&creds, now).map_err(|problem| problem.at("creds.json"))?;
        if !device.is_paired() {
            return Err(ImportError::NotLinked("creds.json"));
        }
        self.gathering.finish(device)
    }

    fn read(&mut self, name: &str, content: &[u8]) -> Result<(), Problem> {
        self.gathering.weigh(content)?;
        let Some(name) = name.strip_suffix(ENDING) else {
            self.gathering.pass_over();
            return Ok(());
        };
        let value = parse(content)?;
        self.named(name, value);
        Ok(())
    }

    /// All of a type, by their ids.
    fn entries(&mut self, kind: &str, entries: Value) {
        let known = TYPES.iter().find(|(name, old)| kind == *name || kind == *old);
        match (known, entries) {
            (Some((kind, _)), Value::Object(entries)) => {
                for (id, value) in entries {
                    let place = format!("{kind} {id}");
                    self.entry(kind, &id, &unwrapped(value), &place);
                }
            }
            _ => self.gathering.pass_over(),
        }
    }

    /// What a file of this name holds.
    fn named(&mut self, name: &str, value: Value) {
        let stem = name.strip_suffix(ENDING).unwrap_or(name);
        if stem == CREDS {
            self.creds = Some(value);
            return;
        }
        let kind = TYPES.iter().find_map(|(kind, _)| {
            let id = stem.strip_prefix(kind)?.strip_prefix('-')?;
            Some((*kind, id))
        });
        match kind {
            Some((kind, id)) => self.entry(kind, &id_of(id), &value, name),
            None => self.gathering.pass_over(),
        }
    }

    fn entry(&mut self, kind: &str, id: &str, value: &Value, place: &str) {
        if value.is_null() {
            return;
        }
        let gathering = &mut self.gathering;
        let read = match kind {
            "session" => keys::session(gathering, id, value),
            "identity-key" => keys::identity(gathering, id, value),
            "pre-key" => keys::prekey(gathering, id, value),
            "sender-key" => keys::sender_key(gathering, id, value),
            "sender-key-memory" => keys::key_holders(gathering, id, value),
            "app-state-sync-key" => keys::app_state_key(gathering, id, value),
            "app-state-sync-version" => keys::app_state(gathering, id, value),
            "lid-mapping" => keys::lid_mapping(gathering, id, value),
            "tctoken" => keys::token(gathering, id, value),
            _ => {
                gathering.pass_over();
                Ok(())
            }
        };
        if let Err(problem) = read {
            self.gathering.leave_out(place, problem);
        }
    }
}

/// The id in the name of a file, where `/` is written `__`. What `:` was can't be told, and matters nowhere.
fn id_of(part: &str) -> String {
    part.replace("__", "/")
}

#[cfg(test)]
mod tests;
