//! What proves an approval has no trait by which it could be copied, kept, or made out of nothing.

use crate::{AfterCommit, Effect, Permit, Published, Release, Signed, Spoken, State};
use serde::{Serialize, de::DeserializeOwned};

/// Whether a type has a trait: an own constant goes before a trait's, if there is one.
macro_rules! has {
    ($type:ty: $trait:path) => {{
        #[allow(dead_code)]
        trait Without {
            const HAS: bool = false;
        }
        impl<T> Without for T {}
        struct Probe<T>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: $trait> Probe<T> {
            const HAS: bool = true;
        }
        Probe::<$type>::HAS
    }};
}

macro_rules! each {
    ($type:ty: $($trait:path),+) => {
        vec![$((stringify!($trait), has!($type: $trait))),+]
    };
}

#[test]
fn a_proof_is_neither_copied_nor_kept_nor_made_out_of_nothing() {
    let signed = each!(Signed: Clone, Serialize, DeserializeOwned);
    assert!(signed.iter().all(|(_, has)| *has), "what tells traits apart does not: {signed:?}");
    let numbers = each!(u64: Clone, Copy, Default, Serialize, DeserializeOwned);
    assert!(numbers.iter().all(|(_, has)| *has), "what tells traits apart does not: {numbers:?}");
    let proofs: [(&str, Vec<(&str, bool)>); 7] = [
        ("Permit", each!(Permit: Clone, Copy, Default, Serialize, DeserializeOwned)),
        // Tests alone may copy these two: what is shipped cannot, as examples of `Permit` show.
        ("Release", each!(Release: Copy, Default, Serialize, DeserializeOwned)),
        ("State", each!(State: Copy, Default, Serialize, DeserializeOwned)),
        ("Spoken", each!(Spoken: Copy, Default, Serialize, DeserializeOwned)),
        ("Published", each!(Published: Clone, Copy, Default, Serialize, DeserializeOwned)),
        ("Effect", each!(Effect: Clone, Copy, Default, Serialize, DeserializeOwned)),
        ("AfterCommit", each!(AfterCommit<Vec<u64>>: Clone, Copy, Default, Serialize, DeserializeOwned)),
    ];
    for (name, traits) in proofs {
        assert!(traits.iter().all(|(_, has)| !has), "{name}: {traits:?}");
    }
}

#[test]
fn a_seal_gives_its_value_to_nobody_but_a_commit() {
    assert!(!has!(AfterCommit<Vec<u64>>: std::ops::Deref));
    assert!(!has!(AfterCommit<Vec<u64>>: IntoIterator));
    assert!(!has!(AfterCommit<Vec<u64>>: std::fmt::Debug));
    assert!(!has!(AfterCommit<Vec<u64>>: AsRef<Vec<u64>>));
    assert!(!has!(AfterCommit<Vec<u64>>: std::borrow::Borrow<Vec<u64>>));
    assert!(has!(Vec<u64>: std::ops::Deref) && has!(Vec<u64>: IntoIterator) && has!(Vec<u64>: AsRef<Vec<u64>>));
}
