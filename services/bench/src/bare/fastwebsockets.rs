//! fastwebsockets as one would use it without a thought: its own upgrade, its own buffers, one task a connection, a
//! broadcast channel a room, one write a frame. What is handed on is copied once, and shared by all.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{Frame, OpCode, Payload, WebSocketError};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender, channel};

/// Frames of a room that a slow client may be behind.
const BEHIND_MAX: usize = 256;

#[derive(Default)]
struct Rooms(Mutex<HashMap<String, Sender<Bytes>>>);

impl Rooms {
    fn join(&self, room: &str) -> (Sender<Bytes>, Receiver<Bytes>) {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = rooms.entry(room.to_owned()).or_insert_with(|| channel(BEHIND_MAX).0);
        (sender.clone(), sender.subscribe())
    }
}

pub(super) async fn serve(listener: TcpListener) -> io::Result<()> {
    let rooms = Arc::new(Rooms::default());
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        tokio::spawn(accept(tcp, rooms.clone()));
    }
}

async fn accept(tcp: TcpStream, rooms: Arc<Rooms>) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let rooms = rooms.clone();
        async move {
            let room = request.uri().path().to_owned();
            let answer = match upgrade(&mut request) {
                Ok((answer, upgraded)) => {
                    let (to_all, heard) = rooms.join(&room);
                    tokio::spawn(client(upgraded, to_all, heard));
                    answer
                }
                Err(_) => {
                    let mut answer = hyper::Response::default();
                    *answer.status_mut() = hyper::StatusCode::BAD_REQUEST;
                    answer
                }
            };
            Ok::<_, Infallible>(answer)
        }
    });
    // Whoever goes away in the middle of an upgrade is no client.
    let _ =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service).with_upgrades().await;
}

async fn client(upgraded: UpgradeFut, to_all: Sender<Bytes>, mut heard: Receiver<Bytes>) {
    let Ok(socket) = upgraded.await else { return };
    let (mut read, mut write) = socket.split(tokio::io::split);
    let reading = async {
        // Nothing here asks for an answer of the library's own: pings are not sent to this hub.
        while let Ok(frame) = read.read_frame(&mut async |_| Ok::<_, WebSocketError>(())).await {
            match frame.opcode {
                OpCode::Text => {
                    // Nobody there any more is no error.
                    let _ = to_all.send(Bytes::copy_from_slice(&frame.payload));
                }
                OpCode::Close => return,
                _ => {}
            }
        }
    };
    let writing = async {
        loop {
            match heard.recv().await {
                Ok(text) => {
                    if write.write_frame(Frame::text(Payload::Borrowed(&text))).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    };
    // Both in one task: neither is dropped before the connection ends.
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
