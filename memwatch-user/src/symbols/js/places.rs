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

    /// Where the instruction at `offset` is: its position and those of the calls around it, innermost first. `code` is what
    /// it takes to see through slow paths; `is_maglev` says whether loops may be peeled.
    pub(super) fn chain(&self, offset: u32, code: Option<&Code>, is_maglev: bool) -> Vec<Link> {
        let place = code.map_or(offset, |code| code.main_place(offset));
        let mut chain = self.at(place).map_or_else(Vec::new, |position| self.links(position));
        for (code, around) in code.filter(|_| is_maglev).iter().flat_map(|code| code.loops(place).into_iter().map(move |one| (code, one))) {
            if let Some((level, position)) = self.unstuck(code, around, place, &chain) {
                chain[level].position = position;
            }
        }
        chain
    }

    fn links(&self, mut position: Position) -> Vec<Link> {
        let mut links = Vec::new();
        while links.len() < MAX_INLINED {
            let call = position.inlined_call().and_then(|call| self.calls.get(call as usize));
            links.push(Link { position, function: call.map(|call| call.function) });
            match call {
                Some(call) => position = call.caller,
                None => break,
            }
        }
        links
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

    /// From where the first round of the loop calls what `call` is in the others: calls are inlined in the same order.
    fn paired(&self, call: usize, stuck: Position) -> Option<Position> {
        let function = self.calls.get(call)?.function;
        let alike = |calls: &[InlinedCall]| calls.to_vec().into_iter().filter(move |other| other.function == function).map(|other| other.caller);
        let number = alike(&self.calls[..call]).filter(|caller| *caller == stuck).count();
        let is_first = |position: &Position| {
            *position != stuck && position.inlined_call() == stuck.inlined_call() && position.offset() > stuck.offset()
        };
        alike(&self.calls).filter(is_first).nth(number)
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
