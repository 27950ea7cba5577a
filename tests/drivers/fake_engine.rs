//! How the docker driver fails: against engines that are absent, refuse, break or deny, behind a socket of our own.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    runtime::Handle,
};
use troupe::{
    actors::ports::{DriverError, TaskDriver, TaskHandle},
    driver::docker::{Docker, Options},
};

use crate::battery::{self, start, text};

/// Gives each request line, like `GET /v1.41/info`, to the function and sends back status and body.
fn fake(socket: PathBuf, answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) {
    let listener = UnixListener::bind(socket).unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut page = [0; 4096];
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read(&mut page).await {
                        Ok(count @ 1..) => request.extend_from_slice(&page[..count]),
                        _ => return,
                    }
                }
                let request = String::from_utf8_lossy(&request).into_owned();
                let (status, body) = if request.contains("/version") {
                    (200, String::from(r#"{"Version":"20.10.0","ApiVersion":"1.41"}"#))
                } else {
                    answer(request.lines().next().unwrap_or_default())
                };
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
            });
        }
    });
}

fn driver(socket: &std::path::Path) -> Arc<dyn TaskDriver> {
    let options = Options { socket: socket.display().to_string(), ..Options::default() };
    Arc::new(Docker::new(options, Handle::current()))
}

async fn start_redis(driver: &Arc<dyn TaskDriver>) -> DriverError {
    let temp = tempfile::tempdir().unwrap();
    let config = [(String::from("image"), text("redis:3.2"))].into();
    start(driver, &battery::spec(temp.path(), config).await).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_engine() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("docker.sock");
    for refused in [false, true] {
        if refused {
            // A socket file behind which nobody listens.
            drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        }
        let driver = driver(&socket);
        let wanted = format!(
            "Cannot connect to the Docker daemon at unix://{}. Is the docker daemon running?",
            socket.display()
        );
        let info = driver.fingerprint().await;
        assert!(!info.healthy && info.description.starts_with(&wanted), "{info:?}");
        assert_eq!(info.detected, refused);
        let error = start_redis(&driver).await;
        assert!(matches!(&error, DriverError::Recoverable(why) if why.starts_with(&wanted)), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_appears_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("docker.sock");
    let driver = driver(&socket);
    assert!(!driver.fingerprint().await.healthy);
    fake(socket, |_| (200, String::from("{}")));
    let info = driver.fingerprint().await;
    assert!(info.healthy, "{info:?}");
    assert_eq!(info.attributes["driver.docker.version"], "20.10.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_in_trouble() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("docker.sock");
    fake(socket.clone(), |_| (500, String::from(r#"{"message":"the disk of the engine is full"}"#)));
    let driver = driver(&socket);
    let info = driver.fingerprint().await;
    assert_eq!((info.healthy, info.description.as_str()), (false, "the disk of the engine is full"));
    let error = start_redis(&driver).await;
    assert!(
        matches!(&error, DriverError::Recoverable(why) if why == "the disk of the engine is full"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pulls_that_fail_keep_the_registrys_words() {
    for (status, body, words) in [
        (
            404,
            r#"{"message":"manifest for redis:3.2 not found: manifest unknown"}"#,
            "manifest for redis:3.2 not found: manifest unknown",
        ),
        (
            200,
            "{\"errorDetail\":{\"message\":\"toomanyrequests: slow down\"},\"error\":\"toomanyrequests: slow down\"}\r\n",
            "toomanyrequests: slow down",
        ),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let socket = temp.path().join("docker.sock");
        fake(socket.clone(), move |line| {
            if line.starts_with("POST") {
                (status, body.to_owned())
            } else {
                (404, String::from(r#"{"message":"no such image"}"#))
            }
        });
        let driver = driver(&socket);
        let mut spec = battery::spec(temp.path(), Default::default()).await;
        spec.task.config = [("image".to_owned(), text("redis:3.2"))].into();
        for error in [start_redis(&driver).await, driver.prepare(&spec).await.unwrap_err()] {
            let DriverError::Recoverable(why) = &error else { panic!("{error}") };
            assert_eq!(*why, format!("Failed to pull `redis:3.2`: {words}"));
        }
        // What comes as a file comes with the task.
        spec.task.config.insert("load".to_owned(), text("redis.tar"));
        driver.prepare(&spec).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_away_decides_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("docker.sock");
    let driver = driver(&socket);
    let spec = battery::spec(temp.path(), Default::default()).await;
    let handle = TaskHandle {
        driver: String::from("docker"),
        alloc: spec.alloc,
        task: String::from("web"),
        started_at: model::Timestamp::ZERO,
        state: serde_json::json!({"container": "abc", "logs": spec.dirs.logs}).to_string(),
        address: None,
    };
    driver.recover(&handle, &spec).await.unwrap();
    let mut wait = std::pin::pin!(driver.wait(&handle));
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut wait).await.is_err(),
        "no engine, no verdict"
    );
    fake(socket, |_| {
        (200, String::from(r#"{"Id":"abc","State":{"Status":"exited","Running":false,"ExitCode":3}}"#))
    });
    assert_eq!(wait.await.unwrap().exit_code, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_engine_that_answers_says_not_found() {
    let temp = tempfile::tempdir().unwrap();
    let socket = temp.path().join("docker.sock");
    fake(socket.clone(), |_| (404, String::from(r#"{"message":"No such container: abc"}"#)));
    let spec = battery::spec(temp.path(), Default::default()).await;
    let handle = TaskHandle {
        driver: String::from("docker"),
        alloc: spec.alloc,
        task: String::from("web"),
        started_at: model::Timestamp::ZERO,
        state: serde_json::json!({"container": "abc", "logs": spec.dirs.logs}).to_string(),
        address: None,
    };
    let driver = driver(&socket);
    assert!(matches!(driver.recover(&handle, &spec).await, Err(DriverError::NotFound(_))));
    assert!(matches!(driver.wait(&handle).await, Err(DriverError::NotFound(_))));
    driver.destroy(&handle).await.unwrap();
}
