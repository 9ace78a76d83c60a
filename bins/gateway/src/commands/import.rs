use std::error::Error;

use storage::Clock;
use wa_import::{Counts, Import};

use super::{configure, say};
use crate::cli::{ImportArguments, Start};
use crate::moving;

/// What is said before anything is read, and why nothing is stored without `--old-side-stopped`.
const WARNING: &str = "\
The gateway that has written the store must be stopped, for good. Both sides move the same keys on with every message: if it \
goes on, each throws the other off WhatsApp's server, and messages can't be read by anybody.";

/// `trunkline import …`.
pub(super) async fn run(arguments: ImportArguments) -> Result<(), Box<dyn Error>> {
    say(WARNING)?;
    let ImportArguments { store, user, name, device, dry_run, old_side_stopped } = arguments;
    let now = Clock::system().now().seconds();
    let import = moving::read(&store, device.as_deref(), now)?;
    tell(&import)?;
    if dry_run {
        say("Nothing was stored: it was a dry run.")?;
        return Ok(());
    }
    if !old_side_stopped {
        return Err("nothing was stored; stop the old gateway, then say so with --old-side-stopped".into());
    }
    let config = configure(Start::default())?;
    let instance = moving::take_over(&config, &user, &name, import).await?;
    say(&format!("The instance {instance} goes on with the device, once the gateway is started."))?;
    Ok(())
}

fn tell(import: &Import) -> std::io::Result<()> {
    let Counts {
        sessions,
        identities,
        prekeys,
        sender_keys,
        app_state_keys,
        app_states,
        lid_mappings,
        privacy_tokens,
        contacts,
        left_out,
        passed_over,
    } = import.counts;
    if let Some(account) = import.account() {
        say(&format!("account                     {account}"))?;
    }
    for (what, count) in [
        ("sessions", sessions),
        ("identities", identities),
        ("prekeys", prekeys),
        ("sender keys", sender_keys),
        ("keys of the app state", app_state_keys),
        ("collections of it", app_states),
        ("pairs of number and LID", lid_mappings),
        ("privacy tokens", privacy_tokens),
        ("contacts", contacts),
        ("of no use here", passed_over),
        ("can't be read, left out", left_out),
    ] {
        say(&format!("{what:<24}{count:>8}"))?;
    }
    for it in &import.left_out {
        say(&format!("  {}: {}", it.place, it.problem))?;
    }
    Ok(())
}
