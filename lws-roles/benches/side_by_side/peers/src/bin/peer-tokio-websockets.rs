//! tokio-websockets: echo at /echo, broadcast at /bcast. Flushes when no further message is ready.
use futures_util::{FutureExt, SinkExt, StreamExt};
use peers::{Io, Proto, Server, run};
use tokio::sync::broadcast;
use tokio_websockets::{Limits, Message, ServerBuilder};

#[derive(Clone)]
struct S(broadcast::Sender<Message>);

impl Server for S {
    async fn serve<T: Io>(self, io: T, _: Proto) {
        let Ok((req, mut ws)) = ServerBuilder::new().limits(Limits::unlimited()).accept(io).await else { return };
        if req.uri().path() == "/bcast" {
            let mut rx = self.0.subscribe();
            loop {
                tokio::select! {
                    m = rx.recv() => match m {
                        Ok(m) => if ws.send(m).await.is_err() { return },
                        Err(_) => return,
                    },
                    m = ws.next() => match m {
                        Some(Ok(m)) if m.is_text() || m.is_binary() => { let _ = self.0.send(m); }
                        Some(Ok(_)) => {}
                        _ => return,
                    },
                }
            }
        }
        while let Some(Ok(m)) = ws.next().await {
            let mut next = Some(m);
            while let Some(m) = next.take() {
                if (m.is_text() || m.is_binary()) && ws.feed(m).await.is_err() {
                    return;
                }
                match ws.next().now_or_never() {
                    Some(Some(Ok(m))) => next = Some(m),
                    Some(_) => return,
                    None => {}
                }
            }
            if ws.flush().await.is_err() {
                return;
            }
        }
    }
}

fn main() {
    run(S(broadcast::channel(64).0));
}
