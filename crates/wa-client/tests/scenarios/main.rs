//! What a companion goes through, against the simulator, on paused time and without a socket.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod app_states;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod communities;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod disappearing;
#[cfg(test)]
mod dropping;
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../examples/echo.rs"]
mod echo;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod linking;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod media;
#[cfg(test)]
mod moved_lids;
#[cfg(test)]
mod newsletters;
#[cfg(test)]
mod odd_messages;
#[cfg(test)]
mod other_chats;
#[cfg(test)]
mod pairing;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod people;
#[cfg(test)]
mod phone_resends;
#[cfg(test)]
mod puppet;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod receiving;
#[cfg(test)]
mod references;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod sockets;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod statuses;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod talking;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod unreadable;
