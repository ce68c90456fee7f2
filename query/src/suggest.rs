//! "Did you mean": the nearest of the names that exist.
//!
//! Distance counts inserted, dropped, changed and swapped characters; a name further away than a third of the word
//! is no help and is not suggested.

/// The name nearest to `word`, if one is near enough.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = word.chars().collect();
    let bound = (wanted.len() / 3).clamp(1, 4);
    // A name is at least as far away as it is longer or shorter: a word of megabytes is compared with nothing.
    let near_in_length = |name: &&str| name.chars().count().abs_diff(wanted.len()) <= bound;
    names
        .into_iter()
        .filter(|name| *name != word)
        .filter(near_in_length)
        .map(|name| (distance(&wanted, &name.chars().collect::<Vec<_>>()), name))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, name)| name)
}

/// A sentence that suggests the nearest name.
pub fn did_you_mean<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, names).map(|name| format!("did you mean `{name}`?"))
}

/// The number of single edits between two words, a swap of neighbours being one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_found() {
        let names = [".schema", ".since", ".stats", ".tx"];
        assert_eq!(nearest(".shcema", names), Some(".schema"));
        assert_eq!(nearest(".sinc", names), Some(".since"));
        assert_eq!(nearest(":file/pth", [":file/path", ":file/size"]), Some(":file/path"));
    }

    #[test]
    fn far_names_and_the_word_itself_are_not() {
        assert_eq!(nearest(".wonderful", [".tx", ".stats"]), None);
        assert_eq!(nearest(".tx", [".tx"]), None);
    }

    #[test]
    fn distances() {
        let of = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(of("", "abc"), 3);
        assert_eq!(of("abc", "acb"), 1);
        assert_eq!(of("kitten", "sitting"), 3);
    }
}
