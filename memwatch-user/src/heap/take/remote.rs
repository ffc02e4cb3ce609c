//! Many pieces of another process's memory with few system calls.

use std::io::IoSliceMut;

use nix::{
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};

/// Pieces of one call: the kernel takes up to 1024.
const PIECES: usize = 512;

/// A piece of memory that is wanted, and where it goes.
#[derive(Debug)]
pub(super) struct Piece<'to> {
    pub(super) address: u64,
    pub(super) to: &'to mut [u8],
    /// Whether all of it was read.
    pub(super) is_read: bool,
}

impl<'to> Piece<'to> {
    /// Nothing is read yet.
    pub(super) fn new(address: u64, to: &'to mut [u8]) -> Self {
        Self { address, to, is_read: false }
    }
}

/// Reads `pieces` of the process `pid`; those that cannot be read are left out. `is_over` is asked before each call, which
/// reads up to `bytes` or one piece; when it says so, the rest is not read and `false` returned.
pub(super) fn read(pid: u32, pieces: &mut [Piece<'_>], bytes: usize, is_over: impl Fn() -> bool) -> bool {
    let mut at = 0;
    while at < pieces.len() {
        if is_over() {
            return false;
        }
        let batch = &mut pieces[at..];
        let count = fitting(batch, bytes);
        let done = read_batch(pid, &mut batch[..count]);
        batch[..done].iter_mut().for_each(|piece| piece.is_read = true);
        // The one that could not be read is left out.
        at += if done < count { done + 1 } else { done };
    }
    true
}

/// How many of `pieces` go into one call.
fn fitting(pieces: &[Piece<'_>], bytes: usize) -> usize {
    let mut sum = 0_usize;
    let fits = |piece: &&Piece<'_>| {
        sum = sum.saturating_add(piece.to.len());
        sum <= bytes
    };
    pieces.iter().take(PIECES).take_while(fits).count().max(1)
}

/// How many of `pieces` were read, from the first on.
fn read_batch(pid: u32, pieces: &mut [Piece<'_>]) -> usize {
    let remote: Vec<_> = pieces.iter().map(remote_part).collect();
    let ends = ends(pieces);
    let mut local: Vec<_> = pieces.iter_mut().map(|piece| IoSliceMut::new(piece.to)).collect();
    let read = process_vm_readv(pid_of(pid), &mut local, &remote).unwrap_or_default();
    ends.partition_point(|end| *end <= read)
}

fn remote_part(piece: &Piece<'_>) -> RemoteIoVec {
    RemoteIoVec { base: usize::try_from(piece.address).unwrap_or_default(), len: piece.to.len() }
}

/// Where each piece ends in all that is read.
fn ends(pieces: &[Piece<'_>]) -> Vec<usize> {
    let end = |sum: &mut usize, piece: &Piece<'_>| {
        *sum += piece.to.len();
        Some(*sum)
    };
    pieces.iter().scan(0, end).collect()
}

/// A pid as the kernel's headers have it.
pub(super) fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let numbers = [7_u64, 8, 9];
        let address = |index: usize| (&raw const numbers[index]).expose_provenance() as u64;
        let mut to = [[0; 8]; 4];
        let [a, b, c, d] = &mut to;
        let at = [address(0), 8, address(1), address(2)];
        let mut pieces: Vec<_> =
            at.into_iter().zip([a, b, c, d]).map(|(at, to)| Piece::new(at, to)).collect();
        assert!(read(std::process::id(), &mut pieces, usize::MAX, || false));
        let done: Vec<_> = pieces.iter().map(|piece| piece.is_read).collect();
        assert_eq!(done, [true, false, true, true]);
        assert_eq!(to.map(u64::from_le_bytes), [7, 0, 8, 9]);
    }

    #[test]
    fn reading_ends_when_it_is_over() {
        let bytes = [1_u8; 64];
        let mut to = [0; 64];
        let address = bytes.as_ptr().expose_provenance() as u64;
        let mut pieces: Vec<_> =
            to.chunks_mut(16).zip(0..).map(|(to, n)| Piece::new(address + n * 16, to)).collect();
        let calls = std::cell::Cell::new(0);
        let is_over = || calls.replace(calls.get() + 1) == 2;
        assert!(!read(std::process::id(), &mut pieces, 20, is_over));
        assert_eq!(to.iter().map(|byte| u32::from(*byte)).sum::<u32>(), 32);
    }
}
