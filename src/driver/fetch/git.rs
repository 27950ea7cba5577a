//! Repositories, by the `git` program of the node.

use std::{
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::fetch::{Fetch, Way};
use tokio::{process::Command, runtime::Handle};

use super::{FetchError, blocking, fatal, passing, unpack::Place};
use crate::driver::{
    beneath::{Dir, Owner},
    fresh_id,
};

/// Clones beside the destination and moves what is there into it.
pub(super) async fn clone(
    home: PathBuf,
    destination: Vec<String>,
    fetch: &Fetch,
    owner: Option<Owner>,
) -> Result<(), FetchError> {
    let Way::Git { reference, depth, ssh_key } = &fetch.way else { return Err(fatal("no repository")) };
    let limits = Place { owner: owner.unwrap_or_default(), files: super::MAX_FILES, bytes: super::MAX_BYTES };
    let passing_name = format!(".{}", fresh_id());
    let (target, clone) = blocking(&Handle::current(), {
        let passing_name = passing_name.clone();
        move || -> std::io::Result<(Dir, Dir)> {
            let target = limits.enter(Dir::open(&home)?, &destination)?;
            let clone = target.enter_or_make(&passing_name, 0o700)?;
            Ok((target, clone))
        }
    })
    .await??;
    // By its number: whatever links tasks put on the way, this is the directory.
    let at = |dir: &Dir| PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), dir.as_raw_fd()));
    let outcome = fill(&at(&clone), &fetch.url, reference, *depth, ssh_key).await;
    let subdir = fetch.subdir.clone();
    let (base, from) = (at(&target), at(&clone));
    blocking(&Handle::current(), move || {
        let moved = outcome.and_then(|()| {
            let mut inner = clone.again()?;
            for part in subdir.split('/').filter(|part| !part.is_empty()) {
                inner = inner
                    .enter(part)
                    .map_err(|_| fatal(format!("the repository has no directory {subdir}")))?;
            }
            let whole = PathBuf::from(format!("/proc/self/fd/{}", inner.as_raw_fd()));
            for entry in std::fs::read_dir(whole)? {
                let name = entry?.file_name().into_string().map_err(|_| fatal("a name is not UTF-8"))?;
                target.remove_all(&name)?;
                inner.move_to(&name, &target)?;
                if let Some(owner) = owner {
                    own_all(&base.join(&name), owner)?;
                }
            }
            Ok(())
        });
        // Best effort: what stays has a name that nobody asks for.
        let _ = std::fs::remove_dir_all(base.join(&passing_name));
        drop((from, clone));
        moved
    })
    .await?
}

fn own_all(path: &Path, owner: Owner) -> std::io::Result<()> {
    std::os::unix::fs::lchown(path, owner.uid, owner.gid)?;
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            own_all(&entry?.path(), owner)?;
        }
    }
    Ok(())
}

async fn fill(dir: &Path, url: &str, reference: &str, depth: u32, ssh_key: &str) -> Result<(), FetchError> {
    let mut ssh = String::from("ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new");
    let mut key_file = None;
    if !ssh_key.is_empty() {
        let key = STANDARD.decode(ssh_key).map_err(|_| fatal("`sshkey` is a private key in base64"))?;
        let path = std::env::temp_dir().join(format!("troupe-{}", fresh_id()));
        let path = KeyFile(path);
        std::fs::write(&path.0, "")?;
        std::fs::set_permissions(&path.0, std::fs::Permissions::from_mode(0o600))?;
        std::fs::write(&path.0, key)?;
        ssh += &format!(" -i {} -o IdentitiesOnly=yes", path.0.display());
        key_file = Some(path);
    }
    let depth = depth.to_string();
    let shallow: &[&str] = if depth == "0" { &[] } else { &["--depth", &depth] };
    let wanted = if reference.is_empty() { "HEAD" } else { reference };
    git(dir, &["init", "--quiet", "."], &ssh).await?;
    git(dir, &["remote", "add", "origin", "--", url], &ssh).await?;
    let mut fetch = vec!["fetch", "--quiet"];
    fetch.extend(shallow);
    fetch.extend(["--", "origin", wanted]);
    if let Err(error) = git(dir, &fetch, &ssh).await {
        if depth != "0" {
            return Err(error);
        }
        // Servers give commits that are no branch or tag only with everything else.
        git(
            dir,
            &["fetch", "--quiet", "--tags", "--", "origin", "+refs/heads/*:refs/remotes/origin/*"],
            &ssh,
        )
        .await?;
        git(dir, &["checkout", "--quiet", "--detach", wanted], &ssh).await.map_err(|_| error)?;
    } else {
        git(dir, &["checkout", "--quiet", "--detach", "FETCH_HEAD"], &ssh).await?;
    }
    drop(key_file);
    Ok(())
}

/// Goes away with the fetch.
struct KeyFile(PathBuf);

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn git(dir: &Path, words: &[&str], ssh: &str) -> Result<(), FetchError> {
    let run = Command::new("git")
        .args(["-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never"])
        .args(words)
        .current_dir(dir)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ALLOW_PROTOCOL", "http:https:ssh:git")
        .env("GIT_SSH_COMMAND", ssh)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    let done = run.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            fatal("repositories are fetched by the program `git`, which this node has not")
        }
        _ => passing(format!("git: {error}")),
    })?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr);
    let last: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty()).collect();
    let said = last[last.len().saturating_sub(3)..].join("; ");
    Err(passing(format!("git {}: {}", words_of(&done.status), said.chars().take(500).collect::<String>())))
}

fn words_of(status: &std::process::ExitStatus) -> String {
    status.code().map_or_else(|| String::from("was killed"), |code| format!("failed with exit code {code}"))
}
