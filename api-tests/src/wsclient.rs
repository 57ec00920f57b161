//! A blocking WebSocket client of a few lines, independent of the library: what the api-tests load
//! our servers with. Knows small frames only.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection after its handshake.
pub struct WsClient {
    stream: TcpStream,
}

/// How long any read may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl WsClient {
    /// Connects and does the handshake.
    ///
    /// # Errors
    /// The socket's, or the answer isn't 101.
    pub fn connect(to: SocketAddr, protocol: Option<&str>) -> io::Result<Self> {
        Self::handshake(TcpStream::connect(to)?, protocol)
    }

    /// Does the handshake on a connected socket.
    ///
    /// # Errors
    /// The socket's, or the answer isn't 101.
    pub fn handshake(mut stream: TcpStream, protocol: Option<&str>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let offer = protocol.map(|p| format!("Sec-WebSocket-Protocol: {p}\r\n")).unwrap_or_default();
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()));
        }
        Ok(Self { stream })
    }

    /// Sends a text message of at most 125 bytes.
    ///
    /// # Errors
    /// The socket's.
    pub fn send(&mut self, text: &[u8]) -> io::Result<()> {
        const KEY: [u8; 4] = [1, 2, 3, 4];
        let mut frame = vec![0x81, 0x80 | text.len() as u8];
        frame.extend_from_slice(&KEY);
        frame.extend(text.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k));
        self.stream.write_all(&frame)
    }

    /// Receives a message of at most 125 bytes.
    ///
    /// # Errors
    /// The socket's.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let mut data = vec![0; usize::from(head[1])];
        self.stream.read_exact(&mut data)?;
        Ok(data)
    }
}
