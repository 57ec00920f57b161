//! Client connections, plain or TLS, from rotating loopback source addresses so that ports never run
//! out. Set up with blocking calls in batches, then used without blocking.

use crate::codec::Codec;
use crate::tickets::Tickets;
use mio::net::TcpStream as MioStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Connections opened from one source address before moving to the next.
const PER_SOURCE: u32 = 4000;
static OPENED: AtomicU32 = AtomicU32::new(0);

pub fn raise_fd_limit() {
    // SAFETY: plain getrlimit/setrlimit on a local struct.
    unsafe {
        let mut lim: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut lim) == 0 {
            lim.rlim_cur = lim.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &lim);
        }
    }
}

/// A socket bound to the next source address (127.0.0.2 ... 127.0.0.250), not yet connected.
pub fn bound_socket(nonblocking: bool) -> io::Result<Socket> {
    let n = OPENED.fetch_add(1, Ordering::Relaxed) + std::process::id().wrapping_mul(PER_SOURCE / 4);
    let host = 2 + (n / PER_SOURCE) % 249;
    let s = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    let one: libc::c_int = 1;
    // SAFETY: setsockopt with a valid int; lets the port be chosen at connect time.
    unsafe {
        libc::setsockopt(
            s.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const one).cast(),
            size_of_val(&one) as libc::socklen_t,
        );
    }
    let src = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host as u8), 0);
    s.bind(&SocketAddr::V4(src).into())?;
    s.set_tcp_nodelay(true)?;
    s.set_nonblocking(nonblocking)?;
    Ok(s)
}

pub fn connect_blocking(addr: SocketAddr) -> io::Result<TcpStream> {
    let s = bound_socket(false)?;
    s.connect(&addr.into())?;
    let t: TcpStream = s.into();
    t.set_read_timeout(Some(Duration::from_secs(15)))?;
    Ok(t)
}

#[derive(Debug)]
struct AcceptAny;

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::ED25519,
        ]
    }
}

/// TLS 1.3, X25519, AES-128-GCM only, so that every server does the same arithmetic.
/// The loopback test certificates are not verified.
pub fn tls_config(alpn: &str, resume: bool) -> Arc<ClientConfig> {
    use rustls::crypto::aws_lc_rs as provider;
    let mut p = provider::default_provider();
    p.cipher_suites = vec![provider::cipher_suite::TLS13_AES_128_GCM_SHA256];
    p.kx_groups = vec![provider::kx_group::X25519];
    let mut c = ClientConfig::builder_with_provider(Arc::new(p))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny))
        .with_no_client_auth();
    c.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    c.resumption = if resume { Resumption::store(Arc::new(Tickets::default())) } else { Resumption::disabled() };
    Arc::new(c)
}

pub fn tls_client(cfg: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("name");
    let mut c = ClientConnection::new(cfg.clone(), name).expect("client");
    c.set_buffer_limit(None);
    c
}

/// A connection in the run phase (non-blocking).
pub struct Conn {
    pub sock: MioStream,
    tls: Option<Box<ClientConnection>>,
    out: Vec<u8>,
    sent: usize,
}

