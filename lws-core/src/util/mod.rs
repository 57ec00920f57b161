//! Generic helpers, independent of everything else here.

pub mod buflist;
pub mod cmdline;
pub mod ring;
