//! Which systemd unit a process belongs to.

/// The innermost service among `cgroups`, as /proc/PID/cgroup has them; `None` for what a person or another manager started.
pub(super) fn unit(cgroups: &str) -> Option<&str> {
    let paths = cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let mut services = paths.filter_map(|path| path.rsplit('/').find(|part| part.ends_with(".service")));
    // `user@1000.service` is the manager of everything that the user starts.
    services.find(|unit| !unit.starts_with("user@"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_units_and_sessions_are_not() {
        for (cgroups, expected) in [
            ("0::/system.slice/shop-api.service", Some("shop-api.service")),
            ("4:memory:/system.slice/x.service\n0::/", Some("x.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/dev.service", Some("dev.service")),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", None),
            ("0::/user.slice/user-0.slice/session-1.scope", None),
            ("0::/", None),
            ("", None),
        ] {
            assert_eq!(unit(cgroups), expected, "{cgroups}");
        }
    }
}
