//! How large an endpoint's share of the traffic is, relative to its neighbours'.

/// A share of the traffic, 0 to 65535. Zero takes the endpoint out of rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Weight(u16);

/// A number that is no weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is {0}; a weight is a whole number from 0 (takes no requests) to 65535")]
pub struct InvalidWeight(pub i64);

impl Weight {
    /// Takes no requests.
    pub const ZERO: Weight = Weight(0);

    /// What an endpoint has that names none.
    pub const DEFAULT: Weight = Weight(1);

    /// Checks and takes a weight.
    pub fn new(value: i64) -> Result<Self, InvalidWeight> {
        u16::try_from(value).map(Self).map_err(|_| InvalidWeight(value))
    }

    /// The weight as a number.
    pub fn get(self) -> u32 {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_fits_sixteen_bits() {
        assert_eq!(Weight::new(65535).unwrap().get(), 65535);
        assert_eq!(Weight::new(-1), Err(InvalidWeight(-1)));
        assert_eq!(Weight::new(65536), Err(InvalidWeight(65536)));
    }
}
