//! What a certificate verifier has to say beyond yes and no, on its way to the session.
//!
//! Verifiers are shared by all connections of a configuration and run inside the session's call,
//! on its thread. They leave their text here; the session takes it right after the call.

use std::cell::RefCell;

/// What a verifier left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The certificate was taken in spite of this.
    Forgiven(String),
    /// The certificate was refused for this.
    Refused(String),
}

thread_local! {
    static LEFT: RefCell<Option<Verdict>> = const { RefCell::new(None) };
}

/// Leaves a verdict for the session whose call is running.
pub(crate) fn leave(verdict: Verdict) {
    LEFT.with(|left| *left.borrow_mut() = Some(verdict));
}

/// Takes the verdict that was left since the last call.
pub(crate) fn take() -> Option<Verdict> {
    LEFT.with(|left| left.borrow_mut().take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_taken_once() {
        leave(Verdict::Refused("expired".to_owned()));
        assert_eq!(take(), Some(Verdict::Refused("expired".to_owned())));
        assert_eq!(take(), None);
    }
}