impl Conn {
    /// Queues `data` and writes what the socket takes now.
    pub fn send(&mut self, data: &[u8]) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(data)?;
            return self.flush();
        }
        if self.pending() {
            self.out.extend_from_slice(data);
            return Ok(());
        }
        match self.sock.write(data) {
            Ok(n) if n == data.len() => Ok(()),
            Ok(n) => self.queue(&data[n..]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.queue(data),
            Err(e) => Err(e),
        }
    }

    fn queue(&mut self, rest: &[u8]) -> io::Result<()> {
        self.out.clear();
        self.out.extend_from_slice(rest);
        self.sent = 0;
        Ok(())
    }

    fn pending(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Continues an unfinished write.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.sock) {
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(e) => return Err(e),
                }
            }
            return Ok(());
        }
        while self.pending() {
            match self.sock.write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads everything available into `codec`; returns how many messages it completed.
    pub fn recv<C: Codec>(&mut self, buf: &mut [u8], codec: &mut C) -> io::Result<u32> {
        let mut done = 0;
        if let Some(tls) = &mut self.tls {
            loop {
                match tls.read_tls(&mut self.sock) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(done),
                    Err(e) => return Err(e),
                }
                let mut left = tls.process_new_packets().map_err(io::Error::other)?.plaintext_bytes_to_read();
                while left > 0 {
                    let n = tls.reader().read(buf)?;
                    left -= n;
                    done += codec.feed(&buf[..n])?;
                }
            }
        }
        loop {
            let skip = codec.skippable();
            let (got, want) = if skip >= SKIP_MIN {
                let want = skip.min(1 << 30) as usize;
                (discard(&self.sock, want), want)
            } else {
                (self.sock.read(buf), buf.len())
            };
            let n = match got {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(done),
                Err(e) => return Err(e),
            };
            done += if skip >= SKIP_MIN { codec.skip(n as u64) } else { codec.feed(&buf[..n])? };
            if n < want {
                return Ok(done); // short read: drained, the next edge will come
            }
        }
    }
}

/// Payload at least this long is dropped in the kernel instead of being copied out.
const SKIP_MIN: u64 = 16 * 1024;

fn discard(sock: &MioStream, want: usize) -> io::Result<usize> {
    // SAFETY: with MSG_TRUNC a TCP receive discards and never writes through the null pointer.
    let n = unsafe { libc::recv(sock.as_raw_fd(), std::ptr::null_mut(), want, libc::MSG_TRUNC) };
    if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
}

/// A connection being set up with blocking calls.
pub struct Blocking {
    sock: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Blocking {
    /// Connects; with a TLS config also sends the ClientHello.
    fn start(addr: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let mut sock = connect_blocking(addr)?;
        let mut tls = tls.map(|cfg| Box::new(tls_client(cfg)));
        if let Some(c) = &mut tls {
            c.write_tls(&mut sock)?;
        }
        Ok(Self { sock, tls })
    }

    fn finish_tls(&mut self) -> io::Result<()> {
        if let Some(c) = &mut self.tls {
            while c.is_handshaking() {
                c.complete_io(&mut self.sock)?;
            }
        }
        Ok(())
    }

    pub fn into_conn(self) -> io::Result<Conn> {
        self.sock.set_nonblocking(true)?;
        SockRef::from(&self.sock).set_tcp_nodelay(true)?;
        Ok(Conn { sock: MioStream::from_std(self.sock), tls: self.tls, out: Vec::new(), sent: 0 })
    }
}

/// Opens `n` connections with blocking calls, in overlapping batches: connect (and ClientHello) for
/// a whole batch, then the rest of TLS and `request` for each, then `response` for each.
pub fn open_all(
    addr: SocketAddr,
    tls: Option<&Arc<ClientConfig>>,
    n: usize,
    mut request: impl FnMut(&mut Blocking) -> io::Result<()>,
    mut response: impl FnMut(&mut Blocking) -> io::Result<()>,
    mut each: impl FnMut(Blocking) -> io::Result<()>,
) -> io::Result<()> {
    let mut opened = 0;
    while opened < n {
        let name = |e: io::Error| io::Error::new(e.kind(), format!("connection {opened}+: {e}"));
        let mut batch = Vec::with_capacity(64);
        for _ in 0..(n - opened).min(64) {
            batch.push(Blocking::start(addr, tls).map_err(name)?);
        }
        for b in &mut batch {
            b.finish_tls().and_then(|()| request(b)).map_err(name)?;
        }
        for b in &mut batch {
            response(b).map_err(name)?;
        }
        opened += batch.len();
        for b in batch {
            each(b)?;
        }
    }
    Ok(())
}

impl Read for Blocking {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.sock.read(buf),
            Some(c) => rustls::Stream::new(c.as_mut(), &mut self.sock).read(buf),
        }
    }
}

impl Write for Blocking {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.sock.write(buf),
            Some(c) => rustls::Stream::new(c.as_mut(), &mut self.sock).write(buf),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            None => Ok(()),
            Some(c) => rustls::Stream::new(c.as_mut(), &mut self.sock).flush(),
        }
    }
}
