//! Remembers who was there, so that an agent that starts again finds the others without being told.

use std::{fs, io, net::SocketAddr, path::Path, time::Duration};

use tracing::{debug, warn};

use crate::net::gossip::Gossip;

/// File in the data directory: one address of gossip (`ip:port`) per line.
const FILE: &str = "gossip-peers";
/// Changes that come together are written together.
const QUIET: Duration = Duration::from_secs(2);
/// More are not needed to find the rest.
const MOST: usize = 64;

/// Those of the last run. A file that cannot be read is as good as none.
pub(super) fn read(dir: &Path) -> Vec<SocketAddr> {
    match fs::read_to_string(dir.join(FILE)) {
        Ok(text) => text.lines().filter_map(|line| line.trim().parse().ok()).take(MOST).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            warn!(%error, file = %dir.join(FILE).display(), "the members of before are not known");
            Vec::new()
        }
    }
}

/// Writes them down whenever they change.
pub(super) async fn keep(dir: std::path::PathBuf, gossip: Gossip) {
    let mut changes = gossip.changes();
    let mut written = read(&dir);
    while changes.changed().await.is_ok() {
        tokio::time::sleep(QUIET).await;
        changes.mark_unchanged();
        let mut now: Vec<SocketAddr> = gossip.known_members().into_iter().take(MOST).collect();
        now.sort_unstable();
        // Alone: whoever was there before may come back.
        if now.is_empty() || now == written {
            continue;
        }
        let dir = dir.clone();
        let text: String = now.iter().map(|address| format!("{address}\n")).collect();
        let done = tokio::task::spawn_blocking(move || {
            let new = dir.join(format!("{FILE}.new"));
            fs::write(&new, text)?;
            fs::rename(new, dir.join(FILE))
        });
        match done.await {
            Ok(Ok(())) => written = now,
            Ok(Err(error)) => debug!(%error, "the members are not written down"),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).is_empty());
        fs::write(dir.path().join(FILE), "10.0.0.1:4648\nnonsense\n[::1]:4648\n").unwrap();
        assert_eq!(read(dir.path()), ["10.0.0.1:4648".parse().unwrap(), "[::1]:4648".parse().unwrap()]);
    }
}
