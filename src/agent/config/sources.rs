//! Which files a `-config` argument means.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file and its text.
pub(super) struct Source {
    pub path: PathBuf,
    pub text: String,
}

/// What one argument means: the file, or the `*.hcl` and `*.json` of the folder in the order of their names. Folders
/// inside of it, and what editors leave behind, are passed over.
pub(super) struct Found {
    pub sources: Vec<Source>,
    pub warning: Option<String>,
}

/// A configuration is not longer.
const MAX_BYTES: u64 = 1024 * 1024;

pub(super) fn find(path: &Path) -> Result<Found, String> {
    if !path.is_dir() {
        return Ok(Found { sources: vec![read(path)?], warning: None });
    }
    let failed =
        |error: std::io::Error| format!("configuration folder {} cannot be read: {error}", path.display());
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if is_configuration(&file) && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    let warning = files.is_empty().then(|| format!("No configuration loaded from {}", path.display()));
    Ok(Found { sources: files.iter().map(|file| read(file)).collect::<Result<_, _>>()?, warning })
}

fn is_configuration(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let ending = file.extension().is_some_and(|ending| ending == "hcl" || ending == "json");
    let left_behind =
        name.ends_with('~') || name.starts_with(".#") || (name.starts_with('#') && name.ends_with('#'));
    ending && !left_behind
}

fn read(path: &Path) -> Result<Source, String> {
    let failed = |reason: String| format!("Error loading configuration from {}: {reason}", path.display());
    let size = fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(failed(format!(
            "it has {size} bytes, at most {MAX_BYTES} are read; is it a configuration?"
        )));
    }
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not text in UTF-8".into()))?;
    Ok(Source { path: path.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_give_their_files_in_order_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let none = find(dir.path()).unwrap();
        assert_eq!(none.warning.unwrap(), format!("No configuration loaded from {}", dir.path().display()));
        for name in ["b.json", "a.hcl", "c.txt", "d.hcl~", ".#e.hcl", "#f.hcl#", ".g.hcl"] {
            fs::write(dir.path().join(name), "{}").unwrap();
        }
        fs::create_dir(dir.path().join("h.hcl")).unwrap();
        fs::write(dir.path().join("h.hcl").join("i.hcl"), "").unwrap();
        let found = find(dir.path()).unwrap();
        let names: Vec<_> =
            found.sources.iter().map(|source| source.path.file_name().unwrap().to_string_lossy()).collect();
        assert_eq!(names, [".g.hcl", "a.hcl", "b.json"]);
    }

    #[test]
    fn a_file_may_have_any_ending_but_must_be_text() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.nomad");
        fs::write(&file, "name = \"a\"").unwrap();
        assert_eq!(find(&file).unwrap().sources[0].text, "name = \"a\"");
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(find(&file).err().unwrap().contains("not text in UTF-8"));
        assert!(find(&dir.path().join("gone")).err().unwrap().contains("No such file"));
    }
}
