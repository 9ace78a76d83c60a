//! The simulator, seen by a client that is made of the codecs alone.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod client;
mod communities;
#[cfg(test)]
mod control;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod files;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod impostor;
#[cfg(test)]
mod iqs;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod link_code;
#[cfg(test)]
mod login;
#[cfg(test)]
mod media;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod newsletters;
#[cfg(test)]
mod odd_messages;
#[cfg(test)]
mod pairing;
#[cfg(test)]
mod queue;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod references;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod statuses;
#[cfg(test)]
mod trust;
