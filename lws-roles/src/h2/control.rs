//! What control frames change: settings, credit, priorities, the ends of streams and of the
//! connection (RFC 9113 sections 6.4, 6.5, 6.7 to 6.9; RFC 9218 section 7.1).
//!
//! Called by the connection's receive half with whole frames that are right in themselves. Calls user
//! code only by streams that end.

use super::client;
use super::conn::H2Conn;
use super::error::ErrorCode;
use super::fault::{Fatal, LOST};
use super::payload::{Control, Parameters};
use super::priority::Priority;
use super::receive::NetRx;
use super::settings::Side;
use super::write;
use lws_core::Cx;

impl NetRx {
    pub(super) fn control(&mut self, cx: &mut Cx<'_>, sid: u32, control: Control<'_>) -> Result<(), Fatal> {
        match control {
            Control::Priority => self.spend(cx),
            Control::RstStream(code) => self.reset(cx, sid, code),
            Control::SettingsAck => self.settings_ack(cx),
            Control::Settings(parameters) => self.settings(cx, parameters),
            Control::Ping(payload) => {
                self.spend(cx)?;
                //= rfc9113#6.7 a PING without ACK MUST be answered with one
                cx.raw().send_by(|_: &mut H2Conn, out| write::ping(out, payload, true)).map_err(|_| LOST)
            }
            Control::Pong(_) if self.pinged => {
                self.pinged = false;
                Ok(())
            }
            Control::Pong(_) => self.spend(cx),
            Control::Goaway { last, code, .. } => self.goaway(cx, last, code),
            Control::WindowUpdate(more) => self.window_update(cx, sid, more),
            Control::PriorityUpdate { stream, value } => {
                self.spend(cx)?;
                if self.side == Side::Client {
                    //= rfc9218#7.1 a client that receives PRIORITY_UPDATE: connection error PROTOCOL_ERROR
                    return Err((ErrorCode::ProtocolError, "PRIORITY_UPDATE from a server"));
                }
                let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
                conn.table.prioritise(stream, Priority::parse(value));
                Ok(())
            }
        }
    }

    fn reset(&mut self, cx: &mut Cx<'_>, sid: u32, code: ErrorCode) -> Result<(), Fatal> {
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        if conn.table.key(sid).is_none() && !conn.late_reset(sid) {
            return self.not_there(cx, sid);
        }
        // as much whether the stream was answered before or not
        self.spend(cx)?;
        let stream = cx.role_data::<H2Conn>().and_then(|conn| conn.table.by_number(sid));
        let Some(stream) = stream else { return Ok(()) };
        stream.reset = true;
        let complete = std::mem::replace(&mut stream.remote_ended, true);
        stream.cause = Some(code);
        let wsi = stream.wsi;
        lws_core::lwsl_info!("{}: stream {sid}: {code} from the peer", cx.id());
        if self.side == Side::Client && complete && code == ErrorCode::NoError {
            client::give_up_request(cx, wsi);
            return Ok(());
        }
        cx.stream_broken(wsi, code.name());
        Ok(())
    }

    fn settings_ack(&mut self, cx: &mut Cx<'_>) -> Result<(), Fatal> {
        if self.acknowledged {
            return self.spend(cx);
        }
        self.acknowledged = true;
        self.rest(cx);
        Ok(())
    }

    fn settings(&mut self, cx: &mut Cx<'_>, parameters: Parameters<'_>) -> Result<(), Fatal> {
        let first = !std::mem::replace(&mut self.settled, true);
        if !first {
            self.spend(cx)?;
        }
        self.take_settings(cx, parameters, first)?;
        cx.raw().send_by(|_: &mut H2Conn, out| write::settings_ack(out)).map_err(|_| LOST)
    }

    pub(super) fn take_settings(
        &mut self,
        cx: &mut Cx<'_>,
        parameters: Parameters<'_>,
        first: bool,
    ) -> Result<(), Fatal> {
        let peer = if self.side == Side::Server { Side::Client } else { Side::Server };
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        let before = conn.peer.initial_window_size;
        for (id, value) in parameters {
            conn.peer.apply(id, value, peer, first).map_err(|e| (e.code(), "bad SETTINGS"))?;
        }
        let now = conn.peer.initial_window_size;
        if before != now {
            //= rfc9113#6.9.2 a change that makes a window exceed the maximum is a connection error FLOW_CONTROL_ERROR
            let resized = conn.table.iter_mut().all(|stream| stream.send.resize(before, now).is_ok());
            if !resized {
                return Err((ErrorCode::FlowControlError, "SETTINGS make a window too large"));
            }
            conn.table.queue_all();
        }
        conn.encoder.set_peer_limit(conn.peer.header_table_size);
        conn.settled = true;
        client::wake(cx);
        Ok(())
    }

    fn goaway(&mut self, cx: &mut Cx<'_>, last: u32, code: ErrorCode) -> Result<(), Fatal> {
        lws_core::lwsl_info!("{}: GOAWAY, {code}, last stream {last}", cx.id());
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        // a client that goes away may still ask, what it won't take is new streams of ours
        conn.leaving = true;
        let mut lost = Vec::new();
        if self.side == Side::Client {
            conn.draining = true;
            //= rfc9113#6.8 streams above the last one were not processed and may be tried again
            let cause = if code == ErrorCode::Http11Required { code } else { ErrorCode::RefusedStream };
            lost = conn.table.refuse_above(last, cause);
        }
        lost.extend(conn.waiting.drain(..));
        cx.no_more_streams();
        for wsi in lost {
            cx.stream_broken(wsi, ErrorCode::RefusedStream.name());
        }
        // there may be no stream whose end would bring that about
        let id = cx.id();
        cx.raw().kick(id);
        Ok(())
    }

    fn window_update(&mut self, cx: &mut Cx<'_>, sid: u32, more: u32) -> Result<(), Fatal> {
        let Some(conn) = cx.role_data::<H2Conn>() else { return Err(LOST) };
        if sid == 0 {
            let useful = conn.credit_of_use();
            if conn.send.grow(more).is_err() {
                return Err((ErrorCode::FlowControlError, "WINDOW_UPDATE beyond the maximum"));
            }
            cx.raw().send_soon();
            return if useful { Ok(()) } else { self.spend(cx) };
        }
        let Some(key) = conn.table.key(sid) else { return self.not_there(cx, sid) };
        let useful = conn.credit_of_use();
        let Some(stream) = conn.table.get_mut(key) else { return Err(LOST) };
        if stream.send.grow(more).is_err() {
            self.stream_error(cx, sid, ErrorCode::FlowControlError, "WINDOW_UPDATE beyond the maximum");
            return Ok(());
        }
        conn.table.queue(key);
        cx.raw().send_soon();
        // credit for what was never sent, again and again, is only work
        if useful { Ok(()) } else { self.spend(cx) }
    }
}
