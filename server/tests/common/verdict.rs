//! Report on many bad inputs at once.

/// Prints what `scripts/bad-inputs` counts, and fails with a line for each input that was judged wrong.
#[allow(
    clippy::print_stdout,
    reason = "it is a test that tells how many there were"
)]
pub fn none_wrong(what: &str, bad: usize, good: usize, wrong: &[String]) {
    println!(
        "{bad} bad inputs: {what}, {} wrong; beside them {good} good ones",
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
