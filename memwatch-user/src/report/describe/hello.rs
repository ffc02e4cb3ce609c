//! What a target is, in words.

use crate::report::{
    record::{Features, Hello, State},
    text::{LONGEST, escape_to, escape_untrusted, join},
};

pub(super) fn hello(hello: &Hello) -> String {
    let command: Vec<_> = hello.cmdline.iter().map(|arg| escape_untrusted(arg)).collect();
    let command = if command.is_empty() { escape_untrusted(&hello.comm) } else { command.join(" ") };
    join([escape_to(&command, LONGEST), versions(hello), libc(hello), container(hello), matched(hello)])
}

fn libc(hello: &Hello) -> String {
    match (&hello.libc, &hello.allocator) {
        (Some(libc), Some(allocator)) if libc != allocator => format!("{libc} with {allocator}"),
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => String::new(),
    }
}

/// `Node 20.20.2 · V8 11.3.244.8`, as far as known; without Node's own suffix of V8's version.
#[must_use]
pub(crate) fn versions(hello: &Hello) -> String {
    let node = hello.node_version.as_ref().map(|version| format!("Node {}", escape_to(version, 40)));
    let v8 = hello.v8_version.as_ref().map(|version| {
        let version = version.split_once("-node").map_or(version.as_str(), |(version, _)| version);
        format!("V8 {}", escape_to(version, 40))
    });
    join([node, v8].into_iter().flatten())
}

/// `container 3f2a91c0d4e5`: as much of the id as `docker ps` shows; nothing outside containers.
#[must_use]
pub(crate) fn container(hello: &Hello) -> String {
    hello
        .container
        .as_ref()
        .map_or_else(String::new, |id| format!("container {}", escape_to(id.get(..12).unwrap_or(id), 40)))
}

/// `matched script /srv/api.js`; nothing if its pid was given.
fn matched(hello: &Hello) -> String {
    let matched = hello.matched.as_ref();
    matched.map_or_else(String::new, |matched| format!("matched {}", escape_to(matched, LONGEST)))
}

/// `gc and heap limit on · off: external, handles (not offered by this version)`.
#[must_use]
pub(crate) fn features(features: &Features) -> String {
    let on: Vec<_> =
        table(features).into_iter().filter(|(_, state)| **state == State::On).map(|(name, _)| name).collect();
    let on = if on.is_empty() { "nothing".to_owned() } else { on.join(", ") };
    join([format!("on: {on}"), off(features)])
}

/// `off: external, handles (not offered by this version); native (no symbols)`; nothing if all is on.
#[must_use]
pub(crate) fn off(features: &Features) -> String {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, state) in table(features) {
        let State::Off(reason) = state else { continue };
        match by_reason.iter_mut().find(|(known, _)| known == reason) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((reason, vec![name])),
        }
    }
    let groups: Vec<_> = by_reason
        .iter()
        .map(|(reason, names)| format!("{} ({})", names.join(", "), escape_untrusted(reason)))
        .collect();
    if groups.is_empty() { String::new() } else { format!("off: {}", groups.join("; ")) }
}

fn table(features: &Features) -> [(&'static str, &State); 6] {
    [
        ("gc", &features.gc),
        ("heap limit", &features.heap_limit),
        ("external", &features.external),
        ("native", &features.native),
        ("js stacks", &features.js_stacks),
        ("handles", &features.handles),
    ]
}

/// Options of Node whose value is the next argument and which come often.
const WITH_VALUE: [&str; 6] = ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C"];

/// What to call the process: its name, else the executable with the script, for example `node server.js`; not escaped.
///
/// The kernel's name does not do: since Node 20 it is `MainThread` or `node-MainThread` for every process.
#[must_use]
pub(crate) fn program(hello: &Hello) -> String {
    hello.name.clone().unwrap_or_else(|| executed(hello))
}

fn executed(hello: &Hello) -> String {
    let Some((executable, arguments)) = hello.cmdline.split_first() else { return hello.comm.clone() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            arguments.next();
        } else if matches!(argument.as_str(), "-e" | "--eval" | "-p" | "--print") {
            return format!("{} {argument}", base_name(executable));
        } else if !argument.starts_with('-') {
            return format!("{} {}", base_name(executable), base_name(argument));
        }
    }
    base_name(executable).to_owned()
}

fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| if name.is_empty() { path } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs() {
        for (cmdline, expected) in [
            ("/usr/bin/node|/srv/app/server.js|--port|80", "node server.js"),
            ("node|--max-old-space-size=512|-r|./hook.js|dist/main.js", "node main.js"),
            ("node|-e|while(1);", "node -e"),
            ("node", "node"),
            ("node|/srv/app/", "node /srv/app/"),
            ("my title", "my title"),
        ] {
            let cmdline = cmdline.split('|').map(str::to_owned).collect();
            assert_eq!(program(&Hello { cmdline, ..Hello::default() }), expected);
        }
        assert_eq!(program(&Hello { comm: "node".into(), ..Hello::default() }), "node");
        let named =
            Hello { name: Some("api/server.js :3000".to_owned()), comm: "node".into(), ..Hello::default() };
        assert_eq!(program(&named), "api/server.js :3000");
    }

    #[test]
    fn features_are_grouped_by_reason() {
        let off_because = |reason: &str| State::Off(reason.to_owned());
        let some = Features { gc: State::On, heap_limit: off_because("no symbols"), ..Features::default() };
        let expected = "on: gc · off: heap limit (no symbols); \
                        external, native, js stacks, handles (not offered by this version)";
        assert_eq!(features(&some), expected);
        let on = || State::On;
        let all = Features {
            gc: on(),
            heap_limit: on(),
            external: on(),
            native: on(),
            js_stacks: on(),
            handles: on(),
        };
        assert_eq!(features(&all), "on: gc, heap limit, external, native, js stacks, handles");
    }
}
