//! Whether what was seen after is worse than what was seen before by more than chance: two tests and the correction for
//! making many. They know counts alone, so a histogram is enough.

/// The logarithm of the gamma function for arguments from 1 on, by Stirling's series behind a shift: good to 12 digits.
fn ln_gamma(x: f64) -> f64 {
    let mut shifted = x;
    let mut product = 0.0;
    while shifted < 12.0 {
        product += shifted.ln();
        shifted += 1.0;
    }
    let inverse = 1.0 / shifted;
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0))));
    (shifted - 0.5) * shifted.ln() - shifted + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
        - product
}

/// The logarithm of how many ways there are to choose `few` of `many`.
fn ln_choose(many: u64, few: u64) -> f64 {
    let ln_factorial = |number: u64| ln_gamma(number as f64 + 1.0);
    ln_factorial(many) - ln_factorial(few) - ln_factorial(many - few)
}

/// Fisher's exact test, one-sided: how likely at least `bad_after` of `after` would be if both had the same chance, given
/// how many were bad in all.
pub(super) fn more_often(bad_before: u64, before: u64, bad_after: u64, after: u64) -> f64 {
    let bad = bad_before + bad_after;
    let all = before + after;
    let most = bad.min(after);
    let whole = ln_choose(all, after);
    let mut likelihood = 0.0;
    // From the likeliest of them on they only become less likely: what adds nothing any more ends it.
    for count in bad_after..=most {
        if after - count > all - bad {
            continue;
        }
        let term = (ln_choose(bad, count) + ln_choose(all - bad, after - count) - whole).exp();
        likelihood += term;
        if term < likelihood * 1e-15 && count > bad_after + 64 {
            break;
        }
    }
    likelihood.min(1.0)
}

/// Values that are the same for a test, before and after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tied {
    pub(super) before: u64,
    pub(super) after: u64,
}

/// The Mann–Whitney test, one-sided, by its normal approximation with corrections for ties and continuity: how likely
/// values after would rank as high if both came from the same. The values come in rising order.
pub(super) fn ranks_higher(values: &[Tied]) -> f64 {
    let (mut before, mut after) = (0.0, 0.0);
    let (mut wins, mut ties) = (0.0, 0.0);
    for tied in values {
        let (here_before, here_after) = (tied.before as f64, tied.after as f64);
        wins += here_after * (before + here_before / 2.0);
        before += here_before;
        after += here_after;
        let together = here_before + here_after;
        ties += together * together * together - together;
    }
    let all = before + after;
    if before == 0.0 || after == 0.0 {
        return 1.0;
    }
    let variance = before * after / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    upper_tail((wins - before * after / 2.0 - 0.5) / variance.sqrt())
}

/// How likely a normal variable lies above this many standard deviations.
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z < 3.0 {
        // The series of the integral from 0 to z: z + z³/3 + z⁵/15 + …
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        return (0.5 - density * sum).max(0.0);
    }
    // Laplace's continued fraction, from its far end.
    let fraction = (1..=60)
        .rev()
        .fold(z, |rest, step| z + f64::from(step) / rest);
    density / fraction
}

/// Holm's correction: as many tests as there are, the chance that any of them is wrong stays what is asked of one.
pub(super) fn corrected(likelihoods: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..likelihoods.len()).collect();
    order.sort_by(|one, other| likelihoods[*one].total_cmp(&likelihoods[*other]));
    let mut corrected = vec![1.0; likelihoods.len()];
    let mut least = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        let tests_left = (likelihoods.len() - place) as f64;
        least = least.max((likelihoods[index] * tests_left).min(1.0));
        corrected[index] = least;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: f64, known: f64) {
        assert!((found / known - 1.0).abs() < 1e-6, "{found} is not {known}");
    }

    #[test]
    fn the_normal_tail_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 26.1 and 26.2.
        close(upper_tail(0.0), 0.5);
        close(upper_tail(1.0), 0.158_655_253_9);
        close(upper_tail(1.96), 0.024_997_895_1);
        close(upper_tail(3.0), 0.001_349_898_03);
        close(upper_tail(5.0), 2.866_515_72e-7);
        close(upper_tail(-1.0), 0.841_344_746_1);
    }

    #[test]
    fn a_lady_who_tastes_tea_is_right_by_chance_as_often_as_fisher_said() {
        // All four of four right: 1 of 70 ways; three or more: 17 of 70 (Fisher, The Design of Experiments, 1935).
        close(more_often(0, 4, 4, 4), 1.0 / 70.0);
        close(more_often(1, 4, 3, 4), 17.0 / 70.0);
        // By hand: C(15,3) of C(75,3).
        close(more_often(0, 60, 3, 15), 455.0 / 67_525.0);
        assert!(more_often(5, 10, 0, 10) > 0.999_999);
    }

    #[test]
    fn ranks_are_weighed_as_by_hand() {
        // 1..=5 against 6..=10: U = 25, mean 12.5, variance 5·5·11/12; z = 12/4.787136 = 2.506718.
        let one_by_one: Vec<Tied> = (0..10)
            .map(|index| Tied {
                before: u64::from(index < 5),
                after: u64::from(index >= 5),
            })
            .collect();
        assert!((ranks_higher(&one_by_one) - 0.006_092_890).abs() < 1e-6);
        // All the same says nothing.
        assert_eq!(
            ranks_higher(&[Tied {
                before: 9,
                after: 9
            }]),
            1.0
        );
    }

    #[test]
    fn many_tests_are_corrected_as_holm_did() {
        // Holm's step-down by hand: 0.01·4, 0.02·3, 0.03·2, 0.04.
        let corrected = corrected(&[0.03, 0.01, 0.04, 0.02]);
        for (found, known) in corrected.iter().zip([0.06, 0.04, 0.06, 0.06]) {
            close(*found, known);
        }
    }

    proptest! {
        #[test]
        fn a_likelihood_is_one(a in 0_u64..200, b in 0_u64..200, more in 0_u64..200, rest in 0_u64..200) {
            let fisher = more_often(a, a + more, b, b + rest);
            prop_assert!((0.0..=1.0).contains(&fisher));
            let ranks = ranks_higher(&[Tied { before: a, after: b }, Tied { before: more, after: rest }]);
            prop_assert!((0.0..=1.0).contains(&ranks));
        }

        #[test]
        fn corrected_is_never_less(likelihoods in prop::collection::vec(0.0_f64..1.0, 0..20)) {
            for (one, other) in likelihoods.iter().zip(corrected(&likelihoods)) {
                prop_assert!(*one <= other && other <= 1.0);
            }
        }
    }
}
