//! `fmt`: lays out HCL files.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    Context,
    flags::{Flag, Flags, switch},
    output::{Failure, Outcome},
};

pub(super) const FLAGS: &[Flag] = &[
    switch("check", "Change nothing; exit code 1 if a file would change."),
    switch("list", "Name the files that change. Default: true."),
    switch("write", "Change the files. Default: true. Off, the result is printed."),
    switch("recursive", "Go into directories below the ones given."),
];

/// Files and directories that are looked at.
const MOST: usize = 10_000;
/// Directories inside each other.
const DEEPEST: usize = 32;

pub(super) fn run(ctx: &mut Context<'_>, flags: &Flags) -> Outcome {
    let check = flags.on("check");
    let list = flags.text("list") != Some("false");
    let write = flags.text("write") != Some("false") && !check;
    if flags.args.iter().any(|path| path == "-") {
        return standard_input(ctx, flags, check);
    }
    let here = [String::from(".")];
    let paths = if flags.args.is_empty() { &here[..] } else { &flags.args };
    let mut files = Vec::new();
    for path in paths {
        let path = Path::new(path);
        let kind = fs::metadata(path)
            .map_err(|error| Failure::message(format!("Error reading {}: {error}", path.display())))?;
        if kind.is_dir() {
            collect(path, flags.on("recursive"), 0, &mut files)?;
        } else if is_hcl(path) {
            files.push(path.to_owned());
        } else {
            return Err(Failure::message(format!(
                "Error reading {}: only .nomad and .hcl files are laid out",
                path.display()
            )));
        }
    }
    let (mut changed, mut failed) = (false, false);
    for file in files {
        match one(ctx, &file, list, write, check) {
            Ok(differs) => changed |= differs,
            // The other files are laid out all the same.
            Err(Failure::Message(text)) => {
                ctx.output.error(text)?;
                failed = true;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(u8::from(failed || check && changed))
}

fn standard_input(ctx: &mut Context<'_>, flags: &Flags, check: bool) -> Outcome {
    if flags.args.len() > 1 {
        return Err(Failure::usage("Standard input (-) is laid out alone"));
    }
    let mut text = String::new();
    (&mut *ctx.input)
        .take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| Failure::message(format!("Error reading standard input: {error}")))?;
    let laid = layout("standard input", &text)?;
    if check {
        return Ok(u8::from(laid != text));
    }
    ctx.output.bytes(laid.as_bytes())?;
    Ok(0)
}

/// Bytes of a file that is read at all.
const LARGEST: u64 = 8 * 1024 * 1024;

fn layout(name: &str, text: &str) -> Result<String, Failure> {
    jobspec::layout(text).map_err(|error| Failure::message(format!("Error formatting {name}: {error}")))
}

/// Whether the file differs from its layout.
fn one(ctx: &mut Context<'_>, file: &Path, list: bool, write: bool, check: bool) -> Result<bool, Failure> {
    let name = file.display().to_string();
    let failed = |error: std::io::Error| Failure::message(format!("Error formatting {name}: {error}"));
    if fs::metadata(file).map_err(failed)?.len() > LARGEST {
        return Err(Failure::message(format!("Error formatting {name}: larger than {LARGEST} bytes")));
    }
    let text = fs::read_to_string(file).map_err(failed)?;
    let laid = layout(&name, &text)?;
    let differs = laid != text;
    if differs && list {
        ctx.output.line(&name)?;
    }
    if differs && write {
        fs::write(file, &laid).map_err(failed)?;
    } else if !write && !check {
        ctx.output.bytes(laid.as_bytes())?;
    }
    Ok(differs)
}

fn collect(dir: &Path, recursive: bool, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::message(format!("Error reading {}: {error}", dir.display()));
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for path in entries {
        // Not through links: they may lead round in a circle.
        let kind = fs::symlink_metadata(&path).map_err(failed)?;
        if kind.is_dir() && recursive && depth < DEEPEST {
            collect(&path, recursive, depth + 1, files)?;
        } else if kind.is_file() && is_hcl(&path) {
            files.push(path);
        }
        if files.len() > MOST {
            return Err(Failure::message(format!("more than {MOST} files; name some of them")));
        }
    }
    Ok(())
}

fn is_hcl(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "nomad" || end == "hcl")
}
