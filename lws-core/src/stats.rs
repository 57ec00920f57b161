//! What has happened in a context since it was made, in numbers (C: `lws-stats.h`), and what of it on which
//! vhost.
//!
//! A counter is a plain field that is added to where the thing happens, in this thread alone: all of them together
//! cost a hundredth of the instructions of a ws echo, so they are always on. Of C's 26 counters five aren't here, since they need a time or a
//! mark on every connection: `LWSSTATS_US_WRITABLE_DELAY_AVG`, `LWSSTATS_US_WORST_WRITABLE_DELAY` (a WRITEABLE
//! comes in the turn that it is asked for unless the peer's socket is full, see
//! [`ContextBuilder::warn_of_stalls`](crate::ContextBuilder::warn_of_stalls) for turns that take long),
//! `LWSSTATS_C_SSL_CONNS_HAD_RX`, `LWSSTATS_US_SSL_RX_DELAY_AVG`; and of the average accept latency there
//! is the sum. Counters start at 0 with the context and wrap never in practice. Calls nothing.

use std::fmt;

/// The struct, its fields in order by name, and nothing twice.
macro_rules! counters {
    ($(#[$of:meta])* $what:ident { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[non_exhaustive]
        pub struct $what {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $what {
            /// Each counter with its name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }

        /// A counter a line, those that are 0 left out.
        impl fmt::Display for $what {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut lines = self.iter().filter(|&(_, count)| count > 0).peekable();
                while let Some((name, count)) = lines.next() {
                    write!(f, "{name:>21}: {count}")?;
                    if lines.peek().is_some() {
                        f.write_str("\n")?;
                    }
                }
                Ok(())
            }
        }
    };
}

counters! {
    /// A context's counters, by [`Context::stats`](crate::Context::stats).
    Stats {
        /// Connections accepted or adopted (`LWSSTATS_C_CONNECTIONS`).
        connections,
        /// Connections that have ended, clients' too, streams not counted (`LWSSTATS_C_API_CLOSE`).
        closes,
        /// Receive calls, also those that gave nothing (`LWSSTATS_C_API_READ`).
        reads,
        /// Writes by user code: messages, pieces of bodies, heads; refused by a role or not
        /// (`LWSSTATS_C_API_LWS_WRITE`).
        lws_writes,
        /// Send calls, `sendfile` among them, that succeeded or would have had to wait (`LWSSTATS_C_API_WRITE`).
        writes,
        /// Send calls of which the kernel took a part or nothing (`LWSSTATS_C_WRITE_PARTIALS`).
        write_partials,
        /// WRITEABLEs asked for (`LWSSTATS_C_WRITEABLE_CB_REQ`).
        writeable_requests,
        /// Of those the ones that hadn't been asked for already (`LWSSTATS_C_WRITEABLE_CB_EFF_REQ`).
        writeable_effective,
        /// WRITEABLEs delivered to roles, which pass them on (`LWSSTATS_C_WRITEABLE_CB`).
        writeable_callbacks,
        /// TLS handshakes of either side that failed (`LWSSTATS_C_SSL_CONNECTIONS_FAILED`).
        tls_failed,
        /// TLS handshakes of a server that were completed (`LWSSTATS_C_SSL_CONNECTIONS_ACCEPTED`).
        tls_accepted,
        /// Steps that handshakes have taken (`LWSSTATS_C_SSL_ACCEPT_SPIN`).
        tls_steps,
        /// How long those of servers have taken from the accept, microseconds in all; the average is this by
        /// `tls_accepted` (`LWSSTATS_US_SSL_ACCEPT_LATENCY_AVG`).
        tls_accept_us,
        /// Connections' timeouts that have passed (`LWSSTATS_C_TIMEOUTS`).
        timeouts,
        /// Turns of the loop (`LWSSTATS_C_SERVICE_ENTRY`).
        turns,
        /// Bytes received, as on the wire (`LWSSTATS_B_READ`).
        bytes_read,
        /// Bytes sent, as on the wire (`LWSSTATS_B_WRITE`).
        bytes_written,
        /// Bytes that the kernel took of sends it took in part (`LWSSTATS_B_PARTIALS_ACCEPTED_PARTS`).
        partial_bytes,
        /// Unfinished heads that had to wait for others of their address
        /// ([`ip_limit_ah`](crate::ContextBuilder::ip_limit_ah); `LWSSTATS_C_PEER_LIMIT_AH_DENIED`).
        peer_limit_ah_denied,
        /// Connections refused for their address
        /// ([`ip_limit_wsi`](crate::ContextBuilder::ip_limit_wsi); `LWSSTATS_C_PEER_LIMIT_WSI_DENIED`).
        peer_limit_wsi_denied,
        /// Client connections begun (`LWSSTATS_C_CONNS_CLIENT`).
        client_connections,
        /// Client connections that failed, those that went under TLS later among them
        /// (`LWSSTATS_C_CONNS_CLIENT_FAILED`).
        client_failures,
    }
}

counters! {
    /// A vhost's counters, by [`Context::vhost_stats`](crate::Context::vhost_stats). A connection counts on the
    /// vhost that it is on at the time: on a shared port that is the first until the name asked for is known.
    VhostStats {
        /// Connections accepted or adopted.
        connections,
        /// Connections refused as soon as they were accepted, by a limit or by the protocol's
        /// FILTER_NETWORK_CONNECTION (C: `rejected`).
        refused,
        /// Bytes received, as on the wire (C: `rx`).
        bytes_read,
        /// Bytes sent, as on the wire (C: `tx`).
        bytes_written,
        /// Requests of clients that were read, as roles count them: http's, those for a WebSocket among them (C:
        /// `h1_trans`, `h2_trans` and `ws_upg` together).
        transactions,
        /// Lines that the access log has lost, since its file took no more
        /// ([`Vhost::log_filepath`](crate::Vhost::log_filepath)).
        log_lines_lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dump_has_a_line_for_each_counter_that_has_counted() {
        let stats = Stats { connections: 3, bytes_read: 1 << 40, ..Stats::default() };
        assert_eq!(stats.to_string(), "          connections: 3\n           bytes_read: 1099511627776");
        assert_eq!(Stats::default().to_string(), "");
        assert_eq!((Stats::default().iter().count(), VhostStats::default().iter().count()), (22, 6));
        assert!(Stats::default().iter().all(|(name, _)| name.len() <= 21));
    }
}
