//! How often lengths of time occurred, in little memory however many there were: counted in buckets whose bounds grow by a
//! constant factor, so that a percentile is off by at most one per cent of itself.

/// A bucket reaches from its lower bound to this many times as far.
const FACTOR: f64 = 1.02;

/// What is shorter is counted as nothing: a nanosecond, where values are milliseconds.
const SMALLEST: f64 = 1e-6;

/// The last bucket takes everything from here on: 30 years, where values are milliseconds.
const LARGEST: f64 = 1e12;

/// The version that a blob begins with.
const VERSION: u8 = 1;

/// Values that are not negative, counted in buckets. The least, the greatest and the number of them are exact; a percentile
/// between [`SMALLEST`](Self::SMALLEST) and [`LARGEST`](Self::LARGEST) is off by at most [`ERROR`](Self::ERROR) of itself.
/// It never holds more than 2,094 buckets, one beside the other: a report merges hundreds of thousands of hours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The first bucket that holds something. Bucket 0 is what counts as nothing.
    first: u16,
    /// How many values each bucket holds, from the first one to the last one that holds something.
    counts: Vec<u64>,
    /// The least and the greatest value.
    bounds: Option<(f64, f64)>,
}

/// One bucket: how many values lie from `low` (included) to `high` (not included).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its lower bound.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
    /// How many values it holds.
    pub count: u64,
}

/// Why bytes are no histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHistogram {
    /// They end too early.
    #[error("the histogram is cut off")]
    CutOff,
    /// They were written by another version.
    #[error("histogram of unknown version {0}")]
    Version(u8),
    /// They say what no histogram says.
    #[error("the histogram contradicts itself")]
    Contradiction,
}

impl Histogram {
    /// The most that a percentile is off, as a share of itself.
    pub const ERROR: f64 = (FACTOR - 1.0) / (FACTOR + 1.0);
    /// What is less is counted as nothing.
    pub const SMALLEST: f64 = SMALLEST;
    /// What is more is still counted, and known only to be more.
    pub const LARGEST: f64 = LARGEST;

    /// Counts a value. A negative one counts as nothing: a clock was put back. What is no number is not counted.
    pub fn record(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let value = value.clamp(0.0, f64::MAX);
        self.add(bucket_of(value), 1);
        self.widen(value, value);
    }

