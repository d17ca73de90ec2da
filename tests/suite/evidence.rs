//! What an owner exports, judged by programs that share nothing with the product.

use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tests::owner::{approve, sign};
use tests::{Visitor, World, tools};

const LETTER: &[u8] = b"To whom it may concern: an invented letter.\n";

/// A world with one release, and its evidence.
fn released() -> (World, PathBuf, Vec<u8>) {
    let world = World::new();
    let item = world.add("Letter", "letter.txt", LETTER);
    world.publish(&[("about.md", "# About\n\nA workshop.\n")]);
    let mut visitor = Visitor::new(&world);
    let request = visitor.file_item(&item, "a reference");
    visitor.wait_until(&request, "waiting");
    approve(&world, &request);
    visitor.wait_until(&request, "ready");
    let receipt = visitor.receipt(&request);
    assert_eq!(receipt.status, 200);
    let folder = world.root().join("evidence");
    world.vault(&["evidence", "export", &request, folder.to_str().unwrap()]).ok();
    (world, folder, receipt.body)
}

/// `ssh-keygen -Y verify`, as the exported README says.
fn verifies(folder: &Path, statement: &[u8]) -> bool {
    let at = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "verify", "-I", "owner", "-n", "release@webizen", "-f", &at("allowed_signers")]);
    command.args(["-s", &at("statement.sig")]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(statement).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn stock_ssh_keygen_accepts_the_statement_and_no_other() {
    let (_world, folder, _) = released();
    let statement = fs::read(folder.join("statement")).unwrap();
    assert!(verifies(&folder, &statement));
    let mut refused = 0;
    for at in 0..statement.len() {
        let mut changed = statement.clone();
        changed[at] ^= 1;
        assert!(!verifies(&folder, &changed), "byte {at} was changed and the signature still held");
        refused += 1;
    }
    assert_eq!(refused, statement.len());
    assert!(statement.len() > 500, "an approval has all its fields");
}

#[test]
fn a_script_of_its_own_checks_the_proof_and_finds_each_falsification() {
    let (world, folder, downloaded) = released();
    let exported: Value = serde_json::from_slice(&fs::read(folder.join("receipt.json")).unwrap()).unwrap();
    let receipt: Value = serde_json::from_slice(&downloaded).unwrap();
    assert_eq!(receipt["statement"], exported["statement"], "visitor and owner hold the same statement");
    let payload = world.file("payload", LETTER);
    let signers = folder.join("allowed_signers");
    let check = |receipt: &Value, payload: &Path| {
        let path = world.file("receipt.json", &serde_json::to_vec(receipt).unwrap());
        tools::check_receipt(&[&path, payload, Path::new("--signers"), &signers])
    };
    let (right, output) = check(&receipt, &payload);
    assert!(right, "{output}");
    let other = world.file("other", b"To whom it may concern: another letter!!!!!\n");
    assert!(!check(&receipt, &other).0, "another payload");
    // What was mistyped says nothing about the receipt.
    let (whole, nowhere) = (world.file("whole.json", &downloaded), world.root().join("nowhere"));
    let mistyped: [(&[&Path], &str); 4] = [
        (&[&nowhere], "cannot be read"),
        (&[&whole, &nowhere], "cannot be read"),
        (&[&whole, Path::new("--signers"), &nowhere], "cannot be read"),
        (&[&whole, Path::new("--log-key"), Path::new("foo")], "is no key"),
    ];
    for (arguments, said) in mistyped {
        let (right, output) = tools::check_receipt(arguments);
        assert!(!right && output.contains(said) && !output.contains("does not hold"), "{output}");
    }
    let signature = receipt["signatures"][0].as_str().unwrap();
    let middle = signature.len() / 2;
    let letter = if signature.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{letter}{}", &signature[..middle], &signature[middle + 1..]);
    for (field, false_value) in [
        ("/statement", receipt["statement"].as_str().unwrap().replace("collections: 1", "collections: 9")),
        ("/signatures/0", changed),
        ("/salt", "00".repeat(32)),
        ("/proof", receipt["proof"].as_str().unwrap().replacen("index ", "index 1", 1)),
        ("/log_key", receipt["log_key"].as_str().unwrap().replacen('+', "+0", 1)),
    ] {
        let mut forged = receipt.clone();
        *forged.pointer_mut(field).unwrap() = false_value.into();
        let (right, output) = check(&forged, &payload);
        assert!(!right, "a false {field} was not found:\n{output}");
    }
}

#[test]
fn evidence_of_a_release_that_is_stopped_says_so() {
    let (world, folder, _) = released();
    let readme = |folder: &Path| fs::read_to_string(folder.join("README")).unwrap();
    assert!(readme(&folder).contains("it could be collected; it can be until"), "{}", readme(&folder));
    sign(&world, &["freeze"]);
    let request = world.vault_json(&["requests", "ls", "--all"])[0]["id"].as_str().unwrap().to_owned();
    let stopped = world.root().join("stopped");
    world.vault(&["evidence", "export", &request, stopped.to_str().unwrap()]).ok();
    let said = readme(&stopped);
    assert!(said.contains("all releases were stopped, since ") && said.contains("nobody could collect it."), "{said}");
    assert!(!said.contains("it could be collected; "), "{said}");
}
