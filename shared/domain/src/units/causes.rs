//! Errors in words, for every crate that tells them to somebody.

use std::error::Error;

/// What went wrong and why, from the outermost error in.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let error_text = error.to_string();
        // Transparent errors repeat their source.
        if !text.contains(&error_text) {
            text = format!("{text}: {error_text}");
        }
        cause = error.source();
    }
    text
}

/// The words of a service, if it said any, or else the causes; and the request to
/// ask its support about.
pub fn of_service(code: Option<&str>, message: Option<&str>, request: Option<&str>, error: &dyn Error) -> String {
    let text = match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(_) | None, _) => causes(error),
    };
    match request {
        Some(request) => format!("{text} (request {request})"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Told {
        #[error("the disk is full")]
        Inner,
        #[error(transparent)]
        Transparent(Box<Told>),
        #[error("not written")]
        Outer(#[source] Box<Told>),
    }

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        let transparent = || Told::Transparent(Box::new(Told::Outer(Box::new(Told::Inner))));
        assert_eq!(causes(&transparent()), "not written: the disk is full");
        assert_eq!(causes(&Told::Outer(Box::new(transparent()))), "not written: the disk is full");
        assert_eq!(causes(&Told::Inner), "the disk is full");
    }

    #[test]
    fn a_service_is_quoted_where_it_said_what_and_why() {
        let error = Told::Outer(Box::new(Told::Inner));
        assert_eq!(of_service(Some("Busy"), Some("later"), Some("r-1"), &error), "Busy: later (request r-1)");
        assert_eq!(of_service(Some("Busy"), None, None, &error), "not written: the disk is full");
        assert_eq!(of_service(None, Some("later"), Some("r-1"), &error), "not written: the disk is full (request r-1)");
    }
}
