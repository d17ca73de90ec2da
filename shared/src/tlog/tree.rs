//! The Merkle tree of RFC 6962, section 2.1: hashes, the growing right edge, and proofs.
//!
//! A node `(level, index)` is the root of the complete subtree over the leaves `index << level` up to, and without,
//! `(index + 1) << level`. Complete nodes never change, so a log stores each once, when [`Frontier::append`] returns
//! it.

use crate::ids::Digest;
use sha2::{Digest as _, Sha256};

/// The most leaves that a tree may have; far beyond what a log can hold, and it fits a signed 64-bit column.
pub const SIZE_MAX: u64 = 1 << 62;
/// The most hashes in any proof about a tree of at most [`SIZE_MAX`] leaves.
pub const PROOF_MAX: usize = 64;

/// The hash of a leaf (RFC 6962, section 2.1).
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// The hash of an inner node (RFC 6962, section 2.1).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of the tree without leaves.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// A complete subtree's root, to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The subtree has `2^level` leaves.
    pub level: u8,
    /// Its place among the subtrees of its level.
    pub index: u64,
    /// Its root.
    pub hash: Digest,
}

/// The right edge of a tree: all that appending needs. One complete subtree for each bit set in the size, the largest
/// first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Digest>,
}

/// A stored frontier that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrontier {
    /// Beyond [`SIZE_MAX`].
    #[error("the log's stored size {0} is beyond any log's; the store is damaged: restore a backup")]
    Size(u64),
    /// Not one hash for each bit set in the size.
    #[error(
        "the log's stored edge has {found} hashes and its size wants {wanted}; the store is damaged: restore a backup"
    )]
    Peaks {
        /// Hashes given.
        found: usize,
        /// Hashes that the size asks for.
        wanted: usize,
    },
}

impl Frontier {
    /// The edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge as it was stored: [`Self::size`] and [`Self::peaks`].
    ///
    /// # Errors
    /// [`BadFrontier`] when the two do not belong together.
    pub fn restore(size: u64, peaks: Vec<Digest>) -> Result<Self, BadFrontier> {
        if size > SIZE_MAX {
            return Err(BadFrontier::Size(size));
        }
        let wanted = size.count_ones() as usize;
        if peaks.len() != wanted {
            return Err(BadFrontier::Peaks { found: peaks.len(), wanted });
        }
        Ok(Self { size, peaks })
    }

