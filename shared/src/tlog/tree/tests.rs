use super::*;
use std::collections::HashMap;
use std::convert::Infallible;

const LARGEST: usize = 130;

/// RFC 6962, section 2.1, word for word: MTH.
fn naive_root(leaves: &[Digest]) -> Digest {
    match leaves.len() {
        0 => Digest::of(b""),
        1 => leaves[0],
        n => {
            let k = n.next_power_of_two() / 2;
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

/// RFC 6962, section 2.1.1, word for word: PATH.
fn naive_path(m: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() <= 1 {
        return vec![];
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut path, other) = if m < k {
        (naive_path(m, &leaves[..k]), naive_root(&leaves[k..]))
    } else {
        (naive_path(m - k, &leaves[k..]), naive_root(&leaves[..k]))
    };
    path.push(other);
    path
}

/// RFC 6962, section 2.1.2, word for word: SUBPROOF.
fn naive_subproof(m: usize, leaves: &[Digest], whole: bool) -> Vec<Digest> {
    if m == leaves.len() {
        return if whole { vec![] } else { vec![naive_root(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut proof, other) = if m <= k {
        (naive_subproof(m, &leaves[..k], whole), naive_root(&leaves[k..]))
    } else {
        (naive_subproof(m - k, &leaves[k..], false), naive_root(&leaves[..k]))
    };
    proof.push(other);
    proof
}

struct Log {
    leaves: Vec<Digest>,
    roots: Vec<Digest>,
    nodes: HashMap<(u8, u64), Digest>,
}

impl Log {
    fn of(size: usize) -> Self {
        let leaves: Vec<_> = (0..size).map(|i| leaf_hash(format!("leaf {i}").as_bytes())).collect();
        let (mut frontier, mut nodes) = (Frontier::new(), HashMap::new());
        let mut roots = vec![frontier.root()];
        for leaf in &leaves {
            for node in frontier.append(*leaf) {
                assert_eq!(nodes.insert((node.level, node.index), node.hash), None, "each node once");
            }
            roots.push(frontier.root());
        }
        Self { leaves, roots, nodes }
    }

    fn node(&self) -> impl FnMut(u8, u64) -> Result<Digest, Infallible> {
        |level, index| Ok(self.nodes[&(level, index)])
    }
}

/// Every way to change a proof by one hash.
fn spoilt(proof: &[Digest]) -> Vec<Vec<Digest>> {
    let mut all = vec![[proof, &[Digest([0; 32])]].concat(), [&[Digest([0; 32])], proof].concat()];
    for at in 0..proof.len() {
        let mut bit = proof.to_vec();
        bit[at].0[at % 32] ^= 1;
        all.push(bit);
        all.push([&proof[..at], &proof[at + 1..]].concat());
        if at > 0 && proof[at] != proof[at - 1] {
            let mut swapped = proof.to_vec();
            swapped.swap(at, at - 1);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn roots_are_the_published_ones() {
    let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (input, root) in inputs.iter().zip(roots) {
        let bytes: Vec<u8> =
            (0..input.len() / 2).map(|i| u8::from_str_radix(&input[2 * i..2 * i + 2], 16).unwrap()).collect();
        frontier.append(leaf_hash(&bytes));
        assert_eq!(frontier.root().to_string(), root);
    }
}

#[test]
fn every_root_and_every_stored_node_is_the_naive_one() {
    let log = Log::of(LARGEST);
    for size in 0..=LARGEST {
        assert_eq!(log.roots[size], naive_root(&log.leaves[..size]), "{size}");
    }
    for ((level, index), hash) in &log.nodes {
        let (start, len) = ((*index as usize) << level, 1 << level);
        assert_eq!(*hash, naive_root(&log.leaves[start..start + len]), "{level} {index}");
    }
    let complete: usize = (0..8).map(|level| LARGEST >> level).sum();
    assert_eq!(log.nodes.len(), complete);
}

#[test]
fn a_restored_frontier_goes_on_as_if_it_had_not_stopped() {
    let log = Log::of(LARGEST);
    for stop in 0..LARGEST {
        let mut frontier = Frontier::new();
        log.leaves[..stop].iter().for_each(|leaf| drop(frontier.append(*leaf)));
        let mut again = Frontier::restore(frontier.size(), frontier.peaks().to_vec()).unwrap();
        assert_eq!(again, frontier);
        assert_eq!(again.append(log.leaves[stop]), frontier.append(log.leaves[stop]));
        assert_eq!(again.root(), log.roots[stop + 1]);
    }
    assert_eq!(Frontier::restore(3, vec![Digest([0; 32])]), Err(BadFrontier::Peaks { found: 1, wanted: 2 }));
    assert_eq!(Frontier::restore(SIZE_MAX + 1, vec![]), Err(BadFrontier::Size(SIZE_MAX + 1)));
}

#[test]
fn inclusion_proofs_are_the_naive_ones_and_no_other_is_accepted() {
    let log = Log::of(LARGEST);
    for size in 1..=LARGEST {
        let root = &log.roots[size];
        for at in 0..size {
            let (index, leaf, n) = (at as u64, &log.leaves[at], size as u64);
            let proof = inclusion(index, n, log.node()).unwrap();
            assert_eq!(proof, naive_path(at, &log.leaves[..size]), "{at} of {size}");
            assert!(proof.len() <= PROOF_MAX);
            assert_eq!(verify_inclusion(leaf, index, n, &proof, root), Ok(()));
            for wrong in spoilt(&proof) {
                assert!(verify_inclusion(leaf, index, n, &wrong, root).is_err(), "{at} of {size}");
            }
            assert_eq!(verify_inclusion(&node_hash(leaf, leaf), index, n, &proof, root), Err(BadProof::Root));
            assert_eq!(verify_inclusion(leaf, index, n, &proof, leaf).is_ok(), size == 1);
            assert_eq!(verify_inclusion(leaf, n + index, n, &proof, root), Err(BadProof::Range));
        }
    }
}

#[test]
fn an_inclusion_proof_is_of_one_place_in_one_tree() {
    let log = Log::of(20);
    for (size, at) in (1..=20usize).flat_map(|size| (0..size).map(move |at| (size, at))) {
        let proof = inclusion(at as u64, size as u64, log.node()).unwrap();
        for other in (0..size as u64).filter(|other| *other != at as u64) {
            assert!(verify_inclusion(&log.leaves[at], other, size as u64, &proof, &log.roots[size]).is_err());
        }
        for other in (0..=20).filter(|other| *other != size) {
            assert!(verify_inclusion(&log.leaves[at], at as u64, size as u64, &proof, &log.roots[other]).is_err());
        }
    }
    assert_eq!(inclusion(3, 3, log.node()).unwrap(), vec![]);
    assert_eq!(verify_inclusion(&log.leaves[0], 0, 0, &[], &empty_root()), Err(BadProof::Range));
}

#[test]
fn consistency_proofs_are_the_naive_ones_and_no_other_is_accepted() {
    let log = Log::of(LARGEST);
    for size in 1..=LARGEST {
        for old in 1..=size {
            let (m, n) = (old as u64, size as u64);
            let (old_root, root) = (&log.roots[old], &log.roots[size]);
            let proof = consistency(m, n, log.node()).unwrap();
            assert_eq!(proof, naive_subproof(old, &log.leaves[..size], true), "{old} to {size}");
            assert!(proof.len() <= PROOF_MAX);
            assert_eq!(verify_consistency(m, old_root, n, root, &proof), Ok(()), "{old} to {size}");
            for wrong in spoilt(&proof) {
                assert!(verify_consistency(m, old_root, n, root, &wrong).is_err(), "{old} to {size}");
            }
            let other = Digest([7; 32]);
            assert!(verify_consistency(m, &other, n, root, &proof).is_err());
            assert!(verify_consistency(m, old_root, n, &other, &proof).is_err());
        }
    }
}

#[test]
fn consistency_at_the_edges() {
    let log = Log::of(8);
    let (empty, some) = (empty_root(), &log.roots[8]);
    assert_eq!(consistency(0, 8, log.node()).unwrap(), vec![]);
    assert_eq!(consistency(9, 8, log.node()).unwrap(), vec![]);
    assert_eq!(verify_consistency(0, &empty, 0, &empty, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty, 8, some, &[]), Ok(()));
    assert_eq!(verify_consistency(0, some, 8, some, &[]), Err(BadProof::Root));
    assert_eq!(verify_consistency(0, &empty, 0, some, &[]), Err(BadProof::Root));
    assert_eq!(verify_consistency(0, &empty, 8, some, &[*some]), Err(BadProof::Length));
    assert_eq!(verify_consistency(8, some, 8, some, &[*some]), Err(BadProof::Length));
    assert_eq!(verify_consistency(9, some, 8, some, &[]), Err(BadProof::Range));
    assert_eq!(verify_consistency(3, &log.roots[3], 8, some, &[]), Err(BadProof::Length));
}

#[test]
fn a_proof_never_asks_for_a_node_beyond_the_tree() {
    let log = Log::of(LARGEST);
    let within = |size: u64| {
        let nodes = &log.nodes;
        move |level: u8, index: u64| {
            assert!((index + 1) << level <= size);
            Ok::<_, Infallible>(nodes[&(level, index)])
        }
    };
    for size in 1..=LARGEST as u64 {
        for at in 0..size {
            inclusion(at, size, within(size)).unwrap();
            consistency(at, size, within(size)).unwrap();
        }
    }
}

#[test]
fn a_failed_lookup_is_passed_on() {
    let fail = |level: u8, index: u64| Err::<Digest, _>((level, index));
    assert_eq!(inclusion(0, 2, fail), Err((0, 1)));
    assert_eq!(consistency(1, 2, fail), Err((0, 1)));
}
