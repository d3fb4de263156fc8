//! What this machine has, and the defaults that follow from it.
//!
//! Cores are those that affinity and the cgroup's quota leave to this process; memory is the machine's,
//! or less where a cgroup says so. Both are read from Linux's `/proc` and `/sys`.

use std::{fs, path::Path};

use super::{Database, Embedded, Ingest, Listen};

impl Listen {
    /// Threads of the service where nobody says how many.
    #[must_use]
    pub fn default_workers() -> usize {
        workers(cores())
    }
}

impl Ingest {
    /// Writers where nobody says how many.
    #[must_use]
    pub fn default_lanes() -> usize {
        lanes(cores())
    }

    /// Bytes of events held in memory at most: as given, or by what this machine has.
    #[must_use]
    pub fn queue_bytes(&self) -> usize {
        let found = || queue_bytes(cores(), memory(), self.max_chunk_bytes);
        self.queue_bytes.unwrap_or_else(found)
    }
}

impl Embedded {
    /// Bytes of the embedded PostgreSQL's own cache of pages.
    #[must_use]
    pub fn cache_bytes() -> usize {
        cache_bytes(memory())
    }
}

impl Database {
    /// Connections of the pool where nobody says how many.
    pub(super) fn default_pool_size() -> usize {
        pool_size(cores())
    }
}

/// Cores that this process may keep busy; 2 where that cannot be found out.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Bytes of memory that this process may use, if that can be found out.
fn memory() -> Option<usize> {
    let machine = total(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = limit(&groups, |file| fs::read_to_string(file).ok());
    Some(limit.map_or(machine, |limit| machine.min(limit)))
}

/// A thread for two cores. It takes 30,000 requests a second, or more events in chunks than a database
/// does. A second one on two cores made each event dearer, as work went from one to the other and woke it,
/// and took its core from PostgreSQL.
fn workers(cores: usize) -> usize {
    (cores / 2).max(1)
}

/// A lane a core, as one keeps a core of the server or of PostgreSQL busy. From 2, as a second one
/// works while the first waits for its commit, to 8: more of them wait for the same log and the same
/// pages of the same indexes, and PostgreSQL's own work needs cores too.
fn lanes(cores: usize) -> usize {
    cores.clamp(2, 8)
}

/// Two connections a core, from 4, so that a slow query does not hold up the others, to 16, so that
/// some servers fit into PostgreSQL's usual 100.
fn pool_size(cores: usize) -> usize {
    (2 * cores).clamp(4, 16)
}

/// A sixteenth of memory, as PostgreSQL may live on the same machine, from 64 MiB to 1 GiB. At most
/// 128 MiB on two cores, which fill it within a second anyhow: there the process is to stay under 256 MB
/// at full load. Never less than four of the largest chunks. Memory that is not known is taken for 4 GiB.
fn queue_bytes(cores: usize, memory: Option<usize>, max_chunk_bytes: usize) -> usize {
    let most = if cores <= 2 { 128 << 20 } else { 1 << 30 };
    let share = memory.unwrap_or(4 << 30) / 16;
    share.clamp(64 << 20, most).max(4 * max_chunk_bytes)
}

/// An eighth of memory, from PostgreSQL's own 128 MiB to 4 GiB: what is written next belongs to the same
/// pages of the same indexes.
fn cache_bytes(memory: Option<usize>) -> usize {
    (memory.unwrap_or(1 << 30) / 8).clamp(128 << 20, 4 << 30)
}

/// Bytes in the line `MemTotal` of `/proc/meminfo` (proc_meminfo(5): in kB, which are KiB).
fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1 << 10)
}

/// The least limit in bytes of the cgroups that `/proc/self/cgroup` names (cgroups(7)) and of those
/// around them. In a container the names may be those outside it: then only the root's file is there.
fn limit(groups: &str, read: impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (root, file) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            return None;
        };
        let groups = Path::new(group.trim_start_matches('/')).ancestors();
        let limits = groups.filter_map(|group| {
            // `max` stands for none
            let text = read(&Path::new(root).join(group).join(file))?;
            text.trim().parse().ok()
        });
        limits.min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const GIB: usize = 1 << 30;

    #[test]
    fn the_cache_of_the_embedded_server_follows_memory() {
        for (memory, expected) in [
            (None, 128 * MIB),
            (Some(512 * MIB), 128 * MIB),
            (Some(24 * GIB), 3 * GIB),
            (Some(256 * GIB), 4 * GIB),
        ] {
            assert_eq!(cache_bytes(memory), expected, "{memory:?}");
        }
    }

    #[test]
    fn workers_lanes_and_connections_follow_cores() {
        for (cores, expected) in [
            (1, (1, 2, 4)),
            (2, (1, 2, 4)),
            (3, (1, 3, 6)),
            (4, (2, 4, 8)),
            (8, (4, 8, 16)),
            (32, (16, 8, 16)),
            (64, (32, 8, 16)),
        ] {
            let found = (workers(cores), lanes(cores), pool_size(cores));
            assert_eq!(found, expected, "{cores} cores");
        }
    }

    #[test]
    fn the_queue_follows_memory_cores_and_chunks() {
        for (cores, memory, chunk, expected) in [
            (1, 512 * MIB, MIB, 64 * MIB),
            (2, 512 * MIB, MIB, 64 * MIB),
            (2, 24 * GIB, MIB, 128 * MIB),
            (2, 256 * GIB, MIB, 128 * MIB),
            (4, 512 * MIB, MIB, 64 * MIB),
            (4, 4 * GIB, MIB, 256 * MIB),
            (8, 8 * GIB, MIB, 512 * MIB),
            (32, 64 * GIB, MIB, GIB),
            (64, 256 * GIB, MIB, GIB),
            // room for four chunks whatever they are
            (2, 512 * MIB, 64 * MIB, 256 * MIB),
            (4, 4 * GIB, 64 * MIB, 256 * MIB),
        ] {
            let found = queue_bytes(cores, Some(memory), chunk);
            assert_eq!(found, expected, "{cores} cores, {memory} bytes");
        }
        assert_eq!(queue_bytes(4, None, MIB), 256 * MIB);
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = memory().expect("Linux says how much there is");
        assert!((64 * MIB..=1 << 50).contains(&memory), "{memory} bytes");
        assert_eq!(total("MemFree: 1 kB\nMemTotal:  24 kB\n"), Some(24 << 10));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_least_limit_of_the_groups_around_holds() {
        let files = [
            ("/sys/fs/cgroup/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "2000\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n"),
            ("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "1500\n"),
        ];
        let check = |groups: &str, expected: Option<usize>| {
            let read = |file: &Path| {
                let found = files.iter().find(|(name, _)| Path::new(name) == file);
                found.map(|(_, text)| (*text).to_owned())
            };
            assert_eq!(limit(groups, read), expected, "{groups}");
        };
        check("0::/\n", None);
        check("0::/a/b\n", Some(1000));
        check("0::/outside/of/the/container\n", None);
        check("4:cpu,memory:/c\n1:cpu:/a\n0::/\n", Some(1500));
        check("4:memory:/docker/outside\n", Some(3000));
        check("", None);
    }
}
