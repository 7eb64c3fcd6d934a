//! A browser before the gateway, as far as the console needs one: cookies and forms.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use url::form_urlencoded::Serializer;

use super::Stack;

/// A browser with its cookies.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

/// A page.
#[derive(Debug)]
pub struct Page {
    /// Its status.
    pub status: StatusCode,
    /// Where it leads; empty where it leads nowhere.
    pub location: String,
    /// What is in it.
    pub text: String,
}

impl Page {
    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&mark).expect("no such field");
        rest.split('"').next().unwrap_or_default().replace("&quot;", "\"")
    }
}

impl Browser {
    /// Opens a page.
    pub async fn get(&mut self, stack: &Stack, path: &str) -> Page {
        self.open(stack, stack.http.get(stack.at(path))).await
    }

    /// Sends a form.
    pub async fn send(&mut self, stack: &Stack, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = stack.http.post(stack.at(path)).body(body);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.open(stack, request).await
    }

    async fn open(&mut self, stack: &Stack, request: reqwest::RequestBuilder) -> Page {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = cookies.collect();
        let request = request.header(HOST, stack.host()).header(COOKIE, cookies.join("; "));
        let answer = request.send().await.expect("an answer");
        let text =
            |value: &reqwest::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        for kept in answer.headers().get_all(SET_COOKIE).iter().map(text) {
            let pair = kept.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = answer.headers().get(LOCATION).map(text).unwrap_or_default();
        let status = answer.status();
        Page { status, location, text: answer.text().await.expect("a page") }
    }
}
