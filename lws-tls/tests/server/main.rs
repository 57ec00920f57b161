//! A vhost's TLS as a server, through the reactor's seam, against rustls' own buffered client.

mod certificates;
mod peer;
mod records;
mod sessions;
