//! Benchmarks as ratios to floors that are measured in the same run, interleaved. Figures are medians of several rounds.
//!
//! `bench [call|filing|page]…`; `tests/run bench` builds everything first and pins the run where it can.

mod floor;
mod product;

use product::{Fault, Front, Vault};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds of each comparison.
const ROUNDS: usize = 7;
/// Calls of one round.
const CALLS: usize = 1500;
/// Calls in flight, where many are.
const MANY: usize = 512;

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words[..] {
        ["floor-echo", folder] => runtime.block_on(floor::echo(Path::new(folder))),
        ["floor-page", file] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(floor::page(Path::new(file)))
        }
        _ => {
            let all = words.is_empty();
            let folder = tempfile::tempdir()?;
            if all || words.contains(&"call") || words.contains(&"filing") {
                runtime.block_on(link(folder.path(), all || words.contains(&"filing")))?;
            }
            if all || words.contains(&"page") {
                page(folder.path())?;
            }
            Ok(())
        }
    }
}

/// A child that ends with this value; its first line was its port.
struct Floor {
    child: Child,
    port: u16,
}

impl Drop for Floor {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Floor {
    fn start(arguments: [&str; 2]) -> Result<Self, Fault> {
        let mut child = Command::new(std::env::current_exe()?).args(arguments).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, port: line.trim().parse()? })
    }
}

fn print_port(port: u16) -> Result<(), Fault> {
    let mut out = std::io::stdout();
    writeln!(out, "{port}")?;
    Ok(out.flush()?)
}

/// One line of the result.
fn report(what: &str, ours: f64, floor: f64, unit: &str, goal: &str) -> Result<(), Fault> {
    let ratio = ours / floor;
    Ok(writeln!(std::io::stdout(), "{what:<44} {ours:>10.1} {floor:>10.1} {unit:<8} ratio {ratio:>5.2}   goal {goal}")?)
}

fn micros(mut times: Vec<Duration>, percentile: usize) -> f64 {
    times.sort();
    times[(times.len() - 1) * percentile / 100].as_nanos() as f64 / 1000.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Brokered calls and durable filings, against an echo over the same QUIC and TLS, a flush and a signature.
async fn link(folder: &Path, filing: bool) -> Result<(), Fault> {
    floor::Certificate::new()?.save(folder)?;
    let echo = Floor::start(["floor-echo", &folder.display().to_string()])?;
    let (_endpoint, connection) = floor::connect(folder, echo.port).await?;
    let vault = Vault::start(folder)?;
    let front = Front::pair(&vault).await?;
    let ticket = product::file(&front.link).await?;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        let times = one_by_one(CALLS, || product::status(&front.link, &ticket)).await?;
        rounds.call.push((micros(times.clone(), 50), micros(times, 99)));
        let times = one_by_one(CALLS, || floor::call(&connection)).await?;
        rounds.echo.push((micros(times.clone(), 50), micros(times, 99)));
        rounds.many_calls.push(rate(|| product::status(&front.link, &ticket)).await?);
        rounds.many_echoes.push(rate(|| floor::call(&connection)).await?);
        if filing {
            let times = one_by_one(product::FILINGS / ROUNDS, || async { product::file(&front.link).await.map(drop) });
            rounds.filing.push(micros(times.await?, 50));
            rounds.flush.push(micros(floor::append(folder, 200)?, 50));
            rounds.signature.push(micros(floor::sign(200), 50));
        }
    }
    rounds.report(filing)
}

#[derive(Default)]
struct Rounds {
    call: Vec<(f64, f64)>,
    echo: Vec<(f64, f64)>,
    many_calls: Vec<f64>,
    many_echoes: Vec<f64>,
    filing: Vec<f64>,
    flush: Vec<f64>,
    signature: Vec<f64>,
}

impl Rounds {
    fn report(self, filing: bool) -> Result<(), Fault> {
        let p50 = |v: &[(f64, f64)]| median(v.iter().map(|x| x.0).collect());
        let p99 = |v: &[(f64, f64)]| median(v.iter().map(|x| x.1).collect());
        report("brokered call, p50 (quinn echo)", p50(&self.call), p50(&self.echo), "us", "<= 1.15")?;
        report("brokered call, p99 (quinn echo)", p99(&self.call), p99(&self.echo), "us", "<= 1.5")?;
        let (ours, floor) = (median(self.many_calls), median(self.many_echoes));
        report(&format!("brokered calls, {MANY} in flight (quinn echo)"), ours, floor, "calls/s", ">= 0.5")?;
        if filing {
            let sum = p50(&self.echo) + median(self.flush) + median(self.signature);
            report("durable filing, p50 (echo + flush + signature)", median(self.filing), sum, "us", "<= 1.25")?;
        }
        Ok(())
    }
}

async fn one_by_one<F: Future<Output = Result<(), Fault>>>(
    count: usize,
    call: impl Fn() -> F,
) -> Result<Vec<Duration>, Fault> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        call().await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Calls a second with [`MANY`] in flight.
async fn rate<F: Future<Output = Result<(), Fault>>>(call: impl Fn() -> F) -> Result<f64, Fault> {
    let start = Instant::now();
    let each = CALLS * 10 / MANY;
    let lanes = (0..MANY).map(|_| async {
        for _ in 0..each {
            call().await?;
        }
        Ok::<_, Fault>(())
    });
    futures::future::try_join_all(lanes).await?;
    Ok((each * MANY) as f64 / start.elapsed().as_secs_f64())
}

/// The first page at 64 connections, against the same bytes from bare axum and, where it is installed, nginx.
fn page(folder: &Path) -> Result<(), Fault> {
    let front = product::Page::start(folder)?;
    let body = folder.join("index.html");
    std::fs::write(&body, product::run(Command::new("curl").args(["-fsS", &front.url]))?)?;
    let bare = Floor::start(["floor-page", &body.display().to_string()])?;
    let nginx = product::Nginx::start(folder, &body);
    let (mut ours, mut floors, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(wrk(&front.url)?);
        floors.push(wrk(&format!("http://127.0.0.1:{}/", bare.port))?);
        if let Ok(nginx) = &nginx {
            files.push(wrk(&nginx.url)?);
        }
    }
    let (ours, size) = (median(ours), std::fs::metadata(&body)?.len());
    report(&format!("page of {size} bytes, 64 connections (bare axum)"), ours, median(floors), "req/s", ">= 0.9")?;
    match nginx {
        Ok(_) => {
            report(&format!("page of {size} bytes, 64 connections (nginx)"), ours, median(files), "req/s", ">= 0.95")
        }
        Err(error) => Ok(writeln!(std::io::stdout(), "no comparison with nginx: {error}")?),
    }
}

/// Requests a second, as wrk counts them.
fn wrk(url: &str) -> Result<f64, Fault> {
    let out = product::run(Command::new("wrk").args(["-t1", "-c64", "-d1s", url]))?;
    if let Some(line) = out.lines().find(|line| line.contains("Non-2xx")) {
        return Err(line.trim().to_owned().into());
    }
    let rate = out.lines().find_map(|line| line.strip_prefix("Requests/sec:")).ok_or("wrk printed no rate")?;
    Ok(rate.trim().parse()?)
}
