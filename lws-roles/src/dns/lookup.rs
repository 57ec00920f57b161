//! One name of one who asks: the names that the search list makes of it, each asked for its types side by
//! side (RFC 8305 section 3). Pure; called by `engine`.

use super::cache::Known;
use super::name::{Name, NameError};
use super::wire::RecordType;
use lws_core::{AddrInfo, DnsError, DnsType};
use std::collections::VecDeque;
use std::rc::Rc;

/// What a lookup waits for.
#[derive(Clone, Debug)]
enum Part {
    NotAsked,
    Pending,
    Known(Known),
}

/// See the module's head.
pub(super) struct Lookup<T> {
    /// Whom it is for.
    pub(super) token: T,
    pub(super) kind: DnsType,
    /// Names that are still to be tried, the one that is being tried first.
    candidates: VecDeque<Name>,
    a: Part,
    aaaa: Part,
    /// What was wrong with the names before, the worst of it.
    failure: Option<DnsError>,
    /// When what there is is enough, clock µs.
    pub(super) enough_us: Option<u64>,
}

/// How a lookup stands.
pub(super) enum Standing {
    /// For answers.
    Waits,
    /// One family has answered, well, and the other hasn't.
    Half,
    /// The next name of the search list is to be asked for.
    Next,
    /// It is over.
    Done(Known),
}

/// The types that a kind stands for.
pub(super) fn types(kind: DnsType) -> &'static [RecordType] {
    match kind {
        DnsType::A => &[RecordType::A],
        DnsType::Aaaa => &[RecordType::Aaaa],
        DnsType::Both => &[RecordType::Aaaa, RecordType::A],
    }
}

/// The names that `text` may stand for, in the order they are to be tried (resolv.conf(5), `ndots`).
pub(super) fn candidates(text: &str, search: &[Name], ndots: u32) -> Result<VecDeque<Name>, NameError> {
    let name = Name::parse(text)?;
    let dots = text.bytes().filter(|&b| b == b'.').count();
    if text.ends_with('.') {
        return Ok(VecDeque::from([name]));
    }
    // one that would be too long can't exist
    let mut all: VecDeque<Name> = search.iter().filter_map(|suffix| name.joined(suffix).ok()).collect();
    if dots >= ndots as usize {
        all.push_front(name);
    } else {
        all.push_back(name);
    }
    Ok(all)
}

impl<T: Copy> Lookup<T> {
    pub(super) fn new(token: T, candidates: VecDeque<Name>, kind: DnsType) -> Self {
        Self { token, kind, candidates, a: Part::NotAsked, aaaa: Part::NotAsked, failure: None, enough_us: None }
    }

    /// The name to ask for now.
    pub(super) fn name(&self) -> Option<&Name> {
        self.candidates.front()
    }

    fn part(&mut self, kind: RecordType) -> &mut Part {
        match kind {
            RecordType::A => &mut self.a,
            RecordType::Aaaa => &mut self.aaaa,
        }
    }

    /// This type is being asked for.
    pub(super) fn asked(&mut self, kind: RecordType) {
        *self.part(kind) = Part::Pending;
    }

    /// This type is answered.
    pub(super) fn answered(&mut self, kind: RecordType, known: Known) {
        *self.part(kind) = Part::Known(known);
    }

    /// What is to be done now. `enough`: waiting for the second family is over.
    pub(super) fn standing(&mut self, enough: bool) -> Standing {
        let mut found = Vec::new();
        let mut pending = false;
        for part in [&self.aaaa, &self.a] {
            match part {
                Part::Known(Ok(info)) => found.push(Rc::clone(info)),
                Part::Pending => pending = true,
                _ => {}
            }
        }
        match (&found[..], pending) {
            ([], true) => Standing::Waits,
            ([_], true) if !enough => Standing::Half,
            ([one], _) => Standing::Done(Ok(Rc::clone(one))),
            ([first, second, ..], _) => Standing::Done(Ok(Rc::new(combined(first, second)))),
            ([], false) => self.denied(),
        }
    }

