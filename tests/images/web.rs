//! The web servers of the tutorials in one program without dependencies; the name it is started under says which.
//!
//! `images.rs` compiles it alone, linked statically, so that an image needs to hold nothing else.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(code: i32) -> !;
}

/// Process 1 of a container gets only the signals it has a handler for.
extern "C" fn end(_: i32) {
    // SAFETY: `_exit` may be called from a signal handler.
    unsafe { _exit(0) }
}

fn main() {
    for number in [2, 15] {
        // SAFETY: the handler does nothing but end the process.
        unsafe { signal(number, end) };
    }
    let args: Vec<String> = std::env::args().collect();
    let name = args[0].rsplit('/').next().unwrap_or_default().to_owned();
    let answer: Answer = match name.as_str() {
        "http-echo" => return http_echo(&args[1..]),
        "whoami" => Arc::new(whoami),
        "microservice" => {
            println!("yarn start v0.23.4");
            println!("$ node .");
            Arc::new(microservice)
        }
        "todo-db" => return todo_db(),
        "todo-web" => Arc::new(todo_web),
        other => {
            eprintln!("no server is called {other}");
            std::process::exit(2);
        }
    };
    let standard = if name == "microservice" { "3000" } else { "80" };
    let port = std::env::var("PORT").unwrap_or_else(|_| standard.into());
    serve(&listen(&format!(":{port}")), &answer);
}

/// What a server says to a request: status and text.
type Answer = Arc<dyn Fn(&Request) -> (u16, String) + Send + Sync>;

struct Request {
    line: String,
    method: String,
    path: String,
    headers: Vec<String>,
    peer: String,
    local: String,
}

/// `:80` as Go writes it, or `address:80`.
fn listen(address: &str) -> TcpListener {
    let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    TcpListener::bind(&full).unwrap_or_else(|error| {
        eprintln!("listen tcp {address}: {error}");
        std::process::exit(1);
    })
}

fn serve(listener: &TcpListener, answer: &Answer) {
    for stream in listener.incoming().flatten() {
        let answer = answer.clone();
        std::thread::spawn(move || talk(stream, &answer));
    }
}

fn talk(stream: TcpStream, answer: &Answer) -> Option<()> {
    let peer = stream.peer_addr().ok()?.to_string();
    let local = stream.local_addr().ok()?.to_string();
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let (mut headers, mut length) = (Vec::new(), 0usize);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim_end().to_owned();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            headers.push(header);
        }
        std::io::copy(&mut reader.by_ref().take(length as u64), &mut std::io::sink()).ok()?;
        let mut words = line.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let close = headers.iter().any(|header| header.to_lowercase() == "connection: close");
        let request = Request { line, method, path, headers, peer: peer.clone(), local: local.clone() };
        let (status, text) = answer(&request);
        let reason = if status == 200 { "OK" } else { "Not Found" };
        let body = if request.method == "HEAD" { "" } else { text.as_str() };
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
        if close {
            return None;
        }
    }
}

/// `http-echo -listen=:5678 -text="hello"`: says the text, logs each request.
fn http_echo(args: &[String]) {
    let (mut address, mut text) = (String::from(":5678"), String::new());
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let arg = arg.trim_start_matches('-');
        let (flag, value) = match arg.split_once('=') {
            Some((flag, value)) => (flag, value.to_owned()),
            None => (arg, rest.next().cloned().unwrap_or_default()),
        };
        match flag {
            "listen" => address = value,
            "text" => text = value,
            other => {
                eprintln!("flag provided but not defined: -{other}");
                std::process::exit(127);
            }
        }
    }
    if text.is_empty() {
        eprintln!("Missing -text option!");
        std::process::exit(127);
    }
    let listener = listen(&address);
    println!("Server is listening on {address}");
    let answer: Answer = Arc::new(move |request| {
        let begin = Instant::now();
        let body = if request.path == "/health" { "{\"status\":\"ok\"}\n".into() } else { format!("{text}\n") };
        let agent = request.headers.iter().find_map(|header| header.strip_prefix("User-Agent: ")).unwrap_or("");
        println!(
            "{} {} {} \"{}\" 200 {} \"{agent}\" {:?}",
            now(),
            request.local,
            request.peer,
            request.line,
            body.len(),
            begin.elapsed()
        );
        (200, body)
    });
    serve(&listener, &answer);
}

fn whoami(request: &Request) -> (u16, String) {
    if request.path == "/health" {
        return (200, String::new());
    }
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let ip = request.local.rsplit_once(':').map_or("", |(ip, _)| ip);
    let head = format!("Hostname: {}\nIP: 127.0.0.1\nIP: {ip}\nRemoteAddr: {}\n", host.trim(), request.peer);
    (200, format!("{head}{}\n{}\n\n", request.line, request.headers.join("\n")))
}

fn microservice(request: &Request) -> (u16, String) {
    match request.path.as_str() {
        "/health" => (200, "ok".into()),
        "/" => {
            println!("Called to microservice-01@1.0.0 at {}", now());
            (200, "Hello from microservice-01@1.0.0".into())
        }
        path => (404, format!("Cannot {} {path}\n", request.method)),
    }
}

/// Takes connections and says nothing, which is all that a TCP check wants of a database.
fn todo_db() {
    let listener = listen(":5432");
    println!("LOG:  database system is ready to accept connections");
    let mut kept = Vec::new();
    for stream in listener.incoming().flatten() {
        kept.push(stream);
        if kept.len() > 16 {
            kept.remove(0);
        }
    }
}

fn todo_web(request: &Request) -> (u16, String) {
    println!("{} {}", now(), request.line);
    if request.path == "/db" {
        return todo_reaches_its_database();
    }
    let provider = std::env::var("Database__Provider").unwrap_or_else(|_| "Sqlite".into());
    (200, format!("<h1>To-do list</h1>\n<p>kept in {provider}</p>\n"))
}

/// Whether the database is found under the name that the settings have, and takes connections.
fn todo_reaches_its_database() -> (u16, String) {
    let settings = std::env::var("ConnectionStrings__ToDoDb").unwrap_or_default();
    let server = settings.split(';').find_map(|part| part.strip_prefix("Server=")).unwrap_or("localhost");
    let found = (server, 5432).to_socket_addrs().and_then(|mut found| {
        found.next().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    });
    match found.and_then(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2))) {
        Ok(stream) => (200, format!("{server} is {}\n", stream.peer_addr().map_or_else(|_| String::new(), |at| at.to_string()))),
        Err(error) => (500, format!("{server}: {error}\n")),
    }
}

/// Seconds since 1970, UTC.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}
