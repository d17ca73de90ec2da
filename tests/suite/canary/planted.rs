//! The oracle is worth nothing that does not hear: a leak planted at each sink is found there.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use tests::owner::approve;
use tests::process::crash_on_purpose;
use tests::sinks::{figures, listen_to_core, listen_to_figures};
use tests::statistics::Dice;
use tests::{Ears, Oracle, Sink, Visitor};

#[test]
fn a_planted_leak_is_heard_at_every_sink() {
    let (mut oracle, leak) = (Oracle::default(), Dice::from_environment("planted leak").word());
    oracle.plant("leak", leak.as_bytes(), &[]);
    // The nodes log it, and have it in their environments.
    let say = [("WEBIZEN_DANGER_SAY", leak.as_str())];
    let mut ears = Ears::on_a_new_world(&say);
    let item = ears.world.add("Medical letter", "letter.txt", b"Dear colleague\n");
    // What is published passes the link and the page, and lies on the reception's disk.
    ears.world.publish(&[("about.md", &format!("# About\n\nA workshop by the river. {leak}\n"))]);
    let mut visitor = ears.visitor();
    visitor.get("/published/0");
    visitor.get(&format!("/about?{leak}"));
    // A purpose passes both on its way in, and an approved one is named in the receipt.
    let request = visitor.file_item(&item, &leak);
    approve(&ears.world, &request);
    visitor.wait_until(&request, "ready");
    oracle.hear(Sink::Receipts, &visitor.receipt(&request).body);
    for folder in ["vault/state", "tmp"] {
        fs::write(ears.world.root().join(folder).join("planted"), &leak).unwrap();
    }
    ears.listen(&mut oracle);
    // A panic's message has it too.
    let save = || drop(visitor.send(visitor.form(&format!("/requests/{request}/save"), &[])));
    ears.panic_vault(&mut oracle, "payload:first", &say, save);
    ears.panic_reception(&mut oracle, "call:before", &say, save);
    tell_figures(&mut oracle, &leak);
    let piped = leave_cores(&ears, &mut oracle, &leak);
    let heard = |sink: &Sink| oracle.leaks().iter().any(|found| found.sink == *sink);
    let deaf: Vec<Sink> = Sink::ALL.into_iter().filter(|sink| !heard(sink) && !piped.contains(sink)).collect();
    assert!(deaf.is_empty(), "nothing was heard at {deaf:?}");
    println!("planted leak: heard at {} sinks of {}", Sink::ALL.len() - piped.len(), Sink::ALL.len());
}

/// A process that may be dumped is, and what it knew is in the file. Where the kernel pipes cores to a program, only that it
/// was dumped can be told; the sinks of which that holds.
fn leave_cores(ears: &Ears, oracle: &mut Oracle, leak: &str) -> Vec<Sink> {
    let mut piped = Vec::new();
    for sink in [Sink::VaultCore, Sink::ReceptionCore] {
        let crash = crash_on_purpose(ears.world.root(), leak);
        assert!(crash.dumped, "no process here leaves a core file, so that these tests would find none");
        listen_to_core(oracle, sink, &crash);
        if crash.cores.is_empty() {
            piped.push(sink);
        }
    }
    piped
}

/// A program that tells figures is found.
fn tell_figures(oracle: &mut Oracle, leak: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let body = format!("requests_total{{purpose=\"{leak}\"}} 1\n");
    let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    std::thread::spawn(move || {
        for mut caller in listener.incoming().flatten() {
            // Enough of the request to answer; whoever hangs up early gets none.
            let _ = caller.read(&mut [0; 4096]);
            let _ = caller.write_all(answer.as_bytes());
        }
    });
    for (place, page) in figures(&Visitor::at(&url)) {
        assert_eq!(page.status, 200, "{place}");
        listen_to_figures(oracle, &page);
    }
}
