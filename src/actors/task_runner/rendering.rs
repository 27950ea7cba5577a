//! Files of a task that are made from templates: rendered until they are complete, written, and looked at again when
//! what they read has changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use logic::{
    environment::Scope,
    sockaddr::Interface,
    templates::{self, Parsed, Reads, Rendered, World},
};
use model::{AllocId, ChangeMode, ChangeScript, Node, Template, Timestamp, files::path_in_alloc};

use crate::actors::{
    node_agent::NodeKit,
    ports::{FilePut, TaskDirs},
};

/// How often files that templates read are looked at: their writers tell nobody.
const FILE_INTERVAL: Duration = Duration::from_secs(3);
/// How often a task that does not start yet looks for files.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes of a file that a template is or reads.
const MAX_SOURCE: usize = 1 << 20;
/// Files that lead to further files.
const MAX_ROUNDS: usize = 16;

/// What follows from files that were rendered again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Changes {
    /// The whole environment that templates give.
    pub(super) env: BTreeMap<String, String>,
    pub(super) restart: bool,
    pub(super) signals: BTreeSet<String>,
    pub(super) scripts: Vec<ChangeScript>,
    /// What could not be done, in words.
    pub(super) notes: Vec<String>,
}

impl Changes {
    pub(super) fn add(&mut self, later: Self) {
        self.restart |= later.restart;
        self.signals.extend(later.signals);
        self.scripts.extend(later.scripts);
        self.notes.extend(later.notes);
    }

    fn calls_for_something(&self) -> bool {
        self.restart || !self.signals.is_empty() || !self.scripts.is_empty()
    }
}

/// The templates of one task.
pub(super) struct Rendering {
    kit: Arc<NodeKit>,
    node: Arc<Node>,
    alloc: AllocId,
    task: String,
    dirs: TaskDirs,
    env: Arc<BTreeMap<String, String>>,
    files: Vec<File>,
}

struct File {
    spec: Template,
    source: Option<Vec<String>>,
    destination: Vec<String>,
    /// Once its text is known.
    parsed: Option<Arc<Parsed>>,
    reads: Reads,
    /// What the files held that it read.
    inputs: BTreeMap<String, Option<String>>,
    /// Of what was written last.
    hash: Option<u64>,
    env: BTreeMap<String, String>,
    /// When what it read changed first and last since it was rendered.
    stale: Option<(Timestamp, Timestamp)>,
    note: String,
}

impl Rendering {
    /// # Errors
    /// In words: a path leads out of the allocation.
    pub(super) fn new(
        templates: &[Template],
        scope: &Scope,
        kit: Arc<NodeKit>,
        node: Arc<Node>,
        (alloc, task): (AllocId, &str),
    ) -> Result<Self, String> {
        let place = |path: &str| {
            scope.place(task, path).ok_or_else(|| format!("the path {path:?} leads out of the allocation"))
        };
        let file = |spec: &Template| {
            Ok(File {
                source: (!spec.source.is_empty()).then(|| place(&spec.source)).transpose()?,
                destination: place(&spec.destination)?,
                spec: spec.clone(),
                parsed: None,
                reads: Reads::default(),
                inputs: BTreeMap::new(),
                hash: None,
                env: BTreeMap::new(),
                stale: None,
                note: String::new(),
            })
        };
        let files = templates.iter().map(file).collect::<Result<_, String>>()?;
        let dirs = kit.disk.dirs(alloc, task);
        Ok(Self { kit, node, alloc, task: task.to_owned(), dirs, env: scope.env.clone(), files })
    }

