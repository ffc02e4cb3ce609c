//! On which TCP ports a process listens.

use std::{collections::BTreeSet, fs, path::Path};

use crate::target::file;

/// Descriptors that are looked at: those on which a program listens are among its first.
const MAX_DESCRIPTORS: usize = 1_024;
/// Bytes that are read of a table of sockets. Those that listen come first (`tcp_seek_last_pos`, net/ipv4/tcp_ipv4.c).
const MAX_TABLE: u64 = 256 << 10;
/// `TCP_LISTEN` of include/net/tcp_states.h, as the table has it.
const LISTENS: &str = "0A";

/// The ports on which `pid` listens, ascending; none if we may not know.
pub(super) fn ports(pid: u32) -> Vec<u16> {
    let sockets = sockets(pid);
    if sockets.is_empty() {
        return Vec::new();
    }
    let tables = ["tcp", "tcp6"].map(|name| {
        let path = format!("/proc/{pid}/net/{name}");
        file::read_start(Path::new(&path), MAX_TABLE).unwrap_or_default()
    });
    let listening = tables.iter().flat_map(|table| listening(&String::from_utf8_lossy(table), &sockets));
    listening.collect::<BTreeSet<u16>>().into_iter().collect()
}

/// Inodes of its sockets.
fn sockets(pid: u32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let links = entries.flatten().take(MAX_DESCRIPTORS).filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect()
}

/// `sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode …`, one line a socket below a heading.
fn listening(table: &str, sockets: &BTreeSet<u64>) -> Vec<u16> {
    let rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let listens = rows.take_while(|row| row.get(3) == Some(&LISTENS));
    let own = listens.filter(|row| {
        row.get(9).and_then(|inode| inode.parse().ok()).is_some_and(|inode| sockets.contains(&inode))
    });
    own.filter_map(|row| u16::from_str_radix(row.get(1)?.rsplit(':').next()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn where_we_listen_is_known() {
        let [four, six] = ["127.0.0.1:0", "[::1]:0"].map(|address| TcpListener::bind(address).ok());
        let bound = [four, six].into_iter().flatten().collect::<Vec<_>>();
        let ports = ports(std::process::id());
        assert!(!bound.is_empty());
        for listener in &bound {
            assert!(ports.contains(&listener.local_addr().unwrap().port()), "{ports:?}");
        }
    }

    #[test]
    fn sockets_of_others_and_connections_are_left_out() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n\
            1: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1 0\n\
            2: 0100007F:0BBA 0100007F:1000 01 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n";
        assert_eq!(listening(table, &BTreeSet::from([77])), [3000]);
    }
}
