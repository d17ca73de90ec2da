//! What goes wrong in a run: weather and partitions, power and clocks, and the vault's disk.

use super::dice::Dice;
use super::disk::Troubles;
use super::net::Weather;
use super::world::{World, ip};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[derive(Debug, Clone, Copy)]
enum Blow {
    Weather,
    Part,
    Join,
    Vault,
    Front,
    Clock,
    Disk,
}

const BLOWS: [(u64, Blow); 7] = [
    (10, Blow::Clock),
    (25, Blow::Weather),
    (12, Blow::Part),
    (20, Blow::Join),
    (10, Blow::Vault),
    (10, Blow::Front),
    (15, Blow::Disk),
];

/// An hour, a day.
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Lets things go wrong for a while.
pub async fn storm(world: &Arc<World>, mut dice: Dice) {
    let end = Instant::now() + Duration::from_secs(dice.from(30..120));
    // Much that is due at an instant can be said for sure only where nobody sets the clock.
    let blows = if dice.chance(500) { BLOWS.as_slice() } else { &BLOWS[1..] };
    while Instant::now() < end {
        sleep(Duration::from_millis(dice.from(200..8000))).await;
        let blow = dice.weighted(blows);
        world.note(&format!("storm: {blow:?}"));
        match blow {
            Blow::Weather => world.net.set_weather(Weather::draw(&mut dice)),
            Blow::Part => world.net.part([ip(dice.from(0..world.fronts() as u64 + 1) as usize)]),
            Blow::Join => world.net.part([]),
            Blow::Vault => world.cut_vault(),
            Blow::Front => world.cut_front(dice.from(0..world.fronts() as u64) as usize),
            Blow::Clock => {
                // No few of them come to just what a vault believes or waits for: there its seconds, rounded, would decide.
                let seconds = [55, 2 * HOUR, 3 * DAY + 420, 15 * DAY, -25, -HOUR, -2 * DAY];
                world.wall.jump(*dice.one(&seconds));
            }
            Blow::Disk => {
                let (fail, cut) = (*dice.one(&[0, 50, 300]), *dice.one(&[0, 20, 100]));
                world.disk.set_troubles(Troubles { fail, cut });
            }
        }
    }
}
