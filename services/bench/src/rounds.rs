//! Both sides of a row, in turns.

use std::time::Duration;

use tokio::time::sleep;

use crate::Bench;
use crate::error::Error;
use crate::figure::median;

/// Memory and the like are looked at this often until they stand still.
const LOOK_EVERY: Duration = Duration::from_millis(300);
const LOOKS_MAX: usize = 40;
/// What counts as standing still.
const STILL: f64 = 0.005;

/// What was measured of each side, round by round.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pairs {
    pub(crate) ours: Vec<f64>,
    pub(crate) limit: Vec<f64>,
}

impl Pairs {
    /// The median of the rounds' own ratios: what one round had against it, both its sides had.
    pub(crate) fn ratio(&self) -> f64 {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.limit).map(|(ours, limit)| ours / limit).collect();
        median(&ratios)
    }
}

impl Bench {
    /// Measures both sides in every round; the one that went first goes second in the next.
    pub(crate) async fn alternate(
        &self,
        mut ours: impl AsyncFnMut(usize) -> Result<f64, Error>,
        mut limit: impl AsyncFnMut(usize) -> Result<f64, Error>,
    ) -> Result<Pairs, Error> {
        let mut pairs = Pairs::default();
        for round in 0..self.rounds {
            eprintln!("  round {} of {}", round + 1, self.rounds);
            if round % 2 == 0 {
                pairs.limit.push(limit(round).await?);
                pairs.ours.push(ours(round).await?);
            } else {
                pairs.ours.push(ours(round).await?);
                pairs.limit.push(limit(round).await?);
            }
        }
        Ok(pairs)
    }
}

/// A value that stands still, after what was begun before has come to rest; the last one seen, if it never does.
pub(crate) async fn settled(mut look: impl AsyncFnMut() -> Result<u64, Error>) -> Result<u64, Error> {
    let mut last = look().await?;
    for _ in 0..LOOKS_MAX {
        sleep(LOOK_EVERY).await;
        let now = look().await?;
        let moved = now.abs_diff(last) as f64;
        last = now;
        if moved <= now as f64 * STILL {
            break;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disturbed_round_does_not_move_the_ratio() {
        let pairs = Pairs { ours: vec![2.0, 40.0, 2.2], limit: vec![4.0, 80.0, 4.0] };
        assert_eq!(pairs.ratio(), 0.5);
    }
}
