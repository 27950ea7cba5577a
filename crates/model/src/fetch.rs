//! What the source of an artifact says: how it is fetched, from where, and what becomes of it.

use std::collections::BTreeMap;

/// A source that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub way: Way,
    /// Without what follows.
    pub url: String,
    /// Only this part of an archive or a repository. Empty: all of it.
    pub subdir: String,
    pub archive: Option<Archive>,
    pub checksum: Option<Proof>,
    /// What the file is called. Empty: as in the URL.
    pub filename: String,
}

/// By what a source is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    Http,
    /// By the program of that name.
    Git {
        /// Branch, tag or commit. Empty: what the repository says.
        reference: String,
        /// Commits that are fetched. 0: all.
        depth: u32,
        /// A private key in base64. Empty: those of the agent's user.
        ssh_key: String,
    },
}

/// How an archive is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    Tar(Packing),
    Zip,
    /// One file, packed.
    File(Packing),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// Ends of names, the longer first.
const ENDS: &[(&str, Archive)] = &[
    ("tar.gz", Archive::Tar(Packing::Gzip)),
    ("tar.bz2", Archive::Tar(Packing::Bzip2)),
    ("tar.xz", Archive::Tar(Packing::Xz)),
    ("tar.zst", Archive::Tar(Packing::Zstd)),
    ("tgz", Archive::Tar(Packing::Gzip)),
    ("tbz2", Archive::Tar(Packing::Bzip2)),
    ("txz", Archive::Tar(Packing::Xz)),
    ("tzst", Archive::Tar(Packing::Zstd)),
    ("tar", Archive::Tar(Packing::None)),
    ("zip", Archive::Zip),
    ("gz", Archive::File(Packing::Gzip)),
    ("bz2", Archive::File(Packing::Bzip2)),
    ("xz", Archive::File(Packing::Xz)),
    ("zst", Archive::File(Packing::Zstd)),
];

impl Archive {
    /// By the end of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        ENDS.iter().find(|(end, _)| lower.ends_with(&format!(".{end}"))).map(|(_, archive)| *archive)
    }

    /// The name of a packed file without the end that says so.
    pub fn unpacked_name(name: &str) -> &str {
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }
}

/// Where it is said what a file has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    Said(Checksum),
    /// In the file at this address, as `sha256sum` and its kin write it.
    File(String),
}

impl Proof {
    /// A checksum, or `file:<address>`.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((word, address)) if word.eq_ignore_ascii_case("file") => match address.split_once("://") {
                Some(("http" | "https", _)) => Ok(Self::File(address.to_owned())),
                _ => Err(format!(
                    "the checksums in \"{address}\" cannot be fetched; write file:https://host/SHA256SUMS, or the digits"
                )),
            },
            _ => Checksum::parse(text).map(Self::Said),
        }
    }
}

/// What a file has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    pub kind: ChecksumKind,
    /// Lower case.
    pub hex: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumKind {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl ChecksumKind {
    const ALL: [(&str, Self, usize); 4] = [
        ("md5", Self::Md5, 32),
        ("sha1", Self::Sha1, 40),
        ("sha256", Self::Sha256, 64),
        ("sha512", Self::Sha512, 128),
    ];

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind, _)| *kind == self).map_or("", |(name, ..)| name)
    }
}

impl Checksum {
    /// `sha256:<hex>`, or the digits alone.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, digits) = match text.split_once(':') {
            Some((name, digits)) => (Some(name.to_ascii_lowercase()), digits),
            None => (None, text),
        };
        if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(format!("the checksum \"{text}\" is not written in hexadecimal digits"));
        }
        let of_name =
            |(known, ..): &&(&str, ChecksumKind, usize)| name.as_deref().is_none_or(|name| name == *known);
        let named: Vec<_> = ChecksumKind::ALL.iter().filter(of_name).collect();
        if named.is_empty() {
            return Err(format!("the checksum \"{text}\" is none of md5, sha1, sha256, sha512"));
        }
        match named.iter().find(|(_, _, length)| *length == digits.len()) {
            Some((_, kind, _)) => Ok(Self { kind: *kind, hex: digits.to_ascii_lowercase() }),
            None => {
                Err(format!("the checksum has {} digits, which is not the length of its kind", digits.len()))
            }
        }
    }
}

