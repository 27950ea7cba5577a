//! Sessions: a command that runs inside a task, with somebody at its ends.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Messages that wait in either direction; then whoever speaks waits.
const WAITING: usize = 8;

/// Bytes of one message at most.
pub const SESSION_CHUNK: usize = 32 * 1024;

/// What to run inside a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// Program and arguments; not empty.
    pub command: Vec<String>,
    /// With a terminal: its output is all on stdout then.
    pub tty: bool,
}

/// What the people outside say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecInput {
    /// At most [`SESSION_CHUNK`] bytes.
    Stdin(Bytes),
    /// Nothing more comes on stdin.
    CloseStdin,
    /// Of their terminal.
    Size { rows: u16, columns: u16 },
}

/// What comes out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecOutput {
    /// At most [`SESSION_CHUNK`] bytes.
    Stdout(Bytes),
    Stderr(Bytes),
    /// The last message: it ended with this code; killed by a signal, 128 and its number.
    Exited(i32),
    /// The last message: what became of it is not known.
    Failed(String),
}

/// The outer ends of a command that runs. Dropping `output` ends the command.
#[derive(Debug)]
pub struct ExecSession {
    pub input: mpsc::Sender<ExecInput>,
    pub output: mpsc::Receiver<ExecOutput>,
}

/// The driver's ends. `input` that ends says nothing about stdin.
#[derive(Debug)]
pub struct ExecEnds {
    pub input: mpsc::Receiver<ExecInput>,
    /// Closed: the session is given up, and the command has to go.
    pub output: mpsc::Sender<ExecOutput>,
}

impl ExecSession {
    /// Both sides of a new session.
    pub fn new() -> (Self, ExecEnds) {
        let (to_task, input) = mpsc::channel(WAITING);
        let (output, from_task) = mpsc::channel(WAITING);
        (Self { input: to_task, output: from_task }, ExecEnds { input, output })
    }
}
