//! What to do about a log that cannot be used, in words.

/// Adds the remedy to the reason. The reason is the text of whatever failed, with its path: errors of the disk reach us
/// through libraries that keep nothing else.
pub(super) fn with_remedy(reason: &str) -> String {
    let known = [
        (
            "os error 28",
            "the disk is full: free some space and start the agent again; nothing that was acknowledged is lost",
        ),
        (
            "os error 122",
            "the quota is used up: raise it and start the agent again; nothing that was acknowledged is lost",
        ),
        ("os error 13", "make it readable and writable for the user of the agent"),
        ("os error 30", "the file system is read-only: mount it for writing, after looking why it is not"),
        ("os error 5", "the disk fails: replace it"),
        ("newer", "start the version of troupe that wrote it, or a later one"),
        ("in use by", ""),
        ("belongs to server", "start the agent with the data directory that is its own"),
    ];
    if let Some((_, remedy)) = known.iter().find(|(sign, _)| reason.contains(sign)) {
        return if remedy.is_empty() { reason.to_owned() } else { format!("{reason}. Remedy: {remedy}") };
    }
    let damage = ["damaged", "checksum", "corrupt", "hole", "is missing", "Corrupt", "invalid", "magic"];
    if damage.iter().any(|sign| reason.contains(sign)) {
        return format!(
            "{reason}. Remedy: nothing of it is used; in a cluster, move the agent's whole data directory away and start \
             it again: it comes as a new server and gets everything from the others. A lone server needs a backup of the \
             directory"
        );
    }
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: &str, expected: &str) {
        let words = with_remedy(reason);
        assert!(words.starts_with(reason) && words.contains(expected), "{words}");
    }

    #[test]
    fn reasons_have_remedies() {
        check("/d/log.redb: No space left on device (os error 28)", "free some space");
        check("/d: Permission denied (os error 13)", "readable and writable");
        check("/d/log.redb: log entry 7: the checksum does not fit", "gets everything from the others");
        check("/d/log.redb: written by a newer version (format 9)", "start the version");
        check("/d/log.redb: in use by another process; stop the other agent first", "stop the other");
        check("/d/log.redb: the log belongs to server 1, this is server 2", "its own");
    }
}
