//! The battery against the mock driver, and how cheap its tasks are.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use model::Value;
use tokio::runtime::Handle;
use troupe::{
    actors::ports::{DriverError, TaskDriver, TaskSpec},
    driver::mock::MockDriver,
};

use crate::battery::{self, Bench, Work, text};

struct Mock(MockDriver);

impl Bench for Mock {
    /// Its tasks live in this process, so a new agent in this process finds them.
    fn driver(&self) -> Arc<dyn TaskDriver> {
        Arc::new(self.0.clone())
    }

    fn config(&self, work: &Work) -> BTreeMap<String, Value> {
        let pairs = match work {
            Work::Exit(code) => vec![("run_for", text("5ms")), ("exit_code", Value::Int(i64::from(*code)))],
            Work::Say(words) => {
                vec![("run_for", text("5ms")), ("stdout_string", text(&format!("{words}\n")))]
            }
            Work::SaySleep(words) => vec![("stdout_string", text(&format!("{words}\n")))],
            Work::Sleep | Work::Env(_) => vec![],
            Work::Missing => vec![
                ("start_error", text("nosuchthing cannot start")),
                ("start_error_recoverable", Value::Bool(true)),
            ],
        };
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn say(&self, words: &str) -> Vec<String> {
        vec![String::from("echo"), words.to_owned()]
    }

    fn exit(&self, code: i32) -> Vec<String> {
        vec![String::from("exit"), code.to_string()]
    }

    fn cat(&self) -> Vec<String> {
        vec![String::from("cat")]
    }

    fn task_dir(&self, _: &TaskSpec) -> Option<String> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_promises() {
    battery::all(&Mock(MockDriver::new(Handle::current()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tasks() {
    let temp = tempfile::tempdir().unwrap();
    let bench = Mock(MockDriver::new(Handle::current()));
    let driver = bench.driver();
    let mut spec = battery::spec(temp.path(), bench.config(&Work::Exit(0))).await;
    let begin = Instant::now();
    let mut handles = Vec::new();
    for n in 0..10_000 {
        spec.alloc = model::AllocId(n);
        handles.push(battery::start(&driver, &spec).await.unwrap());
    }
    for handle in &handles {
        assert!(driver.wait(handle).await.unwrap().is_success());
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_it_does_not_know() {
    let temp = tempfile::tempdir().unwrap();
    let bench = Mock(MockDriver::new(Handle::current()));
    let config = [(String::from("run_fro"), text("1s"))].into();
    let spec = battery::spec(temp.path(), config).await;
    let error = battery::start(&bench.driver(), &spec).await.unwrap_err();
    assert!(matches!(&error, DriverError::Fatal(why) if why.contains("run_fro")), "{error}");
}
