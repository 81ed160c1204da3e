//! Which analyser, in a form that is stored with every index.

use serde_json::{Map, Value, json};

use crate::Error;
use crate::normalise::lower_case;

/// Version of the analyser. From the first release on it rises with every change that moves a token of any text.
pub(crate) const VERSION: u64 = 1;

/// Most stop words of one's own, and most bytes of one.
const MOST_STOP_WORDS: usize = 10_000;

/// How words are reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// Lower case, and nothing more.
    Plain,
    /// Lower case, then Snowball's English stemmer.
    English,
}

/// Words that are left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StopWords {
    /// None are.
    None,
    /// The 33 of Lucene's English list.
    English,
    /// Those given, in lower case, sorted, each once.
    Own(Vec<String>),
}

/// What moves a token. Two indexes with equal settings hold the same tokens for the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    language: Language,
    stop_words: StopWords,
}

impl Settings {
    /// Settings; stop words of one's own are brought into lower case and order.
    ///
    /// # Errors
    /// [`Error::Settings`] for a stop word that is empty or has a blank in it, or too many of them.
    pub fn new(language: Language, stop_words: StopWords) -> Result<Self, Error> {
        let stop_words = match stop_words {
            StopWords::Own(words) => StopWords::Own(tidy(words)?),
            other => other,
        };
        Ok(Self { language, stop_words })
    }

    /// How words are reduced.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Words that are left out.
    #[must_use]
    pub fn stop_words(&self) -> &StopWords {
        &self.stop_words
    }

    /// The stable form: one line, keys in order, equal for equal settings.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    pub(crate) fn to_value(&self) -> Value {
        let analyser = match self.language {
            Language::Plain => "plain",
            Language::English => "english",
        };
        let stop_words = match &self.stop_words {
            StopWords::None => json!("none"),
            StopWords::English => json!("english"),
            StopWords::Own(words) => json!(words),
        };
        json!({"analyser": analyser, "stop_words": stop_words, "version": VERSION})
    }

    /// Read what [`Settings::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Settings`] for anything else, another version among it.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let value: Value = serde_json::from_str(text).map_err(|error| refused(format!("no JSON: {error}")))?;
        Self::from_value(&value)
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Error> {
        let object = value.as_object().ok_or_else(|| refused("they must be a JSON object"))?;
        if let Some(key) = object.keys().find(|key| !["analyser", "stop_words", "version"].contains(&key.as_str())) {
            return Err(refused(format!("{key:?} is not known: use analyser, stop_words, version")));
        }
        if object.get("version").and_then(Value::as_u64) != Some(VERSION) {
            let found = object.get("version").map_or_else(|| "none".to_owned(), Value::to_string);
            return Err(refused(format!(
                "this crossfade has version {VERSION} of the analysers, the settings say {found}: build the index again"
            )));
        }
        let language = match object.get("analyser").and_then(Value::as_str) {
            Some("plain") => Language::Plain,
            Some("english") => Language::English,
            _ => return Err(refused("analyser must be \"plain\" or \"english\"")),
        };
        Self::new(language, stop_words(object)?)
    }
}

fn stop_words(object: &Map<String, Value>) -> Result<StopWords, Error> {
    let wrong = || refused("stop_words must be \"none\", \"english\" or a list of words");
    match object.get("stop_words") {
        Some(Value::String(name)) if name == "none" => Ok(StopWords::None),
        Some(Value::String(name)) if name == "english" => Ok(StopWords::English),
        Some(Value::Array(words)) => {
            let words = words.iter().map(|word| word.as_str().map(str::to_owned).ok_or_else(wrong));
            Ok(StopWords::Own(words.collect::<Result<_, _>>()?))
        }
        _ => Err(wrong()),
    }
}

fn tidy(words: Vec<String>) -> Result<Vec<String>, Error> {
    if words.len() > MOST_STOP_WORDS {
        return Err(refused(format!("{} stop words are more than {MOST_STOP_WORDS}", words.len())));
    }
    let mut tidied = Vec::with_capacity(words.len());
    for word in words {
        let lower = lower_case(word.trim());
        if lower.is_empty() || lower.contains(char::is_whitespace) {
            return Err(refused(format!("the stop word {word:?} is not one word")));
        }
        tidied.push(lower);
    }
    tidied.sort_unstable();
    tidied.dedup();
    Ok(tidied)
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Settings(reason.into())
}
