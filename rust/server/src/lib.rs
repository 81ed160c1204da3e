//! crossfade's front end: it receives calls, admits, tokenises, queues, forms batches and answers. Models run and
//! collections are searched behind [`Executor`]; nothing here knows Python.
//!
//! | module | idea |
//! |---|---|
//! | `front` | the door: HTTP/2, messages, deadlines, the hot calls, the bridge for the cold ones, health, the end |
//! | `engine` | texts to vectors: each text once, cached, admitted, queued, run in batches |
//! | `schedule` | which texts a model runs next |
//! | `budget` | the one admission rule |
//! | `tokenise` | texts to token ids |
//! | `executor` | what is done elsewhere |
//! | `failure` | how a call fails |
//! | `schema`, `proto` | the messages |

mod budget;
mod engine;
mod executor;
mod failure;
mod front;
pub mod proto;
mod schedule;
mod schema;
mod tokenise;

pub use engine::{Counts, Embedded, Engine, InputType, Job, Lane, Model, Reading, Row, Setup};
pub use executor::{Call, Executor, Found, Matrix, Ranked, Search, Tokens};
pub use failure::{ERROR_TRAILER, Failure, Kind};
pub use front::{Limits, Server, Settings, check_bindable};
pub use schedule::Priority;
pub use tokenise::TextTokenizer;
