//! Several values in one text.

/// Splits `text` at commas; `\,` is a comma within an item.
///
/// Spaces around items and empty items are dropped, so that `a, b,` has two. A backslash before anything else stands for
/// itself, since paths contain them on some systems.
pub fn list(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next_if_eq(&',').is_some() => push(&mut items, ','),
            ',' => items.push(String::new()),
            other => push(&mut items, other),
        }
    }
    let trimmed = items.iter().map(|item| item.trim().to_owned());
    trimmed.filter(|item| !item.is_empty()).collect()
}

/// Appends to the last item.
fn push(items: &mut [String], character: char) {
    if let Some(item) = items.last_mut() {
        item.push(character);
    }
}
