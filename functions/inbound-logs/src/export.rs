//! The route that exports the inbound log (B4).

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use engine::Engine;
use engine::inbound::{Format, Sight};
use engine::web::api::OfOne;
use engine::web::{Caller, Problem, Query, cursor};

use utoipa::ToSchema;

use super::filters::{FILTERS, LogFilters, wanted};
use super::too_wide;

/// How an export is written.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is only described")]
enum FormatWord {
    Ndjson,
    Csv,
}

/// Exports the inbound log as NDJSON or CSV
///
/// Newest first, by the same filters as the log. It comes in portions of at most some megabytes: as long
/// as there are more, the header `Link` names the next one (`rel="next"`, relative to this address).
/// The portions one behind the other are the export; only the first of a CSV has the row of names.
/// Cells that a spreadsheet would take for formulas begin with an apostrophe. Readers get masked values.
#[utoipa::path(get, path = "/v1/inbound/export", tag = "log",
    params(("format" = inline(Option<FormatWord>), Query, description = "ndjson if nothing is said"),
        LogFilters,
        ("cursor" = Option<String>, Query, description = "As in the Link of the portion before.")),
    responses((status = 200, description = "A portion of the export",
        content((String = "application/x-ndjson"), (String = "text/csv"))), OfOne))]
pub(crate) async fn export(
    State(engine): State<Engine>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    query: Query,
) -> Result<Response, Problem> {
    let known: Vec<&str> = FILTERS.into_iter().chain(["format", "cursor"]).collect();
    let query = query.only(&known)?;
    let format = match query.text("format") {
        None | Some("ndjson") => Format::Ndjson,
        Some("csv") => Format::Csv,
        Some(_) => return Err(Problem::invalid("?format", "Expected ndjson or csv.")),
    };
    let (wanted, mark) = wanted(&query)?;
    if let Some(connection) = &wanted.connection {
        engine.connection(connection).await?;
    }
    let portion = engine.export(&wanted, format, Sight::from(&caller.role)).await?;
    let portion = portion.map_err(too_wide)?;
    let (kind, name) = match format {
        Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"inbound.ndjson\""),
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"inbound.csv\""),
    };
    let headers = [(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)];
    let mut response = (headers, portion.text).into_response();
    if let Some(next) = portion.next {
        let link = next_link(&uri, &cursor::write(&next.to_string(), &mark));
        if let Ok(link) = HeaderValue::try_from(link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

/// The same question with another cursor, relative to the address that was asked, wherever that is.
fn next_link(uri: &Uri, cursor: &str) -> String {
    let query = uri.query().unwrap_or_default();
    let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let parts: Vec<&str> = kept.collect();
    let before = if parts.is_empty() { String::new() } else { format!("{}&", parts.join("&")) };
    format!("<?{before}cursor={cursor}>; rel=\"next\"")
}
