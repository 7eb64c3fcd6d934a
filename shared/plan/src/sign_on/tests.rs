//! Tables of sign-ins: settings, tokens, people, times.
