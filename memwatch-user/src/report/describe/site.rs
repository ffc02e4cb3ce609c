//! A place that memory comes from, in words.

use crate::report::{
    record::{Code, Frame, Measure, Site, TakenBy},
    text::escape_untrusted,
};
use crate::units::{bytes, percent, things};

/// How many frames of a site are shown: the function, its caller and theirs.
const FRAMES: usize = 3;

/// How many sites are told: the live view has five lines for them and the evidence.
const SITES: usize = 3;

/// The least share that is told of sites after the first.
const LEAST_SHARE: f64 = 0.01;

/// The sites that matter, in their order: the records have all of them.
pub(super) fn worth_telling(sites: &[Site]) -> impl Iterator<Item = &Site> {
    let matters = |(place, site): &(usize, &Site)| *place == 0 || site.share >= LEAST_SHARE;
    sites.iter().take(SITES).enumerate().filter(matters).map(|(_, site)| site)
}

/// `made in openSession /srv/app/checkout.js:16 ← handler /srv/app/server.js:42: 62 % of what is kept, 7.3 MB (120 samples)`: the
/// function first, as it is what one looks for.
#[must_use]
pub(super) fn line(site: &Site) -> String {
    let counted = match (site.call, site.interval) {
        (Some(TakenBy::Mmap), _) => "mapping",
        // Each was followed.
        (Some(TakenBy::Malloc), None) => "block",
        _ => "sample",
    };
    let amount = format!("{} ({})", bytes(site.bytes), things(site.n, counted));
    let (place, share) = (stack(&site.frames), percent(site.share));
    match site.measure {
        // Most of it does not live long: no part of the growth is meant.
        Measure::Allocated => {
            format!("{place}: {share} of what was allocated, {amount}; how much of it stays is unknown")
        }
        Measure::Live => format!("made in {place}: {share} {OF_KEPT}, {amount}"),
        Measure::Outstanding => format!("{place}: {share} of the growth, {amount} outstanding"),
    }
}

/// What is proven to be alive of what was allocated since the watch began.
const OF_KEPT: &str = "of what is kept";

/// `openSession …/dist/checkout.js:16: 62 % of what was allocated`: the innermost function of the user's and its share, in at
/// most `width` columns; what does not fit is cut from the left of the path.
pub(super) fn within(site: &Site, width: usize) -> String {
    let what = match site.measure {
        Measure::Allocated => "of what was allocated",
        Measure::Live => OF_KEPT,
        Measure::Outstanding => "of the growth",
    };
    let share = format!(": {} {what}", percent(site.share));
    let frame = site.frames.iter().find(|frame| is_users(frame)).or_else(|| site.frames.first());
    let Some(frame) = frame else { return share };
    let whole = self::frame(frame);
    let room = width.saturating_sub(share.chars().count());
    if whole.chars().count() <= room {
        return whole + &share;
    }
    let (function, path) = whole.rsplit_once(' ').unwrap_or((&whole, ""));
    let left = room.saturating_sub(function.chars().count() + 1);
    if left < SHORTEST_PATH {
        format!("{function}{share}")
    } else {
        format!("{function} {}{share}", last(path, left))
    }
}

/// A path of fewer columns says nothing.
const SHORTEST_PATH: usize = 6;

/// The last `width` columns of a path, behind `…`.
fn last(path: &str, width: usize) -> String {
    let skipped = (path.chars().count() + 1).saturating_sub(width);
    std::iter::once('…').chain(path.chars().skip(skipped)).collect()
}

