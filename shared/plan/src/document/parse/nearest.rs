//! "Did you mean": the known name nearest to an unknown one.

/// The nearest of `names` by edit distance, case and `_ - .` left out of account; `None` when none
/// is near enough to be meant (about one edit in three letters, at most three).
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = letters(name);
    let most = ((wanted.len() + 1) / 3).clamp(1, 3);
    names
        .map(|candidate| (distance(&wanted, &letters(candidate)), candidate))
        .filter(|(distance, _)| *distance <= most && !wanted.is_empty())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The first 80 letters, which is longer than any name that we know.
fn letters(name: &str) -> Vec<char> {
    let significant = name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' '));
    significant.take(80).map(|c| c.to_ascii_lowercase()).collect()
}

/// Edit distance with swapped neighbours as one edit (optimal string alignment), three rows of the
/// table at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut upmost: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (above[j - 1] + differs).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(upmost[j - 2] + 1);
            }
            row.push(least);
        }
        upmost = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["tenant_id", "title", "city", "mail"];
        let cases = [
            ("tenantId", Some("tenant_id")),
            ("tenat_id", Some("tenant_id")),
            ("titel", Some("title")),
            ("titl", Some("title")),
            ("Mail", Some("mail")),
            ("mails", Some("mail")),
            ("mial", Some("mail")),
            ("x", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        }
        assert_eq!(distance(&letters("kitten"), &letters("sitting")), 3);
    }
}
