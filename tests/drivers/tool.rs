//! The program that test tasks run; compiled by `images.rs` alone, so that it depends on nothing.

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Duration,
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit", code] => std::process::exit(code.parse().unwrap()),
        ["say", text] => println!("{text}"),
        ["complain", text] => eprintln!("{text}"),
        ["env", name] => println!("{}", std::env::var(name).unwrap_or_default()),
        ["cat"] => {
            std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()).unwrap();
        }
        ["sleep"] => forever(),
        ["say-sleep", text] => {
            println!("{text}");
            forever();
        }
        // Numbered lines, the pace in microseconds.
        ["count", to, pace] => {
            let pace = Duration::from_micros(pace.parse().unwrap());
            for n in 0..to.parse::<u64>().unwrap() {
                println!("line {n}");
                std::thread::sleep(pace);
            }
        }
        ["serve", port] => {
            let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            }
        }
        ["write", path, text] => std::fs::write(path, text).unwrap(),
        // Waits for a file, then takes memory: an engine does not yet watch a container that it is starting.
        ["eat-after", path, mebibytes] => {
            while !std::path::Path::new(path).exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            let mut kept = Vec::new();
            for _ in 0..mebibytes.parse::<usize>().unwrap() {
                kept.push(vec![1u8; 1024 * 1024]);
            }
            println!("{}", kept.len());
        }
        other => panic!("unknown words {other:?}"),
    }
}

fn forever() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
