//! A context is one descriptor to another event loop. This package has only tests: what real loops,
//! such as GLib's, make of it. `api-tests/run` runs them where the loop's library is installed.