impl Checksum {
    /// What a list of checksums says of a file: lines such as `<hex>  <name>`, `<hex> *<name>` or `SHA256 (<name>) =
    /// <hex>`; or nothing but the digits.
    pub fn in_list(list: &str, name: &str) -> Option<Self> {
        let lines = || list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let of_line = |line: &str| -> Option<Self> {
            if let Some((head, digits)) = line.split_once(" = ") {
                let (kind, rest) = head.split_once(" (")?;
                let is_it = rest.strip_suffix(')').is_some_and(|file| is_called(file, name));
                return is_it.then(|| Self::parse(&format!("{kind}:{digits}")).ok()).flatten();
            }
            let (digits, file) = line.split_once(char::is_whitespace)?;
            let file = file.trim_start();
            is_called(file.strip_prefix('*').unwrap_or(file), name)
                .then(|| Self::parse(digits).ok())
                .flatten()
        };
        let mut all = lines();
        match (all.next(), all.next()) {
            (Some(digits), None) if !digits.contains(char::is_whitespace) => Self::parse(digits).ok(),
            _ => lines().find_map(of_line),
        }
    }
}

/// Lists may name files with their directories.
fn is_called(path: &str, name: &str) -> bool {
    path.rsplit('/').next() == Some(name)
}

/// Reads a source and the options beside it.
///
/// # Errors
/// In words, with the remedy: it cannot be fetched here, or an option is wrong.
pub fn parse(source: &str, options: &BTreeMap<String, String>) -> Result<Fetch, String> {
    if source.is_empty() || source.contains(char::is_whitespace) || source.contains(char::is_control) {
        return Err(format!("\"{source}\" is not the address of a file"));
    }
    let (forced, rest) = match source.split_once("::") {
        Some((way, rest)) if way.bytes().all(|c| c.is_ascii_alphanumeric()) => (Some(way), rest),
        _ => (None, source),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host_from = rest.find("://").map_or(0, |at| at + 3);
    let (address, subdir) = match rest[host_from..].find("//") {
        Some(at) => (&rest[..host_from + at], rest[host_from + at + 2..].trim_matches('/')),
        None => (rest, ""),
    };
    if subdir.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(format!("the directory \"{subdir}\" leads out of what is fetched"));
    }
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    let is_git = forced == Some("git") || (forced.is_none() && scheme.is_none() && is_repository(address));
    // Options beside the source are stronger than those in it.
    let mut all: BTreeMap<&str, &str> = BTreeMap::new();
    all.extend(
        query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.split_once('=').unwrap_or((part, ""))),
    );
    all.extend(options.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let mut take = |key: &str| all.remove(key).unwrap_or_default().to_owned();
    let (archive, checksum, filename) = (take("archive"), take("checksum"), take("filename"));
    if filename.contains('/') || matches!(filename.as_str(), "." | "..") {
        return Err(format!("\"{filename}\" is not the name of a file"));
    }
    let checksum = if checksum.is_empty() { None } else { Some(Proof::parse(&checksum)?) };
    let (way, url) = if is_git {
        let depth = take("depth");
        let depth = if depth.is_empty() { Ok(0) } else { depth.parse() };
        let way = Way::Git {
            reference: take("ref"),
            depth: depth.map_err(|_| String::from("`depth` is the number of commits that are fetched"))?,
            ssh_key: take("sshkey"),
        };
        if let Way::Git { reference, .. } = &way
            && reference.starts_with('-')
        {
            return Err(format!("\"{reference}\" is not the name of a branch, tag or commit"));
        }
        if checksum.is_some() {
            return Err(String::from("a repository has no checksum; name a commit with `ref`"));
        }
        (way, repository(address)?)
    } else {
        let url = over_http(forced, scheme, address)?;
        // What is not ours is the server's.
        let rest: Vec<String> = all.iter().map(|(key, value)| format!("{key}={value}")).collect();
        (Way::Http, if rest.is_empty() { url } else { format!("{url}?{}", rest.join("&")) })
    };
    let archive = match (archive.as_str(), &way) {
        (_, Way::Git { .. }) | ("false", _) => None,
        ("", Way::Http) => Archive::of_name(if filename.is_empty() { address } else { &filename }),
        (word, _) => {
            let known = ENDS.iter().find(|(end, _)| *end == word).map(|(_, archive)| *archive);
            Some(known.ok_or_else(|| format!("archives of the kind \"{word}\" cannot be unpacked"))?)
        }
    };
    Ok(Fetch { way, url, subdir: subdir.to_owned(), archive, checksum, filename })
}

