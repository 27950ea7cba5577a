//! Having the image there: looking, pulling, and what is said when that fails.

use std::{path::Path, time::Duration};

use bollard::{
    auth::DockerCredentials,
    errors::Error,
    query_parameters::{CreateImageOptionsBuilder, ImportImageOptionsBuilder},
};
use futures::StreamExt;
use tokio::{io::AsyncReadExt, time::timeout};

use super::engine::{Engine, status};
use crate::{
    actors::ports::{DriverError, DriverNotes},
    driver::config::Config,
};

const DEFAULT_PULL_LIMIT: Duration = Duration::from_secs(300);

/// Name and tag of an image, the tag empty where the name ends in a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) tag: String,
}

impl Reference {
    pub(super) fn parse(text: &str) -> Self {
        let text = text.trim();
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        if text.contains('@') {
            return Self { name: text.to_owned(), tag: String::new() };
        }
        // A colon before a slash belongs to a registry's port.
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, "latest"),
        };
        Self { name: name.to_owned(), tag: tag.to_owned() }
    }

    pub(super) fn full(&self) -> String {
        if self.tag.is_empty() { self.name.clone() } else { format!("{}:{}", self.name, self.tag) }
    }
}

/// Pulls the image before anybody asks for the task. One that comes as a file comes with the task.
pub(super) async fn prepare(engine: &Engine, config: Config<'_>) -> Result<(), DriverError> {
    if config.text("load")?.is_none() {
        let (notes, _) = tokio::sync::mpsc::unbounded_channel();
        ensure(engine, config, Path::new(""), &notes).await?;
    }
    Ok(())
}

/// Returns the full name of the image, which is there now.
pub(super) async fn ensure(
    engine: &Engine,
    config: Config<'_>,
    local: &Path,
    notes: &DriverNotes,
) -> Result<String, DriverError> {
    let image = config
        .text("image")?
        .ok_or_else(|| DriverError::Fatal(String::from("config field `image` is required")))?;
    let reference = Reference::parse(&image);
    let full = reference.full();
    let limit = config.duration("image_pull_timeout")?.unwrap_or(DEFAULT_PULL_LIMIT);
    let forced = config.flag("force_pull")?.unwrap_or(false);
    let credentials = credentials(config)?;
    let soft = config.flag("auth_soft_fail")?.unwrap_or(false);
    let client = engine.client().await.map_err(|error| engine.recoverable(&error))?;
    if let Some(file) = config.text("load")? {
        load(client, local, &file, notes).await?;
        return Ok(full);
    }
    let local = match client.inspect_image(&full).await {
        Ok(_) => true,
        Err(error) if status(&error) == Some(404) => false,
        Err(error) => return Err(engine.recoverable(&error)),
    };
    // `latest` is a different image every week, so what is here may be old.
    let moving = reference.tag == "latest";
    if local && !forced && !moving {
        return Ok(full);
    }
    let _ = notes.send(format!("Downloading image {full}"));
    let options =
        CreateImageOptionsBuilder::default().from_image(&reference.name).tag(&reference.tag).build();
    let pull_as = async |credentials| {
        let mut progress = client.create_image(Some(options.clone()), None, credentials);
        while let Some(step) = progress.next().await {
            step?;
        }
        Ok::<(), Error>(())
    };
    let pull = async {
        let has_name = credentials.is_some();
        match pull_as(credentials).await {
            Err(_) if soft && has_name => pull_as(None).await,
            done => done,
        }
    };
    let why = match timeout(limit, pull).await {
        Ok(Ok(())) => return Ok(full),
        Ok(Err(error)) => engine.words(&error),
        Err(_) => format!("it was not there within {limit:?}"),
    };
    if local && !forced {
        let _ = notes.send(format!("Using the local image {full}, because it cannot be pulled: {why}"));
        return Ok(full);
    }
    Err(DriverError::Recoverable(format!("Failed to pull `{full}`: {why}")))
}

/// Loads an image that was saved into the task's directory.
async fn load(
    client: &bollard::Docker,
    local: &Path,
    file: &str,
    notes: &DriverNotes,
) -> Result<(), DriverError> {
    if Path::new(file).is_absolute() || file.split('/').any(|part| part == "..") {
        return Err(DriverError::Fatal(format!(
            "`load` names a file in the task's `local` directory: `{file}`"
        )));
    }
    let path = local.join(file);
    let failed = |error: &dyn std::fmt::Display| {
        DriverError::Fatal(format!("cannot load the image from {}: {error}", path.display()))
    };
    let tar = tokio::fs::File::open(&path).await.map_err(|error| failed(&error))?;
    let _ = notes.send(format!("Loading image from {file}"));
    let options = ImportImageOptionsBuilder::default().quiet(true).build();
    let pieces = futures::stream::try_unfold(tar, |mut tar| async move {
        let mut piece = bytes::BytesMut::with_capacity(64 * 1024);
        let count = tar.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((count > 0).then(|| (piece.freeze(), tar)))
    });
    let mut steps = Box::pin(client.import_image_stream(options, pieces, None));
    while let Some(step) = steps.next().await {
        step.map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn credentials(config: Config<'_>) -> Result<Option<DockerCredentials>, DriverError> {
    let mut auth = config.map("auth")?;
    if auth.is_empty() {
        return Ok(None);
    }
    Ok(Some(DockerCredentials {
        username: auth.remove("username"),
        password: auth.remove("password"),
        email: auth.remove("email"),
        serveraddress: auth.remove("server_address"),
        ..DockerCredentials::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_references() {
        for (text, full) in [
            ("redis", "redis:latest"),
            ("redis:3.2", "redis:3.2"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("https://gcr.io/x/y:2", "gcr.io/x/y:2"),
            ("a@sha256:0123", "a@sha256:0123"),
        ] {
            assert_eq!(Reference::parse(text).full(), full, "{text}");
        }
    }
}
