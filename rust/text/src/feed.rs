//! The analyser as tantivy wants it: a stream that is pulled.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::Analyser;

/// Gives tantivy the tokens of [`Analyser`].
#[derive(Clone)]
pub(crate) struct Feed {
    analyser: Analyser,
    tokens: Tokens,
}

/// The tokens of one text: where each ends in all their letters.
#[derive(Clone, Default)]
struct Tokens {
    letters: String,
    ends: Vec<usize>,
}

impl Feed {
    pub(crate) fn new(analyser: Analyser) -> Self {
        Self { analyser, tokens: Tokens::default() }
    }
}

impl Tokenizer for Feed {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        let Tokens { letters, ends } = &mut self.tokens;
        letters.clear();
        ends.clear();
        self.analyser.tokens(text, |token| {
            letters.push_str(token);
            ends.push(letters.len());
        });
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
