//! Places of one piece of optimized code: its table of positions and its inlined calls, and what is known to be wrong with
//! the former.

use super::{
    machine::{Code, Loop},
    peeled,
    positions::Position,
};

/// V8 inlines at most a few levels (`--max-inlined-bytecode-size-cumulative` bounds them).
const MAX_INLINED: usize = 64;

/// A call that was inlined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InlinedCall {
    /// From where.
    pub(super) caller: Position,
    /// Which literal the called function is; negative for the function that the code belongs to.
    pub(super) function: i32,
}

/// A position with the function that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Where.
    pub(super) position: Position,
    /// A literal; negative for the function that the code belongs to where it is inlined into itself, `None` where not.
    pub(super) function: Option<i32>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Places {
    /// Positions, each from an offset of the code on, ascending.
    pub(super) entries: Vec<(u32, Position)>,
    /// The inlined calls.
    pub(super) calls: Vec<InlinedCall>,
}

impl Places {
    /// What the table says of `offset`.
    pub(super) fn at(&self, offset: u32) -> Option<Position> {
        let behind = self.entries.partition_point(|(at, _)| *at <= offset);
        behind.checked_sub(1).map(|at| self.entries[at].1)
    }

    /// Where the instruction at `offset` is: its position and those of the calls around it, innermost first. `code` is
    /// what it takes to see through slow paths and peeled loops; without it the table counts as it is.
    pub(super) fn chain(&self, offset: u32, code: Option<&Code>) -> Vec<Link> {
        let place = code.map_or(offset, |code| code.main_place(offset));
        let mut chain = self.at(place).map_or_else(Vec::new, |position| self.links(position));
        let Some(code) = code else { return chain };
        if !code.is_maglev() && code.is_slow_path(offset) {
            self.next(place, &mut chain);
        }
        for around in code.peeled_loops(place) {
            if let Some((level, position)) = self.unstuck(code, around, place, &chain) {
                chain[level].position = position;
            }
        }
        chain
    }

    /// Allocations of TurboFan have no positions of their own before V8 12: what comes next in the same function, which
    /// initializes the object or uses it, is nearer to the truth than what came before.
    fn next(&self, place: u32, chain: &mut [Link]) {
        let behind = self.entries.partition_point(|(at, _)| *at <= place);
        let (Some((_, next)), Some(link)) = (self.entries.get(behind), chain.first_mut()) else { return };
        if next.inlined_call() == link.position.inlined_call() {
            link.position = *next;
        }
    }

    /// The position and its callers'; nothing if one of them is a call that there is not.
    fn links(&self, mut position: Position) -> Vec<Link> {
        let mut links = Vec::new();
        while links.len() < MAX_INLINED {
            let Some(call) = position.inlined_call() else {
                links.push(Link { position, function: None });
                return links;
            };
            let Some(call) = self.calls.get(call as usize) else { break };
            links.push(Link { position, function: Some(call.function) });
            position = call.caller;
        }
        Vec::new()
    }

    /// The link of `chain` that has the position which the loop has everywhere, and the true one.
    fn unstuck(&self, code: &Code, around: Loop, place: u32, chain: &[Link]) -> Option<(usize, Position)> {
        let stuck = self.at(around.jump)?;
        let level = chain.iter().position(|link| link.position == stuck)?;
        let inlined = level.checked_sub(1).and_then(|inner| chain[inner].position.inlined_call());
        let paired = inlined.and_then(|call| self.paired(call as usize, stuck));
        let position = paired.or_else(|| {
            let twin = peeled::twin(code, around, self.first_round(around, stuck), place)?;
            self.in_frame(self.at(twin)?, stuck)
        });
        position.map(|position| (level, position))
    }

    /// From where the first round of the loop calls what `call` is in the others: calls of a function are inlined in the
    /// same order in both.
    fn paired(&self, call: usize, stuck: Position) -> Option<Position> {
        let function = self.calls.get(call)?.function;
        let callers = |calls: &[InlinedCall]| -> Vec<Position> {
            calls.iter().filter(|other| other.function == function).map(|other| other.caller).collect()
        };
        let number = callers(&self.calls[..call]).into_iter().filter(|caller| *caller == stuck).count();
        let is_first = |caller: &Position| {
            caller.inlined_call() == stuck.inlined_call() && caller.offset() > stuck.offset()
        };
        callers(&self.calls).into_iter().filter(is_first).nth(number)
    }

