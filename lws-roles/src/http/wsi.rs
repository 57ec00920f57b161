//! What user code can do with an http connection: read the request or response, answer it
//! (C: `lws_hdr_*`, `lws_get_urlarg_by_name`, `lws_add_http_*`, `lws_return_http_status`, ...).

use super::head::{RequestHead, ResponseHead};
use super::method::Method;
use super::settings::HttpSettings;
use super::status;
use super::token::Token;
use super::trailers::{TrailerError, Trailers};
use super::transaction::{ClientTransaction, FileRequest, Transaction};
use lws_core::{BodyLength, FieldError, Fields, Head, Start, Write, WriteError, Wsi};
use std::path::Path;

/// Http methods of a [`Wsi`]. Headers can be read from the first callback of a request (or the
/// response, on a client) until its transaction is completed; on a ws connection until it is
/// established.
pub trait HttpWsi {
    /// The value of a known header, the first when there are several; `None` when it is missing or
    /// isn't UTF-8 (C: `lws_hdr_copy`).
    fn header(&self, token: Token) -> Option<&str>;

    /// The value of any header by name, without case (C: `lws_hdr_custom_copy`).
    fn header_by_name(&self, name: &str) -> Option<&str>;

    /// Every header, in order.
    fn headers(&self) -> Vec<(&str, &[u8])>;

    /// The value of a trailer field of the message that has come, the first when there are several;
    /// `None` when it is missing or isn't UTF-8 (RFC 9110 6.5). They are complete at
    /// HTTP_BODY_COMPLETION on a server and COMPLETED_CLIENT_HTTP on a client. C drops them.
    fn trailer(&self, name: &str) -> Option<&str>;

    /// Every trailer field, in order: at most 4 KiB of them over HTTP/1, over HTTP/2 as many as
    /// `http_limits` lets a head have.
    fn trailers(&self) -> Vec<(&str, &[u8])>;

    /// Adds a field that goes behind the body that is being sent: a server's response, or a client's
    /// request. To be called once the head has been sent and before the last piece of the body is.
    /// What wants to be sure that the peer takes them looks for `te: trailers` in its request, and
    /// names them in a `trailer` header (RFC 9110 6.5.1).
    ///
    /// # Errors
    /// [`TrailerError`]: on HTTP/1 nothing can come behind a body whose length was announced, some
    /// fields may not come behind a body, and the moment may be wrong.
    fn add_trailer(&mut self, name: &str, value: &str) -> Result<(), TrailerError>;

    /// Server: the request's method (C: `lws_http_get_uri_and_method`).
    fn method(&self) -> Option<Method>;

    /// Server: the request target as it was sent, query included.
    fn uri(&self) -> Option<&str>;

    /// Server: the whole decoded, normalised path.
    fn path(&self) -> Option<&str>;

    /// Server: an argument of the query, decoded (C: `lws_get_urlarg_by_name`).
    fn urlarg(&self, name: &str) -> Option<&str>;

    /// Client: the response's status (C: `lws_http_client_http_response`).
    fn http_status(&self) -> Option<u16>;

    /// Server: begins a response with this status. Nothing is sent before
    /// [`send`](Response::send).
    fn respond(&mut self, status: u16) -> Response<'_>;

    /// Server: sends a whole small response, an html page with the status and `body` (not escaped)
    /// (C: `lws_return_http_status`), and completes the transaction. A 404 becomes a redirect to the
    /// vhost's `error_document_404`, if there is one.
    ///
    /// # Errors
    /// A response was already begun, or the connection has gone.
    fn return_http_status(&mut self, status: u16, body: &str) -> Result<(), WriteError>;

    /// Server: redirects to `location` with a 3xx status and completes the transaction
    /// (C: `lws_http_redirect`).
    ///
    /// # Errors
    /// As [`return_http_status`](Self::return_http_status), and a location that can't be sent.
    fn http_redirect(&mut self, status: u16, location: &str) -> Result<(), WriteError>;

    /// Server: sends a file with its validators and the ranges that were asked for
    /// (C: `lws_serve_http_file`). The type is guessed by suffix when none is given. Afterwards
    /// comes HTTP_FILE_COMPLETION; the transaction then is completed by itself.
    ///
    /// # Errors
    /// A response was already begun, or the connection has gone.
    fn serve_http_file(&mut self, path: &Path, content_type: Option<&str>, extra: Fields) -> Result<(), WriteError>;

