//! Artifacts: fetched, compared with their checksum, unpacked below the allocation's directory.

mod git; // repositories
mod unpack; // archives
mod zip; // the one kind of archive that no library reads here

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, Write},
    path::PathBuf,
    time::Duration,
};

use async_trait::async_trait;
use futures::StreamExt;
use md5::Digest;
use model::{
    ArtifactMode,
    fetch::{Archive, Checksum, ChecksumKind, Fetch, Proof, Way},
};
use tokio::{io::AsyncWriteExt, runtime::Handle};

use self::unpack::Place;
use super::{
    beneath::{Dir, Owner},
    blocking, on_runtime,
};
use crate::{
    actors::ports::{FetchError, FetchOrder, Fetcher},
    trust,
};

/// How long one artifact may take.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// Until a server answers.
const CONNECT: Duration = Duration::from_secs(30);
/// Bytes of what is fetched, and again of what is unpacked.
const MAX_BYTES: u64 = 100 << 30;
/// Of a list of checksums, in bytes.
const MAX_LIST: usize = 1 << 20;
/// Files and directories of one archive.
const MAX_FILES: usize = 4096;

impl From<io::Error> for FetchError {
    fn from(error: io::Error) -> Self {
        // A bad archive stays bad; a full disk may be emptied.
        let recoverable = !matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
        Self { message: error.to_string(), recoverable }
    }
}

fn fatal(message: impl Into<String>) -> FetchError {
    FetchError { message: message.into(), recoverable: false }
}

fn passing(message: impl Into<String>) -> FetchError {
    FetchError { message: message.into(), recoverable: true }
}

/// Fetches over HTTP and with the `git` program.
#[derive(Debug, Clone)]
pub struct NetFetcher {
    /// `<data_dir>/alloc`.
    root: PathBuf,
    runtime: Handle,
}

impl NetFetcher {
    pub fn new(root: impl Into<PathBuf>, runtime: Handle) -> Self {
        Self { root: root.into(), runtime }
    }
}

#[async_trait]
impl Fetcher for NetFetcher {
    async fn fetch(&self, order: FetchOrder) -> Result<(), FetchError> {
        let home = self.root.join(order.alloc.to_string());
        let work = async move {
            let limit = tokio::time::timeout(TIMEOUT, fetch(home, order)).await;
            limit.unwrap_or_else(|_| Err(passing("it takes longer than 30 minutes")))
        };
        on_runtime(&self.runtime, work).await?
    }
}

async fn fetch(home: PathBuf, order: FetchOrder) -> Result<(), FetchError> {
    let fetch = model::fetch::parse(&order.source, &order.options).map_err(fatal)?;
    let owner = match &order.owner {
        Some(user) => Some(owner_of(user)?),
        None => None,
    };
    match &fetch.way {
        Way::Git { .. } => {
            if order.mode == ArtifactMode::File {
                return Err(fatal("a repository is no file; write `mode = \"dir\"`, or leave `mode` out"));
            }
            git::clone(home, order.destination, &fetch, owner).await
        }
        Way::Http => {
            // Somewhere that nobody else can look into, on the disk of the destination.
            let room = blocking(&Handle::current(), {
                let home = home.clone();
                move || Dir::open(&home)?.nameless()
            })
            .await??;
            let file = download(&fetch, &order.headers, room).await?;
            blocking(&Handle::current(), move || place(&home, &order, &fetch, file, owner)).await?
        }
    }
}

fn owner_of(user: &str) -> Result<Owner, FetchError> {
    let found = nix::unistd::User::from_name(user).map_err(|error| passing(error.to_string()))?;
    let found = found.ok_or_else(|| fatal(format!("`chown`: this node has no user \"{user}\"")))?;
    Ok(Owner { uid: Some(found.uid.as_raw()), gid: Some(found.gid.as_raw()) })
}

async fn download(fetch: &Fetch, headers: &BTreeMap<String, String>, room: File) -> Result<File, FetchError> {
    let client = trust::verified().connect_timeout(CONNECT).build();
    let client = client.map_err(|error| passing(error.to_string()))?;
    let checksum = match &fetch.checksum {
        Some(Proof::File(address)) => Some(listed(&client, address, headers, &fetch.url).await?),
        Some(Proof::Said(checksum)) => Some(checksum.clone()),
        None => None,
    };
    let answer = ask(&client, &fetch.url, headers).await?;
    let mut file = tokio::fs::File::from_std(room);
    let mut hasher = checksum.as_ref().map(|checksum| Hasher::new(checksum.kind));
    let mut size = 0u64;
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| passing(format!("{} broke off: {error}", fetch.url)))?;
        size += chunk.len() as u64;
        if size > MAX_BYTES {
            return Err(fatal(format!("{} has more than {} GiB", fetch.url, MAX_BYTES >> 30)));
        }
        if let Some(hasher) = &mut hasher {
            hasher.update(&chunk);
        }
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    if let (Some(hasher), Some(checksum)) = (hasher, &checksum) {
        compare(&fetch.url, &hasher.hex(), checksum)?;
    }
    let mut file = file.into_std().await;
    file.rewind()?;
    Ok(file)
}

