//! Functions that are made up, in the ways of musl's `enframe` as GCC compiles it with -Os and with -O2.

use super::*;

/// Where the code is linked.
const AT: u64 = 0x1000;

impl Code for &[u8] {
    fn instruction(&self, at: u64) -> Option<Instruction> {
        let bytes = self.get(usize::try_from(at.checked_sub(AT)?).ok()?..)?;
        Some(decoded(bytes, at)).filter(|instruction| !instruction.is_invalid())
    }
}

/// The place's address, its frame's size, where the frame pointer is saved, the registers of the result and of the argument.
type Found = Option<(u64, u64, Option<u64>, Register, Register)>;

fn found(code: &[u8]) -> Found {
    let place = Flow::of(&code, AT)?.place(Register::RDI)?;
    let Place { instruction, frame, result, argument } = place;
    Some((instruction.ip() - AT, frame.size, frame.saved_frame_pointer, result, argument))
}

/// `push rbp; push rbx; mov rbp,rdi`.
const BEGINS: &[u8] = &[0x55, 0x53, 0x48, 0x89, 0xfd];
/// `pop rbx; pop rbp; ret`.
const ENDS: &[u8] = &[0x5b, 0x5d, 0xc3];
/// `test rdi,rdi; js` to six bytes behind it.
const FAILS: &[u8] = &[0x48, 0x85, 0xff, 0x78, 0x06];
/// `mov rax,[rsi]; je` to the next instruction.
const DECIDES: &[u8] = &[0x48, 0x8b, 0x06, 0x74, 0x00];

#[test]
fn a_place_that_every_block_passes_is_found() {
    use Register::{RAX, RBP, RDI, RDX};
    let cases: [(&str, &[&[u8]], Found); 8] = [
        ("in the register of results", &[BEGINS, DECIDES, ENDS], Some((8, 24, Some(8), RAX, RBP))),
        (
            "at a jump over nothing",
            &[BEGINS, &[0x48, 0x8b, 0x16, 0x74, 0x00, 0x48, 0x89, 0xd0], ENDS],
            Some((8, 24, Some(8), RDX, RBP)),
        ),
        ("one way fails", &[FAILS, DECIDES, &[0xc3], &[0x31, 0xc0, 0xc3]], Some((8, 8, None, RAX, RDI))),
        ("one way misses it", &[FAILS, DECIDES, &[0xc3], &[0x48, 0x89, 0xd8, 0xc3]], None),
        ("written afterwards", &[DECIDES, &[0x48, 0xff, 0xc0, 0xc3]], None),
        ("passed again and again", &[&[0x48, 0x8b, 0x06, 0x75, 0xfe, 0xc3]], None),
        ("the argument is lost", &[&[0x31, 0xff], DECIDES, &[0xc3]], None),
        ("goes on nobody knows where", &[DECIDES, &[0xff, 0xe0]], None),
    ];
    for (what, code, expected) in cases {
        assert_eq!(found(&code.concat()), expected, "{what}");
    }
}

#[test]
fn frames_are_known_through_frame_pointers_and_room_on_the_stack() {
    let frame = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20];
    let code = [&frame[..], DECIDES, &[0xc9, 0xc3]].concat();
    assert_eq!(found(&code).map(|found| (found.1, found.2)), Some((48, Some(32))));
    // After `leave` it is the caller's again.
    let code = [&frame[..], &[0xc9], DECIDES, &[0xc3]].concat();
    assert_eq!(found(&code).map(|found| (found.1, found.2)), Some((8, None)));
    let aligned = [&frame[..], &[0x48, 0x83, 0xe4, 0xf0], DECIDES, &[0xc9, 0xc3]].concat();
    assert_eq!(found(&aligned), None, "the stack pointer is rounded");
}

#[test]
fn a_callee_leaves_alone_what_it_does_not_write() {
    // mov rsi,rdi; call; mov rax,[rsi]; je; ret; and a callee: mov eax,0x10; ret.
    let start = [0x48, 0x89, 0xfe, 0xe8, 0x06, 0x00, 0x00, 0x00];
    let tail = [0x48, 0x8b, 0x06, 0x74, 0x00, 0xc3];
    let code = |callee: &[u8]| [&start[..], &tail, callee].concat();
    let gentle = [0xb8, 0x10, 0x00, 0x00, 0x00, 0xc3];
    assert_eq!(found(&code(&gentle)).map(|found| found.4), Some(Register::RSI));
    let calls_on = [0xff, 0xd0, 0xc3];
    assert_eq!(found(&code(&calls_on)), None);
    let flow = Flow::of(&&code(&gentle)[..], AT).unwrap();
    assert_eq!(
        flow.returns(&&code(&gentle)[..], AT + 14),
        [(AT + 8, Frame { size: 8, saved_frame_pointer: None })]
    );
    assert_eq!(flow.returns(&&code(&gentle)[..], 0), []);
    assert_eq!(flow.callees(&&code(&gentle)[..], 9).len(), 1);
}

#[test]
fn what_is_read_before_a_block_is_seen() {
    // movzx eax,byte [rdi-3]; movzx ecx,word [rdi-2]; ret.
    let code = [0x0f, 0xb6, 0x47, 0xfd, 0x0f, 0xb7, 0x4f, 0xfe, 0xc3];
    let flow = Flow::of(&&code[..], AT).unwrap();
    let read = [(3, 1), (2, 2), (8, 8), (3, 2)].map(|(distance, bytes)| flow.reads_before(distance, bytes));
    assert_eq!(read, [true, true, false, false]);
}
