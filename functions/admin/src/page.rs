//! A small page for a browser: headings, texts and tables, in which everything is escaped.

/// A page that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    title: String,
    body: Vec<String>,
}

impl Page {
    /// A page with a heading.
    pub(crate) fn titled(title: &str) -> Self {
        let title = escaped(title);
        Self { body: vec![format!("<h1>{title}</h1>")], title }
    }

    /// Adds a paragraph.
    #[must_use]
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.body.push(format!("<p>{}</p>", escaped(text)));
        self
    }

    /// Adds a list; nothing for none.
    #[must_use]
    pub(crate) fn list(mut self, items: impl IntoIterator<Item = String>) -> Self {
        let items: Vec<String> =
            items.into_iter().map(|item| format!("<li>{}</li>", escaped(&item))).collect();
        if !items.is_empty() {
            self.body.push(format!("<ul>{}</ul>", items.concat()));
        }
        self
    }

    /// Adds a table; nothing for no rows.
    #[must_use]
    pub(crate) fn table(mut self, rows: &[[String; 3]]) -> Self {
        let cells = |row: &[String; 3]| -> Vec<String> {
            row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect()
        };
        let lines: Vec<String> =
            rows.iter().map(|row| format!("<tr>{}</tr>", cells(row).concat())).collect();
        if !lines.is_empty() {
            self.body.push(format!("<table>\n{}\n</table>", lines.join("\n")));
        }
        self
    }

    /// The page.
    pub(crate) fn html(&self) -> String {
        let (title, body) = (&self.title, self.body.join("\n"));
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body>\n{body}\n</body>\n</html>\n"
        )
    }
}

/// A text in which no character means anything to a browser.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_is_markup() {
        let bad = "<script>alert('\"&')</script>";
        let row = [bad.to_owned(), bad.to_owned(), bad.to_owned()];
        let page = Page::titled(bad).text(bad).list([bad.to_owned()]).table(&[row]).html();
        assert!(!page.contains("<script") && !page.contains("('\""), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 7, "{page}");
    }
}
