//! All of it against an obvious twin.

mod oracle;
mod properties;
mod spelling;