    /// Renders all of them, waiting for what they read. `note` is told what is waited for. The answer is what follows
    /// if the task runs already; for one that starts it says nothing but the environment.
    ///
    /// # Errors
    /// In words: a template is wrong, or a file cannot be written.
    pub(super) async fn first(&mut self, note: impl Fn(String)) -> Result<Changes, String> {
        let mut changes = Changes::default();
        let mut open: BTreeSet<usize> = (0..self.files.len()).collect();
        let mut told = BTreeSet::new();
        loop {
            let mut news = self.kit.catalog.changes();
            let mut missing = BTreeSet::new();
            for index in open.clone() {
                let rendered = self.render(index).await.map_err(|error| self.place(index, &error))?;
                if rendered.missing.is_empty() {
                    open.remove(&index);
                    self.write(index, rendered, &mut changes).await?;
                } else {
                    missing.extend(rendered.missing);
                }
            }
            if open.is_empty() {
                changes.env = self.environment();
                return Ok(changes);
            }
            if missing != told {
                let words: Vec<&str> = missing.iter().map(String::as_str).collect();
                note(format!("Missing: {}", words.join(", ")));
                told = missing;
            }
            for index in &open {
                self.files[*index].inputs.clear();
            }
            // The catalog tells of itself, files do not.
            if let Ok(Err(_)) = tokio::time::timeout(RETRY, news.changed()).await {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Waits until something was rendered again and differs.
    pub(super) async fn again(&mut self) -> Changes {
        loop {
            let mut news = self.kit.catalog.changes();
            self.find_stale().await;
            let now = self.kit.clock.now();
            let mut changes = Changes::default();
            let mut splay = Duration::ZERO;
            let mut wake: Option<Timestamp> = None;
            for index in 0..self.files.len() {
                let file = &self.files[index];
                let Some((first, last)) = file.stale else { continue };
                let due = templates::due(first, last, file.spec.wait);
                if due > now {
                    wake = Some(wake.map_or(due, |wake| wake.min(due)));
                    continue;
                }
                self.files[index].stale = None;
                if self.render_again(index, &mut changes).await {
                    splay = splay.max(self.files[index].spec.splay);
                }
            }
            if changes != Changes::default() {
                changes.env = self.environment();
                if changes.calls_for_something() {
                    tokio::time::sleep(templates::splay(splay, (self.kit.jitter)())).await;
                }
                return changes;
            }
            let reads_files = self.files.iter().any(|file| file.reads.files().next().is_some());
            let until_due = wake.map(|wake| wake.since(now).max(Duration::from_millis(1)));
            let longest = if reads_files { FILE_INTERVAL } else { Duration::from_secs(3600) };
            let wait = until_due.unwrap_or(longest).min(longest);
            if let Ok(Err(_)) = tokio::time::timeout(wait, news.changed()).await {
                // The agent ends: there are no further news.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn find_stale(&mut self) {
        let (root, now) = (self.kit.catalog.root(), self.kit.clock.now());
        for index in 0..self.files.len() {
            if self.files[index].spec.once {
                continue;
            }
            let mut is_stale = self.files[index].reads.take_changes(&root);
            let paths: Vec<String> = self.files[index].reads.files().map(str::to_owned).collect();
            for path in paths {
                let text = self.read(&path).await.unwrap_or_default();
                let known = self.files[index].inputs.insert(path, text.clone());
                is_stale |= known != Some(text);
            }
            if is_stale {
                let stale = &mut self.files[index].stale;
                *stale = Some((stale.map_or(now, |(first, _)| first), now));
            }
        }
    }

    /// What was there stays when it cannot be rendered, and somebody is told. Whether something was written.
    async fn render_again(&mut self, index: usize, changes: &mut Changes) -> bool {
        let failed = match self.render(index).await {
            Ok(rendered) if rendered.missing.is_empty() => {
                self.files[index].note.clear();
                match self.write(index, rendered, changes).await {
                    Ok(written) => return written,
                    Err(error) => error,
                }
            }
            Ok(rendered) => {
                let words: Vec<&str> = rendered.missing.iter().map(String::as_str).collect();
                // What it waits for decides when it is rendered again.
                let missing = format!("Missing: {}", words.join(", "));
                self.files[index].reads = rendered.reads;
                missing
            }
            Err(error) => self.place(index, &error),
        };
        let file = &mut self.files[index];
        if file.note != failed {
            changes.notes.push(format!("{failed}; {} stays as it was", file.spec.destination));
            file.note = failed;
        }
        false
    }

    fn place(&self, index: usize, error: &str) -> String {
        format!("Template failed: {}: {error}", self.files[index].spec.destination)
    }

    /// Reads what the template wants to read, until it wants nothing more.
    async fn render(&mut self, index: usize) -> Result<Rendered, String> {
        let parsed = match self.files[index].parsed.clone() {
            Some(parsed) => parsed,
            None => self.parse(index).await?,
        };
        self.files[index].parsed = Some(parsed.clone());
        let mut interfaces: Option<Vec<Interface>> = None;
        for _ in 0..MAX_ROUNDS {
            let (root, node, env) = (self.kit.catalog.root(), self.node.clone(), self.env.clone());
            let (now, parsed) = (self.kit.clock.now(), parsed.clone());
            let inputs = std::mem::take(&mut self.files[index].inputs);
            let strict = self.files[index].spec.missing_key_is_error;
            let known = interfaces.clone();
            let work = move || {
                let interfaces = known.as_deref();
                let world = World { root: &root, node: &node, env: &env, files: &inputs, interfaces, now };
                let rendered = templates::render(&parsed, world, strict);
                (rendered, inputs)
            };
            let done = tokio::task::spawn_blocking(work).await;
            let (rendered, inputs) = done.map_err(|error| format!("rendering ended: {error}"))?;
            self.files[index].inputs = inputs;
            let rendered = rendered.map_err(|error| error.to_string())?;
            if rendered.wants_interfaces {
                interfaces = Some(self.kit.host.interfaces().await);
            } else if rendered.wanted.is_empty() {
                self.files[index].reads = rendered.reads.clone();
                return Ok(rendered);
            }
            for path in rendered.wanted {
                let text = self.read(&path).await?;
                self.files[index].inputs.insert(path, text);
            }
        }
        Err(format!("more than {MAX_ROUNDS} files that lead to further files"))
    }

    async fn parse(&self, index: usize) -> Result<Arc<Parsed>, String> {
        let file = &self.files[index];
        let text = match &file.source {
            None => file.spec.data.clone(),
            Some(source) => {
                let read = self.kit.disk.read(self.alloc, source.clone(), MAX_SOURCE).await;
                let bytes = read.map_err(|error| format!("{}: {error}", file.spec.source))?;
                let bytes = bytes.ok_or_else(|| format!("there is no file {}", file.spec.source))?;
                String::from_utf8(bytes).map_err(|_| format!("{} is not UTF-8", file.spec.source))?
            }
        };
        let parsed = templates::parse(&text, &file.spec.left, &file.spec.right);
        parsed.map(Arc::new).map_err(|error| error.to_string())
    }

    /// A file that a template names: relative to the task's directory, or as the task itself names it.
    async fn read(&self, path: &str) -> Result<Option<String>, String> {
        let own = |dir: &std::path::Path, name: &str| {
            let rest = std::path::Path::new(path).strip_prefix(dir).ok()?.to_str()?;
            path_in_alloc(&self.task, &format!("{name}/{rest}"))
        };
        let parts = own(&self.dirs.alloc, "../alloc").or_else(|| own(&self.dirs.task, "."));
        let is_shared = path == "/alloc" || path.starts_with("/alloc/");
        let parts = parts.or_else(|| {
            path_in_alloc(&self.task, &if is_shared { format!("..{path}") } else { path.to_owned() })
        });
        let parts = parts.ok_or_else(|| format!("the path {path:?} leads out of the allocation"))?;
        let read = self.kit.disk.read(self.alloc, parts, MAX_SOURCE).await;
        let bytes = read.map_err(|error| format!("{path}: {error}"))?;
        let text = bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8")));
        text.transpose()
    }

    /// Whether it differs from what was there, and what follows from that.
    async fn write(
        &mut self,
        index: usize,
        rendered: Rendered,
        changes: &mut Changes,
    ) -> Result<bool, String> {
        let file = &mut self.files[index];
        let destination = &file.spec.destination;
        let hash = {
            let mut hasher = DefaultHasher::new();
            hasher.write(rendered.text.as_bytes());
            Some(hasher.finish())
        };
        if hash == file.hash {
            return Ok(false);
        }
        if file.spec.env {
            file.env = templates::environment(&rendered.text)
                .map_err(|error| format!("Template failed: {destination}: {error}"))?;
        }
        let put = FilePut {
            path: file.destination.clone(),
            bytes: rendered.text.into_bytes(),
            mode: file.spec.mode().unwrap_or(0o644),
            uid: file.spec.uid,
            gid: file.spec.gid,
        };
        let written = self.kit.disk.put(self.alloc, put).await;
        let written = written.map_err(|error| format!("Template failed: {destination}: {error}"))?;
        file.hash = hash;
        if written {
            match file.spec.change {
                ChangeMode::Noop => {}
                ChangeMode::Restart => changes.restart = true,
                ChangeMode::Signal => {
                    changes.signals.insert(file.spec.signal.clone());
                }
                ChangeMode::Script => changes.scripts.extend(file.spec.script.clone()),
            }
        }
        Ok(written)
    }

    fn environment(&self) -> BTreeMap<String, String> {
        self.files.iter().flat_map(|file| file.env.clone()).collect()
    }
}
