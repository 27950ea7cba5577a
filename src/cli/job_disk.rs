//! The files that the functions of a job file look at: `file(..)`, `fileset(..)` and their like.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use jobspec::Disk;

/// Folders inside each other that are looked into.
const MAX_DEPTH: usize = 32;

/// Relative paths begin at the folder of the job file.
pub(super) struct JobDisk {
    folder: PathBuf,
    home: Option<String>,
}

impl JobDisk {
    /// `job_file`: its path; `-` stands for the current folder. `home`: the user's, as the environment has it.
    pub(super) fn new(job_file: &str, home: Option<&String>) -> Self {
        let folder = match job_file {
            "-" => Path::new(""),
            path => Path::new(path).parent().unwrap_or(Path::new("")),
        };
        let home = home.filter(|home| !home.is_empty()).map(|home| home.trim_end_matches('/').to_owned());
        Self { folder: folder.to_owned(), home }
    }

    fn find(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Path::new(home).join(rest),
            _ => self.folder.join(path),
        }
    }
}

impl Disk for JobDisk {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let path = self.find(path);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        if !fs::metadata(&path).map_err(failed)?.is_file() {
            return Err(format!("{}: this is no file", path.display()));
        }
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        fs::File::open(&path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
        if bytes.len() > limit {
            return Err(format!("{}: larger than {limit} bytes", path.display()));
        }
        Ok(bytes)
    }

    fn exists(&self, path: &str) -> Result<bool, String> {
        let path = self.find(path);
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => Err(format!("{}: this is a folder, not a file", path.display())),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    fn below(&self, folder: &str, limit: usize) -> Result<Vec<String>, String> {
        let root = self.find(folder);
        let mut found = Vec::new();
        let mut folders = vec![(root.clone(), String::new(), 0)];
        let mut seen = 0;
        while let Some((folder, prefix, depth)) = folders.pop() {
            let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                seen += 1;
                if seen > limit || depth > MAX_DEPTH {
                    return Err(format!("{}: more than {limit} files, or too deep", root.display()));
                }
                let Ok(name) = entry.file_name().into_string() else { continue };
                // Links to folders are not followed: they may lead in a circle.
                if entry.file_type().map_err(failed)?.is_dir() {
                    folders.push((entry.path(), format!("{prefix}{name}/"), depth + 1));
                } else if fs::metadata(entry.path()).is_ok_and(|entry| entry.is_file()) {
                    found.push(format!("{prefix}{name}"));
                }
            }
        }
        Ok(found)
    }

    fn absolute(&self, path: &str) -> Result<String, String> {
        let path = std::path::absolute(self.find(path)).map_err(|error| error.to_string())?;
        Ok(path.display().to_string())
    }

    fn home(&self) -> Option<String> {
        self.home.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_beside_the_job_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("conf/more")).unwrap();
        for (name, text) in [("conf/a.txt", "a"), ("conf/more/b.txt", "b"), ("c.txt", "c")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("conf/circle")).unwrap();
        let home = dir.path().display().to_string();
        let disk = JobDisk::new(&format!("{home}/job.nomad"), Some(&home));
        assert_eq!(disk.read("conf/a.txt", 1), Ok(b"a".to_vec()));
        assert_eq!(disk.read("~/c.txt", 10), Ok(b"c".to_vec()));
        assert!(disk.read("conf/a.txt", 0).unwrap_err().contains("larger than 0 bytes"));
        assert!(disk.read("conf", 10).unwrap_err().contains("no file"));
        assert!(disk.read("none", 10).unwrap_err().contains("none"));
        assert_eq!((disk.exists("c.txt"), disk.exists("none")), (Ok(true), Ok(false)));
        assert!(disk.exists("conf").is_err());
        let mut below = disk.below("conf", 10).unwrap();
        below.sort();
        assert_eq!(below, ["a.txt", "more/b.txt"]);
        assert!(disk.below(".", 2).is_err());
        assert_eq!(disk.absolute("x").unwrap(), format!("{home}/x"));
        assert_eq!(disk.home(), Some(home));
    }
}
