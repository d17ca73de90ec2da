//! The largest item, from the owner's disk to the visitor's.

use reqwest::Method;
use sha2::{Digest as _, Sha256};
use std::process::Command;
use std::time::Instant;
use tests::{Owner, Visitor, World, sample, tools};

/// limits::ITEM
const BYTES: usize = 64 * 1024 * 1024;
/// How much memory a node may take for it, above what it took before anything went on, KiB.
const ALLOWED: u64 = 40 * 1024;

/// The nodes' memory when nothing goes on, KiB.
struct Idle([(&'static str, u32, u64); 2]);

impl Idle {
    fn of(world: &mut World) -> Self {
        let nodes = [("vault", world.vault_node().pid()), ("reception", world.reception_node().pid())];
        Self(nodes.map(|(name, pid)| (name, pid, tools::memory(pid, "VmRSS"))))
    }

    /// Does something that takes memory for a while.
    fn during<T>(&self, what: &str, act: impl FnOnce() -> T) -> T {
        self.0.iter().for_each(|(_, pid, _)| tools::reset_peak(*pid));
        let started = Instant::now();
        let done = act();
        let took = started.elapsed();
        for (name, pid, idle) in self.0 {
            let above = tools::memory(pid, "VmHWM").saturating_sub(idle);
            println!("{what}, {took:.1?}: {name} at most {above} KiB above its idle {idle} KiB");
            assert!(above < ALLOWED, "{what}: the {name} took {above} KiB above its idle {idle} KiB");
        }
        done
    }
}

#[test]
fn largest_item_passes_in_bounded_memory() {
    let mut world = World::new();
    let idle = Idle::of(&mut world);
    let bytes = sample::noise(BYTES);
    let digest = tools::sha256(&bytes);
    let item = idle.during("adding", || world.add("The archive", "archive.bin", &bytes));
    drop(bytes);
    world.publish(sample::DOCUMENTS);
    let mut visitor = Visitor::new(&world);
    let request = visitor.file_item(&item, "safekeeping");
    idle.during("approving", || {
        let mut owner = Owner::run(&world, &["requests", "approve", &request]);
        let pages = owner.read_to_the_end().join("\n");
        assert!(pages.contains(&digest) && pages.contains("67,108,864 bytes"), "{pages}");
        owner.type_word();
        assert_eq!(owner.wait_for_exit(), 0);
    });
    visitor.wait_until(&request, "ready");
    let (mut hash, mut length) = (Sha256::new(), 0);
    let save = visitor.form(&format!("/requests/{request}/save"), &[]);
    let status = idle.during("collecting", || {
        visitor.stream(save, |piece| {
            hash.update(piece);
            length += piece.len();
        })
    });
    assert_eq!((status.unwrap(), length), (200, BYTES));
    assert_eq!(shared::ids::hex(&hash.finalize()), digest);
}

#[test]
fn one_byte_more_is_refused_at_once() {
    let world = World::unpaired();
    let path = world.root().join("too-big.bin");
    assert!(Command::new("truncate").args(["-s", &(BYTES + 1).to_string()]).arg(&path).status().unwrap().success());
    let ran = world.vault(&["add", path.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("at most 64 MiB"), "{ran:?}");
    assert!(world.vault_json(&["items"]).is_empty());
}

#[test]
fn visitor_who_breaks_off_can_begin_again() {
    let world = World::new();
    let bytes = sample::noise(8 * 1024 * 1024);
    let item = world.add("The archive", "archive.bin", &bytes);
    world.publish(sample::DOCUMENTS);
    let mut visitor = Visitor::new(&world);
    let request = visitor.file_item(&item, "safekeeping");
    let mut owner = Owner::run(&world, &["requests", "approve", &request]);
    owner.read_to_the_end();
    owner.type_word();
    assert_eq!(owner.wait_for_exit(), 0);
    visitor.wait_until(&request, "ready");
    for _ in 0..3 {
        let taken = visitor.break_off(visitor.form(&format!("/requests/{request}/save"), &[]), 100_000);
        assert_eq!(taken[..], bytes[..taken.len()]);
    }
    assert_eq!(tools::sha256(&visitor.save(&request).body), tools::sha256(&bytes));
    let case = world.vault_json(&["requests", "show", &request]).remove(0);
    assert_eq!(case["release"]["collected"], 1, "one device is one collection: {case}");
    let mut other = Visitor::new(&world);
    let code = visitor.get(&format!("/requests/{request}")).text();
    let code = code.split("id=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(other.post("/return", &[("code", &code)]).status, 303);
    let page = other.save(&request);
    assert_eq!(page.status, 410, "another device is another collection, and one was allowed: {}", page.text());
    assert_eq!(visitor.send(visitor.request(Method::GET, "/healthz")).unwrap().status, 200);
}
