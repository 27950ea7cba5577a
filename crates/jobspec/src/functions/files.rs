//! What looks at files. Only the command line lends a disk: the files of a server are nobody's business.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::arguments::{Answer, Call, Refusal};
use crate::eval::{Disk, Val};

/// A job file itself has no more.
const MAX_BYTES: usize = 1024 * 1024;
/// Files below a folder.
const MAX_FILES: usize = 10_000;

fn disk<'m>(call: &Call<'_, 'm>) -> Result<&'m dyn Disk, Refusal> {
    call.means.disk.ok_or_else(|| {
        Refusal::new("filesystem function disabled")
            .help("files are read on the command line only: `job run` reads them, the HTTP API does not")
    })
}

fn failed(reason: String) -> Refusal {
    Refusal::of(0, reason)
}

fn read(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Refusal> {
    let path = call.text(0)?;
    let bytes = disk(call)?.read(&path, MAX_BYTES).map_err(failed)?;
    call.limits.make(bytes.len())?;
    Ok(bytes)
}

pub(super) fn file(call: &mut Call<'_, '_>) -> Answer {
    let bytes = read(call)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Val::text(text)),
        Err(_) => Err(Refusal::of(0, "the file is not text in UTF-8").help("use `filebase64`")),
    }
}

pub(super) fn filebase64(call: &mut Call<'_, '_>) -> Answer {
    Ok(Val::text(STANDARD.encode(read(call)?)))
}

pub(super) fn fileexists(call: &mut Call<'_, '_>) -> Answer {
    let path = call.text(0)?;
    Ok(Val::Bool(disk(call)?.exists(&path).map_err(failed)?))
}

pub(super) fn abspath(call: &mut Call<'_, '_>) -> Answer {
    let path = call.text(0)?;
    Ok(Val::text(disk(call)?.absolute(&path).map_err(failed)?))
}

/// `~` at the start stands for the home folder.
pub(super) fn pathexpand(call: &mut Call<'_, '_>) -> Answer {
    let path = call.text(0)?;
    let disk = disk(call)?;
    match path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        None => Ok(Val::Text(path)),
        Some(rest) => match disk.home() {
            Some(home) => Ok(Val::text(format!("{home}{rest}"))),
            None => Err(Refusal::of(0, "there is no home folder").help("set HOME in the environment")),
        },
    }
}

/// The last name of a path.
pub(super) fn basename(call: &mut Call<'_, '_>) -> Answer {
    let path = call.text(0)?;
    disk(call)?;
    let name = match (path.trim_end_matches('/'), path.as_ref()) {
        ("", "") => ".",
        ("", _) => "/",
        (path, _) => path.rsplit('/').next().unwrap_or(path),
    };
    Ok(Val::text(name))
}

/// A path without its last name.
pub(super) fn dirname(call: &mut Call<'_, '_>) -> Answer {
    let path = call.text(0)?;
    disk(call)?;
    let folder = match path.rsplit_once('/') {
        None => ".",
        Some((folder, _)) if folder.trim_end_matches('/').is_empty() => "/",
        Some((folder, _)) => folder.trim_end_matches('/'),
    };
    Ok(Val::text(folder))
}

/// Files below a folder whose paths fit a pattern.
pub(super) fn fileset(call: &mut Call<'_, '_>) -> Answer {
    let (folder, pattern) = (call.text(0)?, call.text(1)?);
    let pattern = glob(&pattern)?;
    let mut paths = disk(call)?.below(&folder, MAX_FILES).map_err(failed)?;
    paths.retain(|path| pattern.is_match(path));
    paths.sort();
    call.limits.make(paths.iter().map(|path| path.len() + 32).sum())?;
    Ok(Val::texts(paths.iter().map(String::as_str)))
}

/// `*` and `?` stay within a name, `**` does not, `{a,b}` and `[a-z]` are choices.
fn glob(pattern: &str) -> Result<regex::Regex, Refusal> {
    let mut out = String::from("^");
    let mut letters = pattern.chars().peekable();
    let mut braces = 0_usize;
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.next_if_eq(&'*').is_some() => {
                // `**/x` is also `x`.
                out.push_str(if letters.next_if_eq(&'/').is_some() { "(?:.*/)?" } else { ".*" });
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '{' => {
                braces += 1;
                out.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                out.push(')');
            }
            ',' if braces > 0 => out.push('|'),
            '[' => {
                let class: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                let (not, class) =
                    class.strip_prefix(['!', '^']).map_or(("", class.as_str()), |rest| ("^", rest));
                out.push_str(&format!("[{not}{}]", class.replace('\\', "\\\\").replace('[', "\\[")));
            }
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    let compiled = regex::RegexBuilder::new(&out).size_limit(1 << 18).build();
    compiled.map_err(|_| Refusal::of(1, format!("\"{pattern}\" is not a pattern of file names")))
}
