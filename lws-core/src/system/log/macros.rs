//! The log macros: one per level, named as in C, and the hex dumps.

/// What all log macros are: looks at the mask, then formats.
#[doc(hidden)]
#[macro_export]
macro_rules! lwsl_level {
    ($level:ident, $($text:tt)+) => {
        if $crate::system::log::is_enabled($crate::system::log::Level::$level) {
            $crate::system::log::emit($crate::system::log::Level::$level, ::core::format_args!($($text)+));
        }
    };
}

/// Logs an error, with the arguments of `format!` (C: `lwsl_err`).
#[macro_export]
macro_rules! lwsl_err {
    ($($text:tt)+) => { $crate::lwsl_level!(ERR, $($text)+) };
}

/// Logs a warning, with the arguments of `format!` (C: `lwsl_warn`).
#[macro_export]
macro_rules! lwsl_warn {
    ($($text:tt)+) => { $crate::lwsl_level!(WARN, $($text)+) };
}

/// Logs a notice, with the arguments of `format!` (C: `lwsl_notice`).
#[macro_export]
macro_rules! lwsl_notice {
    ($($text:tt)+) => { $crate::lwsl_level!(NOTICE, $($text)+) };
}

/// Logs information, with the arguments of `format!` (C: `lwsl_info`).
#[macro_export]
macro_rules! lwsl_info {
    ($($text:tt)+) => { $crate::lwsl_level!(INFO, $($text)+) };
}

/// Logs debugging detail, with the arguments of `format!` (C: `lwsl_debug`).
#[macro_export]
macro_rules! lwsl_debug {
    ($($text:tt)+) => { $crate::lwsl_level!(DEBUG, $($text)+) };
}

/// Logs a parser step, with the arguments of `format!` (C: `lwsl_parser`).
#[macro_export]
macro_rules! lwsl_parser {
    ($($text:tt)+) => { $crate::lwsl_level!(PARSER, $($text)+) };
}

/// Logs a header, with the arguments of `format!` (C: `lwsl_header`).
#[macro_export]
macro_rules! lwsl_header {
    ($($text:tt)+) => { $crate::lwsl_level!(HEADER, $($text)+) };
}

/// Logs an extension's doing, with the arguments of `format!` (C: `lwsl_ext`).
#[macro_export]
macro_rules! lwsl_ext {
    ($($text:tt)+) => { $crate::lwsl_level!(EXT, $($text)+) };
}

/// Logs a client connection's doing, with the arguments of `format!` (C: `lwsl_client`).
#[macro_export]
macro_rules! lwsl_client {
    ($($text:tt)+) => { $crate::lwsl_level!(CLIENT, $($text)+) };
}

/// Logs a latency, with the arguments of `format!` (C: `lwsl_latency`).
#[macro_export]
macro_rules! lwsl_latency {
    ($($text:tt)+) => { $crate::lwsl_level!(LATENCY, $($text)+) };
}

/// Logs the application's message, with the arguments of `format!` (C: `lwsl_user`).
#[macro_export]
macro_rules! lwsl_user {
    ($($text:tt)+) => { $crate::lwsl_level!(USER, $($text)+) };
}

/// Logs a thread's doing, with the arguments of `format!` (C: `lwsl_thread`).
#[macro_export]
macro_rules! lwsl_thread {
    ($($text:tt)+) => { $crate::lwsl_level!(THREAD, $($text)+) };
}

/// Dumps bytes in hex at this level (C: `lwsl_hexdump_err`).
#[macro_export]
macro_rules! lwsl_hexdump_err {
    ($bytes:expr) => {
        $crate::system::log::hexdump($crate::system::log::Level::ERR, $bytes)
    };
}

/// Dumps bytes in hex at this level (C: `lwsl_hexdump_warn`).
#[macro_export]
macro_rules! lwsl_hexdump_warn {
    ($bytes:expr) => {
        $crate::system::log::hexdump($crate::system::log::Level::WARN, $bytes)
    };
}

/// Dumps bytes in hex at this level (C: `lwsl_hexdump_notice`).
#[macro_export]
macro_rules! lwsl_hexdump_notice {
    ($bytes:expr) => {
        $crate::system::log::hexdump($crate::system::log::Level::NOTICE, $bytes)
    };
}

/// Dumps bytes in hex at this level (C: `lwsl_hexdump_info`).
#[macro_export]
macro_rules! lwsl_hexdump_info {
    ($bytes:expr) => {
        $crate::system::log::hexdump($crate::system::log::Level::INFO, $bytes)
    };
}

/// Dumps bytes in hex at this level (C: `lwsl_hexdump_debug`).
#[macro_export]
macro_rules! lwsl_hexdump_debug {
    ($bytes:expr) => {
        $crate::system::log::hexdump($crate::system::log::Level::DEBUG, $bytes)
    };
}

/// Dumps bytes in hex at this level (C: `lwsl_hexdump_user`).
#[macro_export]
macro_rules! lwsl_hexdump_user {
    ($bytes:expr) => {
        $crate::system::log::hexdump($crate::system::log::Level::USER, $bytes)
    };
}
