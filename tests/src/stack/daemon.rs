//! A stand-in for the X-Ray daemon: keeps the segments that functions send.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::net::UdpSocket;

/// A listening daemon.
pub struct Daemon {
    /// Where functions send their segments (`AWS_XRAY_DAEMON_ADDRESS`).
    pub address: String,
    segments: Arc<Mutex<Vec<Value>>>,
}

impl Daemon {
    /// Listens on a free port until the end of the process.
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let segments = Arc::default();
        let kept: Arc<Mutex<Vec<Value>>> = Arc::clone(&segments);
        tokio::spawn(async move {
            let mut datagram = vec![0; 65_536];
            while let Ok(length) = socket.recv(&mut datagram).await {
                kept.lock().unwrap().push(segment(&datagram[..length]));
            }
        });
        Self { address, segments }
    }

    /// All segments so far.
    pub fn segments(&self) -> Vec<Value> {
        self.segments.lock().unwrap().clone()
    }
}

/// The document behind the header line.
fn segment(datagram: &[u8]) -> Value {
    let text = String::from_utf8_lossy(datagram);
    let (header, document) = text.split_once('\n').expect("a header line");
    assert!(header.contains("\"format\""), "{header}");
    serde_json::from_str(document).expect("a segment")
}