    /// Server: the response is complete; the connection goes on to the next request
    /// (C: `lws_http_transaction_completed`).
    fn http_transaction_completed(&mut self);

    /// Server: this response goes on without end and without timeouts (C: `lws_http_mark_sse`). When
    /// the peer ends its side, the connection closes.
    fn http_mark_sse(&mut self);

    /// Client: whether there is more request body to write, which brings CLIENT_HTTP_WRITEABLE
    /// (C: `lws_client_http_body_pending`). Say `true` in CLIENT_APPEND_HANDSHAKE_HEADER and
    /// `false` before, or with, the last write.
    fn client_http_body_pending(&mut self, pending: bool);
}

enum Either<'a> {
    Request(&'a RequestHead),
    Response(&'a ResponseHead),
}

fn head_of<'a>(wsi: &'a Wsi<'_>) -> Option<Either<'a>> {
    match wsi.role_data_ref::<Transaction>() {
        Some(t) => Some(Either::Request(&t.head)),
        None => wsi.role_data_ref::<ClientTransaction>().map(|t| Either::Response(&t.head)),
    }
}

fn fields_of<'a>(wsi: &'a Wsi<'_>) -> Option<&'a super::head::Fields> {
    Some(match head_of(wsi)? {
        Either::Request(head) => head,
        Either::Response(head) => head,
    })
}

fn trailers_of<'a>(wsi: &'a Wsi<'_>) -> Option<&'a Fields> {
    match wsi.role_data_ref::<Transaction>() {
        Some(t) => Trailers::received(&t.trailers),
        None => Trailers::received(&wsi.role_data_ref::<ClientTransaction>()?.trailers),
    }
}

fn request<'a>(wsi: &'a Wsi<'_>) -> Option<&'a RequestHead> {
    wsi.role_data_ref::<Transaction>().map(|t| &t.head)
}

impl HttpWsi for Wsi<'_> {
    fn header(&self, token: Token) -> Option<&str> {
        fields_of(self)?.header(token)
    }

    fn header_by_name(&self, name: &str) -> Option<&str> {
        fields_of(self)?.header_by_name(name)
    }

    fn headers(&self) -> Vec<(&str, &[u8])> {
        fields_of(self).map(|f| f.headers().collect()).unwrap_or_default()
    }

    fn trailer(&self, name: &str) -> Option<&str> {
        trailers_of(self)?.get(name).and_then(|value| str::from_utf8(value).ok())
    }

    fn trailers(&self) -> Vec<(&str, &[u8])> {
        trailers_of(self).map(|fields| fields.iter().collect()).unwrap_or_default()
    }

    fn add_trailer(&mut self, name: &str, value: &str) -> Result<(), TrailerError> {
        if let Some(t) = self.role_data::<Transaction>() {
            return Trailers::add(&mut t.trailers, t.outgoing, t.on_h2, name, value);
        }
        match self.role_data::<ClientTransaction>() {
            Some(t) => Trailers::add(&mut t.trailers, t.outgoing, t.on_h2, name, value),
            None => Err(TrailerError::Gone),
        }
    }

    fn method(&self) -> Option<Method> {
        request(self).map(RequestHead::method)
    }

    fn uri(&self) -> Option<&str> {
        request(self).map(RequestHead::uri)
    }

    fn path(&self) -> Option<&str> {
        request(self).map(RequestHead::path)
    }

    fn urlarg(&self, name: &str) -> Option<&str> {
        request(self)?.urlarg(name)
    }

    fn http_status(&self) -> Option<u16> {
        self.role_data_ref::<ClientTransaction>().map(|t| t.head.status())
    }

    fn respond(&mut self, status: u16) -> Response<'_> {
        let fields = self.take_fields();
        let wsi: &mut dyn Sender = self;
        Response { wsi, status, fields, body: BodyLength::Unknown, refused: None }
    }

    fn return_http_status(&mut self, status: u16, body: &str) -> Result<(), WriteError> {
        if status == 404
            && let Some(settings) = self.settings::<HttpSettings>()
            && let Some(document) = &settings.error_document_404
            && self.path() != Some(document)
        {
            return self.http_redirect(302, document);
        }
        let mut page = Vec::new();
        status::write_error_page(&mut page, status, body);
        self.respond(status).content_type("text/html").content_length(page.len() as u64).send()?;
        if !status::is_bodyless(status) {
            self.write(&page, Write::HttpFinal)?;
        }
        self.http_transaction_completed();
        Ok(())
    }

    fn http_redirect(&mut self, status: u16, location: &str) -> Result<(), WriteError> {
        self.respond(status).header("location", location).content_type("text/html").content_length(0).send()?;
        self.http_transaction_completed();
        Ok(())
    }

    fn serve_http_file(&mut self, path: &Path, content_type: Option<&str>, extra: Fields) -> Result<(), WriteError> {
        let t = self.role_data::<Transaction>().filter(|t| t.received).ok_or(WriteError::Gone)?;
        if t.has_begun() || t.file.is_some() {
            return Err(WriteError::Sequence);
        }
        t.file =
            Some(FileRequest { path: path.to_owned(), content_type: content_type.map(str::to_owned), fields: extra });
        self.kick_role();
        Ok(())
    }

    fn http_transaction_completed(&mut self) {
        if let Some(t) = self.role_data::<Transaction>().filter(|t| t.received) {
            t.completed = true;
            self.kick_role();
        }
    }

    fn http_mark_sse(&mut self) {
        if let Some(t) = self.role_data::<Transaction>().filter(|t| t.received) {
            t.endless = true;
            self.kick_role();
        }
    }

    fn client_http_body_pending(&mut self, pending: bool) {
        if let Some(t) = self.role_data::<ClientTransaction>() {
            t.body_pending = pending;
            self.kick_role();
        }
    }
}

