//! In which container a process runs.

use std::fs;

/// Id of the container that `pid` runs in: 64 hexadecimal digits, as Docker, containerd, CRI-O and Podman give them.
#[must_use]
pub(crate) fn id(pid: u32) -> Option<String> {
    container_id(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?).map(str::to_owned)
}

/// `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>.scope`, `libpod-<id>`, `/docker/<id>`, `/kubepods/…/<id>`,
/// `kubepods-…:cri-containerd:<id>`: the innermost path component that ends with an id.
fn container_id(cgroups: &str) -> Option<&str> {
    cgroups.lines().filter_map(path_of).find_map(|path| path.rsplit('/').find_map(id_in_component))
}

fn id_in_component(component: &str) -> Option<&str> {
    let component = component.strip_suffix(".scope").unwrap_or(component);
    let id = component.rsplit(['-', ':']).next()?;
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// `hierarchy:controllers:path`; the path may hold colons.
fn path_of(line: &str) -> Option<&str> {
    line.splitn(3, ':').nth(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn ids_of_every_runtime_are_found() {
        for pattern in [
            "0::/system.slice/docker-ID.scope",
            "12:memory:/docker/ID\n0::/docker/ID",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice/cri-containerd-ID.scope",
            "0::/kubepods.slice/kubepods-podX.slice/crio-ID.scope/container",
            "0::/machine.slice/libpod-ID.scope/container",
            "4:memory:/libpod_parent/libpod-ID",
            "0::/system.slice/kubepods-besteffort-podX.slice:cri-containerd:ID",
        ] {
            let text = pattern.replace("ID", ID);
            assert_eq!(container_id(&text), Some(ID), "{pattern}");
        }
        for text in ["0::/user.slice/user-0.slice/session-1.scope", "0::/", "", "0::/docker/0123"] {
            assert_eq!(container_id(text), None, "{text}");
        }
    }
}
