//! Generic helpers, independent of everything else here.

pub(crate) mod buflist;
pub(crate) mod cmdline;
pub mod diskcache;
pub mod dsh;
pub mod fts;
pub mod lejp;
pub mod lwsac;
pub mod purify;
pub(crate) mod ring;
pub mod structs;
pub mod threadpool;
pub mod tokenize;
pub(crate) mod work;
