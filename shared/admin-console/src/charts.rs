//! Pictures made on the server: bars that stack, as SVG with classes and attributes alone, because the
//! pages allow no style of their own. What a picture shows stands in a table beside it, too.

use maud::{Markup, html};

use crate::parts::number;

/// Size of a picture, and what is left to the axis.
const WIDTH: usize = 720;
const HEIGHT: usize = 200;
const LEFT: usize = 64;
const BOTTOM: usize = 24;
const TOP: usize = 16;
/// A bar is no wider than this, however few there are.
const WIDEST: usize = 48;

/// A part of each bar: the class of its colour and what it is called.
pub(crate) type Part<'a> = (&'a str, &'a str);

/// A bar: what it stands for, and how much of each part it has.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    /// In words, as in a time.
    pub(crate) label: String,
    /// As many as the picture has parts, from the bottom up.
    pub(crate) amounts: Vec<u64>,
}

/// Bars that stack, oldest on the left, with a line at a height that means something.
pub(crate) fn bars(
    title: &str,
    parts: &[Part<'_>],
    bars: &[Bar],
    line: Option<(u64, &str)>,
) -> Markup {
    let most = bars.iter().map(|bar| bar.amounts.iter().sum()).max().unwrap_or(0);
    let top = most.max(line.map_or(0, |(height, _)| height)).max(1);
    let step = (WIDTH - LEFT) / bars.len().max(1);
    let width = (step * 3 / 4).clamp(2, WIDEST);
    html! {
        figure.picture {
            figcaption { (title) }
            svg.chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(told(title, parts, bars)) {
                (axis(top))
                @for (at, bar) in bars.iter().enumerate() { (drawn(bar, parts, LEFT + at * step + 2, width, top)) }
                @if let Some((height, words)) = line {
                    line.limit x1=(LEFT) x2=(WIDTH) y1=(HEIGHT - BOTTOM - scaled(height, top)) y2=(HEIGHT - BOTTOM - scaled(height, top)) {}
                    text x=(WIDTH - 4) y=(HEIGHT - BOTTOM - scaled(height, top) - 4) text-anchor="end" { (words) }
                }
                @if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
                    text x=(LEFT) y=(HEIGHT - 6) { (first.label) }
                    @if bars.len() > 1 { text x=(WIDTH - 4) y=(HEIGHT - 6) text-anchor="end" { (last.label) } }
                }
            }
            @if parts.len() > 1 { ul.key aria-hidden="true" { @for (class, name) in parts {
                li { svg viewBox="0 0 10 10" { rect.{ "fill-" (class) } width="10" height="10" {} } (name) }
            } } }
        }
    }
}

fn axis(top: u64) -> Markup {
    let base = HEIGHT - BOTTOM;
    html! {
        line.axis x1=(LEFT) x2=(WIDTH) y1=(base) y2=(base) {}
        line.axis x1=(LEFT) x2=(WIDTH) y1=(TOP) y2=(TOP) {}
        text x=(LEFT - 6) y=(base) text-anchor="end" { "0" }
        text x=(LEFT - 6) y=(TOP + 6) text-anchor="end" { (number(top)) }
    }
}

fn drawn(bar: &Bar, parts: &[Part<'_>], left: usize, width: usize, top: u64) -> Markup {
    let mut below = 0;
    let mut pieces = Vec::new();
    for ((class, name), amount) in parts.iter().zip(&bar.amounts) {
        let (from, to) = (scaled(below, top), scaled(below + amount, top));
        below += amount;
        // One among many is still to be seen.
        let height = if *amount > 0 { (to - from).max(1) } else { 0 };
        pieces.push((*class, *name, *amount, HEIGHT - BOTTOM - from - height, height));
    }
    html! { g {
        @for (class, name, amount, y, height) in pieces { @if height > 0 {
            rect.{ "fill-" (class) } x=(left) y=(y) width=(width) height=(height) {
                title { (bar.label) ": " (number(amount)) " " (name) }
            }
        } }
    } }
}

/// How high an amount is drawn.
fn scaled(amount: u64, top: u64) -> usize {
    let room = u64::try_from(HEIGHT - BOTTOM - TOP).unwrap_or(0);
    usize::try_from(u128::from(amount) * u128::from(room) / u128::from(top.max(1))).unwrap_or(0)
}

/// The picture in a sentence, for whoever does not see it.
fn told(title: &str, parts: &[Part<'_>], bars: &[Bar]) -> String {
    let sums = parts.iter().enumerate().map(|(at, (_, name))| {
        let sum: u64 = bars.iter().filter_map(|bar| bar.amounts.get(at)).sum();
        format!("{} {name}", number(sum))
    });
    let sums: Vec<String> = sums.collect();
    format!("{title}: {} bars. In all {}. The table has each.", bars.len(), sums.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [Part<'_>; 2] = [("created", "created"), ("failed", "failed")];

    fn bar(amounts: [u64; 2]) -> Bar {
        Bar { label: "<then>".to_owned(), amounts: amounts.to_vec() }
    }

    fn drawn_of(all: &[Bar], line: Option<(u64, &str)>) -> String {
        bars("People", &PARTS, all, line).into_string()
    }

    #[test]
    fn pictures_have_as_many_pieces_as_there_is_to_show() {
        // B5. The key has two pieces of its own.
        let many: Vec<Bar> = (0..1000).map(|at| bar([at, 1])).collect();
        let cases: [(&str, Vec<Bar>, usize); 5] = [
            ("none", Vec::new(), 0),
            ("nothing in it", vec![bar([0, 0])], 0),
            ("one", vec![bar([3, 2])], 2),
            ("one among many", vec![bar([1_000_000, 1])], 2),
            ("many", many, 1999),
        ];
        for (name, all, pieces) in cases {
            let svg = drawn_of(&all, None);
            assert_eq!(svg.matches("<rect").count(), pieces + PARTS.len(), "{name}");
            assert!(!svg.contains("style=") && !svg.contains("<then>"), "{name}");
            assert!(!svg.contains("height=\"0\""), "{name}");
        }
        assert_eq!(scaled(u64::MAX, u64::MAX), HEIGHT - BOTTOM - TOP, "no overflow");
    }

    #[test]
    fn pictures_are_told_in_words() {
        let svg = drawn_of(&[bar([1, 0]), bar([2000, 3])], Some((250, "the budget")));
        assert!(svg.contains("People: 2 bars. In all 2,001 created, 3 failed."), "{svg}");
        assert!(svg.contains("the budget"), "{svg}");
    }
}
