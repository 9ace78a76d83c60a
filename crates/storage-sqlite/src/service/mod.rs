//! The store traits of `storage`, one file per concern: the row, its conversion, the statements, the trait.

mod activity;
mod attempts;
mod audit;
mod burial;
mod claims;
mod consumers;
mod contacts;
mod deliveries;
mod dialects;
mod early;
mod events;
mod instances;
mod keys;
mod leases;
mod messages;
mod ownership;
mod prune;
mod receipts;
mod record;
mod resealing;
mod scheduled;
mod search;
mod settings;
mod usage;
mod users;
mod webhooks;