    /// Where `position` is in the function of `frame`.
    fn in_frame(&self, position: Position, frame: Position) -> Option<Position> {
        let links = self.links(position);
        links.iter().map(|link| link.position).find(|one| one.inlined_call() == frame.inlined_call())
    }

    /// Where the first round begins: what is right before the loop and lies behind its beginning in the source.
    fn first_round(&self, around: Loop, stuck: Position) -> u32 {
        let before = self.entries.iter().rev().skip_while(|(at, _)| *at >= around.head);
        let is_inside = |position: Position| {
            self.in_frame(position, stuck).is_some_and(|one| one.offset() >= stuck.offset())
        };
        let first = before.take_while(|(_, position)| is_inside(*position)).last();
        first.map_or(around.head, |(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(offset: u64, call: Option<u64>) -> Position {
        Position((call.map_or(0, |call| call + 1) << 31) | ((offset + 1) << 1))
    }

    /// A function with a loop whose first round is compiled apart: at 10 the line, at 20 a call of literal 7 that was
    /// inlined, both once in the first round and once in the others, where the loop's own place counts: 5.
    fn looped() -> (Places, Vec<u8>) {
        let round = |registers: [u8; 3]| -> Vec<u8> {
            [1, 2, 3]
                .into_iter()
                .zip(registers)
                .flat_map(|(value, register)| [0xb8 + register, value, 0, 0, 0])
                .collect()
        };
        let mut code = [round([0, 1, 2]), round([3, 6, 7])].concat();
        // jmp to 15
        code.extend([0xeb, 0xef, 0xc3]);
        let entries = vec![
            (0, position(10, None)),
            (5, position(100, Some(0))),
            (10, position(30, None)),
            (14, position(5, None)),
            (20, position(100, Some(1))),
            (25, position(5, None)),
        ];
        let call = |offset| InlinedCall { caller: position(offset, None), function: 7 };
        (Places { entries, calls: vec![call(20), call(5)] }, code)
    }

    #[test]
    fn later_rounds_of_a_loop_are_where_the_first_one_is() {
        let (places, bytes) = looped();
        let code = Code::new(&bytes, true);
        let offsets = |chain: Vec<Link>| -> Vec<(Option<u32>, Option<i32>)> {
            chain.iter().map(|link| (link.position.offset(), link.function)).collect()
        };
        for (offset, chain) in [
            (0, vec![(Some(10), None)]),
            (5, vec![(Some(100), Some(7)), (Some(20), None)]),
            (15, vec![(Some(10), None)]),
            (20, vec![(Some(100), Some(7)), (Some(20), None)]),
            (25, vec![(Some(30), None)]),
        ] {
            assert_eq!(offsets(places.chain(offset, Some(&code))), chain, "{offset}");
        }
        assert_eq!(offsets(places.chain(15, None)), [(Some(5), None)]);
        assert_eq!(offsets(places.chain(15, Some(&Code::new(&bytes, false)))), [(Some(5), None)]);
    }

    #[test]
    fn allocations_without_a_position_have_the_next_one() {
        let places = Places {
            entries: vec![(0, position(1, None)), (7, position(2, None)), (9, position(3, None))],
            calls: Vec::new(),
        };
        // jae 16; nop; nop; nop; ret; and from 16 on: nop; jmp 6.
        let mut bytes = vec![0x0f, 0x83, 10, 0, 0, 0, 0x90, 0x90, 0x90, 0xc3];
        bytes.extend([0xcc; 6]);
        bytes.extend([0x90, 0xeb, 0xf3]);
        let line = |offset, is_maglev| places.chain(offset, Some(&Code::new(&bytes, is_maglev)))[0].position;
        assert_eq!(line(16, false), position(2, None));
        assert_eq!((line(16, true), line(8, false)), (position(1, None), position(2, None)));
    }

    #[test]
    fn calls_in_circles_tell_nothing() {
        let places = Places {
            entries: vec![(0, position(1, Some(0)))],
            calls: vec![InlinedCall { caller: position(1, Some(0)), function: -1 }],
        };
        assert_eq!(places.chain(0, None), []);
    }
}
