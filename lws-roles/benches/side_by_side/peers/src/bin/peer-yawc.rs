//! yawc on hyper's upgrade: echo with permessage-deflate when offered.
use futures_util::{FutureExt, SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peers::{Io, Proto, Server, run};
use yawc::frame::OpCode;
use yawc::{CompressionLevel, Options, WebSocket};

#[derive(Clone)]
struct S;

async fn service(mut req: Request<Incoming>) -> yawc::Result<Response<Empty<Bytes>>> {
    let opts = Options::default()
        .with_utf8()
        .with_max_payload_read(64 << 20)
        .with_max_read_buffer(128 << 20)
        .with_compression_level(CompressionLevel::new(6));
    let (res, fut) = WebSocket::upgrade_with_options(&mut req, opts)?;
    tokio::spawn(async move {
        let Ok(mut ws) = fut.await else { return };
        while let Some(f) = ws.next().await {
            let mut next = Some(f);
            while let Some(f) = next.take() {
                if matches!(f.opcode(), OpCode::Text | OpCode::Binary) && ws.feed(f).await.is_err() {
                    return;
                }
                match ws.next().now_or_never() {
                    Some(None) => return,
                    Some(f) => next = f,
                    None => {}
                }
            }
            if ws.flush().await.is_err() {
                return;
            }
        }
    });
    Ok(res)
}

impl Server for S {
    async fn serve<T: Io>(self, io: T, _: Proto) {
        let _ = http1::Builder::new().serve_connection(TokioIo::new(io), service_fn(service)).with_upgrades().await;
    }
}

fn main() {
    run(S);
}
