//! What the user looks at: which process, which isolate, help, pause. Keys change it; records do not.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::report::{
    record::Subject,
    sink::Flow,
    state::{State, isolate::Isolate, target::Target},
};

/// What the user looks at.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The process the user chose; until then the most alarming.
    target: Option<Subject>,
    /// The isolate the user chose; until then the most alarming.
    isolate: Option<u32>,
    /// Whether help is shown.
    pub help: bool,
    /// What is shown while paused: the state at that moment. Records are still taken meanwhile.
    pub frozen: Option<Box<State>>,
}

impl View {
    /// Takes a key.
    ///
    /// Raw mode hands us Ctrl-C as a key; it quits as the signal would.
    pub fn key(&mut self, key: KeyEvent, state: &State) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::Continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'd') if control => return Flow::Quit,
            KeyCode::Esc | KeyCode::F(1) | KeyCode::Char('q' | '?') if self.help => self.help = false,
            KeyCode::Esc | KeyCode::Char('q') => return Flow::Quit,
            KeyCode::F(1) | KeyCode::Char('?') => self.help = true,
            KeyCode::Char('p' | ' ') => self.pause(state),
            KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => self.move_target(state, 1),
            KeyCode::Up | KeyCode::BackTab | KeyCode::Char('k') => self.move_target(state, -1),
            KeyCode::Right | KeyCode::Char('l') => self.move_isolate(state, 1),
            KeyCode::Left | KeyCode::Char('h') => self.move_isolate(state, -1),
            _ => {}
        }
        Flow::Continue
    }

    fn pause(&mut self, state: &State) {
        self.frozen = if self.frozen.is_some() { None } else { Some(Box::new(state.clone())) };
    }

    /// What is shown of `state`: while paused, what it was then.
    #[must_use]
    pub fn shown<'a>(&'a self, state: &'a State) -> &'a State {
        self.frozen.as_deref().unwrap_or(state)
    }

    /// The process whose details are shown.
    #[must_use]
    pub fn target<'a>(&self, state: &'a State) -> Option<&'a Target> {
        let chosen = self.target.and_then(|subject| state.targets.get(&subject));
        chosen.or_else(|| state.by_trouble().first().copied())
    }

    /// The isolate whose heap is drawn.
    #[must_use]
    pub fn isolate<'a>(&self, target: &'a Target) -> Option<&'a Isolate> {
        let known = |serial: Option<u32>| serial.and_then(|serial| target.isolates.get(&serial));
        let worst = || target.worst().and_then(|verdict| verdict.isolate);
        let alive = || target.isolates.values().find(|isolate| !isolate.gone);
        known(self.isolate)
            .or_else(|| known(worst()))
            .or_else(alive)
            .or_else(|| target.isolates.values().next())
    }

    fn move_target(&mut self, state: &State, by: isize) {
        let targets: Vec<_> = self.shown(state).by_trouble().iter().map(|target| target.subject).collect();
        let current = self.target(self.shown(state)).map(|target| target.subject);
        self.target = step(&targets, current, by);
        self.isolate = None;
    }

    fn move_isolate(&mut self, state: &State, by: isize) {
        let Some(target) = self.target(self.shown(state)) else { return };
        let serials: Vec<_> = target.isolates.keys().copied().collect();
        self.isolate = step(&serials, self.isolate(target).map(|isolate| isolate.serial), by);
    }
}

/// The item `by` places after `current`, round the ends.
fn step<T: Copy + PartialEq>(items: &[T], current: Option<T>, by: isize) -> Option<T> {
    let at = items.iter().position(|item| Some(*item) == current)?;
    let length = items.len().cast_signed();
    items.get((at.cast_signed() + by).rem_euclid(length).cast_unsigned()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        record::{Body, Isolate, IsolateState, Record, SCHEMA},
        time::Time,
    };

    /// Processes 1, 2 and 3 with isolates 1 and 2 each.
    fn state() -> State {
        let mut state = State::default();
        for (pid, isolate) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)] {
            let subject = Some(Subject { pid, start_time: Time::default() });
            let body = Body::Isolate(Isolate {
                isolate,
                state: IsolateState::Seen,
                thread: 9,
                worker: isolate > 1,
                heap_limit: None,
            });
            state.record(&Record { schema: SCHEMA, ts: Time::default(), subject, body });
        }
        state
    }

    #[test]
    fn keys() {
        let state = state();
        for (keys, expected) in [
            ("", (1, 1)),
            ("j", (2, 1)),
            ("jj", (3, 1)),
            ("jjj", (1, 1)),
            ("k", (3, 1)),
            ("l", (1, 2)),
            ("lh", (1, 1)),
            ("lj", (2, 1)),
            ("x?jq", (2, 1)),
            ("pjp", (2, 1)),
        ] {
            let mut view = View::default();
            for key in keys.chars() {
                assert_eq!(view.key(KeyCode::Char(key).into(), &state), Flow::Continue, "{keys}");
            }
            let target = view.target(&state).unwrap();
            assert_eq!((target.subject.pid, view.isolate(target).unwrap().serial), expected, "{keys}");
            assert!(view.frozen.is_none() && !view.help, "{keys}");
        }
    }

    #[test]
    fn quitting() {
        let control = |char| KeyEvent::new(KeyCode::Char(char), KeyModifiers::CONTROL);
        for (key, help, expected) in [
            (KeyCode::Char('q').into(), false, Flow::Quit),
            (KeyCode::Esc.into(), false, Flow::Quit),
            (KeyCode::Esc.into(), true, Flow::Continue),
            (control('c'), true, Flow::Quit),
            (KeyCode::Char('c').into(), false, Flow::Continue),
        ] {
            let mut view = View { help, ..View::default() };
            assert_eq!(view.key(key, &State::default()), expected, "{key:?}");
        }
    }
}