/// `hash_blob hash.cc:88 (hash.node), called from handler /srv/app/server.js:42 ← main /srv/app/main.js:7`: what the way
/// between the two leads through (Node's own, V8's) is left out.
fn stack(frames: &[Frame]) -> String {
    let natives = frames.iter().take_while(|frame| frame.kind == Code::Native).count();
    let (native, javascript) = frames.split_at(natives);
    let arrows = |frames: &[Frame], most| frames.iter().take(most).map(frame).collect::<Vec<_>>().join(" ← ");
    if native.is_empty() || javascript.is_empty() {
        return arrows(frames, FRAMES);
    }
    let users = javascript.iter().position(is_users).unwrap_or(0);
    let glue = native.iter().rev().take_while(|frame| frame.module == native[natives - 1].module).count();
    let shown = (natives - glue).clamp(1, FRAMES - 1);
    format!("{}, called from {}", arrows(native, shown), arrows(&javascript[users..], FRAMES - shown))
}

/// Neither Node's nor V8's own.
fn is_users(frame: &Frame) -> bool {
    frame.file.as_deref().is_some_and(|file| !file.starts_with("node:"))
}

/// `handler /srv/app/server.js:42`, `db_get_many binding.cc:1192 (leveldown.node)`; of a doubtful one `handler
/// /srv/app/server.js:40 or behind`.
pub(super) fn frame(frame: &Frame) -> String {
    let is_native = frame.kind == Code::Native;
    let function =
        frame.function.as_deref().map(|name| if is_native { without_parameters(name) } else { name });
    let function = function.map_or_else(|| "?".to_owned(), escape_untrusted);
    let behind = if frame.doubtful { " or behind" } else { "" };
    let line = frame.line.map_or_else(String::new, |line| format!(":{line}{behind}"));
    let file = |file: &String| {
        format!(" {}{line}", escape_untrusted(if is_native { file_name(file) } else { file }))
    };
    let module = |module: &String| format!(" ({})", escape_untrusted(file_name(module)));
    let [file, module] = [frame.file.as_ref().map(file), frame.module.as_ref().map(module)];
    [Some(function), file, module].into_iter().flatten().collect()
}

