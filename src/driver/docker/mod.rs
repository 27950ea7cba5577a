//! Containers of the Docker Engine, over its local socket.
//!
//! A container's name is made of its task and allocation, so that what an interrupted start left behind is found and
//! removed by the next. While the engine is away (it is being restarted) nothing is concluded: only an engine that
//! answers can say that a container is gone.

mod address; // where a container is reached
mod attach; // commands inside a container, with somebody at their ends
mod create; // a task in the engine's terms
mod engine; // the connection, and errors in words
mod exits; // how containers ended
mod exec; // commands inside a container
mod image; // having the image there
mod logs; // copying output, each byte once
mod mounts; // mounts and devices
mod usage; // statistics

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bollard::{
    errors::Error,
    models::ContainerInspectResponse,
    query_parameters::{
        CreateContainerOptionsBuilder, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
        StatsOptionsBuilder, WaitContainerOptions,
    },
};
use futures::StreamExt;
use model::DriverInfo;
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::watch, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use self::{
    engine::{Engine, is_away, status},
    exits::{exit_of, removed},
};
use super::{config::Config, now, signals};
use crate::actors::ports::{
    DriverError, DriverNotes, ExecResult, ExecSession, ExecSpec, TaskDriver, TaskExit, TaskHandle, TaskSpec,
    TaskUsage,
};

/// While the engine is away it is asked again this often.
const RETRY: Duration = Duration::from_millis(500);

/// A health look must not hang on an engine that does.
const FINGERPRINT_LIMIT: Duration = Duration::from_secs(10);

/// After a container's end its last output is waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Removal of a leftover may still be going on.
const CREATE_ATTEMPTS: u32 = 5;

/// The agent's settings for this driver.
#[derive(Debug, Clone)]
pub struct Options {
    /// Path of the engine's socket. Default: `/var/run/docker.sock`.
    pub socket: String,
    /// Whether jobs may mount paths of the host. Default: false.
    pub volumes_enabled: bool,
    /// Default: false.
    pub allow_privileged: bool,
    /// Capabilities that jobs may add, beyond the engine's usual ones; `all` for every one. Lower case.
    pub allow_caps: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            socket: String::from("/var/run/docker.sock"),
            volumes_enabled: false,
            allow_privileged: false,
            allow_caps: Vec::new(),
        }
    }
}

/// Runs containers.
#[derive(Debug, Clone)]
pub struct Docker {
    inner: Arc<Inner>,
    runtime: Handle,
}

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    options: Options,
    collectors: Mutex<HashMap<String, Collector>>,
    meter: usage::Meter,
    /// Whether the engine has answered before: then it is installed, and unhealthy rather than absent without it.
    seen: AtomicBool,
}

/// The copying of one container's output.
#[derive(Debug)]
struct Collector {
    done: watch::Receiver<bool>,
    _task: AbortOnDropHandle<()>,
}

/// `TaskHandle::state`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    container: String,
    /// Where the log mark lies, so that it can be removed.
    logs: std::path::PathBuf,
}

type Result<T> = std::result::Result<T, DriverError>;

impl Docker {
    pub fn new(options: Options, runtime: Handle) -> Self {
        let engine = Arc::new(Engine::at(&options.socket));
        let inner = Inner {
            engine,
            options,
            collectors: Mutex::default(),
            meter: usage::Meter::default(),
            seen: AtomicBool::default(),
        };
        Self { inner: Arc::new(inner), runtime }
    }

    /// Connections belong to the runtime on which they were made: all work happens there.
    async fn there<T: Send + 'static, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        super::on_runtime(&self.runtime, work(Arc::clone(&self.inner)))
            .await
            .map_err(|error| DriverError::Recoverable(format!("the driver's work broke off: {error}")))?
    }
}

fn state(handle: &TaskHandle) -> Result<State> {
    serde_json::from_str(&handle.state).map_err(|error| {
        DriverError::NotFound(format!("{} (its handle cannot be read: {error})", handle.task))
    })
}

