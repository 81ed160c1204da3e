//! The tokens of rows as tantivy wants them: a stream that is pulled.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::Analyser;

/// Gives tantivy the tokens of a row.
#[derive(Clone)]
pub(crate) struct Feed {
    /// None where rows come as their terms.
    analyser: Option<Analyser>,
    tokens: Tokens,
}

/// The tokens of one row: where each ends in all their letters.
#[derive(Clone, Default)]
struct Tokens {
    letters: String,
    ends: Vec<usize>,
}

/// What ends a term where a row comes as its terms: no token has it.
pub(crate) const END_OF_TERM: char = '\0';

impl Feed {
    /// Rows come as texts.
    pub(crate) fn of_texts(analyser: Analyser) -> Self {
        Self { analyser: Some(analyser), tokens: Tokens::default() }
    }

    /// Rows come as the terms that an analyser has made of them, each as often as they have it.
    pub(crate) fn of_terms() -> Self {
        Self { analyser: None, tokens: Tokens::default() }
    }
}

impl Tokenizer for Feed {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        let Tokens { letters, ends } = &mut self.tokens;
        letters.clear();
        ends.clear();
        let mut take = |token: &str| {
            letters.push_str(token);
            ends.push(letters.len());
        };
        match &mut self.analyser {
            Some(analyser) => analyser.tokens(text, take),
            None => text.split_terminator(END_OF_TERM).for_each(&mut take),
        }
        Stream { tokens: &self.tokens, next: 0, token: Token::default() }
    }
}

pub(crate) struct Stream<'a> {
    tokens: &'a Tokens,
    next: usize,
    token: Token,
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        let Some(&end) = self.tokens.ends.get(self.next) else { return false };
        let start = if self.next == 0 { 0 } else { self.tokens.ends[self.next - 1] };
        self.token.text.clear();
        self.token.text.push_str(&self.tokens.letters[start..end]);
        self.token.position = 0; // the index has no positions
        self.next += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
