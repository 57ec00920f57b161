//! fastwebsockets on hyper's upgrade: echo.
use fastwebsockets::{FragmentCollector, OpCode, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peers::{Io, Proto, Server, run};

#[derive(Clone)]
struct S;

async fn echo(fut: upgrade::UpgradeFut) {
    let Ok(ws) = fut.await else { return };
    let mut ws = FragmentCollector::new(ws);
    while let Ok(f) = ws.read_frame().await {
        match f.opcode {
            OpCode::Close => return,
            OpCode::Text | OpCode::Binary => {
                if ws.write_frame(f).await.is_err() {
                    return;
                }
            }
            _ => {}
        }
    }
}

async fn service(mut req: Request<Incoming>) -> Result<Response<Empty<Bytes>>, fastwebsockets::WebSocketError> {
    let (res, fut) = upgrade::upgrade(&mut req)?;
    tokio::spawn(tokio::task::unconstrained(echo(fut)));
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