/// A connection that a [`Response`] can be sent on, its lifetime forgotten.
trait Sender {
    fn settings(&self) -> Option<std::rc::Rc<HttpSettings>>;
    fn send_head(&mut self, head: &Head<'_>) -> Result<(), WriteError>;
    fn give_back(&mut self, fields: Fields);
    fn is_under_tls(&self) -> bool;
}

impl Sender for Wsi<'_> {
    fn settings(&self) -> Option<std::rc::Rc<HttpSettings>> {
        Wsi::settings(self)
    }

    fn send_head(&mut self, head: &Head<'_>) -> Result<(), WriteError> {
        self.write_head(head)
    }

    fn give_back(&mut self, fields: Fields) {
        self.return_fields(fields);
    }

    fn is_under_tls(&self) -> bool {
        self.is_ssl()
    }
}

/// A response head being put together (C: `lws_add_http_header_status` and its like).
#[must_use = "nothing is sent before send()"]
pub struct Response<'a> {
    wsi: &'a mut dyn Sender,
    status: u16,
    fields: Fields,
    body: BodyLength,
    refused: Option<FieldError>,
}

impl Response<'_> {
    /// Adds a header (C: `lws_add_http_header_by_name`). One that can't be sent makes
    /// [`send`](Self::send) fail.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Err(e) = self.fields.add(name, value) {
            self.refused.get_or_insert(e);
        }
        self
    }

    /// Sets the content type.
    pub fn content_type(self, mime: &str) -> Self {
        self.header("content-type", mime)
    }

    /// Says how long the body is (C: `lws_add_http_header_content_length`). Without it the body is
    /// as long as it turns out to be, sent in chunks.
    pub fn content_length(mut self, bytes: u64) -> Self {
        self.body = BodyLength::Known(bytes);
        self
    }

    /// Sends the head (C: `lws_finalize_write_http_header`), with the vhost's own headers.
    ///
    /// # Errors
    /// A header was refused, a response was already begun, or the connection has gone. Nothing was
    /// sent then.
    pub fn send(mut self) -> Result<(), WriteError> {
        let mut fields = std::mem::take(&mut self.fields);
        let result = self.send_with(&mut fields);
        self.wsi.give_back(fields);
        result
    }

    fn send_with(&mut self, fields: &mut Fields) -> Result<(), WriteError> {
        if let Some(e) = self.refused {
            return Err(e.into());
        }
        if let Some(settings) = self.wsi.settings() {
            settings.add_common(fields, self.wsi.is_under_tls())?;
        }
        self.wsi.send_head(&Head { start: Start::Response { status: self.status }, fields, body: self.body })
    }
}
