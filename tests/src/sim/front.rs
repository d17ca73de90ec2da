//! A reception's machine: its folder, which outlives each fall, and the driver that is started again after it.

use super::dice::Dice;
use super::fault::Fault;
use super::keys::KEYS;
use super::net::LATEST;
use super::power::{Power, Wall};
use super::world::{NOON, World, address, ip};
use node::{Surroundings, Waiting, Work};
use reception::driver::{Broker, BrokerError, Courier, Driver, Offered, Standing};
use shared::ids::Ticket;
use shared::time::Reading;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// The longest that the disk takes for one piece of work, in milliseconds.
const DISK: u64 = 400;

/// A reception that is up.
#[derive(Clone)]
pub struct Front {
    /// Visitors' way to the vault.
    pub broker: Broker,
    /// The way of their requests.
    pub courier: Courier,
    /// What it runs on.
    pub power: Power,
    /// What the vault hears from it from now on was sent since it started.
    pub since: Instant,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Front {
    /// What it says of a request.
    pub async fn standing(&self, ticket: &Ticket) -> Result<Standing, BrokerError> {
        let mut standing = self.courier.standing(ticket).await?;
        if self.fault == Fault::SaidToBeUnsent
            && let Standing::Kept(offered) | Standing::SetAside(offered) = &mut standing
        {
            *offered = Offered::Never;
        }
        Ok(standing)
    }
}

/// From one start to the next fall.
struct Machine {
    wall: Arc<Wall>,
    power: Power,
    dice: Mutex<Dice>,
}

impl Surroundings for Machine {
    fn reading(&self) -> Reading {
        self.wall.reading()
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        self.wall.fill(bytes)
    }

    /// The disk takes its time, and what has not begun when the power goes is never done.
    fn beside(&self, work: Work) -> Waiting {
        let time = self.dice.lock().unwrap_or_else(PoisonError::into_inner).from(0..DISK);
        let power = self.power.clone();
        let done = tokio::spawn(async move {
            sleep(Duration::from_millis(time)).await;
            if power.is_on() {
                work();
            }
        });
        Box::pin(async { drop(done.await) })
    }
}

/// A folder in memory, where there is one: a campaign's flushes would wear a disk out.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Starts a reception again whenever its power has gone.
pub async fn keep(world: Arc<World>, front: usize, mut dice: Dice, fault: Fault) {
    let wall = Wall::new(NOON + dice.from(0..300), Dice::of(dice.draw(), 7));
    let folder = folder();
    loop {
        let power = Power::on(world.net.host(ip(front + 1)));
        let machine = Machine { wall: wall.clone(), power: power.clone(), dice: Mutex::new(Dice::of(dice.draw(), 8)) };
        let name = format!("front{front}").parse().unwrap();
        let line = KEYS.vault_line().to_string();
        let driver = Driver::new(name, &line, folder.path(), Arc::new(machine)).unwrap();
        let listener = driver.listen(&power.plug(), address(front), &KEYS.fronts[front]).unwrap();
        let courier = driver.courier();
        if courier.waiting() > 0 {
            world.saw("a reception was started with requests in its spool");
        }
        let (broker, since) = (driver.broker(), Instant::now() + Duration::from_millis(LATEST));
        world.set_front(front, Some(Front { broker, courier, power: power.clone(), since, fault }));
        world.note(&format!("reception {front} starts"));
        let run = tokio::spawn(driver.run(listener, power.off()));
        world.until_off(&format!("reception {front}"), &power, run).await;
        world.set_front(front, None);
        world.fell(&format!("reception {front}"));
        if fault == Fault::SpoolForgotten {
            std::fs::remove_dir_all(folder.path().join("spool")).unwrap();
        }
        sleep(Duration::from_millis(dice.from(50..8000))).await;
    }
}
