//! hyper 1.x: 13-byte static body, HTTP/1.1 and HTTP/2 (ALPN or prior knowledge).
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use peers::{Io, Proto, Server, run};
use std::convert::Infallible;

#[derive(Clone)]
struct S;

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut r = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    r.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(r)
}

impl Server for S {
    const ALPN: &'static [&'static str] = &["h2", "http/1.1"];
    async fn serve<T: Io>(self, io: T, proto: Proto) {
        let io = TokioIo::new(io);
        let _ = match proto {
            Proto::H1 => {
                http1::Builder::new()
                    .pipeline_flush(true)
                    .max_headers(128)
                    .serve_connection(io, service_fn(hello))
                    .await
            }
            Proto::H2 => {
                http2::Builder::new(TokioExecutor::new())
                    .max_concurrent_streams(256)
                    .serve_connection(io, service_fn(hello))
                    .await
            }
        };
    }
}

fn main() {
    run(S);
}
