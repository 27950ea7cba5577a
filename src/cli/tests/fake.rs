//! A canned agent on a port of its own: answers each path with what the test gave it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde::Serialize;

/// Answers per `METHOD /path`, in order; the last one is given again and again.
type Answers = BTreeMap<String, Vec<(u16, Vec<u8>)>>;

/// A request as it came: first line and body.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: String,
    pub(super) body: String,
}

pub(super) struct Fake {
    pub(super) address: String,
    answers: Arc<Mutex<Answers>>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (answers, seen) = (Arc::<Mutex<Answers>>::default(), Arc::<Mutex<Vec<Request>>>::default());
        let (given, noted) = (Arc::clone(&answers), Arc::clone(&seen));
        // Ends with the test's process; a test that is done asks nothing more.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (given, noted) = (Arc::clone(&given), Arc::clone(&noted));
                thread::spawn(move || serve(stream, &given, &noted));
            }
        });
        Self { address, answers, seen }
    }

    /// Answers with JSON.
    pub(super) fn on(&self, request: &str, answer: &impl Serialize) -> &Self {
        self.raw(request, 200, &serde_json::to_vec(answer).unwrap())
    }

    /// Answers with a code and these bytes.
    pub(super) fn raw(&self, request: &str, code: u16, body: &[u8]) -> &Self {
        self.answers.lock().unwrap().entry(request.to_owned()).or_default().push((code, body.to_vec()));
        self
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request whose first line begins so.
    pub(super) fn the(&self, start: &str) -> Request {
        let found: Vec<Request> =
            self.seen().into_iter().filter(|request| request.line.starts_with(start)).collect();
        assert_eq!(found.len(), 1, "{start}: {:?}", self.seen());
        found.into_iter().next().unwrap()
    }
}

fn serve(stream: TcpStream, answers: &Mutex<Answers>, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        let header = header.to_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers += &header;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
    let key = line.split('?').next()?.to_owned();
    // Streams differ by their kind, which is in the query.
    let key = if line.contains("type=stderr") { format!("{key}?type=stderr") } else { key };
    let (code, answer) = {
        let mut answers = answers.lock().ok()?;
        match answers.get_mut(&key) {
            Some(queue) if queue.len() > 1 => queue.remove(0),
            Some(queue) => queue.first()?.clone(),
            None => (404, format!("no answer for {key}").into_bytes()),
        }
    };
    seen.lock().ok()?.push(Request { line, headers, body: String::from_utf8_lossy(&body).into_owned() });
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len())
        .ok()?;
    stream.write_all(&answer).ok()
}
