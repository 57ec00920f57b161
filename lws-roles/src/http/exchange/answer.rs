//! What the library answers by itself: small pages, and files.

use super::{Exchange, Stage, Step, Stop};
use crate::http::access_log;
use crate::http::file::{self, Found, Progress};
use crate::http::settings::HttpSettings;
use crate::http::status;
use crate::http::transaction::{FileRequest, Outgoing, Transaction};
use lws_core::{BodyLength, Close, Cx, Fields, Head, Reason, Start, Write, WriteError};

impl Exchange {
    /// Answers with a small page and goes on as if user code had completed the transaction.
    pub(super) fn answer_stop(
        &mut self,
        cx: &mut Cx<'_>,
        code: u16,
        headers: &[(&str, &str)],
        text: &str,
    ) -> Result<(), Stop> {
        let settings = HttpSettings::of(cx);
        //= rfc9112#9.6 a server that is going to close says so
        let closes = self.is_rest_too_long();
        let Some(t) = cx.role_data::<Transaction>() else { return Err(Close::ABORT.into()) };
        t.keep_alive &= !closes;
        match &settings.error_document_404 {
            Some(uri) if code == 404 && t.head.path() != uri => {
                self.answer(cx, &settings, 302, &[("location", uri)], "")?;
            }
            _ => self.answer(cx, &settings, code, headers, text)?,
        }
        if let Some(t) = cx.role_data::<Transaction>() {
            t.completed = true;
        }
        Err(Stop::Settled)
    }

    fn answer(
        &mut self,
        cx: &mut Cx<'_>,
        settings: &HttpSettings,
        code: u16,
        headers: &[(&str, &str)],
        text: &str,
    ) -> Result<(), WriteError> {
        let mut page = Vec::new();
        if !status::is_redirect(code) {
            let text = if text.is_empty() { status::reason(code) } else { text };
            status::write_error_page(&mut page, code, text);
        }
        let mut fields = cx.take_fields();
        let result = (|| {
            for (name, value) in headers {
                fields.add(name, value)?;
            }
            fields.add("content-type", "text/html")?;
            settings.add_common(&mut fields, cx.is_tls())?;
            let body = BodyLength::Known(page.len() as u64);
            cx.write_head(&Head { start: Start::Response { status: code }, fields: &fields, body })?;
            cx.write(&page, Write::HttpFinal).map(drop)
        })();
        cx.return_fields(fields);
        result
    }

    /// Answers a request that can't be understood, or didn't come in time, and closes.
    pub(crate) fn refuse(&mut self, cx: &mut Cx<'_>, code: u16) -> Step {
        access_log::begin(&mut self.log, cx);
        if let Some(t) = cx.role_data::<Transaction>() {
            t.received = true;
            t.keep_alive = false;
        }
        let settings = HttpSettings::of(cx);
        match self.answer(cx, &settings, code, &[], "") {
            Ok(()) => Step::Close(Close::NORMAL),
            Err(_) => Step::Close(Close::ABORT),
        }
    }

    // --- files -------------------------------------------------------------------------------

    pub(super) fn file(
        &mut self,
        cx: &mut Cx<'_>,
        settings: &HttpSettings,
        found: Found,
        mut fields: Fields,
        by_user: bool,
    ) -> Result<(), Stop> {
        let (code, body, job) = match found {
            Found::Answer { status, body, job } => (status, body, job),
            Found::Redirect(location) => return self.answer_stop(cx, 301, &[("location", &location)], ""),
            Found::Refused(code) => return self.answer_stop(cx, code, &[], ""),
        };
        settings.add_common(&mut fields, cx.is_tls()).map_err(WriteError::from)?;
        cx.write_head(&Head { start: Start::Response { status: code }, fields: &fields, body })?;
        cx.return_fields(fields);
        self.user_file = by_user;
        match job.filter(|_| cx.role_data::<Transaction>().is_some_and(|t| t.outgoing != Outgoing::Muted)) {
            Some(job) => {
                // what is left of the request's body waits until the file has gone
                let receiving = matches!(self.stage, Stage::Receiving);
                self.stage = Stage::Sending(job, receiving);
                Err(Stop::Step(self.send_file(cx)))
            }
            None => {
                self.file_sent(cx)?;
                Err(Stop::Settled)
            }
        }
    }

    pub(super) fn send_file(&mut self, cx: &mut Cx<'_>) -> Step {
        cx.hold_rx(true);
        let Stage::Sending(job, receiving) = &mut self.stage else { return Step::Wait };
        match job.send(cx) {
            Ok(Progress::More) => Step::Wait,
            Ok(Progress::Done) => {
                self.stage = if *receiving { Stage::Receiving } else { Stage::Responding };
                match self.file_sent(cx) {
                    Ok(()) => self.settle(cx),
                    Err(close) => Step::Close(close),
                }
            }
            Err(e) => {
                lws_core::lwsl_warn!("{}: sending a file: {e}", cx.id());
                Step::Close(Close::ABORT)
            }
        }
    }

    /// The whole file has been handed over: that completes the transaction.
    fn file_sent(&mut self, cx: &mut Cx<'_>) -> Result<(), Close> {
        if std::mem::take(&mut self.user_file) {
            cx.user(Reason::HttpFileCompletion)?;
        }
        if let Some(t) = cx.role_data::<Transaction>() {
            t.completed = true;
        }
        Ok(())
    }

    /// The file that user code asked for.
    pub(super) fn serve_wanted(&mut self, cx: &mut Cx<'_>, wanted: FileRequest) -> Step {
        let mut fields = wanted.fields;
        let Some(t) = cx.role_data::<Transaction>() else { return Step::Wait };
        let found = file::open_path(&wanted.path, wanted.content_type.as_deref(), &t.head, &mut fields);
        let settings = HttpSettings::of(cx);
        match self.file(cx, &settings, found, fields, true) {
            Ok(()) | Err(Stop::Settled) => self.settle(cx),
            Err(Stop::Step(step)) => step,
        }
    }
}
