//! Whoever uses the cluster: sets its scheduler, registers jobs, looks at evaluations. Over HTTP, as users do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Problem, jobs};
use crate::cli::SimArgs;

/// Jobs that are on their way at the same time.
const WRITERS: usize = 8;
/// How often something is asked again that was refused for a moment.
const PAUSE: Duration = Duration::from_millis(100);

/// An evaluation as the list shows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Eval {
    pub(super) triggered_by: String,
    pub(super) status: String,
    /// Nanoseconds.
    pub(super) create_time: i64,
    pub(super) modify_time: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Registered {
    #[serde(rename = "EvalID")]
    eval: String,
}

/// Asks the servers, one after the other until one answers.
#[derive(Debug, Clone)]
pub(super) struct User {
    http: reqwest::Client,
    servers: Vec<String>,
}

impl User {
    pub(super) fn new(servers: Vec<String>) -> Result<Self, Problem> {
        let http = crate::trust::plain().no_proxy().build().map_err(|error| Problem(error.to_string()))?;
        Ok(Self { http, servers })
    }

    /// Waits until the cluster takes writes.
    pub(super) async fn set_algorithm(&self, algorithm: &str, until: Instant) -> Result<(), Problem> {
        let body = json!({ "SchedulerAlgorithm": algorithm });
        self.write("/v1/operator/scheduler/configuration", &body, until).await.map(drop)
    }

    /// Tries until `until`; the error is the last answer.
    async fn write(&self, path: &str, body: &Value, until: Instant) -> Result<Value, Problem> {
        let mut turn = 0;
        loop {
            let server = &self.servers[turn % self.servers.len()];
            turn += 1;
            let why = match self.http.put(format!("{server}{path}")).json(body).send().await {
                Ok(answer) if answer.status().is_success() => {
                    return answer.json().await.map_err(|error| Problem(format!("PUT {path}: {error}")));
                }
                Ok(answer) => {
                    let busy = answer.status().as_u16() == 429;
                    let text = answer.text().await.unwrap_or_default();
                    if !busy && !text.contains("leader") {
                        return Err(Problem(format!("PUT {path} was refused: {text}")));
                    }
                    text
                }
                Err(error) => error.to_string(),
            };
            if Instant::now() >= until {
                return Err(Problem(format!("PUT {path} found no server in time: {why}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let words = |error: reqwest::Error| Problem(format!("GET {path}: {error}"));
        let answer = self.http.get(format!("{}{path}", self.servers[0])).send().await.map_err(words)?;
        answer.error_for_status().map_err(words)?.json().await.map_err(words)
    }

    /// Registers all jobs; returns when the last one is in the log.
    pub(super) async fn register_all(&self, args: &SimArgs, until: Instant) -> Result<(), Problem> {
        let next = Arc::new(AtomicUsize::new(0));
        let writers = (0..WRITERS.min(args.jobs)).map(|_| {
            let next = next.clone();
            async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= args.jobs {
                        return Ok(());
                    }
                    let job = jobs::job(args, &format!("job-{number}"), args.groups, args.count);
                    self.write("/v1/jobs", &job, until).await?;
                }
            }
        });
        futures::future::try_join_all(writers).await.map(drop)
    }

    pub(super) async fn evals(&self) -> Result<Vec<Eval>, Problem> {
        self.read("/v1/evaluations").await
    }

    /// Registers one job of its own and waits until its evaluation is over. From the request to the answer that says
    /// so, as a user sees it.
    pub(super) async fn probe(
        &self,
        args: &SimArgs,
        number: usize,
        until: Instant,
    ) -> Result<Duration, Problem> {
        let job = jobs::job(args, &format!("probe-{number}"), 1, args.count.min(10));
        let begun = Instant::now();
        let registered: Registered = serde_json::from_value(self.write("/v1/jobs", &job, until).await?)
            .map_err(|error| Problem(format!("the answer to a registration was not understood: {error}")))?;
        let path = format!("/v1/evaluation/{}", registered.eval);
        let mut index = 0_u64;
        loop {
            let query = format!("{path}?index={index}&wait=5s");
            let eval: Value = self.read(&query).await?;
            match eval["Status"].as_str() {
                Some("complete") => return Ok(begun.elapsed()),
                Some("failed" | "canceled") => {
                    return Err(Problem(format!("an evaluation ended as {}", eval["Status"])));
                }
                _ => index = eval["ModifyIndex"].as_u64().unwrap_or(0),
            }
            if Instant::now() >= until {
                return Err(Problem("an evaluation did not end in time".into()));
            }
        }
    }
}