    /// Adds a leaf by its [`leaf_hash`]. Returns the nodes that this completes, the leaf first; at least one, at most
    /// 63.
    pub fn append(&mut self, leaf: Digest) -> Vec<Node> {
        let mut node = Node { level: 0, index: self.size, hash: leaf };
        let mut completed = vec![node];
        while node.index & 1 == 1
            && let Some(left) = self.peaks.pop()
        {
            node = Node { level: node.level + 1, index: node.index >> 1, hash: node_hash(&left, &node.hash) };
            completed.push(node);
        }
        self.peaks.push(node.hash);
        self.size += 1;
        completed
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub fn root(&self) -> Digest {
        let join = |right: Digest, left: &Digest| node_hash(left, &right);
        match self.peaks.split_last() {
            None => empty_root(),
            Some((last, rest)) => rest.iter().rev().fold(*last, join),
        }
    }

    /// The roots of the complete subtrees, the largest first.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves, leaf's sibling first (RFC 6962, section 2.1.1).
/// `node` looks up a complete node by level and index. No such proof exists unless `index < size`; the result is then
/// empty, and [`verify_inclusion`] refuses it.
///
/// # Errors
/// What `node` returns.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let mut proof = Vec::new();
    if index >= size {
        return Ok(proof);
    }
    let (mut start, mut len) = (0, size);
    while len > 1 {
        let left = split(len);
        if index - start < left {
            proof.push(range(start + left, len - left, &mut node)?);
            len = left;
        } else {
            proof.push(range(start, left, &mut node)?);
            (start, len) = (start + left, len - left);
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `size` leaves continues the tree of its first `old` leaves (RFC 6962, section 2.1.2). It
/// is empty for `old` 0 or `old == size`. No such proof exists when `old > size`; the result is then empty, and
/// [`verify_consistency`] refuses it.
///
/// # Errors
/// What `node` returns.
pub fn consistency<E>(
    old: u64,
    size: u64,
    mut node: impl FnMut(u8, u64) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let mut proof = Vec::new();
    if old == 0 || old >= size {
        return Ok(proof);
    }
    let (mut start, mut len) = (0, size);
    while old - start != len {
        let left = split(len);
        if old - start <= left {
            proof.push(range(start + left, len - left, &mut node)?);
            len = left;
        } else {
            proof.push(range(start, left, &mut node)?);
            (start, len) = (start + left, len - left);
        }
    }
    // The verifier knows the old root, so the old tree itself is left out where it is one whole subtree.
    if start != 0 {
        proof.push(range(start, len, &mut node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: u64) -> u64 {
    1 << (len - 1).ilog2()
}

/// The root over `len > 0` leaves from `start`, a multiple of the largest power of two in `len`.
fn range<E>(start: u64, len: u64, node: &mut impl FnMut(u8, u64) -> Result<Digest, E>) -> Result<Digest, E> {
    // From the smallest complete subtree, at the right end, to the largest.
    let (mut end, mut rest) = (start + len, len);
    let mut root = None;
    while rest > 0 {
        let level = rest.trailing_zeros();
        rest &= rest - 1;
        end -= 1 << level;
        let left = node(level as u8, end >> level)?;
        root = Some(root.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// The leaf's index is not in the tree, or the old tree is larger than the new.
    #[error("the proof is about something outside the log's tree")]
    Range,
    /// More or fewer hashes than the sizes ask for.
    #[error("the proof has too many or too few hashes")]
    Length,
    /// It leads to another root.
    #[error("the proof does not lead to the root that the log signed")]
    Root,
}

/// Checks that the leaf with this [`leaf_hash`] is number `index` of the tree (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`BadProof`] when that is not proved.
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> Result<(), BadProof> {
    if index >= size {
        return Err(BadProof::Range);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(BadProof::Length);
        }
        (at, last, hash) = if at & 1 == 1 || at == last {
            let (at, last) = to_right_child(at, last);
            (at, last, node_hash(sibling, &hash))
        } else {
            (at, last, node_hash(&hash, sibling))
        };
        (at, last) = (at >> 1, last >> 1);
    }
    conclude(last, &[(hash, root)])
}

/// Checks that the tree of `new` leaves and root `new_root` begins with the tree of `old` leaves and root `old_root`
/// (RFC 9162, section 2.1.4.2). Every tree continues the empty one.
///
/// # Errors
/// [`BadProof`] when that is not proved.
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), BadProof> {
    if old > new {
        return Err(BadProof::Range);
    }
    if old == 0 || old == new {
        let known = if old == 0 { empty_root() } else { *new_root };
        let same_empty = new > 0 || *new_root == empty_root();
        return match (proof.is_empty(), same_empty && known == *old_root) {
            (true, true) => Ok(()),
            (true, false) => Err(BadProof::Root),
            (false, _) => Err(BadProof::Length),
        };
    }
    // A whole subtree as the old tree is not in the proof: its root is the old root.
    let (first, rest) =
        if old.is_power_of_two() { (old_root, proof) } else { proof.split_first().ok_or(BadProof::Length)? };
    let skip = (old - 1).trailing_ones();
    consistent(((old - 1) >> skip, (new - 1) >> skip), *first, rest, (old_root, new_root))
}

/// The walk of RFC 9162, section 2.1.4.2, steps 5 to 7, from `first`, building both roots at once.
fn consistent(
    (mut at, mut last): (u64, u64),
    first: Digest,
    proof: &[Digest],
    (old_root, new_root): (&Digest, &Digest),
) -> Result<(), BadProof> {
    let (mut old, mut new) = (first, first);
    for sibling in proof {
        if last == 0 {
            return Err(BadProof::Length);
        }
        if at & 1 == 1 || at == last {
            (old, new) = (node_hash(sibling, &old), node_hash(sibling, &new));
            (at, last) = to_right_child(at, last);
        } else {
            new = node_hash(&new, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    conclude(last, &[(old, old_root), (new, new_root)])
}

/// Climbs over the levels at which a node at the tree's right edge has no sibling.
fn to_right_child(at: u64, last: u64) -> (u64, u64) {
    let skip = if at == 0 { 0 } else { at.trailing_zeros() };
    (at >> skip, last >> skip)
}

/// Whether the walk ended at the top, with the roots it should have.
fn conclude(last: u64, roots: &[(Digest, &Digest)]) -> Result<(), BadProof> {
    if last != 0 {
        return Err(BadProof::Length);
    }
    if roots.iter().all(|(found, wanted)| found == *wanted) { Ok(()) } else { Err(BadProof::Root) }
}

#[cfg(test)]
mod tests;
