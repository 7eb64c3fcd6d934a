//! A question before something happens that is not easily undone: what will happen in numbers, and one
//! button that does it.

use maud::{Markup, html};

use crate::visit::Visit;

/// A question.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// Where the answer goes.
    pub(crate) action: &'a str,
    /// Where whoever thinks better of it goes.
    pub(crate) back: &'a str,
    /// What the form carries.
    pub(crate) carries: &'a [(&'a str, &'a str)],
    /// What the button says: the deed, and never just yes.
    pub(crate) button: &'a str,
    /// Whether it takes something away from people.
    pub(crate) danger: bool,
}

/// The question, below what will happen.
pub(crate) fn question(visit: &Visit, asked: &Question<'_>, consequences: &Markup) -> Markup {
    html! {
        div.card.question {
            (consequences)
            form method="post" action=(asked.action) {
                input type="hidden" name="csrf" value=(visit.csrf());
                @for (name, value) in asked.carries { input type="hidden" name=(name) value=(value); }
                p.row {
                    button.(if asked.danger { "danger" } else { "main" }) { (asked.button) }
                    a.button href=(asked.back) { "Do nothing" }
                }
            }
        }
    }
}
