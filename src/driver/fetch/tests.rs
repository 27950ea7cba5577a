use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use model::AllocId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// A server on a port of its own; answers each path with these bytes, and others with 404.
async fn server(files: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut buffer = [0; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(count) if count > 0 => head.extend(&buffer[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split_whitespace().nth(1).unwrap_or_default();
            let asked = path.split('?').next().unwrap_or_default();
            let (status, body) = match files.iter().find(|(known, _)| *known == asked) {
                _ if asked == "/token" && !head.to_lowercase().contains("x-token: t1") => {
                    ("403 Forbidden", vec![])
                }
                _ if asked == "/broken" => ("500 Internal Server Error", vec![]),
                Some((_, body)) => ("200 OK", body.clone()),
                None => ("404 Not Found", vec![]),
            };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
    });
    format!("http://{address}")
}

struct Bench {
    temp: tempfile::TempDir,
    fetcher: NetFetcher,
}

impl Bench {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let fetcher = NetFetcher::new(temp.path(), Handle::current());
        fs::create_dir_all(temp.path().join(AllocId(1).to_string()).join("t/local")).unwrap();
        Self { temp, fetcher }
    }

    fn home(&self) -> PathBuf {
        self.temp.path().join(AllocId(1).to_string())
    }

    async fn fetch(
        &self,
        source: &str,
        mode: ArtifactMode,
        options: &[(&str, &str)],
        to: &str,
    ) -> Result<(), FetchError> {
        let texts = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let order = FetchOrder {
            alloc: AllocId(1),
            source: source.to_owned(),
            options: texts(options),
            headers: texts(&[("X-Token", "t1")]),
            mode,
            destination: to.split('/').map(str::to_owned).collect(),
            owner: None,
        };
        self.fetcher.fetch(order).await
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.home().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Paths below the task's directory, with `/` behind directories.
    fn list(&self, dir: &str) -> Vec<String> {
        fn walk(base: &Path, dir: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(base).unwrap().display().to_string();
                if path.symlink_metadata().unwrap().is_dir() {
                    found.push(format!("{name}/"));
                    walk(base, &path, found);
                } else {
                    found.push(name);
                }
            }
        }
        let mut found = Vec::new();
        let base = self.home().join(dir);
        walk(&base, &base, &mut found);
        found.sort();
        found
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Kinds: `f` a file with this text, `l` a link to it, `d` a directory, `p` a pipe.
fn tar_of(members: &[(char, &str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, path, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(0);
        // Written as it is: the library would refuse bad names.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        let mut body: &[u8] = &[];
        match kind {
            'f' => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(text.len() as u64);
                body = text.as_bytes();
            }
            'l' => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            'd' => header.set_entry_type(tar::EntryType::Directory),
            _ => header.set_entry_type(tar::EntryType::Fifo),
        }
        header.set_cksum();
        builder.append(&header, body).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Members with their text; packed if told so.
fn zip_of(members: &[(&str, &str)], packs: bool) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (path, text) in members {
        let mut crc = flate2::Crc::new();
        crc.update(text.as_bytes());
        let data = if packs {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        } else {
            text.as_bytes().to_vec()
        };
        let method: u16 = if packs { 8 } else { 0 };
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0]);
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(crc.sum().to_le_bytes());
        common.extend((data.len() as u32).to_le_bytes());
        common.extend((text.len() as u32).to_le_bytes());
        common.extend((path.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        let begin = out.len() as u32;
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(path.as_bytes());
        out.extend(data);
        list.extend(b"PK\x01\x02\x14\x03");
        list.extend(&common);
        list.extend([0; 6]);
        list.extend((0o100_750_u32 << 16).to_le_bytes());
        list.extend(begin.to_le_bytes());
        list.extend(path.as_bytes());
    }
    let (count, size, at) = (members.len() as u16, list.len() as u32, out.len() as u32);
    out.extend(list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[tokio::test]
async fn files_with_checksums_and_headers() {
    let bench = Bench::new();
    let url = server(vec![
        ("/a.txt", b"hello".to_vec()),
        ("/token", b"let in".to_vec()),
        ("/a.gz", gzip(b"plain")),
    ])
    .await;
    let any = ArtifactMode::Any;
    let md5 = "md5:5d41402abc4b2a76b9719d911017c592";
    bench.fetch(&format!("{url}/a.txt"), any, &[("checksum", md5)], "t/local").await.unwrap();
    assert_eq!(bench.text("t/local/a.txt"), "hello");
    let sha = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    bench
        .fetch(&format!("{url}/a.txt?x=1"), ArtifactMode::File, &[("checksum", sha)], "t/local/sub/b")
        .await
        .unwrap();
    assert_eq!(bench.text("t/local/sub/b"), "hello");
    bench.fetch(&format!("{url}/token"), any, &[("filename", "secret")], "t/local").await.unwrap();
    assert_eq!(bench.text("t/local/secret"), "let in");
    bench.fetch(&format!("{url}/a.gz"), any, &[], "t/local").await.unwrap();
    assert_eq!(bench.text("t/local/a"), "plain");
    assert_eq!(bench.list("t/local"), ["a", "a.txt", "secret", "sub/", "sub/b"]);

    let wrong = format!("md5:{}", "0".repeat(32));
    for (path, options, words, recoverable) in [
        ("/a.txt", &[("checksum", wrong.as_str())][..], "has the md5 checksum 5d41402a", true),
        ("/none", &[], "answers with 404", false),
        ("/broken", &[], "answers with 500", true),
        ("/a.txt", &[("archive", "zip")], "no zip archive", false),
    ] {
        let error = bench.fetch(&format!("{url}{path}"), any, options, "t/local/x").await.unwrap_err();
        assert!(error.message.contains(words), "{error}");
        assert_eq!(error.recoverable, recoverable, "{error}");
    }
    let error = bench.fetch("http://127.0.0.1:1/x", any, &[], "t/local").await.unwrap_err();
    assert!(error.recoverable, "{error}");
    let error = bench.fetch(&format!("{url}/a.txt"), ArtifactMode::Dir, &[], "t/local").await.unwrap_err();
    assert!(error.message.contains("is no archive"), "{error}");
}

#[tokio::test]
async fn archives_are_unpacked() {
    let bench = Bench::new();
    let members =
        [('d', "top/", ""), ('f', "top/bin/run", "#!"), ('l', "top/latest", "bin/run"), ('f', "top/x", "X")];
    let tar = tar_of(&members);
    let zip = [("top/bin/run", "#!"), ("top/x", "XXXXXXXXXXXXXXXX"), ("top/empty/", "")];
    let url = server(vec![
        ("/a.tar", tar.clone()),
        ("/a.tgz", gzip(&tar)),
        ("/a.zip", zip_of(&zip, true)),
        ("/b.zip", zip_of(&zip, false)),
    ])
    .await;
    for name in ["a.tar", "a.tgz"] {
        let to = format!("t/local/{name}");
        bench.fetch(&format!("{url}/{name}"), ArtifactMode::Any, &[], &to).await.unwrap();
        assert_eq!(bench.list(&to), ["top/", "top/bin/", "top/bin/run", "top/latest", "top/x"]);
        assert_eq!(bench.text(&format!("{to}/top/latest")), "#!");
        let mode = fs::metadata(bench.home().join(&to).join("top/bin/run")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
    for name in ["a.zip", "b.zip"] {
        let to = format!("t/local/{name}");
        bench.fetch(&format!("{url}/{name}//top"), ArtifactMode::Dir, &[], &to).await.unwrap();
        assert_eq!(bench.list(&to), ["bin/", "bin/run", "empty/", "x"]);
        assert_eq!(bench.text(&format!("{to}/x")), "XXXXXXXXXXXXXXXX");
    }
    // A second time it is the same again.
    bench.fetch(&format!("{url}/a.tar"), ArtifactMode::Any, &[], "t/local/a.tar").await.unwrap();
    let error =
        bench.fetch(&format!("{url}/a.tar//no"), ArtifactMode::Any, &[], "t/local/n").await.unwrap_err();
    assert!(error.message.contains("no directory no"), "{error}");
}

#[tokio::test]
async fn nothing_leads_out_of_the_allocation() {
    let bench = Bench::new();
    let outside = bench.temp.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, bench.home().join("t/local/planted")).unwrap();
    let bad = |members: &[(char, &str, &str)]| tar_of(members);
    let url = server(vec![
        ("/up.tar", bad(&[('f', "../../../up", "x")])),
        ("/link.tar", bad(&[('l', "out", "../../../outside"), ('f', "out/x", "x")])),
        ("/absolute.tar", bad(&[('l', "out", "/etc")])),
        ("/through.tar", bad(&[('l', "in", "planted"), ('f', "in/x", "x")])),
        ("/pipe.tar", bad(&[('p', "pipe", "")])),
        ("/up.zip", zip_of(&[("../up", "x")], true)),
        ("/cut.zip", zip_of(&[("a", "x")], true)[4..].to_vec()),
        ("/ok", b"x".to_vec()),
    ])
    .await;
    for (name, words) in [
        ("up.tar", "leads out of the archive"),
        ("link.tar", "leads out of the archive"),
        ("absolute.tar", "leads out of the archive"),
        ("through.tar", "not followed"),
        ("pipe.tar", "not unpacked"),
        ("up.zip", "leads out of the archive"),
        ("cut.zip", "cut off"),
    ] {
        let error =
            bench.fetch(&format!("{url}/{name}"), ArtifactMode::Any, &[], "t/local").await.unwrap_err();
        assert!(error.message.contains(words) || name == "cut.zip", "{name}: {error}");
        assert!(!error.recoverable, "{name}: {error}");
    }
    let error =
        bench.fetch(&format!("{url}/ok"), ArtifactMode::Any, &[], "t/local/planted").await.unwrap_err();
    assert!(error.message.contains("not followed"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_packed_otherwise() {
    let bench = Bench::new();
    // Made by the tools of those names; each holds "packed\n".
    let url = server(vec![
        ("/a.bz2", include_bytes!("testdata/packed.bz2").to_vec()),
        ("/a.xz", include_bytes!("testdata/packed.xz").to_vec()),
        ("/a.zst", include_bytes!("testdata/packed.zst").to_vec()),
    ])
    .await;
    for name in ["a.bz2", "a.xz", "a.zst"] {
        bench.fetch(&format!("{url}/{name}"), ArtifactMode::Any, &[], "t/local").await.unwrap();
        assert_eq!(bench.text("t/local/a"), "packed\n", "{name}");
    }
}
