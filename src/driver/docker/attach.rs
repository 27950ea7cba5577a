//! Commands inside a running container, with somebody at their ends.

use std::{pin::Pin, sync::Arc, time::Duration};

use bollard::{
    container::LogOutput,
    errors::Error,
    exec::{ResizeExecOptions, StartExecOptions, StartExecResults},
    models::{ExecConfig, ExecInspectResponse},
};
use futures::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{Inner, Result, engine::status};
use crate::actors::ports::{
    DriverError, ExecEnds, ExecInput, ExecOutput, ExecSession, ExecSpec, SESSION_CHUNK,
};

/// The output may end a moment before the engine knows how the command did.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(20);

type Output = Pin<Box<dyn Stream<Item = std::result::Result<LogOutput, Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Why nothing more comes out of a command.
enum End {
    /// It is over, or has closed its output.
    Silent,
    /// Nobody is at the other end any more.
    GivenUp,
    Broken(Error),
}

impl Inner {
    pub(super) async fn attach(
        self: &Arc<Self>,
        container: &str,
        task: &str,
        spec: ExecSpec,
    ) -> Result<ExecSession> {
        let failed = |error: Error| match status(&error) {
            // 409: the container does not run.
            Some(404 | 409) => DriverError::NotFound(task.to_owned()),
            _ => self.engine.recoverable(&error),
        };
        let client = self.engine.client().await.map_err(failed)?;
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(spec.tty),
            cmd: Some(spec.command),
            ..ExecConfig::default()
        };
        let id = client.create_exec(container, config).await.map_err(failed)?.id;
        let options = StartExecOptions { detach: false, tty: spec.tty, output_capacity: Some(SESSION_CHUNK) };
        match client.start_exec(&id, Some(options)).await.map_err(failed)? {
            StartExecResults::Attached { output, input } => {
                let (session, ends) = ExecSession::new();
                tokio::spawn(Arc::clone(self).converse(id, output, input, ends));
                Ok(session)
            }
            StartExecResults::Detached => {
                Err(DriverError::Recoverable(String::from("the engine did not attach the command")))
            }
        }
    }

    async fn converse(self: Arc<Self>, id: String, mut output: Output, input: Input, ends: ExecEnds) {
        let ExecEnds { input: said, output: heard } = ends;
        let end = tokio::select! {
            end = pour(&mut output, &heard) => end,
            () = heard.closed() => End::GivenUp,
            never = self.listen(&id, input, said) => match never {},
        };
        let last = match end {
            End::GivenUp => return self.end(&id).await,
            End::Broken(error) => ExecOutput::Failed(self.engine.words(&error)),
            End::Silent => match self.exit_code(&id).await {
                Ok(code) => ExecOutput::Exited(code),
                Err(why) => ExecOutput::Failed(why),
            },
        };
        let _ = heard.send(last).await;
    }

    /// Does what the people outside say, for as long as the session lasts.
    async fn listen(
        &self,
        id: &str,
        input: Input,
        mut said: tokio::sync::mpsc::Receiver<ExecInput>,
    ) -> std::convert::Infallible {
        let mut stdin = Some(input);
        while let Some(message) = said.recv().await {
            match message {
                ExecInput::Stdin(bytes) => {
                    let Some(open) = &mut stdin else { continue };
                    let written = async {
                        open.write_all(&bytes).await?;
                        open.flush().await
                    };
                    // A command that does not read any more may well go on speaking.
                    if written.await.is_err() {
                        stdin = None;
                    }
                }
                ExecInput::CloseStdin => {
                    if let Some(mut open) = stdin.take() {
                        let _ = open.shutdown().await;
                    }
                }
                ExecInput::Size { rows, columns } => {
                    let size = ResizeExecOptions { height: rows, width: columns };
                    let resized = async { self.engine.client().await?.resize_exec(id, size).await };
                    if let Err(error) = resized.await {
                        tracing::debug!(error = self.engine.words(&error), "a terminal keeps its size");
                    }
                }
            }
        }
        std::future::pending().await
    }

    async fn look(&self, id: &str) -> std::result::Result<ExecInspectResponse, Error> {
        self.engine.client().await?.inspect_exec(id).await
    }

    async fn exit_code(&self, id: &str) -> std::result::Result<i32, String> {
        for _ in 0..LOOKS {
            let answer = self.look(id).await.map_err(|error| self.engine.words(&error))?;
            if answer.running != Some(true) {
                let code = answer.exit_code.and_then(|code| i32::try_from(code).ok());
                return code.ok_or_else(|| String::from("the engine does not tell the exit code"));
            }
            tokio::time::sleep(LOOK).await;
        }
        self.end(id).await;
        Err(String::from("the command closed its output and goes on; it was ended"))
    }

    /// The engine cannot end a command; the machine that we share with the engine can.
    async fn end(&self, id: &str) {
        let answer = self.look(id).await.ok().filter(|answer| answer.running == Some(true));
        let pid = answer.and_then(|answer| i32::try_from(answer.pid?).ok()).filter(|pid| *pid > 0);
        if let Some(pid) = pid {
            let _ =
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// Hands on what comes out, as fast as it is taken.
async fn pour(output: &mut Output, heard: &tokio::sync::mpsc::Sender<ExecOutput>) -> End {
    while let Some(piece) = output.next().await {
        let (mut bytes, wrap): (_, fn(bytes::Bytes) -> ExecOutput) = match piece {
            Ok(LogOutput::StdErr { message }) => (message, ExecOutput::Stderr),
            Ok(
                LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message },
            ) => (message, ExecOutput::Stdout),
            Err(error) => return End::Broken(error),
        };
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(SESSION_CHUNK));
            if heard.send(wrap(chunk)).await.is_err() {
                return End::GivenUp;
            }
        }
    }
    End::Silent
}
