//! Files of allocations: what is in a directory, and what is in a file.

use std::{
    io::{self, SeekFrom},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use api::AllocFileInfo;
use futures::{StreamExt, TryStreamExt};
use model::{AllocId, Timestamp};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{
    Context,
    call::Call,
    client::{alloc_id, ask, no_answer, other_agent},
    failure::Failure,
    logs::{self, Files, Until},
    read::{Answer, json},
};
use crate::actors::ports::WebStream;

/// Directories with more entries are listed up to here.
const MAX_ENTRIES: usize = 10_000;

/// What a directory holds.
pub(super) async fn list(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_get()?;
    let alloc = alloc_id(id)?;
    let root = match ctx.nodes.alloc_dir(alloc).await {
        Ok(root) => root,
        Err(error) => return ask(ctx, call, other_agent(ctx, call, alloc, error)?).await,
    };
    let path = resolve(&root, call.text("path").unwrap_or("/")).await?;
    let mut entries = fs::read_dir(&path).await.map_err(|error| failed(&error))?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(|error| failed(&error))? {
        // It may be gone by now.
        let Ok(metadata) = entry.metadata().await else { continue };
        found.push(info(entry.file_name().to_string_lossy().into_owned(), &metadata));
        if found.len() >= MAX_ENTRIES {
            break;
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(json(call, &found))
}

/// One file or directory.
pub(super) async fn stat(ctx: &Context, call: &Call, id: &str) -> Answer {
    call.only_get()?;
    let alloc = alloc_id(id)?;
    let root = match ctx.nodes.alloc_dir(alloc).await {
        Ok(root) => root,
        Err(error) => return ask(ctx, call, other_agent(ctx, call, alloc, error)?).await,
    };
    let path =
        resolve(&root, call.text("path").ok_or_else(|| Failure::bad("must provide a file name"))?).await?;
    let metadata = fs::metadata(&path).await.map_err(|error| failed(&error))?;
    let name = path.file_name().map_or_else(|| String::from("/"), |name| name.to_string_lossy().into_owned());
    let mut info = info(name, &metadata);
    if metadata.is_file() {
        info.content_type = content_type(&path).await;
    }
    Ok(json(call, &info))
}

/// The allocation whose file is asked for, if this is a request for the content of one.
pub(super) fn content_of(call: &Call) -> Option<&str> {
    match call.path.as_slice() {
        [v1, client, fs, kind, alloc] if [v1, client, fs] == ["v1", "client", "fs"] && !alloc.is_empty() => {
            matches!(kind.as_str(), "cat" | "readat" | "stream").then_some(alloc)
        }
        _ => None,
    }
}

/// Whether the content has no end, as long as the file is there.
pub(super) fn is_followed(call: &Call) -> bool {
    end_of(call).is_ok_and(|end| end.is_some_and(|end| end.follow))
}

/// What is asked of a stream.
struct End {
    offset: u64,
    from_end: bool,
    follow: bool,
    /// Without frames.
    plain: bool,
}

/// `None`: not a stream.
fn end_of(call: &Call) -> Result<Option<End>, Failure> {
    if call.path.get(3).is_none_or(|kind| kind != "stream") {
        return Ok(None);
    }
    let from_end = logs::is_from_end(call)?;
    let (follow, plain) = (call.flag_or("follow", true)?, call.flag("plain")?);
    Ok(Some(End { offset: call.number("offset")?.unwrap_or(0), from_end, follow, plain }))
}

/// The content as it comes: from the disk of this node, or from the node that has it.
pub(super) async fn open(ctx: &Context, call: &Call, id: &str) -> Result<WebStream, Failure> {
    call.only_get()?;
    let alloc: AllocId = alloc_id(id)?;
    let path = call.text("path").ok_or_else(|| Failure::bad("must provide a file name"))?;
    let end = end_of(call)?;
    let (offset, limit) = if call.path.get(3).is_some_and(|kind| kind == "readat") {
        let offset = call.number("offset")?.ok_or_else(|| Failure::bad("error parsing offset"))?;
        (offset, call.number("limit")?.filter(|limit| *limit > 0).unwrap_or(u64::MAX))
    } else {
        (0, u64::MAX)
    };
    let root = match ctx.nodes.alloc_dir(alloc).await {
        Ok(root) => root,
        Err(error) => {
            let target = other_agent(ctx, call, alloc, error)?;
            let stream = ctx.elsewhere.stream(target.clone(), call.to_pass_on()?).await;
            return stream.map_err(|error| no_answer(ctx, &target, error));
        }
    };
    let path = resolve(&root, path).await?;
    // Before it is opened: to open a pipe waits for whoever writes into it, and takes output away from the logs.
    if !fs::metadata(&path).await.map_err(|error| failed(&error))?.is_file() {
        return Err(Failure::bad(format!("{:?} is not a file", call.text("path").unwrap_or_default())));
    }
    if let Some(End { offset, from_end, follow, plain }) = end {
        let files = Files::one(&path, call.text("path").unwrap_or_default());
        let place = files.place(offset, from_end).await.map_err(|error| failed(&error))?;
        let until = if follow { Until::Gone } else { Until::End };
        return logs::pour(ctx, files, place, until, plain);
    }
    let mut file = fs::File::open(&path).await.map_err(|error| failed(&error))?;
    file.seek(SeekFrom::Start(offset)).await.map_err(|error| failed(&error))?;
    let body = tokio_util::codec::FramedRead::new(file.take(limit), tokio_util::codec::BytesCodec::new());
    let body = body.map_ok(bytes::BytesMut::freeze).map_err(|error| {
        // The status is long sent: this ends the connection.
        crate::actors::ports::ClusterError::Unknown(error.to_string())
    });
    Ok(WebStream {
        status: 200,
        headers: vec![(String::from("content-type"), String::from("application/octet-stream"))],
        body: body.boxed(),
    })
}

/// The path below the allocation's directory. Links are followed, but not out of it, and secrets are nobody's business.
async fn resolve(root: &Path, path: &str) -> Result<PathBuf, Failure> {
    let mut inside = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(Failure::bad("Path escapes the alloc directory"));
            }
        }
    }
    let root = fs::canonicalize(root).await.map_err(|error| failed(&error))?;
    let full = fs::canonicalize(root.join(inside)).await.map_err(|error| failed(&error))?;
    let Ok(below) = full.strip_prefix(&root) else {
        return Err(Failure::bad("Path escapes the alloc directory"));
    };
    if below.components().nth(1) == Some(Component::Normal("secrets".as_ref())) {
        return Err(Failure::bad("Reading secret file prohibited"));
    }
    Ok(full)
}

fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::not_found("no such file or directory"),
        _ => Failure::server(error.to_string()),
    }
}

fn info(name: String, metadata: &std::fs::Metadata) -> AllocFileInfo {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    AllocFileInfo {
        name,
        is_dir: metadata.is_dir(),
        size: metadata.len(),
        file_mode: mode(metadata),
        mod_time: api::Time(Timestamp::ZERO.plus(since)),
        content_type: String::new(),
    }
}

/// `drwxr-xr-x`
fn mode(metadata: &std::fs::Metadata) -> String {
    let bits = metadata.permissions().mode();
    let kind = if metadata.is_dir() {
        'd'
    } else if metadata.file_type().is_symlink() {
        'L'
    } else {
        '-'
    };
    let letters = "rwxrwxrwx".chars().enumerate();
    let rights = letters.map(|(place, letter)| if bits & (0o400 >> place) != 0 { letter } else { '-' });
    std::iter::once(kind).chain(rights).collect()
}

/// From the first bytes: text or not is what people want to know.
async fn content_type(path: &Path) -> String {
    let mut head = [0; 512];
    let read = async {
        let mut file = fs::File::open(path).await?;
        file.read(&mut head).await
    };
    let text = "text/plain; charset=utf-8";
    let kind = match read.await {
        Ok(length) => match std::str::from_utf8(&head[..length]) {
            Ok(content) if !content.contains('\0') => text,
            // A letter may have been cut in two at the end.
            Err(error) if error.error_len().is_none() => text,
            _ => "application/octet-stream",
        },
        Err(_) => "application/octet-stream",
    };
    kind.to_owned()
}