async fn ask(
    client: &reqwest::Client,
    url: &str,
    headers: &BTreeMap<String, String>,
) -> Result<reqwest::Response, FetchError> {
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.map_err(|error| {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        let message = format!("{url}: {cause}");
        if error.is_builder() { fatal(message) } else { passing(message) }
    })?;
    let status = answer.status();
    if !status.is_success() {
        let message = format!("{url} answers with {status}");
        return Err(if status.is_client_error() { fatal(message) } else { passing(message) });
    }
    Ok(answer)
}

/// What the list at an address says of the file at another.
async fn listed(
    client: &reqwest::Client,
    address: &str,
    headers: &BTreeMap<String, String>,
    url: &str,
) -> Result<Checksum, FetchError> {
    let mut list = Vec::new();
    let mut body = ask(client, address, headers).await?.bytes_stream();
    while let Some(chunk) = body.next().await {
        list.extend_from_slice(&chunk.map_err(|error| passing(format!("{address} broke off: {error}")))?);
        if list.len() > MAX_LIST {
            return Err(fatal(format!("{address} is longer than a list of checksums (1 MiB)")));
        }
    }
    let name = last_part(url);
    Checksum::in_list(&String::from_utf8_lossy(&list), name)
        .ok_or_else(|| fatal(format!("{address} has no checksum for {name}")))
}

fn compare(url: &str, found: &str, wanted: &Checksum) -> Result<(), FetchError> {
    if found == wanted.hex {
        return Ok(());
    }
    let kind = wanted.kind.as_str();
    // Somebody may be putting the right one there.
    Err(passing(format!("{url} has the {kind} checksum {found}, wanted is {}", wanted.hex)))
}

enum Hasher {
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    fn new(kind: ChecksumKind) -> Self {
        match kind {
            ChecksumKind::Md5 => Self::Md5(Digest::new()),
            ChecksumKind::Sha1 => Self::Sha1(Digest::new()),
            ChecksumKind::Sha256 => Self::Sha256(Digest::new()),
            ChecksumKind::Sha512 => Self::Sha512(Digest::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn hex(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Md5(hasher) => hex(&hasher.finalize()),
            Self::Sha1(hasher) => hex(&hasher.finalize()),
            Self::Sha256(hasher) => hex(&hasher.finalize()),
            Self::Sha512(hasher) => hex(&hasher.finalize()),
        }
    }
}

/// Puts what was fetched where it belongs.
fn place(
    home: &std::path::Path,
    order: &FetchOrder,
    fetch: &Fetch,
    mut file: File,
    owner: Option<Owner>,
) -> Result<(), FetchError> {
    let home = Dir::open(home)?;
    let limits = Place { owner: owner.unwrap_or_default(), files: MAX_FILES, bytes: MAX_BYTES };
    if order.mode == ArtifactMode::File {
        let (name, above) = order.destination.split_last().ok_or_else(|| fatal("no destination"))?;
        let dir = limits.enter(home, above)?;
        return Ok(limits.clone().file(&dir, name, 0o644, &mut file)?);
    }
    let dir = limits.enter(home, &order.destination)?;
    let name = if fetch.filename.is_empty() { last_part(&fetch.url) } else { &fetch.filename };
    match fetch.archive {
        Some(Archive::File(packing)) if order.mode == ArtifactMode::Any => {
            let mut plain = unpack::plain(file, packing, MAX_BYTES, home_room(&dir)?)?;
            let name = if Archive::of_name(name).is_some() { Archive::unpacked_name(name) } else { name };
            Ok(limits.clone().file(&dir, name, 0o644, &mut plain)?)
        }
        Some(Archive::Tar(packing)) => {
            let plain = unpack::plain(file, packing, MAX_BYTES, home_room(&dir)?)?;
            Ok(unpack::tar(plain, &dir, &fetch.subdir, limits)?)
        }
        Some(Archive::Zip) => Ok(zip::unpack(file, &dir, &fetch.subdir, limits)?),
        _ if order.mode == ArtifactMode::Dir => Err(fatal(format!(
            "{} is no archive; write `mode = \"file\"`, or `archive` in `options`",
            fetch.url
        ))),
        _ => Ok(limits.clone().file(&dir, name, 0o644, &mut file)?),
    }
}

/// A file that nobody sees, on the disk of a directory.
fn home_room(dir: &Dir) -> io::Result<File> {
    dir.nameless()
}

fn last_part(url: &str) -> &str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    path.split_once('/')
        .and_then(|(_, path)| path.rsplit('/').find(|part| !part.is_empty()))
        .unwrap_or("index")
}

/// Copies, and refuses what is too much.
fn copy(from: &mut dyn Read, to: &mut dyn Write, left: &mut u64) -> io::Result<()> {
    let copied = io::copy(&mut from.take(*left + 1), to)?;
    *left = left.checked_sub(copied).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("more than {} GiB come out", MAX_BYTES >> 30))
    })?;
    Ok(())
}
