//! Websockets: text in both directions.

use std::time::Duration;

use actix_http::ws::{CloseCode, Codec, Frame, Item, Message, hash_key};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use reqwest::{Method, StatusCode, Upgraded};
use tokio_util::codec::Framed;

use super::{Client, ClientError, transport};

/// Bytes of one message.
const MAX_MESSAGE: usize = 1 << 20;
/// How long an agent may take to begin.
const OPENING: Duration = Duration::from_secs(30);

pub(in crate::cli) struct Speaking(SplitSink<Framed<Upgraded, Codec>, Message>);

pub(in crate::cli) struct Hearing {
    frames: SplitStream<Framed<Upgraded, Codec>>,
    /// Of a message that comes in parts.
    parts: Option<BytesMut>,
}

/// What comes over a websocket.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Heard {
    Text(String),
    /// Has to be answered with the same words.
    Ping(bytes::Bytes),
    /// The other side closed, with a reason if something was wrong.
    Closed(Option<String>),
}

impl Client {
    /// Opens a websocket.
    pub(in crate::cli) async fn websocket(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(Speaking, Hearing), ClientError> {
        let url = self.url(path, query);
        let lost = |reason: &str| ClientError::Transport {
            method: "Get",
            url: url.to_string(),
            reason: reason.to_owned(),
            refused: false,
        };
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let request = self
            .request(Method::GET, url.clone())
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", &key);
        let answer = tokio::time::timeout(OPENING, request.send()).await;
        let answer = answer.map_err(|_| lost("no answer in time"))?;
        let response = answer.map_err(|error| transport("Get", &url, &error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let code = response.status().as_u16();
            let body = response.text().await.unwrap_or_default().trim().to_owned();
            return Err(ClientError::Status { code, body });
        }
        let accepted =
            response.headers().get("Sec-WebSocket-Accept").map(reqwest::header::HeaderValue::as_bytes);
        if accepted != Some(&hash_key(key.as_bytes())) {
            return Err(lost("it answers a websocket that nobody asked for"));
        }
        let connection = response.upgrade().await.map_err(|error| transport("Get", &url, &error))?;
        let codec = Codec::new().client_mode().max_size(MAX_MESSAGE);
        let (speaking, frames) = Framed::new(connection, codec).split();
        Ok((Speaking(speaking), Hearing { frames, parts: None }))
    }

    /// The secret that is sent along.
    pub(in crate::cli) fn secret(&self) -> &str {
        self.token.as_ref().map_or("", |(_, token)| token)
    }
}

impl Speaking {
    /// False: the connection is gone.
    pub(in crate::cli) async fn text(&mut self, text: String) -> bool {
        self.0.send(Message::Text(text.into())).await.is_ok()
    }

    pub(in crate::cli) async fn pong(&mut self, words: bytes::Bytes) -> bool {
        self.0.send(Message::Pong(words)).await.is_ok()
    }

    /// The last word. The other side may be gone.
    pub(in crate::cli) async fn close(&mut self) {
        let _ = self.0.send(Message::Close(Some(CloseCode::Normal.into()))).await;
    }
}

impl Hearing {
    /// The next message.
    pub(in crate::cli) async fn next(&mut self) -> Heard {
        let closed = |why: &str| Heard::Closed(Some(why.to_owned()));
        loop {
            let frame = match self.frames.next().await {
                None => return closed("the connection was lost"),
                Some(Err(error)) => return closed(&format!("the connection was lost: {error}")),
                Some(Ok(frame)) => frame,
            };
            let whole = match frame {
                Frame::Text(bytes) | Frame::Binary(bytes) => bytes,
                Frame::Continuation(Item::FirstText(bytes) | Item::FirstBinary(bytes)) => {
                    self.parts = Some(BytesMut::from(&bytes[..]));
                    continue;
                }
                Frame::Continuation(Item::Continue(bytes) | Item::Last(bytes))
                    if self.parts.as_ref().map_or(0, BytesMut::len) + bytes.len() > MAX_MESSAGE =>
                {
                    return closed("a message is too long");
                }
                Frame::Continuation(Item::Continue(bytes)) => {
                    self.parts.get_or_insert_default().extend_from_slice(&bytes);
                    continue;
                }
                Frame::Continuation(Item::Last(bytes)) => {
                    let mut parts = self.parts.take().unwrap_or_default();
                    parts.extend_from_slice(&bytes);
                    parts.freeze()
                }
                Frame::Ping(words) => return Heard::Ping(words),
                Frame::Pong(_) => continue,
                Frame::Close(None) => return Heard::Closed(None),
                Frame::Close(Some(reason)) if reason.code == CloseCode::Normal => return Heard::Closed(None),
                Frame::Close(Some(reason)) => {
                    let words = reason.description.filter(|words| !words.is_empty());
                    return closed(
                        &words.unwrap_or_else(|| format!("closed with code {}", u16::from(reason.code))),
                    );
                }
            };
            return match String::from_utf8(whole.into()) {
                Ok(text) => Heard::Text(text),
                Err(_) => closed("a message is not text"),
            };
        }
    }
}