#[async_trait]
impl TaskDriver for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    async fn fingerprint(&self) -> DriverInfo {
        let look = |inner: Arc<Inner>| async move {
            Ok(timeout(FINGERPRINT_LIMIT, inner.fingerprint()).await.unwrap_or_else(|_| DriverInfo {
                detected: true,
                description: format!("the Docker daemon does not answer within {FINGERPRINT_LIMIT:?}"),
                updated_at: now(),
                ..DriverInfo::default()
            }))
        };
        self.there(look).await.unwrap_or_default()
    }

    async fn prepare(&self, spec: &TaskSpec) -> Result<()> {
        let config = spec.task.config.clone();
        self.there(|inner| async move { image::prepare(&inner.engine, Config(&config)).await }).await
    }

    async fn start(&self, spec: &TaskSpec, notes: DriverNotes) -> Result<TaskHandle> {
        let spec = spec.clone();
        self.there(|inner| async move { inner.start(spec, notes).await }).await
    }

    async fn recover(&self, handle: &TaskHandle, spec: &TaskSpec) -> Result<()> {
        let (state, handle, spec) = (state(handle)?, handle.clone(), spec.clone());
        self.there(|inner| async move {
            match inner.inspect(&state.container).await {
                Ok(_) => inner.collect(&spec, &state.container).await,
                // Without an answer nothing is known; `wait` will see.
                Err(error) if is_away(&error) => inner.collect(&spec, &state.container).await,
                Err(error) => Err(inner.engine.about(&handle.task, &error)),
            }
        })
        .await
    }

    async fn wait(&self, handle: &TaskHandle) -> Result<TaskExit> {
        let (state, handle) = (state(handle)?, handle.clone());
        self.there(|inner| async move {
            let exit = inner.wait(&state.container, &handle.task).await?;
            inner.last_words(&state.container).await;
            Ok(exit)
        })
        .await
    }

    async fn stop(&self, handle: &TaskHandle, signal: &str, limit: Duration) -> Result<()> {
        let (state, handle) = (state(handle)?, handle.clone());
        let signal = if signal.is_empty() { None } else { Some(signals::name(signals::parse(signal)?)) };
        self.there(|inner| async move { inner.stop(&state.container, &handle.task, signal, limit).await })
            .await
    }

    async fn signal(&self, handle: &TaskHandle, signal: &str) -> Result<()> {
        let (state, handle) = (state(handle)?, handle.clone());
        let signal = signals::name(signals::parse(signal)?);
        self.there(|inner| async move { inner.kill(&state.container, &handle.task, &signal).await }).await
    }

    async fn destroy(&self, handle: &TaskHandle) -> Result<()> {
        let (state, handle) = (state(handle)?, handle.clone());
        self.there(|inner| async move {
            inner.remove(&state.container).await.map_err(|error| inner.engine.recoverable(&error))?;
            inner.collectors.lock().unwrap_or_else(PoisonError::into_inner).remove(&state.container);
            inner.meter.forget(&state.container);
            // If it stays, it names a container that is no more and says nothing.
            let _ = std::fs::remove_file(logs::mark_path(&state.logs, &handle.task));
            Ok(())
        })
        .await
    }

    async fn usage(&self, handle: &TaskHandle) -> Result<TaskUsage> {
        let (state, handle) = (state(handle)?, handle.clone());
        self.there(|inner| async move {
            if let Some(usage) = inner.meter.recent(&state.container) {
                return Ok(usage);
            }
            let failed = |error: Error| inner.engine.about(&handle.task, &error);
            let client = inner.engine.client().await.map_err(failed)?;
            let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
            let stats = Box::pin(client.stats(&state.container, Some(options))).next().await;
            let stats = stats.ok_or_else(|| DriverError::NotFound(handle.task.clone()))?.map_err(failed)?;
            let usage = inner.meter.usage(&state.container, handle.started_at, &stats);
            usage.ok_or_else(|| DriverError::NotFound(handle.task.clone()))
        })
        .await
    }

    async fn exec(&self, handle: &TaskHandle, command: &[String], limit: Duration) -> Result<ExecResult> {
        let (state, handle, command) = (state(handle)?, handle.clone(), command.to_vec());
        self.there(|inner| async move { inner.exec(&state.container, &handle.task, command, limit).await })
            .await
    }

    async fn attach(&self, handle: &TaskHandle, spec: &ExecSpec) -> Result<ExecSession> {
        let (state, handle, spec) = (state(handle)?, handle.clone(), spec.clone());
        self.there(|inner| async move { inner.attach(&state.container, &handle.task, spec).await }).await
    }
}

