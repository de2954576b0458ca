//! Figures from many samples.

/// Where samples lie.
#[derive(Clone, Copy)]
pub struct Spread {
    pub low_quartile: f64,
    pub median: f64,
    pub high_quartile: f64,
}

impl Spread {
    /// Of at least one sample; NaN of none.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        Self {
            low_quartile: quantile(&samples, 0.25),
            median: quantile(&samples, 0.5),
            high_quartile: quantile(&samples, 0.75),
        }
    }
}

/// The median; NaN of none.
pub fn median(samples: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(samples).median
}

/// The sample below which a share of them lies, by the nearest rank. They must be sorted.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
