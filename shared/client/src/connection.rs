//! One WebSocket: opened with a token, read here, written by a task of its own, so that neither waits for the other.

use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use crate::ending::Ending;
use crate::limits::Limits;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The subprotocol that the server selects.
const PROTOCOL: &str = "klatch.v1";

/// What the reader's buffer takes up as long as the connection lives; large frames get their own memory.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// So long may a write take, and the goodbye at the end a tenth of it: a socket on a dead network takes minutes to
/// say so, and its task must not outlive it by that.
const WRITE_MAX: Duration = Duration::from_secs(20);

/// What came in.
#[derive(Debug)]
pub(crate) enum Received {
    Text(String),
    /// A ping or a pong: answered already, and a sign of life.
    SignOfLife,
    Ended(Ending),
}

/// An open connection. To drop it closes it.
pub(crate) struct Connection {
    reader: SplitStream<Socket>,
    writer: mpsc::Sender<String>,
}

impl Connection {
    /// Connects and upgrades. There is no limit on the time here: whoever waits has one.
    pub(crate) async fn open(url: String, token: String, limits: Limits) -> Result<Self, Ending> {
        let mut request = url.into_client_request().map_err(|why| Ending::refused(why.to_string()))?;
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_| Ending::refused("the token is no header value"))?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(READ_BUFFER_BYTES)
            .max_message_size(Some(limits.frame_bytes_max))
            .max_frame_size(Some(limits.frame_bytes_max));
        // Frames are small and wanted at once: no Nagle.
        let (socket, _) = connect_async_with_config(request, Some(config), true).await.map_err(not_open)?;
        let (sink, reader) = socket.split();
        let (writer, frames) = mpsc::channel(limits.frames_waiting_max);
        tokio::spawn(write(sink, frames));
        Ok(Connection { reader, writer })
    }

    /// Hands a frame over to be written; false where too many wait: nobody reads at the other end.
    ///
    /// It may still be lost: only an answer says that it was not.
    pub(crate) fn send(&self, text: String) -> bool {
        !matches!(self.writer.try_send(text), Err(mpsc::error::TrySendError::Full(_)))
    }

    /// What comes next. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Received {
        match self.reader.next().await {
            Some(Ok(Message::Text(text))) => Received::Text(text.as_str().to_owned()),
            Some(Ok(Message::Close(Some(close)))) => {
                Received::Ended(Ending::closed(close.code.into(), close.reason.as_str()))
            }
            Some(Ok(Message::Close(None))) => Received::Ended(Ending::lost("closed without a word")),
            Some(Ok(_)) => Received::SignOfLife,
            Some(Err(why)) => Received::Ended(Ending::lost(why.to_string())),
            None => Received::Ended(Ending::lost("the connection broke")),
        }
    }
}

/// Writes what waits with one flush; at the end of the queue says goodbye.
async fn write(mut sink: SplitSink<Socket, Message>, mut frames: mpsc::Receiver<String>) {
    while let Some(frame) = frames.recv().await {
        let written = timeout(WRITE_MAX, async {
            sink.feed(Message::text(frame)).await?;
            while let Ok(frame) = frames.try_recv() {
                sink.feed(Message::text(frame)).await?;
            }
            sink.flush().await
        });
        // The reader hears of a broken connection, too, and of a dead one by its silence.
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(WRITE_MAX / 10, sink.close()).await;
}

/// A refused upgrade ends it like a close would: 401 and 403 for good, the rest (429, 503, a proxy's 502) for now.
fn not_open(error: Error) -> Ending {
    match error {
        Error::Http(response) => {
            let status = response.status().as_u16();
            let reason = format!("the server answered {status}");
            let ending = if matches!(status, 400 | 401 | 403 | 404 | 405 | 426) {
                Ending::refused(reason)
            } else {
                Ending::lost(reason)
            };
            Ending { not_before: retry_after(&response), ..ending }
        }
        Error::Url(why) => Ending::refused(why.to_string()),
        other => Ending::lost(other.to_string()),
    }
}

fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