fn over_http(forced: Option<&str>, scheme: Option<&str>, address: &str) -> Result<String, String> {
    match (forced, scheme) {
        (None | Some("http" | "https"), Some("http" | "https")) => Ok(address.to_owned()),
        (Some("s3" | "gcs" | "hg"), _) | (None, Some("s3" | "gcs" | "gs" | "hg")) => {
            let word = forced.or(scheme).unwrap_or_default();
            Err(format!("{word} is not supported; offer the file over https"))
        }
        (None, None) | (Some("file"), _) | (None, Some("file")) => Err(String::from(
            "files of the node are not fetched; write an address such as https://host/file.tar.gz, or mount the file",
        )),
        _ => {
            Err(format!("{} is not supported; use http, https or git", forced.or(scheme).unwrap_or_default()))
        }
    }
}

/// `github.com/owner/name` and `git@host:path`.
fn is_repository(address: &str) -> bool {
    let host = address.split('/').next().unwrap_or_default();
    matches!(host, "github.com" | "gitlab.com" | "bitbucket.org") || address.starts_with("git@")
}

fn repository(address: &str) -> Result<String, String> {
    if let Some((scheme, _)) = address.split_once("://") {
        return match scheme {
            "http" | "https" | "ssh" | "git" => Ok(address.to_owned()),
            other => Err(format!("git over {other} is not supported; use https or ssh")),
        };
    }
    if address.starts_with("git@") {
        return Ok(address.to_owned());
    }
    if !is_repository(address) {
        return Err(String::from("write the repository with its scheme, as in git::https://host/path.git"));
    }
    let end = if address.ends_with(".git") { "" } else { ".git" };
    Ok(format!("https://{address}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str, options: &[(&str, &str)]) -> Result<Fetch, String> {
        parse(source, &options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn sources_over_http() {
        let check = |source: &str, url: &str, subdir: &str, archive: Option<Archive>| {
            let found = read(source, &[]).unwrap();
            assert_eq!(
                (found.url.as_str(), found.subdir.as_str(), found.archive),
                (url, subdir, archive),
                "{source}"
            );
            assert_eq!(found.way, Way::Http);
        };
        check("http://h:80/a/b.txt", "http://h:80/a/b.txt", "", None);
        check(
            "http://h/a.tar.gz//sub/dir?x=1&archive=zip",
            "http://h/a.tar.gz?x=1",
            "sub/dir",
            Some(Archive::Zip),
        );
        check("https://h/a.zip", "https://h/a.zip", "", Some(Archive::Zip));
        check("http://h/A.TGZ", "http://h/A.TGZ", "", Some(Archive::Tar(Packing::Gzip)));
        check("http://h/a.gz", "http://h/a.gz", "", Some(Archive::File(Packing::Gzip)));
        check("http://h/a.zip?archive=false", "http://h/a.zip", "", None);
        let found = read("http://h/a?archive=zip", &[("archive", "tar.xz"), ("filename", "b")]).unwrap();
        assert_eq!((found.archive, found.filename.as_str()), (Some(Archive::Tar(Packing::Xz)), "b"));
    }

    #[test]
    fn repositories() {
        let check = |source: &str, options: &[(&str, &str)], expected: (&str, &str, &str, u32)| {
            let found = read(source, options).unwrap();
            let Way::Git { reference, depth, .. } = &found.way else { panic!("{found:?}") };
            assert_eq!((found.url.as_str(), found.subdir.as_str(), reference.as_str(), *depth), expected);
        };
        check("git::https://h/p.git//sub?ref=v1", &[("depth", "1")], ("https://h/p.git", "sub", "v1", 1));
        check("github.com/owner/name//dir", &[], ("https://github.com/owner/name.git", "dir", "", 0));
        check(
            "git@github.com:owner/name.git",
            &[("ref", "main")],
            ("git@github.com:owner/name.git", "", "main", 0),
        );
        check("git::ssh://git@h/p", &[], ("ssh://git@h/p", "", "", 0));
    }

    #[test]
    fn what_cannot_be_fetched_says_why() {
        for (source, options, words) in [
            ("s3::http://h/b/k", &[][..], "s3 is not supported"),
            ("gcs::https://h/b", &[], "gcs is not supported"),
            ("hg::http://h/b", &[], "hg is not supported"),
            ("/etc/passwd", &[], "files of the node"),
            ("file:///etc/passwd", &[], "files of the node"),
            ("git::file:///r", &[], "git over file"),
            ("git::ext::sh", &[], "with its scheme"),
            ("ftp://h/a", &[], "ftp is not supported"),
            ("http://h/a b", &[], "is not the address"),
            ("http://h/a.tar//../x", &[], "leads out"),
            ("http://h/a", &[("checksum", "md5:12")], "length of its kind"),
            ("http://h/a", &[("checksum", "crc:12")], "none of md5"),
            ("http://h/a", &[("checksum", "sha256:xyz")], "hexadecimal"),
            ("http://h/a", &[("checksum", "file:/etc/sums")], "cannot be fetched"),
            ("http://h/a", &[("archive", "rar")], "\"rar\" cannot be unpacked"),
            ("http://h/a", &[("filename", "../x")], "not the name of a file"),
            ("git::https://h/p", &[("ref", "--upload-pack=x")], "not the name of a branch"),
            ("git::https://h/p", &[("depth", "all")], "number of commits"),
        ] {
            let error = read(source, options).unwrap_err();
            assert!(error.contains(words), "{source}: {error}");
        }
    }

    #[test]
    fn lists_of_checksums() {
        let (one, other) = ("a".repeat(64), "b".repeat(64));
        let found =
            |list: String| Checksum::in_list(&list, "app.tgz").map(|sum| (sum.kind.as_str(), sum.hex));
        let wanted = || Some(("sha256", one.clone()));
        assert_eq!(found(format!("{other}  app.tgz.asc\n{one}  dist/app.tgz\n")), wanted());
        assert_eq!(found(format!("# sums\n{one} *app.tgz\n{other} *b\n")), wanted());
        assert_eq!(found(format!("SHA256 (b) = {other}\nSHA256 (app.tgz) = {one}\n")), wanted());
        assert_eq!(found(format!("{one}\n")), wanted());
        assert_eq!(found(format!("{other}  b\n{one}  c\n")), None);
        assert_eq!(found(String::from("<html>not found</html>")), None);
        let proof = Proof::parse("file:https://h/SHA256SUMS");
        assert_eq!(proof, Ok(Proof::File(String::from("https://h/SHA256SUMS"))));
    }

    #[test]
    fn checksums() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for text in [md5.to_owned(), format!("md5:{md5}"), format!("MD5:{}", md5.to_uppercase())] {
            assert_eq!(
                Checksum::parse(&text).unwrap(),
                Checksum { kind: ChecksumKind::Md5, hex: md5.into() }
            );
        }
        assert_eq!(Checksum::parse(&"a".repeat(128)).unwrap().kind.as_str(), "sha512");
    }
}