    /// Counts all that another one counted.
    pub fn merge(&mut self, other: &Self) {
        let Some(last) = other.last() else {
            return;
        };
        self.reach(other.first, last);
        let place = usize::from(other.first - self.first);
        for (mine, theirs) in self.counts[place..].iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        if let Some((least, greatest)) = other.bounds {
            self.widen(least, greatest);
        }
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.counts.iter()).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The least value.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        self.bounds.map(|(least, _)| least)
    }

    /// The greatest value.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        self.bounds.map(|(_, greatest)| greatest)
    }

    /// The value that this share of all (0 to 1) does not exceed, by the nearest rank; none where nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let (least, greatest) = self.bounds?;
        let count = self.count();
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        // The two ends are known exactly.
        if rank == 1 {
            return Some(least);
        }
        if rank == count {
            return Some(greatest);
        }
        let mut seen = 0_u64;
        let (bucket, _) = self.held().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        })?;
        Some(middle_of(bucket).clamp(least, greatest))
    }

    /// The buckets that hold something, by their bounds.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.held().map(|(bucket, count)| Bucket {
            low: low_of(bucket),
            high: low_of(bucket + 1),
            count,
        })
    }

    /// A compact form: some two or three bytes for each bucket that holds something, and 18 more.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self.held().count() as u64);
        if let Some((least, greatest)) = self.bounds {
            bytes.extend(least.to_le_bytes());
            bytes.extend(greatest.to_le_bytes());
        }
        let mut before = 0;
        for (bucket, count) in self.held() {
            put(&mut bytes, u64::from(bucket - before));
            put(&mut bytes, count);
            before = bucket;
        }
        bytes
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// When the bytes are no histogram that [`Histogram::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidHistogram> {
        let mut rest = bytes;
        let [version] = take(&mut rest)?;
        if version != VERSION {
            return Err(InvalidHistogram::Version(version));
        }
        let length = number(&mut rest)?;
        let mut read = Self::default();
        if length > 0 {
            let least = f64::from_le_bytes(take(&mut rest)?);
            let greatest = f64::from_le_bytes(take(&mut rest)?);
            read.bounds = Some((least, greatest));
        }
        // Its two ends, which are checked below, say how far it reaches.
        if let Some((least, greatest)) = read.bounds
            && least <= greatest
        {
            read.reach(bucket_of(least), bucket_of(greatest));
        }
        let mut bucket = 0_u16;
        for place in 0..length {
            let step = u16::try_from(number(&mut rest)?).ok();
            let next = step.and_then(|step| bucket.checked_add(step));
            let rises = place == 0 || next > Some(bucket);
            let count = number(&mut rest)?;
            bucket =
                (next.filter(|_| rises && count > 0)).ok_or(InvalidHistogram::Contradiction)?;
            read.add(bucket, count);
        }
        match rest.is_empty() && read.is_sound() {
            true => Ok(read),
            false => Err(InvalidHistogram::Contradiction),
        }
    }

    /// Whether the two ends lie in the first and the last bucket.
    fn is_sound(&self) -> bool {
        match (self.bounds, self.last()) {
            (None, None) => true,
            (Some((least, greatest)), Some(last)) => {
                let holds = |count: Option<&u64>| count.is_some_and(|count| *count > 0);
                (0.0..=greatest).contains(&least)
                    && greatest.is_finite()
                    && (bucket_of(least), bucket_of(greatest)) == (self.first, last)
                    && holds(self.counts.first())
                    && holds(self.counts.last())
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// The buckets that hold something, with how much.
    fn held(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts = (self.first..).zip(self.counts.iter().copied());
        counts.filter(|(_, count)| *count > 0)
    }

    /// The last bucket that holds something.
    fn last(&self) -> Option<u16> {
        let behind = u16::try_from(self.counts.len().checked_sub(1)?).ok()?;
        self.first.checked_add(behind)
    }

    /// Makes room from one bucket to another.
    fn reach(&mut self, low: u16, high: u16) {
        if self.counts.is_empty() {
            self.first = low;
        }
        if let Some(before) = self.first.checked_sub(low).filter(|before| *before > 0) {
            self.counts
                .splice(..0, std::iter::repeat_n(0, usize::from(before)));
            self.first = low;
        }
        let length = usize::from(high.saturating_sub(self.first)) + 1;
        if self.counts.len() < length {
            self.counts.resize(length, 0);
        }
    }

    fn add(&mut self, bucket: u16, count: u64) {
        self.reach(bucket, bucket);
        let held = &mut self.counts[usize::from(bucket - self.first)];
        *held = held.saturating_add(count);
    }

    fn widen(&mut self, least: f64, greatest: f64) {
        self.bounds = Some(match self.bounds {
            Some((low, high)) => (low.min(least), high.max(greatest)),
            None => (least, greatest),
        });
    }
}

/// The bucket of a value: 0 below [`SMALLEST`], then one for each power of [`FACTOR`].
fn bucket_of(value: f64) -> u16 {
    if value < SMALLEST {
        return 0;
    }
    let power = (value.min(LARGEST) / SMALLEST).ln() / FACTOR.ln();
    1 + power as u16
}

/// The lower bound of a bucket.
fn low_of(bucket: u16) -> f64 {
    match bucket {
        0 => 0.0,
        bucket => SMALLEST * FACTOR.powi(i32::from(bucket) - 1),
    }
}

/// The value that is off by the same share from either bound of a bucket.
fn middle_of(bucket: u16) -> f64 {
    low_of(bucket) * 2.0 * FACTOR / (1.0 + FACTOR)
}

/// Writes a number, seven bits a byte, the low ones first.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a number that [`put`] wrote.
fn number(rest: &mut &[u8]) -> Result<u64, InvalidHistogram> {
    let mut number = 0_u64;
    for place in 0..10 {
        let [byte] = take(rest)?;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << (7 * place);
        if shifted >> (7 * place) != bits {
            return Err(InvalidHistogram::Contradiction);
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(InvalidHistogram::Contradiction)
}

fn take<const LENGTH: usize>(rest: &mut &[u8]) -> Result<[u8; LENGTH], InvalidHistogram> {
    let (taken, left) = rest
        .split_first_chunk::<LENGTH>()
        .ok_or(InvalidHistogram::CutOff)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::{Histogram, InvalidHistogram, LARGEST, SMALLEST, VERSION};

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    fn exact(values: &[f64], share: f64) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
        sorted[rank - 1]
    }

    /// Lengths of all sizes, as often short as long.
    fn lengths() -> impl Strategy<Value = Vec<f64>> {
        let length = prop_oneof![
            8 => (-6.0..12.0_f64).prop_map(|power| 10_f64.powf(power)),
            1 => Just(0.0),
            1 => 0.0..SMALLEST,
        ];
        prop::collection::vec(length, 1..200)
    }

    #[test]
    fn nothing_has_no_percentile() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.min(), empty.max()), (0, None, None));
        assert_eq!(empty.quantile(0.5), None);
        assert_eq!(empty.buckets().count(), 0);
        assert_eq!(Histogram::decode(&empty.encode()), Ok(empty));
    }

    #[test]
    fn what_is_no_length_does_no_harm() {
        let odd = of(&[f64::NAN, -1.0, f64::INFINITY, f64::MAX, LARGEST]);
        assert_eq!(
            (odd.count(), odd.min(), odd.max()),
            (4, Some(0.0), Some(f64::MAX))
        );
        assert_eq!(Histogram::decode(&odd.encode()), Ok(odd));
    }

    #[test]
    fn it_never_holds_more_than_it_says() {
        let mut full = Histogram::default();
        let mut value = SMALLEST / 2.0;
        while value < LARGEST * 100.0 {
            full.record(value);
            value *= 1.005;
        }
        assert_eq!(full.buckets().count(), 2_094);
    }

    #[test]
    fn an_hour_of_minutes_is_small() {
        let minutes: Vec<f64> = (0..60)
            .map(|minute| 20.0 + f64::from(minute % 12))
            .collect();
        let length = of(&minutes).encode().len();
        assert!(length <= 18 + 12 * 3, "{length}");
    }

    #[test]
    fn bytes_that_are_no_histogram_are_refused() {
        let good = of(&[1.0, 2.0]).encode();
        assert_eq!(Histogram::decode(&[]), Err(InvalidHistogram::CutOff));
        assert_eq!(Histogram::decode(&[9]), Err(InvalidHistogram::Version(9)));
        assert_eq!(
            Histogram::decode(&good[..good.len() - 1]),
            Err(InvalidHistogram::CutOff)
        );
        let longer = [good.as_slice(), &[0]].concat();
        let twice = {
            let mut bytes = vec![VERSION, 2];
            bytes.extend(0_f64.to_le_bytes().repeat(2));
            bytes.extend([0, 1, 0, 1]);
            bytes
        };
        let endless = [VERSION].into_iter().chain([0xff; 11]).collect();
        for bytes in [longer, twice, endless] {
            assert_eq!(
                Histogram::decode(&bytes),
                Err(InvalidHistogram::Contradiction),
                "{bytes:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_percentile_is_off_by_one_per_cent_at_most(values in lengths(), share in 0.0..=1.0_f64) {
            let histogram = of(&values);
            let (told, exact) = (histogram.quantile(share).unwrap(), exact(&values, share));
            let most = exact * Histogram::ERROR * (1.0 + 1e-9) + SMALLEST;
            prop_assert!((told - exact).abs() <= most, "{told} for {exact}");
            prop_assert!(Histogram::ERROR <= 0.01);
        }

        #[test]
        fn the_ends_and_the_number_are_exact(values in lengths()) {
            let histogram = of(&values);
            prop_assert_eq!(histogram.count(), values.len() as u64);
            prop_assert_eq!(histogram.quantile(0.0), Some(exact(&values, 0.0)));
            prop_assert_eq!(histogram.max(), Some(exact(&values, 1.0)));
            let counted: u64 = histogram.buckets().map(|bucket| bucket.count).sum();
            prop_assert_eq!(counted, values.len() as u64);
        }

        #[test]
        fn merging_counts_as_if_it_had_counted_itself(left in lengths(), right in lengths()) {
            let mut merged = of(&left);
            merged.merge(&of(&right));
            prop_assert_eq!(&merged, &of(&[left, right].concat()));
            merged.merge(&Histogram::default());
            let mut other = Histogram::default();
            other.merge(&merged);
            prop_assert_eq!(other, merged);
        }

        #[test]
        fn it_is_read_as_it_was_written(values in lengths()) {
            let histogram = of(&values);
            prop_assert_eq!(Histogram::decode(&histogram.encode()), Ok(histogram));
        }

        #[test]
        fn no_bytes_are_read_as_what_writes_others(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut bytes = bytes;
            bytes.insert(0, VERSION);
            if let Ok(read) = Histogram::decode(&bytes) {
                prop_assert_eq!(Histogram::decode(&read.encode()), Ok(read));
            }
        }
    }
}