impl Inner {
    async fn fingerprint(&self) -> DriverInfo {
        let detected = self.seen.load(Ordering::Relaxed) || Path::new(&self.options.socket).exists();
        let mut info = DriverInfo { detected, updated_at: now(), ..DriverInfo::default() };
        let asked = async {
            let client = self.engine.client().await?;
            let version = client.version().await?;
            let details = client.info().await?;
            let bridge = client.inspect_network("bridge", None).await.ok();
            Ok::<_, Error>((version, details, bridge))
        };
        let (version, details, bridge) = match asked.await {
            Ok(answers) => answers,
            Err(error) => {
                info.description = self.engine.words(&error);
                return info;
            }
        };
        let mut set = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                info.attributes.insert(format!("driver.docker{name}"), value);
            }
        };
        set("", Some(String::from("1")));
        set(".version", version.version);
        set(".os_type", details.os_type);
        let mut runtimes: Vec<String> = details.runtimes.unwrap_or_default().into_keys().collect();
        runtimes.sort();
        set(".runtimes", Some(runtimes.join(",")));
        set(".bridge_ip", bridge.and_then(bridge_ip));
        set(".volumes.enabled", self.options.volumes_enabled.then(|| String::from("true")));
        set(".privileged.enabled", self.options.allow_privileged.then(|| String::from("true")));
        self.seen.store(true, Ordering::Relaxed);
        info.healthy = true;
        info.description = String::from("Healthy");
        info
    }

    async fn inspect(&self, container: &str) -> std::result::Result<ContainerInspectResponse, Error> {
        self.engine.client().await?.inspect_container(container, None).await
    }

    /// Also when it is gone already.
    async fn remove(&self, container: &str) -> std::result::Result<(), Error> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.engine.client().await?.remove_container(container, Some(options)).await {
            // 409: somebody else is removing it.
            Err(error) if matches!(status(&error), Some(404 | 409)) => Ok(()),
            other => other,
        }
    }

    async fn start(self: &Arc<Self>, spec: TaskSpec, notes: DriverNotes) -> Result<TaskHandle> {
        let config = Config(&spec.task.config);
        config.only(create::KEYS)?;
        // What is wrong with the configuration shows before an image is pulled.
        create::container(&spec, "", &self.options)?;
        let image = image::ensure(&self.engine, config, &spec.dirs.local, &notes).await?;
        let body = create::container(&spec, &image, &self.options)?;
        let container = self.create(&spec, body).await?;
        let client = self.engine.client().await.map_err(|error| self.engine.recoverable(&error))?;
        let started = async {
            client.start_container(&container, None).await.map_err(|error| {
                DriverError::Recoverable(format!("Failed to start container: {}", self.engine.words(&error)))
            })?;
            self.collect(&spec, &container).await?;
            let address = self.inspect(&container).await.ok().and_then(address::address_of);
            address::suffices(&spec, address.as_deref()).map(|()| address)
        };
        let address = match started.await {
            Ok(address) => address,
            Err(error) => {
                if let Err(error) = self.remove(&container).await {
                    tracing::warn!(
                        container,
                        error = self.engine.words(&error),
                        "a container that failed to start stays"
                    );
                }
                return Err(error);
            }
        };
        let state = State { container, logs: spec.dirs.logs.clone() };
        Ok(TaskHandle {
            driver: String::from("docker"),
            alloc: spec.alloc,
            task: spec.task.name.clone(),
            started_at: now(),
            state: serde_json::to_string(&state)
                .map_err(|error| DriverError::Fatal(format!("the log directory's name: {error}")))?,
            address,
        })
    }

    async fn create(&self, spec: &TaskSpec, body: bollard::models::ContainerCreateBody) -> Result<String> {
        let client = self.engine.client().await.map_err(|error| self.engine.recoverable(&error))?;
        let name = create::container_name(spec);
        for attempt in 1.. {
            let options = CreateContainerOptionsBuilder::default().name(&name).build();
            match client.create_container(Some(options), body.clone()).await {
                Ok(created) => return Ok(created.id),
                Err(error) if status(&error) == Some(409) && attempt < CREATE_ATTEMPTS => {
                    tracing::warn!(container = name, "a container that an interrupted start left is removed");
                    self.remove(&name).await.map_err(|error| self.engine.recoverable(&error))?;
                    tokio::time::sleep(Duration::from_millis(100) * (attempt - 1)).await;
                }
                Err(error) => {
                    let text = format!("Failed to create container: {}", self.engine.words(&error));
                    let hopeless = status(&error) == Some(400);
                    return Err(if hopeless {
                        DriverError::Fatal(text)
                    } else {
                        DriverError::Recoverable(text)
                    });
                }
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Begins to copy the output, unless that goes on already.
    async fn collect(self: &Arc<Self>, spec: &TaskSpec, container: &str) -> Result<()> {
        if self.collectors.lock().unwrap_or_else(PoisonError::into_inner).contains_key(container) {
            return Ok(());
        }
        let (spec, id) = (spec.clone(), container.to_owned());
        let sinks = tokio::task::spawn_blocking(move || logs::Sinks::open(&spec, &id))
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| {
                DriverError::Recoverable(format!("cannot open the task's log files: {error}"))
            })?;
        let (tell, done) = watch::channel(false);
        let work = logs::follow(Arc::clone(&self.engine), sinks, container.to_owned());
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            work.await;
            tell.send_replace(true);
        }));
        let mut collectors = self.collectors.lock().unwrap_or_else(PoisonError::into_inner);
        collectors.insert(container.to_owned(), Collector { done, _task: task });
        Ok(())
    }

    async fn last_words(&self, container: &str) {
        let done = self
            .collectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(container)
            .map(|collector| collector.done.clone());
        if let Some(mut done) = done
            && timeout(LAST_WORDS, done.wait_for(|done| *done)).await.is_err()
        {
            tracing::warn!(container, "the last output of a container is late");
        }
    }

    async fn wait(&self, container: &str, task: &str) -> Result<TaskExit> {
        let mut seen = false;
        loop {
            match self.inspect(container).await {
                Ok(answer) => {
                    seen = true;
                    if let Some(exit) = exit_of(&answer) {
                        // What ended uses nothing, also for who asks within the period of what was measured last.
                        self.meter.forget(container);
                        return Ok(exit);
                    }
                    self.until_change(container).await;
                }
                Err(error) if is_away(&error) => tokio::time::sleep(RETRY).await,
                Err(error) if status(&error) == Some(404) && seen => return Ok(removed()),
                Err(error) if status(&error) == Some(404) => {
                    return Err(DriverError::NotFound(task.to_owned()));
                }
                // The engine answers, but with trouble of its own (it is starting or shutting down).
                Err(error) => {
                    tracing::warn!(container, error = self.engine.words(&error), "asking the engine again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Returns when the container ended, or when asking again makes sense.
    async fn until_change(&self, container: &str) {
        let Ok(client) = self.engine.client().await else { return tokio::time::sleep(RETRY).await };
        let mut answers = Box::pin(client.wait_container(container, None::<WaitContainerOptions>));
        match answers.next().await {
            Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })) => {}
            Some(Err(error)) if status(&error) == Some(404) => {}
            _ => tokio::time::sleep(RETRY).await,
        }
    }

    async fn stop(&self, container: &str, task: &str, signal: Option<String>, limit: Duration) -> Result<()> {
        let signal = match signal {
            Some(signal) => signal,
            None => {
                let answer =
                    self.inspect(container).await.map_err(|error| self.engine.about(task, &error))?;
                let own = answer.config.and_then(|config| config.stop_signal);
                own.filter(|own| !own.is_empty()).unwrap_or_else(|| String::from("SIGTERM"))
            }
        };
        self.kill(container, task, &signal).await?;
        let Ok(ended) = timeout(limit, self.wait(container, task)).await else {
            self.kill(container, task, "SIGKILL").await?;
            return self.wait(container, task).await.map(drop);
        };
        ended.map(drop)
    }

    async fn kill(&self, container: &str, task: &str, signal: &str) -> Result<()> {
        let client = self.engine.client().await.map_err(|error| self.engine.recoverable(&error))?;
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        match client.kill_container(container, Some(options)).await {
            // 409: it does not run.
            Err(error) if status(&error) == Some(409) => Ok(()),
            other => other.map_err(|error| self.engine.about(task, &error)),
        }
    }
}

/// The gateway of the default network. An engine that chose it by itself does not list it: then it is the first address.
fn bridge_ip(bridge: bollard::models::NetworkInspect) -> Option<String> {
    let config = bridge.ipam?.config?.into_iter().next()?;
    config.gateway.filter(|gateway| !gateway.is_empty()).or_else(|| {
        let subnet = config.subnet?;
        let network: std::net::Ipv4Addr = subnet.split('/').next()?.parse().ok()?;
        Some(std::net::Ipv4Addr::from_bits(network.to_bits() + 1).to_string())
    })
}
