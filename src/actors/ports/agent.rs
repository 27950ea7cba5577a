//! What the agent is asked about itself: its log, its configuration.

/// How much of the log somebody wants to see: this and all that is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// The agent's configuration, which may change while it runs.
pub trait Reload: Send + Sync + 'static {
    /// Reads it again, and obeys what can change without a restart; the log says what cannot. Reads files.
    ///
    /// # Errors
    /// All that is wrong with it, each with file and line; then nothing has changed.
    fn reload(&self) -> Result<(), Vec<String>>;
}

/// The agent's log as it is written.
pub trait LogTap: Send + Sync + 'static {
    /// Lines from now on, each with its newline, as text or JSON. Who does not keep up misses some, and finds a line that
    /// says so. `None`: too many listen already.
    fn listen(&self, level: LogLevel, json: bool) -> Option<tokio::sync::mpsc::Receiver<bytes::Bytes>>;
}
