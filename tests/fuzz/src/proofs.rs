//! Proofs about the log's tree.

use crate::judge::{Bytes, taken};
use crate::{Target, Verdict};
use shared::ids::Digest;
use shared::tlog::{Frontier, consistency, inclusion, leaf_hash, verify_consistency, verify_inclusion};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::LazyLock;

pub(crate) const PROOF: Target = Target { name: "proof", check, seeds, words: &[] };

/// The trees under test have at most this many leaves.
const SIZE: u8 = 70;

/// A tree and the roots of all that it grew from.
struct Tree {
    nodes: HashMap<(u8, u64), Digest>,
    roots: Vec<Digest>,
}

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
    let mut roots = vec![frontier.root()];
    for at in 0..SIZE {
        let completed = frontier.append(leaf(u64::from(at)));
        nodes.extend(completed.into_iter().map(|node| ((node.level, node.index), node.hash)));
        roots.push(frontier.root());
    }
    Tree { nodes, roots }
});

impl Tree {
    fn inclusion(&self, index: u64, size: u64) -> Vec<Digest> {
        let Ok(proof) = inclusion(index, size, |level, at| Ok::<_, Infallible>(self.nodes[&(level, at)]));
        proof
    }

    fn consistency(&self, old: u64, size: u64) -> Vec<Digest> {
        let Ok(proof) = consistency(old, size, |level, at| Ok::<_, Infallible>(self.nodes[&(level, at)]));
        proof
    }

    fn root(&self, size: u64) -> &Digest {
        &self.roots[usize::try_from(size).unwrap()]
    }
}

fn leaf(number: u64) -> Digest {
    leaf_hash(&number.to_be_bytes())
}

/// The first byte says which proof is tried: one of a leaf, one of growth, or one about trees of any size.
fn check(data: &[u8]) -> Verdict {
    let mut bytes = Bytes(data);
    match bytes.byte() % 3 {
        0 => included(bytes),
        1 => grown(bytes),
        _ => anything(bytes),
    }
}

fn size(bytes: &mut Bytes<'_>) -> u64 {
    u64::from(bytes.byte() % (SIZE + 1))
}

/// The proof of a leaf, changed: taken if nothing was changed, and only then.
fn included(mut bytes: Bytes<'_>) -> Verdict {
    let (size, index, claimed, number) =
        (size(&mut bytes), size(&mut bytes), size(&mut bytes), u64::from(bytes.byte()));
    let proof = changed(TREE.inclusion(index, size), bytes);
    let result = verify_inclusion(&leaf(number), claimed, size, &proof, TREE.root(size));
    let right = claimed < size && number == claimed && proof == TREE.inclusion(claimed, size);
    assert_eq!(result.is_ok(), right, "{result:?}");
    Verdict::of(taken(result).is_some())
}

/// The proof of growth, changed: taken if nothing was changed, and only then.
fn grown(mut bytes: Bytes<'_>) -> Verdict {
    let (size, old, claimed, root) = (size(&mut bytes), size(&mut bytes), size(&mut bytes), size(&mut bytes));
    let proof = changed(TREE.consistency(old, size), bytes);
    let result = verify_consistency(claimed, TREE.root(root), size, TREE.root(size), &proof);
    let right = claimed <= size && root == claimed && proof == TREE.consistency(claimed, size);
    assert_eq!(result.is_ok(), right, "{result:?}");
    Verdict::of(taken(result).is_some())
}

/// Puts hashes in, takes them out, exchanges them and flips their bits.
fn changed(mut proof: Vec<Digest>, mut bytes: Bytes<'_>) -> Vec<Digest> {
    while !bytes.0.is_empty() {
        let (act, at, with) = (bytes.byte(), usize::from(bytes.byte()), bytes.byte());
        let (length, other) = (proof.len(), usize::from(with));
        match act % 4 {
            0 => proof.insert(at % (length + 1), leaf(u64::from(with))),
            _ if length == 0 => {}
            1 => drop(proof.remove(at % length)),
            2 => proof.swap(at % length, other % length),
            _ => proof[at % length].0[other % 32] ^= 1 << (act >> 5),
        }
    }
    proof
}

/// Trees of any size, and proofs of any hashes: nothing is shown about a root that nobody made.
fn anything(mut bytes: Bytes<'_>) -> Verdict {
    let (first, second) = (bytes.number(), bytes.number());
    let proof: Vec<Digest> = bytes.0.chunks(2).map(Digest::of).collect();
    let (leaf, root) = (Digest::of(b"leaf"), Digest::of(b"root"));
    let included = taken(verify_inclusion(&leaf, first, second, &proof, &root));
    let grown = taken(verify_consistency(first, &leaf, second, &root, &proof));
    assert!(included.is_none() && grown.is_none());
    let same = taken(verify_consistency(first, &root, first, &root, &[]));
    assert_eq!(same.is_some(), first > 0);
    Verdict::of(same.is_some())
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for size in [1, 2, 3, 8, 63, SIZE] {
        let (last, half) = (size - 1, size / 2);
        seeds.push(vec![0, size, last, last, last]);
        seeds.push(vec![0, size, half, half, half, 3, 1, 7]);
        seeds.push(vec![1, size, half, half, half]);
        seeds.push(vec![1, size, size, size, size]);
    }
    let wide = [u64::MAX, u64::MAX - 1, 1 << 62, 1 << 63, 0];
    seeds.extend(wide.map(|n| [&[2], &n.to_be_bytes()[..], &u64::MAX.to_be_bytes(), b"hashes hashes"].concat()));
    seeds
}
