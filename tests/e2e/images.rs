//! Images for tests and the demo, made on the machine's Docker Engine: nothing is pulled.
//!
//! Web servers are one static program (`tests/images/web.rs`) under several names; redis is Debian's, with the shared
//! libraries it needs. A label holds a hash of what went in, so that an image is made once; an image of that name
//! without the label was put there by somebody else and stays.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const WEB_SOURCE: &str = include_str!("../images/web.rs");
const LABEL: &str = "troupe.made-from";

/// An image by the name that job files use.
#[derive(Debug, Clone, Copy, Hash)]
pub(crate) struct Image {
    pub name: &'static str,
    program: &'static str,
}

/// Where the engine does what the tutorials do.
pub(crate) const REDIS_3_2: Image = Image { name: "redis:3.2", program: "redis-server" };
pub(crate) const REDIS_4_0: Image = Image { name: "redis:4.0", program: "redis-server" };
pub(crate) const HTTP_ECHO: Image = Image { name: "hashicorp/http-echo:0.2.3", program: "http-echo" };
pub(crate) const WHOAMI: Image = Image { name: "traefik/whoami:v1.10", program: "whoami" };
pub(crate) const MICROSERVICE: Image =
    Image { name: "eridemnet/microservice-example:1.0.0", program: "microservice" };
pub(crate) const TODO_DB: Image = Image { name: "postgres:11.6-alpine", program: "todo-db" };
pub(crate) const TODO_WEB: Image = Image { name: "diamol/ch06-todo-list:latest", program: "todo-web" };

/// Makes the images that the engine does not have yet.
///
/// # Errors
/// In words: no engine, no compiler, no redis on this machine.
pub(crate) fn ensure(images: &[Image]) -> Result<(), String> {
    let dir = work_dir()?;
    // Tests are processes of their own; one of them makes an image, the others wait.
    let lock = File::create(dir.join("lock")).map_err(words)?;
    lock.lock().map_err(words)?;
    images.iter().try_for_each(|image| make(*image, &dir))
}

fn make(image: Image, dir: &Path) -> Result<(), String> {
    let redis = image.program == "redis-server";
    let mut hasher = DefaultHasher::new();
    (image, WEB_SOURCE, include_str!("images.rs")).hash(&mut hasher);
    if redis {
        let path =
            which("redis-server").ok_or("redis-server is not installed: apt-get install redis-server")?;
        let facts = fs::metadata(path).map_err(words)?;
        (facts.len(), facts.modified().map_err(words)?).hash(&mut hasher);
    }
    let hash = format!("{:016x}", hasher.finish());
    let format = format!("label={{{{index .Config.Labels {LABEL:?}}}}}");
    let found = run(Command::new("docker").args(["image", "inspect", "--format", &format, image.name]));
    match found {
        Ok(label) if label.trim() == format!("label={hash}") => return Ok(()),
        // Somebody's own image.
        Ok(label) if label.trim() == "label=" => return Ok(()),
        _ => {}
    }
    let stage = dir.join(format!("stage-{}", std::process::id()));
    fs::create_dir_all(&stage).map_err(words)?;
    let entry = if redis {
        stage_redis(&stage)?;
        r#"["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]"#.to_owned()
    } else {
        fs::copy(web_program(dir)?, stage.join(image.program)).map_err(words)?;
        format!("[\"/{}\"]", image.program)
    };
    let made = import(
        &stage,
        image.name,
        &[format!("ENTRYPOINT {entry}"), "ENV PATH=/usr/bin:/bin:/".into(), format!("LABEL {LABEL}={hash}")],
    );
    let _ = fs::remove_dir_all(&stage);
    made
}

fn import(stage: &Path, name: &str, changes: &[String]) -> Result<(), String> {
    let mut tar = Command::new("tar")
        .args(["--owner=0", "--group=0", "-c", "."])
        .current_dir(stage)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("tar: {error}"))?;
    let archive = tar.stdout.take().ok_or("tar has no output")?;
    let mut docker = Command::new("docker");
    docker.arg("import");
    for change in changes {
        docker.args(["--change", change]);
    }
    let made = run(docker.args(["-", name]).stdin(archive));
    tar.wait().map_err(words)?;
    made.map(drop)
}

/// The static program, compiled once for each version of its source.
pub(crate) fn web_program(dir: &Path) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    WEB_SOURCE.hash(&mut hasher);
    let program = dir.join(format!("web-{:016x}", hasher.finish()));
    if program.exists() {
        return Ok(program);
    }
    let source = dir.join("web.rs");
    fs::write(&source, WEB_SOURCE).map_err(words)?;
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let fresh = program.with_extension("new");
    let flags = ["--edition=2024", "-O", "-Cstrip=symbols", "-Ctarget-feature=+crt-static", "-o"];
    run(Command::new(rustc).args(flags).arg(&fresh).arg(&source))?;
    fs::rename(&fresh, &program).map_err(words)?;
    Ok(program)
}

/// redis-server (and redis-cli, for script checks) with their shared libraries, at the paths of this machine.
fn stage_redis(stage: &Path) -> Result<(), String> {
    for name in ["redis-server", "redis-cli"] {
        let Some(program) = which(name) else { continue };
        put(&program, &stage.join("usr/bin").join(name))?;
        let libraries = run(Command::new("ldd").arg(&program))?;
        for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            put(Path::new(word), &stage.join(word.trim_start_matches('/')))?;
        }
    }
    fs::create_dir_all(stage.join("tmp")).map_err(words)
}

fn put(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(words)?;
    fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// A directory that outlives the run, in the build directory of the running program.
pub(crate) fn work_dir() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(words)?;
    let target = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").exists());
    let dir = target.map_or_else(std::env::temp_dir, |target| target.join("tmp")).join("troupe-images");
    fs::create_dir_all(&dir).map_err(words)?;
    Ok(dir)
}

/// Output of a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stderr(Stdio::piped()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn words(error: io::Error) -> String {
    error.to_string()
}