    /// The name has no addresses: that is the end, or the next name of the list is tried.
    fn denied(&mut self) -> Standing {
        for part in [std::mem::replace(&mut self.aaaa, Part::NotAsked), std::mem::replace(&mut self.a, Part::NotAsked)]
        {
            if let Part::Known(Err(why)) = part
                && self.failure.as_ref().is_none_or(|before| rank(&why) > rank(before))
            {
                self.failure = Some(why);
            }
        }
        self.candidates.pop_front();
        // nobody answers: nobody would for another name
        if self.failure == Some(DnsError::TimedOut) {
            self.candidates.clear();
        }
        match self.candidates.is_empty() {
            true => Standing::Done(Err(self.failure.take().unwrap_or(DnsError::NoData))),
            false => Standing::Next,
        }
    }
}

/// Which of several failures is told: the one that leaves most open.
fn rank(why: &DnsError) -> u8 {
    match why {
        DnsError::NxDomain => 0,
        DnsError::NoData => 1,
        DnsError::TimedOut => 3,
        _ => 2,
    }
}

fn combined(first: &AddrInfo, second: &AddrInfo) -> AddrInfo {
    let all: Vec<_> = first.addresses().iter().chain(second.addresses()).copied().collect();
    AddrInfo::new(all, first.canonical_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn names(text: &str, search: &[&str], ndots: u32) -> Vec<String> {
        let search: Vec<Name> = search.iter().map(|s| Name::parse(s).unwrap()).collect();
        candidates(text, &search, ndots).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_search_list_goes_first_for_names_with_few_dots() {
        assert_eq!(names("host", &["a.example", "b.example"], 1), ["host.a.example", "host.b.example", "host"]);
        assert_eq!(names("x.y", &["a.example"], 1), ["x.y", "x.y.a.example"]);
        assert_eq!(names("x.y", &["a.example"], 2), ["x.y.a.example", "x.y"]);
        assert_eq!(names("host.", &["a.example"], 5), ["host"]);
        assert_eq!(names("host", &[], 1), ["host"]);
        let long = "x".repeat(63);
        let whole = format!("{long}.{long}.{long}.{}", "y".repeat(50));
        assert_eq!(names(&whole, &["a-domain.example"], 1).len(), 1);
    }

    fn v4() -> Known {
        Ok(Rc::new(AddrInfo::new([Ipv4Addr::LOCALHOST.into()], "n")))
    }

    fn v6() -> Known {
        Ok(Rc::new(AddrInfo::new([Ipv6Addr::LOCALHOST.into()], "n")))
    }

    fn lookup(names: &[&str]) -> Lookup<()> {
        let mut lookup = Lookup::new((), names.iter().map(|n| Name::parse(n).unwrap()).collect(), DnsType::Both);
        lookup.asked(RecordType::A);
        lookup.asked(RecordType::Aaaa);
        lookup
    }

    #[test]
    fn rfc8305_3_the_second_family_is_waited_for_but_not_long() {
        let mut both = lookup(&["n"]);
        both.answered(RecordType::A, v4());
        assert!(matches!(both.standing(false), Standing::Half));
        assert!(matches!(both.standing(true), Standing::Done(Ok(info)) if info.addresses().len() == 1));
        both.answered(RecordType::Aaaa, v6());
        let Standing::Done(Ok(info)) = both.standing(false) else { panic!() };
        assert!(info.addresses()[0].is_ipv6() && info.addresses()[1].is_ipv4());
    }

    #[test]
    fn one_family_is_enough_when_the_other_has_none() {
        let mut one = lookup(&["n"]);
        one.answered(RecordType::Aaaa, Err(DnsError::NoData));
        assert!(matches!(one.standing(true), Standing::Waits));
        one.answered(RecordType::A, v4());
        assert!(matches!(one.standing(false), Standing::Done(Ok(_))));
    }

    #[test]
    fn the_failure_that_leaves_most_open_is_told() {
        let mut failing = lookup(&["n.a", "n"]);
        failing.answered(RecordType::A, Err(DnsError::Failed("x".into())));
        failing.answered(RecordType::Aaaa, Err(DnsError::NoData));
        assert!(matches!(failing.standing(false), Standing::Next));
        assert_eq!(failing.name().unwrap().to_string(), "n");
        failing.asked(RecordType::A);
        failing.answered(RecordType::A, Err(DnsError::NxDomain));
        assert!(matches!(failing.standing(false), Standing::Done(Err(DnsError::Failed(_)))));
        let mut silent = lookup(&["n.a", "n"]);
        silent.answered(RecordType::A, Err(DnsError::TimedOut));
        silent.answered(RecordType::Aaaa, Err(DnsError::TimedOut));
        assert!(matches!(silent.standing(false), Standing::Done(Err(DnsError::TimedOut))));
    }
}
