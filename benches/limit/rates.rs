//! Figures of several rounds.

/// One figure of each round of one side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds(pub(crate) Vec<f64>);

impl Rounds {
    pub(crate) fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// Median, least and most.
    pub(crate) fn spread(&self) -> [f64; 3] {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        [sorted.len() / 2, 0, last].map(|at| sorted.get(at).copied().unwrap_or(f64::NAN))
    }

    pub(crate) fn median(&self) -> f64 {
        self.spread()[0]
    }

    /// Round by round, of the other side's.
    pub(crate) fn ratios(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(own, other)| own / other)
                .collect(),
        )
    }

    /// `median (least to most)` with so many digits.
    pub(crate) fn show(&self, digits: usize) -> String {
        let [median, least, most] = self.spread();
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
    }
}
