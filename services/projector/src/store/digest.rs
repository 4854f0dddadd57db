//! The digest: a sum over all logical rows, so that a change costs the hashes of what changed, and neither the order of
//! rooms nor the borders of pages and batches can show in it.
//!
//! Each row is hashed with SHA-256, and the hashes are added modulo 2^256 as a multiset hash. That finds accidents: two
//! folds that differ. It is no defence against somebody who picks rows to collide.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The digest of some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest([u64; 4]);

impl Digest {
    /// The digest's length in bytes.
    pub(crate) const BYTES: usize = 32;

    /// Counts a row in.
    pub(crate) fn add(&mut self, row: Digest) {
        let mut carry = false;
        for (limb, add) in self.0.iter_mut().zip(row.0) {
            let (sum, over) = limb.overflowing_add(add);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, over || over_again);
        }
    }

    /// Takes a row out again.
    pub(crate) fn remove(&mut self, row: Digest) {
        let mut borrow = false;
        for (limb, take) in self.0.iter_mut().zip(row.0) {
            let (rest, under) = limb.overflowing_sub(take);
            let (rest, under_again) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, under || under_again);
        }
    }

    /// The digest of one row. Parts are length-prefixed, so no two lists of parts are alike.
    pub(crate) fn of_row(parts: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u32).to_le_bytes());
            hash.update(part);
        }
        Digest::from_bytes(&hash.finalize().into())
    }

    /// As stored.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// As it was stored.
    pub(crate) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Digest {
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*chunk);
        }
        Digest(limbs)
    }
}

impl fmt::Display for Digest {
    /// The sum as a number: 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: u32) -> Digest {
        Digest::of_row(&[b"row", &n.to_le_bytes()])
    }

    #[test]
    fn order_does_not_matter_and_what_is_taken_out_is_gone() {
        let sum = |rows: &[u32]| {
            let mut sum = Digest::default();
            rows.iter().for_each(|n| sum.add(row(*n)));
            sum
        };
        assert_eq!(sum(&[1, 2, 3]), sum(&[3, 1, 2]));
        assert_ne!(sum(&[1, 2]), sum(&[1, 2, 2]));
        let mut less = sum(&[1, 2, 3]);
        less.remove(row(2));
        assert_eq!(less, sum(&[1, 3]));
        assert_eq!(Digest::from_bytes(&less.to_bytes()), less);
    }

    #[test]
    fn carries_run_through_all_limbs() {
        let mut sum = Digest([u64::MAX; 4]);
        sum.add(Digest([1, 0, 0, 0]));
        assert_eq!(sum, Digest::default());
        sum.remove(Digest([1, 0, 0, 0]));
        assert_eq!(sum, Digest([u64::MAX; 4]));
        assert_eq!(
            Digest([1, 0, 0, 2]).to_string(),
            format!("{:064x}", 1).replacen("0000000000000000", "0000000000000002", 1)
        );
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Digest::of_row(&[b"ab", b"c"]), Digest::of_row(&[b"a", b"bc"]));
    }
}