/// A demangled name without the types of its parameters: `ns::(anonymous namespace)::f` of
/// `ns::(anonymous namespace)::f(int (*)(char)) const`. A name of another form stays as it is.
fn without_parameters(name: &str) -> &str {
    let Some(end) = name.rfind(')').filter(|end| matches!(&name[end + 1..], "" | " const")) else {
        return name;
    };
    let mut depth = 0_usize;
    let open = name[..=end].char_indices().rev().find(|(_, char)| {
        match char {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    open.map(|(at, _)| &name[..at]).filter(|short| !short.is_empty()).unwrap_or(name)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_parameters() {
        for (name, short) in [
            ("db_get_many(napi_env__*, napi_callback_info__*)", "db_get_many"),
            (
                "v8impl::(anonymous namespace)::Wrapper::Invoke(v8::Info<v8::Value> const&)",
                "v8impl::(anonymous namespace)::Wrapper::Invoke",
            ),
            ("Table::operator()(int (*)(char)) const", "Table::operator()"),
            ("uv_run", "uv_run"),
            ("(anonymous namespace)", "(anonymous namespace)"),
            ("odd)", "odd)"),
        ] {
            assert_eq!(without_parameters(name), short);
        }
    }

    #[test]
    fn a_native_frame_names_its_module() {
        let native = Frame {
            function: Some("hash_blob(char*)".to_owned()),
            file: Some("/build/hash.cc".to_owned()),
            line: Some(88),
            module: Some("/srv/node_modules/hash/hash.node".to_owned()),
            kind: Code::Native,
            doubtful: false,
        };
        assert_eq!(frame(&native), "hash_blob hash.cc:88 (hash.node)");
        let script = Frame { kind: Code::Js, module: None, doubtful: true, ..native };
        assert_eq!(frame(&script), "hash_blob(char*) /build/hash.cc:88 or behind");
    }

    fn javascript(function: &str, file: Option<&str>) -> Frame {
        Frame {
            function: Some(function.to_owned()),
            file: file.map(str::to_owned),
            line: file.map(|_| 7),
            module: None,
            kind: Code::Js,
            doubtful: false,
        }
    }

    #[test]
    fn a_native_function_is_told_with_the_users_line_that_called_it() {
        let native = |(function, module): &(&str, &str)| Frame {
            kind: Code::Native,
            module: Some((*module).to_owned()),
            ..javascript(function, None)
        };
        let callers = [
            javascript("forEach", None),
            javascript("write", Some("node:fs")),
            javascript("save", Some("/srv/app.js")),
            javascript("main", Some("/srv/app.js")),
        ];
        for (natives, told) in [
            (&[("grow", "a")][..], "grow (a), called from save /srv/app.js:7 ← main /srv/app.js:7"),
            (
                &[("grow", "a"), ("push", "a"), ("invoke", "node")],
                "grow (a) ← push (a), called from save /srv/app.js:7",
            ),
            (
                &[("keep", "node"), ("push", "a"), ("invoke", "node")],
                "keep (node) ← push (a), called from save /srv/app.js:7",
            ),
            (
                &[("new", "node"), ("call", "node")],
                "new (node), called from save /srv/app.js:7 ← main /srv/app.js:7",
            ),
            (&[], "forEach ← write node:fs:7 ← save /srv/app.js:7"),
        ] {
            let frames: Vec<Frame> = natives.iter().map(native).chain(callers.clone()).collect();
            assert_eq!(stack(&frames), told);
        }
        let of_nodes = [native(&("grow", "a")), callers[1].clone()];
        assert_eq!(stack(&of_nodes), "grow (a), called from write node:fs:7");
    }

    #[test]
    fn the_path_is_cut_and_never_the_function() {
        let frame = javascript("openSession", Some("/srv/shop/current/dist/checkout/session.js"));
        let site = Site {
            share: 0.62,
            bytes: 1,
            measure: Measure::Allocated,
            call: None,
            n: 1,
            interval: None,
            frames: vec![frame],
        };
        for (width, expected) in [
            (90, "openSession /srv/shop/current/dist/checkout/session.js:7: 62 % of what was allocated"),
            (60, "openSession …/checkout/session.js:7: 62 % of what was allocated"),
            (20, "openSession: 62 % of what was allocated"),
        ] {
            let text = within(&site, width);
            assert!(text.starts_with("openSession") && text.chars().count() <= width.max(39), "{text}");
            if width != 60 {
                assert_eq!(text, expected);
            }
        }
        assert!(within(&site, 60).contains("…"), "{}", within(&site, 60));
    }

    #[test]
    fn what_is_counted() {
        let site = |call: Option<TakenBy>, n, interval| Site {
            share: 0.5,
            bytes: 812,
            measure: Measure::Outstanding,
            call,
            n,
            interval,
            frames: Vec::new(),
        };
        let sampled = Some([Some(0.4), Some(0.6)]);
        for (site, told) in [
            (site(Some(TakenBy::Malloc), 2, sampled), "2 samples"),
            (site(Some(TakenBy::Malloc), 1, None), "1 block"),
            (site(Some(TakenBy::Mmap), 1, None), "1 mapping"),
            (site(None, 1, sampled), "1 sample"),
        ] {
            assert_eq!(line(&site), format!(": 50 % of the growth, 812 B ({told}) outstanding"));
        }
    }

    #[test]
    fn a_small_site_is_told_only_if_it_is_the_first() {
        let site = |share| Site {
            share,
            bytes: 1,
            measure: Measure::Live,
            call: None,
            n: 1,
            interval: None,
            frames: Vec::new(),
        };
        let shares = |sites: &[Site]| worth_telling(sites).map(|site| site.share).collect::<Vec<_>>();
        assert_eq!(shares(&[site(0.005), site(0.004)]), [0.005]);
        assert_eq!(shares(&[site(0.6), site(0.2), site(0.001)]), [0.6, 0.2]);
        assert_eq!(shares(&[site(0.3), site(0.2), site(0.1), site(0.1)]), [0.3, 0.2, 0.1]);
    }
}
