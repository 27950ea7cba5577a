//! The connection to the engine, and its errors in words.

use std::{error::Error as _, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker as Client, errors::Error};
use tokio::sync::OnceCell;

use crate::actors::ports::DriverError;

/// For the head of an answer; streams may take as long as they like.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Connects with the first question, so that an engine that starts later is found.
#[derive(Debug)]
pub(super) struct Engine {
    socket: String,
    client: OnceCell<Client>,
}

impl Engine {
    pub(super) fn at(socket: &str) -> Self {
        Self { socket: socket.to_owned(), client: OnceCell::new() }
    }

    pub(super) async fn client(&self) -> Result<&Client, Error> {
        self.client
            .get_or_try_init(|| async {
                let client =
                    Client::connect_with_unix(&self.socket, ANSWER_LIMIT.as_secs(), API_DEFAULT_VERSION)?;
                client.negotiate_version().await
            })
            .await
    }

    /// The engine's own words where it answered; else that it does not.
    pub(super) fn words(&self, error: &Error) -> String {
        match error {
            Error::DockerResponseServerError { message, .. } => message.clone(),
            Error::DockerStreamError { error } => error.clone(),
            error if is_away(error) => {
                let mut text = format!(
                    "Cannot connect to the Docker daemon at unix://{}. Is the docker daemon running?",
                    self.socket
                );
                if let Some(cause) = cause(error) {
                    text += &format!(" ({cause})");
                }
                text
            }
            other => other.to_string(),
        }
    }

    pub(super) fn recoverable(&self, error: &Error) -> DriverError {
        DriverError::Recoverable(self.words(error))
    }

    /// For questions about one container.
    pub(super) fn about(&self, task: &str, error: &Error) -> DriverError {
        if status(error) == Some(404) {
            DriverError::NotFound(task.to_owned())
        } else {
            self.recoverable(error)
        }
    }
}

/// The HTTP status of the engine's refusal.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Whether there was no answer at all: the engine may be back later.
pub(super) fn is_away(error: &Error) -> bool {
    matches!(
        error,
        Error::SocketNotFoundError(_)
            | Error::HyperLegacyError { .. }
            | Error::HyperResponseError { .. }
            | Error::IOError { .. }
            | Error::RequestTimeoutError
    )
}

/// The innermost error where it says more than "not there".
fn cause(error: &Error) -> Option<String> {
    if matches!(error, Error::RequestTimeoutError) {
        return Some(String::from("no answer in time"));
    }
    let mut inner = error.source()?;
    while let Some(next) = inner.source() {
        inner = next;
    }
    let io = inner.downcast_ref::<std::io::Error>();
    let plain = io.is_some_and(|io| io.kind() == std::io::ErrorKind::NotFound);
    (!plain).then(|| inner.to_string())
}
