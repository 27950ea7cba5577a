//! Begins a cluster again that lost its majority for good: the files of a stopped server are changed.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{cli::RecoverArgs, raft};

/// Makes this server and those to keep the whole cluster, or only says what that would do.
///
/// # Errors
/// In words that name the directory or the server, and the remedy. Nothing was changed then.
pub fn recover(args: &RecoverArgs) -> Result<String, String> {
    let dir = args.data_dir.join("server").join("raft");
    let own = raft::stored_id(&dir).map_err(|error| error.to_string())?.ok_or_else(|| {
        format!(
            "{} holds no log: give the `data_dir` of a server that was part of the cluster",
            dir.display()
        )
    })?;
    let alone =
        raft::RecoverPlan { voters: BTreeMap::from([(own, String::from("?"))]), ..Default::default() };
    let now = raft::recover(&dir, &alone, true).map_err(|error| error.to_string())?.before;
    let known = |address: &str| now.voters.iter().chain(&now.learners).find(|(_, known)| *known == address);
    let plan = match &args.peers {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            raft::RecoverPlan::from_peers_json(&text, |_| None)
                .map_err(|problem| format!("{}: {problem}", path.display()))?
        }
        None => {
            let mut voters = BTreeMap::new();
            let address = now.address_of(own).cloned().ok_or("the log does not name this server")?;
            voters.insert(own, address);
            for keep in &args.keep {
                let (id, address) = known(keep).ok_or_else(|| {
                    format!("-keep {keep}: the log knows no such server; it knows {}", listed(&now.voters))
                })?;
                voters.insert(*id, address.clone());
            }
            raft::RecoverPlan { voters, ..Default::default() }
        }
    };
    let report = raft::recover(&dir, &plan, args.dry_run).map_err(|error| error.to_string())?;
    let mut text = format!(
        "Server            = {}\nLast entry        = {} (term {})\nNewest snapshot   = {}\nEntries after it  = {}\n\
         Servers in log    = {}\nServers then      = {}\n\n",
        report.own,
        report.last_index,
        report.last_term,
        report.snapshot_index,
        report.entries,
        listed(&report.before.voters),
        listed(&report.after.voters),
    );
    let _ = if report.done {
        write!(
            text,
            "Recovered. Do the same with the files of each other server that goes on, with the same list, before one of \
             them is started; remove the data of the others."
        )
    } else {
        write!(
            text,
            "Nothing was changed (-dry-run). All entries above will count, also those that no majority had. Do this on \
             the server with the highest last entry first, and only when the others are gone for good."
        )
    };
    Ok(text)
}

fn listed(servers: &BTreeMap<u64, String>) -> String {
    servers.values().cloned().collect::<Vec<_>>().join(", ")
}
