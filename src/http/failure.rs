//! Refusals: a status and one plain text, without a full stop or newline, as clients of the Nomad API expect.

use actix_web::{HttpResponse, http::StatusCode};

use crate::actors::ports::{ClusterError, ProposeError};

/// Why a request was not answered with 200. Nothing was written unless the text says that the outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// The default of the API, also for what a client did wrong.
    pub(super) fn server(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// Known and not there: says so instead of pretending.
    pub(super) fn absent(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, text)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Invalid method")
    }

    pub(super) fn busy(text: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, text)
    }

    /// Several problems in the one form that clients know.
    pub(super) fn problems(problems: &[String]) -> Self {
        let head = match problems.len() {
            1 => String::from("1 error occurred:"),
            count => format!("{count} errors occurred:"),
        };
        let list: String = problems.iter().map(|problem| format!("\n\t* {problem}")).collect();
        Self::server(format!("{head}{list}\n\n"))
    }

    pub(super) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.insert_header(("Retry-After", "1"));
        }
        response.content_type("text/plain; charset=utf-8").body(self.text.clone())
    }
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Self {
        match error {
            ProposeError::NotLeader { .. } => Self::server("No cluster leader"),
            ProposeError::Overloaded => Self::busy(error.to_string()),
            ProposeError::Unknown(_) => {
                Self::server(format!("{error}; look at the state before trying again"))
            }
            ProposeError::Closed(_) => Self::server(error.to_string()),
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::Unknown(_) => {
                Self::server(format!("{error}; look at the state before trying again"))
            }
            error => Self::server(error.to_string()),
        }
    }
}

impl From<api::FilterError> for Failure {
    fn from(error: api::FilterError) -> Self {
        Self::server(error.to_string())
    }
}

impl From<api::DecodeError> for Failure {
    fn from(error: api::DecodeError) -> Self {
        Self::bad(error.to_string())
    }
}
