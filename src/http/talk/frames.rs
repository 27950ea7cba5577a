//! What websockets say, in JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;

use crate::actors::ports::{ExecInput, ExecOutput, SESSION_CHUNK};

/// The first message, where the client said that there is one.
#[derive(Debug, Deserialize)]
pub(super) struct Handshake {
    pub(super) version: u64,
}

/// A message of the client. Without content: it is still there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    stdin: Option<Stdin>,
    tty_size: Option<Size>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stdin {
    data: String,
    close: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Size {
    height: u16,
    width: u16,
}

/// What a message of the client means, in pieces of bearable length.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<ExecInput>, String> {
    let Said { stdin, tty_size } =
        serde_json::from_str(text).map_err(|error| format!("a message cannot be read: {error}"))?;
    let mut found = Vec::new();
    if let Some(Size { height, width }) = tty_size {
        found.push(ExecInput::Size { rows: height, columns: width });
    }
    if let Some(Stdin { data, close }) = stdin {
        let bytes = STANDARD.decode(data).map_err(|error| format!("stdin is not base64: {error}"))?;
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            found.push(ExecInput::Stdin(bytes.split_to(bytes.len().min(SESSION_CHUNK))));
        }
        if close {
            found.push(ExecInput::CloseStdin);
        }
    }
    Ok(found)
}

/// What is heard, as a message; with the last one, what comes before it.
pub(super) fn write(heard: &ExecOutput) -> Vec<String> {
    let data = |stream: &str, bytes: &Bytes| {
        vec![serde_json::json!({ stream: { "data": STANDARD.encode(bytes) } }).to_string()]
    };
    match heard {
        ExecOutput::Stdout(bytes) => data("stdout", bytes),
        ExecOutput::Stderr(bytes) => data("stderr", bytes),
        ExecOutput::Exited(code) => vec![
            String::from(r#"{"stdout":{"close":true}}"#),
            String::from(r#"{"stderr":{"close":true}}"#),
            serde_json::json!({ "exited": true, "result": { "exit_code": code } }).to_string(),
        ],
        // Told with the end of the socket.
        ExecOutput::Failed(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_clients() {
        let check = |text: &str, expected: &[ExecInput]| assert_eq!(read(text).unwrap(), expected, "{text}");
        check("{}", &[]);
        check(r#"{"stdin":{"data":"aGkK"}}"#, &[ExecInput::Stdin(Bytes::from_static(b"hi\n"))]);
        check(r#"{"stdin":{"close":true}}"#, &[ExecInput::CloseStdin]);
        check(
            r#"{"stdin":{"data":"aGkK","close":true},"tty_size":{"height":24,"width":80}}"#,
            &[
                ExecInput::Size { rows: 24, columns: 80 },
                ExecInput::Stdin(Bytes::from_static(b"hi\n")),
                ExecInput::CloseStdin,
            ],
        );
        let long = format!(r#"{{"stdin":{{"data":"{}"}}}}"#, STANDARD.encode(vec![7; SESSION_CHUNK + 1]));
        let sizes: Vec<usize> = read(&long)
            .unwrap()
            .iter()
            .map(|said| if let ExecInput::Stdin(bytes) = said { bytes.len() } else { 0 })
            .collect();
        assert_eq!(sizes, [SESSION_CHUNK, 1]);
        for bad in ["", "7", r#"{"stdin":7}"#, r#"{"stdin":{"data":"?"}}"#, r#"{"tty_size":{"height":-1}}"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn messages_to_clients() {
        let check = |heard: ExecOutput, expected: &[&str]| assert_eq!(write(&heard), expected);
        check(ExecOutput::Stdout(Bytes::from_static(b"hi\n")), &[r#"{"stdout":{"data":"aGkK"}}"#]);
        check(ExecOutput::Stderr(Bytes::from_static(b"hi\n")), &[r#"{"stderr":{"data":"aGkK"}}"#]);
        let last = r#"{"exited":true,"result":{"exit_code":7}}"#;
        check(ExecOutput::Exited(7), &[r#"{"stdout":{"close":true}}"#, r#"{"stderr":{"close":true}}"#, last]);
        check(ExecOutput::Failed(String::from("no")), &[]);
    }
}
