//! actix-web, one worker: 13-byte body at /, files at /static, ws echo at /echo.
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use actix_ws::Message;
use peers::Opts;

async fn hello() -> impl Responder {
    HttpResponse::Ok().content_type("text/plain").body("Hello, World!")
}

async fn echo(req: HttpRequest, body: web::Payload) -> actix_web::Result<impl Responder> {
    let (res, mut session, stream) = actix_ws::handle(&req, body)?;
    let mut stream = stream.max_frame_size(1 << 20);
    actix_web::rt::spawn(async move {
        while let Some(Ok(m)) = stream.recv().await {
            let sent = match m {
                Message::Text(t) => session.text(t).await,
                Message::Binary(b) => session.binary(b).await,
                Message::Ping(p) => session.pong(&p).await,
                Message::Close(_) => break,
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
        let _ = session.close(None).await;
    });
    Ok(res)
}

fn main() -> std::io::Result<()> {
    actix_web::rt::System::new().block_on(serve(Opts::from_env()))
}

async fn serve(o: Opts) -> std::io::Result<()> {
    let root = o.root.clone();
    let mut s = HttpServer::new(move || {
        let mut app = App::new().route("/", web::get().to(hello)).route("/echo", web::get().to(echo));
        if !root.is_empty() {
            app = app.service(actix_files::Files::new("/static", &root));
        }
        app
    })
    .workers(1)
    .backlog(4096)
    .max_connections(100_000)
    .keep_alive(std::time::Duration::from_secs(600))
    .bind(("127.0.0.1", o.port))?;
    if o.h2c != 0 {
        s = s.bind_auto_h2c(("127.0.0.1", o.h2c))?;
    }
    if o.tls != 0 {
        s = s.bind_rustls_0_23(("127.0.0.1", o.tls), o.tls_config(&["h2", "http/1.1"]))?;
    }
    s.run().await
}
