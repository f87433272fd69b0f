//! `NO_PROXY`: which servers are asked without a proxy. Knows nothing of proxies.

use std::net::IpAddr;

/// The servers that a list means; none unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// Only this port; every one unless said.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// The addresses whose first bits are those of this one.
    Network(IpAddr, u8),
    /// A name and all below it, in small letters.
    Name(String),
}

impl NoProxy {
    /// Reads a list, separated by commas or spaces: `*`, names (`example.com`, `.example.com` and `*.example.com` all mean it
    /// and what is below it), addresses and networks (`10.0.0.0/8`), each with a port if only that one is meant
    /// (`example.com:8080`, `[::1]:8080`).
    pub(super) fn read(list: &str) -> Self {
        Self(
            list.split([',', ' '])
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(entry)
                .collect(),
        )
    }

    /// Whether a server, a name or an address without brackets, is asked without a proxy.
    pub(super) fn covers(&self, host: &str, port: u16) -> bool {
        let host = bare(host);
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match &entry.hosts {
                    Hosts::All => true,
                    Hosts::Network(network, bits) => {
                        address.is_some_and(|address| is_in(address, *network, *bits))
                    }
                    Hosts::Name(name) => address.is_none() && is_below(&host, name),
                }
        })
    }
}

fn entry(text: &str) -> Entry {
    let (hosts, port) = split(text);
    let hosts = if hosts == "*" {
        Hosts::All
    } else if let Some((network, bits)) = network(hosts) {
        Hosts::Network(network, bits)
    } else {
        let name = hosts.strip_prefix('*').unwrap_or(hosts);
        Hosts::Name(bare(name.strip_prefix('.').unwrap_or(name)))
    };
    Entry { hosts, port }
}

/// Takes a port off. In `::1` the last number is none.
fn split(text: &str) -> (&str, Option<u16>) {
    if let Some(inside) = text.strip_prefix('[')
        && let Some((host, rest)) = inside.split_once(']')
    {
        return (
            host,
            rest.strip_prefix(':').and_then(|port| port.parse().ok()),
        );
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

/// An address with the number of bits that count.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(all);
    (bits <= all).then_some((address, bits))
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |one: u128, other: u128, all: u8| {
        let shift = u32::from(all - bits);
        one.checked_shr(shift) == other.checked_shr(shift)
    };
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            same(one.to_bits().into(), other.to_bits().into(), 32)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Small letters, without the dot at the end that a complete name may have.
fn bare(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::NoProxy;

    #[test]
    fn names_mean_themselves_and_what_is_below() {
        let list = NoProxy::read("Example.com, .example.org *.example.net. localhost");
        for host in [
            "example.com",
            "API.example.com",
            "example.com.",
            "example.org",
            "a.b.example.org",
            "example.net",
            "a.example.net",
            "localhost",
        ] {
            assert!(list.covers(host, 443), "{host}");
        }
        for host in [
            "notexample.com",
            "example.com.evil.example",
            "com",
            "127.0.0.1",
        ] {
            assert!(!list.covers(host, 443), "{host}");
        }
    }

    #[test]
    fn networks_mean_the_addresses_in_them() {
        let list = NoProxy::read("10.0.0.0/8,192.0.2.7,2001:db8::/32,[fe80::1],0.0.0.0/33");
        for host in ["10.255.0.1", "192.0.2.7", "2001:db8:ffff::1", "fe80::1"] {
            assert!(list.covers(host, 80), "{host}");
        }
        for host in [
            "11.0.0.1",
            "192.0.2.8",
            "2001:db9::1",
            "fe80::2",
            "ten.example.com",
        ] {
            assert!(!list.covers(host, 80), "{host}");
        }
        assert!(NoProxy::read("0.0.0.0/0").covers("203.0.113.9", 80));
        assert!(!NoProxy::read("0.0.0.0/0").covers("2001:db8::1", 80));
        assert!(NoProxy::read("::/0").covers("2001:db8::1", 80));
    }

    #[test]
    fn a_port_means_that_one_only() {
        let list = NoProxy::read("example.com:8080,[::1]:81,192.0.2.7:82,*:83");
        for (host, port) in [
            ("a.example.com", 8080),
            ("::1", 81),
            ("192.0.2.7", 82),
            ("anything.example.org", 83),
        ] {
            assert!(list.covers(host, port), "{host}");
            assert!(!list.covers(host, 443), "{host}");
        }
        assert!(NoProxy::read("*").covers("anything.example.org", 443));
        assert!(!NoProxy::read(" , ").covers("anything.example.org", 443));
    }

    proptest::proptest! {
        #[test]
        fn any_list_can_be_read(list: String, host: String, port: u16) {
            NoProxy::read(&list).covers(&host, port);
        }
    }
}
