//! `/etc/hosts` (hosts(5)): names that are known without asking. Pure: text in, names out.

use super::name::Name;
use lws_core::{AddrInfo, DnsError, DnsType};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Addresses of one name that are kept.
const MAX_ADDRESSES: usize = 64;

/// The file's names.
#[derive(Default)]
pub(super) struct Hosts {
    names: HashMap<Name, Host>,
}

struct Host {
    addresses: Vec<IpAddr>,
    /// The first name of the line that has it first.
    canonical: Rc<str>,
}

impl Hosts {
    /// Reads the text of such a file. Lines that aren't understood are passed over.
    pub(super) fn parse(text: &str) -> Self {
        let mut hosts = Self::default();
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let Some(address) = words.next() else { continue };
            // a zone says nothing beyond this machine's own links: such an address can't be connected to
            let Ok(address) = address.parse::<IpAddr>() else { continue };
            let mut canonical: Option<Rc<str>> = None;
            for word in words {
                let Ok(name) = Name::parse(word) else { continue };
                let canonical = canonical.get_or_insert_with(|| word.trim_end_matches('.').into());
                let host = hosts
                    .names
                    .entry(name)
                    .or_insert_with(|| Host { addresses: Vec::new(), canonical: Rc::clone(canonical) });
                if host.addresses.len() < MAX_ADDRESSES && !host.addresses.contains(&address) {
                    host.addresses.push(address);
                }
            }
        }
        hosts
    }

    /// What the file says of a name. One that it has with addresses of the other family only has none of
    /// this: nobody else is asked.
    pub(super) fn get(&self, name: &Name, kind: DnsType) -> Option<Result<Rc<AddrInfo>, DnsError>> {
        let host = self.names.get(name)?;
        let wanted: Vec<IpAddr> = host.addresses.iter().copied().filter(|&ip| kind.covers(ip)).collect();
        Some(if wanted.is_empty() {
            Err(DnsError::NoData)
        } else {
            Ok(Rc::new(AddrInfo::new(wanted, &host.canonical)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "127.0.0.1 localhost\n# 192.0.2.9 not.example\n192.0.2.1\tHost.example host alias # end\n\
                        2001:db8::1 host.example\nbad line.example\n192.0.2.2\nfe80::1%eth0 link.example\n";

    fn get(name: &str, kind: DnsType) -> Option<Result<(Vec<String>, String), DnsError>> {
        let found = Hosts::parse(TEXT).get(&Name::parse(name).unwrap(), kind)?;
        Some(
            found.map(|info| {
                (info.addresses().iter().map(ToString::to_string).collect(), info.canonical_name().to_owned())
            }),
        )
    }

    #[test]
    fn names_and_aliases_of_both_families() {
        let both = Some(Ok((vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()], "Host.example".to_owned())));
        assert_eq!(get("HOST.example.", DnsType::Both), both);
        assert_eq!(get("alias", DnsType::A), Some(Ok((vec!["192.0.2.1".to_owned()], "Host.example".to_owned()))));
        assert_eq!(get("alias", DnsType::Aaaa), Some(Err(DnsError::NoData)));
    }

    #[test]
    fn comments_and_nonsense_are_passed_over() {
        for name in ["not.example", "line.example", "end", "link.example", "192.0.2.2"] {
            assert_eq!(get(name, DnsType::Both), None, "{name}");
        }
    }
}
