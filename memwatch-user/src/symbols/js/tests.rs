//! Which functions of a stack are told, by where it begins.

use memwatch_common::stack::{MAX_FRAMES, StackKey};

use super::{memory::tests::Fake, *};

const THREAD: u64 = 7;
/// Where the code of the function is known to be.
const KNOWN: u64 = 0x1234;
const COMPILED: JsFrame = JsFrame {
    script: 3,
    literal: 1,
    position: KNOWN,
    shared: 0x1001,
    code: 0x2001,
    kind: frame_kind::COMPILED,
    _pad: 0,
};
const STUB: JsFrame = JsFrame { kind: frame_kind::TYPED, script: 0, literal: 0, ..COMPILED };

fn frame(line: u32) -> Frame {
    Frame {
        function: Some("take".to_owned()),
        line: Some(line),
        kind: FrameKind::JavaScript,
        ..Frame::unknown()
    }
}

/// Knows one function, and what its code and its bytecode at one place stand for.
fn resolver() -> Resolver<Fake> {
    let script = Arc::new(Mapped { script: Script::named("/srv/a.js"), map: None });
    let function = Function {
        name: Some("take".to_owned()),
        span: Some(function::Span { start: 0, end: 9 }),
        script: None,
    };
    let known = Arc::new(Known { function, script: Some(script) });
    let places = [COMPILED, JsFrame { kind: frame_kind::INTERPRETED, ..COMPILED }]
        .map(|frame| ((THREAD, PlaceId::from(&frame)), vec![self::frame(5)]));
    Resolver {
        heap: Fake::default().heap(),
        bytecode_sizes: Vec::new(),
        functions: HashMap::from([((THREAD, FunctionId { script: 3, literal: 1 }), known)]),
        scripts: HashMap::new(),
        places: HashMap::from(places),
        sources: HashMap::new(),
        root: PathBuf::new(),
    }
}

/// The lines of the functions told, innermost first; -1 for a doubtful one, and 0 for one that is not known.
fn lines(start: u32, innermost: &[JsFrame]) -> Vec<i64> {
    let mut frames = [JsFrame::default(); MAX_FRAMES];
    frames[..innermost.len()].copy_from_slice(innermost);
    let event = StackEvent {
        first: 1,
        key: StackKey { thread: THREAD, hash: 1 },
        end: stack_end::COMPLETE,
        depth: u32::try_from(innermost.len()).unwrap(),
        exit_fp: 0,
        start,
        _pad: 0,
        frames,
        last: 1,
    };
    let line = |frame: Frame| match frame.kind {
        FrameKind::Unknown => 0,
        _ if frame.is_doubtful => -1,
        _ => frame.line.map_or(-2, i64::from),
    };
    resolver().stack(&event).frames.into_iter().map(line).collect()
}

#[test]
fn who_has_called_c_itself_is_told_where_its_code_says_so() {
    let elsewhere = JsFrame { position: 0x9999, ..COMPILED };
    let interpreted = JsFrame { kind: frame_kind::INTERPRETED, ..COMPILED };
    let (exit, direct) = (stack_start::EXIT, stack_start::DIRECT);
    for (start, frames, told) in [
        (exit, &[STUB, COMPILED, interpreted][..], &[5, 5][..]),
        (exit, &[STUB, elsewhere, COMPILED], &[-1, 5]),
        (direct, &[COMPILED, COMPILED], &[5, 5]),
        (direct, &[STUB, COMPILED, elsewhere], &[5, -1]),
        (direct, &[elsewhere, COMPILED], &[0, 5]),
        (direct, &[STUB, elsewhere, COMPILED], &[0, 5]),
        (direct, &[STUB, interpreted, interpreted], &[-1, 5]),
    ] {
        assert_eq!(lines(start, frames), told, "{frames:?}");
    }
}
